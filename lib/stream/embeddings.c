#include "stream/embeddings.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

static bool is_latents(const Embeddings *m)
{
	return strcmp(m->pool, "latents") == 0;
}

size_t embeddings_each(const Embeddings *m)
{
	return strcmp(m->pool, "none") == 0 ? 0 : is_latents(m) ? m->latents : 1;
}

bool embeddings_items(const Embeddings *m)
{
	return strcmp(m->pool, "item") == 0;
}

bool embeddings_dtype(const char *option, Dtype *dtype)
{
	static const Dtype possible[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_I8};
	for (size_t i = 0; i < sizeof possible / sizeof *possible; i++) {
		*dtype = possible[i];
		if (strcasecmp(option, dtype_name(*dtype)) == 0)
			return true;
	}
	return false;
}

bool embeddings_set(const Embeddings *m, Document *first, Error *e)
{
	return document_set(first, "ul.pool", m->pool, e) &&
	       document_set_format(first, "ul.dim", e, "%zu", m->dim) &&
	       document_set_format(first, "ul.users", e, "%zu", m->users) &&
	       (!embeddings_items(m) || document_set(first, "ul.titles", m->titled ? "1" : "0", e)) &&
	       (!is_latents(m) || (document_set_format(first, "ul.latents", e, "%zu", m->latents) &&
	                           document_set_format(first, "ul.adapter", e, "%016" PRIx64, m->adapter))) &&
	       document_set(first, "ul.dtype", dtype_name(m->dtype), e);
}

bool embeddings_get(Embeddings *m, const Document *first, Error *e)
{
	const char *dtype;
	int64_t dim, users, titled = 0, latents = 0;
	if (!document_check_kind(first, "embeddings", e) ||
	    !document_get_string(first, "ul.pool", &m->pool, e) ||
	    !document_get_string(first, "ul.dtype", &dtype, e) ||
	    !document_get_integer(first, "ul.dim", 1, EMBEDDINGS_MAX_DIM, &dim, e) ||
	    !document_get_integer(first, "ul.users", 0, INT64_MAX, &users, e) ||
	    (embeddings_items(m) && !document_get_integer(first, "ul.titles", 0, 1, &titled, e)) ||
	    (is_latents(m) &&
	     (!document_get_integer(first, "ul.latents", 1, EMBEDDINGS_MAX_LATENTS, &latents, e) ||
	      !document_get_hash(first, "ul.adapter", &m->adapter, e))))
		return false;
	if (!embeddings_dtype(dtype, &m->dtype))
		return fail(e, ERROR_MALFORMED,
		            "the metadata's 'ul.dtype' is '%.20s', not F32, F16, BF16 or I8", dtype);
	m->dim = (size_t)dim;
	m->users = (size_t)users;
	m->titled = titled == 1;
	m->latents = (size_t)latents;
	return true;
}

/* Rows */

static float load(Dtype dtype, const void *values, size_t i, float scale)
{
	switch (dtype) {
	case DTYPE_F16:
		return f32_from_f16(((const uint16_t *)values)[i]);
	case DTYPE_BF16:
		return f32_from_bf16(((const uint16_t *)values)[i]);
	case DTYPE_I8:
		return scale * (float)((const int8_t *)values)[i];
	default:
		return ((const float *)values)[i];
	}
}

static void store(Dtype dtype, void *values, size_t i, float x, float scale)
{
	switch (dtype) {
	case DTYPE_F16:
		((uint16_t *)values)[i] = f16_from_f32(x);
		break;
	case DTYPE_BF16:
		((uint16_t *)values)[i] = bf16_from_f32(x);
		break;
	case DTYPE_I8: /* a scale that was rounded down, or is subnormal, must not carry beyond 127 */
		((int8_t *)values)[i] = (int8_t)fmaxf(-127, fminf(127, scale > 0 ? rintf(x / scale) : 0));
		break;
	default:
		((float *)values)[i] = x;
	}
}

/* This room knows no vector code; rows are short. */
static bool store_f32(const float *row, size_t dim, float *values)
{
	float zero = 0; /* unless something times 0 is not 0 */
#pragma omp simd reduction(+ : zero)
	for (size_t i = 0; i < dim; i++)
		zero += row[i] * 0.0f;
	memcpy(values, row, dim * sizeof *values);
	return zero == 0;
}

bool embeddings_store(const Embeddings *m, const float *row, void *values, float *scale)
{
	if (m->dtype == DTYPE_F32) {
		*scale = 1;
		return store_f32(row, m->dim, values);
	}
	float largest = 0;
	bool finite = true;
	for (size_t i = 0; i < m->dim; i++) {
		finite = finite && isfinite(row[i]);
		largest = fmaxf(largest, fabsf(row[i]));
	}
	*scale = m->dtype == DTYPE_I8 ? largest / 127 : 1;
	for (size_t i = 0; i < m->dim && finite; i++) {
		store(m->dtype, values, i, row[i], *scale);
		finite = isfinite(load(m->dtype, values, i, *scale));
	}
	return finite;
}

void embeddings_load(const Embeddings *m, const void *values, float scale, float *row)
{
	for (size_t i = 0; i < m->dim; i++)
		row[i] = load(m->dtype, values, i, scale);
}

/* Chunks */

static bool get_titles(const Document *d, EmbeddingsChunk *c, Error *e)
{
	const DocumentTensor *bytes = document_need_vector(d, "title.bytes", DTYPE_U8, 0, e);
	if (bytes == NULL)
		return false;
	c->title_bytes = bytes->data;
	return (c->title_offsets = document_need_offsets(d, "title.offsets", c->users, bytes->count, e)) !=
	       NULL;
}

bool embeddings_chunk(const Embeddings *m, const Document *d, EmbeddingsChunk *c, Error *e)
{
	*c = (EmbeddingsChunk){.of = m};
	const DocumentTensor *bytes = document_need_vector(d, "user.bytes", DTYPE_U8, 0, e);
	const DocumentTensor *ends = document_need_vector(d, "user.offsets", DTYPE_I64, 0, e);
	const DocumentTensor *values = document_need(d, "embeddings", m->dtype, 2, (size_t[]){0, m->dim}, e);
	if (bytes == NULL || ends == NULL || values == NULL)
		return false;
	if (ends->count == 0)
		return fail(e, ERROR_MALFORMED, "tensor 'user.offsets' is empty");
	c->users = ends->count - 1;
	c->rows = values->shape[0];
	c->user_bytes = bytes->data;
	c->values = values->data;
	if ((c->user_offsets = document_need_offsets(d, "user.offsets", c->users, bytes->count, e)) == NULL)
		return false;
	size_t each = embeddings_each(m);
	if (each > 0 && (c->rows % each != 0 || c->rows / each != c->users))
		return fail(e, ERROR_MALFORMED, "%zu rows for %zu users", c->rows, c->users);
	if (each == 0 &&
	    (c->row_offsets = document_need_offsets(d, "embeddings.offsets", c->users, c->rows, e)) == NULL)
		return false;
	if (m->titled && !get_titles(d, c, e))
		return false;
	if (m->dtype != DTYPE_I8)
		return true;
	const DocumentTensor *scales = document_need_vector(d, "embeddings.scale", DTYPE_F32, 0, e);
	if (scales != NULL && scales->count != c->rows)
		return fail(e, ERROR_MALFORMED, "%zu scales for %zu rows", scales->count, c->rows);
	c->scales = scales ? scales->data : NULL;
	return scales != NULL;
}

Text embeddings_user(const EmbeddingsChunk *c, size_t user)
{
	return (Text){(const char *)c->user_bytes + c->user_offsets[user],
	              (size_t)(c->user_offsets[user + 1] - c->user_offsets[user])};
}

Text embeddings_title(const EmbeddingsChunk *c, size_t item)
{
	if (c->title_offsets == NULL)
		return (Text){"", 0};
	return (Text){(const char *)c->title_bytes + c->title_offsets[item],
	              (size_t)(c->title_offsets[item + 1] - c->title_offsets[item])};
}

size_t embeddings_rows(const EmbeddingsChunk *c, size_t user, size_t *first)
{
	size_t each = embeddings_each(c->of);
	*first = c->row_offsets ? (size_t)c->row_offsets[user] : user * each;
	return c->row_offsets ? (size_t)(c->row_offsets[user + 1] - c->row_offsets[user]) : each;
}

const void *embeddings_values(const EmbeddingsChunk *c, size_t row)
{
	return c->values + row * c->of->dim * dtype_size(c->of->dtype);
}

void embeddings_row(const EmbeddingsChunk *c, size_t row, float *out)
{
	embeddings_load(c->of, embeddings_values(c, row), c->scales ? c->scales[row] : 1, out);
}

/* Reader */

struct EmbeddingsReader {
	StreamReader *stream;
	Document *first, *chunk;
	Embeddings of;
	size_t users; /* so far */
	bool begun;
};

EmbeddingsReader *embeddings_open(const char *path, Error *e)
{
	Document *first = NULL;
	StreamReader *stream = stream_reader_open(path, e);
	if (stream == NULL || !stream_read(stream, &first, e)) {
		stream_reader_free(stream);
		return NULL;
	}
	return embeddings_from(stream, first, e);
}

EmbeddingsReader *embeddings_from(StreamReader *stream, Document *first, Error *e)
{
	EmbeddingsReader *r = memory_new(1, sizeof *r, e);
	if (r == NULL) {
		stream_reader_free(stream);
		document_free(first);
		return NULL;
	}
	*r = (EmbeddingsReader){.stream = stream, .first = first};
	if (first != NULL ? embeddings_get(&r->of, first, e)
	                  : fail(e, ERROR_MALFORMED, "the stream has no document"))
		return r;
	fail_in(e, "%s", stream_name(stream));
	embeddings_close(r);
	return NULL;
}

void embeddings_close(EmbeddingsReader *r)
{
	if (r == NULL)
		return;
	stream_reader_free(r->stream);
	document_free(r->first);
	document_free(r->chunk);
	memory_free(r);
}

const Embeddings *embeddings_of(const EmbeddingsReader *r)
{
	return &r->of;
}

const Document *embeddings_first(const EmbeddingsReader *r)
{
	return r->first;
}

StreamReader *embeddings_stream(EmbeddingsReader *r)
{
	return r->stream;
}

static bool check_chunk(EmbeddingsReader *r, const Document *d, EmbeddingsChunk *chunk, Error *e)
{
	bool done = (d == r->first || document_check_kind(d, "embeddings-chunk", e)) &&
	            embeddings_chunk(&r->of, d, chunk, e);
	if (done && chunk->users == 0 && d != r->first)
		done = fail(e, ERROR_MALFORMED, "a chunk without users");
	r->users += chunk->users;
	return done || fail_in(e, "%s", stream_name(r->stream));
}

bool embeddings_next(EmbeddingsReader *r, EmbeddingsChunk *chunk, Error *e)
{
	*chunk = (EmbeddingsChunk){.of = &r->of};
	bool joined = !r->begun && document_find(r->first, "embeddings") != NULL;
	r->begun = true;
	if (joined && !check_chunk(r, r->first, chunk, e))
		return false;
	if (chunk->users > 0)
		return true;
	document_free(r->chunk);
	r->chunk = NULL;
	if (!stream_read(r->stream, &r->chunk, e))
		return false;
	if (r->chunk != NULL)
		return check_chunk(r, r->chunk, chunk, e);
	return r->users == r->of.users ||
	       fail(e, ERROR_MALFORMED, "%s: %zu users where the first document says %zu",
	            stream_name(r->stream), r->users, r->of.users);
}

bool embeddings_skip(EmbeddingsReader *r, uint64_t user, uint64_t *first, Error *e)
{
	size_t frame = 1, frames = stream_frames(r->stream);
	*first = 0;
	if (document_find(r->first, "embeddings") != NULL)
		return true;
	for (; frame < frames && *first + stream_frame_users(r->stream, frame) <= user; frame++)
		*first += stream_frame_users(r->stream, frame);
	r->users = (size_t)*first;
	return frame < 2 || stream_seek(r->stream, frame, e);
}
