/* Training of a language model on texts. */
#ifndef LLM_PRETRAIN_H
#define LLM_PRETRAIN_H

#include "llm/model.h"
#include "nn/trainer.h"

typedef struct LlmPretraining LlmPretraining;

/* Each text becomes BOS, its tokens, EOS, cut where it is longer than the model's context; no text sees
 * another.  A step takes `batch` texts.  A share `holdout` of the texts, chosen by the seed, is kept for
 * validation; with 0 what is evaluated are training texts.  The texts are read once; the model is borrowed.
 */
LlmPretraining *llm_pretraining_new(Llm *m, const Strings *texts, size_t batch, double holdout, uint64_t seed,
                                    Error *e);
void llm_pretraining_free(LlmPretraining *p);
Trainee llm_pretraining_trainee(LlmPretraining *p);

#endif
