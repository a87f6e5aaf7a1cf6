#include "user/encoder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Small, so that a few steps of AdamW turn an embedding to where it belongs: with 1/√64 the same number of
 * steps reached half the hits (HR@10 .14 against .21 after eight passes over MovieLens-1M). */
#define EMBEDDING_DEVIATION 0.02

static size_t column_values(const Dataset *d, size_t column)
{
	return column == 0 ? d->items.strings.count : d->features[column - 1].values.strings.count;
}

/* The item gets the whole width; a feature no more than its number of values can use. */
static size_t column_width(const EncoderShape *s, const Dataset *d, size_t column)
{
	size_t width = 4;
	if (column == 0)
		return s->dim;
	while (width < s->dim / 2 && width < column_values(d, column))
		width *= 2;
	return width;
}

static bool add_column(Encoder *m, size_t c, uint64_t seed, Error *e)
{
	const Dataset *d = m->catalogue;
	const char *of = c == 0 ? "item" : d->features[c - 1].name;
	size_t values = column_values(d, c), width = column_width(&m->shape, d, c);
	char name[128];
	snprintf(name, sizeof name, "enc.embed.%s", of);
	m->tables[c] = parameters_add(&m->parameters, name, 2, (size_t[]){values, width}, INIT_NORMAL,
	                              EMBEDDING_DEVIATION, seed, e);
	if (m->tables[c] == NULL)
		return false;
	/* What has no value of its own says nothing. */
	if (m->parameters.source == NULL)
		memset(m->tables[c]->value, 0, (size_t)ID_FIRST * width * sizeof(float));
	if (c == 0 || m->shape.arch == ENCODER_DUAL)
		return true;
	parameter_multiplies(m->tables[c], ID_FIRST);
	snprintf(name, sizeof name, "enc.head.%s", of);
	m->heads[c] = parameters_add(&m->parameters, name, 2, (size_t[]){width, m->shape.dim}, INIT_NORMAL,
	                             1 / sqrt((double)m->shape.dim), seed, e);
	if (m->heads[c] != NULL)
		parameter_multiplies(m->heads[c], 0);
	return m->heads[c] != NULL;
}

/* What E is multiplied with. */
static bool add_output(Encoder *m, uint64_t seed, Error *e)
{
	const Dataset *d = m->catalogue;
	size_t items = column_values(d, 0), width = m->shape.dim;
	m->output = m->tables[0];
	if (m->shape.arch == ENCODER_DUAL) {
		for (size_t c = 1; c < m->columns; c++)
			width += d->features[c - 1].of_item ? m->tables[c]->cols : 0;
		m->tower = parameters_add(&m->parameters, "enc.tower", 2, (size_t[]){m->shape.dim, width},
		                          INIT_NORMAL, 1 / sqrt((double)m->shape.dim), seed, e);
		if (m->tower != NULL)
			parameter_multiplies(m->tower, 0);
		return m->tower != NULL;
	}
	if (m->shape.free_items)
		m->output =
		    parameters_add(&m->parameters, "enc.head.item", 2, (size_t[]){items, m->shape.dim},
		                   INIT_NORMAL, EMBEDDING_DEVIATION, seed, e);
	if (m->output != NULL && m->shape.temperature == 0)
		parameter_multiplies(m->output, ID_FIRST);
	return m->output != NULL;
}

static LayerShape layer_shape(const EncoderShape *s)
{
	bool causal = s->arch != ENCODER_BERT4REC,
	     bias = s->positions == POSITIONS_BIAS || s->positions == POSITIONS_BOTH;
	return (LayerShape){.C = s->dim,
	                    .memory = s->dim,
	                    .heads = s->heads,
	                    .kv_heads = s->heads,
	                    .D = s->dim / s->heads,
	                    .F = s->ffn == FFN_GELU ? 4 * s->dim : (8 * s->dim / 3 + 15) / 16 * 16,
	                    .eps = 1e-5f,
	                    .plain = s->ffn == FFN_GELU,
	                    .pointwise = s->block == BLOCK_HSTU,
	                    .distances = !bias    ? 0
	                                 : causal ? s->max_len
	                                          : 2 * s->max_len - 1,
	                    .origin = causal ? 0 : s->max_len - 1,
	                    .time_bias = s->times != TIMES_NONE};
}

static bool add_blocks(Encoder *m, uint64_t seed, Error *e)
{
	const EncoderShape *s = &m->shape;
	LayerShape shape = layer_shape(s);
	double out_scale = 1 / sqrt(2 * (double)(s->layers ? s->layers : 1));
	for (size_t i = 0; i < s->layers; i++) {
		char name[64];
		snprintf(name, sizeof name, "enc.block.%zu.attn", i);
		if (!attention_layer_new(&m->attention[i], &m->parameters, name, &shape, out_scale, seed, e))
			return false;
		snprintf(name, sizeof name, "enc.block.%zu.ffn", i);
		if (s->block == BLOCK_TRANSFORMER &&
		    !feed_forward_new(&m->feed[i], &m->parameters, name, &shape, out_scale, seed, e))
			return false;
	}
	RotaryShape rotary = {.D = shape.D, .turned = shape.D, .base = 10000, .scaling = 1};
	return rotary_new(&m->rotary, &rotary, s->max_len, e);
}

static bool build(Encoder *m, uint64_t seed, Error *e)
{
	const EncoderShape *s = &m->shape;
	size_t width = 0;
	if (s->heads == 0 || s->dim % s->heads != 0 || s->dim / s->heads % 2 != 0)
		return fail(e, ERROR_USAGE, "a width of %zu cannot be cut into %zu heads of even width",
		            s->dim, s->heads);
	m->columns = 1 + m->catalogue->feature_count;
	m->tables = memory_new(m->columns, sizeof *m->tables, e);
	m->heads = memory_new(m->columns, sizeof *m->heads, e);
	m->attention = memory_new(s->layers, sizeof *m->attention, e);
	m->feed = memory_new(s->layers, sizeof *m->feed, e);
	if (m->tables == NULL || m->heads == NULL || m->attention == NULL || m->feed == NULL)
		return false;
	for (size_t c = 0; c < m->columns; c++) {
		if (!add_column(m, c, seed, e))
			return false;
		width += m->tables[c]->cols;
	}
	if (!add_output(m, seed, e))
		return false;
	m->input = parameters_add(&m->parameters, "enc.input", 2, (size_t[]){s->dim, width}, INIT_NORMAL,
	                          1 / sqrt((double)s->dim), seed, e);
	m->input_norm = parameters_add(&m->parameters, "enc.input_norm", 1, &s->dim, INIT_ONE, 0, seed, e);
	m->norm = parameters_add(&m->parameters, "enc.norm", 1, &s->dim, INIT_ONE, 0, seed, e);
	if (m->input != NULL)
		parameter_multiplies(m->input, 0);
	return m->input != NULL && m->input_norm != NULL && m->norm != NULL && add_blocks(m, seed, e);
}

Encoder *encoder_new(const EncoderShape *shape, const Dataset *catalogue, uint64_t seed, Error *e)
{
	Encoder *m = memory_new(1, sizeof *m, e);
	if (m == NULL)
		return NULL;
	m->shape = *shape;
	m->catalogue = catalogue;
	if (build(m, seed, e))
		return m;
	encoder_free(m);
	return NULL;
}

bool encoder_sparse(Encoder *m, Error *e)
{
	for (size_t c = 0; c < m->columns; c++)
		if (m->heads[c] == NULL && !parameter_sparse(m->tables[c], e))
			return false;
	return m->output == m->tables[0] || parameter_sparse(m->output, e);
}

void encoder_free(Encoder *m)
{
	if (m == NULL)
		return;
	parameters_free(&m->parameters);
	rotary_free(&m->rotary);
	dataset_free(&m->own);
	memory_free(m->tables);
	memory_free(m->heads);
	memory_free(m->attention);
	memory_free(m->feed);
	memory_free(m);
}

static void take_weights(Encoder *m, const Encoder *from)
{
	for (size_t i = 0; i < m->parameters.count; i++) {
		Parameter *p = m->parameters.items[i];
		memcpy(p->value, from->parameters.items[i]->value, p->count * sizeof *p->value);
	}
}

Encoder *encoder_copy(const Encoder *m, Error *e)
{
	Encoder *copy = encoder_new(&m->shape, m->catalogue, 0, e);
	if (copy != NULL)
		take_weights(copy, m);
	return copy;
}

bool encoder_reset(Encoder *m, uint64_t seed, Error *e)
{
	Encoder *fresh = encoder_new(&m->shape, m->catalogue, seed, e);
	if (fresh != NULL)
		take_weights(m, fresh);
	encoder_free(fresh);
	return fresh != NULL;
}

static bool describe(const Encoder *m, Document *d, Arena *arena, const Provenance *p, Error *e)
{
	const EncoderShape *s = &m->shape;
	return document_stamp(d, "encoder", p, e) &&
	       document_set_word(d, "ul.arch", ENCODER_ARCHS, s->arch, e) &&
	       document_set_format(d, "ul.dim", e, "%zu", s->dim) &&
	       document_set_format(d, "ul.layers", e, "%zu", s->layers) &&
	       document_set_format(d, "ul.heads", e, "%zu", s->heads) &&
	       document_set_format(d, "ul.max_len", e, "%zu", s->max_len) &&
	       document_set_format(d, "ul.dropout", e, "%.17g", s->dropout) &&
	       document_set_word(d, "ul.block", ENCODER_BLOCKS, s->block, e) &&
	       document_set_word(d, "ul.ffn", ENCODER_FFNS, s->ffn, e) &&
	       document_set_word(d, "ul.positions", ENCODER_POSITIONS, s->positions, e) &&
	       document_set_word(d, "ul.times", ENCODER_TIMES, s->times, e) &&
	       document_set_format(d, "ul.temperature", e, "%.17g", s->temperature) &&
	       document_set_word(d, "ul.items", "tied|free", s->free_items, e) &&
	       catalogue_add(d, arena, m->catalogue, e) && parameters_save(&m->parameters, d, e);
}

bool encoder_save(const Encoder *m, const char *path, const Provenance *p, Error *e)
{
	Arena arena = {0};
	Document *d = document_new(e);
	bool done = d != NULL && describe(m, d, &arena, p, e) && stream_write_one(path, d, e);
	document_free(d);
	arena_free(&arena);
	return done;
}

/* Those of before a choice was made wrote no word: it is the first. */
static bool read_word(const Document *d, const char *key, const char *words, size_t *number, Error *e)
{
	*number = 0;
	return document_get(d, key) == NULL || document_get_word(d, key, words, number, e);
}

static bool read_shape(const Document *d, EncoderShape *s, Error *e)
{
	size_t arch, block, ffn, positions, times, items;
	int64_t dim, layers, heads, max_len;
	if (!document_get_word(d, "ul.arch", ENCODER_ARCHS, &arch, e) ||
	    !read_word(d, "ul.block", ENCODER_BLOCKS, &block, e) ||
	    !read_word(d, "ul.ffn", ENCODER_FFNS, &ffn, e) ||
	    !read_word(d, "ul.positions", ENCODER_POSITIONS, &positions, e) ||
	    !read_word(d, "ul.times", ENCODER_TIMES, &times, e) ||
	    !read_word(d, "ul.items", "tied|free", &items, e) ||
	    (document_get(d, "ul.temperature") != NULL &&
	     !document_get_real(d, "ul.temperature", 0, 1000, &s->temperature, e)) ||
	    !document_get_integer(d, "ul.dim", 2, 1 << 16, &dim, e) ||
	    !document_get_integer(d, "ul.layers", 0, 1024, &layers, e) ||
	    !document_get_integer(d, "ul.heads", 1, 1 << 15, &heads, e) ||
	    !document_get_integer(d, "ul.max_len", 1, ENCODER_MAX_LEN, &max_len, e) ||
	    !document_get_real(d, "ul.dropout", 0, 0.99, &s->dropout, e))
		return false;
	s->arch = (EncoderArch)arch;
	s->block = (EncoderBlock)block;
	s->ffn = (EncoderFfn)ffn;
	s->positions = (EncoderPositions)positions;
	s->times = (EncoderTimes)times;
	s->free_items = items == 1;
	if (s->times != TIMES_NONE && s->arch == ENCODER_BERT4REC)
		return fail(e, ERROR_MALFORMED, "an encoder of bert4rec that reads times: there is none");
	s->dim = (size_t)dim;
	s->layers = (size_t)layers;
	s->heads = (size_t)heads;
	s->max_len = (size_t)max_len;
	return true;
}

static Encoder *read_encoder(const Document *d, Error *e)
{
	Encoder *m = memory_new(1, sizeof *m, e);
	if (m == NULL)
		return NULL;
	ParameterSource source = parameters_in(d);
	m->catalogue = &m->own;
	m->parameters.source = &source;
	if (read_shape(d, &m->shape, e) && catalogue_read(d, &m->own, e) && build(m, 0, e)) {
		m->parameters.source = NULL;
		return m;
	}
	e->code = e->code == ERROR_USAGE ? ERROR_MALFORMED : e->code;
	encoder_free(m);
	return NULL;
}

Encoder *encoder_load(const char *path, uint64_t *hash, Error *e)
{
	Document *d = stream_read_one(path, "encoder", hash, e);
	Encoder *m = d ? read_encoder(d, e) : NULL;
	if (d != NULL && m == NULL)
		fail_in(e, "%s", path);
	document_free(d);
	return m;
}

Tensor *encoder_forward(Tape *t, const Encoder *m, const EventBatch *b)
{
	size_t column = 0;
	float rate = (float)m->shape.dropout;
	profile_enter(t->profile, PHASE_ENCODER, b->rows);
	Tensor *x = tape_tensor(t, b->rows, m->input->cols, m->input->trains);
	for (size_t c = 0; c < m->columns; column += m->tables[c++]->cols)
		x = tape_embedding(t, x, column, m->tables[c], b->offsets[c], b->ids[c]);
	x = tape_rmsnorm(t, tape_linear(t, x, m->input), m->input_norm, 1e-5f);
	x = tape_dropout(t, x, rate);
	bool rotary = m->shape.positions == POSITIONS_ROTARY || m->shape.positions == POSITIONS_BOTH;
	Sequence s = {.positions = rotary ? b->positions : NULL,
	              .rotary = &m->rotary,
	              .segments = b->segments,
	              .segment_count = b->segment_count,
	              .query_times = b->query_times,
	              .key_times = b->key_times,
	              .cache = b->cache,
	              .slots = b->slots};
	for (size_t i = 0; i < m->shape.layers; i++) {
		x = tape_residual(t, x, attention_layer_self(t, &m->attention[i], x, &s, i), rate);
		if (m->shape.block == BLOCK_TRANSFORMER)
			x = tape_residual(t, x, feed_forward(t, &m->feed[i], x), rate);
	}
	x = tape_rmsnorm(t, x, m->norm, 1e-5f);
	return m->shape.temperature > 0 ? tape_normalize(t, x, (float)(1 / m->shape.temperature)) : x;
}
