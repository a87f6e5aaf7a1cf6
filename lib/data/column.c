#include "data/column.h"

#include "data/rows.h"
#include "data/scalar.h"

#include <string.h>

bool column_start(Column *c, Error *e)
{
	if (c->text)
		return true;
	if (c->multiple) {
		if (!memory_grow(&c->lists.offsets, &c->offsets_capacity, 1, sizeof *c->lists.offsets, e))
			return false;
		c->lists.offsets[0] = 0;
	}
	return vocabulary_start(&c->values, e);
}

void column_free(Column *c)
{
	vocabulary_free(&c->values);
	id_lists_free(&c->lists);
	strings_free(&c->texts);
	memory_free(c->met);
	*c = (Column){0};
}

bool column_accepts(const Column *c, Text field)
{
	return !c->number || scalar_is_number(field);
}

static bool is_none(const Column *c, Text value)
{
	return value.size == 0 || (c->none != NULL && text_is(value, c->none));
}

/* The id of a value; padding and mask are nobody's values. */
static int64_t value_id(Column *c, Text value, Error *e)
{
	int64_t id = is_none(c, value) ? ID_UNKNOWN : vocabulary_add(&c->values, value, e);
	return id >= 0 && id < ID_FIRST ? ID_UNKNOWN : id;
}

static size_t value_count(const Column *c)
{
	return c->lists.offsets ? (size_t)c->lists.offsets[c->rows] : c->rows;
}

/* One id a row so far: from now on they are lists, of none where a row had no value. */
static bool become_multiple(Column *c, Error *e)
{
	size_t count = 0;
	if (!memory_grow(&c->lists.offsets, &c->offsets_capacity, c->rows + 1, sizeof *c->lists.offsets, e))
		return false;
	c->lists.offsets[0] = 0;
	for (size_t i = 0; i < c->rows; i++) {
		if (c->lists.values[i] != ID_UNKNOWN)
			c->lists.values[count++] = c->lists.values[i];
		c->lists.offsets[i + 1] = (int64_t)count;
	}
	c->multiple = true;
	return true;
}

/* Ends a row that has `count` ids behind those of the rows before. */
static bool end_row(Column *c, size_t count, Error *e)
{
	if (c->multiple) {
		if (!memory_grow(&c->lists.offsets, &c->offsets_capacity, c->rows + 2,
		                 sizeof *c->lists.offsets, e))
			return false;
		c->lists.offsets[c->rows + 1] = c->lists.offsets[c->rows] + (int64_t)count;
	}
	c->rows++;
	return true;
}

static bool put_id(Column *c, size_t at, int64_t id, Error *e)
{
	if (id < 0 || !memory_grow(&c->lists.values, &c->values_capacity, at + 1, sizeof *c->lists.values, e))
		return false;
	c->lists.values[at] = (int32_t)id;
	return true;
}

/* The part of *rest before the next separator, which is taken off with it. */
static Text next_value(const Column *c, Text *rest)
{
	size_t width = c->separator ? strlen(c->separator) : 0, skipped = 0;
	const char *end = width ? memmem(rest->data, rest->size, c->separator, width) : NULL;
	const char *mark = c->json ? memchr(rest->data, LIST_SEPARATOR, rest->size) : NULL;
	if (mark != NULL && (end == NULL || mark < end)) {
		end = mark;
		width = 1;
	}
	Text value = {rest->data, end ? (size_t)(end - rest->data) : rest->size};
	skipped = value.size + (end ? width : 0);
	*rest = (Text){rest->data + skipped, rest->size - skipped};
	return value;
}

/* Whether the row at hand has that value already; from now on it has. */
static bool meet(Column *c, int64_t id, bool *again, Error *e)
{
	size_t known = c->met_capacity;
	if (id < 0 || !memory_grow(&c->met, &c->met_capacity, (size_t)id + 1, sizeof *c->met, e))
		return false;
	memset(c->met + known, 0, (c->met_capacity - known) * sizeof *c->met);
	*again = c->met[id] == c->rows + 1;
	c->met[id] = c->rows + 1;
	return true;
}

static bool append_list(Column *c, Text field, Error *e)
{
	size_t first = value_count(c), count = 0;
	bool again;
	while (field.size > 0) {
		int64_t id = value_id(c, next_value(c, &field), e);
		if (id == ID_UNKNOWN)
			continue;
		if (!meet(c, id, &again, e) || (!again && !put_id(c, first + count++, id, e)))
			return false;
	}
	return end_row(c, count, e);
}

/* The elements of a JSON list make one text, with blanks between. */
static bool append_text(Column *c, Text field, Error *e)
{
	if (!strings_append(&c->texts, field.data, field.size, e))
		return false;
	if (c->json && field.size > 0) {
		uint8_t *end = c->texts.bytes + c->texts.offsets[c->texts.count];
		for (uint8_t *p = end - field.size; p < end; p++)
			if (*p == LIST_SEPARATOR)
				*p = ' ';
	}
	c->rows++;
	return true;
}

bool column_append(Column *c, Text field, Error *e)
{
	if (c->text)
		return append_text(c, field, e);
	bool list = c->json && field.size > 0 && memchr(field.data, LIST_SEPARATOR, field.size) != NULL;
	if (list && !c->multiple && !become_multiple(c, e))
		return false;
	if (c->multiple)
		return append_list(c, field, e);
	return put_id(c, c->rows, value_id(c, field, e), e) && end_row(c, 1, e);
}

bool column_is_single(const Column *c)
{
	return !c->text && !c->multiple && !c->json;
}

bool column_reserve(Column *c, size_t count, Error *e)
{
	return memory_grow(&c->lists.values, &c->values_capacity, c->rows + count, sizeof *c->lists.values,
	                   e);
}

bool column_append_id(Column *c, int32_t id, Error *e)
{
	if (c->text)
		return append_text(c, (Text){"", 0}, e);
	return put_id(c, value_count(c), id, e) && end_row(c, 1, e);
}

void order_gather(void *to, const void *from, const uint32_t *rows, size_t count, size_t width)
{
	if (width == sizeof(uint32_t))
		for (size_t i = 0; i < count; i++)
			((uint32_t *)to)[i] = ((const uint32_t *)from)[rows[i]];
	else
		for (size_t i = 0; i < count; i++)
			((uint64_t *)to)[i] = ((const uint64_t *)from)[rows[i]];
}

bool order_apply(const Order *o, void *column, size_t *capacity, size_t width, Error *e)
{
	void *from, *to = NULL;
	memcpy(&from, column, sizeof from);
	if (o->rows == NULL)
		return true;
	*capacity = 0;
	if (!memory_grow(&to, capacity, o->count, width, e))
		return false;
	order_gather(to, from, o->rows, o->count, width);
	memory_free(from);
	memcpy(column, &to, sizeof to);
	return true;
}

static bool reorder_texts(Column *c, const Order *order, Error *e)
{
	Strings texts = {0};
	for (size_t i = 0; i < order->count; i++) {
		Text text = strings_at(&c->texts, order->rows[i]);
		if (!strings_append(&texts, text.data, text.size, e)) {
			strings_free(&texts);
			return false;
		}
	}
	strings_free(&c->texts);
	c->texts = texts;
	return true;
}

static bool reorder_lists(Column *c, const Order *order, Error *e)
{
	size_t total = 0, at = 0;
	for (size_t i = 0; i < order->count; i++)
		total += id_list(&c->lists, order->rows[i]).count;
	IdLists lists = {.offsets = memory_new(order->count + 1, sizeof *lists.offsets, e),
	                 .values = memory_new(total, sizeof *lists.values, e)};
	if (lists.values == NULL || lists.offsets == NULL) {
		id_lists_free(&lists);
		return false;
	}
	for (size_t i = 0; i < order->count; i++) {
		Ids ids = id_list(&c->lists, order->rows[i]);
		for (size_t k = 0; k < ids.count; k++)
			lists.values[at++] = ids.values[k];
		lists.offsets[i + 1] = (int64_t)at;
	}
	id_lists_free(&c->lists);
	c->lists = lists;
	c->offsets_capacity = order->count + 1;
	c->values_capacity = total;
	return vocabulary_renumber(&c->values, lists.values, total, e);
}

bool column_reorder(Column *c, const Order *order, Error *e)
{
	c->rows = order->count;
	if (c->text)
		return reorder_texts(c, order, e);
	if (c->multiple)
		return reorder_lists(c, order, e);
	return order_apply(order, &c->lists.values, &c->values_capacity, sizeof *c->lists.values, e) &&
	       vocabulary_renumber(&c->values, c->lists.values, order->count, e);
}

bool vocabulary_renumber(Vocabulary *v, int32_t *ids, size_t count, Error *e)
{
	Vocabulary renumbered = {0};
	int32_t *number = memory_new(v->strings.count, sizeof *number, e); /* 0: not met yet */
	bool done = number != NULL && vocabulary_start(&renumbered, e);
	for (size_t i = 0; i < count && done; i++) {
		if (ids[i] < ID_FIRST)
			continue;
		if (number[ids[i]] == 0) {
			int64_t id = vocabulary_add(&renumbered, strings_at(&v->strings, (size_t)ids[i]), e);
			done = id >= 0;
			number[ids[i]] = (int32_t)id;
		}
		ids[i] = number[ids[i]];
	}
	memory_free(number);
	if (!done) {
		vocabulary_free(&renumbered);
		return false;
	}
	vocabulary_free(v);
	*v = renumbered;
	return true;
}
