/* Regular expressions (PCRE2's, on UTF-8) as tokenizers mean them: \s is Unicode's
 * White_Space, ^ and $ are the borders of lines. */
#ifndef TEXT_EXPRESSION_H
#define TEXT_EXPRESSION_H

#include "base/strings.h"

/* What stands in brackets for \s: PCRE2's own \s has U+180E as well, which is no
 * White_Space any more. */
#define EXPRESSION_SPACE "\\t-\\r\\x{85}\\p{Z}"

/* Appends to *out, terminated, what an expression of Oniguruma's language (that of
 * tokenizer.json) is in PCRE2's.  What the two do not share is refused by name. */
bool expression_translate(Text expression, Buffer *out, Error *e);
/* Appends an expression that matches exactly `text`. */
bool expression_quote(Text text, Buffer *out, Error *e);

typedef struct Expression Expression;

/* May be used by many threads at once. */
Expression *expression_new(const char *expression, Error *e);
void expression_free(Expression *x);

/* Zeroed at first: the memory of a search, and where the last match lies. */
typedef struct {
	void *memory;
	size_t start, end;
} Match;

/* The first match in `text`, which must be UTF-8, that begins at `from` or later and
 * is not empty: *found tells whether there is one. */
bool expression_find(const Expression *x, Text text, size_t from, Match *m, bool *found, Error *e);
void match_free(Match *m);

/* A copy in which bytes that are no UTF-8 are control characters (memory_free()), or
 * NULL, and success, where there are none. */
bool text_mend(Text text, char **copy, Error *e);

#endif
