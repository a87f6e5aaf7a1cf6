#include "llm/shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Reads the keys of one architecture. */
typedef struct {
	const Gguf *g;
	const LlmArchitecture *architecture;
	char key[96]; /* of the last question */
} Keys;

static const char *key(Keys *k, const char *name)
{
	snprintf(k->key, sizeof k->key, "%s.%s", k->architecture->name, name);
	return k->key;
}

/* A number of at least 1; without `needed`, *value stays where the key is missing. */
static bool read_size(Keys *k, const char *name, bool needed, int64_t high, size_t *value, Error *e)
{
	int64_t number;
	if (!needed && !gguf_has(k->g, key(k, name)))
		return true;
	if (!gguf_integer(k->g, key(k, name), 1, high, &number, e))
		return false;
	*value = (size_t)number;
	return true;
}

/* A number in [low, high]; *value stays where the key is missing. */
static bool read_real(Keys *k, const char *name, double low, double high, double *value, Error *e)
{
	double number;
	if (!gguf_has(k->g, key(k, name)))
		return true;
	if (!gguf_real(k->g, k->key, &number, e))
		return false;
	if (!(number >= low && number <= high))
		return fail(e, ERROR_MALFORMED, "key '%s': %g makes no sense", k->key, number);
	*value = number;
	return true;
}

static bool read_architecture(Keys *k, Error *e)
{
	Text text;
	char name[64] = "", known[128];
	if (!gguf_string(k->g, "general.architecture", &text, e))
		return false;
	if (text.size < sizeof name)
		memcpy(name, text.data, text.size);
	k->architecture = llm_architecture(name);
	llm_architectures(known, sizeof known);
	return k->architecture != NULL ||
	       fail(e, ERROR_MALFORMED, "architecture '%.*s' is not supported; these are: %s",
	            text_shown(text), text.data, known);
}

static bool read_eps(Keys *k, LayerShape *layer, Error *e)
{
	const char *name =
	    layer->centred ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
	double eps;
	if (!gguf_real(k->g, key(k, name), &eps, e) || !read_real(k, name, 0, 1, &eps, e))
		return false;
	layer->eps = (float)eps;
	return true;
}

static bool read_heads(Keys *k, LayerShape *layer, Error *e)
{
	if (!read_size(k, "attention.head_count", true, 1 << 12, &layer->heads, e))
		return false;
	layer->kv_heads = layer->heads;
	layer->D = layer->C / layer->heads;
	if (!read_size(k, "attention.head_count_kv", false, 1 << 12, &layer->kv_heads, e) ||
	    !read_size(k, "attention.key_length", false, 1 << 10, &layer->D, e))
		return false;
	size_t values = layer->D;
	if (!read_size(k, "attention.value_length", false, 1 << 10, &values, e))
		return false;
	if (values != layer->D)
		return fail(e, ERROR_MALFORMED, "values of width %zu beside keys of %zu are not supported",
		            values, layer->D);
	return (layer->heads % layer->kv_heads == 0 && layer->D > 0) ||
	       fail(e, ERROR_MALFORMED, "%zu heads over %zu key heads of width %zu make no attention",
	            layer->heads, layer->kv_heads, layer->D);
}

/* "linear", which it also is where nothing is said, or "none": what else there is, Llama 3's among them,
 * comes as a table of divisors. */
static bool read_rope_scaling(Keys *k, LlmShape *s, Error *e)
{
	Text type = text_of("linear");
	if (gguf_has(k->g, key(k, "rope.scaling.type")) && !gguf_string(k->g, k->key, &type, e))
		return false;
	if (text_is(type, "linear")) {
		/* Files of old have another name for it, and 0 is none. */
		bool named = gguf_has(k->g, key(k, "rope.scaling.factor"));
		if (!read_real(k, named ? "rope.scaling.factor" : "rope.scale_linear", 0, 1e6,
		               &s->rope_scaling, e))
			return false;
		s->rope_scaling = s->rope_scaling == 0 ? 1 : s->rope_scaling;
		return true;
	}
	return text_is(type, "none") ||
	       fail(e, ERROR_MALFORMED, "rope scaling '%.*s' is not supported (linear is)", text_shown(type),
	            type.data);
}

static bool read_rope(Keys *k, LlmShape *s, Error *e)
{
	s->turned = s->layer.D;
	s->rope_base = 10000;
	s->rope_scaling = 1;
	if (!read_size(k, "rope.dimension_count", false, 1 << 12, &s->turned, e) ||
	    !read_real(k, "rope.freq_base", 1, 1e12, &s->rope_base, e) || !read_rope_scaling(k, s, e))
		return false;
	return (s->turned % 2 == 0 && s->turned <= s->layer.D) || s->architecture->learned ||
	       fail(e, ERROR_MALFORMED, "rotary positions over %zu of a head's %zu numbers make no sense",
	            s->turned, s->layer.D);
}

/* What Gemma added: caps, windows, a scale that is not of the heads. */
static bool read_gemma(Keys *k, LlmShape *s, Error *e)
{
	const LlmArchitecture *a = s->architecture;
	double attention_cap = a->attention_cap, logit_cap = a->logit_cap;
	s->window = a->window;
	if (!read_real(k, "attn_logit_softcapping", 0, 1e6, &attention_cap, e) ||
	    !read_real(k, "final_logit_softcapping", 0, 1e6, &logit_cap, e) ||
	    !read_size(k, "attention.sliding_window", false, INT32_MAX, &s->window, e))
		return false;
	s->layer.cap = (float)attention_cap;
	s->logit_cap = (float)logit_cap;
	double scale =
	    s->layers == a->whole_heads_layers ? 1 / sqrt((double)(s->layer.C / s->layer.heads)) : 0;
	if (!read_real(k, "attention.scale", 0, 1e6, &scale, e))
		return false;
	s->layer.scale = (float)scale;
	return true;
}

/* What tensors tell, by those of the first block. */
static void read_tensors(const Gguf *g, LlmShape *s)
{
	LayerShape *l = &s->layer;
	bool fused = gguf_tensor(g, "blk.0.attn_qkv.bias") != NULL;
	l->qkv_bias = fused || gguf_tensor(g, "blk.0.attn_q.bias") != NULL;
	l->o_bias = gguf_tensor(g, "blk.0.attn_output.bias") != NULL;
	l->biases = gguf_tensor(g, "blk.0.ffn_up.bias") != NULL;
	l->head_norm = gguf_tensor(g, "blk.0.attn_q_norm.weight") != NULL;
	l->post_norm = gguf_tensor(g, "blk.0.post_attention_norm.weight") != NULL;
	s->tied = gguf_tensor(g, "output.weight") == NULL;
}

static bool read_sizes(Keys *k, LlmShape *s, Error *e)
{
	if (!read_size(k, "embedding_length", true, 1 << 20, &s->layer.C, e) ||
	    !read_size(k, "block_count", true, 1 << 12, &s->layers, e) ||
	    !read_size(k, "feed_forward_length", true, 1 << 22, &s->layer.F, e) ||
	    !read_size(k, "context_length", true, INT32_MAX, &s->context, e))
		return false;
	const GgufTensor *embedding = gguf_tensor(k->g, "token_embd.weight");
	if (embedding == NULL || embedding->rank != 2)
		return fail(e, ERROR_MALFORMED, "no matrix token_embd.weight: a vocabulary without a model?");
	s->V = embedding->shape[1];
	return !s->tied || !s->architecture->untied ||
	       fail(e, ERROR_MALFORMED, "output.weight is missing, which a %s has", s->architecture->name);
}

/* What other files of such architectures ask for, and none of these sums do: it must ask for nothing. */
static bool check_rest(Keys *k, Error *e)
{
	static const struct {
		const char *name;
		double nothing;
	} keys[] = {{"expert_count", 0},
	            {"attention.clamp_kqv", 0},
	            {"attention.max_alibi_bias", 0},
	            {"rope.scaling.attn_factor", 1},
	            {"logit_scale", 1},
	            {"embedding_scale", 1},
	            {"residual_scale", 1},
	            {"attention.causal", 1}};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		Error ignored = {0};
		bool flag;
		int64_t whole;
		double number = 0;
		if (!gguf_has(k->g, key(k, keys[i].name)))
			continue;
		if (gguf_bool(k->g, k->key, &flag, &ignored))
			number = flag;
		else if (gguf_integer(k->g, k->key, INT32_MIN, INT32_MAX, &whole, &ignored))
			number = (double)whole;
		else if (!gguf_real(k->g, k->key, &number, e))
			return false;
		if (number != keys[i].nothing)
			return fail(e, ERROR_MALFORMED, "key '%s' asks for %g, which is not supported",
			            k->key, number);
	}
	return true;
}

bool llm_shape_read(const Gguf *g, LlmShape *s, Error *e)
{
	Keys k = {.g = g};
	if (!read_architecture(&k, e))
		return false;
	const LlmArchitecture *a = k.architecture;
	*s = (LlmShape){.architecture = a, .parallel = a->parallel};
	s->layer = (LayerShape){.centred = a->centred, .plain = a->plain, .gelu = a->gelu};
	if (gguf_has(g, key(&k, "use_parallel_residual")) && !gguf_bool(g, k.key, &s->parallel, e))
		return false;
	read_tensors(g, s);
	return read_sizes(&k, s, e) && read_eps(&k, &s->layer, e) && read_heads(&k, &s->layer, e) &&
	       read_rope(&k, s, e) && read_gemma(&k, s, e) && check_rest(&k, e);
}

static bool write_size(GgufWriter *w, Keys *k, const char *name, size_t value, Error *e)
{
	return gguf_add_u32(w, key(k, name), (uint32_t)value, e);
}

static bool write_real(GgufWriter *w, Keys *k, const char *name, double value, Error *e)
{
	return gguf_add_f32(w, key(k, name), (float)value, e);
}

static bool write_rope(const LlmShape *s, Keys *k, GgufWriter *w, Error *e)
{
	if (s->architecture->learned)
		return true;
	return write_size(w, k, "rope.dimension_count", s->turned, e) &&
	       write_real(w, k, "rope.freq_base", s->rope_base, e) &&
	       (s->rope_scaling == 1 ||
	        (gguf_add_string(w, key(k, "rope.scaling.type"), text_of("linear"), e) &&
	         write_real(w, k, "rope.scaling.factor", s->rope_scaling, e)));
}

static bool write_gemma(const LlmShape *s, Keys *k, GgufWriter *w, Error *e)
{
	const LlmArchitecture *a = s->architecture;
	bool attention_cap = s->layer.cap != (float)a->attention_cap || s->layer.cap > 0,
	     logit_cap = s->logit_cap != (float)a->logit_cap || s->logit_cap > 0;
	return (!attention_cap || write_real(w, k, "attn_logit_softcapping", (double)s->layer.cap, e)) &&
	       (!logit_cap || write_real(w, k, "final_logit_softcapping", (double)s->logit_cap, e)) &&
	       (s->layer.scale == 0 || write_real(w, k, "attention.scale", (double)s->layer.scale, e)) &&
	       (s->window == 0 || write_size(w, k, "attention.sliding_window", s->window, e)) &&
	       ((!s->parallel && !a->parallel) ||
	        gguf_add_bool(w, key(k, "use_parallel_residual"), s->parallel, e));
}

bool llm_shape_write(const LlmShape *s, GgufWriter *w, Error *e)
{
	const LayerShape *l = &s->layer;
	Keys k = {.architecture = s->architecture};
	return gguf_add_string(w, "general.architecture", text_of(s->architecture->name), e) &&
	       write_size(w, &k, "vocab_size", s->V, e) &&
	       write_size(w, &k, "context_length", s->context, e) &&
	       write_size(w, &k, "embedding_length", l->C, e) &&
	       write_size(w, &k, "block_count", s->layers, e) &&
	       write_size(w, &k, "feed_forward_length", l->F, e) &&
	       write_size(w, &k, "attention.head_count", l->heads, e) &&
	       write_size(w, &k, "attention.head_count_kv", l->kv_heads, e) &&
	       (l->D == l->C / l->heads || (write_size(w, &k, "attention.key_length", l->D, e) &&
	                                    write_size(w, &k, "attention.value_length", l->D, e))) &&
	       write_real(w, &k,
	                  l->centred ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
	                  (double)l->eps, e) &&
	       write_rope(s, &k, w, e) && write_gemma(s, &k, w, e);
}
