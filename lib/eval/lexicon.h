/* Texts as numbered words, cut as Google's rouge_score cuts them: ASCII letters in lower case; a word is a
 * longest run of a-z and 0-9, and all else, letters beyond ASCII included, stands between words (but
 * for two whose lower case has a letter of a-z). */
#ifndef EVAL_LEXICON_H
#define EVAL_LEXICON_H

#include "base/strings.h"

/* The words of all texts that were cut with it.  {0} is an empty one. */
typedef struct {
	Vocabulary words, stems;
	uint32_t *stem_of; /* word → the number of its stem */
	size_t stem_of_capacity;
	struct sb_stemmer *stemmer;
	Buffer folded; /* the text that is being cut */
} Lexicon;

typedef struct {
	uint32_t *ids;
	size_t count, capacity;
} WordList;

/* Cuts `text` anew into *words.  Equal words have equal numbers. */
bool lexicon_split(Lexicon *l, Text text, WordList *words, Error *e);

/* Puts its stem in the place of each word: equal stems have equal numbers.  Words of more than 3 characters
 * are stemmed (ROUGE-1.5.5), by the algorithm as published (Porter, An algorithm for suffix stripping, 1980).
 */
void lexicon_stem(const Lexicon *l, WordList *words);

/* How many n-grams there are, and the one from word i on as a number: n is 1 or 2. */
size_t ngram_count(const WordList *words, size_t n);
uint64_t ngram_at(const WordList *words, size_t n, size_t i);

void lexicon_free(Lexicon *l);
void word_list_free(WordList *words);

#endif
