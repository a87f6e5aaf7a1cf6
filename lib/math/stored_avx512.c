/* Quick products with AVX-512: 16 sums a vector, four products of bytes each an instruction (VNNI). */
#include "math/stored_kernels.h"

#include <immintrin.h>
#include <string.h>

typedef __m512i Planes[8];

static inline __attribute__((always_inline)) __m512i load(const uint8_t *p)
{
	return _mm512_loadu_si512(p);
}

/* The integers of 32 columns: eight vectors. */
static inline __attribute__((always_inline)) const uint8_t *unpack(const uint8_t *p, StoredShape s, Planes w)
{
	const __m512i four = _mm512_set1_epi8(15), two = _mm512_set1_epi8(0x30);
	if (s.bits == 8) {
#pragma GCC unroll 8
		for (int i = 0; i < 8; i++)
			w[i] = load(p + 64 * i);
		return p + 512;
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		__m512i both = load(p + 64 * i);
		w[i] = _mm512_and_si512(both, four);
		w[i + 4] = _mm512_and_si512(_mm512_srli_epi16(both, 4), four);
	}
	p += 256;
	if (s.codes != NULL) {
		__m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)s.codes));
		table = _mm512_xor_si512(table, _mm512_set1_epi8((char)0x80));
#pragma GCC unroll 8
		for (int i = 0; i < 8; i++)
			w[i] = _mm512_shuffle_epi8(table, w[i]);
	}
	if (s.bits <= 4)
		return p;
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++) {
		__m512i upper = load(p + 64 * i);
		w[4 * i] = _mm512_or_si512(w[4 * i], _mm512_and_si512(_mm512_slli_epi16(upper, 4), two));
		w[4 * i + 1] =
		    _mm512_or_si512(w[4 * i + 1], _mm512_and_si512(_mm512_slli_epi16(upper, 2), two));
		w[4 * i + 2] = _mm512_or_si512(w[4 * i + 2], _mm512_and_si512(upper, two));
		w[4 * i + 3] =
		    _mm512_or_si512(w[4 * i + 3], _mm512_and_si512(_mm512_srli_epi16(upper, 2), two));
	}
	return p + 128;
}

static inline __attribute__((always_inline)) __m512 halves(const uint8_t *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

/* 16 signed bytes. */
static inline __attribute__((always_inline)) __m512 bytes(const uint8_t *p)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

/* One group of a chunk: vectors [first, first + count), of all rows of x. */
static inline __attribute__((always_inline)) void add_group(const StoredPart *p, StoredShape s, size_t m,
                                                            const Planes w, int first, int count,
                                                            size_t chunk, __m512 scale, __m512 minimum,
                                                            __m512 *y)
{
	size_t chunks = p->k / CHUNK;
#pragma GCC unroll 8
	for (size_t r = 0; r < m; r++) {
		const int8_t *q = p->q + r * p->k + chunk * CHUNK + 4 * first;
		const int32_t *sums = p->sums + (r * chunks + chunk) * CHUNK_SUMS + first / 4;
		int32_t sum = count == 8 ? sums[0] + sums[1] : sums[0];
		float rounding = p->scale[r * chunks + chunk];
		__m512i acc = s.zero > 0 ? _mm512_set1_epi32(-sum * s.zero) : _mm512_setzero_si512();
#pragma GCC unroll 8
		for (int i = 0; i < count; i++) {
			int32_t four;
			memcpy(&four, q + 4 * i, sizeof four);
			acc = _mm512_dpbusd_epi32(acc, w[first + i], _mm512_set1_epi32(four));
		}
		__m512 part = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), scale);
		if (s.minima)
			part = _mm512_fnmadd_ps(minimum, _mm512_set1_ps((float)sum), part);
		y[r] = _mm512_fmadd_ps(part, _mm512_set1_ps(rounding), y[r]);
	}
}

/* A block of the panel. */
static inline __attribute__((always_inline)) void add_block(const StoredPart *p, StoredShape s, size_t m,
                                                            const uint8_t *b, size_t chunk, __m512 *y)
{
	__m512 d = halves(b), least = s.minima ? halves(b + 32) : _mm512_setzero_ps();
	const uint8_t *scales = b + (s.minima ? 64 : 32);
	size_t groups = s.elements > CHUNK ? s.elements / s.group : 0;
	const uint8_t *minima = scales + 16 * groups, *planes = s.minima ? minima + 16 * groups : minima;
	int count = s.group == 16 ? 4 : 8;
	for (size_t c = 0, g = 0; c < s.elements / CHUNK; c++) {
		Planes w;
		planes = unpack(planes, s, w);
#pragma GCC unroll 2
		for (int first = 0; first < 8; first += count, g++) {
			__m512 scale = d, minimum = least;
			if (groups > 0) {
				scale = _mm512_mul_ps(d, bytes(scales + 16 * g));
				if (s.minima)
					minimum = _mm512_mul_ps(least, bytes(minima + 16 * g));
			} else if (s.minima) {
				minimum = _mm512_sub_ps(_mm512_setzero_ps(), least); /* x = d q + m */
			}
			add_group(p, s, m, w, first, count, chunk + c, scale, minimum, y);
		}
	}
}

static inline __attribute__((always_inline)) void rows_integers(const StoredPart *p, StoredShape s, size_t m)
{
	__m512 y[STORED_MOST];
	size_t step = panel_block_bytes(s.elements, s.group, s.bits, s.minima);
#pragma GCC unroll 8
	for (size_t r = 0; r < m; r++)
		y[r] = _mm512_setzero_ps();
	const uint8_t *b = p->panel;
	for (size_t chunk = 0; chunk < p->k / CHUNK; chunk += s.elements / CHUNK, b += step)
		add_block(p, s, m, b, chunk, y);
#pragma GCC unroll 8
	for (size_t r = 0; r < m; r++)
		_mm512_storeu_ps(p->y[r], y[r]);
}

/* Sums of even and of odd columns, so that additions need not wait for one another. */
static inline __attribute__((always_inline)) void rows_halves(const StoredPart *p, bool bf16, size_t m)
{
	__m512 y[STORED_MOST][2];
#pragma GCC unroll 8
	for (size_t r = 0; r < m; r++)
		y[r][0] = y[r][1] = _mm512_setzero_ps();
	for (size_t i = 0; i < p->k; i++) {
		__m256i raw = _mm256_loadu_si256((const __m256i *)(p->panel + 32 * i));
		__m512 w = bf16 ? _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(raw), 16))
		                : _mm512_cvtph_ps(raw);
#pragma GCC unroll 8
		for (size_t r = 0; r < m; r++)
			y[r][i % 2] = _mm512_fmadd_ps(w, _mm512_set1_ps(p->x[r * p->k + i]), y[r][i % 2]);
	}
#pragma GCC unroll 8
	for (size_t r = 0; r < m; r++)
		_mm512_storeu_ps(p->y[r], _mm512_add_ps(y[r][0], y[r][1]));
}

#include "math/stored_cases.h"

StoredKernel *stored_kernel_avx512(uint32_t type)
{
	return kernel_of(type);
}
