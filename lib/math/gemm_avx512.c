/* Panels of products in vector registers: 12 rows × 32 columns of C at a time, 24 sums
 * of 16 floats, each fed by one load of B and one number (or pair) of A spread over a register. */
#include "math/gemm_kernels.h"

#include <immintrin.h>
#include <string.h>

static inline __mmask16 first_lanes(size_t count)
{
	return (__mmask16)(count >= 16 ? 0xffffu : (1u << count) - 1);
}

static inline __attribute__((always_inline)) void store(const PanelProduct *p, float *c, size_t half,
                                                        __m512 sum)
{
	__mmask16 mask = first_lanes(p->n > half ? p->n - half : 0);
	if (p->add)
		sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, c + half));
	_mm512_mask_storeu_ps(c + half, mask, sum);
}

/* The address of what row r has for this step of depth: one of four pointers, and a step or two, which
 * is what an x86 address can hold; with a pointer a row there would be no registers left. */
static inline __attribute__((always_inline)) const void *of_row(const char *const at[4], size_t row_bytes,
                                                                size_t r)
{
	return at[r / 3] + r % 3 * row_bytes;
}

static inline __attribute__((always_inline)) void start_rows(const PanelProduct *p, size_t first, size_t size,
                                                             const char *at[4], size_t *row_bytes)
{
	*row_bytes = p->a_row * size;
	for (size_t i = 0; i < 4; i++)
		at[i] = (const char *)p->a + first / GROUP * p->a_group * size + 3 * i * *row_bytes;
}

static inline __attribute__((always_inline)) void store_rows(const PanelProduct *p, size_t first, size_t rows,
                                                             __m512 sum[GROUP][2])
{
#pragma GCC unroll 12
	for (size_t r = 0; r < rows; r++) {
		store(p, p->c + (first + r) * p->ldc, 0, sum[r][0]);
		store(p, p->c + (first + r) * p->ldc, 16, sum[r][1]);
	}
}

/* Each group of rows asks for its share of the next panel, some lines at every FETCH_STEP bytes of its own. A
 * group alone reads on from panel to panel, which the CPU foresees by itself. */
enum { FETCH_STEP = 512 };
typedef struct {
	uintptr_t next; /* it may be behind the panels, where nothing is read */
	size_t lines;
} Fetch;

static inline Fetch fetch_of(const PanelProduct *p, size_t first, size_t row_bytes)
{
	size_t groups = (p->m + GROUP - 1) / GROUP, lines = (FETCH_STEP / LINE + groups - 1) / groups;
	size_t steps = (p->k * row_bytes + FETCH_STEP - 1) / FETCH_STEP, before = first / GROUP * lines;
	if (p->next == NULL || groups == 1 || before >= FETCH_STEP / LINE)
		return (Fetch){0};
	return (Fetch){(uintptr_t)p->next + steps * before * LINE, lines};
}

static inline __attribute__((always_inline)) void fetch(Fetch *f)
{
	for (size_t i = 0; i < f->lines; i++, f->next += LINE)
		_mm_prefetch((const char *)f->next, _MM_HINT_T1);
}

/* Where the sums go comes from memory while they are made, row by row. */
typedef struct {
	uintptr_t row; /* it may be behind the last, where nothing is asked for */
	size_t left;
} FetchRows;

static inline __attribute__((always_inline)) void fetch_row(FetchRows *f, const PanelProduct *p)
{
	if (f->left == 0)
		return;
	__builtin_prefetch((const void *)f->row, 1);
	__builtin_prefetch((const void *)(f->row + (p->n - 1) * sizeof(float)), 1);
	f->row += p->ldc * sizeof(float);
	f->left--;
}

/* `rows` is a constant where it is called, so that the sums stay in registers. */
static inline __attribute__((always_inline)) void rows_f32(const PanelProduct *p, size_t first, size_t rows)
{
	const float *b = p->b;
	const char *at[4];
	size_t row_bytes, step = p->a_column * sizeof(float);
	__m512 sum[GROUP][2];
	start_rows(p, first, sizeof(float), at, &row_bytes);
	FetchRows sums = {(uintptr_t)(p->c + first * p->ldc), rows};
#pragma GCC unroll 12
	for (size_t r = 0; r < rows; r++)
		sum[r][0] = sum[r][1] = _mm512_setzero_ps();
	Fetch next = fetch_of(p, first, PANEL * sizeof(float));
	for (size_t k = 0; k < p->k; k++, b += p->b_row) {
		if (k % (FETCH_STEP / (PANEL * sizeof(float))) == 0) {
			fetch(&next);
			fetch_row(&sums, p);
		}
		__m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 16);
#pragma GCC unroll 12
		for (size_t r = 0; r < rows; r++) {
			__m512 x = _mm512_set1_ps(*(const float *)of_row(at, row_bytes, r));
			sum[r][0] = _mm512_fmadd_ps(x, b0, sum[r][0]);
			sum[r][1] = _mm512_fmadd_ps(x, b1, sum[r][1]);
		}
#pragma GCC unroll 4
		for (size_t i = 0; i < 4; i++)
			at[i] += step;
	}
	store_rows(p, first, rows, sum);
}

static inline __attribute__((always_inline)) void rows_bf16(const PanelProduct *p, size_t first, size_t rows)
{
	const Bf16 *b = p->b;
	const char *at[4];
	size_t row_bytes;
	__m512 sum[GROUP][2];
	start_rows(p, first, sizeof(Bf16), at, &row_bytes);
#pragma GCC unroll 12
	for (size_t r = 0; r < rows; r++)
		sum[r][0] = sum[r][1] = _mm512_setzero_ps();
	Fetch next = fetch_of(p, first, PANEL * sizeof(Bf16));
	for (size_t k = 0; k < p->k; k += 2, b += p->b_row) {
		if (k % (FETCH_STEP / (PANEL * sizeof(Bf16))) == 0)
			fetch(&next);
		__m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 32);
#pragma GCC unroll 12
		for (size_t r = 0; r < rows; r++) {
			int32_t pair;
			memcpy(&pair, of_row(at, row_bytes, r), sizeof pair);
			__m512bh x = (__m512bh)_mm512_set1_epi32(pair);
			sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, b0);
			sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, b1);
		}
#pragma GCC unroll 4
		for (size_t i = 0; i < 4; i++)
			at[i] += 2 * sizeof(Bf16);
	}
	store_rows(p, first, rows, sum);
}

#define CASE(rows_of, count)                                                                                 \
	case count:                                                                                          \
		rows_of(p, first, count);                                                                    \
		break;
#define PANEL_KERNEL(name, rows_of)                                                                          \
	void name(const PanelProduct *p)                                                                     \
	{                                                                                                    \
		size_t first = 0;                                                                            \
		for (; first + GROUP <= p->m; first += GROUP)                                                \
			rows_of(p, first, GROUP);                                                            \
		switch (p->m - first) {                                                                      \
			CASE(rows_of, 1)                                                                     \
			CASE(rows_of, 2)                                                                     \
			CASE(rows_of, 3)                                                                     \
			CASE(rows_of, 4)                                                                     \
			CASE(rows_of, 5)                                                                     \
			CASE(rows_of, 6)                                                                     \
			CASE(rows_of, 7)                                                                     \
			CASE(rows_of, 8)                                                                     \
			CASE(rows_of, 9)                                                                     \
			CASE(rows_of, 10)                                                                    \
			CASE(rows_of, 11)                                                                    \
		default:                                                                                     \
			break;                                                                               \
		}                                                                                            \
	}

PANEL_KERNEL(panel_f32_avx512, rows_f32)
PANEL_KERNEL(panel_bf16_avx512, rows_bf16)

/* out[i] lane j = in[j] lane i, of 32 bits each. */
static void transpose(const __m512i in[16], __m512i out[16])
{
	__m512i a[16], b[16];
	for (size_t i = 0; i < 16; i += 2) {
		a[i] = _mm512_unpacklo_epi32(in[i], in[i + 1]);
		a[i + 1] = _mm512_unpackhi_epi32(in[i], in[i + 1]);
	}
	for (size_t i = 0; i < 16; i += 4)
		for (size_t k = 0; k < 2; k++) {
			b[i + 2 * k] = _mm512_unpacklo_epi64(a[i + k], a[i + k + 2]);
			b[i + 2 * k + 1] = _mm512_unpackhi_epi64(a[i + k], a[i + k + 2]);
		}
	/* b[4g + c] has columns c, c + 4, c + 8, c + 12 of rows 4g … 4g + 3, 128 bits each. */
	for (size_t c = 0; c < 4; c++) {
		__m512i low0 = _mm512_shuffle_i32x4(b[c], b[4 + c], 0x88),
		        low1 = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], 0x88),
		        high0 = _mm512_shuffle_i32x4(b[c], b[4 + c], 0xdd),
		        high1 = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], 0xdd);
		out[c] = _mm512_shuffle_i32x4(low0, low1, 0x88);
		out[8 + c] = _mm512_shuffle_i32x4(low0, low1, 0xdd);
		out[4 + c] = _mm512_shuffle_i32x4(high0, high1, 0x88);
		out[12 + c] = _mm512_shuffle_i32x4(high0, high1, 0xdd);
	}
}

static __m512 load(const float *x, size_t count)
{
	return count ? _mm512_maskz_loadu_ps(first_lanes(count), x) : _mm512_setzero_ps();
}

static size_t beyond(size_t all, size_t done)
{
	return all > done ? all - done : 0;
}

/* 32 numbers of a row, rounded: 16 pairs. */
static __m512i pairs_of_row(const float *x, size_t count)
{
	__m512 low = load(x, count), high = load(x + 16, beyond(count, 16));
	return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* 16 numbers of two rows each, rounded and interleaved: 16 pairs. */
static __m512i pairs_of_rows(const float *x, const float *next, size_t count)
{
	__m512i first = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(load(x, count)));
	if (next == NULL)
		return first;
	__m512i second = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(load(next, count)));
	return _mm512_or_si512(first, _mm512_slli_epi32(second, 16));
}

/* Depth pairs [k, k + 32) of 16 rows or columns, transposed to out[16 pairs][16]. */
static void depth_pairs(const float *x, size_t stride, size_t count, size_t depth, __m512i out[16])
{
	__m512i in[16];
	for (size_t i = 0; i < 16; i++)
		in[i] = i < count ? pairs_of_row(x + i * stride, depth) : _mm512_setzero_si512();
	transpose(in, out);
}

void pack_panel_f32(Operand b, size_t k0, size_t k, size_t n0, size_t n, float *panel)
{
	if (!b.transposed) {
		const float *x = b.data + k0 * b.stride + n0;
		for (size_t i = 0; i < k; i++, x += b.stride)
			for (size_t half = 0; half < PANEL; half += 16)
				_mm512_storeu_ps(panel + i * PANEL + half, load(x + half, beyond(n, half)));
		return;
	}
	for (size_t half = 0; half < PANEL; half += 16)
		for (size_t i = 0; i < k; i += 16) {
			__m512i in[16], out[16];
			for (size_t j = 0; j < 16; j++)
				in[j] =
				    half + j < n
				        ? (__m512i)load(b.data + (n0 + half + j) * b.stride + k0 + i, k - i)
				        : _mm512_setzero_si512();
			transpose(in, out);
			for (size_t j = 0; j < 16 && i + j < k; j++)
				_mm512_storeu_si512(panel + (i + j) * PANEL + half, out[j]);
		}
}

void pack_panel_bf16(Operand b, size_t k0, size_t k, size_t n0, size_t n, Bf16 *panel)
{
	size_t filled = (k + DEPTH_UNIT - 1) / DEPTH_UNIT * DEPTH_UNIT;
	if (!b.transposed) {
		for (size_t i = 0; i < filled; i += 2)
			for (size_t half = 0; half < PANEL; half += 16) {
				const float *x = b.data + (k0 + i) * b.stride + n0 + half;
				_mm512_storeu_si512(
				    panel + i * PANEL + 2 * half,
				    i < k ? pairs_of_rows(x, i + 1 < k ? x + b.stride : NULL, beyond(n, half))
				          : _mm512_setzero_si512());
			}
		return;
	}
	for (size_t half = 0; half < PANEL; half += 16)
		for (size_t i = 0; i < k; i += DEPTH_UNIT) {
			__m512i out[16];
			depth_pairs(b.data + (n0 + half) * b.stride + k0 + i, b.stride, beyond(n, half),
			            k - i, out);
			for (size_t j = 0; j < 16; j++)
				_mm512_storeu_si512(panel + (i + 2 * j) * PANEL + 2 * half, out[j]);
		}
}

void pack_rows_bf16(Operand a, size_t m0, size_t m, size_t filled, size_t k0, size_t k, Bf16 *rows,
                    size_t stride)
{
	if (!a.transposed) {
		for (size_t r = 0; r < filled; r++)
			for (size_t i = 0; i < k; i += DEPTH_UNIT)
				_mm512_storeu_si512(
				    rows + r * stride + i,
				    r < m ? pairs_of_row(a.data + (m0 + r) * a.stride + k0 + i, k - i)
				          : _mm512_setzero_si512());
		return;
	}
	for (size_t r = 0; r < filled; r += 16)
		for (size_t i = 0; i < k; i += DEPTH_UNIT) {
			__m512i in[16], out[16];
			for (size_t j = 0; j < 16; j++) {
				size_t left = beyond(k, i + 2 * j);
				const float *x = a.data + (k0 + i + 2 * j) * a.stride + m0 + r;
				in[j] = left ? pairs_of_rows(x, left > 1 ? x + a.stride : NULL, beyond(m, r))
				             : _mm512_setzero_si512();
			}
			transpose(in, out);
			for (size_t j = 0; j < 16; j++)
				_mm512_storeu_si512(rows + (r + j) * stride + i, out[j]);
		}
}
