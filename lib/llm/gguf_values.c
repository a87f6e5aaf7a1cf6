/* What keys have: numbers, truths, strings and arrays of them. */
#include "llm/gguf_internal.h"

#include <string.h>

static const char *const type_names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                         "bool", "string", "array", "u64", "i64", "f64"};

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
	size_t size = gguf_type_size(type);
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
		if (!integer_at(v->element, v->data + i * gguf_type_size(v->element), &number) ||
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
		values[i] = (float)real_at(v->element, v->data + i * gguf_type_size(v->element));
	*out = values;
	*count = v->count;
	return true;
}
