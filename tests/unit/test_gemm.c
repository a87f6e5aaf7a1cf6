/* Products against the naive triple loop: all shapes of edges, transposes, distances between rows,
 * precisions, packed and not, on the CPU path in use.  tests/run.sh runs this once for each path. */
#include "base/cpu.h"
#include "base/random.h"
#include "math/gemm.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { PAD = 5 };

typedef struct {
	size_t m, n, k;
	Operand a, b;
	float *a_data, *b_data, *c, *expected;
	size_t ldc;
} Case;

static float *numbers(size_t count, uint64_t key)
{
	Error e = {0};
	float *x = memory_new(count, sizeof *x, &e);
	assert_non_null(x);
	for (size_t i = 0; i < count; i++)
		x[i] =
		    (float)(random_bits(key, i) % 33) / 8 - 2; /* exact in bf16, as are their sums in F32 */
	return x;
}

static Case case_new(size_t m, size_t n, size_t k, bool ta, bool tb)
{
	Case x = {.m = m, .n = n, .k = k, .ldc = n + PAD};
	size_t lda = (ta ? m : k) + PAD, ldb = (tb ? k : n) + PAD;
	x.a_data = numbers((ta ? k : m) * lda + 1, 1);
	x.b_data = numbers((tb ? n : k) * ldb + 1, 2);
	x.c = numbers(m * x.ldc + 1, 3);
	x.expected = numbers(m * x.ldc + 1, 3);
	x.a = (Operand){x.a_data, lda, ta};
	x.b = (Operand){x.b_data, ldb, tb};
	return x;
}

static void case_free(Case *x)
{
	memory_free(x->a_data);
	memory_free(x->b_data);
	memory_free(x->c);
	memory_free(x->expected);
}

static float at(Operand x, size_t row, size_t column)
{
	return x.transposed ? x.data[column * x.stride + row] : x.data[row * x.stride + column];
}

static void naive(const Case *x, bool add, size_t k0, size_t n0, size_t k, size_t n)
{
	for (size_t i = 0; i < x->m; i++)
		for (size_t j = 0; j < n; j++) {
			float sum = 0;
			for (size_t l = 0; l < k; l++)
				sum += at(x->a, i, l) * at(x->b, k0 + l, n0 + j);
			x->expected[i * x->ldc + j] = sum + (add ? x->expected[i * x->ldc + j] : 0);
		}
}

static void compare(const Case *x, const char *what)
{
	if (memcmp(x->c, x->expected, x->m * x->ldc * sizeof *x->c) == 0)
		return;
	for (size_t i = 0; i < x->m * x->ldc; i++)
		if (x->c[i] != x->expected[i])
			fail_msg("%s, %s: %zu × %zu × %zu%s%s: [%zu][%zu] is %g, not %g",
			         cpu_path_name(cpu_path()), what, x->m, x->n, x->k,
			         x->a.transposed ? " A'" : "", x->b.transposed ? " B'" : "", i / x->ldc,
			         i % x->ldc, (double)x->c[i], (double)x->expected[i]);
}

static void pack(PackedOperand *p, GemmPrecision precision, Arena *arena)
{
	Error e = {0};
	size_t tasks;
	assert_true(packed_begin(p, precision, arena, &tasks, &e));
	for (size_t i = tasks; i > 0; i--)
		packed_fill(p, i - 1);
}

static void check(size_t m, size_t n, size_t k, bool ta, bool tb)
{
	for (GemmPrecision precision = GEMM_F32; precision <= GEMM_BF16; precision++) {
		Case x = case_new(m, n, k, ta, tb);
		PackedOperand packed = {.k = k, .n = n, .source = x.b};
		Arena arena = {0};
		gemm(precision, m, n, k, x.a, x.b, false, x.c, x.ldc);
		naive(&x, false, 0, 0, k, n);
		compare(&x, precision ? "bf16" : "F32");
		gemm_packed(precision, m, x.a, packed_whole(&packed), true, x.c, x.ldc);
		pack(&packed, precision, &arena);
		gemm_packed(precision, m, x.a, packed_whole(&packed), true, x.c, x.ldc);
		naive(&x, true, 0, 0, k, n);
		naive(&x, true, 0, 0, k, n);
		compare(&x, "packed");
		arena_free(&arena);
		case_free(&x);
	}
}

static void test_shapes(void **state)
{
	(void)state;
	static const size_t m[] = {1, 5, 12, 13, 31, 32, 33, 47, 193}, n[] = {1, 15, 16, 17, 32, 33, 70},
	                    k[] = {1, 2, 31, 32, 33, 65};
	for (size_t i = 0; i < sizeof m / sizeof *m; i++)
		for (size_t j = 0; j < sizeof n / sizeof *n; j++)
			for (size_t l = 0; l < sizeof k / sizeof *k; l++)
				for (int form = 0; form < 4; form++)
					check(m[i], n[j], k[l], form & 1, form & 2);
	for (int form = 0; form < 4; form++)
		check(70, 65, 1100, form & 1, form & 2); /* several blocks of depth */
	for (int form = 0; form < 4; form++)
		check(295, 263, 550, form & 1, form & 2); /* many rows and columns are laid out */
	check(295, 263, 1024 - PAD, false, true);         /* rows that crowd in a cache */
	for (size_t rows = 257; rows <= 289; rows += 16)
		check(rows, 33, 1024, false,
		      true); /* whole blocks of rows and of depth, and what is beyond */
	check(3, 0, 5, false, true);
	check(3, 5, 0, false, true);
}

static void test_parts(void **state)
{
	(void)state;
	enum { M = 40, N = 150, K = 700, K0 = 96, N0 = 64 };
	for (GemmPrecision precision = GEMM_F32; precision <= GEMM_BF16; precision++)
		for (int form = 0; form < 4; form++) {
			Case x = case_new(M, N, K, form & 1, form & 2);
			PackedOperand packed = {.k = K, .n = N, .source = x.b};
			Arena arena = {0};
			size_t k = form & 1 ? K - K0 : 64, n = form & 2 ? N - N0 : 32;
			pack(&packed, precision, &arena);
			gemm_packed(precision, M, x.a, (PackedPart){&packed, K0, N0, k, n}, false, x.c,
			            x.ldc);
			naive(&x, false, K0, N0, k, n);
			compare(&x, "part");
			arena_free(&arena);
			case_free(&x);
		}
}

static void test_nothing(void **state)
{
	(void)state;
	float c[2] = {1, 2}, none[1] = {0};
	gemm(GEMM_BF16, 1, 2, 0, (Operand){none, 1, false}, (Operand){none, 2, false}, true, c, 2);
	assert_true(c[0] == 1 && c[1] == 2);
	gemm(GEMM_F32, 1, 2, 0, (Operand){none, 1, false}, (Operand){none, 2, false}, false, c, 2);
	assert_true(c[0] == 0 && c[1] == 0);
}

/* However operands are laid out, the same sums in the same order: columns of C alone, and among others. */
static void test_layouts(void **state)
{
	(void)state;
	enum { M = 110, N = 263, K = 1024 - PAD, ALONE = 32 };
	for (int form = 0; form < 4 && cpu_path() >= CPU_AVX512; form++) {
		Case x = case_new(M, N, K, form & 1, form & 2);
		for (size_t i = 0; i < (size_t)M * K; i++)
			x.a_data[i] /= 3;
		gemm(GEMM_F32, M, N, K, x.a, x.b, true, x.c, x.ldc);
		gemm(GEMM_F32, M, ALONE, K, x.a, x.b, true, x.expected, x.ldc);
		for (size_t i = 0; i < M; i++)
			assert_memory_equal(x.c + i * x.ldc, x.expected + i * x.ldc, ALONE * sizeof *x.c);
		case_free(&x);
	}
}

/* What rounding to 8 bits of mantissa may cost, and no more. */
static void test_rounding(void **state)
{
	(void)state;
	enum { K = 640 };
	float a[K], b[K], c = 0;
	double exact = 0, size = 0;
	for (size_t i = 0; i < K; i++) {
		a[i] = (float)random_bits(4, i) / 1e19f - 0.9f;
		b[i] = (float)random_bits(5, i) / 1e19f - 0.9f;
		exact += (double)a[i] * (double)b[i];
		size += fabs((double)a[i] * (double)b[i]);
	}
	gemm(GEMM_F32, 1, 1, K, (Operand){a, K, false}, (Operand){b, 1, false}, false, &c, 1);
	assert_true(fabs((double)c - exact) < 1e-6 * size);
	gemm(GEMM_BF16, 1, 1, K, (Operand){a, K, false}, (Operand){b, 1, false}, false, &c, 1);
	assert_true(fabs((double)c - exact) < (cpu_has_bf16() ? 1.0 / 128 : 1e-6) * size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shapes),  cmocka_unit_test(test_parts),    cmocka_unit_test(test_layouts),
	    cmocka_unit_test(test_nothing), cmocka_unit_test(test_rounding),
	};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
