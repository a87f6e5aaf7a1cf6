/* Matrix products beside what the CPU can do at most: JSON lines, one a shape and precision.
 *
 *     UL_CPU=avx512 build/tests/bench/gemm [RUNS]
 *
 * The peak is that of a loop of multiply-adds (or tile products) in registers, measured
 * between the products, so that both see the same clock; both on one thread. */
#include "base/clock.h"
#include "base/cpu.h"
#include "math/gemm.h"
#include "peak.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum {
	PACKED,   /* A · B', B a weight that was laid out before */
	UNPACKED, /* the same as it comes */
	GRADIENT  /* A' · B, added to C: of a weight, from k rows of input and of output */
} Kind;

typedef struct {
	size_t m, n, k;
	Kind kind;
} Shape;

static double measure(const Shape *s, GemmPrecision precision, const float *a, PackedOperand *b, float *c)
{
	double flops = 2.0 * (double)s->m * (double)s->n * (double)s->k, done = 0, start = clock_seconds(),
	       seconds;
	do {
		if (s->kind == PACKED)
			gemm_packed(precision, s->m, (Operand){a, s->k, false}, packed_whole(b), false, c,
			            s->n);
		else if (s->kind == UNPACKED)
			gemm(precision, s->m, s->n, s->k, (Operand){a, s->k, false}, b->source, false, c,
			     s->n);
		else
			gemm(precision, s->m, s->n, s->k, (Operand){a, s->m, true},
			     (Operand){b->source.data, s->n, false}, true, c, s->n);
		done += flops;
		seconds = clock_seconds() - start;
	} while (seconds < 0.2);
	return done / seconds / 1e9;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static bool bench(const Shape *s, GemmPrecision precision, size_t runs, Error *e)
{
	static const char *const kinds[] = {
	    [PACKED] = "", [UNPACKED] = "-unpacked", [GRADIENT] = "-gradient"};
	double ours[99], peak[99];
	size_t tasks = 0;
	float *a = memory_new(s->m * s->k, sizeof *a, e), *b = memory_new(s->k * s->n, sizeof *b, e),
	      *c = memory_new(s->m * s->n, sizeof *c, e);
	if (a == NULL || b == NULL || c == NULL)
		return false;
	for (size_t i = 0; i < s->m * s->k; i++)
		a[i] = (float)(i % 13) - 6;
	for (size_t i = 0; i < s->k * s->n; i++)
		b[i] = (float)(i % 11) - 5;
	PackedOperand packed = {.k = s->k, .n = s->n, .source = {b, s->k, true}};
	Arena arena = {0};
	if (!packed_begin(&packed, precision, &arena, &tasks, e))
		return false;
	for (size_t i = 0; i < tasks; i++)
		packed_fill(&packed, i);
	for (size_t i = 0; i < runs; i++) {
		peak[i] = peak_gflops(precision == GEMM_BF16);
		ours[i] = measure(s, precision, a, &packed, c);
	}
	qsort(peak, runs, sizeof *peak, by_value);
	qsort(ours, runs, sizeof *ours, by_value);
	printf("{\"work\": \"gemm-%zux%zux%zu%s%s\", \"cpu\": \"%s\", \"unit\": \"GFLOP/s\", \"runs\": %zu, "
	       "\"ours\": %.1f, \"ours_low\": %.1f, \"ours_high\": %.1f",
	       s->m, s->n, s->k, precision == GEMM_BF16 ? "" : "-f32", kinds[s->kind],
	       cpu_path_name(cpu_path()), runs, ours[runs / 2], ours[0], ours[runs - 1]);
	if (isfinite(peak[runs / 2])) /* some paths have none */
		printf(", \"peer\": \"peak\", \"theirs\": %.1f, \"theirs_low\": %.1f, \"theirs_high\": %.1f, "
		       "\"ratio\": %.3f",
		       peak[runs / 2], peak[0], peak[runs - 1], ours[runs / 2] / peak[runs / 2]);
	printf("}\n");
	arena_free(&arena);
	memory_free(a);
	memory_free(b);
	memory_free(c);
	return true;
}

int main(int argc, char **argv)
{
	static const Shape shapes[] = {
	    {512, 1536, 576, PACKED},     {512, 1536, 576, UNPACKED}, {2048, 2048, 2048, PACKED},
	    {2048, 2048, 2048, UNPACKED}, {256, 256, 64, PACKED},     {1024, 64, 176, PACKED},
	    {64, 200, 32, UNPACKED},      {256, 1024, 352, GRADIENT}, {1024, 256, 88, GRADIENT}};
	size_t runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
	Error e = {0};
	gemm_start();
	runs = runs < 1 ? 1 : (runs > 99 ? 99 : runs);
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		for (GemmPrecision p = GEMM_F32; p <= (cpu_has_bf16() ? GEMM_BF16 : GEMM_F32); p++)
			if (!bench(&shapes[i], p, runs, &e)) {
				fprintf(stderr, "gemm: %s\n", e.text);
				return 1;
			}
	return 0;
}
