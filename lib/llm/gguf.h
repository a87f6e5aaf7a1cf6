/* GGUF files, version 2 and 3 (little-endian): metadata, and tensors that are
 * read where they lie in the mapped file. */
#ifndef LLM_GGUF_H
#define LLM_GGUF_H

#include "base/strings.h"
#include "stream/output.h"

typedef enum {
	GGUF_U8,
	GGUF_I8,
	GGUF_U16,
	GGUF_I16,
	GGUF_U32,
	GGUF_I32,
	GGUF_F32,
	GGUF_BOOL,
	GGUF_STRING,
	GGUF_ARRAY,
	GGUF_U64,
	GGUF_I64,
	GGUF_F64,
} GgufType;

/* Tensor types, as the format numbers them. */
typedef enum { GGML_F32 = 0, GGML_F16 = 1, GGML_Q4_0 = 2, GGML_Q8_0 = 8, GGML_BF16 = 30 } GgmlType;

enum { GGUF_MAX_RANK = 4 };

typedef struct {
	const char *name; /* terminated */
	GgmlType type;
	size_t rank;
	size_t shape[GGUF_MAX_RANK]; /* the format's order: shape[0] runs fastest (columns) */
	size_t count, bytes;
	size_t offset; /* of the data in the file */
	const void *data;
} GgufTensor;

typedef struct Gguf Gguf;

/* Maps (or reads, from what cannot be mapped) and checks the whole file: counts,
 * sizes, offsets, alignment, double names.  Errors name the path; a tensor type or
 * version that is not supported is named, too.  Of NAME-00001-of-00003.gguf, the first of
 * a model's parts, the others are found beside it, and have the rest of its tensors.  Strings
 * and tensors point into the file and live until gguf_close(), which takes NULL. */
Gguf *gguf_open(const char *path, Error *e);
void gguf_close(Gguf *g);
/* Whether the output is none of the later parts of a model, as output_differs() has it; of what is no first
 * part there are none. */
bool gguf_parts_differ(const char *output, const char *first, Error *e);
uint64_t gguf_hash(const Gguf *g); /* XXH64 of the file's bytes, over parts of their hashes */
const char *gguf_path(const Gguf *g);

bool gguf_has(const Gguf *g, const char *key);
/* Integers of any width and reals of any width; ERROR_MALFORMED where the key is
 * missing or of another kind. */
bool gguf_integer(const Gguf *g, const char *key, int64_t low, int64_t high, int64_t *value, Error *e);
bool gguf_real(const Gguf *g, const char *key, double *value, Error *e);
bool gguf_bool(const Gguf *g, const char *key, bool *value, Error *e);
bool gguf_string(const Gguf *g, const char *key, Text *value, Error *e);
/* Arrays, copied into memory of the caller (memory_free, strings_free); *out of
 * gguf_strings() must be empty. */
bool gguf_strings(const Gguf *g, const char *key, Strings *out, Error *e);
bool gguf_integers(const Gguf *g, const char *key, int32_t **out, size_t *count, Error *e);
bool gguf_reals(const Gguf *g, const char *key, float **out, size_t *count, Error *e);

size_t gguf_tensor_count(const Gguf *g);
const GgufTensor *gguf_tensor_at(const Gguf *g, size_t index);
const GgufTensor *gguf_tensor(const Gguf *g, const char *name); /* NULL: not there */
/* Rows [first, first + count) of a matrix (or numbers of a vector of F32). */
GgufTensor gguf_rows(const GgufTensor *t, size_t first, size_t count);
/* All elements as F32, in file order. */
void gguf_expand(const GgufTensor *t, float *out);

/* Writer: collect, then write.  Version 3, alignment 32.  Keys and names that are
 * there already are ERROR_USAGE. */
typedef struct GgufWriter GgufWriter;
GgufWriter *gguf_writer_new(Error *e);
void gguf_writer_free(GgufWriter *w);
bool gguf_add_string(GgufWriter *w, const char *key, Text value, Error *e);
bool gguf_add_u32(GgufWriter *w, const char *key, uint32_t value, Error *e);
bool gguf_add_f32(GgufWriter *w, const char *key, float value, Error *e);
bool gguf_add_bool(GgufWriter *w, const char *key, bool value, Error *e);
bool gguf_add_strings(GgufWriter *w, const char *key, const Strings *values, Error *e);
bool gguf_add_bytes(GgufWriter *w, const char *key, Text bytes, Error *e);
bool gguf_add_i32s(GgufWriter *w, const char *key, const int32_t *values, size_t count, Error *e);
bool gguf_add_f32s(GgufWriter *w, const char *key, const float *values, size_t count, Error *e);
/* An F32 tensor; the data is borrowed until gguf_write(). */
bool gguf_add_tensor(GgufWriter *w, const char *name, size_t rank, const size_t *shape, const float *data,
                     Error *e);
/* One of another file, as it is there. */
bool gguf_copy_tensor(GgufWriter *w, const GgufTensor *t, Error *e);
bool gguf_write(const GgufWriter *w, Output *o, Error *e);
/* What lies before the tensors' data, appended to *head. */
bool gguf_encode_head(const GgufWriter *w, Buffer *head, Error *e);

#endif
