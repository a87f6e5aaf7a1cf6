/* Rows of text files, one after the other: CSV and its like with one separator
 * (RFC 4180, by libcsv), lines split at a longer separator such as `::`, and lines that
 * are objects.  Files are read as they come, in bounded memory. */
#ifndef DATA_ROWS_H
#define DATA_ROWS_H

#include "base/pool.h"
#include "data/block.h"
#include "data/object.h"

/* For a message, which is one line: the text without control characters, cut to `size`. */
void text_printable(Text t, char *out, size_t size);

enum { ROW_MAX = 1 << 20 }; /* bytes; a longer row is a bad one */

typedef enum { ENCODING_UTF8, ENCODING_LATIN1, ENCODING_EITHER } Encoding; /* either: line by line */

typedef struct {
	const char *separator; /* NULL: objects; one character: quotes as in CSV; more: no quotes */
	Syntax syntax;         /* of objects */
	bool header;           /* the first row has the columns' names; not for objects */
	Encoding encoding;
} RowFormat;

/* "csv", "tsv", "jsonl", "python" or a separator; only formats with quotes have a header.
 * Leaves the encoding as it is. */
bool row_format_parse(const char *name, RowFormat *format, Error *e);

/* What can be wrong with a row. */
typedef enum {
	BAD_COLUMNS,
	BAD_QUOTE,
	BAD_ENCODING,
	BAD_NUL,
	BAD_LONG,
	BAD_OBJECT,
	BAD_ID,
	BAD_NUMBER,
	BAD_TIME,
	BAD_REASONS,
	ROW_GOOD = BAD_REASONS
} BadReason;

const char *bad_reason_name(BadReason reason); /* "wrong number of columns" … */

/* What becomes of bad rows: an ERROR_MALFORMED, or counted and left out. */
typedef struct {
	bool skip;
	size_t counts[BAD_REASONS];
} BadRows;

typedef struct Rows Rows;

/* path NULL or "-" is standard input.  Reads the header, or as much of the file as
 * tells what columns it has.  *bad must outlive the rows. */
Rows *rows_open(const char *path, const RowFormat *format, BadRows *bad, Error *e);
void rows_close(Rows *r); /* takes NULL */
const char *rows_name(const Rows *r);

/* The column of that name, or of that number (from 1) where there is no header; of ONE|ANOTHER|...
 * the first that there is.
 * Of objects a column is a key; those of the first MiB are known. */
bool rows_find(const Rows *r, Text column, size_t *index);
size_t rows_columns(const Rows *r);
/* Its name, until rows_close(); empty where columns have none. */
Text rows_column(const Rows *r, size_t column);
/* For a message: its name, cut where it is long, or without a header its number. */
enum { COLUMN_NAME_SIZE = 64 };
void rows_column_name(const Rows *r, size_t column, char name[COLUMN_NAME_SIZE]);
/* An ERROR_USAGE that says that there is no such column, and what there is. */
bool rows_fail_column(const Rows *r, const char *what, Text column, Error *e);

void rows_want(Rows *r, size_t column); /* columns nobody wants are left empty */

/* The next row: *fields by column, valid until the next call, or NULL at the end.
 * False on an error, which names file and line. */
bool rows_next(Rows *r, const Text **fields, Error *e);
/* The next rows, many blocks at a time where they are simple, which the pool's threads split,
 * or else one row; *count is 0 at the end.  They are valid until the next call.
 * rows_locate() tells which row of them the caller is at. */
bool rows_batch(Rows *r, Pool *pool, const RowBlock **blocks, size_t *count, Error *e);
void rows_locate(Rows *r, const RowBlock *b, size_t row);
/* Reads what comes behind a batch of many rows, while another thread works on the batch. */
bool rows_ahead(Rows *r, Error *e);
/* About how many rows a regular file has behind those of the batch, if they are like them;
 * else 0. */
size_t rows_expected(const Rows *r, const RowBlock *blocks, size_t count);
size_t rows_line(const Rows *r); /* where the row at hand begins, from 1 */

/* The caller's own finding about that row: counts it and returns true, or makes it an
 * error, as `bad` has it.  `detail` says more than the reason does. */
bool rows_reject(Rows *r, BadReason reason, const char *detail, Error *e);

uint64_t rows_hash(const Rows *r); /* XXH64 of the bytes read; of the whole file at its end */

#endif
