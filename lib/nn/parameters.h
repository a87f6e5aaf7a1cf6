/* Parameters by name.  What is saved, what trains, what decays: sets of names. */
#ifndef NN_PARAMETERS_H
#define NN_PARAMETERS_H

#include "base/pool.h"
#include "base/random.h"
#include "math/gemm.h"
#include "math/stored.h"
#include "nn/rows.h"
#include "stream/document.h"

/* Work on a batch is cut into shards, and shards are dealt to this many lanes,
 * whatever the number of threads; each lane sums gradients of its own, and lanes
 * are added in order.  So results do not depend on the threads. */
enum { LANES = 8 };

/* Where the numbers of a set are: end to end, for in huge pages products find them up to half
 * as fast again.  Each lane has gradients of its own, so that lanes may allocate side by side. */
typedef struct {
	Arena weights, gradients[LANES];
} ParameterMemory;

typedef struct Parameter Parameter;

/* What is added to the products with a matrix W: y = x Wᵀ + scale · (x Aᵀ) Bᵀ, A [r, in], B [out, r], of an x
 * that is dropped out at that rate while it trains. */
typedef struct {
	Parameter *a, *b; /* borrowed; NULL: nothing is added */
	float scale, dropout;
} LowRank;

struct Parameter {
	ParameterMemory *memory; /* the set's that it was added to */
	char *name;
	size_t rank, shape[4];
	size_t rows, cols; /* as a matrix: shape[0] × the rest; a vector is 1 × n */
	size_t count;
	float *value;               /* NULL where it is stored */
	StoredMatrix *stored;       /* as a file has it: it never trains, and is not saved */
	float *gradient[LANES];     /* NULL until a lane needs it */
	RowGradient *row_gradients; /* [LANES], in its place where it is sparse; else NULL */
	float *m, *v;               /* AdamW's moments; NULL until the first step */
	float *average;             /* moving, of the values; NULL where none is asked for */
	bool trains, decays;
	float lr_scale; /* its learning rate, times the optimizer's: 1 unless somebody knows better */
	/* A matrix that is a factor of products, see parameter_multiplies(): */
	bool multiplies;
	size_t first_row;
	PackedOperand forward;  /* Wᵀ [cols, rows], for x Wᵀ */
	PackedOperand backward; /* W [rows, cols], for dy W */
	LowRank low_rank;
};

/* Where values come from instead of chance: a file. */
typedef struct {
	const void *context;
	/* Whether the file has a parameter of this name and shape; asked before anything is allocated. */
	bool (*check)(const void *context, const Parameter *p, Error *e);
	void (*read)(const void *context, Parameter *p);
	/* Whether a matrix is to stay as the file has it, which then must outlive the parameters; NULL: none.
	 */
	bool (*keep)(const void *context, const Parameter *p, StoredMatrix *stored);
} ParameterSource;

typedef struct {
	Parameter **items;
	size_t count, capacity;
	ParameterMemory *memory;       /* NULL: none was added yet */
	const ParameterSource *source; /* NULL: parameters_add() initialises as it is told */
} Parameters;

/* F32 tensors of the parameters' names in a document, which must outlive the source. */
ParameterSource parameters_in(const Document *d);

typedef enum { INIT_ZERO, INIT_ONE, INIT_NORMAL } Init;

/* A new parameter, owned by the set; its values come from the source where there is one.  INIT_NORMAL: mean
 * 0, standard deviation `deviation`, from the seed and the name alone, so that adding a parameter does not
 * change another. Matrices decay, vectors do not.  NULL on error. */
Parameter *parameters_add(Parameters *set, const char *name, size_t rank, const size_t *shape, Init init,
                          double deviation, uint64_t seed, Error *e);
void parameters_free(Parameters *set);

Parameter *parameters_find(const Parameters *set, const char *name); /* NULL: not there */
size_t parameters_count(const Parameters *set, bool training_only);  /* weights */
void parameters_train(Parameters *set, bool trains);                 /* all of them */

/* Adds all parameters as F32 tensors to a document, which borrows them. */
bool parameters_save(const Parameters *set, Document *d, Error *e);
/* Fills all parameters, stored ones too, from the tensors of the same names and shapes. */
bool parameters_load(Parameters *set, const Document *d, Error *e);

/* The matrix W [rows, cols] is used as y = x Wᵀ: from first_row on, where the first rows are ids that
 * nothing predicts. */
void parameter_multiplies(Parameter *p, size_t first_row);
/* Lays the matrices out for products, the backward ones where `backward`; parameters_step() (nn/optimizer.h)
 * keeps what trains up to date.  Whoever else writes values calls parameters_unpack(): it is about speed
 * only. */
bool parameters_pack(Parameters *set, GemmPrecision precision, bool backward, Pool *pool, Error *e);
void parameters_unpack(Parameters *set);
/* Lays out again what was, and trains: after its values have changed. */
bool parameters_pack_again(Parameters *set, Pool *pool, Error *e);

/* The values of all that trains, copied away and put back (best weights). */
bool parameters_keep(const Parameters *set, float **copy, Error *e);
void parameters_restore(Parameters *set, const float *copy);

/* Values and moving averages change places, in all that has these; and back again. */
bool parameters_exchange(Parameters *set, Pool *pool, Error *e);

/* Makes a table sparse, before it trains: a step's gradient has the rows that it reached, and the optimizer
 * moves these alone, with the bias correction of the step's number; the others' moments rest (as in
 * PyTorch's SparseAdam), and decay does, too.  Memory of gradients and moments goes by the rows that are
 * reached.  The table is not laid out for products while it trains. */
bool parameter_sparse(Parameter *p, Error *e);

/* The gradient of a lane, allocated and zeroed where it is new.  There is none of a sparse one: an error. */
float *parameter_gradient(Parameter *p, size_t lane, Error *e);
/* A row of it, of dense and sparse ones; until the next call. */
float *parameter_gradient_row(Parameter *p, size_t lane, size_t row, Error *e);

/* AdamW's moments, allocated and zeroed where they are new. */
bool parameter_moments(Parameter *p, Error *e);
/* Whether a gradient has ever come by. */
bool parameter_moved(const Parameter *p);

#endif
