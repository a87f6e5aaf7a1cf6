#include "math/gemm.h"

#include <cblas.h>
#include <stdio.h>

void gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a,
          size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
	if (m == 0 || n == 0)
		return;
	cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
	            transpose_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha, a,
	            (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

void gemm_start(void)
{
	/* Products of several threads differ from those of one in the last bits. */
	openblas_set_num_threads(1);
}

void gemm_describe(char *text, size_t size)
{
	snprintf(text, size, "%s, %s kernels", openblas_get_config(), openblas_get_corename());
}
