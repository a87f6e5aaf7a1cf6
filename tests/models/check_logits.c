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
	if (h == NULL) {
		printf("FAILED: %s: %s\n", name, t.error.text);
		exit(1);
	}
	const Tensor *y = llm_logits(&t, m, h);
	memcpy(logits, y->value, N * V * sizeof *logits);
	double worst = 0, squares = 0;
	for (size_t i = 0; i < N * V; i++) {
		double difference = fabs((double)logits[i] - (double)expected[i]);
		worst = fmax(worst, difference);
		squares += difference * difference;
	}
	double rms = sqrt(squares / (double)(N * V));
	/* The reference engine's GELU goes through a table of F16. */
	bool gelu = m->shape.layer.gelu || m->shape.layer.plain;
	bool good = worst <= (gelu ? 8e-3 : 1e-3) && rms <= (gelu ? 2e-3 : 1e-3);
	printf("%s: %s: largest difference %.2g, rms %.2g\n", good ? "passed" : "FAILED", name, worst, rms);
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
	static const char *const names[] = {
	    "llama-f32",         "llama-f16",       "llama-bf16",       "llama-q8_0",   "llama-q4_0",
	    "llama-q4_1",        "llama-q5_0",      "llama-q5_1",       "llama-q2_k",   "llama-q3_k_m",
	    "llama-q4_k_m",      "llama-q5_k_m",    "llama-q6_k",       "llama-iq4_nl", "llama_linear-f32",
	    "llama_linear-q8_0", "llama_rope3-f32", "llama_rope3-q8_0", "qwen2-f32",    "qwen2-q8_0",
	    "qwen3-f32",         "qwen3-q8_0",      "gemma2-f32",       "gemma2-q8_0",  "gemma3-f32",
	    "gemma3-q8_0",       "gpt2-f32",        "gpt2-q8_0",        "gptneox-f32",  "gptneox-q8_0",
	    "gptneox_seq-f32"};
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
