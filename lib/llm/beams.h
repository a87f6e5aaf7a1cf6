/* Beam search for the likeliest continuation of one prompt. */
#ifndef LLM_BEAMS_H
#define LLM_BEAMS_H

#include "llm/generate.h"

/* Of g->beams beginnings at a time; what has ended counts by its log-probability over its length, the end
 * token included.  The sink, where there is one, gets the best when all is
 * done. */
bool decoder_beams(Decoder *d, const Generation *g, Continuation *c, Error *e);

#endif
