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
#include "nn/profile.h"

typedef struct TapeStep TapeStep;

typedef struct {
	size_t rows, cols;
	float *value;        /* [rows, cols] */
	bool needs_gradient; /* something that trains lies below */
	float *gradient;     /* the same shape; NULL until something flows back, and when it has flowed on */
	const TapeStep *maker; /* the first operation on record that wrote it */
	bool again;            /* made while something was recomputed */
	const StoredRows
	    *rows_made; /* as products with stored matrices want it; NULL: nobody has asked yet */
} Tensor;

typedef struct SpareGradient SpareGradient;

typedef struct {
	Arena arena, scratch;
	TapeStep *last;
	SpareGradient *spare;
	bool training;   /* record, drop out */
	bool recomputes; /* what takes much room is made again on the way back: tape_recomputed() */
	bool forgets;    /* records nothing for now, as it will be made again */
	Arena again;     /* for what is recomputed, and forgotten again */
	Arena *outer;    /* then the one of all else; NULL: nothing is being recomputed */
	Pool *pool;      /* for operations forward; NULL: the calling thread alone */
	GemmPrecision precision;
	bool exact;       /* products with stored matrices (math/stored.h), at the cost of expanding these */
	Profile *profile; /* of what is computed; NULL: nobody wants to know */
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

/* A tensor with undefined values, and no gradient yet. */
Tensor *tape_tensor(Tape *t, size_t rows, size_t cols, bool needs_gradient);
/* A view of rows that belong to another, without a gradient. */
Tensor *tape_constant(Tape *t, float *value, size_t rows, size_t cols);

/* Puts an operation that wrote y on record: backward(tape, context) takes y->gradient, adds to the
 * gradients of what went in, and is left out where nothing flowed back to y.  The context is copied.  Does
 * nothing when the tape does not train.
 *
 * Gradients come into being on the way back, and their memory goes on to the next once the operation that
 * made the tensor has been played: few are there at a time, in warm memory. */
void tape_record(Tape *t, Tensor *y, void (*backward)(Tape *t, const void *context), const void *context,
                 size_t size);

/* y = run(tape, context, x), of x's shape: its activations are not kept, but made again on the way back, and
 * so are its random numbers.  The context is copied. */
Tensor *tape_recomputed(Tape *t, Tensor *x, Tensor *(*run)(Tape *t, const void *context, Tensor *x),
                        const void *context, size_t size);

/* The gradient of x, for backward() to add to; NULL where x needs none, or on an error.  With `fresh` it
 * may be undefined instead of zeros: then *fresh is true, and it is to be written. */
float *tape_gradient(Tape *t, Tensor *x, bool *fresh);
/* Adds y's gradient to x's; where that is new, x takes it over if it can, and y has none any more. */
void tape_pass_gradient(Tape *t, Tensor *y, Tensor *x);

/* Calls work(context, first, count) for parts of [0, count) that begin at multiples of `unit`, side by side
 * where the tape has a pool; what is computed must not depend on how they are cut. */
void tape_spread(Tape *t, size_t count, size_t unit, void (*work)(void *context, size_t first, size_t count),
                 void *context);

#endif
