/* Training of an adapter on the task next-item: the LLM, asked its query and given the user as
 * of some event, is to say the name of the next item. */
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
