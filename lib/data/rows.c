/* Rows one by one: lines of a file, and what is wrong with them. */
#include "data/rows_internal.h"

#include <string.h>

bool row_format_parse(const char *name, RowFormat *format, Error *e)
{
	bool tsv = strcmp(name, "tsv") == 0, python = strcmp(name, "python") == 0;
	bool objects = python || strcmp(name, "jsonl") == 0;
	format->syntax = python ? SYNTAX_PYTHON : SYNTAX_JSON;
	format->separator = objects ? NULL : tsv ? "\t" : strcmp(name, "csv") == 0 ? "," : name;
	format->header = !objects && strlen(format->separator) == 1;
	if (strcmp(name, "\\t") == 0)
		return fail(e, ERROR_USAGE, "tabs are --format tsv");
	if (!objects && (*name == '\0' || strpbrk(format->separator, "\"\r\n") != NULL))
		return fail(e, ERROR_USAGE, "'%s' cannot separate fields", name);
	return true;
}

const char *bad_reason_name(BadReason reason)
{
	static const char *const names[BAD_REASONS] = {
	    [BAD_COLUMNS] = "wrong number of columns",
	    [BAD_QUOTE] = "a quote that is not closed, or stands where none may",
	    [BAD_ENCODING] = "broken UTF-8",
	    [BAD_NUL] = "a NUL byte",
	    [BAD_LONG] = "longer than 1 MiB",
	    [BAD_OBJECT] = "no JSON object or Python dict",
	    [BAD_ID] = "no user or no item",
	    [BAD_NUMBER] = "a rating that is no number",
	    [BAD_TIME] = "a time that is no time",
	};
	return names[reason];
}

void text_printable(Text t, char *out, size_t size)
{
	size_t count = t.size < size ? t.size : size - 1;
	while (count < t.size && count > 0 && ((uint8_t)t.data[count] & 0xc0) == 0x80)
		count--; /* a character stays whole */
	for (size_t i = 0; i < count; i++)
		out[i] = (uint8_t)t.data[i] < ' ' || t.data[i] == 0x7f ? '?' : t.data[i];
	out[count] = '\0';
}

static void find_flaw(Rows *r, BadReason flaw, const char *detail)
{
	if (r->flaw == ROW_GOOD) {
		r->flaw = flaw;
		r->detail = detail;
	}
}

/* Bytes of a line */

static void scan_bytes(Text t, bool *high, bool *nul)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	uint64_t any = 0, zero = 0, word;
	size_t i = 0;
	for (; i + sizeof word <= t.size; i += sizeof word) {
		memcpy(&word, t.data + i, sizeof word);
		any |= word;
		zero |= (word - ones) & ~word;
	}
	word = ones;
	memcpy(&word, t.data + i, t.size - i);
	any |= word;
	zero |= (word - ones) & ~word;
	*high = (any & tops) != 0;
	*nul = (zero & tops) != 0;
}

bool rows_recode(Rows *r, Text *line, Error *e)
{
	if (r->format.encoding == ENCODING_UTF8 ||
	    (r->format.encoding != ENCODING_LATIN1 && text_is_utf8(*line)))
		return true;
	r->converted.size = 0;
	if (!buffer_reserve(&r->converted, 2 * line->size, e))
		return false;
	for (size_t i = 0; i < line->size; i++) {
		uint8_t c = (uint8_t)line->data[i];
		if (c >= 0x80)
			r->converted.data[r->converted.size++] = (uint8_t)(0xc0 | c >> 6);
		r->converted.data[r->converted.size++] = c >= 0x80 ? (uint8_t)(0x80 | (c & 0x3f)) : c;
	}
	*line = (Text){(const char *)r->converted.data, r->converted.size};
	return true;
}

/* Looks for bytes that may not be there. */
static bool check_line(Rows *r, Text *line, Error *e)
{
	bool high, nul;
	scan_bytes(*line, &high, &nul);
	if (nul)
		find_flaw(r, BAD_NUL, NULL);
	if (!high || nul)
		return true;
	if (r->format.encoding == ENCODING_UTF8 && !text_is_utf8(*line)) {
		find_flaw(r, BAD_ENCODING, "broken UTF-8 (--encoding latin-1, if it is that)");
		return true;
	}
	return rows_recode(r, line, e);
}

/* Rows */

static bool wanted(const Rows *r, size_t column)
{
	return r->wanted == NULL || (column < r->column_count && r->wanted[column]);
}

static bool end_field(Rows *r, Error *e)
{
	if (r->count == r->ends_capacity &&
	    !memory_grow(&r->ends, &r->ends_capacity, r->count + 1, sizeof *r->ends, e))
		return false;
	r->ends[r->count++] = r->text.size;
	return true;
}

/* parse_line() has made room. */
static bool append_field(Rows *r, const void *data, size_t size, Error *e)
{
	if (size > 0 && wanted(r, r->count)) {
		memcpy(r->text.data + r->text.size, data, size);
		r->text.size += size;
	}
	return end_field(r, e);
}

static void on_field(void *data, size_t size, void *context)
{
	Rows *r = context;
	append_field(r, data, size, &r->failure);
}

static void on_row(int end, void *context)
{
	Rows *r = context;
	(void)end;
	if (r->complete)
		find_flaw(r, BAD_COLUMNS, "a carriage return inside a line");
	r->complete = true;
}

static bool start_csv(Rows *r, Error *e)
{
	if (csv_init(&r->parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
		return fail(e, ERROR_FAILURE, "libcsv does not start");
	csv_set_delim(&r->parser, (unsigned char)*r->format.separator);
	csv_set_blk_size(&r->parser, 4096);
	return true;
}

/* Whatever else is wrong: the end of the row is not known. */
static void lose_row(Rows *r, BadReason flaw)
{
	r->flaw = flaw;
	r->detail = NULL;
}

/* A line of a CSV row; the end of the file is an empty one. */
static bool parse_csv(Rows *r, Text line, Error *e)
{
	if (line.size == 0) {
		if (csv_fini(&r->parser, on_field, on_row, r) != 0)
			lose_row(r, BAD_QUOTE);
	} else if (csv_parse(&r->parser, line.data, line.size, on_field, on_row, r) != line.size) {
		if (csv_error(&r->parser) != CSV_EPARSE)
			return fail(e, ERROR_FAILURE, "%s: %s", r->lines.name,
			            csv_strerror(csv_error(&r->parser)));
		lose_row(r, BAD_QUOTE);
	} else if (r->complete && r->parser.quoted) { /* behind a bare carriage return */
		lose_row(r, BAD_QUOTE);
	}
	if (r->failure.code != ERROR_NONE) {
		*e = r->failure;
		return false;
	}
	return true;
}

static bool parse_plain(Rows *r, Text line, Error *e)
{
	size_t width = strlen(r->format.separator);
	for (const char *end = line.data + line.size, *p = line.data; p != NULL;) {
		const char *next = memmem(p, (size_t)(end - p), r->format.separator, width);
		if (!append_field(r, p, (size_t)((next ? next : end) - p), e))
			return false;
		p = next ? next + width : NULL;
	}
	r->complete = true;
	return true;
}

/* Objects */

/* What is wrong with the line is the row's flaw, and goes no further up. */
static bool parse_object(Rows *r, Text line, Error *e)
{
	r->complete = true;
	if (r->flaw != ROW_GOOD)
		return true;
	r->problem = (Error){0};
	json_t *object = object_read(line, r->format.syntax, &r->problem);
	if (object == NULL && r->problem.code != ERROR_MALFORMED) {
		*e = r->problem;
		return false;
	}
	bool done = true;
	if (object == NULL)
		find_flaw(r, BAD_OBJECT, r->problem.text);
	for (size_t c = 0; object != NULL && done && c < r->column_count; c++)
		done = (!wanted(r, c) ||
		        object_append_field(&r->text,
		                            json_object_get(object, strings_at(&r->columns, c).data), e)) &&
		       end_field(r, e);
	json_decref(object);
	return done;
}

static bool parse_line(Rows *r, Text line, Error *e)
{
	/* Fields are no longer than the row so far, which Latin-1 may have doubled. */
	if (!buffer_reserve(&r->text, 2 * (r->lines.at - r->lines.mark), e))
		return false;
	if (has_quotes(&r->format))
		return parse_csv(r, line, e);
	while (line.size > 0 && (line.data[line.size - 1] == '\n' || line.data[line.size - 1] == '\r'))
		line.size--;
	if (line.size == 0)
		return true;
	return r->format.separator ? parse_plain(r, line, e) : parse_object(r, line, e);
}

static void start_row(Rows *r)
{
	lines_mark(&r->lines);
	r->row_line = r->lines.line;
	r->complete = false;
	r->flaw = ROW_GOOD;
	r->detail = NULL;
	r->count = r->text.size = 0;
}

/* One row, complete or with a flaw, or neither: the end of the file. */
static bool read_row(Rows *r, Error *e)
{
	start_row(r);
	for (bool last = false; !last && !r->complete && r->flaw != BAD_QUOTE;) {
		Text line;
		bool too_long;
		if (!lines_take(&r->lines, ROW_MAX, &line, &too_long, e))
			return false;
		if (too_long) {
			lose_row(r, r->parser.quoted ? BAD_QUOTE : BAD_LONG); /* the one makes the other */
			return true;
		}
		last = line.size == 0;
		if ((!last && !check_line(r, &line, e)) || !parse_line(r, line, e))
			return false;
		bool ended = !last && line.data[line.size - 1] == '\n' && r->flaw != BAD_QUOTE;
		if (ended && !r->complete && !r->parser.quoted)
			start_row(r); /* an empty line: no row has begun */
	}
	bool counted = r->format.separator != NULL && r->column_count > 0;
	if (r->complete && counted && r->count != r->column_count)
		find_flaw(r, BAD_COLUMNS, NULL);
	return true;
}

bool rows_reject(Rows *r, BadReason reason, const char *detail, Error *e)
{
	bool heading = r->format.header && r->format.separator != NULL && r->columns.count == 0;
	r->bad->counts[reason]++;
	if (r->bad->skip && !heading)
		return true;
	if (reason == BAD_COLUMNS && detail == NULL) /* counted by read_row() */
		return fail(
		    e, ERROR_MALFORMED,
		    "%s: line %zu: %zu columns where the others have %zu (--skip-bad leaves such rows "
		    "out)",
		    r->lines.name, r->row_line, r->count, r->column_count);
	return fail(e, ERROR_MALFORMED, "%s: line %zu: %s (%s)", r->lines.name, r->row_line,
	            detail ? detail : bad_reason_name(reason),
	            heading ? "the header, without which no row can be read"
	                    : "--skip-bad leaves such rows out");
}

/* Where no end of the row was found, reading goes on at the line behind its first. */
static bool leave_row(Rows *r, Error *e)
{
	if (!rows_reject(r, r->flaw, r->detail, e))
		return false;
	if (r->flaw != BAD_QUOTE && r->flaw != BAD_LONG)
		return true;
	if (has_quotes(&r->format)) {
		csv_free(&r->parser);
		if (!start_csv(r, e))
			return false;
	}
	return lines_skip(&r->lines, e);
}

bool rows_next(Rows *r, const Text **fields, Error *e)
{
	*fields = NULL;
	do
		if (!read_row(r, e))
			return false;
	while (r->flaw != ROW_GOOD && leave_row(r, e));
	if (e->code != ERROR_NONE)
		return false;
	if (!r->complete)
		return true;
	if (!memory_grow(&r->fields, &r->fields_capacity, r->count, sizeof *r->fields, e))
		return false;
	for (size_t i = 0, start = 0; i < r->count; start = r->ends[i++])
		r->fields[i] = (Text){(const char *)r->text.data + start, r->ends[i] - start};
	*fields = r->fields;
	return true;
}

size_t rows_line(const Rows *r)
{
	return r->row_line;
}

Rows *rows_open(const char *path, const RowFormat *format, BadRows *bad, Error *e)
{
	Rows *r = memory_new(1, sizeof *r, e);
	if (r == NULL)
		return NULL;
	r->format = *format;
	r->bad = bad;
	if (!lines_open(&r->lines, path, ROOM, e) || (has_quotes(format) && !start_csv(r, e)) ||
	    !rows_find_columns(r, e) || (r->wanted = memory_new(r->column_count, 1, e)) == NULL) {
		rows_close(r);
		return NULL;
	}
	return r;
}

void rows_close(Rows *r)
{
	if (r == NULL)
		return;
	if (r->parser.options != 0) /* it was started */
		csv_free(&r->parser);
	for (size_t i = 0; i < PIECES; i++)
		block_free(&r->blocks[i]);
	lines_close(&r->lines);
	buffer_free(&r->converted);
	buffer_free(&r->text);
	memory_free(r->ends);
	memory_free(r->fields);
	strings_free(&r->columns);
	memory_free(r->wanted);
	memory_free(r);
}

const char *rows_name(const Rows *r)
{
	return r->lines.name;
}

size_t rows_columns(const Rows *r)
{
	return r->column_count;
}

void rows_want(Rows *r, size_t column)
{
	r->wanted[column] = true;
}

uint64_t rows_hash(const Rows *r)
{
	return XXH64_digest(&r->lines.hash);
}
