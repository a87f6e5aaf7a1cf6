/* The loops of vector.h, compiled once for each CPU path (VECTOR_PATH: generic, avx2 or
 * avx512), so that the compiler makes vector code for each. */
#include "math/vector_paths.h"

#include "math/simd.h"

#if defined __AVX512F__
#include <immintrin.h>
#endif

#include <math.h>

static inline float dot(const float *restrict a, const float *restrict b, size_t n)
{
	float sum = 0;
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

float LOOP(vector_dot)(const float *restrict a, const float *restrict b, size_t n)
{
	return dot(a, b, n);
}

float LOOP(vector_maximum)(const float *x, size_t n)
{
	/* Sixteen maxima side by side, since a compiler may not reorder comparisons by itself. */
	float lane[16];
	for (size_t k = 0; k < 16; k++)
		lane[k] = -INFINITY;
	size_t i = 0;
	for (; i + 16 <= n; i += 16)
		for (size_t k = 0; k < 16; k++)
			lane[k] = x[i + k] > lane[k] ? x[i + k] : lane[k];
	for (; i < n; i++)
		lane[0] = x[i] > lane[0] ? x[i] : lane[0];
	for (size_t k = 1; k < 16; k++)
		lane[0] = lane[k] > lane[0] ? lane[k] : lane[0];
	return lane[0];
}

void LOOP(vector_add)(float *restrict y, const float *restrict x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += x[i];
}

void LOOP(vector_add_scaled)(float *restrict y, float scale, const float *restrict x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += scale * x[i];
}

void LOOP(vector_scale)(float *y, float scale, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] *= scale;
}

void LOOP(vector_scale_shift)(float *y, float scale, float shift, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = scale * y[i] + shift;
}

double LOOP(vector_sum)(const float *x, size_t n)
{
	double sum = 0;
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < n; i++)
		sum += (double)x[i];
	return sum;
}

bool LOOP(vector_finite)(const float *x, size_t n)
{
	float sum = 0; /* of zeros, unless something times 0 is not 0 */
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < n; i++)
		sum += x[i] * 0.0f;
	return sum == 0;
}

double LOOP(vector_squares)(const float *x, size_t n)
{
	double sum = 0;
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)x[i];
	return sum;
}

#if defined __AVX512F__
/* simd_exp() of 16 numbers, but below -87 it falls off gradually, to 0 at -104.  The instruction that
 * scales by 2^n needs no bounds but one that keeps infinity out of r; most of the time of a softmax is spent
 * here. */
static __m512 exp16(__m512 x)
{
	x = _mm512_max_ps(_mm512_set1_ps(-150.0f), x); /* a NaN passes */
	x = _mm512_min_ps(_mm512_set1_ps(88.0f), x);
	__m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
	__m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
	r = _mm512_fmadd_ps(n, _mm512_set1_ps(2.12194440e-4f), r);
	__m512 p = _mm512_set1_ps(1.0f / 720);
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
	return _mm512_scalef_ps(p, n);
}

float LOOP(vector_exp)(float *x, float scale, float shift, size_t n)
{
	__m512 a = _mm512_set1_ps(scale), b = _mm512_set1_ps(shift), sum = _mm512_setzero_ps();
	for (size_t i = 0; i < n; i += 16) {
		__mmask16 mask = (__mmask16)(n - i >= 16 ? 0xffffu : (1u << (n - i)) - 1);
		__m512 y = exp16(_mm512_fmsub_ps(_mm512_maskz_loadu_ps(mask, x + i), a, b));
		_mm512_mask_storeu_ps(x + i, mask, y);
		sum = _mm512_mask_add_ps(sum, mask, sum, y);
	}
	return _mm512_reduce_add_ps(sum);
}
#else
float LOOP(vector_exp)(float *x, float scale, float shift, size_t n)
{
	float sum = 0;
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < n; i++) {
		x[i] = simd_exp(scale * x[i] - shift);
		sum += x[i];
	}
	return sum;
}

#endif

float LOOP(vector_logsumexp)(const float *x, size_t n)
{
	float maximum = vector_maximum(x, n), sum = 0;
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < n; i++)
		sum += simd_exp(x[i] - maximum);
	return maximum + logf(sum);
}

void LOOP(rmsnorm_forward)(const float *restrict x, const float *restrict g, float eps, size_t rows, size_t C,
                           float *restrict y, float *restrict inverse)
{
	for (size_t r = 0; r < rows; r++, x += C, y += C) {
		float squares = 0;
#pragma omp simd reduction(+ : squares)
		for (size_t c = 0; c < C; c++)
			squares += x[c] * x[c];
		float s = 1.0f / sqrtf(squares / (float)C + eps);
		for (size_t c = 0; c < C; c++)
			y[c] = x[c] * s * g[c];
		inverse[r] = s;
	}
}

void LOOP(rmsnorm_backward)(const float *restrict x, const float *restrict g, const float *restrict inverse,
                            const float *restrict dy, size_t rows, size_t C, float *restrict dx,
                            float *restrict dg)
{
	for (size_t r = 0; r < rows; r++, x += C, dy += C) {
		float s = inverse[r], along = 0;
		if (dg != NULL)
			for (size_t c = 0; c < C; c++)
				dg[c] += dy[c] * x[c] * s;
		if (dx == NULL)
			continue;
#pragma omp simd reduction(+ : along)
		for (size_t c = 0; c < C; c++)
			along += dy[c] * g[c] * x[c];
		along *= s * s * s / (float)C;
		float *d = dx + r * C;
		for (size_t c = 0; c < C; c++)
			d[c] += dy[c] * g[c] * s - x[c] * along;
	}
}

void LOOP(layernorm_forward)(const float *restrict x, const float *restrict g, const float *restrict b,
                             float eps, size_t rows, size_t C, float *restrict y, float *restrict mean,
                             float *restrict inverse)
{
	for (size_t r = 0; r < rows; r++, x += C, y += C) {
		float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
		for (size_t c = 0; c < C; c++)
			sum += x[c];
		float m = sum / (float)C;
#pragma omp simd reduction(+ : squares)
		for (size_t c = 0; c < C; c++)
			squares += (x[c] - m) * (x[c] - m);
		float s = 1.0f / sqrtf(squares / (float)C + eps);
		for (size_t c = 0; c < C; c++)
			y[c] = (x[c] - m) * s * g[c] + b[c];
		mean[r] = m;
		inverse[r] = s;
	}
}

void LOOP(layernorm_backward)(const float *restrict x, const float *restrict g, const float *restrict mean,
                              const float *restrict inverse, const float *restrict dy, size_t rows, size_t C,
                              float *restrict dx, float *restrict dg, float *restrict db)
{
	for (size_t r = 0; r < rows; r++, x += C, dy += C) {
		float m = mean[r], s = inverse[r], sum = 0, along = 0;
		for (size_t c = 0; dg != NULL && c < C; c++)
			dg[c] += dy[c] * (x[c] - m) * s;
		for (size_t c = 0; db != NULL && c < C; c++)
			db[c] += dy[c];
		if (dx == NULL)
			continue;
#pragma omp simd reduction(+ : sum, along)
		for (size_t c = 0; c < C; c++) {
			sum += dy[c] * g[c];
			along += dy[c] * g[c] * (x[c] - m);
		}
		sum /= (float)C;
		along *= s * s / (float)C;
		float *d = dx + r * C;
		for (size_t c = 0; c < C; c++)
			d[c] += s * (dy[c] * g[c] - sum - (x[c] - m) * along);
	}
}

void LOOP(swiglu_forward)(const float *restrict gate, const float *restrict up, size_t n, float *restrict y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = gate[i] * simd_sigmoid(gate[i]) * up[i];
}

void LOOP(swiglu_backward)(const float *restrict gate, const float *restrict up, const float *restrict dy,
                           size_t n, float *restrict dgate, float *restrict dup)
{
	for (size_t i = 0; i < n; i++) {
		float sigmoid = simd_sigmoid(gate[i]), silu = gate[i] * sigmoid;
		dgate[i] += dy[i] * up[i] * (sigmoid + silu * (1.0f - sigmoid));
		dup[i] += dy[i] * silu;
	}
}

void LOOP(silu_forward)(const float *x, size_t n, float *y)
{
#pragma omp simd
	for (size_t i = 0; i < n; i++)
		y[i] = x[i] * simd_sigmoid(x[i]);
}

void LOOP(silu_backward)(const float *restrict x, const float *restrict dy, size_t n, float *restrict dx)
{
	for (size_t i = 0; i < n; i++) {
		float sigmoid = simd_sigmoid(x[i]);
		dx[i] += dy[i] * sigmoid * (1.0f + x[i] * (1.0f - sigmoid));
	}
}

void LOOP(time_buckets)(int64_t query, const int64_t *restrict keys, size_t n, uint8_t *restrict buckets)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t apart = query > keys[i] ? (uint64_t)query - (uint64_t)keys[i]
		                                 : (uint64_t)keys[i] - (uint64_t)query;
		float seconds = (float)apart;
		uint32_t bits; /* the exponent, and the first bit of the mantissa */
		memcpy(&bits, &seconds, sizeof bits);
		bits = (bits >> 22) - (127 << 1) + 1;
		buckets[i] = (uint8_t)(apart == 0 ? 0 : bits < 127 ? bits : 127);
	}
}

void LOOP(attention_bias_add)(float *restrict x, float scale, size_t n, const float *restrict position,
                              size_t distances, size_t first, const float *restrict time,
                              const uint8_t *restrict buckets)
{
	/* Keys before `near` are too far away, those from `behind` on too far ahead. */
	size_t near = first >= distances ? first - distances + 1 : 0, behind = first + 1;
	near = near < n ? near : n;
	behind = behind < n ? behind : n;
	for (size_t i = 0; i < n; i++)
		x[i] *= scale;
	if (position != NULL) {
		for (size_t i = 0; i < near; i++)
			x[i] += position[distances - 1];
		for (size_t i = near; i < behind; i++)
			x[i] += position[first - i];
		for (size_t i = behind; i < n; i++)
			x[i] += position[0];
	}
	if (time != NULL)
		for (size_t i = 0; i < n; i++)
			x[i] += time[buckets[i]];
}

/* 2 √(2/π), and that times 0.044715 */
#define GELU_LINEAR 1.59576912f
#define GELU_CUBIC  0.0713548163f

void LOOP(gelu_forward)(const float *restrict x, size_t n, float *restrict y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = x[i] * simd_sigmoid(x[i] * (GELU_LINEAR + GELU_CUBIC * x[i] * x[i]));
}

void LOOP(gelu_backward)(const float *restrict x, const float *restrict dy, size_t n, float *restrict dx)
{
	for (size_t i = 0; i < n; i++) {
		float square = x[i] * x[i],
		      sigmoid = simd_sigmoid(x[i] * (GELU_LINEAR + GELU_CUBIC * square));
		dx[i] += dy[i] * sigmoid *
		         (1.0f + x[i] * (1.0f - sigmoid) * (GELU_LINEAR + 3.0f * GELU_CUBIC * square));
	}
}

void LOOP(geglu_forward)(const float *restrict gate, const float *restrict up, size_t n, float *restrict y)
{
	for (size_t i = 0; i < n; i++) {
		float x = gate[i];
		y[i] = x * simd_sigmoid(x * (GELU_LINEAR + GELU_CUBIC * x * x)) * up[i];
	}
}

void LOOP(geglu_backward)(const float *restrict gate, const float *restrict up, const float *restrict dy,
                          size_t n, float *restrict dgate, float *restrict dup)
{
	for (size_t i = 0; i < n; i++) {
		float x = gate[i], square = x * x,
		      sigmoid = simd_sigmoid(x * (GELU_LINEAR + GELU_CUBIC * square));
		dup[i] += dy[i] * x * sigmoid;
		dgate[i] += dy[i] * up[i] * sigmoid *
		            (1.0f + x * (1.0f - sigmoid) * (GELU_LINEAR + 3.0f * GELU_CUBIC * square));
	}
}

void LOOP(softcap_forward)(float *x, float scale, float cap, size_t n)
{
	float twice = 2 * scale / cap;
#pragma omp simd
	for (size_t i = 0; i < n; i++)
		x[i] = cap * (2.0f * simd_sigmoid(twice * x[i]) - 1.0f);
}

void LOOP(softcap_backward)(const float *restrict y, float cap, float *restrict dy, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dy[i] *= 1.0f - (y[i] / cap) * (y[i] / cap);
}

/* o += p[0] a + p[1] b + p[2] c + p[3] d */
static void add_four(float *restrict o, const float p[4], const float *restrict a, const float *restrict b,
                     const float *restrict c, const float *restrict d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		o[i] += (p[0] * a[i] + p[1] * b[i]) + (p[2] * c[i] + p[3] * d[i]);
}

/* p = q · a, q · b, q · c, q · d */
static void dot_four(float p[4], const float *restrict q, const float *restrict a, const float *restrict b,
                     const float *restrict c, const float *restrict d, size_t n)
{
	float s = 0, t = 0, u = 0, v = 0;
#pragma omp simd reduction(+ : s, t, u, v)
	for (size_t i = 0; i < n; i++) {
		s += q[i] * a[i];
		t += q[i] * b[i];
		u += q[i] * c[i];
		v += q[i] * d[i];
	}
	p[0] = s, p[1] = t, p[2] = u, p[3] = v;
}

/* Four rows of a cache that are seen from j on; where these are fewer, the first of them again. */
static void four_seen(const CachedHeads *h, const float *x, const int32_t *seen, size_t j, size_t count,
                      const float *rows[4])
{
	for (size_t i = 0; i < 4; i++)
		rows[i] = x + (size_t)seen[j + i < count ? j + i : j] * h->stride;
}

void LOOP(attention_cached)(const CachedHeads *h, const float *q, const float *k, const float *v,
                            const int32_t *seen, size_t count, float *scores, float *o)
{
	const float *rows[4];
	for (size_t j = 0; j < count; j += 4) {
		four_seen(h, k, seen, j, count, rows);
		for (size_t g = 0; g < h->group; g++) {
			float p[4];
			dot_four(p, q + g * h->D, rows[0], rows[1], rows[2], rows[3], h->D);
			for (size_t i = 0; i < 4 && j + i < count; i++)
				scores[g * count + j + i] = h->scale * p[i];
		}
	}
	for (size_t g = 0; g < h->group; g++) {
		float *p = scores + g * count, *y = o + g * h->D;
		if (h->cap > 0)
			LOOP(softcap_forward)(p, 1, h->cap, count);
		float sum = LOOP(vector_exp)(p, 1, LOOP(vector_maximum)(p, count), count);
		LOOP(vector_scale)(p, 1 / sum, count);
		memset(y, 0, h->D * sizeof *y);
	}
	for (size_t j = 0; j < count; j += 4) {
		four_seen(h, v, seen, j, count, rows);
		for (size_t g = 0; g < h->group; g++) {
			float p[4];
			for (size_t i = 0; i < 4; i++)
				p[i] = j + i < count ? scores[g * count + j + i] : 0;
			add_four(o + g * h->D, p, rows[0], rows[1], rows[2], rows[3], h->D);
		}
	}
}

/* 1 / (1 - rate) where element i is kept, else 0.  A 32-bit finaliser (two
 * multiplications and three shifts) of the counter: cheap, and vectorised. */
static inline float keep(uint32_t i, uint32_t key, uint32_t threshold, float scale)
{
	uint32_t x = (i * 0x9e3779b9u) ^ key;
	x = (x ^ (x >> 16)) * 0x7feb352du;
	x = (x ^ (x >> 15)) * 0x846ca68bu;
	x = (x ^ (x >> 16)) >> 8;
	return x < threshold ? 0.0f : scale;
}

void LOOP(dropout_forward)(const float *x, const float *restrict z, float rate, uint32_t key, size_t n,
                           float *y)
{
	uint32_t threshold = (uint32_t)(rate * 16777216.0f);
	float scale = 1.0f / (1.0f - rate);
	if (x == NULL)
		for (size_t i = 0; i < n; i++)
			y[i] = z[i] * keep((uint32_t)i, key, threshold, scale);
	else
#pragma omp simd
		for (size_t i = 0; i < n; i++)
			y[i] = x[i] + z[i] * keep((uint32_t)i, key, threshold, scale);
}

void LOOP(dropout_backward)(const float *restrict dy, float rate, uint32_t key, size_t n, float *restrict dz)
{
	uint32_t threshold = (uint32_t)(rate * 16777216.0f);
	float scale = 1.0f / (1.0f - rate);
	for (size_t i = 0; i < n; i++)
		dz[i] += dy[i] * keep((uint32_t)i, key, threshold, scale);
}

/* Neighbours, in a loop that vectorises. */
static void turn_pairs(float *restrict x, const float *restrict c, const float *restrict s, float direction,
                       size_t pairs)
{
	for (size_t i = 0; i < pairs; i++) {
		float a = x[2 * i], b = x[2 * i + 1], turn = direction * s[i];
		x[2 * i] = a * c[i] - b * turn;
		x[2 * i + 1] = a * turn + b * c[i];
	}
}

static void turn_halves(float *restrict x, float *restrict y, const float *restrict c,
                        const float *restrict s, float direction, size_t pairs)
{
	for (size_t i = 0; i < pairs; i++) {
		float a = x[i], b = y[i], turn = direction * s[i];
		x[i] = a * c[i] - b * turn;
		y[i] = a * turn + b * c[i];
	}
}

void LOOP(rotary_apply)(float *x, size_t rows, size_t heads, const RotaryTables *t, const int32_t *positions,
                        float direction)
{
	size_t pairs = t->turned / 2;
	for (size_t r = 0; r < rows; r++) {
		const float *c = t->cosine + (size_t)positions[r] * pairs,
		            *s = t->sine + (size_t)positions[r] * pairs;
		for (size_t h = 0; h < heads; h++, x += t->D)
			if (t->halves)
				turn_halves(x, x + pairs, c, s, direction, pairs);
			else
				turn_pairs(x, c, s, direction, pairs);
	}
}

void LOOP(adamw_step)(const AdamW *a, float *restrict w, const float *restrict g, float *restrict m,
                      float *restrict v, size_t n)
{
	float beta1 = a->beta1, beta2 = a->beta2, eps = a->eps;
	float correct1 = 1.0f / (1.0f - (float)pow((double)beta1, (double)a->step));
	float correct2 = 1.0f / (1.0f - (float)pow((double)beta2, (double)a->step));
	float rate = a->lr * correct1, shrink = 1.0f - a->lr * a->decay;
	for (size_t i = 0; i < n; i++) {
		m[i] = beta1 * m[i] + (1.0f - beta1) * g[i];
		v[i] = beta2 * v[i] + (1.0f - beta2) * g[i] * g[i];
		w[i] = shrink * w[i] - rate * m[i] / (sqrtf(v[i] * correct2) + eps);
	}
}
