/* Quick products with AVX-512: 16 sums a vector, four products of bytes each an instruction (VNNI).  Some
 * rows of x meet one panel, or two: what is loaded of either is used several times. */
#include "math/stored_kernels.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

static inline __attribute__((always_inline)) __m512i load(const uint8_t *p)
{
	return _mm512_loadu_si512(p);
}

/* Asks for the same place of the panels that come next, since the prefetchers of a CPU lose their way where
 * one of two panels ends.  Behind the last panel there is nothing, and asking for it does no harm. */
static inline __attribute__((always_inline)) void prefetch(const StoredPart *p, size_t panels, size_t at,
                                                           size_t bytes)
{
	if (!p->prefetch)
		return;
	for (size_t i = 0; i < panels; i++) {
		uintptr_t next = (uintptr_t)p->panel + (panels + i) * p->panel_bytes + at;
		for (size_t line = 0; line < bytes; line += 64)
			_mm_prefetch((const char *)(next + line), _MM_HINT_T1);
	}
}

/* The table of codes, moved up by 128. */
static inline __attribute__((always_inline)) __m512i table_of(StoredShape s)
{
	if (s.codes == NULL)
		return _mm512_setzero_si512();
	__m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)s.codes));
	return _mm512_xor_si512(table, _mm512_set1_epi8((char)0x80));
}

/* Upper two bits of vector j, in their place above four. */
static inline __attribute__((always_inline)) __m512i upper_bits(const uint8_t *planes, int j)
{
	__m512i both = load(planes + 256 + 64 * (j / 4));
	switch (j % 4) {
	case 0:
		both = _mm512_slli_epi16(both, 4);
		break;
	case 1:
		both = _mm512_slli_epi16(both, 2);
		break;
	case 2:
		break;
	default:
		both = _mm512_srli_epi16(both, 2);
	}
	return _mm512_and_si512(both, _mm512_set1_epi8(0x30));
}

/* Columns 4 j … 4 j + 3 of 16 rows, as bytes. */
static inline __attribute__((always_inline)) __m512i vector_of(const uint8_t *planes, StoredShape s, int j)
{
	if (s.bits == 8)
		return load(planes + 64 * j);
	__m512i both = load(planes + 64 * (j % 4));
	__m512i w = _mm512_and_si512(j < 4 ? both : _mm512_srli_epi16(both, 4), _mm512_set1_epi8(15));
	if (s.codes != NULL)
		w = _mm512_shuffle_epi8(table_of(s), w);
	return s.bits > 4 ? _mm512_or_si512(w, upper_bits(planes, j)) : w;
}

static inline __attribute__((always_inline)) __m512 halves(const uint8_t *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p));
}

/* 16 signed bytes. */
static inline __attribute__((always_inline)) __m512 bytes(const uint8_t *p)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p)));
}

/* Where the parts of a block are. */
typedef struct {
	const uint8_t *scales, *minima, *planes;
	__m512 d, least;
} Block;

static inline __attribute__((always_inline)) Block block_at(const uint8_t *b, StoredShape s)
{
	size_t scales = s.elements > CHUNK ? 16 * (s.elements / s.group) : 0;
	Block block = {.d = halves(b), .least = s.minima ? halves(b + 32) : _mm512_setzero_ps()};
	block.scales = b + (s.minima ? 64 : 32);
	block.minima = block.scales + scales;
	block.planes = block.minima + (s.minima ? scales : 0);
	return block;
}

/* A group's scales and minima: of blocks of 32 x = d q + m. */
static inline __attribute__((always_inline)) __m512 scale_of(const Block *b, StoredShape s, size_t group)
{
	return s.elements > CHUNK ? _mm512_mul_ps(b->d, bytes(b->scales + 16 * group)) : b->d;
}

static inline __attribute__((always_inline)) __m512 minimum_of(const Block *b, StoredShape s, size_t group)
{
	if (s.elements > CHUNK)
		return _mm512_mul_ps(b->least, bytes(b->minima + 16 * group));
	return _mm512_sub_ps(_mm512_setzero_ps(), b->least);
}

/* A group of a chunk: columns 4 first … of all rows, added to y. */
static inline __attribute__((always_inline)) void
add_group(const StoredPart *p, StoredShape s, size_t m, size_t panels, const Block *blocks, size_t group,
          const uint8_t *const *planes, int first, int count, size_t chunk, __m512 (*y)[STORED_PANELS])
{
	size_t chunks = p->k / CHUNK;
	__m512i acc[STORED_ROWS][STORED_PANELS];
#pragma GCC unroll 6
	for (size_t r = 0; r < m; r++) /* Σ (w - zero) q begins with -zero Σ q */
		acc[r][0] = acc[r][1] =
		    _mm512_set1_epi32(-s.zero * sum_of(p, r * chunks + chunk, first, count));
	const int8_t *q = p->q + chunk * CHUNK;
#pragma GCC unroll 8
	for (int j = first; j < first + count; j++) {
		__m512i w0 = vector_of(planes[0], s, j),
		        w1 = panels > 1 ? vector_of(planes[1], s, j) : _mm512_setzero_si512();
#pragma GCC unroll 6
		for (size_t r = 0; r < m; r++) {
			int32_t four;
			memcpy(&four, q + r * p->k + 4 * j, sizeof four);
			__m512i x = _mm512_set1_epi32(four);
			acc[r][0] = _mm512_dpbusd_epi32(acc[r][0], w0, x);
			if (panels > 1)
				acc[r][1] = _mm512_dpbusd_epi32(acc[r][1], w1, x);
		}
	}
#pragma GCC unroll 2
	for (size_t i = 0; i < panels; i++) {
		__m512 scale = scale_of(&blocks[i], s, group);
		__m512 minimum = s.minima ? minimum_of(&blocks[i], s, group) : _mm512_setzero_ps();
#pragma GCC unroll 6
		for (size_t r = 0; r < m; r++) {
			size_t at = r * chunks + chunk;
			__m512 part = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[r][i]), scale);
			if (s.minima)
				part = _mm512_fnmadd_ps(
				    minimum, _mm512_set1_ps((float)sum_of(p, at, first, count)), part);
			y[r][i] = _mm512_fmadd_ps(part, _mm512_set1_ps(p->scale[at]), y[r][i]);
		}
	}
}

static inline __attribute__((always_inline)) void store(const StoredPart *p, size_t m, size_t panels,
                                                        __m512 (*y)[STORED_PANELS])
{
#pragma GCC unroll 6
	for (size_t r = 0; r < m; r++)
#pragma GCC unroll 2
		for (size_t i = 0; i < panels; i++)
			_mm512_storeu_ps(p->y + r * p->ldy + 16 * i, y[r][i]);
}

static inline __attribute__((always_inline)) void rows_integers(const StoredPart *p, StoredShape s, size_t m,
                                                                size_t panels)
{
	__m512 y[STORED_ROWS][STORED_PANELS];
	int count = s.group == 16 ? 4 : 8;
	size_t step = panel_block_bytes(s.elements, s.group, s.bits, s.minima);
#pragma GCC unroll 6
	for (size_t r = 0; r < m; r++)
		y[r][0] = y[r][1] = _mm512_setzero_ps();
	for (size_t chunk = 0, at = 0; chunk < p->k / CHUNK; at += step) {
		prefetch(p, panels, at, step);
		Block blocks[STORED_PANELS];
		blocks[0] = block_at(p->panel + at, s);
		if (panels > 1)
			blocks[1] = block_at(p->panel + p->panel_bytes + at, s);
		const uint8_t *planes[] = {blocks[0].planes, panels > 1 ? blocks[1].planes : NULL};
		for (size_t group = 0; group < s.elements / s.group; chunk++) {
#pragma GCC unroll 2
			for (int first = 0; first < 8; first += count, group++)
				add_group(p, s, m, panels, blocks, group, planes, first, count, chunk, y);
#pragma GCC unroll 2
			for (size_t i = 0; i < panels; i++)
				planes[i] += planes_bytes(s.bits);
		}
	}
	store(p, m, panels, y);
}

enum { NOT_FINITE = 0x99 }; /* quiet and signalling NaN, both infinities */

void stored_round_avx512(const float *x, size_t groups, int8_t *q, float *scale, int32_t *sums)
{
	for (; groups > 0; groups--, x += CHUNK, q += CHUNK, scale++, sums += CHUNK_SUMS) {
		__m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
		float most = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
		bool broken = _mm512_fpclass_ps_mask(a, NOT_FINITE) | _mm512_fpclass_ps_mask(b, NOT_FINITE);
		__m512 up = _mm512_set1_ps(most > STORED_TINY ? 127 / most : 0);
		__mmask16 all = broken ? 0 : 0xffff;
		__m512i first = _mm512_maskz_cvtps_epi32(all, _mm512_mul_ps(a, up)),
		        second = _mm512_maskz_cvtps_epi32(all, _mm512_mul_ps(b, up));
		_mm_storeu_si128((void *)q, _mm512_cvtepi32_epi8(first));
		_mm_storeu_si128((void *)(q + 16), _mm512_cvtepi32_epi8(second));
		*scale = broken ? NAN : most / 127;
		sums[1] = _mm512_reduce_add_epi32(first);
		sums[2] = _mm512_reduce_add_epi32(second);
		sums[0] = sums[1] + sums[2];
	}
}

#include "math/stored_cases.h"

StoredKernel *stored_kernel_avx512(uint32_t type)
{
	return kernel_of(type);
}
