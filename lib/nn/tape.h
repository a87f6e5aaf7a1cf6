/* A tape: tensors of activations, and the operations that made them, played
 * backwards for gradients.
 *
 * An operation takes tensors and parameters and returns a new tensor, which belongs
 * to the tape until tape_reset().  A NULL tensor in gives NULL out, and the first
 * error stays in tape->error: a model is written as a chain of calls and checked once
 * at its end.  A tape is used by one thread; its gradients of parameters go to its lane. */
#ifndef NN_TAPE_H
#define NN_TAPE_H

#include "nn/parameters.h"

typedef struct {
	size_t rows, cols;
	float *value;    /* [rows, cols] */
	float *gradient; /* the same; NULL: nothing that trains lies below */
} Tensor;

typedef struct TapeStep TapeStep;

typedef struct {
	Arena arena, scratch;
	TapeStep *last;
	bool training; /* record, drop out */
	GemmPrecision precision;
	size_t lane;
	uint64_t random_key; /* of dropout: to be set anew for each step and shard */
	uint32_t random_count;
	Error error;
} Tape;

/* Forgets all tensors, keeps the memory. */
void tape_reset(Tape *t, bool training, uint64_t random_key);
/* Plays back; the caller has put gradients where they start, or an operation that ends in a loss
 * (tape_cross_entropy) has.  False: see tape->error. */
bool tape_backward(Tape *t);
void tape_free(Tape *t);

/* A tensor with undefined values and, where it is needed and the tape trains, a gradient of
 * zeros. */
Tensor *tape_tensor(Tape *t, size_t rows, size_t cols, bool needs_gradient);
/* A view of rows that belong to another, without a gradient. */
Tensor *tape_constant(Tape *t, float *value, size_t rows, size_t cols);

/* Puts an operation on record: backward(tape, context) adds to the gradients of what went
 * in.  The context is copied.  Does nothing when the tape does not train. */
void tape_record(Tape *t, void (*backward)(Tape *t, const void *context), const void *context, size_t size);

#endif
