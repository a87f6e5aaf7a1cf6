/* Quick products in plain C, for CPUs that have no kernels of their own. */
#include "math/stored_kernels.h"

#include <math.h>
#include <string.h>

/* The integers of 32 columns: eight times 64 bytes. */
static inline const uint8_t *unpack(const uint8_t *p, StoredShape s, uint8_t w[512])
{
	if (s.bits == 8) {
		memcpy(w, p, 512);
		return p + 512;
	}
	for (size_t i = 0; i < 256; i++) {
		w[i] = p[i] & 15;
		w[256 + i] = p[i] >> 4;
	}
	p += 256;
	for (size_t i = 0; s.codes != NULL && i < 512; i++)
		w[i] = (uint8_t)(s.codes[w[i]] ^ 0x80);
	if (s.bits <= 4)
		return p;
	for (size_t i = 0; i < 512; i++)
		w[i] = (uint8_t)(w[i] | (p[i / 256 * 64 + i % 64] >> i / 64 % 4 * 2 & 3) << 4);
	return p + 128;
}

/* acc [16] += Σ of four columns each. */
static inline void add_fours(const uint8_t *restrict w, const int8_t *restrict q, int count,
                             int32_t *restrict acc)
{
	for (int i = 0; i < count; i++, w += 64, q += 4)
		for (size_t r = 0; r < PANEL_ROWS; r++)
			acc[r] +=
			    w[4 * r] * q[0] + w[4 * r + 1] * q[1] + w[4 * r + 2] * q[2] + w[4 * r + 3] * q[3];
}

static inline void add_group(const StoredPart *p, StoredShape s, size_t m, const uint8_t *w, int first,
                             int count, size_t chunk, size_t column, const float *scale, const float *minimum)
{
	size_t chunks = p->k / CHUNK;
	for (size_t r = 0; r < m; r++) {
		size_t at = r * chunks + chunk;
		float sum = (float)sum_of(p, at, first, count), rounding = p->scale[at];
		int32_t acc[PANEL_ROWS] = {0};
		float *y = p->y + r * p->ldy + column;
		add_fours(w + 64 * first, p->q + r * p->k + chunk * CHUNK + 4 * first, count, acc);
		for (size_t i = 0; i < PANEL_ROWS; i++)
			y[i] += (((float)acc[i] - sum * s.zero) * scale[i] - minimum[i] * sum) * rounding;
	}
}

static inline float half_at(const uint8_t *p, size_t i)
{
	uint16_t half;
	memcpy(&half, p + 2 * i, sizeof half);
	return f32_from_f16(half);
}

static inline void add_block(const StoredPart *p, StoredShape s, size_t m, const uint8_t *b, size_t chunk,
                             size_t column)
{
	const uint8_t *scales = b + (s.minima ? 64 : 32);
	size_t groups = s.elements > CHUNK ? s.elements / s.group : 0;
	const uint8_t *minima = scales + 16 * groups, *planes = s.minima ? minima + 16 * groups : minima;
	int count = s.group == 16 ? 4 : 8;
	for (size_t c = 0, g = 0; c < s.elements / CHUNK; c++) {
		uint8_t w[512];
		planes = unpack(planes, s, w);
		for (int first = 0; first < 8; first += count, g++) {
			float scale[PANEL_ROWS], minimum[PANEL_ROWS];
			for (size_t i = 0; i < PANEL_ROWS; i++) {
				scale[i] =
				    half_at(b, i) * (groups > 0 ? (float)(int8_t)scales[16 * g + i] : 1);
				minimum[i] = s.minima ? half_at(b + 32, i) : 0;
				minimum[i] *= groups > 0 && s.minima ? (float)(int8_t)minima[16 * g + i] : -1;
			}
			add_group(p, s, m, w, first, count, chunk + c, column, scale, minimum);
		}
	}
}

static void clear(const StoredPart *p, size_t m, size_t panels)
{
	for (size_t r = 0; r < m; r++)
		memset(p->y + r * p->ldy, 0, panels * PANEL_ROWS * sizeof *p->y);
}

static inline void rows_integers(const StoredPart *p, StoredShape s, size_t m, size_t panels)
{
	size_t step = panel_block_bytes(s.elements, s.group, s.bits, s.minima);
	clear(p, m, panels);
	for (size_t i = 0; i < panels; i++) {
		const uint8_t *b = p->panel + i * p->panel_bytes;
		for (size_t chunk = 0; chunk < p->k / CHUNK; chunk += s.elements / CHUNK, b += step)
			add_block(p, s, m, b, chunk, i * PANEL_ROWS);
	}
}

static inline float number_at(const uint8_t *panel, FloatKind kind, size_t i)
{
	float number;
	uint16_t half;
	if (kind == FLOAT_F32)
		memcpy(&number, panel + 4 * i, sizeof number);
	else {
		memcpy(&half, panel + 2 * i, sizeof half);
		number = kind == FLOAT_BF16 ? f32_from_bf16(half) : f32_from_f16(half);
	}
	return number;
}

static inline void rows_floats(const StoredPart *p, FloatKind kind, size_t m, size_t panels)
{
	clear(p, m, panels);
	for (size_t column = 0; column < panels * PANEL_ROWS; column += PANEL_ROWS) {
		const uint8_t *panel = p->panel + column / PANEL_ROWS * p->panel_bytes;
		for (size_t i = 0; i < p->k; i++) {
			float w[PANEL_ROWS];
			for (size_t k = 0; k < PANEL_ROWS; k++)
				w[k] = number_at(panel, kind, i * PANEL_ROWS + k);
			for (size_t r = 0; r < m; r++)
				for (size_t k = 0; k < PANEL_ROWS; k++)
					p->y[r * p->ldy + column + k] += w[k] * p->x[r * p->k + i];
		}
	}
}

#define STORED_PLAIN
#include "math/stored_cases.h"

void stored_round_generic(const float *x, size_t groups, int8_t *q, float *scale, int32_t *sums)
{
	for (; groups > 0; groups--, x += CHUNK, q += CHUNK, scale++, sums += CHUNK_SUMS) {
		float most = 0, nothing = 0; /* 0 times all, unless one is not finite */
		int sum[2] = {0, 0};
		for (size_t i = 0; i < CHUNK; i++) {
			most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
			nothing += 0 * x[i];
		}
		float up = most > STORED_TINY ? 127 / most : 0;
		for (size_t i = 0; i < CHUNK; i++) {
			q[i] = nothing == 0 ? (int8_t)lrintf(x[i] * up) : 0;
			sum[i / QUANT_GROUP] += q[i];
		}
		*scale = nothing == 0 ? most / 127 : NAN;
		sums[1] = sum[0];
		sums[2] = sum[1];
		sums[0] = sums[1] + sums[2];
	}
}

StoredKernel *stored_kernel_generic(uint32_t type)
{
	return kernel_of(type);
}
