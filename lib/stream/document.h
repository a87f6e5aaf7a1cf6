/* One safetensors document: string metadata and named tensors.
 *
 * Layout (safetensors): 8 bytes little-endian header length, a JSON header
 * {"__metadata__": {key: string}, name: {"dtype", "shape", "data_offsets"}},
 * then the data; offsets count from the end of the header, leave no hole and do
 * not overlap. */
#ifndef STREAM_DOCUMENT_H
#define STREAM_DOCUMENT_H

#include "base/error.h"
#include "base/memory.h"
#include "stream/dtype.h"

enum { DOCUMENT_MAX_RANK = 8 };

typedef struct {
	const char *name;
	Dtype dtype;
	size_t rank;
	size_t shape[DOCUMENT_MAX_RANK];
	size_t count; /* elements */
	size_t bytes;
	const void *data; /* aligned for the dtype; borrowed from whoever added it, or the document's */
} DocumentTensor;

typedef struct Document Document;

Document *document_new(Error *e);
void document_free(Document *d);

/* Metadata: strings, copied.  document_set() replaces. */
bool document_set(Document *d, const char *key, const char *value, Error *e);
bool document_set_format(Document *d, const char *key, Error *e, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Of words with "|" between, that of a number. */
bool document_set_word(Document *d, const char *key, const char *words, size_t number, Error *e);
const char *document_get(const Document *d, const char *key); /* NULL: not there */
/* The same with an ERROR_MALFORMED for a missing key or a value that is none of
 * the words, or no number within [low, high]. */
bool document_get_string(const Document *d, const char *key, const char **value, Error *e);
bool document_get_word(const Document *d, const char *key, const char *words, size_t *number, Error *e);
bool document_get_integer(const Document *d, const char *key, int64_t low, int64_t high, int64_t *value,
                          Error *e);
bool document_get_real(const Document *d, const char *key, double low, double high, double *value, Error *e);
bool document_get_hash(const Document *d, const char *key, uint64_t *hash,
                       Error *e); /* 16 hexadecimal digits */
size_t document_metadata_count(const Document *d);
void document_metadata_at(const Document *d, size_t index, const char **key, const char **value);

/* Adds a tensor; the data is borrowed and must live until the document is
 * written.  The name is copied. */
bool document_add(Document *d, const char *name, Dtype dtype, size_t rank, const size_t *shape,
                  const void *data, Error *e);
bool document_add_vector(Document *d, const char *name, Dtype dtype, size_t count, const void *data,
                         Error *e);

size_t document_count(const Document *d);
const DocumentTensor *document_at(const Document *d, size_t index);       /* in file order */
const DocumentTensor *document_find(const Document *d, const char *name); /* NULL: not there */

/* The tensor of that name, dtype and rank, or an ERROR_MALFORMED that says what
 * is there instead.  shape[i] == 0 takes any length.  NULL on error. */
const DocumentTensor *document_need(const Document *d, const char *name, Dtype dtype, size_t rank,
                                    const size_t *shape, Error *e);
const DocumentTensor *document_need_vector(const Document *d, const char *name, Dtype dtype, size_t count,
                                           Error *e);

/* The same of I64 [lists + 1] that rise from 0 to `end`: where lists begin in another tensor. */
const int64_t *document_need_offsets(const Document *d, const char *name, size_t lists, size_t end, Error *e);

/* How many users a chunk has, by its tensor user.offsets (I64, [users + 1]); 0 without. */
uint64_t document_users(const Document *d);

/* Hands the document's bytes, piece by piece, to `sink`.  The header is padded so
 * that the data begins at a multiple of 8, and the wider elements come first, so
 * that every tensor is aligned. */
typedef bool DocumentSink(void *context, const void *data, size_t size, Error *e);
bool document_emit(const Document *d, DocumentSink *sink, void *context, Error *e);

/* The document as bytes, appended to *out. */
bool document_encode(const Document *d, Buffer *out, Error *e);

/* The inverse.  Takes over `bytes` (its data is freed with the document, or on
 * error at once); size must be exactly one document. */
Document *document_decode(Buffer *bytes, Error *e);

/* The same of a file that holds one document, mapped; errors name the path. */
Document *document_map(const char *path, Error *e);

/* For a reader of plain safetensors: the size of the header, its 8 bytes of length
 * included, from those 8 bytes; then the size of the document from its header. */
enum { DOCUMENT_PREFIX = 8, DOCUMENT_MAX_HEADER = 100000000 };
bool document_header(const uint8_t prefix[DOCUMENT_PREFIX], size_t *header, Error *e);
bool document_measure(const uint8_t *bytes, size_t header, size_t *whole, Error *e);

/* A copy in which every byte that is not UTF-8 is U+FFFD, as JSON needs it. */
char *document_text(const char *text, Error *e);

#endif
