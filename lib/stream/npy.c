#include "stream/npy.h"

#include "base/file.h"
#include "base/strings.h"

#include <string.h>
#include <sys/stat.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static const char magic[] = "\x93NUMPY";
enum { MAGIC = sizeof magic - 1 };

static const char *const npy_types[DTYPE_COUNT] = {
    [DTYPE_BOOL] = "|b1", [DTYPE_U8] = "|u1",  [DTYPE_I8] = "|i1",  [DTYPE_I16] = "<i2",
    [DTYPE_U16] = "<u2",  [DTYPE_F16] = "<f2", [DTYPE_I32] = "<i4", [DTYPE_U32] = "<u4",
    [DTYPE_F32] = "<f4",  [DTYPE_I64] = "<i8", [DTYPE_U64] = "<u8", [DTYPE_F64] = "<f8",
};

static bool print_header(Buffer *text, Dtype dtype, size_t rank, const size_t *shape, Error *e)
{
	enum { PREFIX = 10, UNIT = 64 }; /* the data begins at a multiple of UNIT */
	if (!buffer_append(text, "\x93NUMPY\x01\x00\x00\x00", PREFIX, e) ||
	    !buffer_print(text, e, "{'descr': '%s', 'fortran_order': False, 'shape': (", npy_types[dtype]))
		return false;
	for (size_t i = 0; i < rank; i++)
		if (!buffer_print(text, e, i ? ", %zu" : "%zu", shape[i]))
			return false;
	if (!buffer_print(text, e, rank == 1 ? ",), }" : "), }"))
		return false;
	size_t blanks = UNIT - 1 - text->size % UNIT;
	if (!buffer_print(text, e, "%*s\n", (int)blanks, ""))
		return false;
	text->data[8] = (uint8_t)((text->size - PREFIX) & 0xff);
	text->data[9] = (uint8_t)((text->size - PREFIX) >> 8);
	return true;
}

bool npy_write_header(Output *o, Dtype dtype, size_t rank, const size_t *shape, Error *e)
{
	Buffer text = {0};
	if (npy_types[dtype] == NULL)
		return fail(e, ERROR_USAGE, ".npy has no type for %s: choose another dtype or format",
		            dtype_name(dtype));
	bool done = print_header(&text, dtype, rank, shape, e) && output_write(o, text.data, text.size, e);
	buffer_free(&text);
	return done;
}

/* --- reading -------------------------------------------------------------- */

/* What is left of the header, a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (5, 3), }
 */
typedef struct {
	const char *at, *end;
} Cursor;

static bool next_is(Cursor *c, char wanted)
{
	while (c->at < c->end && *c->at == ' ')
		c->at++;
	return c->at < c->end && *c->at == wanted;
}

static bool take(Cursor *c, char wanted)
{
	if (!next_is(c, wanted))
		return false;
	c->at++;
	return true;
}

static bool take_string(Cursor *c, Text *text)
{
	char quote = take(c, '\'') ? '\'' : '"';
	if (quote == '"' && !take(c, '"'))
		return false;
	text->data = c->at;
	while (c->at < c->end && *c->at != quote)
		c->at++;
	text->size = (size_t)(c->at - text->data);
	return take(c, quote);
}

static bool take_number(Cursor *c, size_t *number)
{
	(void)next_is(c, '0'); /* behind blanks */
	const char *start = c->at;
	for (*number = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
		if (__builtin_mul_overflow(*number, (size_t)10, number) ||
		    __builtin_add_overflow(*number, (size_t)(*c->at - '0'), number))
			return false;
	return c->at > start;
}

static bool take_shape(Cursor *c, NpyArray *a)
{
	if (!take(c, '('))
		return false;
	for (a->rank = 0; !take(c, ')'); a->rank++)
		if (a->rank == NPY_MAX_RANK || !take_number(c, &a->shape[a->rank]) ||
		    (!take(c, ',') && !next_is(c, ')')))
			return false;
	return true;
}

static bool take_dtype(Cursor *c, NpyArray *a, Error *e)
{
	Text type = {0};
	if (!take_string(c, &type))
		return fail(e, ERROR_MALFORMED, "the header's 'descr' is no simple type");
	for (size_t i = 0; i < DTYPE_COUNT; i++)
		if (npy_types[i] != NULL && text_is(type, npy_types[i])) {
			a->dtype = (Dtype)i;
			return true;
		}
	return fail(e, ERROR_MALFORMED, "numbers of type '%.*s', which is not read: float32 is '<f4'",
	            (int)(type.size < 20 ? type.size : 20), type.data);
}

static bool take_order(Cursor *c, Error *e)
{
	static const char no[] = "False";
	(void)next_is(c, *no); /* behind blanks */
	if ((size_t)(c->end - c->at) < strlen(no) || memcmp(c->at, no, strlen(no)) != 0)
		return fail(e, ERROR_MALFORMED, "not in C order: numpy.ascontiguousarray() makes it so");
	c->at += strlen(no);
	return true;
}

/* Each key once, in any order. */
static bool take_header(Cursor *c, NpyArray *a, Error *e)
{
	static const char *const keys[] = {"descr", "fortran_order", "shape"};
	bool had[3] = {false};
	bool done = take(c, '{');
	while (done && !take(c, '}')) {
		Text name = {0};
		size_t key = 0;
		done = take_string(c, &name) && take(c, ':');
		while (done && key < 3 && !text_is(name, keys[key]))
			key++;
		if (!done || key == 3 || had[key])
			return fail(e, ERROR_MALFORMED, "the header has a key that is not expected there");
		had[key] = true;
		if (key == 0 ? !take_dtype(c, a, e) : key == 1 && !take_order(c, e))
			return false;
		done = (key != 2 || take_shape(c, a)) && (take(c, ',') || next_is(c, '}'));
	}
	(void)take(c, '\n');
	return (done && had[0] && had[1] && had[2] && c->at == c->end) ||
	       fail(e, ERROR_MALFORMED, "the header does not tell type, order and shape");
}

/* The whole file, of which the values stay. */
static bool decode(NpyArray *a, Error *e)
{
	const uint8_t *bytes = a->values.data;
	size_t size = a->values.size, long_header = size > MAGIC && bytes[MAGIC] == 2;
	size_t begin = MAGIC + (long_header ? 6 : 4), header = 0, length;
	if (size < begin || memcmp(bytes, magic, MAGIC) != 0 || bytes[MAGIC + 1] != 0 ||
	    (bytes[MAGIC] != 1 && !long_header))
		return fail(e, ERROR_MALFORMED, "no .npy file of version 1.0 or 2.0");
	for (size_t i = begin; i-- > MAGIC + 2;)
		header = header << 8 | bytes[i];
	if (header > size - begin)
		return fail(e, ERROR_MALFORMED, "the file ends within its header");
	Cursor c = {(const char *)bytes + begin, (const char *)bytes + begin + header};
	if (!take_header(&c, a, e))
		return false;
	bool fits = true;
	length = dtype_size(a->dtype);
	for (size_t i = 0; i < a->rank; i++)
		fits = fits && !__builtin_mul_overflow(length, a->shape[i], &length);
	if (!fits || length != size - begin - header)
		return fail(e, ERROR_MALFORMED, "%zu bytes of numbers, which is not what the header tells of",
		            size - begin - header);
	memmove(a->values.data, bytes + begin + header, length);
	a->values.size = length;
	return true;
}

bool npy_read(const char *path, NpyArray *a, Error *e)
{
	*a = (NpyArray){0};
	bool done = file_read(path, &a->values, e);
	if (done) {
		a->hash = XXH64(a->values.data, a->values.size, 0);
		done = decode(a, e);
	}
	return done || fail_in(e, "%s", path);
}

bool npy_recognize(const char *path)
{
	char bytes[MAGIC];
	struct stat status;
	/* A pipe's first bytes can be read only once. */
	FILE *file = stat(path, &status) == 0 && S_ISREG(status.st_mode) ? fopen(path, "rbe") : NULL;
	bool found =
	    file != NULL && fread(bytes, 1, MAGIC, file) == MAGIC && memcmp(bytes, magic, MAGIC) == 0;
	if (file != NULL)
		(void)fclose(file);
	return found;
}
