#include "base/options.h"

#include "base/cpu.h"
#include "base/strings.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void options_common(Option *table, CommonOptions *common)
{
	size_t cpus = cpu_count();
	*common = (CommonOptions){.threads = cpus > 256 ? 256 : (int64_t)cpus, .seed = 1};
	const Option options[COMMON_OPTIONS] = {
	    {"help", 'h', OPTION_FLAG, &common->help, NULL, "print this help and exit", .incidental = true},
	    {"version", 'V', OPTION_FLAG, &common->version, NULL,
	     "print the version, the compiler, the libraries and the CPU path, and exit", .incidental = true},
	    {"quiet", 'q', OPTION_FLAG, &common->quiet, NULL, "say nothing but errors", .incidental = true},
	    {"verbose", 'v', OPTION_FLAG, &common->verbose, NULL, "say more", .incidental = true},
	    {"threads", 'T', OPTION_INTEGER, &common->threads, "N",
	     "threads (default: the CPUs; the output is the same for any)", 1, 256, .incidental = true},
	    {"seed", 0, OPTION_INTEGER, &common->seed, "N", "seed of all random numbers (default 1)", 0,
	     1e15},
	};
	memcpy(table, options, sizeof options);
}

static bool list_append(StringList *list, const char *item, Error *e)
{
	if (!memory_grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items, e))
		return false;
	list->items[list->count++] = item;
	return true;
}

static bool store(Option *o, const char *text, Error *e)
{
	char *end = NULL;
	o->given = true;
	errno = 0;
	switch (o->kind) {
	case OPTION_FLAG:
		*(bool *)o->value = true;
		return true;
	case OPTION_STRING:
		*(const char **)o->value = text;
		return true;
	case OPTION_LIST:
		return list_append(o->value, text, e);
	case OPTION_CHOICE:
		if (word_number(o->argument, text) == SIZE_MAX)
			return fail(e, ERROR_USAGE, "--%s is one of %s, not '%s'", o->name, o->argument,
			            text);
		*(const char **)o->value = text;
		return true;
	case OPTION_INTEGER: {
		long long number = strtoll(text, &end, 10);
		if (errno != 0 || end == text || *end != '\0' || (double)number < o->low ||
		    (double)number > o->high)
			return fail(e, ERROR_USAGE, "--%s takes a whole number from %.0f to %.0f, not '%s'",
			            o->name, o->low, o->high, text);
		*(int64_t *)o->value = number;
		return true;
	}
	case OPTION_REAL: {
		double number = strtod(text, &end);
		if (end == text || *end != '\0' || !isfinite(number) || number < o->low || number > o->high)
			return fail(e, ERROR_USAGE, "--%s takes a number from %g to %g, not '%s'", o->name,
			            o->low, o->high, text);
		*(double *)o->value = number;
		return true;
	}
	}
	return fail(e, ERROR_USAGE, "--%s: unknown kind of option", o->name);
}

static bool parse_long(Option *table, size_t count, char **argv, int *i, Error *e)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	for (Option *o = table; o < table + count; o++) {
		if (strlen(o->name) != length || strncmp(o->name, name, length) != 0)
			continue;
		if (o->kind == OPTION_FLAG)
			return equals ? fail(e, ERROR_USAGE, "--%s takes no value", o->name)
			              : store(o, NULL, e);
		if (equals != NULL)
			return store(o, equals + 1, e);
		if (argv[*i + 1] == NULL)
			return fail(e, ERROR_USAGE, "--%s needs a value: --%s %s", o->name, o->name,
			            o->argument);
		return store(o, argv[++*i], e);
	}
	return fail(e, ERROR_USAGE, "unknown option --%.*s (--help lists them)", (int)length, name);
}

static bool parse_short(Option *table, size_t count, char **argv, int *i, Error *e)
{
	for (const char *p = argv[*i] + 1; *p != '\0'; p++) {
		Option *o = table;
		while (o < table + count && o->letter != *p)
			o++;
		if (o == table + count)
			return fail(e, ERROR_USAGE, "unknown option -%c (--help lists them)", *p);
		if (o->kind == OPTION_FLAG) {
			if (!store(o, NULL, e))
				return false;
			continue;
		}
		if (p[1] != '\0')
			return store(o, p + 1, e);
		if (argv[*i + 1] == NULL)
			return fail(e, ERROR_USAGE, "-%c needs a value: -%c %s", *p, *p, o->argument);
		return store(o, argv[++*i], e);
	}
	return true;
}

bool options_parse(Option *table, size_t count, int argc, char **argv, StringList *operands, Error *e)
{
	bool ended = false;
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		bool done;
		if (ended || word[0] != '-' || word[1] == '\0')
			done = list_append(operands, word, e);
		else if (strcmp(word, "--") == 0)
			done = ended = true;
		else if (word[1] == '-')
			done = parse_long(table, count, argv, &i, e);
		else
			done = parse_short(table, count, argv, &i, e);
		if (!done)
			return false;
	}
	return true;
}

bool option_given(const Option *table, size_t count, const char *name)
{
	for (const Option *o = table; o < table + count; o++)
		if (strcmp(o->name, name) == 0)
			return o->given;
	return false;
}

/* The first of the names that was given; NULL: none. */
static const Option *find_given(const Option *table, size_t count, const char *names)
{
	for (size_t length; *names != '\0'; names += length + (names[length] == ' ')) {
		length = strcspn(names, " ");
		for (const Option *o = table; o < table + count; o++)
			if (o->given && strlen(o->name) == length && strncmp(o->name, names, length) == 0)
				return o;
	}
	return NULL;
}

bool options_check(const Option *table, size_t count, const OptionRule *rules, size_t rule_count, Error *e)
{
	for (const OptionRule *r = rules; r < rules + rule_count; r++) {
		const Option *o = r->refused ? find_given(table, count, r->names) : NULL;
		if (o != NULL)
			return fail(e, ERROR_USAGE, "--%s goes with %s", o->name, r->instead);
	}
	return true;
}

/* One option: its names in a column, its help wrapped beside it. */
static bool help_line(const Option *o, Buffer *out, Error *e)
{
	enum { COLUMN = 28, WIDTH = 80 };
	char names[128];
	int used = o->letter ? snprintf(names, sizeof names, "  -%c, --%s", o->letter, o->name)
	                     : snprintf(names, sizeof names, "      --%s", o->name);
	if (o->argument != NULL && used > 0 && (size_t)used < sizeof names)
		snprintf(names + used, sizeof names - (size_t)used, " %s", o->argument);
	size_t at = strlen(names);
	if (!buffer_print(out, e, "%s", names))
		return false;
	if (at + 2 > COLUMN) {
		if (!buffer_print(out, e, "\n"))
			return false;
		at = 0;
	}
	for (const char *p = o->help; *p != '\0';) {
		size_t word = strcspn(p, " ");
		bool wraps = at > COLUMN && at + 1 + word > WIDTH;
		int blanks = at < COLUMN ? (int)(COLUMN - at) : 1;
		if (!buffer_print(out, e, wraps ? "\n%*s%.*s" : "%*s%.*s", wraps ? COLUMN : blanks, "",
		                  (int)word, p))
			return false;
		at = (wraps ? (size_t)COLUMN : at + (size_t)blanks) + word;
		p += word + strspn(p + word, " ");
	}
	return buffer_print(out, e, "\n");
}

bool options_help(const Option *table, size_t count, Buffer *out, Error *e)
{
	/* The tool's own options first, those of every tool behind them. */
	for (size_t i = 0; i < count; i++)
		if (!help_line(&table[(i + COMMON_OPTIONS) % count], out, e))
			return false;
	return true;
}

static bool record_word(Buffer *out, const char *word, Error *e)
{
	bool plain =
	    *word != '\0' && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                                  "_-./:=,+@%") == strlen(word);
	if (plain)
		return buffer_append(out, word, strlen(word), e);
	if (!buffer_append(out, "'", 1, e))
		return false;
	for (; *word != '\0'; word++)
		if (!(*word == '\'' ? buffer_append(out, "'\\''", 4, e) : buffer_append(out, word, 1, e)))
			return false;
	return buffer_append(out, "'", 1, e);
}

static bool record_option(const Option *o, const char *text, Buffer *out, Error *e)
{
	return buffer_print(out, e, "%s--%s", out->size ? " " : "", o->name) &&
	       (text == NULL || (buffer_append(out, " ", 1, e) && record_word(out, text, e)));
}

static const char *number_text(const Option *o, double value, int precision, char number[OPTION_NUMBER])
{
	if (!(value >= o->low && value <= o->high))
		return NULL;
	snprintf(number, OPTION_NUMBER, "%.*g", precision, value);
	return number;
}

const char *option_text(const Option *o, char number[OPTION_NUMBER])
{
	switch (o->kind) {
	case OPTION_FLAG:
		return *(bool *)o->value ? "true" : NULL;
	case OPTION_INTEGER:
		return number_text(o, (double)*(int64_t *)o->value, 18, number);
	case OPTION_REAL:
		return number_text(o, *(double *)o->value, 17, number);
	case OPTION_STRING:
	case OPTION_CHOICE:
		return *(const char **)o->value;
	case OPTION_LIST:
		break;
	}
	return NULL;
}

bool option_default(Option *o, const char *text, Error *e)
{
	bool given = o->given, done = store(o, text, e);
	o->given = given;
	return done;
}

static bool record_value(const Option *o, Buffer *out, Error *e)
{
	char number[OPTION_NUMBER];
	if (o->kind == OPTION_FLAG)
		return record_option(o, NULL, out, e);
	if (o->kind != OPTION_LIST)
		return record_option(o, option_text(o, number), out, e);
	for (size_t i = 0; i < ((StringList *)o->value)->count; i++)
		if (!record_option(o, ((StringList *)o->value)->items[i], out, e))
			return false;
	return true;
}

bool options_record(const Option *table, size_t count, const StringList *operands, Buffer *out, Error *e)
{
	for (const Option *o = table; o < table + count; o++)
		if (o->given && !o->incidental && !record_value(o, out, e))
			return false;
	for (size_t i = 0; i < operands->count; i++)
		if (!(out->size == 0 || buffer_append(out, " ", 1, e)) ||
		    !record_word(out, operands->items[i], e))
			return false;
	return buffer_append(out, "", 1, e) && (out->size--, true); /* ends in a NUL that is not counted */
}

bool option_split(const char *option, const char *text, size_t *left, const char **right, Error *e)
{
	const char *equals = strchr(text, '=');
	if (equals == NULL || equals == text || equals[1] == '\0')
		return fail(e, ERROR_USAGE, "--%s takes NAME=COLUMN, not '%s'", option, text);
	*left = (size_t)(equals - text);
	*right = equals + 1;
	return true;
}

void string_list_free(StringList *list)
{
	memory_free(list->items);
	*list = (StringList){0};
}
