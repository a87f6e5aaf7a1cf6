/* What texts are worth to an LLM: how likely it holds them. */
#ifndef LLM_WORTH_H
#define LLM_WORTH_H

#include "llm/model.h"

typedef struct {
	double nll;    /* -log P of its tokens together, in nats … */
	size_t tokens; /* … which are all behind BOS, or where texts have none in front, behind the first */
	size_t pieces; /* that it was cut into */
} Worth;

/* Of texts [first, end), worth[i] of text first + i; an end of the text is not asked for.  One that is longer
 * than the context is read in pieces, of which none sees another.  What a text is worth does not depend on
 * those beside it.  `exact`: see math/stored.h. */
bool llm_worth(const Llm *m, const Strings *texts, size_t first, size_t end, bool exact, Pool *pool,
               Worth *worth, Error *e);

#endif
