/* Training of an adapter on its task: the LLM, asked the query about an event and given the user as of the
 * one before (vectors: as they are), is to say the target; of next-item the event's item. */
#ifndef USER_FINETUNE_H
#define USER_FINETUNE_H

#include "nn/trainer.h"
#include "user/questions.h"

typedef struct Finetuning Finetuning;

typedef struct {
	size_t batch;       /* questions a step, … */
	size_t questions;   /* … so many about each history, MOST_QUESTIONS at most: one pass of the encoder
	                     * serves them all */
	size_t micro_batch; /* questions that a thread has in memory at a time, whose gradients add up; 0: an
	                     * eighth of the batch, 8 to 64 */
	bool recompute;     /* the LLM's activations are not kept, but made again on the way back */
	Encoder *teacher;   /* whose own ranking is `taught` of the truth (user/teacher.h), where items are
	                     * asked for; borrowed; NULL: there is none */
	double taught;
	double llm_lr; /* the learning rate of the LLM's own weights, times the others' */
	uint64_t seed;
} FinetuningPlan;

/* Sets what trains and what does not.  Borrows all but the plan. */
Finetuning *finetuning_new(Adapter *a, const Dataset *data, const Users *users, const FinetuningPlan *plan,
                           Error *e);
void finetuning_free(Finetuning *f);
const Translation *finetuning_translation(const Finetuning *f); /* NULL: there is no encoder */
bool finetuning_ranks(const Finetuning *f);                     /* answers are of a list (task_ranks()) */
/* What the trainee is to count in, called before finetuning_trainee(); borrowed. */
void finetuning_profile(Finetuning *f, Profile *profile);
Trainee finetuning_trainee(Finetuning *f);

#endif
