/* The text of a continuation while it grows: what is new of it, and whether it has come to a stop. */
#ifndef LLM_WRITING_H
#define LLM_WRITING_H

#include "base/options.h"
#include "text/tokenizer.h"

typedef struct {
	const Tokenizer *tokenizer;
	const StringList *stops; /* texts that end it, and do not belong to it */
	int32_t last;            /* token, which the text of the next depends on */
	size_t known;            /* bytes of the prompt's text */
	Buffer text;             /* of prompt and continuation, which begins at `known` */
	size_t shown;            /* bytes that writing_new() has handed out */
	bool stopped;
} Writing;

bool writing_start(Writing *w, const Tokenizer *tokenizer, const StringList *stops, const int32_t *prompt,
                   size_t count, Error *e);
/* Sets *stop where a stop text is complete. */
bool writing_add(Writing *w, int32_t token, bool *stop, Error *e);
/* The continuation so far, without a stop text. */
Text writing_text(const Writing *w);
/* What is new since the last call and will not change any more: no part of a character, nor of what may
 * become a stop text, unless it is the `last` call. */
Text writing_new(Writing *w, bool last);
void writing_free(Writing *w);

#endif
