#include "base/strings.h"

#include <endian.h>
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

struct Slot {
	uint64_t key; /* 0: free */
	uint32_t number;
};

static uint32_t word4(const char *p)
{
	uint32_t word;
	memcpy(&word, p, sizeof word);
	return le32toh(word);
}

/* Up to 7 bytes, which most ids have, and how many they are; or a hash of more, whose top bit is set.  Never
 * 0. */
static uint64_t key_of(Text text)
{
	const char *p = text.data;
	size_t size = text.size;
	uint64_t key = (uint64_t)(size + 1) << 56;
	if (size > 7)
		return XXH3_64bits(p, size) | 1ull << 63;
	if (size >= 4)
		return key | word4(p) | (uint64_t)word4(p + size - 4) << 8 * (size - 4);
	for (size_t i = 0; i < size; i++)
		key |= (uint64_t)(uint8_t)p[i] << 8 * i;
	return key;
}

static size_t first_slot(const Vocabulary *v, uint64_t key)
{
	uint64_t mixed = (key ^ key >> 32) * 0x9e3779b97f4a7c15u;
	return (size_t)(mixed >> (__builtin_clzll(v->slot_count) + 1));
}

/* The slot where `text` is, or the free one where it would go; it may be at `slot`, or behind. */
static struct Slot *find_slot(const Vocabulary *v, size_t slot, uint64_t key, Text text)
{
	bool hashed = key >> 63 != 0; /* and may be that of another text, too */
	struct Slot *s;
	for (; (s = &v->slots[slot])->key != 0; slot = (slot + 1) & (v->slot_count - 1))
		if (s->key == key && (!hashed || text_equal(strings_at(&v->strings, s->number), text)))
			break;
	return s;
}

static bool rebuild(Vocabulary *v, size_t slot_count, Error *e)
{
	struct Slot *slots = memory_new(slot_count, sizeof *slots, e);
	if (slots == NULL)
		return false;
	memory_free(v->slots);
	v->slots = slots;
	v->slot_count = slot_count;
	for (size_t i = 0; i < v->strings.count; i++) {
		Text text = strings_at(&v->strings, i);
		uint64_t key = key_of(text);
		struct Slot *slot = find_slot(v, first_slot(v, key), key, text);
		if (slot->key == 0) /* the first of two equal strings keeps the name */
			*slot = (struct Slot){key, (uint32_t)i};
	}
	return true;
}

int64_t vocabulary_find(const Vocabulary *v, Text text)
{
	if (v->slot_count == 0)
		return VOCABULARY_NONE;
	uint64_t key = key_of(text);
	const struct Slot *slot = find_slot(v, first_slot(v, key), key, text);
	return slot->key == 0 ? VOCABULARY_NONE : (int64_t)slot->number;
}

void vocabulary_find_many(const Vocabulary *v, const Text *texts, size_t count, int32_t *numbers)
{
	enum { GROUP = 32 };
	uint64_t keys[GROUP];
	size_t slots[GROUP];
	for (size_t i = 0; i < count && v->slot_count == 0; i++)
		numbers[i] = VOCABULARY_NONE;
	for (size_t first = 0, some; first < count && v->slot_count > 0; first += some) {
		some = count - first < GROUP ? count - first : GROUP;
		for (size_t i = 0; i < some; i++) {
			keys[i] = key_of(texts[first + i]);
			slots[i] = first_slot(v, keys[i]);
			__builtin_prefetch(&v->slots[slots[i]]);
		}
		for (size_t i = 0; i < some; i++) {
			const struct Slot *slot = find_slot(v, slots[i], keys[i], texts[first + i]);
			numbers[first + i] = slot->key == 0 ? VOCABULARY_NONE : (int32_t)slot->number;
		}
	}
}

int64_t vocabulary_add(Vocabulary *v, Text text, Error *e)
{
	if (v->strings.count >= INT32_MAX)
		return fail(e, ERROR_FAILURE, "more than %d different values", INT32_MAX) - 1;
	if (2 * (v->strings.count + 1) > v->slot_count &&
	    !rebuild(v, v->slot_count ? 2 * v->slot_count : 64, e))
		return -1;
	uint64_t key = key_of(text);
	struct Slot *slot = find_slot(v, first_slot(v, key), key, text);
	if (slot->key == 0) {
		if (!strings_append(&v->strings, text.data, text.size, e))
			return -1;
		*slot = (struct Slot){key, (uint32_t)(v->strings.count - 1)};
	}
	return slot->number;
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
