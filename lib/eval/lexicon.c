#include "eval/lexicon.h"

#include <libstemmer.h>
#include <limits.h>
#include <string.h>

enum { LONGEST_UNSTEMMED = 3 };

static bool find_stem(Lexicon *l, Text word, Text *stem, Error *e)
{
	*stem = word;
	if (word.size <= LONGEST_UNSTEMMED || word.size > INT_MAX / 2) /* the stemmer counts in int */
		return true;
	if (l->stemmer == NULL && (l->stemmer = sb_stemmer_new("porter", NULL)) == NULL)
		return fail(e, ERROR_FAILURE, "libstemmer has no \"porter\", or no memory for it");
	const sb_symbol *found = sb_stemmer_stem(l->stemmer, (const sb_symbol *)word.data, (int)word.size);
	if (found == NULL)
		return fail(e, ERROR_FAILURE, "out of memory for a stem");
	*stem = (Text){(const char *)found, (size_t)sb_stemmer_length(l->stemmer)};
	return true;
}

/* A word is stemmed once, when it is new. */
static bool add_stem(Lexicon *l, Text word, size_t number, Error *e)
{
	Text stem;
	if (!find_stem(l, word, &stem, e) ||
	    !memory_grow(&l->stem_of, &l->stem_of_capacity, number + 1, sizeof *l->stem_of, e))
		return false;
	int64_t id = vocabulary_add(&l->stems, stem, e);
	l->stem_of[number] = (uint32_t)id;
	return id >= 0;
}

static bool add_word(Lexicon *l, Text word, WordList *words, Error *e)
{
	size_t known = l->words.strings.count;
	int64_t id = vocabulary_add(&l->words, word, e);
	if (id < 0 || ((size_t)id == known && !add_stem(l, word, known, e)) ||
	    !memory_grow(&words->ids, &words->capacity, words->count + 1, sizeof *words->ids, e))
		return false;
	words->ids[words->count++] = (uint32_t)id;
	return true;
}

/* The byte as it stands in a word, or ' ' where it stands between words. */
static char fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : ' ';
}

static bool begins(const char *p, size_t left, const char *with)
{
	return left >= strlen(with) && memcmp(p, with, strlen(with)) == 0;
}

/* In lower case; two letters beyond ASCII have one of a to z there, as in Python: İ has i and a dot, and the
 * Kelvin sign k.  How many bytes that are; no more than there were. */
static size_t fold_text(Text text, char *folded)
{
	size_t size = 0;
	for (size_t i = 0; i < text.size; i++) {
		const char *p = text.data + i;
		if (begins(p, text.size - i, "\xc4\xb0")) {
			folded[size++] = 'i';
			folded[size++] = ' ';
			i += 1;
		} else if (begins(p, text.size - i, "\xe2\x84\xaa")) {
			folded[size++] = 'k';
			i += 2;
		} else {
			folded[size++] = fold(*p);
		}
	}
	return size;
}

bool lexicon_split(Lexicon *l, Text text, WordList *words, Error *e)
{
	words->count = 0;
	l->folded.size = 0;
	if (!buffer_reserve(&l->folded, text.size, e))
		return false;
	char *folded = (char *)l->folded.data;
	size_t size = fold_text(text, folded);
	for (size_t start = 0, end; start < size; start = end + 1) {
		for (end = start; end < size && folded[end] != ' ';)
			end++;
		if (end > start && !add_word(l, (Text){folded + start, end - start}, words, e))
			return false;
	}
	return true;
}

void lexicon_stem(const Lexicon *l, WordList *words)
{
	for (size_t i = 0; i < words->count; i++)
		words->ids[i] = l->stem_of[words->ids[i]];
}

size_t ngram_count(const WordList *words, size_t n)
{
	return words->count < n ? 0 : words->count - n + 1;
}

uint64_t ngram_at(const WordList *words, size_t n, size_t i)
{
	uint64_t first = words->ids[i];
	return n == 1 ? first : first << 32 | words->ids[i + 1];
}

void lexicon_free(Lexicon *l)
{
	vocabulary_free(&l->words);
	vocabulary_free(&l->stems);
	memory_free(l->stem_of);
	sb_stemmer_delete(l->stemmer);
	buffer_free(&l->folded);
	*l = (Lexicon){0};
}

void word_list_free(WordList *words)
{
	memory_free(words->ids);
	*words = (WordList){0};
}
