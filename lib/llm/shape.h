/* The shape of an LLM, as the metadata of a GGUF file have it. */
#ifndef LLM_SHAPE_H
#define LLM_SHAPE_H

#include "llm/gguf.h"
#include "llm/model.h"

/* From the architecture's keys, and from which tensors there are.  ERROR_MALFORMED where the architecture
 * is unknown, a key is missing or makes no sense, or it asks for what is not supported; named in any case. */
bool llm_shape_read(const Gguf *g, LlmShape *s, Error *e);
/* The keys that llm_shape_read() reads. */
bool llm_shape_write(const LlmShape *s, GgufWriter *w, Error *e);

#endif
