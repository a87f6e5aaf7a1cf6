/* The inside of quick products: how panels lie, and the kernels that read them.
 *
 * A panel has 16 rows of W, block by block of its type.  Of a block come first d [16] F16, and of types with
 * minima least [16] F16; then, of types with blocks of 256, for each group scale [16] I8, and with minima
 * minimum [16] I8; then, for each 32 columns, the integers.  These are eight vectors of 64 bytes: vector j
 * has four columns from 4 j on of row 0, then of row 1, and so on.  Types of 8 bits have them as they are.
 * Others have their lower four bits, vector i + 4 above vector i; and of 5 or 6 bits behind that two vectors
 * of the upper two bits, of which vector p has bits 2 i of vector 4 p + i.
 *
 * Of floats, where math/gemm.h does not multiply them, a panel is [k][16] numbers.  Rows beyond n are zeros.
 */
#ifndef MATH_STORED_KERNELS_H
#define MATH_STORED_KERNELS_H

#include "base/half.h"
#include "math/stored.h"

enum { PANEL_ROWS = 16, CHUNK = 32, CHUNK_SUMS = 3 };

/* Rows of x [m ≤ STORED_ROWS] times one panel, or two: y [m, 16 · panels], rows ldy numbers apart. */
enum { STORED_ROWS = 6, STORED_PANELS = 2 };
_Static_assert(STORED_UNIT % (STORED_PANELS * PANEL_ROWS) == 0, "parts of columns begin where a kernel does");
typedef struct {
	const uint8_t *panel;
	size_t panel_bytes, panels;
	bool prefetch; /* whether to ask for the next panels meanwhile */
	size_t k, m;
	const float *x; /* stride k */
	const int8_t *q;
	const float *scale;
	const int32_t *sums;
	float *y;
	size_t ldy;
} StoredPart;

/* Σ q of columns 4 first … 4 (first + count) of a row's chunk, the `at`th of all: a whole one or a half. */
static inline int32_t sum_of(const StoredPart *p, size_t at, int first, int count)
{
	return p->sums[at * CHUNK_SUMS + (count == 8 ? 0 : 1 + (size_t)first / 4)];
}

typedef void StoredKernel(const StoredPart *p);

static inline size_t planes_bytes(unsigned bits)
{
	return PANEL_ROWS * CHUNK / 8 * (bits == 8 ? 8 : bits > 4 ? 6 : 4);
}

/* Bytes of a block of a panel. */
static inline size_t panel_block_bytes(size_t elements, size_t group, unsigned bits, bool minima)
{
	size_t parts = minima ? 2 : 1, groups = elements > CHUNK ? elements / group : 0;
	return parts * PANEL_ROWS * (2 + groups) + elements / CHUNK * planes_bytes(bits);
}

/* Groups of 32 numbers, to the nearest (ties to even) of 127 steps to their largest.  A group in which one is
 * no number, or infinite, has a scale that is none: whoever multiplies with it sees it.  A group of
 * numbers up to STORED_TINY is 0: 127 over them would be infinite. */
#define STORED_TINY 1e-36f
typedef void StoredRound(const float *x, size_t groups, int8_t *q, float *scale, int32_t *sums);
StoredRound stored_round_avx512, stored_round_avx2, stored_round_generic;

/* The kernel of a type; NULL: it has none.  AVX-512 has none of floats: math/gemm.h has. */
StoredKernel *stored_kernel_avx512(uint32_t type);
StoredKernel *stored_kernel_avx2(uint32_t type);
StoredKernel *stored_kernel_generic(uint32_t type);

typedef enum { FLOAT_F32, FLOAT_F16, FLOAT_BF16 } FloatKind;

/* The bodies of both kinds of kernels for a type of integers, from the columns of QUANT_INTEGERS. */
typedef struct {
	size_t elements, group;
	unsigned bits;
	uint8_t zero;
	bool minima;
	const int8_t *codes;
} StoredShape;

#endif
