/* Rows that need no parser: whole lines of CSV without quotes and whatever else takes more
 * than cutting them at the separators. */
#ifndef DATA_BLOCK_H
#define DATA_BLOCK_H

#include "base/strings.h"

typedef struct {
	const char *data; /* whole lines; borrowed */
	size_t size;
	size_t line; /* number of the first */
	size_t rows, columns;
	bool blanks;          /* there may be some around fields, of which they are no part */
	bool returns;         /* lines end with CR LF */
	const Text *fields;   /* a single row that was parsed; NULL: the fields lie in `data` and end */
	uint32_t *ends;       /* at these, row by row, */
	size_t ends_capacity; /* with a separator or an LF there */
} RowBlock;

/* Finds the ends of the fields in `data`, `size` and `columns`, ≥ 2, which are there.  *simple
 * tells whether these are just the rows and fields that a parser would find: UTF-8 without
 * quotes, NUL bytes, lone carriage returns and empty lines, and as many fields in each line. */
bool block_split(RowBlock *b, char separator, bool *simple, Error *e);
void block_free(RowBlock *b);

static inline Text block_field(const RowBlock *b, size_t row, size_t column)
{
	if (b->fields != NULL)
		return b->fields[column];
	size_t at = row * b->columns + column;
	const char *start = b->data + (at > 0 ? b->ends[at - 1] + 1 : 0), *end = b->data + b->ends[at];
	end -= b->returns && column + 1 == b->columns;
	if (b->blanks) {
		while (start < end && (*start == ' ' || *start == '\t'))
			start++;
		while (start < end && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
	}
	return (Text){start, (size_t)(end - start)};
}

#endif
