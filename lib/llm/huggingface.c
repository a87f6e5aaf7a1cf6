#include "llm/huggingface.h"

#include "base/path.h"
#include "llm/folder_json.h"
#include "llm/huggingface_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

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
	const json_t *tied = folder_config_at(f, "tie_word_embeddings");
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
	char *path = path_join(f->directory, name, e);
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
	json_t *index = folder_json(f->directory, INDEX, false, JSON_REJECT_DUPLICATES, e), *file;
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

static bool is_there(const Folder *f, const char *name, bool *there, Error *e)
{
	char *path = path_join(f->directory, name, e);
	*there = path != NULL && !path_is_missing(path);
	memory_free(path);
	return path != NULL;
}

/* Llama 3's table of divisors (meta-llama/llama-models, apply_scaling): what is slower than the old
 * context goes `factor` times slower, what is much faster stays, and between them it is a mixture. */
static bool add_divisors(const Folder *f, Error *e)
{
	const json_t *s = folder_rope(f);
	if (strcmp(folder_rope_type(s), "llama3") != 0)
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
	const json_t *tied = folder_config_at(f, "tie_word_embeddings");
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
	bool single, index;
	if ((f->config = folder_json(f->directory, "config.json", false, JSON_REJECT_DUPLICATES, e)) == NULL)
		return false;
	if (!folder_read_config(f, e))
		return fail_in(e, "%s", f->directory);
	if ((f->g = gguf_of_keys(f->directory, f->keys, e)) == NULL)
		return false;
	if (!is_there(f, "model.safetensors", &single, e) || !is_there(f, INDEX, &index, e))
		return false;
	if (!(single || !index ? take_file(f, "model.safetensors", e) : take_shards(f, e)) ||
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
