/* What Hugging Face calls the tensors of each family of models, and how they differ from GGUF's. */
#ifndef LLM_HUGGINGFACE_NAMES_H
#define LLM_HUGGINGFACE_NAMES_H

#include <stddef.h>

/* How a tensor differs between the formats. */
typedef enum {
	SAME,
	LEFT_OUT, /* no weights: masks, frequencies */
	TURNED_Q, /* rows of a head, so that rotary positions turn neighbours and not halves */
	TURNED_K,
	PLUS_ONE,   /* the norm multiplies by 1 + w */
	TRANSPOSED, /* [in, out] */
	UNWOVEN     /* q, k and v of each head by turns */
} TensorChange;

/* Names behind the prefix; of a block's behind "layers.3." and "blk.3.". */
typedef struct {
	const char *theirs, *ours;
	TensorChange change;
} TensorRule;

enum { MOST_RULES = 20 };

/* model_types whose tensors are called alike. */
typedef struct {
	const char *architectures; /* "one|another" */
	const char *prefix, *block, *activations;
	TensorRule outside[8], inside[MOST_RULES];
} HuggingFamily;

/* The family of an architecture of llm/architecture.h that has one. */
const HuggingFamily *hugging_family(const char *architecture);
/* The rule of a tensor, and what it is called in GGUF; NULL: unknown. */
const TensorRule *hugging_rule(const HuggingFamily *f, const char *name, char *ours, size_t size);

#endif
