/* Matrix products: the one seam, and the only caller of BLAS. */
#ifndef MATH_GEMM_H
#define MATH_GEMM_H

#include <stdbool.h>
#include <stddef.h>

/* C (m×n) = alpha · op(A) · op(B) + beta · C, row-major, F32.
 * op(A) is m×k: A is m×k, or k×m with transpose_a; op(B) is k×n: B is k×n, or n×k
 * with transpose_b.  lda, ldb, ldc are distances between rows.  With beta = 0, C is
 * written without being read.  Runs on the calling thread alone, and so gives the
 * same bytes for any number of threads. */
void gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a,
          size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc);

/* To be called once, before the first thread is made. */
void gemm_start(void);

/* The kernels in use: "OpenBLAS 0.3.21, SapphireRapids kernels". */
void gemm_describe(char *text, size_t size);

#endif
