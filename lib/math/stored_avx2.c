/* Quick products with AVX2: eight sums a vector, so a panel is two halves of eight rows; products of bytes by
 * pairs, which 16 bits hold as long as one factor has no more than six. */
#include "math/stored_kernels.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

enum { ROWS = 2 }; /* of x at a time: there are 16 registers */

static inline __attribute__((always_inline)) __m256i load(const uint8_t *p)
{
	return _mm256_loadu_si256((const void *)p);
}

/* Columns 4 j … 4 j + 3 of eight rows, as bytes below 64; of types of 8 bits their lower or upper four. */
static inline __attribute__((always_inline)) __m256i vector_of(const uint8_t *planes, StoredShape s, int j,
                                                               size_t half, bool upper)
{
	const __m256i four = _mm256_set1_epi8(15);
	if (s.bits == 8) {
		__m256i w = load(planes + 64 * j + 32 * half);
		return _mm256_and_si256(upper ? _mm256_srli_epi16(w, 4) : w, four);
	}
	__m256i both = load(planes + 64 * (j % 4) + 32 * half);
	__m256i w = _mm256_and_si256(j < 4 ? both : _mm256_srli_epi16(both, 4), four);
	if (s.codes != NULL) {
		__m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)s.codes));
		w = _mm256_shuffle_epi8(_mm256_xor_si256(table, _mm256_set1_epi8((char)0x80)), w);
		return _mm256_and_si256(upper ? _mm256_srli_epi16(w, 4) : w, four);
	}
	if (s.bits <= 4)
		return w;
	__m256i high = load(planes + 256 + 64 * (j / 4) + 32 * half);
	switch (j % 4) {
	case 0:
		high = _mm256_slli_epi16(high, 4);
		break;
	case 1:
		high = _mm256_slli_epi16(high, 2);
		break;
	case 2:
		break;
	default:
		high = _mm256_srli_epi16(high, 2);
	}
	return _mm256_or_si256(w, _mm256_and_si256(high, _mm256_set1_epi8(0x30)));
}

/* acc + scale · Σ of the four products of each row. */
static inline __attribute__((always_inline)) __m256i add_fours(__m256i acc, __m256i w, __m256i x, int scale)
{
	return _mm256_add_epi32(
	    acc, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16((short)scale)));
}

static inline __attribute__((always_inline)) __m256 halves(const uint8_t *p, size_t half)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p + 16 * half)));
}

/* Eight signed bytes. */
static inline __attribute__((always_inline)) __m256 bytes(const uint8_t *p, size_t half)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(p + 8 * half))));
}

/* A group of a chunk for half a panel and some rows of x from `first_row` on. */
static inline __attribute__((always_inline)) void add_group(const StoredPart *p, StoredShape s,
                                                            size_t first_row, size_t m, const uint8_t *planes,
                                                            int first, int count, size_t half, size_t chunk,
                                                            __m256 scale, __m256 minimum, __m256 *y)
{
	size_t chunks = p->k / CHUNK;
	bool wide = s.bits == 8 || s.codes != NULL;
	__m256i acc[ROWS];
#pragma GCC unroll 2
	for (size_t r = 0; r < m; r++)
		acc[r] = _mm256_setzero_si256();
#pragma GCC unroll 8
	for (int j = first; j < first + count; j++) {
		__m256i low = vector_of(planes, s, j, half, false),
		        high = wide ? vector_of(planes, s, j, half, true) : low;
#pragma GCC unroll 2
		for (size_t r = 0; r < m; r++) {
			int32_t four;
			memcpy(&four, p->q + (first_row + r) * p->k + chunk * CHUNK + 4 * (size_t)j,
			       sizeof four);
			__m256i x = _mm256_set1_epi32(four);
			acc[r] = add_fours(acc[r], low, x, 1);
			if (wide)
				acc[r] = add_fours(acc[r], high, x, 16);
		}
	}
#pragma GCC unroll 2
	for (size_t r = 0; r < m; r++) {
		size_t at = (first_row + r) * chunks + chunk;
		__m256 sum = _mm256_set1_ps((float)sum_of(p, at, first, count));
		__m256 part = _mm256_cvtepi32_ps(acc[r]);
		if (s.zero > 0)
			part = _mm256_fnmadd_ps(_mm256_set1_ps((float)s.zero), sum, part);
		part = _mm256_mul_ps(part, scale);
		if (s.minima)
			part = _mm256_fnmadd_ps(minimum, sum, part);
		y[r] = _mm256_fmadd_ps(part, _mm256_set1_ps(p->scale[at]), y[r]);
	}
}

/* A block of half a panel. */
static inline __attribute__((always_inline)) void add_block(const StoredPart *p, StoredShape s,
                                                            size_t first_row, size_t m, const uint8_t *b,
                                                            size_t half, size_t chunk, __m256 *y)
{
	size_t groups = s.elements > CHUNK ? s.elements / s.group : 0;
	__m256 d = halves(b, half), least = s.minima ? halves(b + 32, half) : d;
	const uint8_t *scales = b + (s.minima ? 64 : 32), *minima = scales + 16 * groups;
	const uint8_t *planes = s.minima ? minima + 16 * groups : minima;
	int count = s.group == 16 ? 4 : 8;
	for (size_t group = 0; group < s.elements / s.group; chunk++, planes += planes_bytes(s.bits))
#pragma GCC unroll 2
		for (int first = 0; first < 8; first += count, group++) {
			__m256 scale = d,
			       minimum = _mm256_sub_ps(_mm256_setzero_ps(), least); /* x = d q + m */
			if (groups > 0) {
				scale = _mm256_mul_ps(d, bytes(scales + 16 * group, half));
				minimum =
				    s.minima ? _mm256_mul_ps(least, bytes(minima + 16 * group, half)) : d;
			}
			add_group(p, s, first_row, m, planes, first, count, half, chunk, scale, minimum, y);
		}
}

static inline __attribute__((always_inline)) void some_integers(const StoredPart *p, StoredShape s,
                                                                size_t row, size_t m, const uint8_t *panel,
                                                                size_t half, float *out)
{
	size_t step = panel_block_bytes(s.elements, s.group, s.bits, s.minima);
	__m256 y[ROWS];
#pragma GCC unroll 2
	for (size_t r = 0; r < m; r++)
		y[r] = _mm256_setzero_ps();
	for (size_t chunk = 0; chunk < p->k / CHUNK; chunk += s.elements / CHUNK, panel += step)
		add_block(p, s, row, m, panel, half, chunk, y);
#pragma GCC unroll 2
	for (size_t r = 0; r < m; r++)
		_mm256_storeu_ps(out + (row + r) * p->ldy, y[r]);
}

static inline __attribute__((always_inline)) __m256 numbers(const uint8_t *panel, FloatKind kind, size_t i,
                                                            size_t half)
{
	if (kind == FLOAT_F32)
		return _mm256_loadu_ps((const float *)(const void *)(panel + 64 * i + 32 * half));
	__m128i raw = _mm_loadu_si128((const void *)(panel + 32 * i + 16 * half));
	return kind == FLOAT_BF16 ? _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16))
	                          : _mm256_cvtph_ps(raw);
}

/* Sums of even and of odd columns, so that additions need not wait for one another. */
static inline __attribute__((always_inline)) void some_floats(const StoredPart *p, FloatKind kind, size_t row,
                                                              size_t m, const uint8_t *panel, size_t half,
                                                              float *out)
{
	__m256 y[ROWS][2];
#pragma GCC unroll 2
	for (size_t r = 0; r < m; r++)
		y[r][0] = y[r][1] = _mm256_setzero_ps();
	size_t i = 0;
	for (; i + 2 <= p->k; i += 2) {
		__m256 w0 = numbers(panel, kind, i, half), w1 = numbers(panel, kind, i + 1, half);
#pragma GCC unroll 2
		for (size_t r = 0; r < m; r++) {
			const float *x = p->x + (row + r) * p->k + i;
			y[r][0] = _mm256_fmadd_ps(w0, _mm256_set1_ps(x[0]), y[r][0]);
			y[r][1] = _mm256_fmadd_ps(w1, _mm256_set1_ps(x[1]), y[r][1]);
		}
	}
#pragma GCC unroll 2
	for (size_t r = 0; r < m; r++) {
		if (i < p->k)
			y[r][0] = _mm256_fmadd_ps(numbers(panel, kind, i, half),
			                          _mm256_set1_ps(p->x[(row + r) * p->k + i]), y[r][0]);
		_mm256_storeu_ps(out + (row + r) * p->ldy, _mm256_add_ps(y[r][0], y[r][1]));
	}
}

/* All rows, by twos, of all halves of panels; `some` does it. */
#define ALL_ROWS(some, what, m, panels)                                                                      \
	for (size_t i = 0; i < 2 * (panels); i++) {                                                          \
		const uint8_t *panel = p->panel + i / 2 * p->panel_bytes;                                    \
		size_t row = 0;                                                                              \
		for (; row + ROWS <= (m); row += ROWS)                                                       \
			some(p, what, row, ROWS, panel, i % 2, p->y + 8 * i);                                \
		if (row < (m))                                                                               \
			some(p, what, row, 1, panel, i % 2, p->y + 8 * i);                                   \
	}

static inline __attribute__((always_inline)) void rows_integers(const StoredPart *p, StoredShape s, size_t m,
                                                                size_t panels)
{
	ALL_ROWS(some_integers, s, m, panels)
}

static inline __attribute__((always_inline)) void rows_floats(const StoredPart *p, FloatKind kind, size_t m,
                                                              size_t panels)
{
	ALL_ROWS(some_floats, kind, m, panels)
}

void stored_round_avx2(const float *x, size_t groups, int8_t *q, float *scale, int32_t *sums)
{
	const __m256 no_sign = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
	for (; groups > 0; groups--, x += CHUNK, q += CHUNK, scale++, sums += CHUNK_SUMS) {
		float lanes[8], most = 0;
		__m256 top = _mm256_setzero_ps(), nothing = top; /* 0 times all, unless one is not finite */
		for (size_t i = 0; i < CHUNK; i += 8) {
			__m256 eight = _mm256_loadu_ps(x + i);
			top = _mm256_max_ps(top, _mm256_and_ps(eight, no_sign));
			nothing = _mm256_fmadd_ps(eight, _mm256_setzero_ps(), nothing);
		}
		_mm256_storeu_ps(lanes, top);
		for (size_t i = 0; i < 8; i++)
			most = lanes[i] > most ? lanes[i] : most;
		bool broken =
		    _mm256_movemask_ps(_mm256_cmp_ps(nothing, _mm256_setzero_ps(), _CMP_NEQ_UQ)) != 0;
		__m256 up = _mm256_set1_ps(most > STORED_TINY ? 127 / most : 0);
		__m256i all = _mm256_set1_epi32(broken ? 0 : -1);
		int sum[2] = {0, 0};
		for (size_t i = 0; i < CHUNK; i += 8) {
			int32_t rounded[8];
			__m256i steps = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), up));
			_mm256_storeu_si256((void *)rounded, _mm256_and_si256(steps, all));
			for (size_t k = 0; k < 8; k++) {
				q[i + k] = (int8_t)rounded[k];
				sum[i / QUANT_GROUP] += rounded[k];
			}
		}
		*scale = broken ? NAN : most / 127;
		sums[1] = sum[0];
		sums[2] = sum[1];
		sums[0] = sums[1] + sums[2];
	}
}

#define STORED_PLAIN
#include "math/stored_cases.h"

StoredKernel *stored_kernel_avx2(uint32_t type)
{
	return kernel_of(type);
}
