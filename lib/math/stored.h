/* A matrix as a file has it, and products with it: y = x Wᵀ.
 *
 * Exact products expand W to F32, some rows at a time.  Quick ones use its integers: x is rounded to 8 bits,
 * in groups of 32 numbers that share a scale, and multiplied with panels of 16 rows of W.  A panel has the
 * numbers of the file, neither more nor fewer bits of the scales, in an order in which one vector holds four
 * columns of 16 rows, so that nothing is added across a vector.
 *
 * Where W is floats, quick products are those of math/gemm.h: of F16 and BF16 in bf16, of F32 as asked.  CPU
 * paths without these have kernels of their own here, which are exact.
 *
 * A sum is added up in an order that depends on its length alone, and on whether W is laid out: a result does
 * not depend on how many rows x has, nor on how columns of y are cut into parts. */
#ifndef MATH_STORED_H
#define MATH_STORED_H

#include "math/gemm.h"
#include "math/quant.h"

/* W [n, k], row by row in blocks of its type. */
typedef struct {
	size_t n, k;
	const QuantType *type;
	const uint8_t *data; /* borrowed */
	/* In the arena of stored_begin(), one or the other; neither: not laid out, and products are exact. */
	uint8_t *panels;
	PackedOperand packed;
} StoredMatrix;

/* Row `row` as F32 [k]. */
void stored_row(const StoredMatrix *w, size_t row, float *out);

/* Lays out the panels in *tasks calls of stored_fill(w, task), which may run side by side.  `f32`: the
 * precision of quick products with F32. */
bool stored_begin(StoredMatrix *w, GemmPrecision f32, Arena *arena, size_t *tasks, Error *e);
void stored_fill(StoredMatrix *w, size_t task);
void stored_drop(StoredMatrix *w); /* as if it had never begun; the arena keeps the room */

/* x [m, k], made ready for any matrix of k columns. */
typedef struct {
	const float *x;
	size_t m, k;
	/* Where k is a multiple of 32, x = scale · q, in groups of 32 columns: */
	int8_t *q;     /* [m, k] */
	float *scale;  /* [m, k / 32] */
	int32_t *sums; /* [m, k / 32, 3]: Σ q of 32 columns, of the first 16, and of the others */
} StoredRows;

/* x is borrowed; `rounded`: for quick products with integers, too, once stored_round() has been called for
 * all rows, some at a time, which may be done side by side.  In the arena. */
bool stored_rows(StoredRows *r, const float *x, size_t m, size_t k, bool rounded, Arena *arena, Error *e);
void stored_round(StoredRows *r, size_t first, size_t count);

/* Columns [first, first + count) of y [m, ldy]: of parts, all but the last are multiples of STORED_UNIT.
 * Exact where `exact`, or W is not laid out, or W is integers and the rows are not rounded. */
enum { STORED_UNIT = PACKED_UNIT };
void stored_product(const StoredMatrix *w, const StoredRows *x, bool exact, size_t first, size_t count,
                    float *y, size_t ldy);

#endif
