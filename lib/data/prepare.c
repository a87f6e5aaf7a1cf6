#include "data/prepare.h"

#include "data/column.h"
#include "data/scalar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	Field *fields; /* as in the schema */
	bool has_time;
	size_t user_source, item_source, time_source; /* columns of the file at hand */

	/* Interactions as they came. */
	Vocabulary users, items;
	uint32_t *event_users;
	int32_t *event_items;
	int64_t *event_times;
	size_t events, users_capacity, items_capacity, times_capacity;

	/* The order they are in at the end: that of the users that stay. */
	uint32_t *order;
} Preparation;

/* Columns */

/* The first of the names that is a column; false where there is none. */
static bool find_usual(const Rows *rows, const char *const *names, size_t *source)
{
	for (; *names != NULL; names++)
		if (rows_find(rows, text_of(*names), source))
			return true;
	return false;
}

static bool bind_column(Rows *rows, const char *what, const char *given, const char *const *usual,
                        size_t *source, Error *e)
{
	bool found = given ? rows_find(rows, text_of(given), source) : find_usual(rows, usual, source);
	if (!found)
		return rows_fail_column(rows, what, text_of(given ? given : *usual), e);
	rows_want(rows, *source);
	return true;
}

static const char *const usual_users[] = {"user", "user_id", "userId", "reviewerID", NULL};
static const char *const usual_items[] = {"item",     "item_id", "itemId",      "movieId",
                                          "movie_id", "asin",    "parent_asin", NULL};
static const char *const usual_times[] = {"time", "timestamp", "unixReviewTime", "date", NULL};

/* Finds user, item and time; the first file tells whether there is a time. */
static bool bind_events(Preparation *p, Rows *rows, bool first, Error *e)
{
	const Schema *s = p->schema;
	if (!bind_column(rows, "--user", s->user, usual_users, &p->user_source, e) ||
	    !bind_column(rows, "--item", s->item, usual_items, &p->item_source, e))
		return false;
	if (first)
		p->has_time = s->time != NULL || find_usual(rows, usual_times, &p->time_source);
	return !p->has_time || bind_column(rows, "--time", s->time, usual_times, &p->time_source, e);
}

static bool fail_field(const FieldSpec *spec, const Rows *rows, const Rows *table, Error *e)
{
	char what[2 * FEATURE_NAME_MAX];
	snprintf(what, sizeof what, "--%s %.*s", spec->text ? "text" : "feature", (int)spec->name.size,
	         spec->name.data);
	if (table == NULL && spec->of_item)
		return fail(e, ERROR_USAGE, "%s: there is no item table (give it with --items)", what);
	rows_fail_column(table ? table : rows, what, spec->column, e);
	return table == NULL || spec->of_item ? false : fail_in(e, "neither in %s nor here", rows_name(rows));
}

/* Finds the fields: a column that the interactions lack is the item table's. */
static bool bind_fields(Preparation *p, Rows *rows, Rows *table, bool first, Error *e)
{
	for (size_t i = 0; i < p->schema->field_count; i++) {
		const FieldSpec *spec = &p->schema->fields[i];
		Field *field = &p->fields[i];
		size_t source;
		if (!first && field->of_item)
			continue;
		bool of_event = !spec->of_item && rows_find(rows, spec->column, &source);
		if (!of_event && (!first || table == NULL || !rows_find(table, spec->column, &source)))
			return fail_field(spec, rows, first ? table : NULL, e);
		rows_want(of_event ? rows : table, source);
		field->source = source;
		field->of_item = !of_event;
	}
	return true;
}

static bool start_fields(Preparation *p, Error *e)
{
	p->fields = memory_new(p->schema->field_count, sizeof *p->fields, e);
	return p->fields != NULL;
}

static bool start_columns(Preparation *p, Error *e)
{
	for (size_t i = 0; i < p->schema->field_count; i++) {
		const FieldSpec *spec = &p->schema->fields[i];
		bool of_item = p->fields[i].of_item;
		const RowFormat *format = of_item ? &p->schema->items_format : &p->schema->format;
		p->fields[i].column =
		    (Column){.text = spec->text,
		             .number = !spec->text && !of_item && text_equal(spec->name, text_of("rating")),
		             .multiple = spec->separator != NULL,
		             .json = format->separator == NULL,
		             .separator = spec->separator,
		             .none = p->schema->none};
		if (!column_start(&p->fields[i].column, e))
			return false;
	}
	return vocabulary_start(&p->users, e) && vocabulary_start(&p->items, e);
}

/* Interactions */

/* With --sorted: a user's rows lie together, and time does not run backwards. */
static bool check_order(const Preparation *p, const Rows *rows, uint32_t user, int64_t time, Error *e)
{
	if (!p->options->sorted || p->events == 0)
		return true;
	uint32_t before = p->event_users[p->events - 1];
	if (user == before ? p->has_time && time < p->event_times[p->events - 1]
	                   : user + 1 < p->users.strings.count)
		return fail(e, ERROR_MALFORMED, "%s: line %zu: %s: this is not sorted (leave out --sorted)",
		            rows_name(rows), rows_line(rows),
		            user == before ? "an earlier time than in the row before"
		                           : "a user that was there before, with others between");
	return true;
}

/* The user's id: mostly that of the row before. */
static int64_t user_id(Preparation *p, Text user, Error *e)
{
	if (p->events > 0) {
		uint32_t before = p->event_users[p->events - 1];
		if (text_equal(strings_at(&p->users.strings, before), user))
			return before;
	}
	return vocabulary_add(&p->users, user, e);
}

static bool append_event(Preparation *p, const Rows *rows, const Text *fields, int64_t time, Error *e)
{
	int64_t user = user_id(p, fields[p->user_source], e);
	int64_t item = user < 0 ? -1 : vocabulary_add(&p->items, fields[p->item_source], e);
	size_t need = p->events + 1;
	if (item < 0 || !check_order(p, rows, (uint32_t)user, time, e))
		return false;
	if (need > UINT32_MAX)
		return fail(e, ERROR_FAILURE, "more than %u events", UINT32_MAX - 1);
	if (!memory_grow(&p->event_users, &p->users_capacity, need, sizeof *p->event_users, e) ||
	    !memory_grow(&p->event_items, &p->items_capacity, need, sizeof *p->event_items, e) ||
	    (p->has_time &&
	     !memory_grow(&p->event_times, &p->times_capacity, need, sizeof *p->event_times, e)))
		return false;
	p->event_users[p->events] = (uint32_t)user;
	p->event_items[p->events] = (int32_t)item;
	if (p->has_time)
		p->event_times[p->events] = time;
	for (size_t i = 0; i < p->schema->field_count; i++)
		if (!p->fields[i].of_item &&
		    !column_append(&p->fields[i].column, fields[p->fields[i].source], e))
			return false;
	p->events++;
	return true;
}

/* An id may not be empty, nor one of the names that vocabularies keep for themselves. */
static bool id_valid(Text id)
{
	for (size_t i = 0; i < ID_FIRST; i++)
		if (text_equal(id, special_name(i)))
			return false;
	return id.size > 0;
}

/* Everything is looked at before anything is kept: a row counts whole or not at all. */
static bool take_row(Preparation *p, Rows *rows, const Text *fields, Error *e)
{
	int64_t time = 0;
	if (!id_valid(fields[p->user_source]) || !id_valid(fields[p->item_source]))
		return rows_reject(rows, BAD_ID, NULL, e);
	if (p->has_time && !scalar_time(fields[p->time_source], &time))
		return rows_reject(rows, BAD_TIME, NULL, e);
	for (size_t i = 0; i < p->schema->field_count; i++)
		if (!p->fields[i].of_item &&
		    !column_accepts(&p->fields[i].column, fields[p->fields[i].source]))
			return rows_reject(rows, BAD_NUMBER, NULL, e);
	return append_event(p, rows, fields, time, e);
}

static bool read_rows(Preparation *p, Rows *rows, Error *e)
{
	const Text *fields;
	for (;;) {
		if (!rows_next(rows, &fields, e))
			return false;
		if (fields == NULL)
			return true;
		if (!take_row(p, rows, fields, e))
			return false;
	}
}

/* All inputs; the columns are those of the first, and of the item table. */
static bool read_events(Preparation *p, Rows *table, uint64_t *hashes, Error *e)
{
	for (size_t i = 0; i < p->options->input_count; i++) {
		Rows *rows = rows_open(p->options->inputs[i], &p->schema->format, &p->bad, e);
		bool done = rows != NULL && bind_events(p, rows, i == 0, e) &&
		            bind_fields(p, rows, table, i == 0, e) && (i > 0 || start_columns(p, e)) &&
		            read_rows(p, rows, e);
		if (done)
			hashes[i] = rows_hash(rows);
		rows_close(rows);
		if (!done)
			return false;
	}
	p->report->rows = p->events;
	p->report->users = p->users.strings.count - ID_FIRST;
	p->report->items = p->items.strings.count - ID_FIRST;
	return true;
}

/* Who stays */

/* A byte for every item: has it min_item_events? */
static uint8_t *select_items(Preparation *p, Error *e)
{
	size_t items = p->items.strings.count;
	uint8_t *keep = memory_new(items, sizeof *keep, e);
	uint32_t *counts = memory_new(items, sizeof *counts, e);
	if (keep != NULL && counts != NULL) {
		for (size_t i = 0; i < p->events; i++)
			counts[p->event_items[i]]++;
		for (size_t i = ID_FIRST; i < items; i++) {
			keep[i] = counts[i] >= p->options->min_item_events;
			p->report->rare_items += !keep[i];
			p->report->rare_events += keep[i] ? 0 : counts[i];
		}
		memory_free(counts);
		return keep;
	}
	memory_free(keep);
	memory_free(counts);
	return NULL;
}

/* The users that stay, and where the events of each start in the new order; starts[user] is
 * NOBODY for the others. */
#define NOBODY UINT32_MAX

static bool select_users(Preparation *p, const uint8_t *keep_item, uint32_t *starts, Users *u, Error *e)
{
	size_t users = p->users.strings.count, least = p->options->min_events, events = 0;
	if (p->options->split == SPLIT_WINDOW && least < p->options->window + 2)
		least = p->options->window + 2;
	for (size_t i = 0; i < p->events; i++)
		starts[p->event_users[i]] += keep_item[p->event_items[i]];
	memory_free(u->offsets);
	u->offsets = memory_new(users + 1, sizeof *u->offsets, e);
	if (u->offsets == NULL)
		return false;
	for (size_t user = ID_FIRST; user < users; user++) {
		uint32_t count = starts[user];
		bool keep = count > 0 && count >= least;
		starts[user] = keep ? (uint32_t)events : NOBODY;
		if (!keep) {
			p->report->short_users++;
			p->report->short_events += count;
			continue;
		}
		Text id = strings_at(&p->users.strings, user);
		if (!strings_append(&u->ids, id.data, id.size, e))
			return false;
		events += count;
		p->report->training_users += count < 3;
		u->offsets[++u->count] = (int64_t)events;
	}
	return true;
}

/* Events by user, in the order in which they came. */
static bool group_events(Preparation *p, Users *u, Error *e)
{
	uint8_t *keep_item = select_items(p, e);
	uint32_t *starts = keep_item ? memory_new(p->users.strings.count, sizeof *starts, e) : NULL;
	bool done = starts != NULL && select_users(p, keep_item, starts, u, e) &&
	            (p->order = memory_new((size_t)u->offsets[u->count], sizeof *p->order, e)) != NULL;
	for (size_t i = 0; done && i < p->events; i++) {
		uint32_t *next = &starts[p->event_users[i]];
		if (*next != NOBODY && keep_item[p->event_items[i]])
			p->order[(*next)++] = (uint32_t)i;
	}
	memory_free(starts);
	memory_free(keep_item);
	return done;
}

typedef struct {
	int64_t time;
	uint32_t event;
} Moment;

static int compare_moments(const void *a, const void *b)
{
	const Moment *x = a, *y = b;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (x->event > y->event) - (x->event < y->event); /* ties keep the order of the file */
}

static void sort_user(const Preparation *p, uint32_t *order, size_t count, Moment *moments)
{
	bool sorted = true;
	for (size_t i = 0; i < count; i++) {
		moments[i] = (Moment){p->event_times[order[i]], order[i]};
		sorted = sorted && (i == 0 || moments[i - 1].time <= moments[i].time);
	}
	if (sorted)
		return;
	qsort(moments, count, sizeof *moments, compare_moments);
	for (size_t i = 0; i < count; i++)
		order[i] = moments[i].event;
}

static bool sort_events(Preparation *p, const Users *u, Error *e)
{
	size_t most = 0;
	if (!p->has_time || p->options->sorted)
		return true;
	for (size_t i = 0; i < u->count; i++)
		if ((size_t)(u->offsets[i + 1] - u->offsets[i]) > most)
			most = (size_t)(u->offsets[i + 1] - u->offsets[i]);
	Moment *moments = memory_new(most, sizeof *moments, e);
	for (size_t i = 0; moments != NULL && i < u->count; i++)
		sort_user(p, p->order + u->offsets[i], (size_t)(u->offsets[i + 1] - u->offsets[i]), moments);
	memory_free(moments);
	return moments != NULL;
}

/* Puts items and times into the new order; the raw columns go as soon as they are done. */
static bool order_events(Preparation *p, Dataset *d, Users *u, Error *e)
{
	size_t count = (size_t)u->offsets[u->count], met = p->items.strings.count;
	memory_free(p->event_users);
	p->event_users = NULL;
	if ((u->items = memory_new(count, sizeof *u->items, e)) == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		u->items[i] = p->event_items[p->order[i]];
	memory_free(p->event_items);
	p->event_items = NULL;
	if (p->has_time) {
		if ((u->times = memory_new(count, sizeof *u->times, e)) == NULL)
			return false;
		for (size_t i = 0; i < count; i++)
			u->times[i] = p->event_times[p->order[i]];
		memory_free(p->event_times);
		p->event_times = NULL;
	}
	if (!vocabulary_renumber(&p->items, u->items, count, e))
		return false;
	p->report->lone_items = met - p->items.strings.count - p->report->rare_items;
	d->items = p->items;
	p->items = (Vocabulary){0};
	for (size_t i = 0; i < p->schema->field_count; i++)
		if (!p->fields[i].of_item && !column_reorder(&p->fields[i].column, p->order, count, e))
			return false;
	return true;
}

/* The item table */

static bool find_key(const Preparation *p, Rows *table, size_t *key, Error *e)
{
	const Schema *s = p->schema;
	if (s->item_key != NULL)
		return bind_column(table, "--item-key", s->item_key, NULL, key, e);
	bool by_name = s->items_format.header || s->items_format.separator == NULL;
	*key = 0;
	if (by_name &&
	    !(s->item ? rows_find(table, text_of(s->item), key) : find_usual(table, usual_items, key)) &&
	    s->items_format.separator == NULL)
		return rows_fail_column(table, "--item-key", text_of(s->item ? s->item : *usual_items), e);
	if (*key >= rows_columns(table))
		return fail(e, ERROR_MALFORMED, "%s: it is empty", rows_name(table));
	rows_want(table, *key);
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

static bool join_items(Preparation *p, Rows *table, const Vocabulary *items, uint64_t *hash, Error *e)
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
	            read_table(p, table, key, items, row_of, e);
	*hash = rows_hash(table);
	for (size_t i = 0; done && i < p->schema->field_count; i++)
		done = !p->fields[i].of_item || column_reorder(&p->fields[i].column, row_of, count, e);
	for (size_t i = ID_FIRST; i < count; i++)
		p->report->unknown_items += row_of[i] == ROW_UNKNOWN;
	memory_free(row_of);
	return done;
}

/* The result */

static char *copy_name(Text name, Error *e)
{
	char *copy = memory_new(name.size + 1, 1, e);
	return copy ? memcpy(copy, name.data, name.size) : NULL;
}

/* Moves the columns to where they belong. */
static bool hand_over(Preparation *p, Dataset *d, Users *u, Error *e)
{
	size_t texts = 0, features = 0;
	for (size_t i = 0; i < p->schema->field_count; i++) {
		Field *field = &p->fields[i];
		Column *c = &field->column;
		char *name = copy_name(p->schema->fields[i].name, e);
		if (name == NULL)
			return false;
		if (c->text) {
			d->texts[texts] = (TextField){.name = name, .of_item = field->of_item};
			*(field->of_item ? &d->texts[texts].by_item : &u->texts[texts]) = c->texts;
			c->texts = (Strings){0};
			texts++;
		} else {
			d->features[features] = (Feature){.name = name,
			                                  .of_item = field->of_item,
			                                  .multiple = c->multiple,
			                                  .values = c->values};
			*(field->of_item ? &d->features[features].by_item : &u->features[features]) =
			    c->lists;
			c->values = (Vocabulary){0};
			c->lists = (IdLists){0};
			features++;
		}
	}
	return true;
}

static bool make_room(const Schema *s, Dataset *d, Users *u, Error *e)
{
	for (size_t i = 0; i < s->field_count; i++)
		*(s->fields[i].text ? &d->text_count : &d->feature_count) += 1;
	d->features = memory_new(d->feature_count, sizeof *d->features, e);
	d->texts = memory_new(d->text_count, sizeof *d->texts, e);
	return d->features != NULL && d->texts != NULL && users_new(u, d, e);
}

static bool fail_empty(const Preparation *p, Error *e)
{
	if (p->events == 0)
		return fail(e, ERROR_MALFORMED, "%s: there are no interactions", p->options->inputs[0]);
	return fail(e, ERROR_USAGE,
	            "no user of %zu stays: lower --min-events or --min-item-events, or --window with --split "
	            "window, which needs two events more",
	            p->report->users);
}

static bool run(Preparation *p, Rows *table, Dataset *d, Users *u, uint64_t *hashes, Error *e)
{
	if (!make_room(p->schema, d, u, e) || !start_fields(p, e) || !read_events(p, table, hashes, e) ||
	    !group_events(p, u, e) || !sort_events(p, u, e))
		return false;
	if (u->count == 0)
		return fail_empty(p, e);
	if (!order_events(p, d, u, e) ||
	    !join_items(p, table, &d->items, &hashes[p->options->input_count], e) || !hand_over(p, d, u, e))
		return false;
	d->split = p->options->split;
	d->window = d->split == SPLIT_WINDOW ? p->options->window : 0;
	d->users = u->count;
	d->events = (size_t)u->offsets[u->count];
	d->has_time = p->has_time;
	memcpy(p->report->bad, p->bad.counts, sizeof p->report->bad);
	return true;
}

bool prepare(const PrepareOptions *options, Dataset *d, Users *u, PrepareReport *report, uint64_t *hashes,
             Error *e)
{
	Preparation p = {.options = options, .schema = options->schema, .report = report};
	p.bad.skip = options->skip_bad;
	Rows *table = NULL;
	bool done = options->items == NULL ||
	            (table = rows_open(options->items, &p.schema->items_format, &p.bad, e)) != NULL;
	done = done && run(&p, table, d, u, hashes, e);
	rows_close(table);
	for (size_t i = 0; p.fields != NULL && i < p.schema->field_count; i++)
		column_free(&p.fields[i].column);
	memory_free(p.fields);
	vocabulary_free(&p.users);
	vocabulary_free(&p.items);
	memory_free(p.event_users);
	memory_free(p.event_items);
	memory_free(p.event_times);
	memory_free(p.order);
	return done;
}
