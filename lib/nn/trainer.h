/* Training: steps, schedule, budget, validation, best weights: the same for an
 * encoder, an LLM and an adapter. */
#ifndef NN_TRAINER_H
#define NN_TRAINER_H

#include "nn/tape.h"

/* What is trained.  A step's work is cut into shards that do not depend on the
 * threads; shard() is called from several threads at once. */
typedef struct {
	void *context;
	Parameters *parameters;
	/* What takes part and does not train: gradients flow through the one, and not to the other.  Or NULL.
	 */
	Parameters *frozen_above, *frozen_below;
	/* Starts an epoch (from 0) of so many steps. */
	bool (*epoch)(void *context, size_t epoch, size_t *steps, Error *e);
	/* Chooses the batch of a step of the epoch; returns its number of shards. */
	size_t (*step)(void *context, size_t step);
	/* Forward and backward of a shard: gradients of the mean loss over the whole step's
	 * targets; adds the shard's summed loss and its number of targets, of each of the losses, and its
	 * number of events (or tokens). */
	bool (*shard)(void *context, Tape *t, size_t shard, double *loss, size_t *targets, size_t *events);
	/* The validation score, higher is better, and words for it ("hr@10=0.27 …"); -infinity where there is
	 * nothing to validate on. */
	bool (*evaluate)(void *context, GemmPrecision precision, Pool *pool, double *score, char *words,
	                 size_t size, Error *e);
	/* How many losses a shard tells, 0 as 1; those behind the first are told apart by names, and only
	 * reported. */
	size_t losses;
	const char *(*loss_name)(const void *context, size_t loss);
	/* NULL: nothing is counted.  Else shards count on their tapes, evaluate() in the phase that this is
	 * in then. */
	Profile *profile;
	Parameters *teacher; /* of what is asked, forward alone, and does not train; or NULL */
	const char *needed;  /* what there is none of where an epoch has no steps: "no text" */
} Trainee;

typedef struct {
	/* The budget: minutes if not 0, else steps if not negative, else epochs. */
	double minutes; /* by the clock: how far it gets depends on the machine */
	int64_t steps;
	double epochs;
	double lr, decay, clip, warmup; /* warmup: share of the budget */
	double average; /* of weights, as OptimizerStep has it: what is evaluated and kept; 0: the weights */
	uint64_t evaluate_every; /* steps; 0: at the end of each epoch */
	size_t patience;         /* evaluations without improvement before it stops; 0: never */
	GemmPrecision precision;
	uint64_t seed;
} Budget;

typedef struct {
	uint64_t step;
	double progress; /* of the budget, 0 to 1 */
	double epoch, seconds, rate /* events a second since the last report */, lr;
	const double *loss; /* means since then, of each of the trainee's losses; NaN where nothing counted */
	bool evaluated;
	bool improved;     /* no evaluation before was better: these weights are kept */
	const char *words; /* of the evaluation */
	bool impatient;    /* it ends here, for want of improvement */
} TrainerReport;

typedef enum { TRAINER_GO_ON, TRAINER_SAVE, TRAINER_STOP /* once that is saved */ } TrainerWish;

/* Who has something trained. */
typedef struct {
	void *context;
	/* Called after each step and each evaluation. */
	void (*report)(void *context, const TrainerReport *r);
	/* Asked after each step but the last; NULL: always goes on. */
	TrainerWish (*wish)(void *context);
	/* Is given a checkpoint: all that training needs to go on (ul-stream(5)), as metadata and tensors of
	 * a document, to which it may add, and which lives until it returns.  False: it could not be kept,
	 * and training goes on, even if it was to stop. */
	bool (*save)(void *context, Document *checkpoint);
	/* One of these, to go on from: what comes is what would have come then, the clock aside.  NULL: from
	 * the beginning.  trainer_run() frees it. */
	Document *resume;
} TrainerHost;

typedef enum {
	TRAINER_FAILED,   /* see the error; the weights are of no use */
	TRAINER_DIVERGED, /* see the error; the weights are the best before that */
	TRAINER_STOPPED,  /* as was wished */
	TRAINER_DONE,
} TrainerEnd;

/* Trains, keeps the best weights by evaluation (of equals the latest) and puts them back at the end; where
 * there is nothing to validate on, the last weights stay and patience does not count. */
TrainerEnd trainer_run(const Trainee *trainee, const Budget *budget, Pool *pool, const TrainerHost *host,
                       Error *e);

#endif
