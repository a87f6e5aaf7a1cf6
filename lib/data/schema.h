/* What the columns of interactions and of an item table mean, and the presets that
 * know it for published sets. */
#ifndef DATA_SCHEMA_H
#define DATA_SCHEMA_H

#include "data/rows.h"

/* NAME=COLUMN[:SEPARATOR]: a feature or a text.  All borrowed from the option. */
typedef struct {
	Text name, column;
	bool of_item;          /* "items.COLUMN": looked for in the item table alone */
	const char *separator; /* NULL: one value a field */
	bool text;
} FieldSpec;

typedef struct {
	RowFormat format, items_format;
	const char *user, *item, *time; /* columns; NULL: the usual names */
	const char *item_key;           /* the item id's column in the item table; NULL: the same name */
	const char *none;               /* a field that means that there is no value, or NULL */
	FieldSpec *fields;
	size_t field_count, field_capacity;
} Schema;

/* Defaults of all that options may set. */
typedef struct {
	const char *name;                 /* of the preset */
	const char *events, *items_table; /* file names in the set's directory */
	const char *format, *user, *item, *time, *none;
	Encoding encoding;
	const char *features[3], *texts[2]; /* as for schema_add(), NULL behind the last */
} Preset;

const Preset *preset_find(const char *name); /* NULL: there is none */

/* Adds NAME=COLUMN[:SEPARATOR] for --feature, or NAME=COLUMN for --text.  ERROR_USAGE. */
bool schema_add(Schema *s, const char *option, bool text, Error *e);
bool schema_preset(Schema *s, const Preset *p, Error *e);
void schema_free(Schema *s);

/* The format of a file by its name: .tsv, .jsonl or .json, .dat (with `::`), else CSV. */
const char *format_guess(const char *path);

#endif
