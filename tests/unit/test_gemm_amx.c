/* The tile kernel on any machine: its source, with the tile instructions written out as what the
 * manual says they do (Intel SDM, volume 2: LDTILECFG, TILELOADD, TDPBF16PS, TILESTORED). */
#include "math/gemm_kernels.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#if defined __x86_64__
#include <immintrin.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };
static struct {
	bool configured;
	union {
		uint8_t bytes[ROWS][ROW_BYTES];
		uint16_t halves[ROWS][ROW_BYTES / 2];
		float sums[ROWS][ROW_BYTES / 4];
	} tile[TILES];
} machine;

static void emulated_config(const void *memory)
{
	const uint8_t *bytes = memory;
	const uint16_t *row_bytes = (const uint16_t *)(const void *)(bytes + 16);
	assert_int_equal(bytes[0], 1); /* palette */
	for (size_t i = 0; i < TILES; i++) {
		assert_int_equal(row_bytes[i], ROW_BYTES);
		assert_int_equal(bytes[48 + i], ROWS);
	}
	for (size_t i = 1; i < 64; i++) /* reserved bytes that are set are a fault */
		assert_true(bytes[i] == 0 || (i >= 16 && i < 16 + 2 * TILES) || (i >= 48 && i < 48 + TILES));
	memset(&machine, 0xff, sizeof machine);
	machine.configured = true;
}

static void emulated_release(void)
{
	machine.configured = false;
}

static void emulated_zero(size_t t)
{
	assert_true(machine.configured);
	memset(&machine.tile[t], 0, sizeof machine.tile[t]);
}

static void emulated_load(size_t t, const void *memory, size_t stride)
{
	assert_true(machine.configured);
	for (size_t r = 0; r < ROWS; r++)
		memcpy(machine.tile[t].bytes[r], (const uint8_t *)memory + r * stride, ROW_BYTES);
}

static void emulated_store(size_t t, void *memory, size_t stride)
{
	assert_true(machine.configured);
	for (size_t r = 0; r < ROWS; r++)
		memcpy((uint8_t *)memory + r * stride, machine.tile[t].bytes[r], ROW_BYTES);
}

static float widen(uint16_t half)
{
	uint32_t bits = (uint32_t)half << 16;
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

static void emulated_multiply(size_t c, size_t a, size_t b)
{
	assert_true(machine.configured);
	for (size_t m = 0; m < ROWS; m++)
		for (size_t k = 0; k < ROWS; k++)
			for (size_t n = 0; n < ROWS; n++)
				for (size_t half = 0; half < 2; half++)
					machine.tile[c].sums[m][n] +=
					    widen(machine.tile[a].halves[m][2 * k + half]) *
					    widen(machine.tile[b].halves[k][2 * n + half]);
}

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig emulated_config
#define _tile_release    emulated_release
#define _tile_zero       emulated_zero
#define _tile_loadd      emulated_load
#define _tile_stored     emulated_store
#define _tile_dpbf16ps   emulated_multiply
#define tiles_begin      emulated_tiles_begin
#define tiles_end        emulated_tiles_end
#define panel_bf16_amx   emulated_panel
void tiles_begin(void);
void tiles_end(void);
PanelKernel panel_bf16_amx;
#include "../../lib/math/gemm_amx.c"

static uint16_t small_number(size_t i)
{
	float x = (float)(i * 2654435761u >> 7 & 15) - 7; /* exact in bf16, as are the sums */
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return (uint16_t)(bits >> 16);
}

/* A panel of n columns, and m rows of depth k, all filled up to 32 as the packing does. */
static void check(size_t m, size_t n, size_t k, bool add)
{
	enum { M = 96, K = 96, LDC = PANEL + 3 };
	static Bf16 a[M * K], b[K * PANEL];
	static float c[M * LDC], expected[M * LDC];
	memset(a, 0, sizeof a);
	memset(b, 0, sizeof b);
	for (size_t i = 0; i < M * LDC; i++)
		c[i] = expected[i] = (float)i;
	for (size_t i = 0; i < m; i++)
		for (size_t l = 0; l < k; l++)
			a[i * K + l] = small_number(i * K + l);
	for (size_t l = 0; l < k; l++)
		for (size_t j = 0; j < n; j++)
			b[l / 2 * 2 * PANEL + 2 * j + l % 2] = small_number(7919 + l * n + j);
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++) {
			float sum = add ? expected[i * LDC + j] : 0;
			for (size_t l = 0; l < k; l++)
				sum += widen(a[i * K + l]) * widen(small_number(7919 + l * n + j));
			expected[i * LDC + j] = sum;
		}
	tiles_begin();
	panel_bf16_amx(&(PanelProduct){m, n, k, a, GROUP * K, K, 1, b, 2 * PANEL, c, LDC, add});
	tiles_end();
	assert_memory_equal(c, expected, sizeof c); /* nothing beyond m × n is touched */
}

static void test_panels(void **state)
{
	(void)state;
	static const size_t m[] = {1, 15, 32, 33, 64, 95}, n[] = {1, 16, 17, 32}, k[] = {1, 31, 32, 33, 96};
	for (size_t i = 0; i < sizeof m / sizeof *m; i++)
		for (size_t j = 0; j < sizeof n / sizeof *n; j++)
			for (size_t l = 0; l < sizeof k / sizeof *k; l++) {
				check(m[i], n[j], k[l], false);
				check(m[i], n[j], k[l], true);
			}
}

/* A row's sums are the same bits at an edge and in a whole block. */
static void test_order(void **state)
{
	(void)state;
	enum { K = 96 };
	static Bf16 a[32 * K], b[K * PANEL];
	float whole[32 * PANEL], edge[32 * PANEL];
	for (size_t i = 0; i < 32 * K; i++)
		a[i] = b[i] =
		    (Bf16)(0x3f80 + i * 2654435761u % 128); /* 1 … 2, in steps that do not add up evenly */
	for (size_t i = 0; i < 32 * PANEL; i++)
		whole[i] = edge[i] = (float)i / 7;
	tiles_begin();
	panel_bf16_amx(&(PanelProduct){32, PANEL, K, a, GROUP * K, K, 1, b, 2 * PANEL, whole, PANEL, true});
	panel_bf16_amx(&(PanelProduct){5, PANEL, K, a, GROUP * K, K, 1, b, 2 * PANEL, edge, PANEL, true});
	tiles_end();
	assert_memory_equal(whole, edge, 5 * PANEL * sizeof *whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_panels), cmocka_unit_test(test_order)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
static void test_no_tiles(void **state)
{
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_tiles)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
