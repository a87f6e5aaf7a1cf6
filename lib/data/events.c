/* Interactions, as they come.
 *
 * The rows of a batch are looked up while nothing is added to any vocabulary, so that its blocks
 * can be side by side, and what is found is written to where it belongs if no row is rejected.
 * Rows with nothing new in them then stay as they are; all others are taken one by one. */
#include "data/preparation.h"
#include "data/scalar.h"

#include <stdio.h>
#include <string.h>

/* One by one */

/* With --sorted: a user's rows lie together, and time does not run backwards. */
static bool check_order(const Preparation *p, const Rows *rows, int32_t user, int64_t time, Error *e)
{
	if (!p->options->sorted || p->events == 0)
		return true;
	int32_t before = p->event_users[p->events - 1];
	if (user == before ? p->has_time && time < p->event_times[p->events - 1]
	                   : (size_t)user + 1 < p->users.strings.count)
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
		int32_t before = p->event_users[p->events - 1];
		if (text_equal(strings_at(&p->users.strings, (size_t)before), user))
			return before;
	}
	return vocabulary_add(&p->users, user, e);
}

static bool make_room(Preparation *p, size_t more, Error *e)
{
	size_t need = p->events + more;
	if (need > UINT32_MAX)
		return fail(e, ERROR_FAILURE, "more than %u events", UINT32_MAX - 1);
	return memory_grow(&p->event_users, &p->users_capacity, need, sizeof *p->event_users, e) &&
	       memory_grow(&p->event_items, &p->items_capacity, need, sizeof *p->event_items, e) &&
	       (!p->has_time ||
	        memory_grow(&p->event_times, &p->times_capacity, need, sizeof *p->event_times, e));
}

static bool append_event(Preparation *p, const Rows *rows, const Text *fields, int64_t time, Error *e)
{
	int64_t user = user_id(p, fields[p->user_source], e);
	int64_t item = user < 0 ? -1 : vocabulary_add(&p->items, fields[p->item_source], e);
	if (item < 0 || !check_order(p, rows, (int32_t)user, time, e) || !make_room(p, 1, e))
		return false;
	p->event_users[p->events] = (int32_t)user;
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

/* Rejects the row for a field, which the message shows. */
static bool reject_field(Rows *rows, BadReason reason, Text field, const char *wanted, Error *e)
{
	char value[64], detail[256];
	text_printable(field, value, sizeof value);
	snprintf(detail, sizeof detail, "%s: '%s' (%s)", bad_reason_name(reason), value, wanted);
	return rows_reject(rows, reason, detail, e);
}

static bool read_time(const Preparation *p, Text field, int64_t *time)
{
	return p->milliseconds ? scalar_milliseconds(field, time) : scalar_time(field, time);
}

/* Everything is looked at before anything is kept: a row counts whole or not at all. */
static bool take_row(Preparation *p, Rows *rows, const Text *fields, Error *e)
{
	int64_t time = 0;
	if (!id_valid(fields[p->user_source]) || !id_valid(fields[p->item_source]))
		return rows_reject(rows, BAD_ID, NULL, e);
	if (p->has_time && !read_time(p, fields[p->time_source], &time))
		return reject_field(
		    rows, BAD_TIME, fields[p->time_source],
		    p->milliseconds ? "milliseconds" : "seconds, or YYYY-MM-DD[ HH:MM[:SS][Z|+HH[:MM]]]", e);
	for (size_t i = 0; i < p->schema->field_count; i++)
		if (!p->fields[i].of_item &&
		    !column_accepts(&p->fields[i].column, fields[p->fields[i].source]))
			return reject_field(rows, BAD_NUMBER, fields[p->fields[i].source], "a decimal number",
			                    e);
	return append_event(p, rows, fields, time, e);
}

/* Looking up */

/* Whether rows can be appended as they were found: lists, texts and the order that --sorted
 * checks need them one by one. */
static bool looks_up(const Preparation *p)
{
	bool single = !p->options->sorted;
	for (size_t i = 0; i < p->schema->field_count; i++)
		single = single && (p->fields[i].of_item || column_is_single(&p->fields[i].column));
	return single;
}

/* Not in the vocabulary, as the row before, and of the same text. */
enum { SAME_AGAIN = VOCABULARY_NONE - 1 };

/* Ids as they are in the vocabulary; a user often has many rows together. */
static void find_users(const Vocabulary *v, const RowBlock *block, size_t column, int32_t *ids)
{
	const RowBlock b = *block; /* a copy, which the compiler knows that writing ids does not change */
	Text before = {0};
	for (size_t row = 0; row < b.rows; row++) {
		Text text = block_field(&b, row, column);
		if (row > 0 && text_equal(text, before)) {
			ids[row] = ids[row - 1] < 0 ? SAME_AGAIN : ids[row - 1];
			continue;
		}
		int64_t found = vocabulary_find(v, text);
		ids[row] = found < ID_FIRST ? VOCABULARY_NONE : (int32_t)found;
		before = text;
	}
}

static void find_ids(const Vocabulary *v, const RowBlock *block, size_t column, int32_t *ids)
{
	enum { MANY = 32 };
	const RowBlock b = *block;
	Text texts[MANY];
	for (size_t first = 0, count; first < b.rows; first += count) {
		count = b.rows - first < MANY ? b.rows - first : MANY;
		for (size_t i = 0; i < count; i++)
			texts[i] = block_field(&b, first + i, column);
		vocabulary_find_many(v, texts, count, ids + first);
	}
	for (size_t row = 0; row < b.rows; row++)
		ids[row] = ids[row] < ID_FIRST ? VOCABULARY_NONE : ids[row];
}

static int32_t *field_ids(const Preparation *p, size_t field, size_t event)
{
	return p->fields[field].column.lists.values + event;
}

/* The events of the block, from `event` on.  Rows of which something is wrong, or not known besides the
 * user, have no item. */
static void look_up(const Preparation *p, const RowBlock *b, size_t event)
{
	int32_t *items = p->event_items + event;
	find_users(&p->users, b, p->user_source, p->event_users + event);
	find_ids(&p->items, b, p->item_source, items);
	for (size_t row = 0; row < b->rows && p->has_time; row++)
		if (!read_time(p, block_field(b, row, p->time_source), &p->event_times[event + row]))
			items[row] = VOCABULARY_NONE;
	for (size_t i = 0; i < p->schema->field_count; i++) {
		if (p->fields[i].of_item)
			continue;
		int32_t *ids = field_ids(p, i, event);
		find_ids(&p->fields[i].column.values, b, p->fields[i].source, ids);
		for (size_t row = 0; row < b->rows; row++)
			if (ids[row] < 0)
				items[row] = VOCABULARY_NONE;
	}
}

/* Batches */

typedef struct {
	Preparation *p;
	Rows *rows;
	const RowBlock *blocks;
	size_t count;
	size_t events; /* before the batch */
	Error taking, ahead;
} Batch;

/* Where the events of a block begin if all rows before are events. */
static size_t block_event(const Batch *batch, size_t block)
{
	size_t event = batch->events;
	for (size_t i = 0; i < block; i++)
		event += batch->blocks[i].rows;
	return event;
}

static void look_up_task(void *context, size_t task)
{
	const Batch *batch = context;
	const RowBlock *b = &batch->blocks[task];
	const Preparation *p = batch->p;
	size_t event = block_event(batch, task);
	if (looks_up(p)) {
		look_up(p, b, event);
		return;
	}
	for (size_t row = 0; row < b->rows; row++)
		p->event_users[event + row] = p->event_items[event + row] = VOCABULARY_NONE;
}

/* The next `count` events, of which all is known; they lie from `event` on. */
static void append_known(Preparation *p, size_t event, size_t count)
{
	size_t to = p->events;
	p->events += count;
	for (size_t i = 0; i < p->schema->field_count; i++)
		if (!p->fields[i].of_item)
			p->fields[i].column.rows += count;
	if (event == to || count == 0)
		return;
	memmove(p->event_users + to, p->event_users + event, count * sizeof *p->event_users);
	memmove(p->event_items + to, p->event_items + event, count * sizeof *p->event_items);
	if (p->has_time)
		memmove(p->event_times + to, p->event_times + event, count * sizeof *p->event_times);
	for (size_t i = 0; i < p->schema->field_count; i++)
		if (!p->fields[i].of_item)
			memmove(field_ids(p, i, to), field_ids(p, i, event), count * sizeof(int32_t));
}

static bool take_one(Preparation *p, Rows *rows, const RowBlock *b, size_t row, Error *e)
{
	if (!memory_grow(&p->row, &p->row_capacity, b->columns, sizeof *p->row, e))
		return false;
	for (size_t c = 0; c < b->columns; c++)
		p->row[c] = block_field(b, row, c);
	rows_locate(rows, b, row);
	return take_row(p, rows, p->row, e);
}

/* The user of a row of which all else is known; no item, where it is none. */
static bool settle_user(Preparation *p, const RowBlock *b, size_t row, int32_t *users, int32_t *items,
                        Error *e)
{
	if (users[row] == SAME_AGAIN)
		users[row] = users[row - 1];
	if (users[row] >= 0 || items[row] < 0)
		return true;
	Text user = block_field(b, row, p->user_source);
	if (!id_valid(user)) {
		items[row] = VOCABULARY_NONE;
		return true;
	}
	users[row] = (int32_t)vocabulary_add(&p->users, user, e);
	return users[row] >= 0;
}

static bool take_block(Preparation *p, Rows *rows, const RowBlock *b, size_t event, Error *e)
{
	int32_t *users = p->event_users + event, *items = p->event_items + event;
	size_t first = 0; /* of those that are not counted yet */
	for (size_t row = 0; row < b->rows; row++) {
		if (!settle_user(p, b, row, users, items, e))
			return false;
		if (items[row] >= 0)
			continue;
		append_known(p, event + first, row - first);
		size_t before = p->events;
		if (!take_one(p, rows, b, row, e))
			return false;
		users[row] = p->events > before ? p->event_users[before] : VOCABULARY_NONE;
		first = row + 1;
	}
	append_known(p, event + first, b->rows - first);
	return true;
}

static void take_batch(Batch *batch)
{
	Error *e = &batch->taking;
	for (size_t i = 0; i < batch->count && e->code == ERROR_NONE; i++)
		take_block(batch->p, batch->rows, &batch->blocks[i], block_event(batch, i), e);
}

static void batch_task(void *context, size_t task)
{
	Batch *batch = context;
	if (task == 0)
		take_batch(batch);
	else
		rows_ahead(batch->rows, &batch->ahead);
}

/* Room for so many more rows, in the columns that they are looked up for. */
static bool make_row_room(Preparation *p, size_t rows, Error *e)
{
	bool done = make_room(p, rows, e);
	for (size_t i = 0; done && i < p->schema->field_count; i++)
		if (!p->fields[i].of_item && column_is_single(&p->fields[i].column))
			done = column_reserve(&p->fields[i].column, rows, e);
	return done;
}

/* The rows of many blocks: looked up side by side, then taken in order, while the next are read. */
static bool take_blocks(Batch *batch, Error *e)
{
	Pool *pool = batch->p->options->pool;
	if (!make_row_room(batch->p, block_event(batch, batch->count) - batch->events, e))
		return false;
	pool_run(pool, batch->count, look_up_task, batch);
	pool_run(pool, 2, batch_task, batch);
	*e = batch->taking.code != ERROR_NONE ? batch->taking : batch->ahead;
	return e->code == ERROR_NONE;
}

/* Room for all of a file at once, where that is known: to move what has grown takes longer. */
static bool expect_rows(Preparation *p, size_t rows, Error *e)
{
	return p->events + rows > UINT32_MAX || make_row_room(p, rows, e);
}

bool take_events(Preparation *p, Rows *rows, Error *e)
{
	for (bool first = true;; first = false) {
		Batch batch = {.p = p, .rows = rows, .events = p->events};
		if (!rows_batch(rows, p->options->pool, &batch.blocks, &batch.count, e))
			return false;
		if (batch.count == 0)
			return true;
		if (first && !expect_rows(p, rows_expected(rows, batch.blocks, batch.count), e))
			return false;
		const Text *single = batch.blocks->fields;
		if (single != NULL ? !take_row(p, rows, single, e) : !take_blocks(&batch, e))
			return false;
	}
}
