/* What the columns of interactions and of an item table mean. */
#ifndef DATA_SCHEMA_H
#define DATA_SCHEMA_H

#include "data/rows.h"

/* NAME=COLUMN[:SEPARATOR]: a feature or a text.  All borrowed from the option. */
typedef struct {
	Text name, column;
	bool of_item;          /* "items.COLUMN": looked for in the item table alone */
	bool of_event;         /* "events.COLUMN": in the interactions alone */
	bool optional;         /* left out where the item table has no such column */
	bool preset;           /* one of the same name takes its place */
	const char *separator; /* NULL: one value a field */
	bool text;
} FieldSpec;

typedef struct {
	RowFormat format, items_format;
	const char *user, *item, *time; /* columns; NULL: the usual names; COLUMN:ms is in milliseconds */
	const char *item_key;           /* the item id's column in the item table; NULL: the same name */
	const char *none;               /* a field that means that there is no value, or NULL */
	FieldSpec *fields;
	size_t field_count, field_capacity;
} Schema;

/* Adds NAME=COLUMN[:SEPARATOR] for --feature, or NAME=COLUMN for --text.  ERROR_USAGE. */
bool schema_add(Schema *s, const char *option, bool text, Error *e);
void schema_free(Schema *s);

/* The format of a file by its name: .tsv, .jsonl or .json, .dat (with `::`), else CSV. */
const char *format_guess(const char *path);

#endif
