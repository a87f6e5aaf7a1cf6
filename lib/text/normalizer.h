/* What a tokenizer does to a text before it cuts it: a list of steps. */
#ifndef TEXT_NORMALIZER_H
#define TEXT_NORMALIZER_H

#include "base/strings.h"

enum { NORMALIZE_MOST = INT32_MAX / 4 }; /* the most bytes of a text */

typedef enum {
	NORMALIZE_NFC,
	NORMALIZE_NFD,
	NORMALIZE_NFKC,
	NORMALIZE_NFKD,
	NORMALIZE_LOWERCASE,
	NORMALIZE_STRIP_LEFT, /* white space at the start … */
	NORMALIZE_STRIP_RIGHT,
	NORMALIZE_REPLACE,        /* each `pattern` by `content` */
	NORMALIZE_REPLACE_MATCH,  /* the same, where `pattern` is a regular expression (PCRE2's) */
	NORMALIZE_PREPEND,        /* `content` */
	NORMALIZE_PREPEND_UNLESS, /* … where the text does not begin with it */
	NORMALIZE_PREPEND_FIRST,  /* … nor with a token that was spelled out */
	NORMALIZE_CHARSMAP,       /* by SentencePiece's precompiled table, which is `pattern` */
	NORMALIZE_SQUEEZE         /* of spaces none at both ends and one of a run, as SentencePiece does */
} NormalizeKind;

typedef struct {
	NormalizeKind kind;
	Buffer pattern, content;
} NormalizeStep;

typedef struct {
	NormalizeStep *items;
	size_t count, capacity;
} NormalizeSteps;

bool normalize_steps_add(NormalizeSteps *steps, NormalizeKind kind, Text pattern, Text content, Error *e);
void normalize_steps_free(NormalizeSteps *steps);

typedef struct Normalizer Normalizer;

/* Refuses tables and expressions that are broken.  The steps are borrowed, and must
 * outlive the result, which may be used by many threads at once. */
Normalizer *normalizer_new(const NormalizeSteps *steps, Error *e);
void normalizer_free(Normalizer *n);

/* Writes to *out, anew, what becomes of a text; an empty one stays so.  `first`: it is
 * the start of all text.  Bytes that are no UTF-8 stay as they are.  A result of more
 * than NORMALIZE_MOST bytes is ERROR_FAILURE. */
bool normalizer_run(const Normalizer *n, Text text, bool first, Buffer *out, Error *e);

#endif
