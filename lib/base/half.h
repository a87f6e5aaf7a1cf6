/* Floating point numbers of 16 bits. */
#ifndef BASE_HALF_H
#define BASE_HALF_H

#include <stdint.h>
#include <string.h>

/* Round to nearest, ties to even; NaN stays NaN. */
uint16_t f16_from_f32(float x);
uint16_t bf16_from_f32(float x);

static inline uint32_t bits_of_f32(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}

static inline float f32_of_bits(uint32_t bits)
{
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

static inline float f32_from_bf16(uint16_t x)
{
	return f32_of_bits((uint32_t)x << 16);
}

/* Without branches, so that loops vectorise: another bias of the exponent; a subnormal number is what it adds
 * to the least normal one; infinities and NaN have all bits of the exponent. */
static inline float f32_from_f16(uint16_t x)
{
	uint32_t sign = (uint32_t)(x & 0x8000) << 16, small = (uint32_t)(x & 0x7fff) << 13;
	uint32_t subnormal = bits_of_f32(f32_of_bits(small + (113u << 23)) - 0x1p-14f);
	uint32_t finite = small < 1u << 23 ? subnormal : small + (112u << 23);
	return f32_of_bits(sign | (small < 31u << 23 ? finite : small | 0x7f800000));
}

#endif
