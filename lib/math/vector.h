/* Rows of numbers: sums, norms, softmax, activations; forward and backward of an
 * op side by side.  Each is compiled for several CPU paths (base/cpu.h).  Arrays are F32, row-major, and do
 * not overlap unless it is said; a gradient `d…` is added to (+=) unless it is said. */
#ifndef MATH_VECTOR_H
#define MATH_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

float vector_dot(const float *a, const float *b, size_t n);
float vector_maximum(const float *x, size_t n);                          /* -INFINITY for n = 0 */
void vector_add(float *y, const float *x, size_t n);                     /* y += x */
void vector_add_scaled(float *y, float scale, const float *x, size_t n); /* y += scale · x */
void vector_scale(float *y, float scale, size_t n);
void vector_scale_shift(float *y, float scale, float shift, size_t n); /* y ← scale · y + shift */
double vector_sum(const float *x, size_t n);
bool vector_finite(const float *x, size_t n);    /* no NaN, no infinity */
double vector_squares(const float *x, size_t n); /* Σ x² */

/* x ← e^(scale·x - shift); returns Σ of the results. */
float vector_exp(float *x, float scale, float shift, size_t n);

/* log Σ e^x, without overflow. */
float vector_logsumexp(const float *x, size_t n);

/* RMSNorm (Zhang and Sennrich 2019): y = x / rms(x) · g, rms(x) = √(mean(x²) + eps).
 * x, y: [rows, C]; g: [C]; inverse: [rows], 1 / rms, kept for the way back. */
void rmsnorm_forward(const float *x, const float *g, float eps, size_t rows, size_t C, float *y,
                     float *inverse);
/* dg NULL: not wanted. */
void rmsnorm_backward(const float *x, const float *g, const float *inverse, const float *dy, size_t rows,
                      size_t C, float *dx, float *dg);

/* LayerNorm (Ba et al. 2016): y = (x - mean(x)) / √(variance(x) + eps) · g + b.  x, y: [rows, C]; g, b: [C];
 * mean, inverse: [rows], inverse 1 / √(…), kept for the way back. */
void layernorm_forward(const float *x, const float *g, const float *b, float eps, size_t rows, size_t C,
                       float *y, float *mean, float *inverse);
/* Each of dx, dg, db may be NULL: not wanted. */
void layernorm_backward(const float *x, const float *g, const float *mean, const float *inverse,
                        const float *dy, size_t rows, size_t C, float *dx, float *dg, float *db);

/* SwiGLU (Shazeer 2020): y = silu(gate) · up, silu(z) = z / (1 + e^-z). */
void swiglu_forward(const float *gate, const float *up, size_t n, float *y);
void swiglu_backward(const float *gate, const float *up, const float *dy, size_t n, float *dgate, float *dup);
/* GeGLU: y = gelu(gate) · up, of the form of GELU below. */
void geglu_forward(const float *gate, const float *up, size_t n, float *y);
void geglu_backward(const float *gate, const float *up, const float *dy, size_t n, float *dgate, float *dup);

/* y = silu(x); y may be x. */
void silu_forward(const float *x, size_t n, float *y);
void silu_backward(const float *x, const float *dy, size_t n, float *dx);

/* Bucket of |query - keys[i]| seconds: 0 for none, else two to an octave, 1 + ⌊2 log₂⌋ with halves of an
 * octave counted evenly: 1 + 2 ⌊log₂ s⌋ + (s ≥ 1.5 · 2^⌊log₂ s⌋), of s rounded to F32; below 128. */
void time_buckets(int64_t query, const int64_t *keys, size_t n, uint8_t *buckets);
/* x[i] ← scale · x[i] + position[nearest there is to first - i] + time[buckets[i]]; of position there are
 * `distances`, and either array may be NULL. */
void attention_bias_add(float *x, float scale, size_t n, const float *position, size_t distances,
                        size_t first, const float *time, const uint8_t *buckets);
/* GELU (Hendrycks and Gimpel 2016) in its form with tanh:
 * y = x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))) = x · sigmoid(2 √(2/π) (x + 0.044715 x³)), to 4e-7 · |x|;
 * within 5e-4 of x · Φ(x). */
void gelu_forward(const float *x, size_t n, float *y);
void gelu_backward(const float *x, const float *dy, size_t n, float *dx);

/* Attention of `group` heads, that share a key head, of one row over `count` rows of a cache, by their
 * numbers in `seen`: o = softmax(cap · tanh(scale · q kᵀ / cap)) v, cap 0: none.  q, o: [group, D]; k, v: row
 * i begins at i · stride; scores: [group, count], room. */
typedef struct {
	size_t group, D, stride;
	float scale, cap;
} CachedHeads;
void attention_cached(const CachedHeads *h, const float *q, const float *k, const float *v,
                      const int32_t *seen, size_t count, float *scores, float *o);

/* Dropout: y = x + keep(i) · z / (1 - rate); keep(i) is a function of key and i
 * alone, so nothing is stored for the way back: dz += keep(i) · dy / (1 - rate).
 * forward with x == NULL reads as zero; y may be x. */
void dropout_forward(const float *x, const float *z, float rate, uint32_t key, size_t n, float *y);
void dropout_backward(const float *dy, float rate, uint32_t key, size_t n, float *dz);

/* Soft cap (Gemma 2): x ← cap · tanh(scale · x / cap), to 2e-7 · cap. */
void softcap_forward(float *x, float scale, float cap, size_t n);
/* Of its results y: dy ← dy · (1 - (y / cap)²). */
void softcap_backward(const float *y, float cap, float *dy, size_t n);

/* Rotary positions (Su et al. 2021): of each head of x [rows, heads·D] the first `turned` numbers are
 * turned in pairs by positions[row] · angle i: (2i, 2i+1), or with `halves` (i, i + turned/2).  cosine and
 * sine are tables [positions, turned/2]; direction is 1 forward and -1 for gradients.  In place. */
typedef struct {
	size_t D, turned;
	bool halves;
	const float *cosine, *sine;
} RotaryTables;
void rotary_apply(float *x, size_t rows, size_t heads, const RotaryTables *t, const int32_t *positions,
                  float direction);

/* AdamW (Loshchilov and Hutter 2019), one step over n weights; `step` counts from 1:
 * m ← β1 m + (1-β1) g, v ← β2 v + (1-β2) g², w ← w - lr (m̂ / (√v̂ + eps) + decay w). */
typedef struct {
	float lr, beta1, beta2, eps, decay;
	uint64_t step;
} AdamW;
void adamw_step(const AdamW *a, float *w, const float *g, float *m, float *v, size_t n);

#endif
