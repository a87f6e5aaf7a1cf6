#include "user/adapter.h"

#include "math/vector.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool add_perceiver(Adapter *a, uint64_t seed, Error *e)
{
	const EncoderShape *s = &a->encoder->shape;
	size_t layers = a->shape.perceiver_layers;
	LayerShape shape = {s->dim, s->dim, s->heads, s->heads, s->dim / s->heads, 2 * s->dim, 1e-5f};
	a->latents = parameters_add(&a->parameters, "perceiver.latents", 2,
	                            (size_t[]){a->shape.latents, s->dim}, INIT_NORMAL, 0.5, seed, e);
	a->perceiver_attention = memory_new(layers, sizeof *a->perceiver_attention, e);
	a->perceiver_feed = memory_new(layers, sizeof *a->perceiver_feed, e);
	if (a->latents == NULL || a->perceiver_attention == NULL || a->perceiver_feed == NULL)
		return false;
	for (size_t i = 0; i < layers; i++) {
		char name[64];
		snprintf(name, sizeof name, "perceiver.%zu.attn", i);
		if (!attention_layer_new(&a->perceiver_attention[i], &a->parameters, name, &shape, 0.5, seed,
		                         e))
			return false;
		snprintf(name, sizeof name, "perceiver.%zu.ffn", i);
		if (!feed_forward_new(&a->perceiver_feed[i], &a->parameters, name, &shape, 0.5, seed, e))
			return false;
	}
	return true;
}

/* How large a number of the LLM's embeddings is. */
static double embedding_size(const Llm *m)
{
	const Parameter *p = m->embedding;
	if (p->value == NULL)
		return 1; /* of a stored one nobody asks: an adapter that is loaded has its weights */
	return sqrt((double)vector_dot(p->value, p->value, p->count) / (double)p->count);
}

static bool add_soft(Adapter *a, uint64_t seed, Error *e)
{
	size_t dim = a->encoder->shape.dim, C = a->llm->shape.layer.C;
	a->memory_norm = parameters_add(&a->parameters, "soft.norm", 1, &dim, INIT_ONE, 0, seed, e);
	a->project = parameters_add(&a->parameters, "soft.project", 2, (size_t[]){C, dim}, INIT_NORMAL,
	                            embedding_size(a->llm) / sqrt((double)dim), seed, e);
	if (a->memory_norm == NULL || a->project == NULL)
		return false;
	parameter_multiplies(a->project, 0);
	return true;
}

static bool add_cross(Adapter *a, uint64_t seed, Error *e)
{
	const LayerShape *s = &a->llm->shape.layer;
	size_t layers = a->llm->shape.layers, one = 1, dim = a->encoder->shape.dim;
	/* Without a Perceiver the rotary tables are the encoder's, for heads of its width. */
	size_t D = a->shape.latents > 0 ? s->D : a->encoder->rotary.D;
	LayerShape shape = {s->C, dim, s->heads, s->heads, D, 0, s->eps};
	a->cross = memory_new(layers, sizeof *a->cross, e);
	a->gates = memory_new(layers, sizeof(Parameter *), e);
	a->memory_norm = parameters_add(&a->parameters, "xattn.memory_norm", 1, &dim, INIT_ONE, 0, seed, e);
	if (a->cross == NULL || a->gates == NULL || a->memory_norm == NULL)
		return false;
	for (size_t i = 0; i < layers; i++) {
		char name[64];
		snprintf(name, sizeof name, "xattn.%zu", i);
		if (!attention_layer_new(&a->cross[i], &a->parameters, name, &shape, 0.1, seed, e))
			return false;
		snprintf(name, sizeof name, "xattn.%zu.gate", i);
		a->gates[i] = parameters_add(&a->parameters, name, 1, &one, INIT_ZERO, 0, seed, e);
		if (a->gates[i] == NULL)
			return false;
		a->gates[i]->lr_scale = 10; /* nothing behind a gate learns until it opens */
	}
	return true;
}

bool injects_encoder(InjectionKind kind)
{
	return kind == INJECT_CROSS || kind == INJECT_SOFT;
}

static bool check_shape(const AdapterShape *s, const Encoder *encoder, Error *e)
{
	if (injects_encoder(s->inject) && encoder->shape.arch == ENCODER_BERT4REC)
		return fail(
		    e, ERROR_USAGE,
		    "each row of a bert4rec encoder knows the events after it: an adapter needs one that "
		    "was trained with --arch ar or dual");
	return s->inject != INJECT_SOFT || s->latents > 0 ||
	       fail(e, ERROR_USAGE, "a soft prompt is made of --latents: 1 or more");
}

static bool add_all(Adapter *a, uint64_t seed, Error *e)
{
	const AdapterShape *s = &a->shape;
	return (!injects_encoder(s->inject) || s->latents == 0 || add_perceiver(a, seed, e)) &&
	       (s->inject != INJECT_CROSS || add_cross(a, seed, e)) &&
	       (s->inject != INJECT_SOFT || add_soft(a, seed, e)) &&
	       (s->tuning != TUNE_LORA || lora_add(&s->lora, a->llm, &a->parameters, seed, e));
}

static Adapter *new_adapter(const AdapterShape *shape, Encoder *encoder, Llm *llm, const AdapterTask *task,
                            const ParameterSource *source, uint64_t seed, Error *e)
{
	if (!check_shape(shape, encoder, e))
		return NULL;
	Adapter *a = memory_new(1, sizeof *a, e);
	if (a == NULL)
		return NULL;
	*a = (Adapter){.shape = *shape,
	               .encoder = encoder,
	               .llm = llm,
	               .task = {.kind = task->kind, .answer = task->answer},
	               .parameters.source = source};
	bool done = (a->task.query = a->query = memory_string(task->query, e)) != NULL &&
	            (a->task.target = a->target = memory_string(task->target, e)) != NULL &&
	            add_all(a, seed, e);
	a->parameters.source = NULL;
	if (done)
		return a;
	adapter_free(a);
	return NULL;
}

Adapter *adapter_new(const AdapterShape *shape, Encoder *encoder, Llm *llm, const AdapterTask *task,
                     uint64_t seed, Error *e)
{
	return new_adapter(shape, encoder, llm, task, NULL, seed, e);
}

void adapter_free(Adapter *a)
{
	if (a == NULL)
		return;
	if (a->shape.tuning == TUNE_LORA)
		lora_remove(a->llm);
	parameters_free(&a->parameters);
	memory_free(a->perceiver_attention);
	memory_free(a->perceiver_feed);
	memory_free(a->cross);
	memory_free(a->gates);
	memory_free(a->query);
	memory_free(a->target);
	memory_free(a);
}

static bool describe_encoder(const Adapter *a, uint64_t hash, Document *d, Error *e)
{
	return document_set_format(d, "ul.latents", e, "%zu", a->shape.latents) &&
	       document_set_format(d, "ul.perceiver_layers", e, "%zu", a->shape.perceiver_layers) &&
	       document_set_format(d, "ul.encoder", e, "%016" PRIx64, hash);
}

static bool describe_lora(const LoraShape *s, Document *d, Error *e)
{
	return document_set_format(d, "ul.lora_rank", e, "%zu", s->rank) &&
	       document_set_format(d, "ul.lora_alpha", e, "%.17g", s->alpha) &&
	       document_set(d, "ul.lora_matrices", s->matrices, e);
}

static bool describe_text(const AdapterShape *s, Document *d, Error *e)
{
	return document_set_format(d, "ul.history", e, "%zu", s->history) &&
	       document_set(d, "ul.history_features", s->features ? "1" : "0", e);
}

static bool set_word(Document *d, const char *key, const char *words, size_t number, Error *e)
{
	Text word = word_at(words, number);
	return document_set_format(d, key, e, "%.*s", (int)word.size, word.data);
}

static bool describe_task(const AdapterTask *t, Document *d, Error *e)
{
	return set_word(d, "ul.task", TASKS, t->kind, e) && document_set(d, "ul.query", t->query, e) &&
	       document_set(d, "ul.target", t->target, e) &&
	       document_set_format(d, "ul.answer_tokens", e, "%zu", t->answer);
}

static bool describe(const Adapter *a, uint64_t encoder_hash, Document *d, const Provenance *p, Error *e)
{
	const AdapterShape *s = &a->shape;
	return document_stamp(d, "adapter", p, e) && set_word(d, "ul.inject", INJECTIONS, s->inject, e) &&
	       set_word(d, "ul.tune", TUNINGS, s->tuning, e) && describe_task(&a->task, d, e) &&
	       document_set_format(d, "ul.llm", e, "%016" PRIx64, a->llm->hash) &&
	       (a->encoder == NULL || describe_encoder(a, encoder_hash, d, e)) &&
	       (s->inject != INJECT_TEXT || describe_text(s, d, e)) &&
	       (s->tuning != TUNE_LORA || describe_lora(&s->lora, d, e));
}

static bool add_weights(const Adapter *a, Document *d, Error *e)
{
	Tuning tuning = a->shape.tuning;
	return parameters_save(&a->parameters, d, e) &&
	       (tuning < TUNE_ENC || a->encoder == NULL || parameters_save(&a->encoder->parameters, d, e)) &&
	       (tuning < TUNE_FULL || parameters_save(&a->llm->parameters, d, e));
}

bool adapter_save(const Adapter *a, uint64_t encoder_hash, const char *path, const Provenance *p, Error *e)
{
	Document *d = document_new(e);
	bool done = d != NULL && describe(a, encoder_hash, d, p, e) && add_weights(a, d, e) &&
	            stream_write_one(path, d, e);
	document_free(d);
	return done;
}

/* The hash under `key` must be that of the model at hand. */
static bool check_hash(const Document *d, const char *key, const char *what, uint64_t hash, Error *e)
{
	const char *text;
	char expected[17];
	snprintf(expected, sizeof expected, "%016" PRIx64, hash);
	if (!document_get_string(d, key, &text, e))
		return false;
	return strcmp(text, expected) == 0 ||
	       fail(e, ERROR_USAGE, "trained with another %s (hash %s, this one has %s)", what, text,
	            expected);
}

static bool read_size(const Document *d, const char *key, int64_t most, size_t *size, Error *e)
{
	int64_t value = 0;
	bool done = document_get_integer(d, key, 0, most, &value, e);
	*size = (size_t)value;
	return done;
}

/* What it says of the encoder must suit the one that there is, if any. */
static bool read_encoder(const Document *d, const Encoder *encoder, uint64_t hash, AdapterShape *shape,
                         Error *e)
{
	if (!injects_encoder(shape->inject))
		return encoder == NULL ||
		       fail(e, ERROR_USAGE, "is of the LLM alone: no encoder (-m) goes with it");
	if (encoder == NULL)
		return fail(e, ERROR_USAGE, "joins an LLM and an encoder: -m ENCODER is missing");
	return read_size(d, "ul.latents", 1 << 16, &shape->latents, e) &&
	       read_size(d, "ul.perceiver_layers", 1024, &shape->perceiver_layers, e) &&
	       check_hash(d, "ul.encoder", "encoder", hash, e);
}

static bool read_text(const Document *d, AdapterShape *s, Error *e)
{
	size_t features = 0;
	bool done = read_size(d, "ul.history", 1 << 20, &s->history, e) &&
	            read_size(d, "ul.history_features", 1, &features, e);
	s->features = features == 1;
	return done;
}

static bool read_lora(const Document *d, LoraShape *s, Error *e)
{
	return read_size(d, "ul.lora_rank", 1 << 16, &s->rank, e) &&
	       (s->rank > 0 || fail(e, ERROR_MALFORMED, "ul.lora_rank is 0")) &&
	       document_get_real(d, "ul.lora_alpha", 0, 1e9, &s->alpha, e) &&
	       document_get_string(d, "ul.lora_matrices", &s->matrices, e);
}

/* One of the words under `key`. */
static bool read_word(const Document *d, const char *key, const char *words, size_t *number, Error *e)
{
	const char *word;
	if (!document_get_string(d, key, &word, e))
		return false;
	*number = word_number(words, word);
	return *number != SIZE_MAX ||
	       fail(e, ERROR_MALFORMED, "%s '%s' is not known to this version", key, word);
}

static bool read_shape(const Document *d, const Encoder *encoder, uint64_t encoder_hash, AdapterShape *shape,
                       Error *e)
{
	size_t inject, tuning;
	if (!read_word(d, "ul.inject", INJECTIONS, &inject, e) ||
	    !read_word(d, "ul.tune", TUNINGS, &tuning, e))
		return false;
	shape->inject = (InjectionKind)inject;
	shape->tuning = (Tuning)tuning;
	return read_encoder(d, encoder, encoder_hash, shape, e) &&
	       (shape->inject != INJECT_TEXT || read_text(d, shape, e)) &&
	       (shape->tuning != TUNE_LORA || read_lora(d, &shape->lora, e));
}

/* The texts are the document's. */
static bool read_task(const Document *d, AdapterTask *t, Error *e)
{
	size_t kind;
	if (!read_word(d, "ul.task", TASKS, &kind, e) || !document_get_string(d, "ul.query", &t->query, e) ||
	    !document_get_string(d, "ul.target", &t->target, e) ||
	    !read_size(d, "ul.answer_tokens", 1 << 20, &t->answer, e))
		return false;
	t->kind = (TaskKind)kind;
	return true;
}

static Adapter *read_adapter(const Document *d, Encoder *encoder, uint64_t encoder_hash, Llm *llm, Error *e)
{
	AdapterTask task;
	AdapterShape shape = {0};
	if (!read_task(d, &task, e) || !check_hash(d, "ul.llm", "LLM", llm->hash, e) ||
	    !read_shape(d, encoder, encoder_hash, &shape, e))
		return NULL;
	ParameterSource source = parameters_in(d);
	Adapter *a = new_adapter(&shape, encoder, llm, &task, &source, 0, e);
	if (a != NULL &&
	    (shape.tuning < TUNE_ENC || encoder == NULL || parameters_load(&encoder->parameters, d, e)) &&
	    (shape.tuning < TUNE_FULL || parameters_load(&llm->parameters, d, e)))
		return a;
	adapter_free(a);
	return NULL;
}

Adapter *adapter_load(const char *path, Encoder *encoder, uint64_t encoder_hash, Llm *llm, Error *e)
{
	Document *d = stream_read_one(path, "adapter", NULL, e);
	Adapter *a = d ? read_adapter(d, encoder, encoder_hash, llm, e) : NULL;
	if (d != NULL && a == NULL)
		fail_in(e, "%s", path);
	document_free(d);
	return a;
}

bool adapter_convert(const char *adapter, const char *llm, const char *path, Error *e)
{
	Llm *m = llm_load(llm, LLM_EXPANDED, e);
	Adapter *a = m ? adapter_load(adapter, NULL, 0, m, e) : NULL;
	if (a != NULL && a->shape.tuning == TUNE_LORA)
		lora_merge(m);
	bool done = a != NULL && llm_convert(llm, m, path, e);
	adapter_free(a);
	llm_free(m);
	return done;
}

/* K rows a target: the learned latents, each on top of the last row of E that the target knows. */
static Tensor *start_latents(const Adapter *a, Tape *t, Tensor *e, const AdapterTargets *targets)
{
	size_t K = a->shape.latents;
	int32_t *last = arena_new(&t->arena, targets->count * K, sizeof *last, &t->error);
	if (last == NULL)
		return NULL;
	for (size_t i = 0; i < targets->count * K; i++)
		last[i] = (int32_t)(targets->first[i / K] + targets->known[i / K] - 1);
	return tape_residual(t, tape_rows(t, e, last, targets->count * K),
	                     tape_tile(t, a->latents, targets->count), 0);
}

/* E′ [count·K, d] */
static Tensor *perceive(const Adapter *a, Tape *t, Tensor *e, const AdapterTargets *targets)
{
	size_t K = a->shape.latents, N = targets->count * K;
	AttentionSegment *segments = arena_new(&t->arena, targets->count, sizeof *segments, &t->error);
	int32_t *asking = arena_new(&t->arena, N, sizeof *asking, &t->error);
	if (segments == NULL || asking == NULL)
		return NULL;
	for (size_t i = 0; i < N; i++)
		asking[i] = (int32_t)targets->known[i / K] - 1;
	for (size_t i = 0; i < targets->count; i++)
		segments[i] = (AttentionSegment){i * K, K, targets->first[i], targets->known[i], false};
	Sequence s = {.positions = asking,
	              .rotary = &a->encoder->rotary,
	              .segments = segments,
	              .segment_count = targets->count};
	Tensor *x = start_latents(a, t, e, targets);
	for (size_t i = 0; i < a->shape.perceiver_layers; i++) {
		const AttentionLayer *layer = &a->perceiver_attention[i];
		KeyValues memory =
		    attention_layer_memory(t, layer, e, &a->encoder->rotary, targets->positions);
		x = tape_residual(t, x, attention_layer_cross(t, layer, x, memory, &s), 0);
		x = tape_residual(t, x, feed_forward(t, &a->perceiver_feed[i], x), 0);
	}
	return x;
}

static bool make_room(AdapterMemory *m, const Adapter *a, size_t count, bool positions, Tape *t)
{
	*m = (AdapterMemory){.adapter = a, .count = count};
	m->layers = arena_new(&t->arena, a->llm->shape.layers, sizeof *m->layers, &t->error);
	m->first = arena_new(&t->arena, count, sizeof *m->first, &t->error);
	m->rows = arena_new(&t->arena, count, sizeof *m->rows, &t->error);
	if (positions)
		m->asking = arena_new(&t->arena, count, sizeof *m->asking, &t->error);
	return t->error.code == ERROR_NONE;
}

/* K rows a target, of the LLM's width. */
static bool soft_memory(const Adapter *a, Tape *t, Tensor *e, const AdapterTargets *targets, AdapterMemory *m)
{
	*m = (AdapterMemory){.adapter = a, .count = targets->count};
	m->soft =
	    tape_linear(t, tape_rmsnorm(t, perceive(a, t, e, targets), a->memory_norm, 1e-5f), a->project);
	return m->soft != NULL;
}

bool adapter_memory(const Adapter *a, Tape *t, Tensor *e, const AdapterTargets *targets, AdapterMemory *m)
{
	size_t K = a->shape.latents;
	if (e != NULL && a->shape.inject == INJECT_SOFT)
		return soft_memory(a, t, e, targets, m);
	if (e == NULL || !make_room(m, a, targets->count, K == 0, t))
		return false;
	for (size_t i = 0; i < targets->count; i++) {
		m->first[i] = K ? i * K : targets->first[i];
		m->rows[i] = K ? K : targets->known[i];
		if (K == 0)
			m->asking[i] = (int32_t)targets->known[i] - 1;
	}
	Tensor *memory = tape_rmsnorm(t, K ? perceive(a, t, e, targets) : e, a->memory_norm, 1e-5f);
	for (size_t i = 0; i < a->llm->shape.layers; i++)
		m->layers[i] = attention_layer_memory(t, &a->cross[i], memory, &a->encoder->rotary,
		                                      K ? NULL : targets->positions);
	return t->error.code == ERROR_NONE;
}

bool adapter_tokens(AdapterMemory *m, const size_t *start, Arena *arena, Error *e)
{
	if (m->soft != NULL)
		return true; /* tokens say themselves whose they are */
	m->segments = arena_new(arena, m->count, sizeof *m->segments, e);
	m->segment_count = m->count;
	m->positions = m->asking ? arena_new(arena, start[m->count], sizeof *m->positions, e) : NULL;
	if (m->segments == NULL || (m->asking != NULL && m->positions == NULL))
		return false;
	for (size_t i = 0; i < m->count; i++) {
		m->segments[i] =
		    (AttentionSegment){start[i], start[i + 1] - start[i], m->first[i], m->rows[i], false};
		for (size_t row = start[i]; m->asking != NULL && row < start[i + 1]; row++)
			m->positions[row] = m->asking[i];
	}
	return true;
}

/* All rows of x ask for the only target. */
static bool ask_alone(const AdapterMemory *m, Tape *t, size_t rows, Sequence *s, AttentionSegment *segment)
{
	*segment = (AttentionSegment){0, rows, m->first[0], m->rows[0], false};
	s->segments = segment;
	s->segment_count = 1;
	if (m->asking == NULL)
		return true;
	int32_t *positions = arena_new(&t->arena, rows, sizeof *positions, &t->error);
	for (size_t row = 0; positions != NULL && row < rows; row++)
		positions[row] = m->asking[0];
	s->positions = positions;
	return positions != NULL;
}

static Tensor *inject(void *context, Tape *t, size_t layer, Tensor *x)
{
	const AdapterMemory *m = context;
	const Adapter *a = m->adapter;
	AttentionSegment alone;
	Sequence s = {.positions = m->positions,
	              .rotary = &a->encoder->rotary,
	              .segments = m->segments,
	              .segment_count = m->segment_count};
	if (m->segments == NULL && !ask_alone(m, t, x->rows, &s, &alone))
		return NULL;
	Tensor *z = attention_layer_cross(t, &a->cross[layer], x, m->layers[layer], &s);
	return tape_gated_residual(t, x, z, a->gates[layer]);
}

Injection adapter_injection(AdapterMemory *m)
{
	return (Injection){m, m->soft ? NULL : inject, m->soft};
}
