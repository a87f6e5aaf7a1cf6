#include "llm/huggingface.h"

#include "llm/architecture.h"
#include "llm/gguf_internal.h"
#include "llm/huggingface_names.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

typedef struct {
	const char *directory;
	json_t *config;
	const LlmArchitecture *architecture;
	const HuggingFamily *family;
	size_t C, heads, kv_heads, D, turned, layers;
	double rope_base;
	GgufWriter *keys;
	Gguf *g;
} Folder;

static bool in_words(const char *words, const char *word)
{
	return word_number(words, word) != SIZE_MAX;
}

/* The path of a file of the folder, into memory of the caller. */
static char *path_of(const Folder *f, const char *name, Error *e)
{
	Buffer path = {0};
	if (buffer_print(&path, e, "%s/%s", f->directory, name) && buffer_append(&path, "", 1, e))
		return (char *)path.data;
	buffer_free(&path);
	return NULL;
}

/* --- config.json ---------------------------------------------------------- */

static json_t *load_json(const Folder *f, const char *name, Error *e)
{
	json_error_t problem = {0};
	char *path = path_of(f, name, e);
	json_t *json = path ? json_load_file(path, JSON_REJECT_DUPLICATES, &problem) : NULL;
	if (path != NULL && !json_is_object(json)) {
		if (json == NULL && problem.line < 0)
			fail(e, ERROR_FAILURE, "%s", problem.text);
		else
			fail(e, ERROR_MALFORMED, "%s: line %d: %s", path, json ? 1 : problem.line,
			     json ? "is no JSON object" : problem.text);
		json_decref(json);
		json = NULL;
	}
	memory_free(path);
	return json;
}

/* The first of the keys "one|another" that there is and is not null. */
static const json_t *config_at(const Folder *f, const char *keys)
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
	const json_t *json = config_at(f, keys);
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
	const json_t *json = config_at(f, theirs);
	if (json == NULL)
		return true;
	if (!json_is_number(json))
		return fail(e, ERROR_MALFORMED, "config.json: %s is no number", theirs);
	return gguf_add_f32(f->keys, key_of(f, name, key), (float)json_number_value(json), e);
}

static bool find_family(Folder *f, Error *e)
{
	const char *type = json_string_value(config_at(f, "model_type"));
	char known[128];
	llm_architectures(known, sizeof known);
	f->architecture = type ? llm_architecture_hugging(type) : NULL;
	if (f->architecture == NULL)
		return fail(e, ERROR_MALFORMED,
		            "config.json: model_type '%.64s' is not supported; these are: %s",
		            type ? type : "", known);
	f->family = hugging_family(f->architecture->name);
	if (json_is_true(config_at(f, "scale_attn_by_inverse_layer_idx")))
		return fail(e, ERROR_MALFORMED,
		            "config.json: scale_attn_by_inverse_layer_idx is not supported");
	const char *activation =
	    json_string_value(config_at(f, "hidden_activation|hidden_act|activation_function"));
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

/* What is said of rotary positions beside the rest: rope_scaling, or rope_parameters, which may be those of
 * the layers that see everything and of the others apart. */
static const json_t *rope_of(const Folder *f)
{
	const json_t *rope = config_at(f, "rope_scaling|rope_parameters"),
	             *whole = json_object_get(rope, "full_attention");
	return whole ? whole : rope;
}

static const char *rope_type(const json_t *rope)
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
	const char *key, *type = rope_type(rope);
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
	const json_t *rope = json_object_get(config_at(f, "rope_parameters"), "sliding_attention"),
	             *base = json_object_get(rope, "rope_theta");
	double expected = f->architecture->window_rope_base;
	if (rope == NULL)
		return true;
	return (strcmp(rope_type(rope), "default") == 0 &&
	        (base == NULL || json_number_value(base) == (expected > 0 ? expected : f->rope_base))) ||
	       fail(e, ERROR_MALFORMED,
	            "config.json: rotary positions of sliding_attention like these are not supported for %s",
	            f->architecture->name);
}

/* A number of the rotary positions themselves, or of the configuration under `keys`. */
static double rope_number(const Folder *f, const char *name, const char *keys, double otherwise)
{
	const json_t *own = json_object_get(rope_of(f), name), *value = own ? own : config_at(f, keys);
	return value ? json_number_value(value) : otherwise;
}

static bool read_rope(Folder *f, Error *e)
{
	char key[96];
	const LlmArchitecture *a = f->architecture;
	const json_t *rope = rope_of(f);
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
	return strcmp(rope_type(rope), "linear") != 0 ||
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
	const json_t *types = config_at(f, "layer_types"), *type;
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
	const char *type = json_string_value(config_at(f, "model_type"));
	const json_t *base = config_at(f, "rope_local_base_freq");
	if (!config_size(f, "sliding_window_pattern|_sliding_window_pattern", false, &asked, e))
		return false;
	if (json_is_true(config_at(f, "use_sliding_window")) || asked != period ||
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
	const json_t *scalar = config_at(f, "query_pre_attn_scalar");
	double number = json_number_value(scalar);
	if (scalar == NULL || number == (double)f->D)
		return true;
	if (!(number > 0))
		return fail(e, ERROR_MALFORMED, "config.json: query_pre_attn_scalar makes no sense");
	return gguf_add_f32(f->keys, key_of(f, "attention.scale", key), (float)(1 / sqrt(number)), e);
}

static bool read_config(Folder *f, Error *e)
{
	char key[96];
	const json_t *parallel;
	if ((f->config = load_json(f, "config.json", e)) == NULL || !find_family(f, e) ||
	    (f->keys = gguf_writer_new(e)) == NULL ||
	    !gguf_add_string(f->keys, "general.architecture", text_of(f->architecture->name), e))
		return false;
	parallel = config_at(f, "use_parallel_residual");
	return read_sizes(f, e) && copy_real(f, "rms_norm_eps", "attention.layer_norm_rms_epsilon", e) &&
	       copy_real(f, "layer_norm_epsilon|layer_norm_eps", "attention.layer_norm_epsilon", e) &&
	       read_rope(f, e) && read_cap(f, "attn_logit_softcapping", "attn_logit_softcapping", e) &&
	       read_cap(f, "final_logit_softcapping", "final_logit_softcapping", e) && read_window(f, e) &&
	       read_scale(f, e) &&
	       (!json_is_boolean(parallel) ||
	        gguf_add_bool(f->keys, key_of(f, "use_parallel_residual", key), json_is_true(parallel), e));
}

/* --- tensors -------------------------------------------------------------- */

static bool describe(const DocumentTensor *d, GgufTensor *t, Error *e)
{
	*t = (GgufTensor){.rank = d->rank, .count = d->count, .bytes = d->bytes, .data = d->data};
	t->type = d->dtype == DTYPE_F16 ? GGML_F16 : d->dtype == DTYPE_BF16 ? GGML_BF16 : GGML_F32;
	if (d->dtype != DTYPE_F32 && d->dtype != DTYPE_F16 && d->dtype != DTYPE_BF16)
		return fail(e, ERROR_MALFORMED,
		            "tensor '%.100s' is of type %s (F32, F16 and BF16 are supported)", d->name,
		            dtype_name(d->dtype));
	if (d->rank < 1 || d->rank > 2 || d->count == 0)
		return fail(e, ERROR_MALFORMED, "tensor '%.100s' is neither a vector nor a matrix", d->name);
	for (size_t i = 0; i < d->rank; i++)
		t->shape[i] = d->shape[d->rank - 1 - i];
	return true;
}

/* Where row r of the result is in the file. */
static size_t source_row(const Folder *f, TensorChange change, size_t r)
{
	size_t D = f->D;
	if (change == UNWOVEN) {
		size_t part = r / (f->heads * D), head = r / D % f->heads;
		return (head * 3 + part) * D + r % D;
	}
	return r / D * D + r % D / 2 + r % 2 * (D / 2);
}

static bool reorder_rows(const Folder *f, TensorChange change, GgufTensor *t, Error *e)
{
	size_t rows = t->shape[t->rank - 1], row_bytes = t->bytes / rows;
	size_t heads = change == TURNED_K ? f->kv_heads : f->heads,
	       width = change == UNWOVEN ? 3 * f->D : f->D;
	if (rows != heads * width || f->D % 2 != 0)
		return fail(e, ERROR_MALFORMED, "has %zu rows for %zu heads of width %zu", rows, heads,
		            width);
	uint8_t *data = arena_new(&f->g->memory, t->bytes, 1, e);
	if (data == NULL)
		return false;
	for (size_t r = 0; r < rows; r++)
		memcpy(data + r * row_bytes, (const uint8_t *)t->data + source_row(f, change, r) * row_bytes,
		       row_bytes);
	t->data = data;
	return true;
}

static bool transpose(const Folder *f, GgufTensor *t, Error *e)
{
	if (t->rank != 2)
		return fail(e, ERROR_MALFORMED, "is no matrix");
	size_t cols = t->shape[0], rows = t->shape[1], size = t->bytes / t->count;
	uint8_t *data = arena_new(&f->g->memory, t->bytes, 1, e);
	if (data == NULL)
		return false;
	for (size_t r = 0; r < rows; r++)
		for (size_t c = 0; c < cols; c++)
			memcpy(data + (c * rows + r) * size, (const uint8_t *)t->data + (r * cols + c) * size,
			       size);
	t->data = data;
	t->shape[0] = rows;
	t->shape[1] = cols;
	return true;
}

/* As F32, where the caller may write. */
static float *widen(const Folder *f, GgufTensor *t, Error *e)
{
	float *data = arena_new(&f->g->memory, t->count, sizeof *data, e);
	if (data == NULL)
		return NULL;
	gguf_expand(t, data);
	t->type = GGML_F32;
	t->bytes = t->count * sizeof *data;
	t->data = data;
	return data;
}

static bool add_one(const Folder *f, GgufTensor *t, Error *e)
{
	float *data = widen(f, t, e);
	for (size_t i = 0; data != NULL && i < t->count; i++)
		data[i] += 1;
	return data != NULL;
}

static bool change_tensor(const Folder *f, TensorChange change, GgufTensor *t, Error *e)
{
	if (change == PLUS_ONE)
		return add_one(f, t, e);
	if (change == TRANSPOSED)
		return transpose(f, t, e);
	return change == SAME || reorder_rows(f, change, t, e);
}

/* Tied embeddings may be stored under either name, or under both. */
static bool is_alias(const Folder *f, char *ours)
{
	static const char embedding[] = "token_embd.weight";
	const json_t *tied = config_at(f, "tie_word_embeddings");
	bool ties = tied ? json_is_true(tied) : f->architecture->learned || f->architecture->scaled;
	if (ties && strcmp(ours, "output.weight") == 0)
		strcpy(ours, embedding);
	return ties && strcmp(ours, embedding) == 0 && gguf_tensor(f->g, embedding) != NULL;
}

static bool take_tensor(const Folder *f, const DocumentTensor *d, Error *e)
{
	GgufTensor t;
	char ours[128];
	const TensorRule *rule = hugging_rule(f->family, d->name, ours, sizeof ours);
	if (rule == NULL)
		return fail(e, ERROR_MALFORMED,
		            "tensor '%.100s' is no part of a model of type %s as it is supported", d->name,
		            f->architecture->name);
	if (rule->change == LEFT_OUT || is_alias(f, ours))
		return true;
	if (!describe(d, &t, e))
		return false;
	/* Vectors are F32 in GGUF, whatever the matrices are: engines count on it. */
	if (!change_tensor(f, rule->change, &t, e) ||
	    (t.rank == 1 && t.type != GGML_F32 && widen(f, &t, e) == NULL))
		return fail_in(e, "tensor '%.100s'", d->name);
	return gguf_append(f->g, ours, &t, e);
}

static bool take_file(const Folder *f, const char *name, Error *e)
{
	Gguf *g = f->g;
	char *path = path_of(f, name, e);
	size_t capacity = g->document_count;
	bool done = path != NULL &&
	            memory_grow(&g->documents, &capacity, g->document_count + 1, sizeof *g->documents, e) &&
	            (g->documents[g->document_count] = document_map(path, e)) != NULL;
	if (done) {
		const Document *d = g->documents[g->document_count++];
		for (size_t i = 0; done && i < document_count(d); i++)
			done = take_tensor(f, document_at(d, i), e) || fail_in(e, "%s", path);
	}
	memory_free(path);
	return done;
}

#define INDEX "model.safetensors.index.json"

/* All files that the index names, each once. */
static bool take_shards(const Folder *f, Error *e)
{
	json_t *index = load_json(f, INDEX, e), *file;
	const char *tensor;
	Vocabulary files = {0};
	bool done = index != NULL;
	json_object_foreach(json_object_get(index, "weight_map"), tensor, file)
	{
		const char *name = json_string_value(file);
		if (done && (name == NULL || strchr(name, '/') != NULL))
			done = fail(e, ERROR_MALFORMED, "%s/%s: tensor '%.100s' is in no file of the folder",
			            f->directory, INDEX, tensor);
		done = done && vocabulary_add(&files, (Text){name, strlen(name) + 1}, e) >= 0;
	}
	for (size_t i = 0; done && i < files.strings.count; i++)
		done = take_file(f, strings_at(&files.strings, i).data, e);
	vocabulary_free(&files);
	json_decref(index);
	return done;
}

static bool file_exists(const Folder *f, const char *name, Error *e)
{
	char *path = path_of(f, name, e);
	FILE *file = path ? fopen(path, "rb") : NULL;
	if (file != NULL)
		fclose(file); /* was only read from: nothing can be lost */
	memory_free(path);
	return file != NULL;
}

/* Llama 3's table of divisors (meta-llama/llama-models, apply_scaling): what is slower than the old
 * context goes `factor` times slower, what is much faster stays, and between them it is a mixture. */
static bool add_divisors(const Folder *f, Error *e)
{
	const json_t *s = rope_of(f);
	if (strcmp(rope_type(s), "llama3") != 0)
		return true;
	double factor = json_number_value(json_object_get(s, "factor")),
	       low = json_number_value(json_object_get(s, "low_freq_factor")),
	       high = json_number_value(json_object_get(s, "high_freq_factor")),
	       old = json_number_value(json_object_get(s, "original_max_position_embeddings"));
	if (!(factor >= 1 && low > 0 && high > low && old > 0))
		return fail(e, ERROR_MALFORMED,
		            "config.json: the scaling 'llama3' of rotary positions makes no sense");
	GgufTensor t = {
	    .type = GGML_F32, .rank = 1, .count = f->turned / 2, .bytes = f->turned / 2 * sizeof(float)};
	t.shape[0] = t.count;
	float *divisors = arena_new(&f->g->memory, t.count, sizeof *divisors, e);
	for (size_t i = 0; divisors != NULL && i < t.count; i++) {
		double turns = old * pow(f->rope_base, -2.0 * (double)i / (double)f->turned) / (2 * M_PI);
		double smooth = fmin(fmax((turns - low) / (high - low), 0), 1);
		divisors[i] = (float)(1 / ((1 - smooth) / factor + smooth));
	}
	t.data = divisors;
	return divisors != NULL && gguf_append(f->g, "rope_freqs.weight", &t, e);
}

/* A table that is missing is no reason to use another one. */
static bool check_output(const Folder *f, Error *e)
{
	const json_t *tied = config_at(f, "tie_word_embeddings");
	return !json_is_false(tied) || gguf_tensor(f->g, "output.weight") != NULL ||
	       fail(e, ERROR_MALFORMED, "lm_head or embed_out is missing, and tie_word_embeddings is false");
}

/* What the files say, in the order of their names. */
static void hash_folder(Gguf *g)
{
	g->hash = XXH64(g->bytes, g->size, 0);
	for (size_t i = 0; i < gguf_tensor_count(g); i++) {
		const GgufTensor *t = gguf_tensor_at(g, i);
		g->hash = XXH64(t->name, strlen(t->name), g->hash);
		g->hash = XXH64(t->data, t->bytes, g->hash);
	}
}

static bool open_folder(Folder *f, Error *e)
{
	if (!read_config(f, e))
		return fail_in(e, "%s", f->directory);
	if ((f->g = gguf_of_keys(f->directory, f->keys, e)) == NULL)
		return false;
	bool single = file_exists(f, "model.safetensors", e) || !file_exists(f, INDEX, e);
	if (!(single ? take_file(f, "model.safetensors", e) : take_shards(f, e)) ||
	    !(check_output(f, e) || fail_in(e, "%s", f->directory)) || !add_divisors(f, e))
		return false;
	hash_folder(f->g);
	return true;
}

Gguf *huggingface_open(const char *directory, Error *e)
{
	Folder f = {.directory = directory};
	bool done = open_folder(&f, e);
	json_decref(f.config);
	gguf_writer_free(f.keys);
	if (done)
		return f.g;
	gguf_close(f.g);
	return NULL;
}
