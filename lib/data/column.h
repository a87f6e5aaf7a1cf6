/* A feature or a text while rows are read: it grows by a field a row, and is put into
 * another order at the end. */
#ifndef DATA_COLUMN_H
#define DATA_COLUMN_H

#include "data/dataset.h"

typedef struct {
	bool text;             /* keeps the text; else ids in `values` */
	bool number;           /* every field must be a number */
	bool multiple;         /* rows have lists of ids; it may become so */
	bool json;             /* fields may be lists, held together by LIST_SEPARATOR */
	const char *separator; /* of the values of a field, or NULL; borrowed */
	const char *none;      /* a field that means that there is no value, or NULL; borrowed */
	Vocabulary values;
	IdLists lists;
	Strings texts;
	size_t *met; /* of each value: the row of several values that had it last, from 1 */
	size_t rows, offsets_capacity, values_capacity, met_capacity;
} Column;

bool column_start(Column *c, Error *e); /* the settings are there, all else is zero */
void column_free(Column *c);

/* Whether the field may be appended. */
bool column_accepts(const Column *c, Text field);
/* A row.  No value is ID_UNKNOWN, or an empty list where the column is multiple. */
bool column_append(Column *c, Text field, Error *e);
/* Whether rows have one id each. */
bool column_is_single(const Column *c);
/* Makes room for `count` more rows of a single column. */
bool column_reserve(Column *c, size_t count, Error *e);
/* A row with that one id; an empty text. */
bool column_append_id(Column *c, int32_t id, Error *e);

/* An order of rows: row i is to be what row rows[i] was; rows NULL: they stay. */
typedef struct {
	uint32_t *rows;
	size_t count;
} Order;

/* to[i] = from[rows[i]], of elements of `width` bytes, 4 or 8 */
void order_gather(void *to, const void *from, const uint32_t *rows, size_t count, size_t width);
/* Puts *column into that order. */
bool order_apply(const Order *o, void *column, size_t *capacity, size_t width, Error *e);

/* Row i becomes what row order[i] was; values are numbered anew as they come, and those
 * that no row has any more are forgotten. */
bool column_reorder(Column *c, const Order *order, Error *e);

/* Numbers the values of a vocabulary anew as they come in ids[count]. */
bool vocabulary_renumber(Vocabulary *v, int32_t *ids, size_t count, Error *e);

#endif
