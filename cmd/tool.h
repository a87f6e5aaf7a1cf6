/* What every main() shares: options, messages, progress, exit. */
#ifndef CMD_TOOL_H
#define CMD_TOOL_H

#include "base/options.h"
#include "stream/stream.h"
#include "user/encoder.h"

typedef struct {
	const char *name;     /* "ul-prep" */
	const char *synopsis; /* "[OPTION]… [FILE…]" */
	const char *summary;  /* a sentence or two for --help */
	const char *examples; /* lines for --help */
} Tool;

/* Parses; prints help or version and exits where they were asked for; exits with
 * 2 and one line on a usage error.  table[0 … COMMON_OPTIONS) is filled in. */
void tool_start(const Tool *tool, Option *table, size_t count, CommonOptions *common, StringList *operands,
                int argc, char **argv);

/* ERROR_USAGE where a file that one option has written is one that another has read, or has written, too.
 * tool_start() does it; to be done again where options have got other defaults since. */
bool tool_check_files(const Option *table, size_t count, Error *e);

/* ERROR_USAGE where writing the file would lose one that an option has read. */
bool tool_spares_inputs(const char *written, const Option *table, size_t count, Error *e);

/* ERROR_USAGE where standard input, which the tool also `reads` where there is no operand, would be read
 * twice. tool_start() does it for what is named; to be done again by who reads. */
bool tool_check_standard_input(const Option *table, size_t count, const StringList *operands, bool reads,
                               Error *e);

/* Whether both are the same file, by whatever names; NULL and "-" are none. */
bool tool_same_file(const char *a, const char *b);

/* The only operand, or NULL where there is none (standard input). */
const char *tool_operand(const Tool *tool, const StringList *operands);

/* Prints the error as one line, and returns the exit code. */
int tool_fail(const Tool *tool, const Error *e);

/* Closes standard output, says what went wrong, returns the exit code. */
int tool_finish(const Tool *tool, bool done, Error *e);

/* "NAME: …" on standard error, a line. */
void tool_say(const Tool *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line that is overwritten by the next (when standard error is a terminal;
 * nothing at all otherwise), at most ten times a second unless it is `last`. */
void tool_progress(const Tool *tool, bool last, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ERROR_USAGE where the data hold nothing back that the part could be. */
bool tool_check_part(const Dataset *data, Part part, Error *e);

/* Says what of the data the encoder does not know. */
void tool_say_unknown(const Tool *tool, const Translation *t);
/* The same (not if `quiet`), with ERROR_USAGE where that is every item. */
bool tool_check_data(const Tool *tool, const Translation *t, bool quiet, Error *e);

/* Tool, version, argv and seed; inputs are the caller's to fill in.  *record must
 * outlive the provenance. */
Provenance tool_provenance(const Tool *tool, const Option *table, size_t count, const CommonOptions *common,
                           const StringList *operands, Buffer *record, Error *e);

#endif
