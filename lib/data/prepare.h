/* From rows of interactions and of an item table to a dataset. */
#ifndef DATA_PREPARE_H
#define DATA_PREPARE_H

#include "data/dataset.h"
#include "data/schema.h"

typedef struct {
	const Schema *schema;
	Pool *pool;
	const char **inputs; /* paths; "-" is standard input */
	size_t input_count;
	const char *items; /* the item table's path, or NULL */
	Split split;
	size_t window;          /* for SPLIT_WINDOW: only users with window + 2 events stay */
	size_t min_events;      /* of a user, when rare items are gone */
	size_t min_item_events; /* of an item; this comes first */
	bool sorted;            /* rows are grouped by user and in order of time: checked, not sorted */
	bool skip_bad;
} PrepareOptions;

/* What came of it. */
typedef struct {
	char columns[256];                /* of the first file: "user=NAME item=NAME time=NAME" */
	char item_key[COLUMN_NAME_SIZE];  /* the item table's column with the item: its name or number */
	char left_out[256];               /* an optional field that the item table lacks, or "" */
	size_t rows;                      /* good ones */
	size_t bad[BAD_REASONS];          /* in the interactions and the item table */
	size_t users, items;              /* met in the rows */
	size_t rare_items, rare_events;   /* left out by min_item_events */
	size_t short_users, short_events; /* left out by min_events and window */
	size_t lone_items;                /* left out with their users */
	size_t training_users;            /* fewer than 3 events: in training alone */
	size_t table_rows;                /* of the item table */
	size_t unused_rows;               /* of items without events */
	size_t repeated_rows;             /* of an item that had a row already: the first counts */
	size_t unknown_items;             /* with events, but not in the table */
} PrepareReport;

/* Fills *d and *u (zeroed; freed by the caller, on error too), and hashes[input_count + 1]
 * with the XXH64 of the inputs and then of the item table. */
bool prepare(const PrepareOptions *options, Dataset *d, Users *u, PrepareReport *report, uint64_t *hashes,
             Error *e);

#endif
