#include "base/strings.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

bool strings_append(Strings *s, const void *data, size_t size, Error *e)
{
	if (s->offsets == NULL) {
		if (!memory_grow(&s->offsets, &s->offsets_capacity, 8, sizeof *s->offsets, e))
			return false;
		s->offsets[0] = 0;
	}
	size_t used = (size_t)s->offsets[s->count];
	if (!memory_grow(&s->offsets, &s->offsets_capacity, s->count + 2, sizeof *s->offsets, e) ||
	    !memory_grow(&s->bytes, &s->bytes_capacity, used + size, 1, e))
		return false;
	if (size > 0)
		memcpy(s->bytes + used, data, size);
	s->offsets[++s->count] = (int64_t)(used + size);
	return true;
}

Text strings_at(const Strings *s, size_t index)
{
	int64_t start = s->offsets[index];
	return (Text){(const char *)s->bytes + start, (size_t)(s->offsets[index + 1] - start)};
}

void strings_free(Strings *s)
{
	memory_free(s->bytes);
	memory_free(s->offsets);
	*s = (Strings){0};
}

Text text_of(const char *terminated)
{
	return (Text){terminated, strlen(terminated)};
}

bool text_equal(Text a, Text b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Length of the well-formed UTF-8 sequence at p, 0 where there is none. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
	static const struct {
		uint8_t first, last, second_low, second_high, length;
	} forms[] = {
	    {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		size_t length = forms[i].length;
		if (*p < forms[i].first || *p > forms[i].last)
			continue;
		if (length > left ||
		    (length > 1 && (p[1] < forms[i].second_low || p[1] > forms[i].second_high)))
			return 0;
		for (size_t k = 2; k < length; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return length;
	}
	return 0;
}

bool text_is_utf8(Text t)
{
	const uint8_t *p = (const uint8_t *)t.data;
	for (size_t i = 0, length; i < t.size; i += length)
		if ((length = utf8_sequence(p + i, t.size - i)) == 0)
			return false;
	return true;
}

/* The slot where `text` is, or the free one where it would go. */
static size_t find_slot(const Vocabulary *v, Text text)
{
	size_t mask = v->slot_count - 1, slot = (size_t)XXH3_64bits(text.data, text.size) & mask;
	while (v->slots[slot] != 0 && !text_equal(strings_at(&v->strings, v->slots[slot] - 1), text))
		slot = (slot + 1) & mask;
	return slot;
}

static bool rebuild(Vocabulary *v, size_t slot_count, Error *e)
{
	uint32_t *slots = memory_new(slot_count, sizeof *slots, e);
	if (slots == NULL)
		return false;
	memory_free(v->slots);
	v->slots = slots;
	v->slot_count = slot_count;
	for (size_t i = 0; i < v->strings.count; i++) {
		size_t slot = find_slot(v, strings_at(&v->strings, i));
		if (slots[slot] == 0) /* the first of two equal strings keeps the name */
			slots[slot] = (uint32_t)(i + 1);
	}
	return true;
}

int64_t vocabulary_find(const Vocabulary *v, Text text)
{
	return v->slot_count == 0 ? VOCABULARY_NONE : (int64_t)v->slots[find_slot(v, text)] - 1;
}

int64_t vocabulary_add(Vocabulary *v, Text text, Error *e)
{
	if (v->strings.count >= INT32_MAX)
		return fail(e, ERROR_FAILURE, "more than %d different values", INT32_MAX) - 1;
	if (2 * (v->strings.count + 1) > v->slot_count &&
	    !rebuild(v, v->slot_count ? 2 * v->slot_count : 64, e))
		return -1;
	size_t slot = find_slot(v, text);
	if (v->slots[slot] == 0) {
		if (!strings_append(&v->strings, text.data, text.size, e))
			return -1;
		v->slots[slot] = (uint32_t)v->strings.count;
	}
	return (int64_t)v->slots[slot] - 1;
}

bool vocabulary_from(Vocabulary *v, Strings *strings, Error *e)
{
	if (strings->count >= INT32_MAX)
		return fail(e, ERROR_FAILURE, "more than %d different values", INT32_MAX);
	*v = (Vocabulary){.strings = *strings};
	*strings = (Strings){0};
	size_t slot_count = 64;
	while (slot_count < 2 * v->strings.count)
		slot_count *= 2;
	return rebuild(v, slot_count, e);
}

void vocabulary_free(Vocabulary *v)
{
	strings_free(&v->strings);
	memory_free(v->slots);
	*v = (Vocabulary){0};
}
