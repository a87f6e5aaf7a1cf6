#include "llm/gguf_internal.h"

#include "math/quant.h"
#include "stream/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

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

static const char *const type_names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                         "bool", "string", "array", "u64", "i64", "f64"};

/* Bytes of a value, the least number for strings and arrays; 0: no such type. */
static size_t type_size(GgufType type)
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
	if (type_size(*type) == 0)
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
	    !take_count(c, type_size(value->element), "array elements", &value->count, e))
		return false;
	value->data = c->at;
	if (value->element != GGUF_STRING && value->element != GGUF_ARRAY)
		return take(c, value->count * type_size(value->element), e) != NULL;
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
	value->data = take(c, type_size(type), e);
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

static bool parse(Gguf *g, Error *e)
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

/* All there is to read from what is no regular file. */
static bool read_all(Gguf *g, int file, Error *e)
{
	Buffer b = {0};
	ssize_t got = 1;
	while (got > 0 || (got < 0 && errno == EINTR)) {
		if (!buffer_reserve(&b, 1 << 16, e))
			break;
		got = read(file, b.data + b.size, b.capacity - b.size);
		b.size += got > 0 ? (size_t)got : 0;
	}
	g->bytes = b.data;
	g->size = b.size;
	if (got < 0)
		fail_errno(e, "cannot read");
	return got == 0;
}

static bool load(Gguf *g, int file, Error *e)
{
	struct stat status;
	if (fstat(file, &status) != 0)
		return fail_errno(e, "cannot read");
	if (!S_ISREG(status.st_mode))
		return read_all(g, file, e);
	if (status.st_size == 0)
		return fail(e, ERROR_MALFORMED, "is empty");
	void *p = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (p == MAP_FAILED)
		return fail_errno(e, "cannot map");
	g->bytes = p;
	g->size = (size_t)status.st_size;
	g->mapped = true;
	return true;
}

static Gguf *open_file(const char *path, Error *e)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0) {
		fail_errno(e, "%s: cannot open", path);
		return NULL;
	}
	Gguf *g = memory_new(1, sizeof *g, e);
	bool done = g != NULL && (g->path = memory_string(path, e)) != NULL;
	done = done && load(g, file, e) && parse(g, e);
	close(file); /* was only read from: nothing can be lost */
	if (!done) {
		fail_in(e, "%s", path);
		gguf_close(g);
		return NULL;
	}
	g->hash = XXH64(g->bytes, g->size, 0);
	return g;
}

bool gguf_append(Gguf *g, const char *name, const GgufTensor *t, Error *e)
{
	size_t count = g->names.strings.count;
	const uint8_t *before = g->names.strings.bytes;
	if (vocabulary_add(&g->names, (Text){name, strlen(name) + 1}, e) < 0 ||
	    !memory_grow(&g->tensors, &g->tensors_capacity, count + 1, sizeof *g->tensors, e))
		return false;
	if (g->names.strings.count == count)
		return fail(e, ERROR_MALFORMED, "tensor '%s' is there twice", name);
	g->tensors[count] = *t;
	for (size_t i = g->names.strings.bytes == before ? count : 0; i <= count; i++)
		g->tensors[i].name = strings_at(&g->names.strings, i).data;
	return true;
}

/* Their data stay where they are. */
static bool take_tensors(Gguf *g, const Gguf *part, Error *e)
{
	for (size_t i = 0; i < part->names.strings.count; i++)
		if (!gguf_append(g, part->tensors[i].name, &part->tensors[i], e))
			return fail_in(e, "%s", part->path);
	return true;
}

Gguf *gguf_of_keys(const char *path, const GgufWriter *keys, Error *e)
{
	Buffer head = {0};
	Gguf *g = memory_new(1, sizeof *g, e);
	if (g == NULL || (g->path = memory_string(path, e)) == NULL || !gguf_encode_head(keys, &head, e)) {
		buffer_free(&head);
		gguf_close(g);
		return NULL;
	}
	g->bytes = head.data;
	g->size = head.size;
	if (parse(g, e))
		return g;
	gguf_close(g);
	return NULL;
}

/* Part `number` of the model, by what its own keys say. */
static bool check_part(const Gguf *part, int64_t number, int64_t count, Error *e)
{
	int64_t is, of;
	if (!gguf_integer(part, "split.no", 0, UINT16_MAX, &is, e) ||
	    !gguf_integer(part, "split.count", 0, UINT16_MAX, &of, e))
		return fail_in(e, "%s", part->path);
	return (is == number && of == count) ||
	       fail(e, ERROR_MALFORMED, "%s: is part %lld of %lld where part %lld of %lld is wanted",
	            part->path, (long long)is + 1, (long long)of, (long long)number + 1, (long long)count);
}

/* NAME-00001-of-00003.gguf without what the number begins with, or 0. */
static size_t part_stem(const char *path, int64_t count)
{
	char end[48];
	snprintf(end, sizeof end, "-00001-of-%05lld.gguf", (long long)count);
	size_t size = strlen(path), length = strlen(end);
	return size > length && strcmp(path + size - length, end) == 0 ? size - length : 0;
}

/* The name of part `number`, from 0, of a model whose first part has the path; the caller's to free. */
static char *part_path(const char *first, size_t stem, int64_t number, int64_t count, Error *e)
{
	char *path = memory_new(strlen(first) + 16, 1, e);
	if (path != NULL)
		snprintf(path, strlen(first) + 16, "%.*s-%05lld-of-%05lld.gguf", (int)stem, first,
		         (long long)number + 1, (long long)count);
	return path;
}

bool gguf_parts_differ(const char *output, const char *first, Error *e)
{
	const char *last = strrchr(first, '-');
	int64_t count = last ? strtol(last + 1, NULL, 10) : 0;
	size_t stem = count > 1 && count <= UINT16_MAX ? part_stem(first, count) : 0;
	bool done = true;
	for (int64_t number = 1; done && stem > 0 && number < count; number++) {
		char *path = part_path(first, stem, number, count, e);
		done = path != NULL && output_differs(output, path, e);
		memory_free(path);
	}
	return done;
}

static bool open_part(Gguf *g, size_t stem, int64_t number, int64_t count, Error *e)
{
	char *path = part_path(g->path, stem, number, count, e);
	if (path == NULL)
		return false;
	Gguf *part = g->parts[g->part_count] = open_file(path, e);
	memory_free(path);
	g->part_count += part != NULL;
	return part != NULL && check_part(part, number, count, e) && take_tensors(g, part, e);
}

static bool open_parts(Gguf *g, Error *e)
{
	int64_t count, tensors;
	if (!gguf_has(g, "split.count"))
		return true;
	if (!gguf_integer(g, "split.count", 0, UINT16_MAX, &count, e))
		return fail_in(e, "%s", g->path);
	if (count <= 1)
		return true;
	size_t stem = part_stem(g->path, count);
	if (stem == 0)
		return fail(e, ERROR_MALFORMED,
		            "%s: is one of a model's %lld parts: give the first, called "
		            "NAME-00001-of-%05lld.gguf",
		            g->path, (long long)count, (long long)count);
	if (!check_part(g, 0, count, e) || (g->parts = memory_new((size_t)count, sizeof(Gguf *), e)) == NULL)
		return false;
	for (int64_t number = 1; number < count; number++)
		if (!open_part(g, stem, number, count, e))
			return false;
	for (size_t i = 0; i < g->part_count; i++)
		g->hash = XXH64(&g->parts[i]->hash, sizeof g->hash, g->hash);
	return !gguf_has(g, "split.tensors.count") ||
	       gguf_integer(g, "split.tensors.count", (int64_t)g->names.strings.count,
	                    (int64_t)g->names.strings.count, &tensors, e) ||
	       fail_in(e, "%s", g->path);
}

Gguf *gguf_open(const char *path, Error *e)
{
	Gguf *g = open_file(path, e);
	if (g == NULL || open_parts(g, e))
		return g;
	gguf_close(g);
	return NULL;
}

void gguf_close(Gguf *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < g->part_count; i++)
		gguf_close(g->parts[i]);
	memory_free(g->parts);
	for (size_t i = 0; i < g->document_count; i++)
		document_free(g->documents[i]);
	memory_free(g->documents);
	arena_free(&g->memory);
	if (g->mapped)
		munmap(g->bytes, g->size);
	else
		memory_free(g->bytes);
	vocabulary_free(&g->keys);
	vocabulary_free(&g->names);
	memory_free(g->values);
	memory_free(g->tensors);
	memory_free(g->path);
	memory_free(g);
}

uint64_t gguf_hash(const Gguf *g)
{
	return g->hash;
}

const char *gguf_path(const Gguf *g)
{
	return g->path;
}

static const GgufValue *find(const Gguf *g, const char *key)
{
	int64_t index = vocabulary_find(&g->keys, (Text){key, strlen(key) + 1});
	return index < 0 ? NULL : &g->values[index];
}

bool gguf_has(const Gguf *g, const char *key)
{
	return find(g, key) != NULL;
}

static bool is_integer(GgufType type)
{
	return type <= GGUF_I32 || type == GGUF_U64 || type == GGUF_I64;
}

static bool is_real(GgufType type)
{
	return type == GGUF_F32 || type == GGUF_F64;
}

static bool no_kind(const char *key, const GgufValue *v, const char *wanted, Error *e)
{
	if (v == NULL)
		return fail(e, ERROR_MALFORMED, "key '%s' is missing", key);
	bool array = v->type == GGUF_ARRAY;
	return fail(e, ERROR_MALFORMED, "key '%s' is of type %s%s instead of %s", key,
	            array ? "array of " : "", type_names[array ? v->element : v->type], wanted);
}

/* False where the number does not fit. */
static bool integer_at(GgufType type, const uint8_t *p, int64_t *value)
{
	uint64_t bits = 0;
	size_t size = type_size(type);
	memcpy(&bits, p, size);
	bool is_signed = type == GGUF_I8 || type == GGUF_I16 || type == GGUF_I32 || type == GGUF_I64;
	unsigned unused = 64 - 8 * (unsigned)size;
	*value = is_signed ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
	return is_signed || bits <= INT64_MAX;
}

static double real_at(GgufType type, const uint8_t *p)
{
	float f;
	double d;
	if (type == GGUF_F64) {
		memcpy(&d, p, sizeof d);
		return d;
	}
	memcpy(&f, p, sizeof f);
	return (double)f;
}

bool gguf_integer(const Gguf *g, const char *key, int64_t low, int64_t high, int64_t *value, Error *e)
{
	const GgufValue *v = find(g, key);
	int64_t number;
	if (v == NULL || !is_integer(v->type))
		return no_kind(key, v, "an integer", e);
	if (!integer_at(v->type, v->data, &number) || number < low || number > high)
		return fail(e, ERROR_MALFORMED, "key '%s' is not within %lld and %lld", key, (long long)low,
		            (long long)high);
	*value = number;
	return true;
}

bool gguf_real(const Gguf *g, const char *key, double *value, Error *e)
{
	const GgufValue *v = find(g, key);
	if (v == NULL || !is_real(v->type))
		return no_kind(key, v, "a real number", e);
	*value = real_at(v->type, v->data);
	return true;
}

bool gguf_bool(const Gguf *g, const char *key, bool *value, Error *e)
{
	const GgufValue *v = find(g, key);
	if (v == NULL || v->type != GGUF_BOOL)
		return no_kind(key, v, "a bool", e);
	*value = *v->data != 0;
	return true;
}

bool gguf_string(const Gguf *g, const char *key, Text *value, Error *e)
{
	const GgufValue *v = find(g, key);
	if (v == NULL || v->type != GGUF_STRING)
		return no_kind(key, v, "a string", e);
	*value = (Text){(const char *)v->data, v->count};
	return true;
}

bool gguf_strings(const Gguf *g, const char *key, Strings *out, Error *e)
{
	const GgufValue *v = find(g, key);
	if (v == NULL || v->type != GGUF_ARRAY || v->element != GGUF_STRING)
		return no_kind(key, v, "an array of strings", e);
	const uint8_t *p = v->data; /* gguf_open() has walked over all of it */
	for (size_t i = 0; i < v->count; i++) {
		uint64_t size;
		memcpy(&size, p, sizeof size);
		if (!strings_append(out, p + sizeof size, (size_t)size, e)) {
			strings_free(out);
			return false;
		}
		p += sizeof size + size;
	}
	return true;
}

bool gguf_integers(const Gguf *g, const char *key, int32_t **out, size_t *count, Error *e)
{
	const GgufValue *v = find(g, key);
	if (v == NULL || v->type != GGUF_ARRAY || !is_integer(v->element))
		return no_kind(key, v, "an array of integers", e);
	int32_t *values = memory_new(v->count, sizeof *values, e);
	if (values == NULL)
		return false;
	for (size_t i = 0; i < v->count; i++) {
		int64_t number;
		if (!integer_at(v->element, v->data + i * type_size(v->element), &number) ||
		    number < INT32_MIN || number > INT32_MAX) {
			memory_free(values);
			return fail(e, ERROR_MALFORMED, "key '%s': element %zu is out of range", key, i);
		}
		values[i] = (int32_t)number;
	}
	*out = values;
	*count = v->count;
	return true;
}

bool gguf_reals(const Gguf *g, const char *key, float **out, size_t *count, Error *e)
{
	const GgufValue *v = find(g, key);
	if (v == NULL || v->type != GGUF_ARRAY || !is_real(v->element))
		return no_kind(key, v, "an array of real numbers", e);
	float *values = memory_new(v->count, sizeof *values, e);
	if (values == NULL)
		return false;
	for (size_t i = 0; i < v->count; i++)
		values[i] = (float)real_at(v->element, v->data + i * type_size(v->element));
	*out = values;
	*count = v->count;
	return true;
}

size_t gguf_tensor_count(const Gguf *g)
{
	return g->names.strings.count;
}

const GgufTensor *gguf_tensor_at(const Gguf *g, size_t index)
{
	return &g->tensors[index];
}

const GgufTensor *gguf_tensor(const Gguf *g, const char *name)
{
	int64_t index = vocabulary_find(&g->names, (Text){name, strlen(name) + 1});
	return index < 0 ? NULL : &g->tensors[index];
}

void gguf_expand(const GgufTensor *t, float *out)
{
	const QuantType *type = quant_type((uint32_t)t->type);
	quant_expand(type, t->data, t->count / type->elements, out);
}

GgufTensor gguf_rows(const GgufTensor *t, size_t first, size_t count)
{
	GgufTensor part = *t;
	size_t all = t->shape[t->rank - 1], row_bytes = t->bytes / all;
	part.shape[t->rank - 1] = count;
	part.count = t->count / all * count;
	part.bytes = row_bytes * count;
	part.offset += row_bytes * first;
	part.data = (const uint8_t *)t->data + row_bytes * first;
	return part;
}
