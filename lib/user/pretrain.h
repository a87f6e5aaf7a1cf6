/* Training of the user encoder.  ar: the events that follow those of a history are targets, each from the
 * events before it.  bert4rec: a share of the events, chosen anew each epoch, are masked and targets. */
#ifndef USER_PRETRAIN_H
#define USER_PRETRAIN_H

#include "nn/trainer.h"
#include "user/histories.h"
#include "user/negatives.h"

typedef struct Pretraining Pretraining;

typedef enum { ITEM_LOSS_FULL, ITEM_LOSS_SAMPLED, ITEM_LOSS_GBCE } ItemLossKind;
#define ITEM_LOSSES "full|sampled|gbce"

typedef struct {
	size_t batch;                           /* histories a step */
	double feature_weight, label_smoothing; /* encoder_loss() */
	ItemLossKind loss;
	size_t negatives; /* of sampled losses, drawn for each shard of a step */
	NegativeSampling sampling;
	double calibration; /* t of gBCE */
	Sequences sequences;
	size_t stride;    /* of SEQUENCES_SLIDING */
	double mask_rate; /* share of events that are masked; of causal encoders targets stay what they are */
	/* Causal encoders: of a user's k-th target from the newest (k = 0) the share 2^(-k/recency) counts,
	 * drawn anew each epoch (Petrov and Macdonald 2022); 0: all. */
	double recency;
	bool keep_seen; /* validation ranks items that the user has had, too */
	uint64_t seed;
} PretrainingOptions;

/* Borrows all but the options. */
Pretraining *pretraining_new(Encoder *m, const Dataset *data, const Users *users,
                             const PretrainingOptions *options, Error *e);
void pretraining_free(Pretraining *p);
Trainee pretraining_trainee(Pretraining *p);

#endif
