/* Published sets: their files, and what their columns mean. */
#ifndef DATA_PRESET_H
#define DATA_PRESET_H

#include "data/schema.h"

/* Defaults of all that options may set; columns and fields are as in the options. */
typedef struct {
	const char *name;
	/* Names of the files in the set's directory.  NULL: they go by what they hold, and there may be
	 * no item table. */
	const char *events, *items_table;
	const char *format, *user, *item, *time, *none;
	Encoding encoding;
	Syntax syntax;
	const char *features[3], *texts[4]; /* NULL behind the last */
	const char *optional;               /* one more feature, if the item table has it; or NULL */
} Preset;

const Preset *preset_find(const char *name); /* NULL: there is none */

/* `table`: there is an item table; without one its fields are left out. */
bool preset_fill(const Preset *p, bool table, Schema *s, Error *e);

/* The paths of the set's files in a directory; that of the item table stays empty where it is not
 * looked for (`given`: it is known), or where there may be none and is none.  ERROR_USAGE, where it
 * cannot be said which file is meant. */
bool preset_files(const Preset *p, const char *directory, bool given, Buffer *events, Buffer *items,
                  Error *e);

#endif
