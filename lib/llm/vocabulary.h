/* The tokenizer inside a GGUF file. */
#ifndef LLM_VOCABULARY_H
#define LLM_VOCABULARY_H

#include "llm/gguf.h"
#include "text/tokenizer.h"

/* From the tokenizer.ggml.* keys; an unknown model or pre-tokenizer is refused by name. */
Tokenizer *vocabulary_read(const Gguf *g, Error *e);
bool vocabulary_write(const TokenizerModel *m, GgufWriter *w, Error *e);

#endif
