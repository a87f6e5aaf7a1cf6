/* What columns rows have: names of a header, keys of objects, or numbers. */
#include "data/rows_internal.h"

#include <stdio.h>
#include <string.h>

/* Keys of objects are looked for in so many bytes. */
enum { BLOCK = 1 << 20 };

static bool find_one(const Rows *r, Text column, size_t *index)
{
	for (size_t c = 0; c < r->columns.count; c++) {
		Text name = strings_at(&r->columns, c);
		if (text_equal((Text){name.data, name.size - 1}, column)) {
			*index = c;
			return true;
		}
	}
	size_t number = 0;
	for (size_t i = 0; i < column.size; i++) {
		if (column.data[i] < '0' || column.data[i] > '9' || number > r->column_count)
			return false;
		number = number * 10 + (size_t)(column.data[i] - '0');
	}
	if (r->columns.count > 0 || number < 1 || number > r->column_count)
		return false;
	*index = number - 1;
	return true;
}

static bool append_column(Rows *r, Text name, Error *e)
{
	Buffer terminated = {0};
	bool done = buffer_append(&terminated, name.data, name.size, e) &&
	            buffer_append(&terminated, "", 1, e) &&
	            strings_append(&r->columns, terminated.data, terminated.size, e);
	buffer_free(&terminated);
	return done;
}

/* All keys of the objects in the first block; flaws come up when they are read. */
static bool find_keys(Rows *r, Error *e)
{
	if (!lines_read(&r->lines, BLOCK, e))
		return false;
	bool done = true;
	Vocabulary keys = {0};
	const uint8_t *p = r->lines.data + r->lines.at, *end = r->lines.data + r->lines.end, *next;
	for (; done && p < end; p = next + 1) {
		next = memchr(p, '\n', (size_t)(end - p));
		if (next == NULL && !r->lines.at_end) /* the block cuts it */
			break;
		next = next ? next : end;
		Error flaw = {0};
		Text line = {(const char *)p, (size_t)(next - p)};
		if (!(done = rows_recode(r, &line, e)))
			break;
		json_t *object = object_read(line, r->format.syntax, &flaw);
		const char *key;
		json_t *value;
		json_object_foreach(object, key, value) done =
		    done && vocabulary_add(&keys, (Text){key, strlen(key) + 1}, e) >= 0;
		json_decref(object);
	}
	r->columns = keys.strings;
	keys.strings = (Strings){0};
	vocabulary_free(&keys);
	r->column_count = r->columns.count;
	return done;
}

bool rows_find_columns(Rows *r, Error *e)
{
	const Text *fields;
	bool objects = r->format.separator == NULL;
	if (objects && !find_keys(r, e))
		return false;
	if (objects && r->column_count > 0)
		return true;
	if (!rows_next(r, &fields, e))
		return false;
	if (fields == NULL || r->count == 0)
		return fail(e, ERROR_MALFORMED, "%s: there is nothing in it", r->lines.name);
	for (size_t i = 0; r->format.header && i < r->count; i++)
		if (!append_column(r, fields[i], e))
			return false;
	r->column_count = r->count;
	if (!r->format.header)
		lines_back(&r->lines); /* that row is to be read again */
	return true;
}

bool rows_find(const Rows *r, Text column, size_t *index)
{
	bool found = find_one(r, column, index);
	while (!found && column.size > 0)
		found = find_one(r, text_cut(&column, '|'), index);
	return found;
}

Text rows_column(const Rows *r, size_t column)
{
	return text_of(r->columns.count > 0 ? strings_at(&r->columns, column).data : "");
}

void rows_column_name(const Rows *r, size_t column, char name[COLUMN_NAME_SIZE])
{
	if (r->columns.count == 0) {
		snprintf(name, COLUMN_NAME_SIZE, "%zu", column + 1);
		return;
	}
	text_printable(rows_column(r, column), name, COLUMN_NAME_SIZE);
}

bool rows_fail_column(const Rows *r, const char *what, Text column, Error *e)
{
	Buffer names = {0};
	bool done = true;
	for (size_t c = 0; done && c < r->columns.count; c++)
		done = buffer_print(&names, e, "%s%s", c ? ", " : "", strings_at(&r->columns, c).data);
	for (size_t i = 0; i < names.size; i++)
		if (names.data[i] < ' ') /* a message is one line */
			names.data[i] = '?';
	if (done && r->columns.count > 0)
		fail(e, ERROR_USAGE, "%s: there is no column '%.*s' for %s; there are %.*s", r->lines.name,
		     (int)column.size, column.data, what, (int)names.size, (const char *)names.data);
	else if (done)
		fail(e, ERROR_USAGE,
		     "%s: there is no column '%.*s' for %s; without a header they are 1 to %zu",
		     r->lines.name, (int)column.size, column.data, what, r->column_count);
	buffer_free(&names);
	return false;
}
