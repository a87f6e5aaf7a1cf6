#include "peak.h"

#include "base/clock.h"
#include "base/cpu.h"

#include <math.h>
#include <stddef.h>

enum { ROUNDS = 2000, SUMS = 24 };

#if defined __x86_64__
#include <immintrin.h>

/* As many sums as wait for nobody hide the latency of any such CPU: round after round, each is added to. */
#define PEAK_LOOP(name, isa, type, sums, set, step, add, flops)                                              \
	__attribute__((target(isa))) static double name(void)                                                \
	{                                                                                                    \
		type sum[sums], x = set(0.5f);                                                               \
		for (size_t i = 0; i < (sums); i++)                                                          \
			sum[i] = set((float)i);                                                              \
		for (size_t round = 0; round < ROUNDS; round++)                                              \
			_Pragma("GCC unroll 24") for (size_t i = 0; i < (sums); i++) sum[i] = step;          \
		for (size_t i = 1; i < (sums); i++)                                                          \
			sum[0] = add(sum[0], sum[i]);                                                        \
		__asm__ volatile("" : : "v"(sum[0]));                                                        \
		return (flops) * (sums)*ROUNDS;                                                              \
	}

PEAK_LOOP(f32_avx512, "avx512f", __m512, SUMS, _mm512_set1_ps, _mm512_fmadd_ps(x, x, sum[i]), _mm512_add_ps,
          2.0 * 16)
PEAK_LOOP(bf16_avx512, "avx512f,avx512bf16", __m512, SUMS, _mm512_set1_ps,
          _mm512_dpbf16_ps(sum[i], (__m512bh)x, (__m512bh)x), _mm512_add_ps, 4.0 * 16)
PEAK_LOOP(f32_avx2, "avx2,fma", __m256, SUMS / 2, _mm256_set1_ps, _mm256_fmadd_ps(x, x, sum[i]),
          _mm256_add_ps, 2.0 * 8)

typedef struct {
	unsigned char palette, start_row, reserved[14];
	unsigned short row_bytes[16];
	unsigned char rows[16];
} TileConfig;

__attribute__((target("amx-tile,amx-bf16"))) static double bf16_amx(void)
{
	static const TileConfig config = {.palette = 1,
	                                  .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
	                                  .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
	_tile_loadconfig(&config);
	_tile_zero(0);
	_tile_zero(1);
	_tile_zero(2);
	_tile_zero(3);
	_tile_zero(4);
	_tile_zero(5);
	_tile_zero(6);
	_tile_zero(7);
	for (size_t round = 0; round < ROUNDS; round++) {
		_tile_dpbf16ps(0, 4, 6);
		_tile_dpbf16ps(1, 4, 7);
		_tile_dpbf16ps(2, 5, 6);
		_tile_dpbf16ps(3, 5, 7);
	}
	_tile_release();
	return 2.0 * 4 * 16 * 16 * 32 * ROUNDS;
}

static double (*loop_of(bool bf16))(void)
{
	CpuPath path = cpu_path();
	if (bf16)
		return path == CPU_AMX ? bf16_amx : bf16_avx512;
	return path >= CPU_AVX512 ? f32_avx512 : (path == CPU_AVX2 ? f32_avx2 : NULL);
}
#else
static double (*loop_of(bool bf16))(void)
{
	(void)bf16;
	return NULL;
}
#endif

double peak_gflops(bool bf16)
{
	double (*loop)(void) = loop_of(bf16), flops = 0, start = clock_seconds(), seconds = 0;
	if (loop == NULL)
		return (double)NAN;
	for (; seconds < 0.2; seconds = clock_seconds() - start)
		flops += loop();
	return flops / seconds / 1e9;
}
