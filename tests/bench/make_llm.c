/* An LLM of random weights in the shape of a known one, as GGUF (F32):
 *
 *     build/tests/bench/make_llm FILE [stories15M|SmolLM2-135M|Qwen2.5-0.5B]
 *
 * (60, 540 or 2,000 MB; SmolLM2-135M where none is named).  Its tokens are the 256 bytes and many that no
 * text has. */
#include "llm/model.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *architecture;
	size_t C, heads, kv_heads, F, layers, V;
} shapes[] = {
    {"stories15M", "llama", 288, 6, 6, 768, 6, 32000},
    {"SmolLM2-135M", "llama", 576, 9, 3, 1536, 30, 49152},
    {"Qwen2.5-0.5B", "qwen2", 896, 14, 2, 4864, 24, 151936},
};

enum { BYTES = 3, NOTHING = BYTES + 256 }; /* first id of the bytes, and of what no text has */

static const char *const first_names[BYTES] = {"<unk>", "<s>", "</s>"};
static const int32_t first_types[BYTES] = {TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_CONTROL};

static bool add_tokens(TokenizerModel *m, int count, Error *e)
{
	m->types = memory_new((size_t)count, sizeof *m->types, e);
	m->scores = memory_new((size_t)count, sizeof *m->scores, e);
	for (int id = 0; m->types != NULL && m->scores != NULL && id < count; id++) {
		char name[32];
		int length;
		if (id < BYTES)
			length = snprintf(name, sizeof name, "%s", first_names[id]);
		else if (id < NOTHING)
			length = snprintf(name, sizeof name, "<0x%02X>", (unsigned)(id - BYTES));
		else
			length = snprintf(name, sizeof name, "<nothing%d>", id);
		if (!strings_append(&m->tokens, name, (size_t)length, e))
			return false;
		m->types[id] = id < BYTES ? first_types[id] : (id < NOTHING ? TOKEN_BYTE : TOKEN_UNUSED);
	}
	return m->types != NULL && m->scores != NULL;
}

static LlmShape shape_of(size_t i)
{
	size_t D = shapes[i].C / shapes[i].heads;
	return (LlmShape){.architecture = llm_architecture(shapes[i].architecture),
	                  .layer = {.C = shapes[i].C,
	                            .heads = shapes[i].heads,
	                            .kv_heads = shapes[i].kv_heads,
	                            .D = D,
	                            .F = shapes[i].F,
	                            .eps = 1e-5f,
	                            .qkv_bias = strcmp(shapes[i].architecture, "qwen2") == 0},
	                  .turned = D,
	                  .layers = shapes[i].layers,
	                  .V = shapes[i].V,
	                  .context = 2048,
	                  .rope_base = 10000,
	                  .rope_scaling = 1,
	                  .tied = true};
}

static bool make(const char *path, size_t i, Error *e)
{
	TokenizerModel m = {
	    .kind = TOKENIZER_SENTENCEPIECE, .bos = 1, .eos = 2, .eot = TOKEN_NONE, .unknown = 0};
	LlmShape shape = shape_of(i);
	Llm *llm = NULL;
	Tokenizer *tokenizer = add_tokens(&m, (int)shape.V, e) ? tokenizer_new(&m, e) : NULL;
	bool done = tokenizer != NULL && (llm = llm_new(&shape, tokenizer, 1, e)) != NULL &&
	            llm_save(llm, "random", path, e);
	llm_free(llm);
	return done;
}

int main(int argc, char **argv)
{
	const char *name = argc > 2 ? argv[2] : "SmolLM2-135M";
	for (size_t i = 0; argc > 1 && i < sizeof shapes / sizeof *shapes; i++) {
		Error e = {0};
		if (strcmp(shapes[i].name, name) != 0)
			continue;
		if (make(argv[1], i, &e))
			return 0;
		fprintf(stderr, "make_llm: %s\n", e.text);
		return 1;
	}
	fprintf(stderr, "usage: make_llm FILE [stories15M|SmolLM2-135M|Qwen2.5-0.5B]\n");
	return 2;
}
