/* The item table. */
#include "data/preparation.h"

/* What items are called in the interactions, where they have a name there. */
static Text item_name(const Preparation *p)
{
	return (Text){(const char *)p->item_name.data, p->item_name.size};
}

/* By the name it has in the interactions, or by the one that was given or is usual there. */
static bool find_named(const Preparation *p, const Rows *table, size_t *key)
{
	return (p->item_name.size > 0 && rows_find(table, item_name(p), key)) ||
	       find_item(table, p->schema->item, key);
}

/* The column of items' ids: by its option, by its name, or else the first; JSON objects have no first one. */
static bool find_key(const Preparation *p, Rows *table, size_t *key, Error *e)
{
	const Schema *s = p->schema;
	bool objects = s->items_format.separator == NULL, named = objects || s->items_format.header;
	*key = 0;
	if (s->item_key != NULL ? !rows_find(table, text_of(s->item_key), key)
	                        : named && !find_named(p, table, key) && objects)
		return rows_fail_column(table, "--item-key",
		                        s->item_key             ? text_of(s->item_key)
		                        : p->item_name.size > 0 ? item_name(p)
		                                                : text_of("item"),
		                        e);
	rows_want(table, *key);
	rows_column_name(table, *key, p->report->item_key);
	return true;
}

/* Rows for the ids that are no items, and one for the items without a row. */
enum { ROW_UNKNOWN = ID_FIRST };

static bool append_special_rows(Preparation *p, Error *e)
{
	for (size_t i = 0; i < p->schema->field_count; i++) {
		Column *column = &p->fields[i].column;
		for (int32_t id = 0; p->fields[i].of_item && id < ID_FIRST; id++)
			if (!column_append_id(column, id, e))
				return false;
		if (p->fields[i].of_item && !column_append(column, (Text){"", 0}, e))
			return false;
	}
	return true;
}

/* row_of[item] becomes the item's row in the columns. */
static bool read_table(Preparation *p, Rows *table, size_t key, const Vocabulary *items, uint32_t *row_of,
                       Error *e)
{
	const Text *fields;
	for (uint32_t row = ROW_UNKNOWN + 1;; p->report->table_rows++) {
		if (!rows_next(table, &fields, e))
			return false;
		if (fields == NULL)
			return true;
		int64_t item = vocabulary_find(items, fields[key]);
		if (!id_valid(fields[key])) {
			if (!rows_reject(table, BAD_ID, "no item", e))
				return false;
		} else if (item < 0) {
			p->report->unused_rows++;
		} else if (row_of[item] != ROW_UNKNOWN) {
			p->report->repeated_rows++;
		} else {
			row_of[item] = row++;
			for (size_t i = 0; i < p->schema->field_count; i++)
				if (p->fields[i].of_item &&
				    !column_append(&p->fields[i].column, fields[p->fields[i].source], e))
					return false;
		}
	}
}

/* An item table in which no item is found has another column for them. */
static bool check_joined(const Preparation *p, const Rows *table, const uint32_t *row_of, size_t count,
                         Error *e)
{
	for (size_t i = ID_FIRST; i < count; i++)
		p->report->unknown_items += row_of[i] == ROW_UNKNOWN;
	if (p->report->unknown_items < count - ID_FIRST)
		return true;
	return fail(e, ERROR_USAGE,
	            "%s: column '%s' has none of the %zu items of the interactions: say with --item-key "
	            "which column does",
	            rows_name(table), p->report->item_key, count - ID_FIRST);
}

bool join_items(Preparation *p, Rows *table, const Vocabulary *items, uint64_t *hash, Error *e)
{
	size_t key, count = items->strings.count;
	if (table == NULL)
		return true;
	uint32_t *row_of = memory_new(count, sizeof *row_of, e);
	if (row_of == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		row_of[i] = i < ID_FIRST ? (uint32_t)i : ROW_UNKNOWN;
	bool done = find_key(p, table, &key, e) && append_special_rows(p, e) &&
	            read_table(p, table, key, items, row_of, e) && check_joined(p, table, row_of, count, e);
	*hash = rows_hash(table);
	const Order order = {.rows = row_of, .count = count};
	for (size_t i = 0; done && i < p->schema->field_count; i++)
		done = !p->fields[i].of_item || column_reorder(&p->fields[i].column, &order, e);
	memory_free(row_of);
	return done;
}
