/* A list of byte strings, packed end to end: string i is
 * bytes[offsets[i] … offsets[i + 1]).  It is also how they lie in a stream. */
#ifndef BASE_STRINGS_H
#define BASE_STRINGS_H

#include "base/memory.h"

typedef struct {
	uint8_t *bytes;
	int64_t *offsets; /* count + 1; NULL while the list is empty and nothing was appended */
	size_t count;
	size_t bytes_capacity, offsets_capacity;
} Strings;

typedef struct {
	const char *data; /* not terminated */
	size_t size;
} Text;

bool strings_append(Strings *s, const void *data, size_t size, Error *e);
Text strings_at(const Strings *s, size_t index);
void strings_free(Strings *s);

Text text_of(const char *terminated);
bool text_equal(Text a, Text b);
bool text_is(Text t, const char *terminated);
int text_shown(Text t);             /* how many bytes of it a message shows, for "%.*s": 64 at most */
Text text_cut(Text *rest, char at); /* what is before the next `at`, which is taken off with it */
bool text_is_utf8(Text t);          /* well-formed UTF-8 (RFC 3629) without NUL bytes */
/* The code point at p (`left` > 0 bytes) and the length of its sequence; 0 where there
 * is no well-formed one. */
size_t utf8_decode(const char *p, size_t left, uint32_t *code);
/* Writes the sequence of a code point below 0x110000; the length, at most 4. */
size_t utf8_encode(uint32_t code, char *out);
/* Of words like "one|another|…": the number of one, or SIZE_MAX; and the word of a number, of no bytes where
 * there is none. */
size_t word_number(const char *words, const char *word);
Text word_at(const char *words, size_t number);

/* A set of strings in which each has a number: its place in `strings`. */
typedef struct {
	Strings strings;
	struct Slot *slots; /* hash table */
	size_t slot_count;
} Vocabulary;

enum { VOCABULARY_NONE = -1 };

int64_t vocabulary_find(const Vocabulary *v, Text text); /* VOCABULARY_NONE: not there */
/* The same for many, whose slots are fetched side by side; faster where the table is large. */
void vocabulary_find_many(const Vocabulary *v, const Text *texts, size_t count, int32_t *numbers);
/* The number of `text`, which is added where it is new; negative on error. */
int64_t vocabulary_add(Vocabulary *v, Text text, Error *e);
/* Builds the table over strings that came from elsewhere (takes them over). */
bool vocabulary_from(Vocabulary *v, Strings *strings, Error *e);
void vocabulary_free(Vocabulary *v);

#endif
