/* A tool's options, in one table that drives parsing, --help, the record of
 * what was asked for, and the check of the manual page. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "base/error.h"
#include "base/memory.h"

#include <stddef.h>
#include <stdint.h>

typedef enum {
	OPTION_FLAG,    /* value: bool, set to true */
	OPTION_INTEGER, /* value: int64_t, within [low, high] */
	OPTION_REAL,    /* value: double, within [low, high] */
	OPTION_STRING,  /* value: const char *, borrowed from argv */
	OPTION_CHOICE,  /* value: const char *, one of the words in `argument`, a|b|c */
	OPTION_LIST,    /* value: StringList, may be given again and again */
} OptionKind;

typedef struct {
	const char **items; /* borrowed from argv */
	size_t count, capacity;
} StringList;

typedef struct {
	const char *name; /* the long one, without dashes */
	char letter;      /* the short one, or 0 */
	OptionKind kind;
	void *value;
	const char *argument; /* how the help calls it: N, FILE, a|b|c */
	const char *help;     /* one line, lower case, no full stop */
	double low, high;
	bool incidental; /* changes no byte of the output (-T, -q, -o): not put on record */
	bool input;      /* names a file that is read: what is in it counts, not what it is called */
	bool written;    /* names a file that is written: none of those that are read */
	bool given;      /* set by options_parse() */
} Option;

/* What every tool takes; options_common() has its table. */
typedef struct {
	bool help, version, quiet, verbose;
	int64_t threads, seed;
} CommonOptions;

enum { COMMON_OPTIONS = 6 };

/* Fills table[0 … COMMON_OPTIONS) with -h -V -q -v -T --seed, stored into *common,
 * and their defaults. */
void options_common(Option *table, CommonOptions *common);

/* Parses argv into the table's values; operands (all that is no option; "--" ends
 * the options, "-" is an operand) go to *operands.  --name=value, --name value,
 * -xvalue, -x value and bundled flags are understood; a unique prefix of a name is
 * not, since scripts outlive option tables.  Errors are ERROR_USAGE. */
bool options_parse(Option *table, size_t count, int argc, char **argv, StringList *operands, Error *e);

/* Whether the option called `name` was given. */
bool option_given(const Option *table, size_t count, const char *name);

/* Options, by their names with spaces between, that mean nothing to what is asked. */
typedef struct {
	bool refused;
	const char *names, *instead; /* what they go with */
} OptionRule;

/* ERROR_USAGE "--NAME goes with INSTEAD" for the first that a rule refuses and that was given. */
bool options_check(const Option *table, size_t count, const OptionRule *rules, size_t rule_count, Error *e);

/* The value as text, in `number` where it is one; NULL where there is none: it was not given, and what it is
 * without lies outside the range, is NULL or false.  Of a list: NULL. */
enum { OPTION_NUMBER = 64 };
const char *option_text(const Option *o, char number[OPTION_NUMBER]);
/* Sets it from such a text, which is borrowed, as a default: it does not count as given. */
bool option_default(Option *o, const char *text, Error *e);

/* The help's lines for the table, wrapped for a terminal of 80 columns. */
bool options_help(const Option *table, size_t count, Buffer *out, Error *e);

/* The options as given, with all that is incidental left out, shell-quoted, for
 * the `ul.argv` of a stream. */
bool options_record(const Option *table, size_t count, const StringList *operands, Buffer *out, Error *e);

/* FEATURE=COLUMN and the like: the length of the part before the first '=', or
 * an ERROR_USAGE that names the option. */
bool option_split(const char *option, const char *text, size_t *left, const char **right, Error *e);

void string_list_free(StringList *list);

#endif
