/* The cut of a text into the words that byte-level BPE merges within.  Every
 * vocabulary was learned with one; the file that holds it knows it by name. */
#ifndef TEXT_PRETOKENIZER_H
#define TEXT_PRETOKENIZER_H

#include "base/strings.h"

enum { PRETOKENIZER_STEPS = 4 };

typedef struct {
	const char *name;
	bool whole_words; /* a word that is a token is not taken apart, whatever the merges say */
	bool add_bos;     /* where the file does not say */
	const char *expressions[PRETOKENIZER_STEPS]; /* each cuts further what the one before has left */
} PretokenizerKind;

const PretokenizerKind *pretokenizer_kind(const char *name); /* NULL: unknown */

typedef struct Pretokenizer Pretokenizer;

/* An unknown name is ERROR_MALFORMED, with the names that are known. */
Pretokenizer *pretokenizer_new(const char *name, Error *e);
void pretokenizer_free(Pretokenizer *p);

/* Where the words end: word i is text[ends[i - 1] … ends[i]), the first begins at 0. */
typedef struct {
	uint32_t *ends;
	size_t count, capacity;
} Words;

/* Cuts `text` (below 4 GiB) anew into *words; nothing of it is lost.  A byte that
 * is no UTF-8 counts as a control character. */
bool pretokenizer_split(const Pretokenizer *p, Text text, Words *words, Error *e);
void words_free(Words *words);

#endif
