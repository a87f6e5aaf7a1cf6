/* What went wrong, carried in the caller's struct.
 *
 * A function that can fail returns bool (true: done) or a pointer (NULL: not
 * done) and takes `Error *e` last.  Nothing in lib/ prints or exits. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

enum {
	ERROR_NONE = 0,
	ERROR_FAILURE = 1,   /* runtime or I/O */
	ERROR_USAGE = 2,     /* what was asked for makes no sense */
	ERROR_MALFORMED = 3, /* the input is broken, truncated or not what it should be */
	ERROR_THRESHOLD = 4, /* ul-eval --require was not met */
};

typedef struct {
	int code; /* also the exit code */
	char text[1024];
} Error;

/* Sets code and text, unless an error is there already (the first one is the
 * cause).  Control characters, which names from a file may have, become '?', so that the text is
 * one line and leaves a terminal alone.  Returns false, so that `return fail(e, …)` reads as what
 * it is. */
bool fail(Error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As fail(), with ": " and the text of errno behind. */
bool fail_errno(Error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "where: " before the text that is there: called on the way up by whoever
 * knows the file, the line or the record.  Returns false. */
bool fail_in(Error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first error of tasks that ran side by side: copied to *e.  False where there is one. */
bool fail_first(const Error *errors, size_t count, Error *e);

#endif
