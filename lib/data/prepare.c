#include "data/preparation.h"

#include <stdio.h>
#include <string.h>

/* Columns */

/* The column that was given, or the first of the usual names that is one. */
static bool find_column(const Rows *rows, const char *given, const char *const *usual, size_t *source)
{
	if (given != NULL)
		return rows_find(rows, text_of(given), source);
	for (; *usual != NULL; usual++)
		if (rows_find(rows, text_of(*usual), source))
			return true;
	return false;
}

static bool bind_column(Rows *rows, const char *what, const char *given, const char *const *usual,
                        size_t *source, Error *e)
{
	if (!find_column(rows, given, usual, source))
		return rows_fail_column(rows, what, text_of(given ? given : *usual), e);
	rows_want(rows, *source);
	return true;
}

static const char *const usual_users[] = {"user", "user_id", "userId", "reviewerID", NULL};
static const char *const usual_items[] = {"item",     "item_id", "itemId",      "movieId",
                                          "movie_id", "asin",    "parent_asin", NULL};
static const char *const usual_times[] = {"time", "timestamp", "unixReviewTime", "date", NULL};

bool find_item(const Rows *rows, const char *given, size_t *source)
{
	return find_column(rows, given, usual_items, source);
}

bool id_valid(Text id)
{
	if (id.size == 0 || *id.data != '<')
		return id.size > 0;
	for (size_t i = 0; i < ID_FIRST; i++)
		if (text_equal(id, special_name(i)))
			return false;
	return true;
}

static void note_columns(const Preparation *p, const Rows *rows)
{
	char user[COLUMN_NAME_SIZE], item[COLUMN_NAME_SIZE], time[COLUMN_NAME_SIZE];
	rows_column_name(rows, p->user_source, user);
	rows_column_name(rows, p->item_source, item);
	if (p->has_time)
		rows_column_name(rows, p->time_source, time);
	snprintf(p->report->columns, sizeof p->report->columns, "user=%s item=%s time=%s%s", user, item,
	         p->has_time ? time : "none: the order of the rows is time",
	         p->milliseconds ? ", in milliseconds" : "");
}

/* The first that there is of the columns ONE|ANOTHER:ms|..., and whether it is in milliseconds. */
static bool find_time(const Rows *rows, const char *given, size_t *source, bool *milliseconds)
{
	static const char unit[] = ":ms";
	size_t width = strlen(unit);
	for (Text rest = text_of(given); rest.size > 0;) {
		Text one = text_cut(&rest, '|');
		*milliseconds = false;
		if (rows_find(rows, one, source))
			return true;
		*milliseconds = one.size > width && memcmp(one.data + one.size - width, unit, width) == 0;
		if (*milliseconds && rows_find(rows, (Text){one.data, one.size - width}, source))
			return true;
	}
	return false;
}

static bool bind_time(Preparation *p, Rows *rows, Error *e)
{
	const char *given = p->schema->time;
	if (given == NULL)
		return bind_column(rows, "--time", NULL, usual_times, &p->time_source, e);
	if (!find_time(rows, given, &p->time_source, &p->milliseconds))
		return rows_fail_column(rows, "--time", text_of(given), e);
	rows_want(rows, p->time_source);
	return true;
}

/* Finds user, item and time; the first file tells whether there is a time. */
static bool bind_events(Preparation *p, Rows *rows, bool first, Error *e)
{
	const Schema *s = p->schema;
	if (!bind_column(rows, "--user", s->user, usual_users, &p->user_source, e) ||
	    !bind_column(rows, "--item", s->item, usual_items, &p->item_source, e))
		return false;
	if (first)
		p->has_time = s->time != NULL || find_column(rows, NULL, usual_times, &p->time_source);
	if (p->has_time && !bind_time(p, rows, e))
		return false;
	if (!first)
		return true;
	note_columns(p, rows);
	Text name = rows_column(rows, p->item_source);
	return buffer_append(&p->item_name, name.data, name.size, e);
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
		Rows *other = first && !spec->of_event ? table : NULL;
		if (!of_event && (other == NULL || !rows_find(other, spec->column, &source)))
			return fail_field(spec, rows, other, e);
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
		             .number = !spec->text && !of_item && text_is(spec->name, "rating"),
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

/* All inputs; the columns are those of the first, and of the item table. */
static bool read_events(Preparation *p, Rows *table, uint64_t *hashes, Error *e)
{
	for (size_t i = 0; i < p->options->input_count; i++) {
		Rows *rows = rows_open(p->options->inputs[i], &p->schema->format, &p->bad, e);
		bool done = rows != NULL && bind_events(p, rows, i == 0, e) &&
		            bind_fields(p, rows, table, i == 0, e) && (i > 0 || start_columns(p, e)) &&
		            take_events(p, rows, e);
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

/* The result */

/* What is put into the new order, column by column, side by side. */
typedef struct {
	Preparation *p;
	Users *users;
	Error *errors; /* of each task */
} Gathering;

enum { GATHER_ITEMS, GATHER_TIMES, GATHER_FIELDS }; /* tasks; from GATHER_FIELDS on by field */

static bool gather_items(Gathering *g, Error *e)
{
	Preparation *p = g->p;
	if (!order_apply(&p->order, &p->event_items, &p->items_capacity, sizeof *p->event_items, e))
		return false;
	g->users->items = p->event_items;
	p->event_items = NULL;
	return vocabulary_renumber(&p->items, g->users->items, p->order.count, e);
}

static bool gather_times(Gathering *g, Error *e)
{
	Preparation *p = g->p;
	if (!p->has_time)
		return true;
	if (!order_apply(&p->order, &p->event_times, &p->times_capacity, sizeof *p->event_times, e))
		return false;
	g->users->times = p->event_times;
	p->event_times = NULL;
	return true;
}

static void gather_task(void *context, size_t task)
{
	Gathering *g = context;
	Error *e = &g->errors[task];
	if (task == GATHER_ITEMS)
		gather_items(g, e);
	else if (task == GATHER_TIMES)
		gather_times(g, e);
	else if (!g->p->fields[task - GATHER_FIELDS].of_item)
		column_reorder(&g->p->fields[task - GATHER_FIELDS].column, &g->p->order, e);
}

/* Puts the events' columns into the new order. */
static bool gather_events(Preparation *p, Dataset *d, Users *u, Error *e)
{
	size_t met = p->items.strings.count, tasks = GATHER_FIELDS + p->schema->field_count;
	Gathering g = {p, u, memory_new(tasks, sizeof *g.errors, e)};
	if (g.errors == NULL)
		return false;
	pool_run(p->options->pool, tasks, gather_task, &g);
	bool done = fail_first(g.errors, tasks, e);
	memory_free(g.errors);
	p->report->lone_items = met - p->items.strings.count - p->report->rare_items;
	d->items = p->items;
	p->items = (Vocabulary){0};
	return done;
}

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
	    !order_events(p, u, e))
		return false;
	if (u->count == 0)
		return fail_empty(p, e);
	if (!gather_events(p, d, u, e) ||
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

/* The schema without the optional fields that the item table lacks. */
static bool choose_fields(Preparation *p, const Rows *table, Schema *chosen, Error *e)
{
	const Schema *all = p->options->schema;
	char *report = p->report->left_out;
	*chosen = *all;
	chosen->field_count = 0;
	chosen->fields = memory_new(all->field_count, sizeof *chosen->fields, e);
	for (size_t i = 0, source; chosen->fields != NULL && i < all->field_count; i++) {
		const FieldSpec *spec = &all->fields[i];
		if (!spec->optional || (table != NULL && rows_find(table, spec->column, &source)))
			chosen->fields[chosen->field_count++] = *spec;
		else
			snprintf(report, sizeof p->report->left_out,
			         "%.*s: its first MiB has no column '%.*s'", (int)spec->name.size,
			         spec->name.data, (int)spec->column.size, spec->column.data);
	}
	p->schema = chosen;
	return chosen->fields != NULL;
}

bool prepare(const PrepareOptions *options, Dataset *d, Users *u, PrepareReport *report, uint64_t *hashes,
             Error *e)
{
	Preparation p = {.options = options, .report = report};
	Schema schema = {0};
	p.bad.skip = options->skip_bad;
	Rows *table = NULL;
	bool done = options->items == NULL ||
	            (table = rows_open(options->items, &options->schema->items_format, &p.bad, e)) != NULL;
	done = done && choose_fields(&p, table, &schema, e) && run(&p, table, d, u, hashes, e);
	rows_close(table);
	for (size_t i = 0; p.fields != NULL && i < schema.field_count; i++)
		column_free(&p.fields[i].column);
	memory_free(p.fields);
	schema_free(&schema);
	vocabulary_free(&p.users);
	vocabulary_free(&p.items);
	memory_free(p.event_users);
	memory_free(p.event_items);
	memory_free(p.event_times);
	memory_free(p.order.rows);
	buffer_free(&p.item_name);
	memory_free(p.row);
	return done;
}
