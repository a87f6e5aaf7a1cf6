/* Which items a sampled loss is told are wrong. */
#ifndef USER_NEGATIVES_H
#define USER_NEGATIVES_H

#include "base/random.h"
#include "user/encoder.h"

typedef enum {
	NEGATIVES_UNIFORM,
	/* By rank r of popularity in training, from 0: P(r) = log((r + 2) / (r + 1)) / log(items + 1). */
	NEGATIVES_LOG_UNIFORM,
	/* Targets of the step, whosever: an item is drawn as often as it is a target in the epoch. */
	NEGATIVES_BATCH
} NegativeSampling;
#define NEGATIVE_SAMPLINGS "uniform|log-uniform|batch"

typedef struct {
	NegativeSampling sampling;
	size_t items;           /* of the encoder's catalogue, the first ID_FIRST left out */
	int32_t *by_popularity; /* [items]: ids, the most popular first */
	double *share;          /* by id: of the targets that negatives_count() was told of */
} Negatives;

/* Counts the training part, for popularity; ids are the encoder's. */
bool negatives_new(Negatives *n, NegativeSampling sampling, const Translation *t, const Users *users,
                   Error *e);
void negatives_free(Negatives *n);

/* For NEGATIVES_BATCH, anew each epoch: all that there will be to draw from, histories [0, count). */
void negatives_count(Negatives *n, const Translation *t, const Users *users, const Segment *targets,
                     size_t count);

/* What NEGATIVES_BATCH draws from: the events `ahead` of those of the histories. */
typedef struct {
	const Translation *translation;
	const Users *users;
	const Segment *histories;
	const size_t *starts; /* [count + 1]: how many events the histories before have */
	size_t count, ahead;
} StepTargets;

/* Draws `count` ids, with replacement, and the log of how often each is expected among them. */
void negatives_draw(const Negatives *n, Random *random, size_t count, const StepTargets *targets,
                    int32_t *ids, float *log_expected);

#endif
