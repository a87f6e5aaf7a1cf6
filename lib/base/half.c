#include "base/half.h"

uint16_t f16_from_f32(float x)
{
	uint32_t bits = bits_of_f32(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff, half;
	if (magnitude > 0x7f800000)
		half = 0x7e00 | (magnitude >> 13 & 0x3ff);
	else if (magnitude >= 0x477ff000) /* 65520, half way to the first number that is too large */
		half = 0x7c00;
	else if (magnitude < 0x38800000) /* 2^-14: subnormal; the sum's last bit is worth 2^-24 */
		half = bits_of_f32(f32_of_bits(magnitude) + 0.5f) - 0x3f000000;
	else /* another bias of the exponent, and the 13 bits that fall off rounded */
		half = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
	return (uint16_t)(sign | half);
}

uint16_t bf16_from_f32(float x)
{
	uint32_t bits = bits_of_f32(x);
	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
