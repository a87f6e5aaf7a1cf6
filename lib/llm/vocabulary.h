/* The tokenizer inside a GGUF file. */
#ifndef LLM_VOCABULARY_H
#define LLM_VOCABULARY_H

#include "llm/gguf.h"
#include "text/tokenizer.h"

/* From the tokenizer.ggml.* keys; an unknown model or pre-tokenizer is refused by name. */
Tokenizer *vocabulary_read(const Gguf *g, Error *e);
/* For a model of V embeddings, at least as many as tokens.  ERROR_MALFORMED where GGUF has no name for what
 * the tokenizer does. */
bool vocabulary_write(const TokenizerModel *m, size_t V, GgufWriter *w, Error *e);

#endif
