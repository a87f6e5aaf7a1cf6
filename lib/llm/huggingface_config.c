#include "llm/huggingface_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool in_words(const char *words, const char *word)
{
	return word_number(words, word) != SIZE_MAX;
}

const json_t *folder_config_at(const Folder *f, const char *keys)
{
	char key[64];
	Text word;
	for (size_t i = 0; (word = word_at(keys, i)).size > 0; i++) {
		snprintf(key, sizeof key, "%.*s", (int)word.size, word.data);
		const json_t *value = json_object_get(f->config, key);
		if (value != NULL && !json_is_null(value))
			return value;
	}
	return NULL;
}

/* A whole number from 1 on; *value stays where there is none and it is not `needed`. */
static bool config_size(const Folder *f, const char *keys, bool needed, size_t *value, Error *e)
{
	const json_t *json = folder_config_at(f, keys);
	json_int_t number = json_integer_value(json);
	if (json == NULL && !needed)
		return true;
	if (!json_is_integer(json) || number < 1 || number > INT32_MAX)
		return fail(e, ERROR_MALFORMED, "config.json: %s is no whole number from 1 on", keys);
	*value = (size_t)number;
	return true;
}

static const char *key_of(const Folder *f, const char *name, char key[96])
{
	snprintf(key, 96, "%s.%s", f->architecture->name, name);
	return key;
}

static bool write_size(const Folder *f, const char *name, size_t value, Error *e)
{
	char key[96];
	return gguf_add_u32(f->keys, key_of(f, name, key), (uint32_t)value, e);
}

/* A number as it stands in the configuration, where it does. */
static bool copy_real(const Folder *f, const char *theirs, const char *name, Error *e)
{
	char key[96];
	const json_t *json = folder_config_at(f, theirs);
	if (json == NULL)
		return true;
	if (!json_is_number(json))
		return fail(e, ERROR_MALFORMED, "config.json: %s is no number", theirs);
	return gguf_add_f32(f->keys, key_of(f, name, key), (float)json_number_value(json), e);
}

static bool find_family(Folder *f, Error *e)
{
	const char *type = json_string_value(folder_config_at(f, "model_type"));
	char known[128];
	llm_architectures(known, sizeof known);
	f->architecture = type ? llm_architecture_hugging(type) : NULL;
	if (f->architecture == NULL)
		return fail(e, ERROR_MALFORMED,
		            "config.json: model_type '%.64s' is not supported; these are: %s",
		            type ? type : "", known);
	f->family = hugging_family(f->architecture->name);
	if (json_is_true(folder_config_at(f, "scale_attn_by_inverse_layer_idx")))
		return fail(e, ERROR_MALFORMED,
		            "config.json: scale_attn_by_inverse_layer_idx is not supported");
	const char *activation =
	    json_string_value(folder_config_at(f, "hidden_activation|hidden_act|activation_function"));
	return activation == NULL || in_words(f->family->activations, activation) ||
	       fail(e, ERROR_MALFORMED, "config.json: the activation '%.64s' is not supported for %s",
	            activation, type);
}

static bool read_sizes(Folder *f, Error *e)
{
	if (!config_size(f, "hidden_size|n_embd", true, &f->C, e) ||
	    !config_size(f, "num_hidden_layers|n_layer", true, &f->layers, e) ||
	    !config_size(f, "num_attention_heads|n_head", true, &f->heads, e))
		return false;
	size_t F = 4 * f->C, context;
	f->kv_heads = f->heads;
	f->D = f->C / f->heads;
	return config_size(f, "num_key_value_heads", false, &f->kv_heads, e) &&
	       config_size(f, "head_dim", false, &f->D, e) &&
	       config_size(f, "intermediate_size|n_inner", !f->architecture->learned, &F, e) &&
	       config_size(f, "max_position_embeddings|n_positions|n_ctx", true, &context, e) &&
	       write_size(f, "embedding_length", f->C, e) && write_size(f, "block_count", f->layers, e) &&
	       write_size(f, "attention.head_count", f->heads, e) &&
	       write_size(f, "attention.head_count_kv", f->kv_heads, e) &&
	       write_size(f, "attention.key_length", f->D, e) &&
	       write_size(f, "attention.value_length", f->D, e) &&
	       write_size(f, "feed_forward_length", F, e) && write_size(f, "context_length", context, e);
}

const json_t *folder_rope(const Folder *f)
{
	const json_t *rope = folder_config_at(f, "rope_scaling|rope_parameters"),
	             *whole = json_object_get(rope, "full_attention");
	return whole ? whole : rope;
}

const char *folder_rope_type(const json_t *rope)
{
	const json_t *type = json_object_get(rope, "rope_type");
	const char *name = json_string_value(type ? type : json_object_get(rope, "type"));
	return name ? name : "default";
}

/* A key that is not looked at would be a model that is not what its makers mean. */
static bool check_rope(const json_t *rope, Error *e)
{
	static const char known[] =
	    "rope_type|type|rope_theta|factor|partial_rotary_factor|low_freq_factor|high_freq_factor|"
	    "original_max_position_embeddings";
	const char *key, *type = folder_rope_type(rope);
	const json_t *value;
	if (rope != NULL &&
	    (!json_is_object(rope) || (json_object_get(rope, "factor") && strcmp(type, "default") == 0)))
		return fail(e, ERROR_MALFORMED,
		            "config.json: the scaling of rotary positions is none with a known type");
	json_object_foreach((json_t *)(uintptr_t)rope, key, value)
	{
		if (!in_words(known, key) && !json_is_null(value))
			return fail(e, ERROR_MALFORMED,
			            "config.json: '%.64s' of rotary positions is not supported", key);
	}
	return in_words("default|linear|llama3", type) ||
	       fail(e, ERROR_MALFORMED,
	            "config.json: rope scaling '%.64s' is not supported (linear and llama3 are)", type);
}

/* The layers with a window turn as the architecture has it. */
static bool check_window_rope(const Folder *f, Error *e)
{
	const json_t *rope = json_object_get(folder_config_at(f, "rope_parameters"), "sliding_attention"),
	             *base = json_object_get(rope, "rope_theta");
	double expected = f->architecture->window_rope_base;
	if (rope == NULL)
		return true;
	return (strcmp(folder_rope_type(rope), "default") == 0 &&
	        (base == NULL || json_number_value(base) == (expected > 0 ? expected : f->rope_base))) ||
	       fail(e, ERROR_MALFORMED,
	            "config.json: rotary positions of sliding_attention like these are not supported for %s",
	            f->architecture->name);
}

/* A number of the rotary positions themselves, or of the configuration under `keys`. */
static double rope_number(const Folder *f, const char *name, const char *keys, double otherwise)
{
	const json_t *own = json_object_get(folder_rope(f), name),
	             *value = own ? own : folder_config_at(f, keys);
	return value ? json_number_value(value) : otherwise;
}

static bool read_rope(Folder *f, Error *e)
{
	char key[96];
	const LlmArchitecture *a = f->architecture;
	const json_t *rope = folder_rope(f);
	if (a->learned)
		return true;
	double share = rope_number(f, "partial_rotary_factor", "rotary_pct|partial_rotary_factor",
	                           a->config_rotary_share > 0 ? a->config_rotary_share : 1);
	f->rope_base = rope_number(f, "rope_theta", "rope_theta|rotary_emb_base",
	                           a->config_rope_base > 0 ? a->config_rope_base : 10000);
	if (!(share > 0 && share <= 1) || !(f->rope_base >= 1))
		return fail(e, ERROR_MALFORMED, "config.json: rope_theta or rotary_pct makes no sense");
	f->turned = (size_t)(share * (double)f->D);
	if (!write_size(f, "rope.dimension_count", f->turned, e) ||
	    !gguf_add_f32(f->keys, key_of(f, "rope.freq_base", key), (float)f->rope_base, e) ||
	    !check_rope(rope, e) || !check_window_rope(f, e))
		return false;
	return strcmp(folder_rope_type(rope), "linear") != 0 ||
	       (gguf_add_string(f->keys, key_of(f, "rope.scaling.type", key), text_of("linear"), e) &&
	        gguf_add_f32(f->keys, key_of(f, "rope.scaling.factor", key),
	                     (float)json_number_value(json_object_get(rope, "factor")), e));
}

/* A cap that is null is none, one that is missing the family's own. */
static bool read_cap(const Folder *f, const char *theirs, const char *name, Error *e)
{
	char key[96];
	if (json_is_null(json_object_get(f->config, theirs)))
		return gguf_add_f32(f->keys, key_of(f, name, key), 0, e);
	return copy_real(f, theirs, name, e);
}

/* The kinds of layers must be those that the architecture has here. */
static bool check_layer_types(const Folder *f, size_t window, Error *e)
{
	size_t i, period = f->architecture->window_period;
	const json_t *types = folder_config_at(f, "layer_types"), *type;
	json_array_foreach(types, i, type)
	{
		bool whole = window == 0 || (period > 0 && (i + 1) % period == 0);
		const char *name = json_string_value(type);
		if (name == NULL || strcmp(name, whole ? "full_attention" : "sliding_attention") != 0)
			return fail(
			    e, ERROR_MALFORMED,
			    "config.json: layer %zu is of type '%.64s', which is not supported for %s", i,
			    name ? name : "", f->architecture->name);
	}
	return true;
}

/* Which layers have a window goes by the architecture here; Qwen's models say that they have one by a switch
 * alone. */
static bool read_window(const Folder *f, Error *e)
{
	size_t window = 0, period = f->architecture->window_period, asked = period;
	const char *type = json_string_value(folder_config_at(f, "model_type"));
	const json_t *base = folder_config_at(f, "rope_local_base_freq");
	if (!config_size(f, "sliding_window_pattern|_sliding_window_pattern", false, &asked, e))
		return false;
	if (json_is_true(folder_config_at(f, "use_sliding_window")) || asked != period ||
	    (base != NULL && json_number_value(base) != f->architecture->window_rope_base))
		return fail(e, ERROR_MALFORMED,
		            "config.json: windows of attention like these are not supported for %s",
		            f->architecture->name);
	if ((period > 0 || strcmp(type, "mistral") == 0) &&
	    !config_size(f, "sliding_window", false, &window, e))
		return false;
	return check_layer_types(f, window, e) &&
	       (window == 0 || write_size(f, "attention.sliding_window", window, e));
}

/* Gemma scales scores by a number of its own. */
static bool read_scale(const Folder *f, Error *e)
{
	char key[96];
	const json_t *scalar = folder_config_at(f, "query_pre_attn_scalar");
	double number = json_number_value(scalar);
	if (scalar == NULL || number == (double)f->D)
		return true;
	if (!(number > 0))
		return fail(e, ERROR_MALFORMED, "config.json: query_pre_attn_scalar makes no sense");
	return gguf_add_f32(f->keys, key_of(f, "attention.scale", key), (float)(1 / sqrt(number)), e);
}

bool folder_read_config(Folder *f, Error *e)
{
	char key[96];
	const json_t *parallel;
	if (!find_family(f, e) || (f->keys = gguf_writer_new(e)) == NULL ||
	    !gguf_add_string(f->keys, "general.architecture", text_of(f->architecture->name), e))
		return false;
	parallel = folder_config_at(f, "use_parallel_residual");
	return read_sizes(f, e) && copy_real(f, "rms_norm_eps", "attention.layer_norm_rms_epsilon", e) &&
	       copy_real(f, "layer_norm_epsilon|layer_norm_eps", "attention.layer_norm_epsilon", e) &&
	       read_rope(f, e) && read_cap(f, "attn_logit_softcapping", "attn_logit_softcapping", e) &&
	       read_cap(f, "final_logit_softcapping", "final_logit_softcapping", e) && read_window(f, e) &&
	       read_scale(f, e) &&
	       (!json_is_boolean(parallel) ||
	        gguf_add_bool(f->keys, key_of(f, "use_parallel_residual", key), json_is_true(parallel), e));
}
