/* The bytes of a GGUF file, version 2 or 3: metadata, tensors, where these lie. */
#include "llm/gguf_internal.h"

#include "math/quant.h"
#include "stream/frame.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are read as they lie in the file");

enum {
	MAGIC = 0x46554747, /* "GGUF" */
	DEFAULT_ALIGNMENT = 32,
	MAX_NESTING = 8, /* arrays of arrays */
	MAX_NAME = 65535,
	LEAST_PAIR = 8 + 4 + 1,           /* bytes of a metadata entry */
	LEAST_TENSOR = 8 + 4 + 8 + 4 + 8, /* bytes of a tensor's description */
};

/* The unread part of the file. */
typedef struct {
	const uint8_t *start, *at;
	size_t left;
} Cursor;

size_t gguf_type_size(GgufType type)
{
	static const uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
	return (size_t)type < sizeof sizes ? sizes[type] : 0;
}

static const uint8_t *take(Cursor *c, size_t size, Error *e)
{
	if (size > c->left) {
		fail(e, ERROR_MALFORMED, "ends early: %zu bytes at byte %td are not all there", size,
		     c->at - c->start);
		return NULL;
	}
	const uint8_t *p = c->at;
	c->at += size;
	c->left -= size;
	return p;
}

static bool take_u32(Cursor *c, uint32_t *value, Error *e)
{
	const uint8_t *p = take(c, sizeof *value, e);
	if (p != NULL)
		memcpy(value, p, sizeof *value);
	return p != NULL;
}

static bool take_u64(Cursor *c, uint64_t *value, Error *e)
{
	const uint8_t *p = take(c, sizeof *value, e);
	if (p != NULL)
		memcpy(value, p, sizeof *value);
	return p != NULL;
}

/* A number of things that take `least` bytes each, which the rest of the file must have room for. */
static bool take_count(Cursor *c, size_t least, const char *what, size_t *count, Error *e)
{
	uint64_t value;
	if (!take_u64(c, &value, e))
		return false;
	if (value > c->left / least)
		return fail(e, ERROR_MALFORMED, "%llu %s at byte %td are more than the file has room for",
		            (unsigned long long)value, what, c->at - c->start - 8);
	*count = (size_t)value;
	return true;
}

static bool take_text(Cursor *c, Text *text, Error *e)
{
	if (!take_count(c, 1, "bytes of text", &text->size, e))
		return false;
	text->data = (const char *)take(c, text->size, e);
	return text->data != NULL;
}

/* A key or a tensor's name, into the vocabulary with a NUL behind it. */
static bool take_name(Cursor *c, Vocabulary *names, const char *what, Error *e)
{
	char terminated[MAX_NAME + 1];
	Text name = {0};
	if (!take_text(c, &name, e))
		return false;
	if (name.size == 0 || name.size > MAX_NAME || memchr(name.data, 0, name.size) != NULL)
		return fail(e, ERROR_MALFORMED, "%s at byte %td is no name", what, c->at - c->start);
	memcpy(terminated, name.data, name.size);
	terminated[name.size] = '\0';
	size_t before = names->strings.count;
	if (vocabulary_add(names, (Text){terminated, name.size + 1}, e) < 0)
		return false;
	if (names->strings.count == before)
		return fail(e, ERROR_MALFORMED, "%s '%s' is there twice", what, terminated);
	return true;
}

static bool take_type(Cursor *c, GgufType *type, Error *e)
{
	uint32_t number;
	if (!take_u32(c, &number, e))
		return false;
	*type = (GgufType)number;
	if (gguf_type_size(*type) == 0)
		return fail(e, ERROR_MALFORMED, "type %u at byte %td is unknown", number,
		            c->at - c->start - 4);
	return true;
}

static bool take_value(Cursor *c, GgufType type, unsigned nesting, GgufValue *value, Error *e);

static bool take_array(Cursor *c, unsigned nesting, GgufValue *value, Error *e)
{
	if (nesting == MAX_NESTING)
		return fail(e, ERROR_MALFORMED, "arrays are nested more than %d deep", MAX_NESTING);
	if (!take_type(c, &value->element, e) ||
	    !take_count(c, gguf_type_size(value->element), "array elements", &value->count, e))
		return false;
	value->data = c->at;
	if (value->element != GGUF_STRING && value->element != GGUF_ARRAY)
		return take(c, value->count * gguf_type_size(value->element), e) != NULL;
	GgufValue ignored;
	for (size_t i = 0; i < value->count; i++)
		if (!take_value(c, value->element, nesting + 1, &ignored, e))
			return false;
	return true;
}

static bool take_value(Cursor *c, GgufType type, unsigned nesting, GgufValue *value, Error *e)
{
	*value = (GgufValue){.type = type, .count = 1};
	if (type == GGUF_ARRAY)
		return take_array(c, nesting, value, e);
	if (type == GGUF_STRING) {
		Text text;
		if (!take_text(c, &text, e))
			return false;
		value->data = (const uint8_t *)text.data;
		value->count = text.size;
		return true;
	}
	value->data = take(c, gguf_type_size(type), e);
	if (value->data == NULL)
		return false;
	if (type == GGUF_BOOL && *value->data > 1)
		return fail(e, ERROR_MALFORMED, "byte %td should be a bool", c->at - c->start - 1);
	return true;
}

static bool read_metadata(Gguf *g, Cursor *c, size_t count, Error *e)
{
	for (size_t i = 0; i < count; i++) {
		GgufType type;
		if (!memory_grow(&g->values, &g->values_capacity, i + 1, sizeof *g->values, e) ||
		    !take_name(c, &g->keys, "key", e))
			return false;
		if (!take_type(c, &type, e) || !take_value(c, type, 0, &g->values[i], e))
			return fail_in(e, "key '%s'", strings_at(&g->keys.strings, i).data);
	}
	return true;
}

/* Type, shape and offset of a tensor whose name has been read. */
static bool take_shape(Cursor *c, GgufTensor *t, size_t alignment, Error *e)
{
	uint32_t rank, number;
	uint64_t offset;
	if (!take_u32(c, &rank, e))
		return false;
	if (rank < 1 || rank > GGUF_MAX_RANK)
		return fail(e, ERROR_MALFORMED, "has %u dimensions instead of 1 to %d", rank, GGUF_MAX_RANK);
	*t = (GgufTensor){.rank = rank, .count = 1};
	for (size_t i = 0; i < rank; i++) {
		uint64_t length;
		if (!take_u64(c, &length, e))
			return false;
		if (length == 0 || __builtin_mul_overflow(t->count, length, &t->count))
			return fail(e, ERROR_MALFORMED, "cannot have a dimension of length %llu",
			            (unsigned long long)length);
		t->shape[i] = (size_t)length;
	}
	if (!take_u32(c, &number, e) || !take_u64(c, &offset, e))
		return false;
	if (offset % alignment != 0)
		return fail(e, ERROR_MALFORMED, "has the offset %llu, which is no multiple of %zu",
		            (unsigned long long)offset, alignment);
	t->offset = (size_t)offset;
	t->type = (GgmlType)number;
	const QuantType *type = quant_type(number);
	if (type == NULL || type->elements == 0)
		return fail(e, ERROR_MALFORMED, "is of type %u (%s), supported are %s", number,
		            type ? type->name : "unknown", quant_supported());
	if (t->shape[0] % type->elements != 0)
		return fail(e, ERROR_MALFORMED, "has rows of %zu, which are no blocks of %zu", t->shape[0],
		            type->elements);
	if (__builtin_mul_overflow(t->count / type->elements, type->bytes, &t->bytes))
		return fail(e, ERROR_MALFORMED, "is larger than any file");
	return true;
}

/* Finds the tensors' data, once all descriptions are read: it begins at the next
 * multiple of the alignment, and names stay where they are from now on. */
static bool place_tensors(Gguf *g, const Cursor *c, size_t count, size_t alignment, Error *e)
{
	size_t header = g->size - c->left, padding = (alignment - header % alignment) % alignment;
	size_t room = padding < c->left ? c->left - padding : 0, left = room;
	for (size_t i = 0; i < count; i++) {
		GgufTensor *t = &g->tensors[i];
		t->name = strings_at(&g->names.strings, i).data;
		if (t->bytes > room || t->offset > room - t->bytes)
			return fail(
			    e, ERROR_MALFORMED,
			    "ends early: the %zu bytes of tensor '%s' at offset %zu are not all there",
			    t->bytes, t->name, t->offset);
		/* Else a small file could ask for any amount of memory. */
		if (t->bytes > left)
			return fail(e, ERROR_MALFORMED, "has tensors that overlap: '%s' is one of them",
			            t->name);
		left -= t->bytes;
		t->offset += header + padding;
		t->data = g->bytes + t->offset;
	}
	return true;
}

static bool read_tensors(Gguf *g, Cursor *c, size_t count, size_t alignment, Error *e)
{
	for (size_t i = 0; i < count; i++) {
		if (!memory_grow(&g->tensors, &g->tensors_capacity, i + 1, sizeof *g->tensors, e) ||
		    !take_name(c, &g->names, "tensor", e))
			return false;
		if (!take_shape(c, &g->tensors[i], alignment, e))
			return fail_in(e, "tensor '%s'", strings_at(&g->names.strings, i).data);
	}
	return place_tensors(g, c, count, alignment, e);
}

static bool read_header(Cursor *c, size_t *tensors, size_t *pairs, Error *e)
{
	uint32_t magic, version;
	if (!take_u32(c, &magic, e))
		return false;
	if (magic == FRAME_MAGIC)
		return fail(e, ERROR_MALFORMED,
		            "is compressed by zstd, as streams of these tools are, and no GGUF file");
	if (magic != MAGIC)
		return fail(e, ERROR_MALFORMED, "is no GGUF file");
	if (!take_u32(c, &version, e))
		return false;
	if (version != 2 && version != 3)
		return fail(e, ERROR_MALFORMED,
		            "is GGUF of version %u%s; supported are 2 and 3, little-endian", version,
		            version >> 16 ? " (or big-endian)" : "");
	return take_count(c, LEAST_TENSOR, "tensors", tensors, e) &&
	       take_count(c, LEAST_PAIR, "metadata entries", pairs, e);
}

bool gguf_parse(Gguf *g, Error *e)
{
	Cursor c = {g->bytes, g->bytes, g->size};
	size_t tensors, pairs;
	int64_t alignment = DEFAULT_ALIGNMENT;
	if (!read_header(&c, &tensors, &pairs, e) || !read_metadata(g, &c, pairs, e))
		return false;
	if (gguf_has(g, "general.alignment") &&
	    !gguf_integer(g, "general.alignment", 8, INT32_MAX, &alignment, e))
		return false;
	if ((alignment & (alignment - 1)) != 0)
		return fail(e, ERROR_MALFORMED, "general.alignment %lld is no power of two",
		            (long long)alignment);
	return read_tensors(g, &c, tensors, (size_t)alignment, e);
}
