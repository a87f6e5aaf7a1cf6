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

static bool differ8(const char *a, const char *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x != y;
}

static bool differ4(const char *a, const char *b)
{
	uint32_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x != y;
}

/* Most texts here are ids of some bytes: two words, which may overlap, tell faster than memcmp(). */
bool text_equal(Text a, Text b)
{
	size_t size = a.size;
	if (size != b.size)
		return false;
	if (size > 16)
		return memcmp(a.data, b.data, size) == 0;
	if (size >= 8)
		return !differ8(a.data, b.data) && !differ8(a.data + size - 8, b.data + size - 8);
	if (size >= 4)
		return !differ4(a.data, b.data) && !differ4(a.data + size - 4, b.data + size - 4);
	for (size_t i = 0; i < size; i++)
		if (a.data[i] != b.data[i])
			return false;
	return true;
}

bool text_is(Text t, const char *terminated)
{
	return text_equal(t, text_of(terminated));
}

int text_shown(Text t)
{
	return (int)(t.size < 64 ? t.size : 64);
}

Text text_cut(Text *rest, char at)
{
	const char *end = rest->size ? memchr(rest->data, at, rest->size) : NULL;
	Text before = {rest->data, end ? (size_t)(end - rest->data) : rest->size};
	size_t taken = before.size + (end != NULL);
	*rest = (Text){rest->data + taken, rest->size - taken};
	return before;
}

size_t utf8_decode(const char *p, size_t left, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t first = (uint8_t)*p;
	size_t length = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (length == 0 || length > left || first > 0xf4)
		return 0;
	uint32_t value = length == 1 ? first : first & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if (((uint8_t)p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | ((uint8_t)p[i] & 0x3f);
	}
	if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	*code = value;
	return length;
}

size_t utf8_encode(uint32_t code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = length - 1; i > 0; i--, code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)((0xf00u >> length & 0xff) | code);
	return length;
}

bool text_is_utf8(Text t)
{
	uint32_t code;
	for (size_t i = 0, length; i < t.size; i += length)
		if ((length = utf8_decode(t.data + i, t.size - i, &code)) == 0 || code == 0)
			return false;
	return true;
}

Text word_at(const char *words, size_t number)
{
	for (; number > 0 && *words != '\0'; number--) {
		words += strcspn(words, "|");
		words += *words == '|';
	}
	return (Text){words, strcspn(words, "|")};
}

size_t word_number(const char *words, const char *word)
{
	Text given = text_of(word), own;
	for (size_t number = 0; (own = word_at(words, number)).size > 0; number++)
		if (text_equal(own, given))
			return number;
	return SIZE_MAX;
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
