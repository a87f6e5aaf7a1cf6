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

#endif
