/* Training of an adapter on its task: the LLM, asked the query about an event and given the user as of the
 * one before, is to say the target; of next-item the event's item. */
#ifndef USER_FINETUNE_H
#define USER_FINETUNE_H

#include "nn/trainer.h"
#include "user/adapter.h"

typedef struct Finetuning Finetuning;

/* `batch`: questions a step.  Sets what trains and what does not, the LLM's weights at a tenth of the others'
 * learning rate: they know something already.  Borrows all. */
Finetuning *finetuning_new(Adapter *a, const Dataset *data, const Users *users, size_t batch, uint64_t seed,
                           Error *e);
void finetuning_free(Finetuning *f);
const Translation *finetuning_translation(const Finetuning *f); /* NULL: there is no encoder */
Trainee finetuning_trainee(Finetuning *f);

#endif
