#include "math/quant.h"

#include "base/half.h"

#include <string.h>

const int8_t quant_iq4_codes[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static uint16_t half_at(const uint8_t *p)
{
	uint16_t half;
	memcpy(&half, p, sizeof half);
	return half;
}

/* 2 × count nibbles: the low ones are the first half, the high ones the second. */
static void nibbles(const uint8_t *in, size_t count, uint8_t *q)
{
	for (size_t i = 0; i < count; i++) {
		q[i] = in[i] & 15;
		q[count + i] = in[i] >> 4;
	}
}

/* Adds bit `from` of each of 32 bytes as bit `to` of q. */
static void high_bits(const uint8_t *in, unsigned from, unsigned to, uint8_t *q)
{
	for (size_t i = 0; i < 32; i++)
		q[i] = (uint8_t)(q[i] | (in[i] >> from & 1) << to);
}

/* d, 16 bytes of nibbles: x = d (q - 8), or the code of q. */
static void unpack_q4_0(const uint8_t *in, QuantBlock *out)
{
	out->d = half_at(in);
	out->scale[0] = 1;
	nibbles(in + 2, 16, out->q);
}

/* d, m, 16 bytes of nibbles: x = d q + m. */
static void unpack_q4_1(const uint8_t *in, QuantBlock *out)
{
	out->d = half_at(in);
	out->least = half_at(in + 2);
	out->scale[0] = 1;
	out->minimum[0] = -1;
	nibbles(in + 4, 16, out->q);
}

/* 32 fifth bits, 16 bytes of nibbles. */
static void unpack_fives(const uint8_t *in, uint8_t *q)
{
	nibbles(in + 4, 16, q);
	for (size_t i = 0; i < 32; i++)
		q[i] = (uint8_t)(q[i] | (in[i / 8] >> i % 8 & 1) << 4);
}

/* d, fives: x = d (q - 16). */
static void unpack_q5_0(const uint8_t *in, QuantBlock *out)
{
	out->d = half_at(in);
	out->scale[0] = 1;
	unpack_fives(in + 2, out->q);
}

/* d, m, fives: x = d q + m. */
static void unpack_q5_1(const uint8_t *in, QuantBlock *out)
{
	out->d = half_at(in);
	out->least = half_at(in + 2);
	out->scale[0] = 1;
	out->minimum[0] = -1;
	unpack_fives(in + 4, out->q);
}

/* d, 32 signed bytes: x = d q. */
static void unpack_q8_0(const uint8_t *in, QuantBlock *out)
{
	out->d = half_at(in);
	out->scale[0] = 1;
	for (size_t i = 0; i < 32; i++)
		out->q[i] = in[2 + i] ^ 128;
}

/* 64 bytes of two bits: 32 bytes are 128 numbers, the lowest bits the first 32. */
static void twos(const uint8_t *in, uint8_t *q)
{
	for (size_t part = 0; part < 8; part++)
		for (size_t i = 0; i < 32; i++)
			q[32 * part + i] = in[part / 4 * 32 + i] >> part % 4 * 2 & 3;
}

/* A nibble of scale and one of minimum for each of 16 groups, twos, d, least. */
static void unpack_q2_k(const uint8_t *in, QuantBlock *out)
{
	out->d = half_at(in + 80);
	out->least = half_at(in + 82);
	for (size_t g = 0; g < 16; g++) {
		out->scale[g] = in[g] & 15;
		out->minimum[g] = (int8_t)(in[g] >> 4);
	}
	twos(in + 16, out->q);
}

/* 32 bytes of third bits, twos, scales of 6 bits (16 nibbles, then the upper bits of four at a time), d:
 * x = d (scale - 32) (q - 4). */
static void unpack_q3_k(const uint8_t *in, QuantBlock *out)
{
	const uint8_t *s = in + 96;
	out->d = half_at(in + 108);
	twos(in + 32, out->q);
	for (unsigned part = 0; part < 8; part++)
		high_bits(in, part, 2, out->q + 32 * part);
	for (size_t g = 0; g < 16; g++) {
		int low = s[g % 8] >> g / 8 * 4 & 15, high = s[8 + g % 4] >> g / 4 * 2 & 3;
		out->scale[g] = (int8_t)((low | high << 4) - 32);
	}
}

/* d, least, and eight scales and minima of 6 bits each: those of the first four groups in a byte each, whose
 * upper bits are the upper bits of the others. */
static void unpack_scales(const uint8_t *in, QuantBlock *out)
{
	const uint8_t *s = in + 4;
	out->d = half_at(in);
	out->least = half_at(in + 2);
	for (size_t g = 0; g < 4; g++) {
		out->scale[g] = s[g] & 63;
		out->minimum[g] = s[4 + g] & 63;
		out->scale[4 + g] = (int8_t)((s[8 + g] & 15) | s[g] >> 6 << 4);
		out->minimum[4 + g] = (int8_t)(s[8 + g] >> 4 | s[4 + g] >> 6 << 4);
	}
}

/* Scales, nibbles of 64 numbers at a time: x = d scale q - least minimum. */
static void unpack_q4_k(const uint8_t *in, QuantBlock *out)
{
	unpack_scales(in, out);
	for (size_t part = 0; part < 4; part++)
		nibbles(in + 16 + 32 * part, 32, out->q + 64 * part);
}

/* Scales, 32 bytes of fifth bits, nibbles of 64 numbers at a time. */
static void unpack_q5_k(const uint8_t *in, QuantBlock *out)
{
	unpack_scales(in, out);
	for (size_t part = 0; part < 4; part++)
		nibbles(in + 48 + 32 * part, 32, out->q + 64 * part);
	for (unsigned part = 0; part < 8; part++)
		high_bits(in + 16, part, 4, out->q + 32 * part);
}

/* 128 bytes of nibbles for 128 numbers at a time, 64 of upper twos, 16 scales, d: x = d scale (q - 32). */
static void unpack_q6_k(const uint8_t *in, QuantBlock *out)
{
	uint8_t high[QUANT_ELEMENTS];
	out->d = half_at(in + 208);
	memcpy(out->scale, in + 192, 16);
	nibbles(in, 64, out->q);
	nibbles(in + 64, 64, out->q + 128);
	twos(in + 128, high);
	for (size_t i = 0; i < QUANT_ELEMENTS; i++)
		out->q[i] = (uint8_t)(out->q[i] | high[i] << 4);
}

#define INTEGERS(number, name, ...) {number, #name, __VA_ARGS__},
static const QuantType types[] = {
    {QUANT_F32, "F32", 1, 4},
    {QUANT_F16, "F16", 1, 2},
    {QUANT_BF16, "BF16", 1, 2},
    QUANT_INTEGERS(INTEGERS){9, "Q8_1"},
    {15, "Q8_K"},
    {16, "IQ2_XXS"},
    {17, "IQ2_XS"},
    {18, "IQ3_XXS"},
    {19, "IQ1_S"},
    {21, "IQ3_S"},
    {22, "IQ2_S"},
    {23, "IQ4_XS"},
    {24, "I8"},
    {25, "I16"},
    {26, "I32"},
    {27, "I64"},
    {28, "F64"},
    {29, "IQ1_M"},
};

const QuantType *quant_type(uint32_t number)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

#define NAME(number, name, ...) ", " #name
const char *quant_supported(void)
{
	return "F32, F16, BF16" QUANT_INTEGERS(NAME);
}

static void expand_floats(uint32_t number, const uint8_t *in, size_t count, float *out)
{
	if (number == QUANT_F32)
		memcpy(out, in, count * sizeof *out);
	else if (number == QUANT_F16)
		for (size_t i = 0; i < count; i++)
			out[i] = f32_from_f16(half_at(in + 2 * i));
	else
		for (size_t i = 0; i < count; i++)
			out[i] = f32_from_bf16(half_at(in + 2 * i));
}

static void expand_block(const QuantType *type, const QuantBlock *b, float *out)
{
	float d = f32_from_f16(b->d), least = f32_from_f16(b->least);
	for (size_t g = 0, first = 0; first < type->elements; g++, first += type->group) {
		float scale = d * (float)b->scale[g], minimum = least * (float)b->minimum[g];
		if (type->codes != NULL)
			for (size_t i = first; i < first + type->group; i++)
				out[i] = scale * (float)type->codes[b->q[i]];
		else
			for (size_t i = first; i < first + type->group; i++)
				out[i] = scale * (float)(b->q[i] - type->zero) - minimum;
	}
}

void quant_expand(const QuantType *type, const uint8_t *in, size_t blocks, float *out)
{
	QuantBlock block = {0};
	if (type->unpack == NULL)
		expand_floats(type->number, in, blocks, out);
	else
		for (; blocks > 0; blocks--, in += type->bytes, out += type->elements) {
			type->unpack(in, &block);
			expand_block(type, &block, out);
		}
}
