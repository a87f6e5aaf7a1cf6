#include "user/vectors.h"

#include "stream/npy.h"

#include <math.h>
#include <string.h>

bool vectors_are_latents(const UserVectors *v)
{
	return v->of.latents > 0;
}

void vectors_free(UserVectors *v)
{
	if (v == NULL)
		return;
	memory_free(v->path);
	memory_free(v->split);
	vocabulary_free(&v->ids);
	buffer_free(&v->values);
	buffer_free(&v->scales);
	memory_free(v->offsets);
	memory_free(v);
}

void vectors_row(const UserVectors *v, size_t row, float *out)
{
	const float *scales = (const float *)(const void *)v->scales.data;
	embeddings_load(&v->of, v->values.data + row * v->of.dim * dtype_size(v->of.dtype),
	                v->of.dtype == DTYPE_I8 ? scales[row] : 1, out);
}

/* The next user has so many rows. */
static bool end_user(UserVectors *v, size_t rows, Error *e)
{
	if (!memory_grow(&v->offsets, &v->offsets_capacity, v->users + 2, sizeof *v->offsets, e))
		return false;
	v->offsets[0] = 0;
	v->rows += rows;
	v->most = rows > v->most ? rows : v->most;
	v->offsets[++v->users] = (int64_t)v->rows;
	return true;
}

/* --- embeddings of ul-embed ----------------------------------------------- */

static bool add_chunk(UserVectors *v, const EmbeddingsChunk *c, Error *e)
{
	for (size_t user = 0; user < c->users; user++) {
		Text id = embeddings_user(c, user);
		size_t first, known = v->ids.strings.count;
		if (vocabulary_add(&v->ids, id, e) < 0 || !end_user(v, embeddings_rows(c, user, &first), e))
			return false;
		if (v->ids.strings.count == known)
			return fail(e, ERROR_MALFORMED, "%s: user '%.*s' comes twice", v->path,
			            (int)(id.size < 100 ? id.size : 100), id.data);
	}
	return buffer_append(&v->values, c->values, c->rows * v->of.dim * dtype_size(v->of.dtype), e) &&
	       (c->scales == NULL || buffer_append(&v->scales, c->scales, c->rows * sizeof(float), e));
}

static bool copy_knowledge(UserVectors *v, const Document *first, Error *e)
{
	const char *split = document_get(first, "ul.split"), *times = document_get(first, "ul.times");
	v->query_time = times != NULL && strcmp(times, "query") == 0;
	return split == NULL || (v->split = memory_string(split, e)) != NULL;
}

/* Takes over both. */
static bool read_embeddings(UserVectors *v, StreamReader *stream, Document *first, Error *e)
{
	EmbeddingsReader *r = embeddings_from(stream, first, e);
	EmbeddingsChunk chunk;
	if (r == NULL)
		return false;
	v->of = *embeddings_of(r);
	bool done = copy_knowledge(v, embeddings_first(r), e);
	if (done && embeddings_items(&v->of))
		done =
		    fail(e, ERROR_USAGE, "%s: embeddings of items, where those of users are needed", v->path);
	while (done && (done = embeddings_next(r, &chunk, e)) && chunk.users > 0)
		done = add_chunk(v, &chunk, e);
	v->of.pool = NULL; /* goes with the document */
	v->hash = stream_hash(embeddings_stream(r));
	embeddings_close(r);
	return done;
}

/* --- arrays from elsewhere ------------------------------------------------ */

/* [users, d] or [users, rows, d] */
static bool take_array(UserVectors *v, Dtype dtype, size_t rank, const size_t *shape, Error *e)
{
	size_t rows = rank == 3 ? shape[1] : 1, dim = rank > 0 ? shape[rank - 1] : 0;
	if ((dtype != DTYPE_F32 && dtype != DTYPE_F16) || (rank != 2 && rank != 3))
		return fail(
		    e, ERROR_USAGE,
		    "%s numbers of %zu dimensions, where F32 or F16 [users, d] or [users, rows, d] are "
		    "needed",
		    dtype_name(dtype), rank);
	if (rows == 0 || dim == 0)
		return fail(e, ERROR_USAGE, "vectors of no numbers");
	v->ordered = true;
	v->of = (Embeddings){.dim = dim, .dtype = dtype};
	for (size_t user = 0; user < shape[0]; user++)
		if (!end_user(v, rows, e))
			return false;
	return true;
}

static bool read_npy(UserVectors *v, const char *path, Error *e)
{
	NpyArray a;
	bool done =
	    npy_read(path, &a, e) && (take_array(v, a.dtype, a.rank, a.shape, e) || fail_in(e, "%s", path));
	v->values = a.values;
	v->hash = a.hash;
	return done;
}

static bool read_tensor(UserVectors *v, const Document *d, Error *e)
{
	const DocumentTensor *t = document_find(d, "embeddings");
	if (t == NULL && document_count(d) == 1)
		t = document_at(d, 0);
	if (t == NULL)
		return fail(e, ERROR_USAGE, "none of %zu tensors is called 'embeddings'", document_count(d));
	return take_array(v, t->dtype, t->rank, t->shape, e) &&
	       buffer_append(&v->values, t->data, t->bytes, e);
}

/* Takes over both. */
static bool read_plain(UserVectors *v, StreamReader *stream, Document *d, Error *e)
{
	Document *more = NULL;
	bool done = read_tensor(v, d, e) || fail_in(e, "%s", stream_name(stream));
	done = done && stream_read(stream, &more, e) &&
	       (more == NULL || fail(e, ERROR_MALFORMED, "%s: more than one document where one is needed",
	                             stream_name(stream)));
	v->hash = stream_hash(stream);
	document_free(more);
	document_free(d);
	stream_reader_free(stream);
	return done;
}

static bool read_stream(UserVectors *v, const char *path, Error *e)
{
	Document *first = NULL;
	StreamReader *stream = stream_reader_open(path, e);
	if (stream == NULL || !stream_read(stream, &first, e)) {
		stream_reader_free(stream);
		return false;
	}
	return first == NULL || document_get(first, "ul.kind") != NULL ? read_embeddings(v, stream, first, e)
	                                                               : read_plain(v, stream, first, e);
}

/* --- all ------------------------------------------------------------------ */

static bool check_finite(const UserVectors *v, Error *e)
{
	bool finite = true;
	float *row = memory_new(v->of.dim, sizeof *row, e);
	for (size_t i = 0; row != NULL && finite && i < v->rows; i++) {
		vectors_row(v, i, row);
		for (size_t c = 0; c < v->of.dim; c++)
			finite = finite && isfinite(row[c]);
	}
	bool done = row != NULL && (finite || fail(e, ERROR_MALFORMED, "not all of its numbers are finite"));
	memory_free(row);
	return done;
}

UserVectors *vectors_open(const char *path, Error *e)
{
	UserVectors *v = memory_new(1, sizeof *v, e);
	bool done = v != NULL && (v->path = memory_string(path, e)) != NULL &&
	            (npy_recognize(path) ? read_npy(v, path, e) : read_stream(v, path, e)) &&
	            (check_finite(v, e) || fail_in(e, "%s", path));
	if (done)
		return v;
	vectors_free(v);
	return NULL;
}

bool vectors_fit(const UserVectors *v, const Dataset *data, Error *e)
{
	return !v->ordered || v->users == data->users ||
	       fail(e, ERROR_USAGE, "%s: vectors of %zu users, where the data has %zu", v->path, v->users,
	            data->users);
}

bool vectors_find(const UserVectors *v, const Users *users, size_t user, size_t *first, size_t *count,
                  Error *e)
{
	Text id = strings_at(&users->ids, user);
	int64_t place = v->ordered ? (int64_t)(users->first + user) : vocabulary_find(&v->ids, id);
	bool found = place >= 0 && (size_t)place < v->users && v->offsets[place + 1] > v->offsets[place];
	*first = found ? (size_t)v->offsets[place] : 0;
	*count = found ? (size_t)(v->offsets[place + 1] - v->offsets[place]) : 0;
	return found || fail(e, ERROR_USAGE, "%s: user '%.*s' has no vectors there", v->path,
	                     (int)(id.size < 100 ? id.size : 100), id.data);
}
