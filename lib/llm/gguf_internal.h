/* The inside of a Gguf: for its reader, and for what makes one of another format. */
#ifndef LLM_GGUF_INTERNAL_H
#define LLM_GGUF_INTERNAL_H

#include "llm/gguf.h"
#include "stream/document.h"

typedef struct {
	GgufType type, element; /* element: of an array */
	size_t count;           /* of an array's elements, of a string's bytes, else 1 */
	const uint8_t *data;
} GgufValue;

struct Gguf {
	char *path;
	uint8_t *bytes;
	size_t size;
	bool mapped;
	uint64_t hash;
	Vocabulary keys; /* with their terminating NUL, as the names below */
	GgufValue *values;
	size_t values_capacity;
	Vocabulary names;
	GgufTensor *tensors;
	size_t tensors_capacity;
	Gguf **parts; /* besides the first */
	size_t part_count;
	Document **documents; /* of what is no GGUF: the files that tensors lie in … */
	size_t document_count;
	Arena memory; /* … and what was made of them */
};

/* Bytes of a value, the least number for strings and arrays; 0: no such type. */
size_t gguf_type_size(GgufType type);
/* Finds keys and tensors in g->bytes; they stay there. */
bool gguf_parse(Gguf *g, Error *e);

/* One without tensors, of the writer's keys. */
Gguf *gguf_of_keys(const char *path, const GgufWriter *keys, Error *e);
/* Appends a tensor; its data is not copied. */
bool gguf_append(Gguf *g, const char *name, const GgufTensor *t, Error *e);

#endif
