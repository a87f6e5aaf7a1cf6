/* Panels of products in tiles: 32 × 32 of C at a time, four tiles of 16 × 16 sums, fed by
 * two tiles of A (16 rows × 32 numbers) and two of B (16 pairs of rows × 16 columns). */
#include "math/gemm_kernels.h"

#include <immintrin.h>

typedef struct {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
} TileConfig;

/* A constant, not filled in on the spot: gcc 12's _tile_loadconfig() says that it reads 8 bytes, and the
 * compiler would leave the others out. */
static const TileConfig all_whole = {
    .palette = 1,
    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
};

void tiles_begin(void)
{
	_tile_loadconfig(&all_whole);
}

void tiles_end(void)
{
	_tile_release();
}

/* Sums in tiles 0 … 3 of 32 rows from `first`; zeroed, or what c has. */
static void block(const PanelProduct *p, size_t first, float *c, size_t ldc, bool add)
{
	const Bf16 *a = (const Bf16 *)p->a + first * p->a_row, *b = p->b;
	__asm__ volatile("" : : : "memory"); /* gcc 12's tile loads do not say that they read memory */
	size_t c_bytes = ldc * sizeof *c, a_bytes = p->a_row * sizeof *a, b_bytes = p->b_row * sizeof *b;
	if (add) {
		_tile_loadd(0, c, c_bytes);
		_tile_loadd(1, c + 16, c_bytes);
		_tile_loadd(2, c + 16 * ldc, c_bytes);
		_tile_loadd(3, c + 16 * ldc + 16, c_bytes);
	} else {
		_tile_zero(0);
		_tile_zero(1);
		_tile_zero(2);
		_tile_zero(3);
	}
	for (size_t k = 0; k < p->k; k += DEPTH_UNIT, a += DEPTH_UNIT, b += DEPTH_UNIT / 2 * p->b_row) {
		_tile_loadd(4, a, a_bytes);
		_tile_loadd(6, b, b_bytes);
		_tile_dpbf16ps(0, 4, 6);
		_tile_loadd(7, b + 32, b_bytes);
		_tile_dpbf16ps(1, 4, 7);
		_tile_loadd(5, a + 16 * p->a_row, a_bytes);
		_tile_dpbf16ps(2, 5, 6);
		_tile_dpbf16ps(3, 5, 7);
	}
	_tile_stored(0, c, c_bytes);
	_tile_stored(1, c + 16, c_bytes);
	_tile_stored(2, c + 16 * ldc, c_bytes);
	_tile_stored(3, c + 16 * ldc + 16, c_bytes);
	__asm__ volatile("" : : : "memory");
}

/* At the edges of C the block goes by way of a scratch, in the same order of sums. */
static void edge(const PanelProduct *p, size_t first)
{
	float sums[32 * PANEL] = {0};
	size_t rows = p->m - first < 32 ? p->m - first : 32;
	for (size_t r = 0; r < rows && p->add; r++)
		for (size_t i = 0; i < p->n; i++)
			sums[r * PANEL + i] = p->c[(first + r) * p->ldc + i];
	block(p, first, sums, PANEL, p->add);
	for (size_t r = 0; r < rows; r++)
		for (size_t i = 0; i < p->n; i++)
			p->c[(first + r) * p->ldc + i] = sums[r * PANEL + i];
}

void panel_bf16_amx(const PanelProduct *p)
{
	for (size_t first = 0; first < p->m; first += 32)
		if (p->n == PANEL && first + 32 <= p->m)
			block(p, first, p->c + first * p->ldc, p->ldc, p->add);
		else
			edge(p, first);
}
