/* A file that exists whole or not at all: written without a name, or where that cannot be under one beside
 * its own, and renamed when it is complete.  Standard output is passed through. */
#ifndef STREAM_OUTPUT_H
#define STREAM_OUTPUT_H

#include "base/error.h"

#include <stdio.h>

typedef struct {
	FILE *file;
	char *path, *temporary; /* NULL for standard output; temporary is empty while there is no name */
} Output;

/* path NULL or "-" is standard output; with `binary` a terminal is refused.  A file that is
 * replaced hands on its permissions; of a symbolic link, the file behind it, if there is one, is replaced. */
bool output_open(Output *o, const char *path, bool binary, Error *e);
/* Whether output_open() could do it, for a tool that has something to write only after hours. */
bool output_check(const char *path, bool binary, Error *e);
/* Whether writing the one does not replace the other, by whatever name: else an ERROR_USAGE.  For a tool
 * whose output is no version of its input. */
bool output_differs(const char *path, const char *input, Error *e);
bool output_close(Output *o, Error *e); /* flush, check, rename; on error nothing stays behind */
void output_abort(Output *o);           /* may be called twice, or on a zeroed struct */
bool output_write(Output *o, const void *data, size_t size, Error *e);

#endif
