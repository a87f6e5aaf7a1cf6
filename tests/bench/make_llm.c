/* A Llama of random weights in SmolLM2-135M's shape, as GGUF (F32, 540 MB):
 *
 *     build/tests/bench/make_llm FILE
 *
 * Its tokens are the 256 bytes and many that no text has. */
#include "llm/model.h"

#include <stdio.h>

enum { TOKENS = 49152 };

enum { BYTES = 3, NOTHING = BYTES + 256 }; /* first id of the bytes, and of what no text has */

static const char *const first_names[BYTES] = {"<unk>", "<s>", "</s>"};
static const int32_t first_types[BYTES] = {TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_CONTROL};

static bool add_tokens(TokenizerModel *m, Error *e)
{
	m->types = memory_new(TOKENS, sizeof *m->types, e);
	m->scores = memory_new(TOKENS, sizeof *m->scores, e);
	for (int id = 0; m->types != NULL && m->scores != NULL && id < TOKENS; id++) {
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

int main(int argc, char **argv)
{
	static const LlmShape shape = {.C = 576,
	                               .layers = 30,
	                               .heads = 9,
	                               .kv_heads = 3,
	                               .D = 64,
	                               .F = 1536,
	                               .V = TOKENS,
	                               .context = 2048,
	                               .eps = 1e-5f,
	                               .rope_base = 10000,
	                               .rope_scaling = 1,
	                               .tied = true};
	Error e = {0};
	Llm *llm = NULL;
	TokenizerModel m = {
	    .kind = TOKENIZER_SENTENCEPIECE, .bos = 1, .eos = 2, .eot = TOKEN_NONE, .unknown = 0};
	bool done = argc == 2 && add_tokens(&m, &e);
	Tokenizer *tokenizer = done ? tokenizer_new(&m, &e) : NULL;
	done = tokenizer != NULL && (llm = llm_new(&shape, tokenizer, 1, &e)) != NULL &&
	       llm_save(llm, "random", argv[1], &e);
	llm_free(llm);
	if (!done)
		fprintf(stderr, "make_llm: %s\n", argc == 2 ? e.text : "FILE is missing");
	return !done;
}
