/* The LLM against the reference engine's logits: check_logits DIR, with DIR/conformance/set1 and the small
 * trained models beside it. */
#include "base/cpu.h"
#include "llm/model.h"
#include "math/gemm.h"
#include "math/vector.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	size_t passed, failed;
} Counts;

/* How the model is used: as for training; its file's numbers, exactly; and quickly, activations rounded. */
typedef enum { EXPANDED, EXACT, QUICK, WAYS } Way;
static const char *const ways[] = {"expanded", "exact", "quick"};

/* What is allowed: the largest difference, and the root of the mean square (MODELS/conformance/README.md). */
typedef struct {
	double most, rms;
} Bounds;

static Bounds bounds_of(const Llm *m, const char *name, Way way, double deviation)
{
	if (way == QUICK && (strstr(name, "_k") != NULL))
		return (Bounds){0.55 * deviation, 0.10 * deviation};
	if (way == QUICK && strstr(name, "-q") != NULL)
		return (Bounds){0.40 * deviation, 0.06 * deviation};
	if (way == QUICK && strstr(name, "iq4") != NULL)
		return (Bounds){0.40 * deviation, 0.06 * deviation};
	/* F16 and BF16 are multiplied in bf16. */
	if (way == QUICK && strstr(name, "f16") != NULL && cpu_has_bf16())
		return (Bounds){0.15 * deviation, 0.03 * deviation};
	/* The reference engine's GELU goes through a table of F16. */
	if (m->shape.layer.gelu || m->shape.layer.plain)
		return (Bounds){8e-3, 2e-3};
	return (Bounds){1e-3, 1e-3};
}

static float *compute(const Llm *m, const int32_t *tokens, size_t N, bool exact, const char *name)
{
	int32_t *positions = calloc(N, sizeof *positions);
	float *logits = calloc(N * m->shape.V, sizeof *logits);
	Tape t = {.exact = exact};
	AttentionSegment segment = {0, N, 0, N, true};
	Sequence s = {.positions = positions, .segments = &segment, .segment_count = 1};
	for (size_t i = 0; positions != NULL && i < N; i++)
		positions[i] = (int32_t)i;
	Tensor *h = positions && logits ? llm_forward(&t, m, tokens, N, &s, NULL) : NULL;
	const Tensor *y = h ? llm_logits(&t, m, h) : NULL;
	if (y == NULL) {
		printf("FAILED: %s: %s\n", name, t.error.text);
		exit(1);
	}
	memcpy(logits, y->value, N * m->shape.V * sizeof *logits);
	tape_free(&t);
	free(positions);
	return logits;
}

static bool compare(const Llm *m, const char *name, Way way, const float *logits, const float *expected,
                    size_t count)
{
	double worst = 0, squares = 0, sum = 0, all = 0;
	for (size_t i = 0; i < count; i++) {
		double difference = fabs((double)logits[i] - (double)expected[i]);
		worst = fmax(worst, difference);
		squares += difference * difference;
		sum += (double)expected[i];
		all += (double)expected[i] * (double)expected[i];
	}
	double rms = sqrt(squares / (double)count), mean = sum / (double)count;
	Bounds b = bounds_of(m, name, way, sqrt(all / (double)count - mean * mean));
	bool good = worst <= b.most && rms <= b.rms;
	printf("%s: %s, %s: largest difference %.2g of %.2g, rms %.2g of %.2g\n", good ? "passed" : "FAILED",
	       name, ways[way], worst, b.most, rms, b.rms);
	return good;
}

static void check_way(const char *directory, const char *name, Way way, Pool *pool, Counts *counts)
{
	Error e = {0};
	char path[512];
	snprintf(path, sizeof path, "%s/%s.gguf", directory, name);
	Llm *m = llm_load(path, way == EXPANDED ? LLM_EXPANDED : LLM_AS_STORED, &e);
	if (m == NULL || !parameters_pack(&m->parameters, GEMM_F32, false, pool, &e)) {
		printf("FAILED: %s\n", e.text);
		counts->failed++;
		return;
	}
	snprintf(path, sizeof path, "%s/%s.tokens.json", directory, name);
	json_t *ids = json_load_file(path, 0, NULL);
	bool quantised = strstr(name, "f32") == NULL;
	/* The reference engine rounds activations for F16, too, and to other bits than we do. */
	bool rounds = way == QUICK && strstr(name, "f16") == NULL;
	snprintf(path, sizeof path, "%s/%s.%s.npy", directory, name,
	         quantised && !rounds ? "logits_deq" : "logits");
	FILE *file = fopen(path, "rb");
	size_t N = json_array_size(ids), count = N * m->shape.V;
	int32_t *tokens = calloc(N, sizeof *tokens);
	float *expected = calloc(count, sizeof *expected);
	if (!tokens || !expected || !file || fseek(file, 128, SEEK_SET) != 0 ||
	    fread(expected, sizeof *expected, count, file) != count) {
		printf("FAILED: %s: no reference\n", path);
		exit(1);
	}
	for (size_t i = 0; i < N; i++)
		tokens[i] = (int32_t)json_integer_value(json_array_get(ids, i));
	float *logits = compute(m, tokens, N, way != QUICK, name);
	*(compare(m, name, way, logits, expected, count) ? &counts->passed : &counts->failed) += 1;
	free(tokens);
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
	Error e = {0};
	Pool *pool = pool_new(2, &e);
	for (size_t i = 0; pool != NULL && i < sizeof names / sizeof *names; i++)
		for (Way way = EXPANDED; way < WAYS; way++)
			check_way(directory, names[i], way, pool, &counts);
	pool_free(pool);
	printf("%zu passed, %zu failed\n", counts.passed, counts.failed);
	return counts.failed > 0 || counts.passed == 0;
}
