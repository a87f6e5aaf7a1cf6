#include "llm/quant.h"

#include "stream/dtype.h"

#include <string.h>

enum { BLOCK = 32 };

static uint16_t half_at(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void expand_f32(const uint8_t *in, size_t blocks, float *out)
{
	memcpy(out, in, blocks * sizeof *out);
}

static void expand_f16(const uint8_t *in, size_t blocks, float *out)
{
	for (size_t i = 0; i < blocks; i++)
		out[i] = f32_from_f16(half_at(in + 2 * i));
}

static void expand_bf16(const uint8_t *in, size_t blocks, float *out)
{
	for (size_t i = 0; i < blocks; i++)
		out[i] = f32_from_bf16(half_at(in + 2 * i));
}

/* A scale d (F16), then 32 signed bytes q: x = d q. */
static void expand_q8_0(const uint8_t *in, size_t blocks, float *out)
{
	for (; blocks > 0; blocks--, in += 2 + BLOCK, out += BLOCK) {
		float d = f32_from_f16(half_at(in));
		for (size_t i = 0; i < BLOCK; i++)
			out[i] = d * (float)(int8_t)in[2 + i];
	}
}

/* A scale d (F16), then 32 nibbles q: x = d (q - 8).  The low nibbles are the
 * first half of the block, the high ones the second. */
static void expand_q4_0(const uint8_t *in, size_t blocks, float *out)
{
	for (; blocks > 0; blocks--, in += 2 + BLOCK / 2, out += BLOCK) {
		float d = f32_from_f16(half_at(in));
		for (size_t i = 0; i < BLOCK / 2; i++) {
			out[i] = d * (float)((in[2 + i] & 15) - 8);
			out[i + BLOCK / 2] = d * (float)((in[2 + i] >> 4) - 8);
		}
	}
}

static const QuantType types[] = {
    {0, "F32", 1, 4, expand_f32},
    {1, "F16", 1, 2, expand_f16},
    {2, "Q4_0", BLOCK, 2 + BLOCK / 2, expand_q4_0},
    {3, "Q4_1"},
    {6, "Q5_0"},
    {7, "Q5_1"},
    {8, "Q8_0", BLOCK, 2 + BLOCK, expand_q8_0},
    {9, "Q8_1"},
    {10, "Q2_K"},
    {11, "Q3_K"},
    {12, "Q4_K"},
    {13, "Q5_K"},
    {14, "Q6_K"},
    {15, "Q8_K"},
    {16, "IQ2_XXS"},
    {17, "IQ2_XS"},
    {18, "IQ3_XXS"},
    {19, "IQ1_S"},
    {20, "IQ4_NL"},
    {21, "IQ3_S"},
    {22, "IQ2_S"},
    {23, "IQ4_XS"},
    {24, "I8"},
    {25, "I16"},
    {26, "I32"},
    {27, "I64"},
    {28, "F64"},
    {29, "IQ1_M"},
    {30, "BF16", 1, 2, expand_bf16},
};

const QuantType *quant_type(uint32_t number)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

const char *quant_supported(void)
{
	return "F32, F16, BF16, Q8_0, Q4_0";
}
