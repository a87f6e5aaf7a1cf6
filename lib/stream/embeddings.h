/* Embeddings of users, or of items, as a stream: a first document that says what they
 * are, and chunks of users (ul-stream(5)).  Where they are of items, read "item" for
 * "user" below. */
#ifndef STREAM_EMBEDDINGS_H
#define STREAM_EMBEDDINGS_H

#include "base/strings.h"
#include "stream/stream.h"

/* What holds for all the rows. */
typedef struct {
	size_t dim, users;
	Dtype dtype; /* F32, F16, BF16, or I8 with a scale for each row */
	/* "none": a row for each event; "latents": as many for each user; else ("last", "mean") one a user;
	 * "item": of items */
	const char *pool;
	bool titled;      /* of items: each has a title */
	size_t latents;   /* of that pool: the rows of a user, … */
	uint64_t adapter; /* … and the hash of the adapter that made them */
} Embeddings;

enum { EMBEDDINGS_MAX_DIM = 1 << 24, EMBEDDINGS_MAX_LATENTS = 1 << 16 };

/* Rows of each user; 0: as many as there are events. */
size_t embeddings_each(const Embeddings *m);
bool embeddings_items(const Embeddings *m);              /* of items, not of users */
bool embeddings_dtype(const char *option, Dtype *dtype); /* f32|f16|bf16|i8 */

/* To and from the metadata of a first document, whose kind is stamped by the caller.
 * After embeddings_get(), pool is the document's. */
bool embeddings_set(const Embeddings *m, Document *first, Error *e);
bool embeddings_get(Embeddings *m, const Document *first, Error *e);

/* Floats to what is stored and back.  values: dim elements of the dtype; *scale is
 * max |x| / 127 for I8, and 1 otherwise.  False: an element is not finite, or too
 * large for the dtype. */
bool embeddings_store(const Embeddings *m, const float *row, void *values, float *scale);
void embeddings_load(const Embeddings *m, const void *values, float scale, float *row);

/* A chunk, checked; all of it is borrowed from the document. */
typedef struct {
	const Embeddings *of;
	size_t users, rows;
	const uint8_t *user_bytes;
	const int64_t *user_offsets; /* users + 1 */
	const int64_t *row_offsets;  /* users + 1; NULL: each has as many */
	const uint8_t *title_bytes;
	const int64_t *title_offsets; /* users + 1; NULL unless titled */
	const uint8_t *values;        /* rows × dim */
	const float *scales;          /* rows; NULL: 1 */
} EmbeddingsChunk;

bool embeddings_chunk(const Embeddings *m, const Document *d, EmbeddingsChunk *chunk, Error *e);
Text embeddings_user(const EmbeddingsChunk *c, size_t user);
Text embeddings_title(const EmbeddingsChunk *c, size_t item);                 /* empty unless titled */
size_t embeddings_rows(const EmbeddingsChunk *c, size_t user, size_t *first); /* how many, and the first */
const void *embeddings_values(const EmbeddingsChunk *c, size_t row);
void embeddings_row(const EmbeddingsChunk *c, size_t row, float *out); /* dim floats */

/* Reader.  The first document of a joined stream (ul-cat --to safetensors) is its
 * only chunk, too. */
typedef struct EmbeddingsReader EmbeddingsReader;
EmbeddingsReader *embeddings_open(const char *path, Error *e);
/* The same of a stream whose first document has been read; takes over both, on error too. */
EmbeddingsReader *embeddings_from(StreamReader *stream, Document *first, Error *e);
const Embeddings *embeddings_of(const EmbeddingsReader *r);
const Document *embeddings_first(const EmbeddingsReader *r);
StreamReader *embeddings_stream(EmbeddingsReader *r);
/* The next chunk, or users = 0 at the end; it lives until the next call.  At the end
 * there must have been as many users as the first document says. */
bool embeddings_next(EmbeddingsReader *r, EmbeddingsChunk *chunk, Error *e);
/* Where random access is possible, goes on with the chunk that has user `user`
 * (counted from 0).  *first is the user that the next chunk starts with. */
bool embeddings_skip(EmbeddingsReader *r, uint64_t user, uint64_t *first, Error *e);
void embeddings_close(EmbeddingsReader *r); /* takes NULL */

#endif
