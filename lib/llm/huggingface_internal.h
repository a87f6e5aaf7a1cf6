/* The inside of reading a folder of Hugging Face's: config.json becomes keys, and with these the tensors are
 * taken. */
#ifndef LLM_HUGGINGFACE_INTERNAL_H
#define LLM_HUGGINGFACE_INTERNAL_H

#include "llm/architecture.h"
#include "llm/gguf_internal.h"
#include "llm/huggingface_names.h"

#include <jansson.h>

typedef struct {
	const char *directory;
	json_t *config; /* config.json; whoever opens the folder gives it and the keys back */
	const LlmArchitecture *architecture;
	const HuggingFamily *family;
	size_t C, layers, heads, kv_heads;
	size_t D;         /* of a head … */
	size_t turned;    /* … of which rotary positions turn so many numbers; 0 where they are learned */
	double rope_base; /* of these */
	GgufWriter *keys;
	Gguf *g;
} Folder;

/* From `config` to `keys`, and all between.  What is not supported is ERROR_MALFORMED, by name. */
bool folder_read_config(Folder *f, Error *e);
/* The first of the keys "one|another" of config.json that there is and is not null; or NULL. */
const json_t *folder_config_at(const Folder *f, const char *keys);
/* The scaling of rotary positions, or NULL: rope_scaling, or rope_parameters, which may be those of the
 * layers that see everything and of the others apart; and its type, "default" where it has none. */
const json_t *folder_rope(const Folder *f);
const char *folder_rope_type(const json_t *rope);

#endif
