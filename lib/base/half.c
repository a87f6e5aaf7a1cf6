#include "base/half.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}

static float float_of(uint32_t bits)
{
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

uint16_t f16_from_f32(float x)
{
	uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff, half;
	if (magnitude > 0x7f800000)
		half = 0x7e00 | (magnitude >> 13 & 0x3ff);
	else if (magnitude >= 0x477ff000) /* 65520, half way to the first number that is too large */
		half = 0x7c00;
	else if (magnitude < 0x38800000) /* 2^-14: subnormal; the sum's last bit is worth 2^-24 */
		half = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000;
	else /* another bias of the exponent, and the 13 bits that fall off rounded */
		half = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
	return (uint16_t)(sign | half);
}

float f32_from_f16(uint16_t x)
{
	uint32_t sign = (uint32_t)(x & 0x8000) << 16, exponent = x >> 10 & 31, mantissa = x & 0x3ff;
	if (exponent == 0)
		return copysignf((float)mantissa * 0x1p-24f, float_of(sign | 0x3f800000));
	if (exponent == 31)
		return float_of(sign | 0x7f800000 | mantissa << 13);
	return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t bf16_from_f32(float x)
{
	uint32_t bits = bits_of(x);
	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float f32_from_bf16(uint16_t x)
{
	return float_of((uint32_t)x << 16);
}
