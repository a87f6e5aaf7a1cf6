/* What the makers of LLMs do differently around the same sums, an architecture a line.  What
 * a file's own tensors and keys tell (biases, norms, windows) is not here. */
#ifndef LLM_ARCHITECTURE_H
#define LLM_ARCHITECTURE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
	const char *name;    /* general.architecture in GGUF, and what its keys begin with */
	const char *hugging; /* model_type of config.json, "one|another"; NULL: from GGUF alone */
	bool centred;        /* LayerNorm instead of RMSNorm */
	bool plain;          /* feed-forward layers without a gate */
	bool gelu;           /* of the gate, instead of silu */
	bool halves;         /* how rotary positions pair numbers (math/vector.h) */
	bool learned;        /* positions are learned vectors, added to the tokens' */
	bool scaled;         /* embeddings times √C */
	bool parallel;       /* attention and feed-forward read the same x, where the file does not say */
	size_t
	    window_period; /* each such many-th layer sees everything, the others a window; 0: all have it */
	double attention_cap, logit_cap;              /* where the file does not say; 0: none */
	size_t window;                                /* … either */
	bool fused;                                   /* files have q, k and v in one tensor */
	bool untied;                                  /* the output is never the embedding table */
	double window_rope_base;                      /* of the layers with a window; 0: as the others */
	double config_rope_base, config_rotary_share; /* where a config.json does not say; 0: 10000, all */
	size_t whole_heads_layers; /* a model of so many layers scales scores by 1/√(C/heads), not 1/√D */
} LlmArchitecture;

const LlmArchitecture *llm_architecture(const char *name);         /* NULL: unknown */
const LlmArchitecture *llm_architecture_hugging(const char *type); /* by model_type */
/* "llama, qwen2, …", into text. */
void llm_architectures(char *text, size_t size);

#endif
