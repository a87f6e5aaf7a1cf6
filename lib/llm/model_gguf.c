/* An LLM from and to GGUF. */
#include "llm/model.h"

#include "base/path.h"
#include "llm/huggingface.h"
#include "llm/shape.h"
#include "llm/tokenizer_json.h"
#include "llm/vocabulary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Our names of parameters, and the format's; of a block's behind "llm.blk.3." and "blk.3.". */
typedef struct {
	const char *ours, *theirs;
} Name;

static const Name names[] = {
    {"llm.embed", "token_embd.weight"}, {"llm.positions", "position_embd.weight"},
    {"llm.norm", "output_norm.weight"}, {"llm.norm_bias", "output_norm.bias"},
    {"llm.output", "output.weight"},
};

static const Name block_names[] = {
    {"attn.norm", "attn_norm.weight"},
    {"attn.norm_bias", "attn_norm.bias"},
    {"attn.q", "attn_q.weight"},
    {"attn.k", "attn_k.weight"},
    {"attn.v", "attn_v.weight"},
    {"attn.q_bias", "attn_q.bias"},
    {"attn.k_bias", "attn_k.bias"},
    {"attn.v_bias", "attn_v.bias"},
    {"attn.qkv", "attn_qkv.weight"},
    {"attn.qkv_bias", "attn_qkv.bias"},
    {"attn.q_norm", "attn_q_norm.weight"},
    {"attn.k_norm", "attn_k_norm.weight"},
    {"attn.o", "attn_output.weight"},
    {"attn.o_bias", "attn_output.bias"},
    {"attn.post_norm", "post_attention_norm.weight"},
    {"ffn.norm", "ffn_norm.weight"},
    {"ffn.norm_bias", "ffn_norm.bias"},
    {"ffn.gate", "ffn_gate.weight"},
    {"ffn.gate_bias", "ffn_gate.bias"},
    {"ffn.up", "ffn_up.weight"},
    {"ffn.up_bias", "ffn_up.bias"},
    {"ffn.down", "ffn_down.weight"},
    {"ffn.down_bias", "ffn_down.bias"},
    {"ffn.post_norm", "post_ffw_norm.weight"},
};

static const char *other_name(const Name *list, size_t count, const char *ours)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].ours, ours) == 0)
			return list[i].theirs;
	return "";
}

/* "llm.blk.3.attn.q" is "blk.3.attn_q.weight". */
static void gguf_name(const char *ours, char *name, size_t size)
{
	unsigned layer;
	int used = 0;
	if (sscanf(ours, "llm.blk.%u.%n", &layer, &used) == 1 && used > 0)
		snprintf(name, size, "blk.%u.%s", layer,
		         other_name(block_names, sizeof block_names / sizeof *block_names, ours + used));
	else
		snprintf(name, size, "%s", other_name(names, sizeof names / sizeof *names, ours));
}

/* A file whose tensors become parameters, and which of them have. */
typedef struct {
	const Gguf *g;
	const LlmShape *shape;
	uint8_t *used; /* by tensor */
	LlmWeights weights;
} Source;

/* Rows of attn_qkv, [q; k; v], where a file has these in one tensor (GPT-2, GPT-NeoX). */
static bool fused_part(const Source *s, const char *name, GgufTensor *part, const GgufTensor **whole)
{
	const LayerShape *l = &s->shape->layer;
	char fused[96];
	const char *dot = strstr(name, "attn_");
	if (dot == NULL || dot[5] == '\0' || dot[6] != '.' || strchr("qkv", dot[5]) == NULL)
		return false;
	snprintf(fused, sizeof fused, "%.*sattn_qkv%s", (int)(dot - name), name, dot + 6);
	const GgufTensor *t = gguf_tensor(s->g, fused);
	size_t width = l->heads * l->D, kv_width = l->kv_heads * l->D, all = width + 2 * kv_width;
	bool rows = t != NULL && (t->rank == 2 || (t->rank == 1 && t->type == GGML_F32));
	if (!rows || t->shape[t->rank - 1] != all)
		return false;
	size_t first = dot[5] == 'q' ? 0 : dot[5] == 'k' ? width : width + kv_width;
	*whole = t;
	*part = gguf_rows(t, first, dot[5] == 'q' ? width : kv_width);
	return true;
}

static bool find_tensor(const Source *s, const char *name, GgufTensor *t)
{
	const GgufTensor *whole = gguf_tensor(s->g, name);
	if (whole != NULL)
		*t = *whole;
	else if (!fused_part(s, name, t, &whole))
		return false;
	s->used[whole - gguf_tensor_at(s->g, 0)] = 1;
	return true;
}

static bool tensor_fits(const void *context, const Parameter *p, Error *e)
{
	char name[96];
	GgufTensor t;
	gguf_name(p->name, name, sizeof name);
	if (!find_tensor(context, name, &t))
		return fail(e, ERROR_MALFORMED, "tensor %s is missing", name);
	bool fits = t.rank == p->rank && t.shape[0] == p->cols && (p->rank == 1 || t.shape[1] == p->rows);
	return fits ||
	       fail(e, ERROR_MALFORMED, "tensor %s does not have the shape that the metadata asks for", name);
}

static void tensor_read(const void *context, Parameter *p)
{
	char name[96];
	GgufTensor t;
	gguf_name(p->name, name, sizeof name);
	if (find_tensor(context, name, &t))
		gguf_expand(&t, p->value);
}

static bool tensor_keep(const void *context, const Parameter *p, StoredMatrix *stored)
{
	const Source *s = context;
	char name[96];
	GgufTensor t;
	gguf_name(p->name, name, sizeof name);
	if (s->weights == LLM_EXPANDED || p->rank != 2 || !find_tensor(s, name, &t))
		return false;
	*stored = (StoredMatrix){.n = p->rows, .k = p->cols, .type = quant_type(t.type), .data = t.data};
	return true;
}

/* What the file holds beyond the model (a bias, say) would be left out of the sums. */
static bool check_rest(const Source *s, Error *e)
{
	for (size_t i = 0; i < gguf_tensor_count(s->g); i++)
		if (!s->used[i])
			return fail(e, ERROR_MALFORMED,
			            "tensor %s is no part of the architecture %s as it is supported here",
			            gguf_tensor_at(s->g, i)->name, s->shape->architecture->name);
	return true;
}

/* Divisors of the frequencies of rotary positions (Llama 3): the only tensor that is no parameter. */
#define DIVISORS "rope_freqs.weight"

/* NULL where there are none. */
static bool read_divisors(const Source *s, float **divisors, Error *e)
{
	GgufTensor t;
	*divisors = NULL;
	if (!find_tensor(s, DIVISORS, &t))
		return true;
	if (t.count != s->shape->turned / 2)
		return fail(e, ERROR_MALFORMED, "rope_freqs.weight has %zu numbers, not %zu", t.count,
		            s->shape->turned / 2);
	if ((*divisors = memory_new(t.count, sizeof **divisors, e)) == NULL)
		return false;
	gguf_expand(&t, *divisors);
	for (size_t i = 0; i < t.count; i++)
		if (!isfinite((*divisors)[i]) || (*divisors)[i] == 0)
			return fail(e, ERROR_MALFORMED, "rope_freqs.weight has %g among its divisors",
			            (double)(*divisors)[i]);
	return true;
}

/* Takes over the tokenizer. */
static Llm *read_weights(const Source *s, Tokenizer *tokenizer, Error *e)
{
	float *divisors;
	ParameterSource source = {s, tensor_fits, tensor_read, tensor_keep};
	if (!read_divisors(s, &divisors, e)) {
		memory_free(divisors);
		tokenizer_free(tokenizer);
		return NULL;
	}
	Llm *m = llm_from(s->shape, tokenizer, &source, divisors, e);
	memory_free(divisors);
	if (m == NULL || check_rest(s, e))
		return m;
	llm_free(m);
	return NULL;
}

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), length = strlen(end);
	return size >= length && strcmp(text + size - length, end) == 0;
}

/* Of what is called so in the folder. */
static bool folder_differs(const char *output, const char *folder, Error *e)
{
	const char *name = path_basename(output);
	if (!ends_with(name, ".json") && !ends_with(name, ".safetensors") && !ends_with(name, ".jinja"))
		return true; /* nothing else is read */
	char *inside = path_join(folder, name, e);
	bool done = inside != NULL && output_differs(output, inside, e);
	memory_free(inside);
	return done;
}

bool llm_differs(const char *output, const char *path, Error *e)
{
	if (output != NULL && path_is_directory(path))
		return folder_differs(output, path, e);
	return output_differs(output, path, e) && gguf_parts_differ(output, path, e);
}

static Tokenizer *read_tokenizer(const Gguf *g, const char *path, Error *e)
{
	if (path_is_directory(path))
		return tokenizer_json_read(path, e);
	return vocabulary_read(g, e);
}

static Gguf *open_model(const char *path, LlmShape *shape, Error *e)
{
	Gguf *g = path_is_directory(path) ? huggingface_open(path, e) : gguf_open(path, e);
	if (g == NULL || llm_shape_read(g, shape, e))
		return g;
	fail_in(e, "%s", path);
	gguf_close(g);
	return NULL;
}

/* Folders may have more embeddings than tokens, to make their number a round one; nobody says those. */
static bool check_tokens(const Tokenizer *t, size_t V, bool more, Error *e)
{
	size_t tokens = tokenizer_size(t);
	return tokens == V || (more && tokens < V) ||
	       fail(e, ERROR_MALFORMED, "%zu tokens, but %zu embeddings", tokens, V);
}

static Llm *read_model(const Gguf *g, const LlmShape *shape, const char *path, LlmWeights weights, Error *e)
{
	Tokenizer *tokenizer = read_tokenizer(g, path, e);
	if (tokenizer == NULL)
		return NULL;
	Source s = {g, shape, memory_new(gguf_tensor_count(g), 1, e), weights};
	Llm *m = NULL;
	if (s.used == NULL || !check_tokens(tokenizer, shape->V, path_is_directory(path), e))
		tokenizer_free(tokenizer);
	else
		m = read_weights(&s, tokenizer, e);
	memory_free(s.used);
	if (m == NULL) {
		fail_in(e, "%s", path);
		return NULL;
	}
	m->hash = gguf_hash(g);
	if (!path_is_directory(path) || tokenizer_json_hash(path, tokenizer_model(m->tokenizer), &m->hash, e))
		return m;
	llm_free(m);
	return NULL;
}

Tokenizer *llm_tokenizer(const char *path, Error *e)
{
	Gguf *g = path_is_directory(path) ? NULL : gguf_open(path, e);
	Tokenizer *t = g != NULL || path_is_directory(path) ? read_tokenizer(g, path, e) : NULL;
	gguf_close(g);
	return t;
}

Llm *llm_load(const char *path, LlmWeights weights, Error *e)
{
	LlmShape shape = {0};
	Gguf *g = open_model(path, &shape, e);
	Llm *m = g ? read_model(g, &shape, path, weights, e) : NULL;
	if (m != NULL && weights == LLM_AS_STORED)
		m->file = g;
	else
		gguf_close(g);
	return m;
}

/* What its makers say of a model goes with it. */
static bool copy_general(GgufWriter *w, const Gguf *g, Error *e)
{
	static const char *const keys[] = {
	    "general.author",       "general.organization", "general.license",   "general.license.name",
	    "general.license.link", "general.description",  "general.url",       "general.version",
	    "general.basename",     "general.finetune",     "general.size_label"};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		Text value;
		if (gguf_has(g, keys[i]) &&
		    (!gguf_string(g, keys[i], &value, e) || !gguf_add_string(w, keys[i], value, e)))
			return false;
	}
	return true;
}

/* The model's own name, or that of its file. */
static bool write_name(GgufWriter *w, const Gguf *g, const char *path, Error *e)
{
	Text name = text_of(path_basename(path));
	if (g != NULL && gguf_has(g, "general.name") && !gguf_string(g, "general.name", &name, e))
		return false;
	return gguf_add_string(w, "general.name", name, e) && (g == NULL || copy_general(w, g, e));
}

/* g: what it is made of, or NULL. */
static bool write_head(GgufWriter *w, const LlmShape *shape, const Tokenizer *t, const Gguf *g,
                       const char *path, Error *e)
{
	return write_name(w, g, path, e) && gguf_add_u32(w, "general.quantization_version", 2, e) &&
	       llm_shape_write(shape, w, e) && vocabulary_write(tokenizer_model(t), shape->V, w, e);
}

static bool write_file(const GgufWriter *w, const char *path, Error *e)
{
	Output output = {0};
	bool done =
	    output_open(&output, path, true, e) && gguf_write(w, &output, e) && output_close(&output, e);
	output_abort(&output);
	return done;
}

static bool write_tensor(GgufWriter *w, const char *ours, size_t rank, const size_t *shape,
                         const float *value, Error *e)
{
	char tensor[96];
	gguf_name(ours, tensor, sizeof tensor);
	return gguf_add_tensor(w, tensor, rank, shape, value, e);
}

/* The letter in "llm.blk.3.attn.q" and "….q_bias", of q, k or v; NULL of all others. */
static const char *letter_of(const char *name)
{
	const char *attention = strstr(name, ".attn."), *letter = attention ? attention + 6 : "";
	bool one = *letter != '\0' && strchr("qkv", *letter) != NULL;
	return one && (letter[1] == '\0' || strcmp(letter + 1, "_bias") == 0) ? letter : NULL;
}

/* q, and k and v of the same layer, one below the other, in memory that outlives the writer. */
static bool write_fused(GgufWriter *w, const Llm *m, const Parameter *q, Arena *memory, Error *e)
{
	char name[96];
	const Parameter *parts[3];
	const char *letter = letter_of(q->name), *rest = letter + 1;
	size_t count = 0, at = (size_t)(letter - q->name);
	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "%.*s%c%s", (int)at, q->name, "qkv"[i], rest);
		if ((parts[i] = parameters_find(&m->parameters, name)) == NULL)
			return fail(e, ERROR_FAILURE, "the LLM has no '%s'", name);
		count += parts[i]->rows * parts[i]->cols;
	}
	float *all = arena_new(memory, count, sizeof *all, e), *next = all;
	for (size_t i = 0; all != NULL && i < 3; i++) {
		memcpy(next, parts[i]->value, parts[i]->rows * parts[i]->cols * sizeof *next);
		next += parts[i]->rows * parts[i]->cols;
	}
	size_t cols = q->rank == 1 ? count : q->cols, shape[] = {cols, count / cols};
	snprintf(name, sizeof name, "%.*sqkv%s", (int)at, q->name, rest);
	return all != NULL && write_tensor(w, name, q->rank, shape, all, e);
}

static bool write_weights(GgufWriter *w, const Llm *m, Arena *memory, Error *e)
{
	bool done = gguf_add_u32(w, "general.file_type", 0, e);
	for (size_t i = 0; done && i < m->parameters.count; i++) {
		const Parameter *p = m->parameters.items[i];
		const char *letter = m->shape.architecture->fused ? letter_of(p->name) : NULL;
		size_t shape[] = {p->cols, p->rows};
		if (letter == NULL)
			done = write_tensor(w, p->name, p->rank, shape, p->value, e);
		else if (*letter == 'q')
			done = write_fused(w, m, p, memory, e);
	}
	return done;
}

bool llm_save(const Llm *m, const char *name, const char *path, Error *e)
{
	Arena memory = {0};
	GgufWriter *w = gguf_writer_new(e);
	bool done = w != NULL && write_head(w, &m->shape, m->tokenizer, NULL, name, e) &&
	            write_weights(w, m, &memory, e) && write_file(w, path, e);
	gguf_writer_free(w);
	arena_free(&memory);
	return done;
}

static bool copy_tensors(GgufWriter *w, const Gguf *g, const Llm *tuned, Arena *memory, Error *e)
{
	for (size_t i = 0; i < gguf_tensor_count(g); i++) {
		const GgufTensor *tensor = gguf_tensor_at(g, i);
		if ((tuned == NULL || strcmp(tensor->name, DIVISORS) == 0) && !gguf_copy_tensor(w, tensor, e))
			return false;
	}
	return tuned == NULL || write_weights(w, tuned, memory, e);
}

bool llm_convert(const char *from, const Llm *tuned, const char *path, Error *e)
{
	LlmShape shape = {0};
	Arena memory = {0};
	Gguf *g = open_model(from, &shape, e);
	Tokenizer *t = g ? read_tokenizer(g, from, e) : NULL;
	GgufWriter *w = t ? gguf_writer_new(e) : NULL;
	bool done = w != NULL &&
	            ((check_tokens(t, shape.V, path_is_directory(from), e) &&
	              write_head(w, &shape, t, g, from, e) && copy_tensors(w, g, tuned, &memory, e)) ||
	             fail_in(e, "%s", from)) &&
	            write_file(w, path, e);
	gguf_writer_free(w);
	arena_free(&memory);
	tokenizer_free(t);
	gguf_close(g);
	return done;
}
