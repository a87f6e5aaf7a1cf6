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
	json_t *config;
	const LlmArchitecture *architecture;
	const HuggingFamily *family;
	size_t C, heads, kv_heads, D, turned, layers;
	double rope_base;
	GgufWriter *keys;
	Gguf *g;
} Folder;

/* The path of a file of the folder, into memory of the caller. */
char *folder_path(const Folder *f, const char *name, Error *e);
/* An object, the caller's to give back. */
json_t *folder_json(const Folder *f, const char *name, Error *e);

/* Fills all of the folder but `g`. */
bool folder_config(Folder *f, Error *e);
/* The first of the keys "one|another" of config.json that there is and is not null. */
const json_t *folder_config_at(const Folder *f, const char *keys);
/* What is said of rotary positions beside the rest, and its type. */
const json_t *folder_rope(const Folder *f);
const char *folder_rope_type(const json_t *rope);

#endif
