/* What operations have in common. */
#ifndef NN_OPS_INTERNAL_H
#define NN_OPS_INTERNAL_H

#include "nn/ops.h"

/* Rows that are worth a thread of their own. */
enum { PART = 16 };

static inline bool needs(const Tensor *x)
{
	return x->needs_gradient;
}

/* The parameter's gradient in the tape's lane, or NULL where it does not train. */
static inline float *gradient_of(Tape *t, Parameter *p)
{
	return p->trains ? parameter_gradient(p, t->lane, &t->error) : NULL;
}

/* How many of two gradients are asked for: each is a product as large as the one that it is of. */
static inline size_t wanted(const float *dx, const float *dw)
{
	return (size_t)(dx != NULL) + (dw != NULL);
}

#endif
