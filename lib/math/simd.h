/* What loops are made of that the compiler turns into vector code.  Sums marked with
 * `#pragma omp simd reduction` may be added in another order than written: the
 * order is fixed for a binary and a CPU path. */
#ifndef MATH_SIMD_H
#define MATH_SIMD_H

#include <stdint.h>
#include <string.h>

/* e^x by 2^n · e^r, |r| ≤ ln 2 / 2, and a polynomial of degree 6; relative error
 * below 2e-7 for x in [-87, 88]; 0 below, the value at 88 above. */
static inline float simd_exp(float x)
{
	/* In the form of the machine's minimum and maximum, which let a NaN through. */
	float bounded = 88.0f < x ? 88.0f : x;
	bounded = -87.0f > bounded ? -87.0f : bounded;
	float n = bounded * 1.44269504f + 12582912.0f; /* 1.5 · 2^23: rounds to a whole number */
	int32_t exponent;
	memcpy(&exponent, &n, sizeof exponent);
	n -= 12582912.0f;
	float r = bounded - n * 0.693359375f + n * 2.12194440e-4f;
	float p = 1.0f / 720;
	p = p * r + 1.0f / 120;
	p = p * r + 1.0f / 24;
	p = p * r + 1.0f / 6;
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	int32_t bits = (int32_t)((uint32_t)(exponent - 0x4b400000 + 127) << 23);
	float scale;
	memcpy(&scale, &bits, sizeof scale);
	return x < -87.0f ? 0.0f : p * scale;
}

static inline float simd_sigmoid(float x)
{
	return 1.0f / (1.0f + simd_exp(-x));
}

#endif
