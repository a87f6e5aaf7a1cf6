/* The LLM against the reference engine's logits: check_logits DIR, with DIR/conformance/set1 and the small
 * trained models beside it.  Models of a kind that is not supported are said and skipped. */
#include "llm/model.h"
#include "math/gemm.h"
#include "math/vector.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	size_t passed, failed, skipped;
} Counts;

static void check(const char *directory, const char *name, bool quantised, Counts *counts)
{
	Error e = {0};
	char path[512];
	snprintf(path, sizeof path, "%s/%s.gguf", directory, name);
	Llm *m = llm_load(path, &e);
	if (m == NULL) {
		printf("skipped: %s\n", e.text);
		counts->skipped++;
		return;
	}
	snprintf(path, sizeof path, "%s/%s.tokens.json", directory, name);
	json_t *ids = json_load_file(path, 0, NULL);
	snprintf(path, sizeof path, "%s/%s.%s.npy", directory, name, quantised ? "logits_deq" : "logits");
	FILE *file = fopen(path, "rb");
	size_t N = json_array_size(ids), V = m->shape.V;
	int32_t *tokens = calloc(N, sizeof *tokens), *positions = calloc(N, sizeof *positions);
	float *expected = calloc(N * V, sizeof *expected), *logits = calloc(N * V, sizeof *logits);
	if (!tokens || !positions || !expected || !logits || !file || fseek(file, 128, SEEK_SET) != 0 ||
	    fread(expected, sizeof *expected, N * V, file) != N * V) {
		printf("FAILED: %s: no reference\n", path);
		exit(1);
	}
	for (size_t i = 0; i < N; i++) {
		tokens[i] = (int32_t)json_integer_value(json_array_get(ids, i));
		positions[i] = (int32_t)i;
	}
	Tape t = {0};
	AttentionSegment segment = {0, N, 0, N, true};
	Sequence s = {.positions = positions, .segments = &segment, .segment_count = 1};
	Tensor *h = llm_forward(&t, m, tokens, N, &s, NULL);
	gemm_packed(GEMM_F32, N, (Operand){h->value, m->shape.C, false}, packed_whole(&m->output->forward),
	            false, logits, V);
	double worst = 0;
	for (size_t i = 0; i < N * V; i++)
		worst = fmax(worst, fabs((double)logits[i] - (double)expected[i]));
	bool good = worst <= 1e-3;
	printf("%s: %s: largest difference %.2g\n", good ? "passed" : "FAILED", name, worst);
	*(good ? &counts->passed : &counts->failed) += 1;
	tape_free(&t);
	free(tokens);
	free(positions);
	free(expected);
	free(logits);
	fclose(file);
	json_decref(ids);
	llm_free(m);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"llama-f32",         "llama-f16",       "llama-bf16",
	                                    "llama-q8_0",        "llama-q4_0",      "llama_linear-f32",
	                                    "llama_linear-q8_0", "llama_rope3-f32", "llama_rope3-q8_0"};
	Counts counts = {0};
	char directory[400];
	if (argc != 2)
		return 2;
	gemm_start();
	snprintf(directory, sizeof directory, "%s/conformance/set1", argv[1]);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		check(directory, names[i], strstr(names[i], "f32") == NULL, &counts);
	printf("%zu passed, %zu failed, %zu skipped\n", counts.passed, counts.failed, counts.skipped);
	return counts.failed > 0 || counts.passed == 0;
}
