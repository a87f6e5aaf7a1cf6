/* Matrices as files have them: the types of numbers against llama.cpp's (tests/models/blocks.txt), exact
 * and quick products against naive ones. */
#include "base/cpu.h"
#include "base/half.h"
#include "base/random.h"
#include "math/stored.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static size_t from_hex(const char *text, uint8_t *out)
{
	size_t count = 0;
	unsigned byte;
	for (; sscanf(text, "%2x", &byte) == 1; text += 2)
		out[count++] = (uint8_t)byte;
	return count;
}

static void test_types(void **state)
{
	(void)state;
	static char bytes[1024], values[4096];
	unsigned number, blocks = 0;
	FILE *file = fopen("tests/models/blocks.txt", "r");
	assert_non_null(file); /* to be run where tests/ is */
	while (fscanf(file, "%u %1023s %4095s", &number, bytes, values) == 3) {
		uint8_t block[512];
		float expected[256], got[256];
		const QuantType *type = quant_type(number);
		assert_non_null(type);
		assert_int_equal(from_hex(bytes, block), type->bytes);
		assert_int_equal(from_hex(values, (uint8_t *)expected), type->elements * sizeof(float));
		quant_expand(type, block, 1, got);
		for (size_t i = 0; i < type->elements; i++)
			if (!(fabsf(got[i] - expected[i]) <= 1e-6f * fabsf(expected[i])))
				fail_msg("%s[%zu]: %g, not %g", type->name, i, (double)got[i],
				         (double)expected[i]);
		blocks++;
	}
	assert_int_equal(fclose(file), 0);
	assert_int_equal(blocks, 17);
}

static const uint32_t types[] = {0, 1, 30, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20};
enum {
	TYPES = sizeof types / sizeof *types,
	N = 85,
	K = 512,
	M = 33,
	COLUMNS = 96,
	PART = STORED_UNIT,
	WIDEST = 2049
};

static float x[M * K];

/* Random numbers: bytes for integers, with scales of about 0.01. */
static void make(StoredMatrix *w, uint32_t number, size_t n, size_t k, uint64_t seed)
{
	static const size_t scales[][3] = {{2, 1, 0},  {3, 2, 0},    {6, 1, 0},    {7, 2, 0},
	                                   {8, 1, 0},  {10, 2, 80},  {11, 1, 108}, {12, 2, 0},
	                                   {13, 2, 0}, {14, 1, 208}, {20, 1, 0}};
	const QuantType *type = quant_type(number);
	size_t blocks = n * (k / type->elements), bytes = blocks * type->bytes;
	uint8_t *data = malloc(bytes);
	assert_non_null(data);
	Random r = {seed, 0};
	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)random_below(&r, 256);
	for (size_t i = 0; i < blocks; i++) {
		uint8_t *block = data + i * type->bytes;
		if (number == 0) {
			float value = (float)random_normal(&r);
			memcpy(block, &value, sizeof value);
		} else if (type->unpack == NULL) {
			uint16_t half = (uint16_t)((number == 1 ? 0x2800 : 0x3c00) | random_below(&r, 1024) |
			                           random_below(&r, 2) << 15);
			memcpy(block, &half, 2);
		}
		for (size_t t = 0; type->unpack != NULL && t < sizeof scales / sizeof *scales; t++)
			for (size_t c = 0; scales[t][0] == number && c < scales[t][1]; c++) {
				uint16_t half = (uint16_t)(0x2000 | random_below(&r, 1024));
				memcpy(block + scales[t][2] + 2 * c, &half, 2);
			}
	}
	*w = (StoredMatrix){.n = n, .k = k, .type = type, .data = data};
}

static void lay_out(StoredMatrix *w, GemmPrecision f32, Arena *arena)
{
	Error e = {0};
	size_t tasks;
	assert_true(stored_begin(w, f32, arena, &tasks, &e));
	for (size_t i = tasks; i > 0; i--)
		stored_fill(w, i - 1);
}

static void ready(StoredRows *rows, size_t m, size_t k, Arena *arena)
{
	Error e = {0};
	assert_true(stored_rows(rows, x, m, k, true, arena, &e));
	stored_round(rows, 0, m);
}

static int fill(void **state)
{
	(void)state;
	Random r = {5, 0};
	for (size_t i = 0; i < sizeof x / sizeof *x; i++)
		x[i] = (float)random_normal(&r);
	memset(x + K, 0, 32 * sizeof *x); /* a group of nothing */
	return 0;
}

/* A factor of products in bf16, or of others. */
static double factor(float number, bool bf16)
{
	return (double)(bf16 ? f32_from_bf16(bf16_from_f32(number)) : number);
}

/* Σ x w in double, and Σ |x w|. */
static double naive(const StoredMatrix *w, size_t row, const float *from, bool exact, double *size)
{
	static float values[WIDEST];
	double sum = 0;
	bool halves = w->type->bytes == 2 || (w->packed.laid_out && w->packed.precision == GEMM_BF16);
	bool bf16 = !exact && w->type->unpack == NULL && halves && cpu_has_bf16();
	stored_row(w, row, values);
	*size = 0;
	for (size_t i = 0; i < w->k; i++) {
		double product = factor(values[i], bf16) * factor(from[i], bf16);
		sum += product;
		*size += fabs(product);
	}
	return sum;
}

/* y [m, COLUMNS] is x Wᵀ, to `bound` of Σ |x w|. */
static void compare(const StoredMatrix *w, size_t m, bool exact, double bound, const float *y)
{
	for (size_t r = 0; r < m; r++)
		for (size_t n = 0; n < w->n; n++) {
			double size, expected = naive(w, n, x + r * w->k, exact, &size);
			if (!(fabs((double)y[r * COLUMNS + n] - expected) <= bound * size))
				fail_msg("%s[%zu, %zu] of %zu: %g, not %g (of %g)", w->type->name, r, n, w->k,
				         (double)y[r * COLUMNS + n], expected, size);
		}
}

static void check_products(uint32_t number, bool laid_out, bool exact, double bound)
{
	Arena arena = {0};
	StoredMatrix w;
	StoredRows rows;
	float y[M * COLUMNS];
	make(&w, number, N, K, number);
	if (laid_out)
		lay_out(&w, GEMM_F32, &arena);
	ready(&rows, M, K, &arena);
	stored_product(&w, &rows, exact, 0, N, y, COLUMNS);
	compare(&w, M, exact, bound, y);
	free((void *)(uintptr_t)w.data);
	arena_free(&arena);
}

/* Of quick products with integers x is rounded to 1/254 of the largest of each 32: an error of a sum is far
 * below 1 % of Σ |x w|.  With floats it is not above what F32 gives, of numbers that are rounded as they are.
 */
static void test_products(void **state)
{
	(void)state;
	for (size_t t = 0; t < TYPES; t++) {
		check_products(types[t], false, true, 1e-6);
		check_products(types[t], true, true, 1e-6);
		check_products(types[t], true, false, quant_type(types[t])->unpack ? 2e-3 : 1e-6);
	}
}

/* Each row by itself, columns in parts of which one is no whole tile. */
static void one_by_one(const StoredMatrix *w, const StoredRows *rows, float *y)
{
	for (size_t r = 0; r < rows->m; r++) {
		StoredRows one = *rows;
		one.m = 1;
		one.x += r * K;
		one.q += r * K;
		one.scale += r * (K / 32);
		one.sums += r * (K / 32) * 3;
		stored_product(w, &one, false, 0, PART, y + r * COLUMNS, COLUMNS);
		stored_product(w, &one, false, PART, N - PART, y + r * COLUMNS, COLUMNS);
	}
}

/* As many rows as kernels take, some more, and as many as it takes several calls for: the same bytes as each
 * row by itself, and the same in parts of columns. */
static void test_rows(void **state)
{
	(void)state;
	static const size_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 18, 24, M};
	for (size_t t = 0; t < TYPES; t++) {
		Arena arena = {0};
		StoredMatrix w;
		StoredRows rows;
		float alone[M * COLUMNS] = {0};
		make(&w, types[t], N, K, t);
		lay_out(&w, GEMM_F32, &arena);
		ready(&rows, M, K, &arena);
		one_by_one(&w, &rows, alone);
		for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
			float whole[M * COLUMNS] = {0}, parts[M * COLUMNS] = {0};
			rows.m = counts[i];
			stored_product(&w, &rows, false, 0, N, whole, COLUMNS);
			stored_product(&w, &rows, false, 0, PART, parts, COLUMNS);
			stored_product(&w, &rows, false, PART, N - PART, parts, COLUMNS);
			assert_memory_equal(whole, alone, rows.m * COLUMNS * sizeof(float));
			assert_memory_equal(parts, alone, rows.m * COLUMNS * sizeof(float));
		}
		free((void *)(uintptr_t)w.data);
		arena_free(&arena);
	}
}

/* Exact ones, too, do not depend on how columns are cut. */
static void test_exact_parts(void **state)
{
	(void)state;
	for (size_t t = 0; t < TYPES; t++) {
		Arena arena = {0};
		StoredMatrix w;
		StoredRows rows;
		float whole[M * COLUMNS] = {0}, parts[M * COLUMNS] = {0};
		make(&w, types[t], N, K, t);
		ready(&rows, M, K, &arena);
		stored_product(&w, &rows, true, 0, N, whole, COLUMNS);
		for (size_t first = 0; first < N; first += 32)
			stored_product(&w, &rows, true, first, N - first < 32 ? N - first : 32, parts,
			               COLUMNS);
		assert_memory_equal(whole, parts, sizeof whole);
		free((void *)(uintptr_t)w.data);
		arena_free(&arena);
	}
}

/* What is no number is not rounded to one. */
static void test_broken_rows(void **state)
{
	(void)state;
	static const float broken[] = {NAN, INFINITY, -INFINITY};
	for (size_t i = 0; i < 3; i++) {
		Arena arena = {0};
		StoredMatrix w;
		StoredRows rows;
		float y[2 * COLUMNS], old = x[K + 37];
		make(&w, 8, N, K, 1);
		lay_out(&w, GEMM_F32, &arena);
		x[K + 37] = broken[i];
		ready(&rows, 2, K, &arena);
		x[K + 37] = old;
		stored_product(&w, &rows, false, 0, N, y, COLUMNS);
		for (size_t n = 0; n < N; n++)
			assert_true(isfinite(y[n]) && isnan(y[COLUMNS + n]));
		free((void *)(uintptr_t)w.data);
		arena_free(&arena);
	}
}

/* Nor does what is next to nothing become something. */
static void test_tiny_rows(void **state)
{
	(void)state;
	Arena arena = {0};
	StoredMatrix w;
	StoredRows rows;
	float y[COLUMNS], tiny[K];
	for (size_t i = 0; i < K; i++)
		tiny[i] = i % 2 ? -1e-39f : 1e-38f;
	make(&w, 8, N, K, 1);
	lay_out(&w, GEMM_F32, &arena);
	assert_true(stored_rows(&rows, tiny, 1, K, true, &arena, &(Error){0}));
	stored_round(&rows, 0, 1);
	stored_product(&w, &rows, false, 0, N, y, COLUMNS);
	for (size_t n = 0; n < N; n++)
		assert_true(fabsf(y[n]) < 1e-30f);
	free((void *)(uintptr_t)w.data);
	arena_free(&arena);
}

static void check_width(uint32_t number, size_t k, GemmPrecision f32, bool exact)
{
	enum { ROWS = 8, WIDE = 37 };
	Arena arena = {0};
	StoredMatrix w;
	StoredRows rows;
	float y[ROWS * COLUMNS];
	make(&w, number, WIDE, k, k);
	lay_out(&w, f32, &arena);
	ready(&rows, ROWS, k, &arena);
	stored_product(&w, &rows, exact, 0, WIDE, y, COLUMNS);
	compare(&w, ROWS, exact, 1e-6, y);
	free((void *)(uintptr_t)w.data);
	arena_free(&arena);
}

/* Widths that are no multiple of 32, odd ones, and those that take several blocks: floats alone have them. */
static void test_widths(void **state)
{
	(void)state;
	static const size_t widths[] = {1, 20, 39, 1025, 2048, WIDEST};
	for (size_t t = 0; t < 3; t++)
		for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
			check_width(types[t], widths[i], GEMM_F32, false);
			check_width(types[t], widths[i], GEMM_F32, true);
			check_width(types[t], widths[i], GEMM_BF16, false);
			check_width(types[t], widths[i], GEMM_BF16, true);
		}
}

int main(void)
{
	gemm_start();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_types),       cmocka_unit_test(test_products),
	    cmocka_unit_test(test_rows),        cmocka_unit_test(test_exact_parts),
	    cmocka_unit_test(test_broken_rows), cmocka_unit_test(test_tiny_rows),
	    cmocka_unit_test(test_widths),
	};
	return cmocka_run_group_tests(tests, fill, NULL);
}
