/* check_perplexity MODELS: the perplexity of small trained models, of each type of numbers, against what the
 * reference engine has (MODELS/SOURCES.md).  The text is the corpus's stories, without what is not ASCII,
 * with an empty line between them, and of it the first 200,000 characters; it is cut into pieces of 512
 * tokens, each begins with BOS, and the second half of each counts. */
#include "llm/model.h"
#include "math/gemm.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CHARACTERS = 200000, PIECE = 512 };

static const struct {
	const char *path;
	double perplexity;
} models[] = {
    {"stories260K/stories260K-f32.gguf", 5.1685},
    {"tinystories-656k-gguf/tinystories-656k-f32.gguf", 37.0694},
    {"tinystories-656k-gguf/tinystories-656k-f16.gguf", 37.0700},
    {"tinystories-656k-gguf/tinystories-656k-q8_0.gguf", 37.0723},
    {"tinystories-656k-gguf/tinystories-656k-q5_0.gguf", 37.4268},
    {"tinystories-656k-gguf/tinystories-656k-q4_0.gguf", 39.3937},
    {"tinystories-656k-hf", 37.0694},
};

static bool read_corpus(const char *directory, Buffer *text, Error *e)
{
	char path[512];
	size_t index;
	json_t *story;
	snprintf(path, sizeof path, "%s/corpus/tinystories_1000.json", directory);
	json_t *stories = json_load_file(path, 0, NULL);
	json_array_foreach(stories, index, story)
	{
		if (index > 0 && !buffer_append(text, "\n\n", 2, e))
			break;
		for (const char *p = json_string_value(story); p != NULL && *p != '\0'; p++)
			if ((unsigned char)*p < 0x80 && !buffer_append(text, p, 1, e))
				break;
	}
	json_decref(stories);
	if (text->size < CHARACTERS)
		return fail(e, ERROR_FAILURE, "%s: no corpus", path);
	text->size = CHARACTERS;
	return true;
}

/* -log of what the piece's second half is worth, added to *sum. */
static bool add_piece(const Llm *m, Tape *t, int32_t *tokens, double *sum)
{
	int32_t positions[PIECE];
	for (int i = 0; i < PIECE; i++)
		positions[i] = i;
	AttentionSegment segment = {0, PIECE, 0, PIECE, true};
	Sequence s = {.positions = positions, .segments = &segment, .segment_count = 1};
	tape_reset(t, false, 0);
	tokens[0] = tokenizer_model(m->tokenizer)->bos;
	Tensor *h = llm_forward(t, m, tokens, PIECE, &s, NULL),
	       *y = h ? llm_log_probabilities(t, m, h) : NULL;
	for (size_t i = PIECE / 2; y != NULL && i + 1 < PIECE; i++)
		*sum -= (double)y->value[i * y->cols + (size_t)tokens[i + 1]];
	return y != NULL;
}

static bool perplexity(const char *path, const Buffer *text, double *result, Error *e)
{
	Tape t = {0};
	Tokens tokens = {0};
	double sum = 0;
	Llm *m = llm_load(path, LLM_EXPANDED, e);
	bool done = m != NULL && tokenizer_encode(m->tokenizer, (Text){(const char *)text->data, text->size},
	                                          true, &tokens, e);
	size_t pieces = tokens.count / PIECE;
	for (size_t i = 0; done && i < pieces; i++)
		done = add_piece(m, &t, tokens.ids + i * PIECE, &sum);
	if (e->code == ERROR_NONE && t.error.code != ERROR_NONE)
		*e = t.error;
	*result = exp(sum / (double)(pieces * (PIECE / 2 - 1)));
	tokens_free(&tokens);
	tape_free(&t);
	llm_free(m);
	return done;
}

int main(int argc, char **argv)
{
	Error e = {0};
	Buffer text = {0};
	size_t failed = 0;
	if (argc != 2)
		return ERROR_USAGE;
	gemm_start();
	if (!read_corpus(argv[1], &text, &e)) {
		printf("%s\n", e.text);
		return 1;
	}
	for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
		char path[512];
		double found = 0, expected = models[i].perplexity;
		e = (Error){0};
		snprintf(path, sizeof path, "%s/%s", argv[1], models[i].path);
		/* The reference engine rounds activations where weights are quantised. */
		bool good = perplexity(path, &text, &found, &e) && fabs(found - expected) <= 1e-3 * expected;
		printf("%s: %s: %.4f, and %.4f by the reference engine %s\n", good ? "passed" : "FAILED",
		       models[i].path, found, expected, e.text);
		failed += !good;
	}
	buffer_free(&text);
	return failed > 0;
}
