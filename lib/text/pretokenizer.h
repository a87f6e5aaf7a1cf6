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

/* How the matches of an expression cut a text. */
typedef enum {
	CUT_ISOLATED, /* each is a word, and so is what lies between two */
	CUT_PREVIOUS, /* each ends a word */
	CUT_NEXT,     /* each begins a word */
	CUT_REMOVED,  /* they are lost: the words lie between */
	CUT_KEPT      /* they are the words: all else is lost */
} Cut;

typedef struct {
	Cut cut;
	char *expression;
} CutStep;

/* Steps as a vocabulary's file describes them: the expressions are the list's own. */
typedef struct {
	CutStep *items;
	size_t count, capacity;
} CutSteps;

bool cut_steps_add(CutSteps *steps, Cut cut, const char *expression, Error *e);
void cut_steps_free(CutSteps *steps);

extern const char pretokenizer_gpt_2[]; /* the expression of GPT-2 */

typedef struct Pretokenizer Pretokenizer;

/* By name: an unknown one is ERROR_MALFORMED, with the names that are known. */
Pretokenizer *pretokenizer_new(const char *name, Error *e);
/* By steps: of none, each text is a word. */
Pretokenizer *pretokenizer_of(const CutSteps *steps, Error *e);
void pretokenizer_free(Pretokenizer *p);

/* Word i is text[items[i].start … items[i].end). */
typedef struct {
	uint32_t start, end;
} Word;

typedef struct {
	Word *items;
	size_t count, capacity;
} Words;

/* Cuts `text` (below 4 GiB) anew into *words.  A byte that is no UTF-8 counts as a
 * control character. */
bool pretokenizer_split(const Pretokenizer *p, Text text, Words *words, Error *e);
void words_free(Words *words);

#endif
