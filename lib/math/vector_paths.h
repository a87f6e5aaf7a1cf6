/* The functions of vector.h, as one list from which each CPU path's names and the choice
 * between them are made. */
#ifndef MATH_VECTOR_PATHS_H
#define MATH_VECTOR_PATHS_H

#include "math/vector.h"

#define VECTOR_FUNCTIONS(X)                                                                                  \
	X(float, vector_dot, (const float *a, const float *b, size_t n), (a, b, n))                          \
	X(float, vector_maximum, (const float *x, size_t n), (x, n))                                         \
	X(void, vector_add, (float *y, const float *x, size_t n), (y, x, n))                                 \
	X(void, vector_add_scaled, (float *y, float scale, const float *x, size_t n), (y, scale, x, n))      \
	X(void, vector_scale, (float *y, float scale, size_t n), (y, scale, n))                              \
	X(void, vector_scale_shift, (float *y, float scale, float shift, size_t n), (y, scale, shift, n))    \
	X(double, vector_sum, (const float *x, size_t n), (x, n))                                            \
	X(bool, vector_finite, (const float *x, size_t n), (x, n))                                           \
	X(double, vector_squares, (const float *x, size_t n), (x, n))                                        \
	X(float, vector_exp, (float *x, float scale, float shift, size_t n), (x, scale, shift, n))           \
	X(float, vector_logsumexp, (const float *x, size_t n), (x, n))                                       \
	X(void, rmsnorm_forward,                                                                             \
	  (const float *x, const float *g, float eps, size_t rows, size_t C, float *y, float *inverse),      \
	  (x, g, eps, rows, C, y, inverse))                                                                  \
	X(void, rmsnorm_backward,                                                                            \
	  (const float *x, const float *g, const float *inverse, const float *dy, size_t rows, size_t C,     \
	   float *dx, float *dg),                                                                            \
	  (x, g, inverse, dy, rows, C, dx, dg))                                                              \
	X(void, layernorm_forward,                                                                           \
	  (const float *x, const float *g, const float *b, float eps, size_t rows, size_t C, float *y,       \
	   float *mean, float *inverse),                                                                     \
	  (x, g, b, eps, rows, C, y, mean, inverse))                                                         \
	X(void, layernorm_backward,                                                                          \
	  (const float *x, const float *g, const float *mean, const float *inverse, const float *dy,         \
	   size_t rows, size_t C, float *dx, float *dg, float *db),                                          \
	  (x, g, mean, inverse, dy, rows, C, dx, dg, db))                                                    \
	X(void, swiglu_forward, (const float *gate, const float *up, size_t n, float *y), (gate, up, n, y))  \
	X(void, swiglu_backward,                                                                             \
	  (const float *gate, const float *up, const float *dy, size_t n, float *dgate, float *dup),         \
	  (gate, up, dy, n, dgate, dup))                                                                     \
	X(void, geglu_forward, (const float *gate, const float *up, size_t n, float *y), (gate, up, n, y))   \
	X(void, geglu_backward,                                                                              \
	  (const float *gate, const float *up, const float *dy, size_t n, float *dgate, float *dup),         \
	  (gate, up, dy, n, dgate, dup))                                                                     \
	X(void, softcap_forward, (float *x, float scale, float cap, size_t n), (x, scale, cap, n))           \
	X(void, softcap_backward, (const float *y, float cap, float *dy, size_t n), (y, cap, dy, n))         \
	X(void, silu_forward, (const float *x, size_t n, float *y), (x, n, y))                               \
	X(void, silu_backward, (const float *x, const float *dy, size_t n, float *dx), (x, dy, n, dx))       \
	X(void, time_buckets, (int64_t query, const int64_t *keys, size_t n, uint8_t *buckets),              \
	  (query, keys, n, buckets))                                                                         \
	X(void, attention_bias_add,                                                                          \
	  (float *x, float scale, size_t n, const float *position, size_t distances, size_t first,           \
	   const float *time, const uint8_t *buckets),                                                       \
	  (x, scale, n, position, distances, first, time, buckets))                                          \
	X(void, gelu_forward, (const float *x, size_t n, float *y), (x, n, y))                               \
	X(void, gelu_backward, (const float *x, const float *dy, size_t n, float *dx), (x, dy, n, dx))       \
	X(void, attention_cached,                                                                            \
	  (const CachedHeads *h, const float *q, const float *k, const float *v, const int32_t *seen,        \
	   size_t count, float *scores, float *o),                                                           \
	  (h, q, k, v, seen, count, scores, o))                                                              \
	X(void, dropout_forward,                                                                             \
	  (const float *x, const float *z, float rate, uint32_t key, size_t n, float *y),                    \
	  (x, z, rate, key, n, y))                                                                           \
	X(void, dropout_backward, (const float *dy, float rate, uint32_t key, size_t n, float *dz),          \
	  (dy, rate, key, n, dz))                                                                            \
	X(void, rotary_apply,                                                                                \
	  (float *x, size_t rows, size_t heads, const RotaryTables *t, const int32_t *positions,             \
	   float direction),                                                                                 \
	  (x, rows, heads, t, positions, direction))                                                         \
	X(void, adamw_step, (const AdamW *a, float *w, const float *g, float *m, float *v, size_t n),        \
	  (a, w, g, m, v, n))

#define PATH_NAME_(name, path) name##_##path
#define PATH_NAME(name, path)  PATH_NAME_(name, path)
#define LOOP(name)             PATH_NAME(name, VECTOR_PATH)

#define VECTOR_DECLARE(type, name, parameters, arguments)                                                    \
	type name##_generic parameters;                                                                      \
	type name##_avx2 parameters;                                                                         \
	type name##_avx512 parameters;
VECTOR_FUNCTIONS(VECTOR_DECLARE)

#endif
