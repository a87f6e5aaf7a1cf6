/* The inside of the products: what a CPU path multiplies, block by block, and how it
 * wants its operands laid out.  Only gemm.c, the kernels and their tests know this.
 *
 * op(B) goes by panels of PANEL columns.  F32: [k][PANEL] floats, laid out or as they lie in B;
 * bf16: pairs of rows interleaved, [k/2][PANEL][2], which is the layout of a bf16 tile (Intel SDM,
 * TDPBF16PS) and of a bf16 dot product, too.  op(A) goes by groups of GROUP rows.  F32: as they lie in
 * A, copied row by row, or laid out as [k][GROUP]; bf16: rounded, row by row, to [m][stride].  What is
 * laid out has zeros beyond k or n. */
#ifndef MATH_GEMM_KERNELS_H
#define MATH_GEMM_KERNELS_H

#include "base/cpu.h"
#include "math/gemm.h"

#include <stdint.h>

enum {
	LINE = 64,  /* of the caches, in bytes */
	GROUP = 12, /* rows of A that a vector kernel takes at a time */
	PANEL = PACKED_UNIT,
	DEPTH_UNIT = PACKED_UNIT, /* bf16: k is filled up to a multiple of this */
	DEPTH_BLOCK = 1024, /* of k, worked on at a time: a panel's block stays in the first-level cache */
	ROW_BLOCK = 288     /* of m: A's block stays in the second-level cache */
};
_Static_assert(ROW_BLOCK % PANEL == 0, "rows are filled up to a multiple of PANEL");
_Static_assert(ROW_BLOCK % GROUP == 0, "groups are laid out whole");

typedef uint16_t Bf16;

/* A panel of op(B): rows [k0, k0 + k), columns [n0, n0 + n), n ≤ PANEL. */
void pack_panel_f32(Operand b, size_t k0, size_t k, size_t n0, size_t n, float *panel);
void pack_panel_bf16(Operand b, size_t k0, size_t k, size_t n0, size_t n, Bf16 *panel);
/* op(A): rows [m0, m0 + m), columns [k0, k0 + k), filled up with zeros to `filled` rows and a multiple of
 * DEPTH_UNIT columns.  There is room for a multiple of 16 rows. */
void pack_rows_bf16(Operand a, size_t m0, size_t m, size_t filled, size_t k0, size_t k, Bf16 *rows,
                    size_t stride);

/* C [m, n] (+)= A · B for a panel of n ≤ PANEL columns. */
typedef struct {
	size_t m, n, k;
	const void *a;
	/* Distances in A, in elements: of groups, of rows of one, of columns.  bf16: a_group is that of GROUP
	 * rows, a_column is 1, and k is filled up, for tiles rows, too, which go without groups. */
	size_t a_group, a_row, a_column;
	const void *b;
	size_t b_row; /* distance between rows (of pairs of rows) of the panel, in elements */
	float *c;
	size_t ldc;
	bool add;
	const char *next; /* the panel to come, to be fetched from memory meanwhile; NULL: none */
} PanelProduct;

typedef void PanelKernel(const PanelProduct *p);

void panel_f32_avx512(const PanelProduct *p);
void panel_bf16_avx512(const PanelProduct *p);
void panel_bf16_amx(const PanelProduct *p); /* between tiles_begin() and tiles_end() */
void tiles_begin(void);
void tiles_end(void);

#endif
