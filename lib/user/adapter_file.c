/* Adapters as streams: what was trained, and what it belongs to. */
#include "user/adapter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool describe_rows(const Adapter *a, Document *d, Error *e)
{
	const PerceiverShape *s = &a->perceiver.shape;
	return document_set_format(d, "ul.dim", e, "%zu", s->dim) &&
	       document_set_format(d, "ul.heads", e, "%zu", s->heads) &&
	       document_set_format(d, "ul.latents", e, "%zu", s->latents) &&
	       document_set_format(d, "ul.perceiver_layers", e, "%zu", s->layers) &&
	       (a->users.encoder == NULL ||
	        document_set_format(d, "ul.encoder", e, "%016" PRIx64, a->users.encoder_hash));
}

static bool describe_cross(const Adapter *a, Document *d, Error *e)
{
	Buffer list = {0};
	const LayerShape *shape = NULL;
	bool done = true;
	for (size_t i = 0; done && i < a->llm->shape.layers; i++)
		if (a->gates[i] != NULL) {
			done = buffer_print(&list, e, "%s%zu", shape ? "," : "", i);
			shape = &a->cross[i].shape;
		}
	done = done && document_set_format(d, "ul.inject_layers", e, "%.*s", (int)list.size, list.data) &&
	       document_set_format(d, "ul.inject_heads", e, "%zu", shape->heads) &&
	       document_set_format(d, "ul.inject_dim", e, "%zu", shape->heads * shape->D);
	buffer_free(&list);
	return done;
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

static bool describe_task(const AdapterTask *t, Document *d, Error *e)
{
	return document_set_word(d, "ul.task", TASKS, t->kind, e) &&
	       document_set(d, "ul.query", t->query, e) && document_set(d, "ul.target", t->target, e) &&
	       document_set_format(d, "ul.answer_tokens", e, "%zu", t->answer);
}

static bool describe(const Adapter *a, Document *d, const Provenance *p, Error *e)
{
	const AdapterShape *s = &a->shape;
	return document_stamp(d, "adapter", p, e) &&
	       document_set_word(d, "ul.inject", INJECTIONS, s->inject, e) &&
	       document_set_word(d, "ul.tune", TUNINGS, s->tuning, e) && describe_task(&a->task, d, e) &&
	       document_set_format(d, "ul.llm", e, "%016" PRIx64, a->llm->hash) &&
	       (!injects_rows(s->inject) || describe_rows(a, d, e)) &&
	       (s->inject != INJECT_CROSS || describe_cross(a, d, e)) &&
	       (s->inject != INJECT_TEXT || describe_text(s, d, e)) &&
	       (s->tuning != TUNE_LORA || describe_lora(&s->lora, d, e));
}

static bool add_weights(const Adapter *a, Document *d, Error *e)
{
	Tuning tuning = a->shape.tuning;
	const Encoder *encoder = a->users.encoder;
	return parameters_save(&a->parameters, d, e) &&
	       (tuning < TUNE_ENC || encoder == NULL || parameters_save(&encoder->parameters, d, e)) &&
	       (tuning < TUNE_FULL || parameters_save(&a->llm->parameters, d, e));
}

bool adapter_save(const Adapter *a, const char *path, const Provenance *p, Error *e)
{
	Document *d = document_new(e);
	bool done = d != NULL && describe(a, d, p, e) && add_weights(a, d, e) && stream_write_one(path, d, e);
	document_free(d);
	return done;
}

/* The hash under `key` must be that of the model at hand. */
static bool check_hash(const Document *d, const char *key, const char *what, uint64_t hash, Error *e)
{
	uint64_t then;
	if (!document_get_hash(d, key, &then, e))
		return false;
	return then == hash ||
	       fail(e, ERROR_USAGE,
	            "trained with another %s (hash %016" PRIx64 ", this one has %016" PRIx64 ")", what, then,
	            hash);
}

static bool read_size(const Document *d, const char *key, int64_t most, size_t *size, Error *e)
{
	int64_t value = 0;
	bool done = document_get_integer(d, key, 0, most, &value, e);
	*size = (size_t)value;
	return done;
}

static bool read_perceiver(const Document *d, AdapterShape *shape, Error *e)
{
	/* Where no heads are told, they are the encoder's. */
	bool encoders = document_get(d, "ul.encoder") != NULL && document_get(d, "ul.heads") == NULL;
	return read_size(d, "ul.latents", EMBEDDINGS_MAX_LATENTS, &shape->latents, e) &&
	       read_size(d, "ul.perceiver_layers", 1024, &shape->perceiver_layers, e) &&
	       (encoders || (read_size(d, "ul.heads", 1 << 16, &shape->perceiver_heads, e) &&
	                     (shape->perceiver_heads > 0 || fail(e, ERROR_MALFORMED, "ul.heads is 0"))));
}

/* Latents in the place of the encoder that it was trained with. */
static bool check_latents(const UserVectors *v, const AdapterShape *shape, uint64_t hash, Error *e)
{
	if (shape->latents == 0)
		return fail(e, ERROR_USAGE, "has no Perceiver, and so no latents: give it -m ENCODER");
	if (!vectors_are_latents(v))
		return fail(e, ERROR_USAGE,
		            "was trained with an encoder: of embeddings it takes its own latents alone, as "
		            "ul-embed -a writes them (a .npy does not say whose they are)");
	if (v->of.adapter != hash)
		return fail(e, ERROR_USAGE,
		            "the latents in %s are of another adapter (hash %016" PRIx64
		            ", this one has %016" PRIx64 ")",
		            v->path, v->of.adapter, hash);
	return v->of.latents == shape->latents ||
	       fail(e, ERROR_MALFORMED, "makes %zu latents of a user, not %zu", shape->latents,
	            v->of.latents);
}

static bool check_vectors(const Document *d, const UserSource *users, Error *e)
{
	size_t dim;
	if (users->encoder != NULL)
		return fail(
		    e, ERROR_USAGE,
		    "was trained on embeddings from outside: --embeddings go with it, no encoder (-m)");
	if (users->vectors == NULL)
		return fail(e, ERROR_USAGE,
		            "was trained on embeddings from outside: --embeddings FILE is missing");
	return read_size(d, "ul.dim", EMBEDDINGS_MAX_DIM, &dim, e) &&
	       (dim == users->vectors->of.dim ||
	        fail(e, ERROR_USAGE, "was trained on embeddings of %zu numbers, those in %s have %zu", dim,
	             users->vectors->path, users->vectors->of.dim));
}

/* What it says of the rows of users must suit what there is. */
static bool read_users(const Document *d, const UserSource *users, uint64_t hash, AdapterShape *shape,
                       Error *e)
{
	if (!injects_rows(shape->inject))
		return (users->encoder == NULL && users->vectors == NULL) ||
		       fail(e, ERROR_USAGE, "is of the LLM alone: no %s with it",
		            users->encoder ? "encoder (-m) goes" : "--embeddings go");
	if (!read_perceiver(d, shape, e))
		return false;
	if (document_get(d, "ul.encoder") == NULL)
		return check_vectors(d, users, e);
	if (users->encoder != NULL)
		return check_hash(d, "ul.encoder", "encoder", users->encoder_hash, e);
	return users->vectors != NULL ? check_latents(users->vectors, shape, hash, e)
	                              : fail(e, ERROR_USAGE,
	                                     "joins an LLM and an encoder: -m ENCODER is missing (or its "
	                                     "latents, as --embeddings)");
}

static bool read_text(const Document *d, AdapterShape *s, Error *e)
{
	size_t features = 0;
	bool done = read_size(d, "ul.history", 1 << 20, &s->history, e) &&
	            read_size(d, "ul.history_features", 1, &features, e);
	s->features = features == 1;
	return done;
}

static bool read_cross(const Document *d, AdapterShape *s, Error *e)
{
	return document_get_string(d, "ul.inject_layers", &s->layers, e) &&
	       read_size(d, "ul.inject_heads", 1 << 16, &s->heads, e) &&
	       read_size(d, "ul.inject_dim", 1 << 20, &s->dim, e) &&
	       ((s->heads > 0 && s->dim > 0) || fail(e, ERROR_MALFORMED, "cross-attention of no heads"));
}

static bool read_lora(const Document *d, LoraShape *s, Error *e)
{
	return read_size(d, "ul.lora_rank", 1 << 16, &s->rank, e) &&
	       (s->rank > 0 || fail(e, ERROR_MALFORMED, "ul.lora_rank is 0")) &&
	       document_get_real(d, "ul.lora_alpha", 0, 1e9, &s->alpha, e) &&
	       document_get_string(d, "ul.lora_matrices", &s->matrices, e);
}

/* Of the adapter of that hash. */
static bool read_shape(const Document *d, const UserSource *users, uint64_t hash, AdapterShape *shape,
                       Error *e)
{
	size_t inject, tuning;
	if (!document_get_word(d, "ul.inject", INJECTIONS, &inject, e) ||
	    !document_get_word(d, "ul.tune", TUNINGS, &tuning, e))
		return false;
	shape->inject = (InjectionKind)inject;
	shape->tuning = (Tuning)tuning;
	return read_users(d, users, hash, shape, e) &&
	       (shape->inject != INJECT_CROSS || read_cross(d, shape, e)) &&
	       (shape->inject != INJECT_TEXT || read_text(d, shape, e)) &&
	       (shape->tuning != TUNE_LORA || read_lora(d, &shape->lora, e));
}

/* The texts are the document's. */
static bool read_task(const Document *d, AdapterTask *t, Error *e)
{
	size_t kind;
	if (!document_get_word(d, "ul.task", TASKS, &kind, e) ||
	    !document_get_string(d, "ul.query", &t->query, e) ||
	    !document_get_string(d, "ul.target", &t->target, e) ||
	    !read_size(d, "ul.answer_tokens", 1 << 20, &t->answer, e))
		return false;
	t->kind = (TaskKind)kind;
	return true;
}

/* What was tuned of the models takes the place of what they have. */
static bool load_weights(const Document *d, Tuning tuning, Encoder *encoder, Llm *llm, Error *e)
{
	return (tuning < TUNE_ENC || encoder == NULL || parameters_load(&encoder->parameters, d, e)) &&
	       (tuning < TUNE_FULL || llm == NULL || parameters_load(&llm->parameters, d, e));
}

static Adapter *read_adapter(const Document *d, uint64_t hash, const UserSource *users, Llm *llm, Error *e)
{
	AdapterTask task;
	AdapterShape shape = {0};
	if (!read_task(d, &task, e) || !check_hash(d, "ul.llm", "LLM", llm->hash, e) ||
	    !read_shape(d, users, hash, &shape, e))
		return NULL;
	ParameterSource source = parameters_in(d);
	Adapter *a = adapter_new(&shape, users, llm, &task, &source, 0, e);
	if (a == NULL && e->code == ERROR_USAGE)
		e->code = ERROR_MALFORMED; /* the shape is nobody's choice here */
	if (a != NULL && load_weights(d, shape.tuning, users->encoder, llm, e)) {
		a->perceived = users->vectors != NULL && document_get(d, "ul.encoder") != NULL;
		return a;
	}
	adapter_free(a);
	return NULL;
}

Adapter *adapter_load(const char *path, const UserSource *users, Llm *llm, Error *e)
{
	uint64_t hash;
	Document *d = stream_read_one(path, "adapter", &hash, e);
	Adapter *a = d ? read_adapter(d, hash, users, llm, e) : NULL;
	if (d != NULL && a == NULL)
		fail_in(e, "%s", path);
	document_free(d);
	return a;
}

static bool read_latents(const Document *d, Encoder *encoder, uint64_t encoder_hash, Perceiver *p,
                         Parameters *set, Error *e)
{
	AdapterShape shape = {0};
	UserSource users = {.encoder = encoder, .encoder_hash = encoder_hash};
	if (!read_shape(d, &users, 0, &shape, e))
		return false;
	if (shape.latents == 0)
		return fail(e, ERROR_USAGE, "has no Perceiver, and so no latents");
	ParameterSource source = parameters_in(d);
	PerceiverShape rows = adapter_rows(&shape, &users);
	set->source = &source;
	bool done = perceiver_new(p, &rows, set, 0, e);
	set->source = NULL;
	if (!done && e->code == ERROR_USAGE)
		e->code = ERROR_MALFORMED;
	return done && load_weights(d, shape.tuning, encoder, NULL, e);
}

bool adapter_load_perceiver(const char *path, Encoder *encoder, uint64_t encoder_hash, Perceiver *p,
                            Parameters *set, uint64_t *hash, Error *e)
{
	*p = (Perceiver){0};
	Document *d = stream_read_one(path, "adapter", hash, e);
	bool done =
	    d != NULL && (read_latents(d, encoder, encoder_hash, p, set, e) || fail_in(e, "%s", path));
	document_free(d);
	return done;
}

/* What knows users by rows is no language model alone. */
static bool check_alone(const Document *d, Error *e)
{
	size_t inject;
	return document_get_word(d, "ul.inject", INJECTIONS, &inject, e) &&
	       (!injects_rows((InjectionKind)inject) ||
	        fail(e, ERROR_USAGE, "knows users by an encoder or vectors, which GGUF has no place for"));
}

bool adapter_convert(const char *adapter, const char *llm, const char *path, Error *e)
{
	uint64_t hash;
	Adapter *a = NULL;
	Document *d = stream_read_one(adapter, "adapter", &hash, e);
	bool alone = d != NULL && (check_alone(d, e) || fail_in(e, "%s", adapter));
	Llm *m = alone ? llm_load(llm, LLM_EXPANDED, e) : NULL;
	if (m != NULL && (a = read_adapter(d, hash, &(UserSource){0}, m, e)) == NULL)
		fail_in(e, "%s", adapter);
	if (a != NULL && a->shape.tuning == TUNE_LORA)
		lora_merge(m);
	bool done = a != NULL && llm_convert(llm, m, path, e);
	adapter_free(a);
	llm_free(m);
	document_free(d);
	return done;
}
