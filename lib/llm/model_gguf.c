/* An LLM from and to GGUF (architecture llama). */
#include "llm/model.h"

#include "llm/vocabulary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Our names of a block's parameters, and the format's. */
static const struct {
	const char *ours, *theirs;
} block_names[] = {
    {"attn.norm", "attn_norm"}, {"attn.q", "attn_q"},      {"attn.k", "attn_k"},
    {"attn.v", "attn_v"},       {"attn.o", "attn_output"}, {"ffn.norm", "ffn_norm"},
    {"ffn.gate", "ffn_gate"},   {"ffn.up", "ffn_up"},      {"ffn.down", "ffn_down"},
};

/* "llm.blk.3.attn.q" is "blk.3.attn_q.weight". */
static void gguf_name(const char *ours, char *name, size_t size)
{
	unsigned layer;
	int used = 0;
	if (strcmp(ours, "llm.embed") == 0)
		snprintf(name, size, "token_embd.weight");
	else if (strcmp(ours, "llm.norm") == 0)
		snprintf(name, size, "output_norm.weight");
	else if (sscanf(ours, "llm.blk.%u.%n", &layer, &used) == 1 && used > 0) {
		for (size_t i = 0; i < sizeof block_names / sizeof *block_names; i++)
			if (strcmp(ours + used, block_names[i].ours) == 0)
				snprintf(name, size, "blk.%u.%s.weight", layer, block_names[i].theirs);
	} else
		snprintf(name, size, "output.weight");
}

static bool size_key(const Gguf *g, const char *key, int64_t high, size_t *value, Error *e)
{
	int64_t number;
	if (!gguf_integer(g, key, 1, high, &number, e))
		return false;
	*value = (size_t)number;
	return true;
}

static bool check_rope(const LlmShape *s, Error *e)
{
	bool good =
	    s->rope_base > 0 && s->rope_scaling > 0 && isfinite(s->rope_base) && isfinite(s->rope_scaling);
	return good || fail(e, ERROR_MALFORMED, "a rotary base of %g, scaled by %g, makes no sense",
	                    s->rope_base, s->rope_scaling);
}

static bool read_rope(const Gguf *g, LlmShape *s, Error *e)
{
	Text type = {0};
	size_t dimensions = s->D;
	s->rope_base = 10000;
	s->rope_scaling = 1;
	if (gguf_has(g, "llama.rope.dimension_count") &&
	    !size_key(g, "llama.rope.dimension_count", 1 << 16, &dimensions, e))
		return false;
	if (dimensions != s->D)
		return fail(e, ERROR_MALFORMED,
		            "rotary positions over %zu of a head's %zu numbers are not supported", dimensions,
		            s->D);
	if (gguf_has(g, "llama.rope.freq_base") && !gguf_real(g, "llama.rope.freq_base", &s->rope_base, e))
		return false;
	if (!check_rope(s, e) || !gguf_has(g, "llama.rope.scaling.type"))
		return e->code == ERROR_NONE;
	if (!gguf_string(g, "llama.rope.scaling.type", &type, e))
		return false;
	if (text_equal(type, text_of("linear")))
		return gguf_real(g, "llama.rope.scaling.factor", &s->rope_scaling, e) && check_rope(s, e);
	return text_equal(type, text_of("none")) ||
	       fail(e, ERROR_MALFORMED, "rope scaling '%.*s' is not supported (linear is)", (int)type.size,
	            type.data);
}

static bool read_shape(const Gguf *g, LlmShape *s, Error *e)
{
	Text architecture;
	double eps;
	if (!gguf_string(g, "general.architecture", &architecture, e))
		return false;
	if (!text_equal(architecture, text_of("llama")))
		return fail(e, ERROR_MALFORMED, "architecture '%.*s' is not supported (llama is)",
		            (int)architecture.size, architecture.data);
	if (!size_key(g, "llama.embedding_length", 1 << 20, &s->C, e) ||
	    !size_key(g, "llama.block_count", 1 << 12, &s->layers, e) ||
	    !size_key(g, "llama.attention.head_count", 1 << 12, &s->heads, e) ||
	    !size_key(g, "llama.feed_forward_length", 1 << 22, &s->F, e) ||
	    !size_key(g, "llama.context_length", INT32_MAX, &s->context, e) ||
	    !gguf_real(g, "llama.attention.layer_norm_rms_epsilon", &eps, e))
		return false;
	if (!(eps >= 0) || eps > 1)
		return fail(e, ERROR_MALFORMED, "a norm's epsilon of %g makes no sense", eps);
	s->eps = (float)eps;
	s->kv_heads = s->heads;
	if (gguf_has(g, "llama.attention.head_count_kv") &&
	    !size_key(g, "llama.attention.head_count_kv", 1 << 12, &s->kv_heads, e))
		return false;
	s->D = s->C / s->heads;
	if (gguf_has(g, "llama.attention.key_length") &&
	    !size_key(g, "llama.attention.key_length", 1 << 16, &s->D, e))
		return false;
	if (s->heads % s->kv_heads != 0 || s->D == 0 || s->D % 2 != 0)
		return fail(e, ERROR_MALFORMED, "%zu heads over %zu key heads of width %zu make no attention",
		            s->heads, s->kv_heads, s->D);
	const GgufTensor *embedding = gguf_tensor(g, "token_embd.weight");
	if (embedding == NULL || embedding->rank != 2)
		return fail(e, ERROR_MALFORMED, "no matrix token_embd.weight: a vocabulary without a model?");
	s->V = embedding->shape[1];
	s->tied = gguf_tensor(g, "output.weight") == NULL;
	return read_rope(g, s, e);
}

static bool tensor_fits(const void *context, const Parameter *p, Error *e)
{
	char name[96];
	gguf_name(p->name, name, sizeof name);
	const GgufTensor *t = gguf_tensor(context, name);
	if (t == NULL)
		return fail(e, ERROR_MALFORMED, "tensor %s is missing", name);
	bool fits = t->rank == p->rank && t->shape[0] == p->cols && (p->rank == 1 || t->shape[1] == p->rows);
	return fits ||
	       fail(e, ERROR_MALFORMED, "tensor %s does not have the shape that the metadata asks for", name);
}

static void tensor_read(const void *context, Parameter *p)
{
	char name[96];
	gguf_name(p->name, name, sizeof name);
	gguf_expand(gguf_tensor(context, name), p->value);
}

/* What the file holds beyond the model (a bias, say) would be left out of the sums. */
static bool check_rest(const Gguf *g, const Llm *m, Error *e)
{
	size_t known = m->parameters.count + (gguf_tensor(g, "rope_freqs.weight") != NULL);
	return known == gguf_tensor_count(g) ||
	       fail(e, ERROR_MALFORMED,
	            "%zu tensors that a Llama model does not have (biases?): not supported",
	            gguf_tensor_count(g) - known);
}

static bool read_frequencies(const Gguf *g, Llm *m, Error *e)
{
	const GgufTensor *t = gguf_tensor(g, "rope_freqs.weight");
	if (t == NULL)
		return true;
	if (t->count != m->shape.D / 2)
		return fail(e, ERROR_MALFORMED, "rope_freqs.weight has %zu numbers, not %zu", t->count,
		            m->shape.D / 2);
	float *divisors = memory_new(t->count, sizeof *divisors, e);
	if (divisors == NULL)
		return false;
	gguf_expand(t, divisors);
	size_t positions = m->rotary.positions;
	rotary_free(&m->rotary);
	bool done = rotary_new(&m->rotary, m->shape.D, positions, m->shape.rope_base, m->shape.rope_scaling,
	                       divisors, e);
	memory_free(divisors);
	return done;
}

static Llm *read_model(const Gguf *g, Error *e)
{
	LlmShape shape = {0};
	Tokenizer *tokenizer;
	ParameterSource source = {g, tensor_fits, tensor_read};
	if (!read_shape(g, &shape, e) || (tokenizer = vocabulary_read(g, e)) == NULL)
		return NULL;
	if (tokenizer_size(tokenizer) != shape.V) {
		fail(e, ERROR_MALFORMED, "%zu tokens, but %zu embeddings", tokenizer_size(tokenizer),
		     shape.V);
		tokenizer_free(tokenizer);
		return NULL;
	}
	Llm *m = llm_from(&shape, tokenizer, &source, e);
	if (m == NULL)
		return NULL;
	m->hash = gguf_hash(g);
	if (check_rest(g, m, e) && read_frequencies(g, m, e))
		return m;
	llm_free(m);
	return NULL;
}

Llm *llm_load(const char *path, Error *e)
{
	Gguf *g = gguf_open(path, e);
	if (g == NULL)
		return NULL;
	Llm *m = read_model(g, e);
	if (m == NULL)
		fail_in(e, "%s", path);
	gguf_close(g);
	return m;
}

static bool add_metadata(const Llm *m, const char *name, GgufWriter *w, Error *e)
{
	const LlmShape *s = &m->shape;
	return gguf_add_string(w, "general.architecture", text_of("llama"), e) &&
	       gguf_add_string(w, "general.name", text_of(name), e) &&
	       gguf_add_u32(w, "general.file_type", 0, e) &&
	       gguf_add_u32(w, "general.quantization_version", 2, e) &&
	       gguf_add_u32(w, "llama.vocab_size", (uint32_t)s->V, e) &&
	       gguf_add_u32(w, "llama.context_length", (uint32_t)s->context, e) &&
	       gguf_add_u32(w, "llama.embedding_length", (uint32_t)s->C, e) &&
	       gguf_add_u32(w, "llama.block_count", (uint32_t)s->layers, e) &&
	       gguf_add_u32(w, "llama.feed_forward_length", (uint32_t)s->F, e) &&
	       gguf_add_u32(w, "llama.rope.dimension_count", (uint32_t)s->D, e) &&
	       gguf_add_f32(w, "llama.rope.freq_base", (float)s->rope_base, e) &&
	       gguf_add_u32(w, "llama.attention.head_count", (uint32_t)s->heads, e) &&
	       gguf_add_u32(w, "llama.attention.head_count_kv", (uint32_t)s->kv_heads, e) &&
	       gguf_add_f32(w, "llama.attention.layer_norm_rms_epsilon", s->eps, e) &&
	       vocabulary_write(tokenizer_model(m->tokenizer), w, e);
}

bool llm_save(const Llm *m, const char *name, const char *path, Error *e)
{
	GgufWriter *w = gguf_writer_new(e);
	Output output = {0};
	bool done = w != NULL && add_metadata(m, name, w, e);
	for (size_t i = 0; done && i < m->parameters.count; i++) {
		const Parameter *p = m->parameters.items[i];
		char tensor[96];
		gguf_name(p->name, tensor, sizeof tensor);
		size_t shape[] = {p->cols, p->rows};
		done = gguf_add_tensor(w, tensor, p->rank, shape, p->value, e);
	}
	done = done && output_open(&output, path, true, e) && gguf_write(w, &output, e) &&
	       output_close(&output, e);
	output_abort(&output);
	gguf_writer_free(w);
	return done;
}
