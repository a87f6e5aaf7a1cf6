/* A model as Hugging Face's folders have it: config.json, model.safetensors (or shards and their
 * model.safetensors.index.json). */
#ifndef LLM_HUGGINGFACE_H
#define LLM_HUGGINGFACE_H

#include "llm/gguf.h"

/* What the folder's model is in GGUF: its keys (without those of a tokenizer) and tensors, which stay in the
 * mapped files but where the two formats order numbers differently.  A model_type, an activation, a scaling
 * of positions or a tensor that is not known is refused by name; errors name the file.  To be closed with
 * gguf_close(). */
Gguf *huggingface_open(const char *directory, Error *e);

#endif
