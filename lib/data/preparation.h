/* What the parts of prepare() share. */
#ifndef DATA_PREPARATION_H
#define DATA_PREPARATION_H

#include "data/column.h"
#include "data/prepare.h"

/* A field of the schema: where it is found, and what it has grown to. */
typedef struct {
	Column column;
	bool of_item;
	size_t source; /* column of the file */
} Field;

/* All that is known while rows are read. */
typedef struct {
	const PrepareOptions *options;
	const Schema *schema;
	PrepareReport *report;
	BadRows bad;
	Field *fields;                                /* as in the schema */
	bool has_time, milliseconds;                  /* of the file at hand, which may be in either unit */
	size_t user_source, item_source, time_source; /* columns of the file at hand */
	Buffer item_name; /* of the first file's column; empty where it has none */

	Text *row; /* the fields of the row at hand, by column of the file */
	size_t row_capacity;

	/* Interactions as they came; behind them what is known of the rows of the batch at hand. */
	Vocabulary users, items;
	int32_t *event_users;
	int32_t *event_items;
	int64_t *event_times;
	size_t events, users_capacity, items_capacity, times_capacity;

	/* The order they are in at the end: that of the users that stay. */
	Order order;
} Preparation;

/* The column of items' ids: the one that was given, or else one of the usual names. */
bool find_item(const Rows *rows, const char *given, size_t *source);

/* An id may not be empty, nor one of the names that vocabularies keep for themselves. */
bool id_valid(Text id);

/* All rows of a file behind those that were taken before. */
bool take_events(Preparation *p, Rows *rows, Error *e);

/* From events as they came to those that stay, by user and time: fills p->order, and of *u
 * the ids and the offsets. */
bool order_events(Preparation *p, Users *u, Error *e);

/* Reads the item table (NULL: there is none) into the columns of items, a row an item. */
bool join_items(Preparation *p, Rows *table, const Vocabulary *items, uint64_t *hash, Error *e);

#endif
