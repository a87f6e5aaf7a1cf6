/* The inside of rows: for what reads them one by one, what cuts them into blocks, and what knows their
 * columns. */
#ifndef DATA_ROWS_INTERNAL_H
#define DATA_ROWS_INTERNAL_H

#include "data/lines.h"
#include "data/rows.h"

#include <csv.h>

/* A batch is cut into PIECEs. */
enum { BATCH = 4 << 20, ROOM = BATCH + ROW_MAX, PIECE = 256 << 10 };
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

/* One separator, and so quotes: libcsv's business. */
static inline bool has_quotes(const RowFormat *format)
{
	return format->separator != NULL && format->separator[1] == '\0';
}

/* Reads the header, or as much of the file as tells what columns it has. */
bool rows_find_columns(Rows *r, Error *e);
/* Makes UTF-8 of a line in Latin-1, in r->converted, until the next call; leaves one alone that needs
 * nothing. */
bool rows_recode(Rows *r, Text *line, Error *e);

#endif
