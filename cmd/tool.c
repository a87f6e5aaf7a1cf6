#include "tool.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/path.h"
#include "llm/model.h"
#include "math/gemm.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#ifndef UL_VERSION
#define UL_VERSION "0.0.0"
#endif

#if defined __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static _Noreturn void print_help(const Tool *tool, const Option *table, size_t count)
{
	Error e = {0};
	Buffer text = {0};
	if (!options_help(table, count, &text, &e))
		exit(tool_fail(tool, &e));
	printf("Usage: %s %s\n\n%s\n\nOptions:\n%.*s", tool->name, tool->synopsis, tool->summary,
	       (int)text.size, (const char *)text.data);
	if (tool->examples != NULL)
		printf("\ne.g.:\n%s", tool->examples);
	buffer_free(&text);
	exit(tool_finish(tool, true, &e));
}

static _Noreturn void print_version(const Tool *tool)
{
	Error e = {0};
	char path[256];
	gemm_describe(path, sizeof path);
	printf("%s (User-LLM in C) %s\n%s\nCPU path: %s\nmatrix products: %s\nzstd %s\n", tool->name,
	       UL_VERSION, COMPILER, cpu_path_name(cpu_path()), path, ZSTD_versionString());
	exit(tool_finish(tool, true, &e));
}

/* File number i of an option; NULL behind the last one. */
static const char *file_of(const Option *o, size_t i)
{
	const StringList *list = o->value;
	if (o->kind == OPTION_LIST)
		return i < list->count ? list->items[i] : NULL;
	return i == 0 ? *(const char *const *)o->value : NULL;
}

bool tool_spares_inputs(const char *written, const Option *table, size_t count, Error *e)
{
	const char *file;
	for (const Option *o = table; o < table + count; o++)
		for (size_t i = 0; o->input && (file = file_of(o, i)) != NULL; i++)
			if (!llm_differs(written, file, e))
				return false;
	return true;
}

/* Of the folder that a file is in, or would be. */
static bool stat_folder(const char *path, struct stat *status)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int size = slash ? snprintf(folder, sizeof folder, "%.*s/", (int)(slash - path), path) : 0;
	return size >= 0 && size < PATH_MAX && stat(slash ? folder : ".", status) == 0;
}

bool tool_same_file(const char *a, const char *b)
{
	struct stat x, y;
	if (a == NULL || b == NULL || strcmp(a, "-") == 0 || strcmp(b, "-") == 0)
		return false;
	bool there = stat(a, &x) == 0;
	if (there != (stat(b, &y) == 0) ||
	    (there && !S_ISREG(x.st_mode))) /* a device or a pipe can be both */
		return false;
	if (!there &&
	    (strcmp(path_basename(a), path_basename(b)) != 0 || !stat_folder(a, &x) || !stat_folder(b, &y)))
		return false;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool tool_check_files(const Option *table, size_t count, Error *e)
{
	for (size_t i = 0; i < count; i++) {
		const char *file = table[i].written ? file_of(&table[i], 0) : NULL;
		if (file != NULL && !tool_spares_inputs(file, table, count, e))
			return false;
		for (size_t k = 0; file != NULL && k < i; k++)
			if (table[k].written && tool_same_file(file, file_of(&table[k], 0)))
				return fail(e, ERROR_USAGE, "'%s' cannot be both --%s and --%s", file,
				            table[k].name, table[i].name);
	}
	return true;
}

bool tool_check_standard_input(const Option *table, size_t count, const StringList *operands, bool reads,
                               Error *e)
{
	size_t readers = reads && operands->count == 0;
	const char *file;
	for (const Option *o = table; o < table + count; o++)
		for (size_t i = 0; o->input && (file = file_of(o, i)) != NULL; i++)
			readers += strcmp(file, "-") == 0;
	for (size_t i = 0; i < operands->count; i++)
		readers += strcmp(operands->items[i], "-") == 0;
	return readers <= 1 || fail(e, ERROR_USAGE, "standard input can be read only once%s",
	                            operands->count == 0 ? ", and is where there is no FILE" : "");
}

/* Where one of the three was closed, the next file that is opened would get its number, and what is meant for
 * the one would go to the other.  A folder stands there instead, which can neither be read nor written. */
static void hold_closed(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/", O_RDONLY) < 0)
			exit(ERROR_FAILURE);
}

void tool_start(const Tool *tool, Option *table, size_t count, CommonOptions *common, StringList *operands,
                int argc, char **argv)
{
	Error e = {0};
	hold_closed();
	options_common(table, common);
	bool done = options_parse(table, count, argc, argv, operands, &e) && cpu_check(&e) &&
	            tool_check_files(table, count, &e) &&
	            tool_check_standard_input(table, count, operands, false, &e);
	if (done && common->help)
		print_help(tool, table, count);
	if (done && common->version)
		print_version(tool);
	if (!done)
		exit(tool_fail(tool, &e));
	if (common->verbose) {
		char path[256];
		gemm_describe(path, sizeof path);
		tool_say(tool, "version %s, %lld threads, CPU path: %s, matrix products: %s", UL_VERSION,
		         (long long)common->threads, cpu_path_name(cpu_path()), path);
	}
}

const char *tool_operand(const Tool *tool, const StringList *operands)
{
	Error e = {0};
	if (operands->count > 1) {
		fail(&e, ERROR_USAGE, "one input at most, not also '%s'", operands->items[1]);
		exit(tool_fail(tool, &e));
	}
	return operands->count ? operands->items[0] : NULL;
}

/* A line of progress gives way to what is said. */
static void clear_line(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

/* One line, whatever files and what is in them are called, and in one piece, as others may write there, too.
 */
static void print_line(const Tool *tool, char *text)
{
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	clear_line();
	fprintf(stderr, "%s: %s\n", tool->name, text);
}

static int say_error(const Tool *tool, const Error *e)
{
	Error said = *e;
	print_line(tool, said.text);
	return e->code == ERROR_NONE ? ERROR_FAILURE : e->code;
}

int tool_fail(const Tool *tool, const Error *e)
{
	fflush(stdout);
	return say_error(tool, e);
}

int tool_finish(const Tool *tool, bool done, Error *e)
{
	bool failed_before = ferror(stdout); /* of which closing need not say anything */
	if (fclose(stdout) != 0 && done)
		done = fail_errno(e, "standard output");
	if (failed_before && done)
		done = fail(e, ERROR_FAILURE, "standard output: not all could be written");
	return done ? 0 : say_error(tool, e);
}

void tool_say(const Tool *tool, const char *format, ...)
{
	char text[8192];
	va_list arguments;
	va_start(arguments, format);
	if (vsnprintf(text, sizeof text, format, arguments) >= 0)
		print_line(tool, text);
	va_end(arguments);
}

void tool_progress(const Tool *tool, bool last, const char *format, ...)
{
	static double shown;
	double seconds = clock_seconds();
	if (!isatty(STDERR_FILENO))
		return;
	if (!last && seconds - shown < 0.1)
		return;
	shown = seconds;
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "\r\033[K%s: ", tool->name);
	vfprintf(stderr, format, arguments);
	fputs(last ? "\n" : "", stderr);
	fflush(stderr);
	va_end(arguments);
}

void tool_say_unknown(const Tool *tool, const Translation *t)
{
	for (size_t c = 0; c < t->encoder->columns; c++) {
		size_t values, unknown;
		const char *name = c == 0 ? "item" : t->encoder->catalogue->features[c - 1].name;
		translation_unknown(t, c, &values, &unknown);
		if (unknown > 0)
			tool_say(tool, "%s: %zu of %zu values are unknown to the encoder", name, unknown,
			         values);
	}
}

bool tool_check_data(const Tool *tool, const Translation *t, bool quiet, Error *e)
{
	size_t items, unknown;
	translation_unknown(t, 0, &items, &unknown);
	if (items > 0 && unknown == items)
		return fail(e, ERROR_USAGE,
		            "the encoder knows none of the %zu items: it was trained on other data", items);
	if (!quiet)
		tool_say_unknown(tool, t);
	return true;
}

bool tool_check_part(const Dataset *data, Part part, Error *e)
{
	return data->split != SPLIT_NONE || part == PART_ALL || part == PART_TRAIN ||
	       fail(e, ERROR_USAGE,
	            "the data hold nothing back for --split test or val (ul-prep --split none): ask for all");
}

Provenance tool_provenance(const Tool *tool, const Option *table, size_t count, const CommonOptions *common,
                           const StringList *operands, Buffer *record, Error *e)
{
	bool done = options_record(table, count, operands, record, e);
	return (Provenance){.tool = tool->name,
	                    .version = UL_VERSION,
	                    .argv = done ? (const char *)record->data : "",
	                    .seed = common->seed};
}
