/* What training knows of parameters beside their values, as tensors of a document
 * (ul-stream(5), checkpoints): so it can go on from there. */
#ifndef NN_CHECKPOINT_H
#define NN_CHECKPOINT_H

#include "nn/parameters.h"

/* Values as parameters_save() has them; of what trains also "train.m.NAME" and "train.v.NAME" (where a
 * gradient has come by), "train.average.NAME" (where there is one), and "train.best.NAME" out of a copy that
 * parameters_keep() made, or NULL.  The document borrows all of it. */
bool checkpoint_add(const Parameters *set, const float *best, Document *d, Error *e);

/* The inverse: parameters_step() goes on as if nothing had been between.  With `best`, *best is a new copy,
 * for parameters_restore(), which the caller frees. */
bool checkpoint_read(Parameters *set, float **best, const Document *d, Error *e);

#endif
