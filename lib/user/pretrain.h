/* Training of the user encoder: every event of the training part is a target once an
 * epoch, from the events before it. */
#ifndef USER_PRETRAIN_H
#define USER_PRETRAIN_H

#include "nn/trainer.h"
#include "user/encoder.h"

typedef struct Pretraining Pretraining;

/* `batch`: histories a step; keep_seen: validation ranks items that the user has had, too.  Borrows all it is
 * given. */
Pretraining *pretraining_new(Encoder *m, const Dataset *data, const Users *users, size_t batch,
                             double feature_weight, bool keep_seen, uint64_t seed, Error *e);
void pretraining_free(Pretraining *p);
Trainee pretraining_trainee(Pretraining *p);

/* HR@10 and NDCG@10 of a part of the split by the encoder alone, full catalogue, seen
 * items left out unless keep_seen. */
typedef struct {
	size_t count;
	double hr10, ndcg10;
} RankingScore;
bool encoder_evaluate(const Encoder *m, const Translation *t, const Dataset *data, const Users *users,
                      Part part, bool keep_seen, Pool *pool, RankingScore *score, Error *e);

#endif
