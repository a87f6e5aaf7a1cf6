/* Low-rank updates of an LLM's matrices (LoRA; Hu et al. 2021, section 4): W stays as it is, and
 * W + alpha/rank · B A is what multiplies, A [rank, in] random at first, B [out, rank] zero. */
#ifndef LLM_LORA_H
#define LLM_LORA_H

#include "llm/model.h"

#define LORA_MATRICES "q|k|v|o|gate|up|down"

typedef struct {
	size_t rank; /* 0: there are no updates */
	double alpha;
	double dropout;       /* of what goes into A, in training */
	const char *matrices; /* of each block: words of LORA_MATRICES, with commas */
} LoraShape;

/* Adds "lora.blk.0.attn.q.a", "lora.blk.0.attn.q.b", … to the set, which the LLM's products then use until
 * lora_remove(), to be called before the set is freed.  ERROR_USAGE where the LLM has none of the matrices,
 * or where one is none. */
bool lora_add(const LoraShape *shape, Llm *m, Parameters *set, uint64_t seed, Error *e);
void lora_remove(Llm *m);

/* W ← W + alpha/rank · B A, of an LLM whose weights are expanded; there are no updates any more. */
void lora_merge(Llm *m);

#endif
