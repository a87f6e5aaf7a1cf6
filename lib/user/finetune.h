/* Training of an adapter on the task next-item: the LLM, asked its query and given the user as
 * of some event, is to say the name of the next item. */
#ifndef USER_FINETUNE_H
#define USER_FINETUNE_H

#include "nn/trainer.h"
#include "user/adapter.h"

typedef struct Finetuning Finetuning;

/* `batch`: questions a step.  Sets what trains: the adapter, with TUNE_ENC the encoder too.  Borrows all. */
Finetuning *finetuning_new(Adapter *a, Tuning tuning, const Dataset *data, const Users *users, size_t batch,
                           uint64_t seed, Error *e);
void finetuning_free(Finetuning *f);
const Translation *finetuning_translation(const Finetuning *f);
Trainee finetuning_trainee(Finetuning *f);

#endif
