/* Matrix products: the one seam, and the only caller of BLAS.
 *
 * Where the CPU has AVX-512 or tiles (base/cpu.h), products are our own: F32, or bf16
 * (operands rounded to 8 bits of mantissa, sums in F32).  Elsewhere they are OpenBLAS's,
 * in F32 whatever is asked for.  All run on the calling thread alone, and a sum is
 * added up in an order that depends on its length alone; so the same CPU path gives the same
 * bytes for any number of threads, packed or not. */
#ifndef MATH_GEMM_H
#define MATH_GEMM_H

#include "base/memory.h"

typedef enum { GEMM_F32, GEMM_BF16 } GemmPrecision;

/* "f32", "bf16" (ERROR_USAGE where the CPU path has none), or "auto": bf16 where there is. */
#define GEMM_PRECISIONS "f32|bf16|auto"
bool gemm_precision(const char *name, GemmPrecision *precision, Error *e);

/* A row-major matrix, `stride` numbers between its rows, or its transpose. */
typedef struct {
	const float *data;
	size_t stride;
	bool transposed;
} Operand;

/* C [m, n] = A · B, or C += A · B; A is m×k, B is k×n as they are after transposing. */
void gemm(GemmPrecision precision, size_t m, size_t n, size_t k, Operand a, Operand b, bool add, float *c,
          size_t ldc);

/* B, k×n, which may be laid out once for many products, PACKED_UNIT columns a task. */
enum { PACKED_UNIT = 32 };
typedef struct {
	size_t k, n;
	Operand source; /* B as it is; must outlive this; no data: products ask for `precision` alone */
	bool laid_out;  /* else products read the source */
	GemmPrecision precision;
	void *panels; /* in the arena that packed_begin() was given */
	size_t capacity;
} PackedOperand;

/* Lays the source out as it is now, in *tasks calls of packed_fill(p, task) that may run side by
 * side; none on a path that lays out for itself.  Until packed_drop(), products read the panels, so whoever
 * changes the source calls this again; what was taken from the arena serves again. */
bool packed_begin(PackedOperand *p, GemmPrecision precision, Arena *arena, size_t *tasks, Error *e);
void packed_fill(PackedOperand *p, size_t task);
/* The same piece by piece, without a source: rows [k0, k0 + k) of the task's columns, which begin at
 * PACKED_UNIT · task, from a copy [k, columns] of these; k0 is a multiple of PACKED_UNIT. */
void packed_fill_from(PackedOperand *p, size_t task, size_t k0, size_t k, Operand copy);
void packed_drop(PackedOperand *p);
/* The two in one, on the calling thread. */
bool packed_lay_out(PackedOperand *p, GemmPrecision precision, Arena *arena, Error *e);

/* A part of B: rows [k0, k0 + k), columns [n0, n0 + n); both begin at multiples of PACKED_UNIT. */
typedef struct {
	const PackedOperand *b;
	size_t k0, n0, k, n;
} PackedPart;

PackedPart packed_whole(const PackedOperand *b);
void gemm_packed(GemmPrecision precision, size_t m, Operand a, PackedPart b, bool add, float *c, size_t ldc);

/* To be called once, before the first thread is made. */
void gemm_start(void);

/* The kernels in use: "amx tiles for bf16, avx512 for F32", or OpenBLAS's own words. */
void gemm_describe(char *text, size_t size);

#endif
