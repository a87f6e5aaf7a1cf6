/* AdamW over parameters, dense ones and tables of which few rows have gradients, and an average of the
 * weights. */
#ifndef NN_OPTIMIZER_H
#define NN_OPTIMIZER_H

#include "nn/parameters.h"

/* One AdamW step: adds up the lanes in order, clips the gradients to a norm of at
 * most `clip` (0: no clipping), updates all that trains, and zeroes the gradients.
 * *norm is the norm before clipping; if it is not finite nothing is updated.
 * With average = X > 0, of the values so far an average is kept, in which each step
 * counts X times as much as the next: Σ X^(step-i) w_i / Σ X^(step-i), i = 1 … step. */
typedef struct {
	double lr, decay, clip;
	uint64_t step; /* from 1 */
	double average;
} OptimizerStep;
bool parameters_step(Parameters *set, const OptimizerStep *step, Pool *pool, double *norm, Error *e);

#endif
