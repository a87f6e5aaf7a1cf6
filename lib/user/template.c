#include "user/template.h"

#include <string.h>

enum { FAVORITE_EVENTS = 50 };

void template_free(Template *t)
{
	memory_free(t->text);
	memory_free(t->parts);
	*t = (Template){0};
}

static bool add_part(Template *t, TemplatePart part, Error *e)
{
	if (!memory_grow(&t->parts, &t->capacity, t->count + 1, sizeof *t->parts, e))
		return false;
	t->parts[t->count++] = part;
	return true;
}

static bool add_literal(Template *t, const char *from, size_t size, Error *e)
{
	return size == 0 || add_part(t, (TemplatePart){FIELD_LITERAL, {from, size}, 0}, e);
}

bool template_literal(Template *t, const char *text, Error *e)
{
	*t = (Template){.literal = true};
	if ((t->text = memory_string(text, e)) != NULL && add_literal(t, t->text, strlen(text), e))
		return true;
	template_free(t);
	return false;
}

static bool begins(Text name, const char *with, Text *rest)
{
	size_t size = strlen(with);
	if (name.size < size || memcmp(name.data, with, size) != 0)
		return false;
	*rest = (Text){name.data + size, name.size - size};
	return true;
}

static bool find_feature(const Dataset *data, Text name, bool of_item, TemplatePart *part)
{
	for (size_t i = 0; i < data->feature_count; i++)
		if (text_is(name, data->features[i].name) && (data->features[i].of_item || !of_item)) {
			part->index = i;
			return true;
		}
	return false;
}

static bool find_text(const Dataset *data, Text name, bool of_item, TemplatePart *part)
{
	for (size_t i = 0; i < data->text_count; i++)
		if (text_is(name, data->texts[i].name) && (data->texts[i].of_item || !of_item)) {
			part->index = i;
			return true;
		}
	return false;
}

static bool find_field(const Dataset *data, Text name, TemplatePart *part)
{
	Text rest;
	if (text_is(name, "user"))
		part->kind = FIELD_USER;
	else if (text_is(name, "item"))
		part->kind = FIELD_ITEM;
	else if (begins(name, "favorite.", &rest) && find_feature(data, rest, false, part))
		part->kind = FIELD_FAVORITE;
	else if ((begins(name, "item.", &rest) && find_feature(data, rest, true, part)) ||
	         find_feature(data, name, false, part))
		part->kind = FIELD_FEATURE;
	else if ((begins(name, "item.", &rest) && find_text(data, rest, true, part)) ||
	         find_text(data, name, false, part))
		part->kind = FIELD_TEXT;
	else
		return false;
	return true;
}

/* Says what there is. */
static bool fail_field(const Dataset *data, Text name, Error *e)
{
	Buffer known = {0};
	bool done = buffer_print(&known, e, "{user}, {item}");
	for (size_t i = 0; done && i < data->feature_count; i++)
		done = buffer_print(&known, e, ", {%s%s}, {favorite.%s}",
		                    data->features[i].of_item ? "item." : "", data->features[i].name,
		                    data->features[i].name);
	for (size_t i = 0; done && i < data->text_count; i++)
		done = buffer_print(&known, e, ", {%s%s}", data->texts[i].of_item ? "item." : "",
		                    data->texts[i].name);
	if (done)
		fail(e, ERROR_USAGE, "{%.*s} is no field of the data: there are %.*s", (int)name.size,
		     name.data, (int)known.size, (const char *)known.data);
	buffer_free(&known);
	return false;
}

/* From a brace on; *at goes behind what it was. */
static bool parse_brace(Template *t, const char **at, const Dataset *data, Error *e)
{
	const char *brace = *at, *end = strpbrk(brace + 1, "{}");
	TemplatePart part = {0};
	if (brace[1] == brace[0]) {
		*at = brace + 2;
		return add_literal(t, brace, 1, e);
	}
	if (*brace == '}' || end == NULL || *end == '{')
		return fail(e, ERROR_USAGE, "'%.40s': a brace of its own is written twice", brace);
	Text name = {brace + 1, (size_t)(end - brace - 1)};
	*at = end + 1;
	if (data == NULL)
		return fail(e, ERROR_USAGE, "{%.*s}: there are no users whose fields could be told",
		            (int)name.size, name.data);
	return find_field(data, name, &part) ? add_part(t, part, e) : fail_field(data, name, e);
}

bool template_parse(Template *t, const char *text, const Dataset *data, Error *e)
{
	*t = (Template){0};
	bool done = (t->text = memory_string(text, e)) != NULL;
	const char *at = t->text;
	while (done && *at != '\0') {
		size_t size = strcspn(at, "{}");
		done = add_literal(t, at, size, e);
		at += size;
		if (done && *at != '\0')
			done = parse_brace(t, &at, data, e);
	}
	if (done)
		return true;
	template_free(t);
	return false;
}

const TemplatePart *template_field(const Template *t)
{
	return t->count == 1 && t->parts[0].kind != FIELD_LITERAL ? &t->parts[0] : NULL;
}

bool template_is_fixed(const Template *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->parts[i].kind != FIELD_LITERAL)
			return false;
	return true;
}

bool template_tells_event(const Template *t)
{
	for (size_t i = 0; i < t->count; i++) {
		FieldKind kind = t->parts[i].kind;
		if (kind == FIELD_ITEM || kind == FIELD_FEATURE || kind == FIELD_TEXT)
			return true;
	}
	return false;
}

bool values_append(const Feature *f, Ids values, Buffer *out, Error *e)
{
	const char *between = "";
	for (size_t i = 0; i < values.count; i++) {
		if (values.values[i] < ID_FIRST)
			continue;
		Text value = strings_at(&f->values.strings, (size_t)values.values[i]);
		if (!buffer_print(out, e, "%s%.*s", between, (int)value.size, value.data))
			return false;
		between = ", ";
	}
	return true;
}

static bool is_known(Ids values)
{
	for (size_t i = 0; i < values.count; i++)
		if (values.values[i] >= ID_FIRST)
			return true;
	return false;
}

static bool same_values(Ids a, Ids b)
{
	return a.count == b.count && memcmp(a.values, b.values, a.count * sizeof *a.values) == 0;
}

static size_t favorite_first(const Query *q)
{
	size_t first = q->history.first, end = q->history.end;
	return end - first > FAVORITE_EVENTS ? end - FAVORITE_EVENTS : first;
}

/* The whole of the values that most of the last events have. */
static Ids favorite(const Dataset *data, size_t f, const Query *q)
{
	size_t first = favorite_first(q), end = q->history.end, most = 0;
	Ids best = {0};
	for (size_t event = end; event-- > first;) { /* the latest first, which wins where counts are equal */
		Ids values = event_feature(data, q->users, f, event);
		size_t count = 0;
		for (size_t other = first; is_known(values) && other < end; other++)
			count += same_values(values, event_feature(data, q->users, f, other));
		if (count > most) {
			most = count;
			best = values;
		}
	}
	return best;
}

static bool has_values(const TemplatePart *p)
{
	return p->kind == FIELD_FEATURE || p->kind == FIELD_FAVORITE;
}

static Ids part_values(const TemplatePart *p, const Dataset *data, const Query *q)
{
	return p->kind == FIELD_FAVORITE ? favorite(data, p->index, q)
	                                 : event_feature(data, q->users, p->index, q->history.end);
}

static Text event_text(const Dataset *data, const Users *users, size_t index, size_t event)
{
	const TextField *field = &data->texts[index];
	return field->of_item ? strings_at(&field->by_item, (size_t)users->items[event])
	                      : strings_at(&users->texts[index], event);
}

static Text part_text(const TemplatePart *p, const Dataset *data, const Strings *names, const Query *q)
{
	size_t event = q->history.end;
	switch (p->kind) {
	case FIELD_USER:
		return strings_at(&q->users->ids, q->user);
	case FIELD_ITEM:
		return strings_at(names, (size_t)q->users->items[event]);
	case FIELD_TEXT:
		return event_text(data, q->users, p->index, event);
	default:
		return p->literal;
	}
}

bool template_fill(const Template *t, const Dataset *data, const Strings *names, const Query *q, Buffer *out,
                   Error *e)
{
	bool done = true;
	for (const TemplatePart *p = t->parts; done && p < t->parts + t->count; p++) {
		if (has_values(p)) {
			done = values_append(&data->features[p->index], part_values(p, data, q), out, e);
			continue;
		}
		Text text = part_text(p, data, names, q);
		done = buffer_append(out, text.data, text.size, e);
	}
	return done;
}

/* Without a count of which is the most frequent. */
static bool part_says(const TemplatePart *p, const Dataset *data, const Strings *names, const Query *q)
{
	size_t first = favorite_first(q);
	if (p->kind == FIELD_FEATURE)
		return is_known(part_values(p, data, q));
	for (size_t event = q->history.end; p->kind == FIELD_FAVORITE && event-- > first;)
		if (is_known(event_feature(data, q->users, p->index, event)))
			return true;
	return !has_values(p) && part_text(p, data, names, q).size > 0;
}

bool template_says(const Template *t, const Dataset *data, const Strings *names, const Query *q)
{
	for (const TemplatePart *p = t->parts; p < t->parts + t->count; p++)
		if (part_says(p, data, names, q))
			return true;
	return false;
}
