#include "data/rows.h"

#include "data/lines.h"

#include <csv.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Columns are looked for in the first BLOCK; a batch is cut into PIECEs. */
enum { BLOCK = 1 << 20, BATCH = 4 << 20, ROOM = BATCH + ROW_MAX, PIECE = 256 << 10 };
enum { PIECES = ROOM / PIECE + 1 };

struct Rows {
	RowFormat format;
	BadRows *bad;
	Lines lines;      /* marked where the row begins; those before `at` are parsed */
	Buffer converted; /* a line that was Latin-1 */

	/* The row. */
	size_t row_line; /* number of its first line */
	struct csv_parser parser;
	bool complete;
	BadReason flaw; /* or ROW_GOOD */
	const char *detail;
	Error problem; /* of the line that is no object */
	Buffer text;   /* its fields, end to end */
	size_t *ends;  /* in text */
	Text *fields;
	size_t count, ends_capacity, fields_capacity;
	Error failure; /* inside a callback */

	/* Columns. */
	Strings columns; /* names, each with a final NUL; empty without a header */
	size_t column_count;
	bool *wanted; /* NULL: all */

	/* The batch. */
	size_t by_row;               /* up to there in the file rows are read one by one */
	RowBlock blocks[PIECES + 1]; /* the last is for a row by itself */
	bool simple[PIECES];
	Error failures[PIECES];
};

bool row_format_parse(const char *name, RowFormat *format, Error *e)
{
	bool tsv = strcmp(name, "tsv") == 0, python = strcmp(name, "python") == 0;
	bool objects = python || strcmp(name, "jsonl") == 0;
	format->syntax = python ? SYNTAX_PYTHON : SYNTAX_JSON;
	format->separator = objects ? NULL : tsv ? "\t" : strcmp(name, "csv") == 0 ? "," : name;
	format->header = !objects && strlen(format->separator) == 1;
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

/* Looks for bytes that may not be there, and makes UTF-8 of Latin-1. */
static bool check_line(Rows *r, Text *line, Error *e)
{
	bool high, nul;
	scan_bytes(*line, &high, &nul);
	if (nul)
		find_flaw(r, BAD_NUL, NULL);
	if (!high || nul || (r->format.encoding != ENCODING_LATIN1 && text_is_utf8(*line)))
		return true;
	if (r->format.encoding == ENCODING_UTF8) {
		find_flaw(r, BAD_ENCODING, "broken UTF-8 (--encoding latin-1, if it is that)");
		return true;
	}
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
	if (r->format.separator != NULL && r->format.separator[1] == '\0')
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
	r->bad->counts[reason]++;
	if (r->bad->skip)
		return true;
	if (reason == BAD_COLUMNS && detail == NULL) /* counted by read_row() */
		return fail(
		    e, ERROR_MALFORMED,
		    "%s: line %zu: %zu columns where the others have %zu (--skip-bad leaves such rows "
		    "out)",
		    r->lines.name, r->row_line, r->count, r->column_count);
	return fail(e, ERROR_MALFORMED, "%s: line %zu: %s (--skip-bad leaves such rows out)", r->lines.name,
	            r->row_line, detail ? detail : bad_reason_name(reason));
}

/* Where no end of the row was found, reading goes on at the line behind its first. */
static bool leave_row(Rows *r, Error *e)
{
	if (!rows_reject(r, r->flaw, r->detail, e))
		return false;
	if (r->flaw != BAD_QUOTE && r->flaw != BAD_LONG)
		return true;
	if (r->format.separator != NULL && r->format.separator[1] == '\0') {
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

/* Batches */

bool rows_ahead(Rows *r, Error *e)
{
	return lines_ahead(&r->lines, e);
}

/* Whole lines from `at` on become blocks. */
static size_t cut_blocks(Rows *r)
{
	const uint8_t *start = r->lines.data + r->lines.at, *end = r->lines.data + r->lines.end, *last;
	size_t count = 0;
	for (; start < end; start = last + 1, count++) {
		last = NULL;
		if (end - start > PIECE)
			last = memchr(start + PIECE, '\n', (size_t)(end - start) - PIECE);
		if (last == NULL)
			last = memrchr(start, '\n', (size_t)(end - start));
		if (last == NULL)
			break;
		RowBlock *b = &r->blocks[count];
		b->data = (const char *)start;
		b->size = (size_t)(last + 1 - start);
		b->columns = r->column_count;
	}
	return count;
}

static void split_block(void *context, size_t task)
{
	Rows *r = context;
	RowBlock *b = &r->blocks[task];
	r->simple[task] = false;
	if (b->size <= ROW_MAX)
		block_split(b, *r->format.separator, &r->simple[task], &r->failures[task]);
}

/* The blocks up to the first that is not simple.  Where that is the first of all, it and its
 * like are left to the parser. */
static bool take_blocks(Rows *r, size_t cut, size_t *count, Error *e)
{
	size_t i = 0;
	for (; i < cut && r->simple[i]; i++) {
		r->blocks[i].line = r->lines.line;
		lines_pass(&r->lines, r->blocks[i].size, r->blocks[i].rows);
	}
	*count = i;
	r->by_row = lines_position(&r->lines);
	for (; *count == 0 && i < cut && !r->simple[i]; i++)
		r->by_row += r->blocks[i].size;
	if (cut == 0)
		r->by_row += r->lines.end - r->lines.at;
	lines_mark(&r->lines);
	for (i = 0; i < cut; i++)
		if (r->failures[i].code != ERROR_NONE) {
			*e = r->failures[i];
			return false;
		}
	return true;
}

static bool splits(const Rows *r)
{
	return r->format.separator != NULL && r->format.separator[1] == '\0' && r->column_count > 1 &&
	       r->format.encoding != ENCODING_LATIN1;
}

bool rows_batch(Rows *r, Pool *pool, const RowBlock **blocks, size_t *count, Error *e)
{
	*blocks = r->blocks;
	*count = 0;
	if (splits(r) && lines_position(&r->lines) >= r->by_row) {
		if (!r->lines.at_end && r->lines.end < ROOM && !rows_ahead(r, e))
			return false;
		size_t cut = cut_blocks(r);
		pool_run(pool, cut, split_block, r);
		if (!take_blocks(r, cut, count, e) || *count > 0)
			return e->code == ERROR_NONE;
	}
	RowBlock *b = &r->blocks[PIECES];
	b->rows = 1;
	*blocks = b;
	if (!rows_next(r, &b->fields, e))
		return false;
	b->line = r->row_line;
	*count = b->fields != NULL;
	return true;
}

size_t rows_expected(const Rows *r, const RowBlock *blocks, size_t count)
{
	struct stat status;
	size_t rows = 0, bytes = 0;
	for (size_t i = 0; i < count; i++) {
		rows += blocks[i].rows;
		bytes += blocks[i].size;
	}
	if (bytes == 0 || fstat(r->lines.file, &status) != 0 || !S_ISREG(status.st_mode))
		return 0;
	return (size_t)((double)rows / (double)bytes * (double)status.st_size);
}

void rows_locate(Rows *r, const RowBlock *b, size_t row)
{
	r->row_line = b->line + row;
}

/* Columns */

static bool find_one(const Rows *r, Text column, size_t *index)
{
	for (size_t c = 0; c < r->columns.count; c++) {
		Text name = strings_at(&r->columns, c);
		if (text_equal((Text){name.data, name.size - 1}, column)) {
			*index = c;
			return true;
		}
	}
	size_t number = 0;
	for (size_t i = 0; i < column.size; i++) {
		if (column.data[i] < '0' || column.data[i] > '9' || number > r->column_count)
			return false;
		number = number * 10 + (size_t)(column.data[i] - '0');
	}
	if (r->columns.count > 0 || number < 1 || number > r->column_count)
		return false;
	*index = number - 1;
	return true;
}

static bool append_column(Rows *r, Text name, Error *e)
{
	Buffer terminated = {0};
	bool done = buffer_append(&terminated, name.data, name.size, e) &&
	            buffer_append(&terminated, "", 1, e) &&
	            strings_append(&r->columns, terminated.data, terminated.size, e);
	buffer_free(&terminated);
	return done;
}

/* All keys of the objects in the first block; flaws come up when they are read. */
static bool find_keys(Rows *r, Error *e)
{
	if (!lines_read(&r->lines, BLOCK, e))
		return false;
	bool done = true;
	Vocabulary keys = {0};
	const uint8_t *p = r->lines.data + r->lines.at, *end = r->lines.data + r->lines.end, *next;
	for (; done && p < end; p = next + 1) {
		next = memchr(p, '\n', (size_t)(end - p));
		if (next == NULL && !r->lines.at_end) /* the block cuts it */
			break;
		next = next ? next : end;
		Error flaw = {0};
		json_t *object =
		    object_read((Text){(const char *)p, (size_t)(next - p)}, r->format.syntax, &flaw);
		const char *key;
		json_t *value;
		json_object_foreach(object, key, value) done =
		    done && vocabulary_add(&keys, (Text){key, strlen(key) + 1}, e) >= 0;
		json_decref(object);
	}
	r->columns = keys.strings;
	keys.strings = (Strings){0};
	vocabulary_free(&keys);
	r->column_count = r->columns.count;
	return done;
}

static bool find_columns(Rows *r, Error *e)
{
	const Text *fields;
	bool objects = r->format.separator == NULL;
	if (objects && !find_keys(r, e))
		return false;
	if (objects && r->column_count > 0)
		return true;
	if (!rows_next(r, &fields, e))
		return false;
	if (fields == NULL || r->count == 0)
		return fail(e, ERROR_MALFORMED, "%s: there is nothing in it", r->lines.name);
	for (size_t i = 0; r->format.header && i < r->count; i++)
		if (!append_column(r, fields[i], e))
			return false;
	r->column_count = r->count;
	if (!r->format.header)
		lines_back(&r->lines); /* that row is to be read again */
	return true;
}

Rows *rows_open(const char *path, const RowFormat *format, BadRows *bad, Error *e)
{
	Rows *r = memory_new(1, sizeof *r, e);
	if (r == NULL)
		return NULL;
	r->format = *format;
	r->bad = bad;
	bool quotes = format->separator != NULL && format->separator[1] == '\0';
	if (!lines_open(&r->lines, path, ROOM, e) || (quotes && !start_csv(r, e)) || !find_columns(r, e) ||
	    (r->wanted = memory_new(r->column_count, 1, e)) == NULL) {
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

bool rows_find(const Rows *r, Text column, size_t *index)
{
	bool found = find_one(r, column, index);
	while (!found && column.size > 0)
		found = find_one(r, text_cut(&column, '|'), index);
	return found;
}

void rows_column_name(const Rows *r, size_t column, char name[COLUMN_NAME_SIZE])
{
	if (r->columns.count == 0) {
		snprintf(name, COLUMN_NAME_SIZE, "%zu", column + 1);
		return;
	}
	Text text = strings_at(&r->columns, column);
	text_printable(text_of(text.data), name, COLUMN_NAME_SIZE);
}

bool rows_fail_column(const Rows *r, const char *what, Text column, Error *e)
{
	Buffer names = {0};
	bool done = true;
	for (size_t c = 0; done && c < r->columns.count; c++)
		done = buffer_print(&names, e, "%s%s", c ? ", " : "", strings_at(&r->columns, c).data);
	for (size_t i = 0; i < names.size; i++)
		if (names.data[i] < ' ') /* a message is one line */
			names.data[i] = '?';
	if (done && r->columns.count > 0)
		fail(e, ERROR_USAGE, "%s: there is no column '%.*s' for %s; there are %.*s", r->lines.name,
		     (int)column.size, column.data, what, (int)names.size, (const char *)names.data);
	else if (done)
		fail(e, ERROR_USAGE,
		     "%s: there is no column '%.*s' for %s; without a header they are 1 to %zu",
		     r->lines.name, (int)column.size, column.data, what, r->column_count);
	buffer_free(&names);
	return false;
}

void rows_want(Rows *r, size_t column)
{
	r->wanted[column] = true;
}

uint64_t rows_hash(const Rows *r)
{
	return XXH64_digest(&r->lines.hash);
}
