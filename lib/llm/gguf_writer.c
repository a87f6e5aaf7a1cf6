#include "llm/gguf.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as they lie in memory");

enum { VERSION = 3, ALIGNMENT = 32 };

struct GgufWriter {
	Vocabulary keys, names;
	Buffer metadata, tensors; /* as they will lie in the file */
	const void **data;        /* by tensor */
	size_t *bytes;
	size_t data_capacity, bytes_capacity;
	uint64_t offset; /* of the next tensor */
};

GgufWriter *gguf_writer_new(Error *e)
{
	return memory_new(1, sizeof(GgufWriter), e);
}

void gguf_writer_free(GgufWriter *w)
{
	if (w == NULL)
		return;
	vocabulary_free(&w->keys);
	vocabulary_free(&w->names);
	buffer_free(&w->metadata);
	buffer_free(&w->tensors);
	memory_free(w->data);
	memory_free(w->bytes);
	memory_free(w);
}

static bool put_u32(Buffer *b, uint32_t value, Error *e)
{
	return buffer_append(b, &value, sizeof value, e);
}

static bool put_u64(Buffer *b, uint64_t value, Error *e)
{
	return buffer_append(b, &value, sizeof value, e);
}

static bool put_text(Buffer *b, Text text, Error *e)
{
	return put_u64(b, text.size, e) && buffer_append(b, text.data, text.size, e);
}

/* A name that is new, into its list and the file. */
static bool put_name(Vocabulary *names, Buffer *b, const char *name, Error *e)
{
	size_t before = names->strings.count;
	if (vocabulary_add(names, text_of(name), e) < 0)
		return false;
	if (names->strings.count == before)
		return fail(e, ERROR_USAGE, "'%s' is written to a GGUF file twice", name);
	return put_text(b, text_of(name), e);
}

static bool put_key(GgufWriter *w, const char *key, GgufType type, Error *e)
{
	return put_name(&w->keys, &w->metadata, key, e) && put_u32(&w->metadata, type, e);
}

static bool put_array(GgufWriter *w, const char *key, GgufType element, size_t count, Error *e)
{
	return put_key(w, key, GGUF_ARRAY, e) && put_u32(&w->metadata, element, e) &&
	       put_u64(&w->metadata, count, e);
}

bool gguf_add_string(GgufWriter *w, const char *key, Text value, Error *e)
{
	return put_key(w, key, GGUF_STRING, e) && put_text(&w->metadata, value, e);
}

bool gguf_add_u32(GgufWriter *w, const char *key, uint32_t value, Error *e)
{
	return put_key(w, key, GGUF_U32, e) && put_u32(&w->metadata, value, e);
}

bool gguf_add_f32(GgufWriter *w, const char *key, float value, Error *e)
{
	return put_key(w, key, GGUF_F32, e) && buffer_append(&w->metadata, &value, sizeof value, e);
}

bool gguf_add_bool(GgufWriter *w, const char *key, bool value, Error *e)
{
	uint8_t byte = value;
	return put_key(w, key, GGUF_BOOL, e) && buffer_append(&w->metadata, &byte, 1, e);
}

bool gguf_add_strings(GgufWriter *w, const char *key, const Strings *values, Error *e)
{
	if (!put_array(w, key, GGUF_STRING, values->count, e))
		return false;
	for (size_t i = 0; i < values->count; i++)
		if (!put_text(&w->metadata, strings_at(values, i), e))
			return false;
	return true;
}

bool gguf_add_bytes(GgufWriter *w, const char *key, Text bytes, Error *e)
{
	return put_array(w, key, GGUF_U8, bytes.size, e) &&
	       buffer_append(&w->metadata, bytes.data, bytes.size, e);
}

bool gguf_add_i32s(GgufWriter *w, const char *key, const int32_t *values, size_t count, Error *e)
{
	return put_array(w, key, GGUF_I32, count, e) &&
	       buffer_append(&w->metadata, values, count * sizeof *values, e);
}

bool gguf_add_f32s(GgufWriter *w, const char *key, const float *values, size_t count, Error *e)
{
	return put_array(w, key, GGUF_F32, count, e) &&
	       buffer_append(&w->metadata, values, count * sizeof *values, e);
}

bool gguf_copy_tensor(GgufWriter *w, const GgufTensor *t, Error *e)
{
	size_t index = w->names.strings.count;
	if (!memory_grow(&w->data, &w->data_capacity, index + 1, sizeof *w->data, e) ||
	    !memory_grow(&w->bytes, &w->bytes_capacity, index + 1, sizeof *w->bytes, e) ||
	    !put_name(&w->names, &w->tensors, t->name, e) || !put_u32(&w->tensors, (uint32_t)t->rank, e))
		return false;
	for (size_t i = 0; i < t->rank; i++)
		if (!put_u64(&w->tensors, t->shape[i], e))
			return false;
	w->data[index] = t->data;
	w->bytes[index] = t->bytes;
	if (!put_u32(&w->tensors, t->type, e) || !put_u64(&w->tensors, w->offset, e))
		return false;
	w->offset += (t->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	return true;
}

bool gguf_add_tensor(GgufWriter *w, const char *name, size_t rank, const size_t *shape, const float *data,
                     Error *e)
{
	GgufTensor t = {.name = name, .type = GGML_F32, .rank = rank, .count = 1, .data = data};
	if (rank < 1 || rank > GGUF_MAX_RANK)
		return fail(e, ERROR_USAGE, "tensor '%s' has %zu dimensions instead of 1 to %d", name, rank,
		            GGUF_MAX_RANK);
	for (size_t i = 0; i < rank; i++) {
		t.shape[i] = shape[i];
		if (!memory_product(t.count, shape[i], &t.count, e))
			return false;
	}
	return memory_product(t.count, sizeof *data, &t.bytes, e) && gguf_copy_tensor(w, &t, e);
}

/* Zeros up to the next multiple of the alignment. */
static bool write_padding(Output *o, size_t written, Error *e)
{
	static const uint8_t zeros[ALIGNMENT];
	return output_write(o, zeros, (ALIGNMENT - written % ALIGNMENT) % ALIGNMENT, e);
}

bool gguf_encode_head(const GgufWriter *w, Buffer *head, Error *e)
{
	return buffer_append(head, "GGUF", 4, e) && put_u32(head, VERSION, e) &&
	       put_u64(head, w->names.strings.count, e) && put_u64(head, w->keys.strings.count, e) &&
	       buffer_append(head, w->metadata.data, w->metadata.size, e) &&
	       buffer_append(head, w->tensors.data, w->tensors.size, e);
}

bool gguf_write(const GgufWriter *w, Output *o, Error *e)
{
	Buffer head = {0};
	bool done = gguf_encode_head(w, &head, e) && output_write(o, head.data, head.size, e) &&
	            write_padding(o, head.size, e);
	buffer_free(&head);
	for (size_t i = 0; done && i < w->names.strings.count; i++)
		done = output_write(o, w->data[i], w->bytes[i], e) && write_padding(o, w->bytes[i], e);
	return done;
}
