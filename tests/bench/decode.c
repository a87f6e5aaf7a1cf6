/* Tokens a second of an LLM: reading prompts, decoding one text, decoding many together.
 *
 *     build/tests/bench/decode LLM THREADS [ROUNDS]
 *
 * A line of JSON: pp32, pp512 (prompts of so many tokens, with the logits of the last), tg (one text, 64
 * tokens from nothing), tg32 (32 texts, 16 tokens each); medians of the rounds. */
#include "llm/decode.h"
#include "math/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

enum { MOST = 512, ROUNDS = 99 };
static int32_t tokens[MOST];

static bool read_prompt(Decoder *d, size_t N, Error *e)
{
	Tensor *h = decoder_begin(d, tokens, N, e);
	return h != NULL && llm_logits(&d->tape, d->llm, h) != NULL;
}

/* `texts` of them, `length` tokens each after a first one that they share. */
static bool write_texts(Decoder *d, size_t texts, size_t length, Error *e)
{
	static int32_t paths[32][MOST];
	NextToken next[32];
	if (!read_prompt(d, 1, e))
		return false;
	for (size_t i = 0; i < length; i++) {
		for (size_t k = 0; k < texts; k++) {
			paths[k][i + 1] = (int32_t)(d->rows + k);
			next[k] = (NextToken){tokens[i + k], (int32_t)i + 1, k, paths[k]};
		}
		Tensor *h = decoder_step(d, next, texts, texts, e);
		if (h == NULL || llm_logits(&d->tape, d->llm, h) == NULL)
			return false;
	}
	return true;
}

static bool work(Decoder *d, int kind, Error *e)
{
	switch (kind) {
	case 0:
		return read_prompt(d, 32, e);
	case 1:
		return read_prompt(d, 512, e);
	case 2:
		return write_texts(d, 1, 64, e);
	default:
		return write_texts(d, 32, 16, e);
	}
}

static bool measure(Decoder *d, int rounds, Error *e)
{
	static const char *const names[] = {"pp32", "pp512", "tg", "tg32"};
	static const double counts[] = {32, 512, 64, 512};
	printf("{");
	for (int kind = 0; kind < 4; kind++) {
		double rates[ROUNDS] = {0};
		for (int round = -1; round < rounds; round++) { /* the first warms up */
			double start = now();
			if (!work(d, kind, e))
				return false;
			if (round >= 0)
				rates[round] = counts[kind] / (now() - start);
		}
		qsort(rates, (size_t)rounds, sizeof *rates, by_value);
		printf("%s\"%s\": %.1f", kind ? ", " : "", names[kind], rates[rounds / 2]);
		fflush(stdout);
	}
	printf("}\n");
	return true;
}

int main(int argc, char **argv)
{
	Error e = {0};
	Decoder d = {0};
	int rounds = argc > 3 ? atoi(argv[3]) : 5;
	if (argc < 3 || rounds < 1 || rounds > ROUNDS) {
		fprintf(stderr, "usage: decode LLM THREADS [ROUNDS]\n");
		return 2;
	}
	gemm_start();
	for (int i = 0; i < MOST; i++)
		tokens[i] = 3 + i * 7 % 250;
	Pool *pool = pool_new((size_t)atoi(argv[2]), &e);
	Llm *llm = pool ? llm_load(argv[1], LLM_AS_STORED, &e) : NULL;
	bool done = llm != NULL && parameters_pack(&llm->parameters, GEMM_F32, false, pool, &e) &&
	            decoder_new(&d, llm, pool, &e) && measure(&d, rounds, &e);
	decoder_free(&d);
	llm_free(llm);
	pool_free(pool);
	if (!done)
		fprintf(stderr, "decode: %s\n", e.text);
	return !done;
}
