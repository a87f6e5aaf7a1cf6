/* A document in memory: metadata and tensors, by name. */
#include "stream/document_internal.h"

#include "base/strings.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

Document *document_new(Error *e)
{
	return memory_new(1, sizeof(Document), e);
}

void document_free(Document *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->metadata_count; i++) {
		memory_free(d->metadata[i].key);
		memory_free(d->metadata[i].value);
	}
	for (size_t i = 0; i < d->count; i++)
		memory_free((char *)(uintptr_t)d->tensors[i].name);
	for (size_t i = 0; i < d->copy_count; i++)
		memory_free(d->copies[i]);
	memory_free(d->metadata);
	memory_free(d->tensors);
	memory_free(d->copies);
	if (d->mapped)
		munmap(d->bytes.data, d->bytes.size);
	else
		buffer_free(&d->bytes);
	memory_free(d);
}

/* Metadata */

char *document_text(const char *text, Error *e)
{
	Buffer out = {0};
	size_t left = strlen(text);
	bool done = buffer_reserve(&out, left + 1, e);
	while (done && left > 0) {
		size_t length = 1;
		while (length <= 4 && length <= left && !text_is_utf8((Text){text, length}))
			length++;
		bool valid = length <= 4 && length <= left;
		length = valid ? length : 1;
		done =
		    valid ? buffer_append(&out, text, length, e) : buffer_append(&out, "\xef\xbf\xbd", 3, e);
		text += length;
		left -= length;
	}
	char *copy = done && buffer_append(&out, "", 1, e) ? memory_string((char *)out.data, e) : NULL;
	buffer_free(&out);
	return copy;
}

static Metadata *find_metadata(const Document *d, const char *key)
{
	for (size_t i = 0; i < d->metadata_count; i++)
		if (strcmp(d->metadata[i].key, key) == 0)
			return &d->metadata[i];
	return NULL;
}

bool document_append_metadata(Document *d, char *key, char *value, Error *e)
{
	if (key != NULL && value != NULL &&
	    memory_grow(&d->metadata, &d->metadata_capacity, d->metadata_count + 1, sizeof *d->metadata, e)) {
		d->metadata[d->metadata_count++] = (Metadata){key, value};
		return true;
	}
	memory_free(key);
	memory_free(value);
	return false;
}

bool document_set(Document *d, const char *key, const char *value, Error *e)
{
	Metadata *old = find_metadata(d, key);
	char *copy = document_text(value, e);
	if (old == NULL)
		return document_append_metadata(d, document_text(key, e), copy, e);
	if (copy == NULL)
		return false;
	memory_free(old->value);
	old->value = copy;
	return true;
}

bool document_set_format(Document *d, const char *key, Error *e, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *text = NULL;
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		return fail(e, ERROR_FAILURE, "out of memory: no room for metadata '%s'", key);
	bool done = document_set(d, key, text, e);
	free(text);
	return done;
}

bool document_set_word(Document *d, const char *key, const char *words, size_t number, Error *e)
{
	Text word = word_at(words, number);
	return document_set_format(d, key, e, "%.*s", (int)word.size, word.data);
}

const char *document_get(const Document *d, const char *key)
{
	const Metadata *m = find_metadata(d, key);
	return m ? m->value : NULL;
}

bool document_get_string(const Document *d, const char *key, const char **value, Error *e)
{
	*value = document_get(d, key);
	return *value != NULL || fail(e, ERROR_MALFORMED, "the metadata has no '%s'", key);
}

bool document_get_word(const Document *d, const char *key, const char *words, size_t *number, Error *e)
{
	const char *word;
	if (!document_get_string(d, key, &word, e))
		return false;
	*number = word_number(words, word);
	return *number != SIZE_MAX ||
	       fail(e, ERROR_MALFORMED, "%s '%.100s' is not known to this version", key, word);
}

bool document_get_integer(const Document *d, const char *key, int64_t low, int64_t high, int64_t *value,
                          Error *e)
{
	const char *text;
	char *end = NULL;
	if (!document_get_string(d, key, &text, e))
		return false;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < low || number > high)
		return fail(e, ERROR_MALFORMED,
		            "the metadata's '%s' is '%.100s', not a whole number from %lld to %lld", key,
		            text, (long long)low, (long long)high);
	*value = number;
	return true;
}

bool document_get_real(const Document *d, const char *key, double low, double high, double *value, Error *e)
{
	const char *text;
	char *end = NULL;
	if (!document_get_string(d, key, &text, e))
		return false;
	double number = strtod(text, &end);
	if (end == text || *end != '\0' || !isfinite(number) || number < low || number > high)
		return fail(e, ERROR_MALFORMED, "the metadata's '%s' is '%.100s', not a number from %g to %g",
		            key, text, low, high);
	*value = number;
	return true;
}

bool document_get_hash(const Document *d, const char *key, uint64_t *hash, Error *e)
{
	const char *text;
	if (!document_get_string(d, key, &text, e))
		return false;
	if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return fail(e, ERROR_MALFORMED, "the metadata's '%s' is '%.100s', not 16 hexadecimal digits",
		            key, text);
	*hash = strtoull(text, NULL, 16);
	return true;
}

size_t document_metadata_count(const Document *d)
{
	return d->metadata_count;
}

void document_metadata_at(const Document *d, size_t index, const char **key, const char **value)
{
	*key = d->metadata[index].key;
	*value = d->metadata[index].value;
}

/* Tensors */

bool document_size_tensor(DocumentTensor *t)
{
	t->count = 1;
	bool empty = false;
	for (size_t i = 0; i < t->rank; i++)
		empty = empty || t->shape[i] == 0;
	for (size_t i = 0; i < t->rank && !empty; i++)
		if (__builtin_mul_overflow(t->count, t->shape[i], &t->count))
			return false;
	t->count = empty ? 0 : t->count;
	return !__builtin_mul_overflow(t->count, dtype_size(t->dtype), &t->bytes) && t->bytes <= PTRDIFF_MAX;
}

bool document_append_tensor(Document *d, DocumentTensor t, Error *e)
{
	if (!memory_grow(&d->tensors, &d->capacity, d->count + 1, sizeof *d->tensors, e) ||
	    (t.name = memory_string(t.name, e)) == NULL)
		return false;
	d->tensors[d->count++] = t;
	return true;
}

bool document_add(Document *d, const char *name, Dtype dtype, size_t rank, const size_t *shape,
                  const void *data, Error *e)
{
	DocumentTensor t = {.name = name, .dtype = dtype, .rank = rank, .data = data};
	if (rank > DOCUMENT_MAX_RANK)
		return fail(e, ERROR_FAILURE, "tensor '%s' has %zu dimensions; %d are possible", name, rank,
		            DOCUMENT_MAX_RANK);
	for (size_t i = 0; i < rank; i++)
		t.shape[i] = shape[i];
	if (!document_size_tensor(&t))
		return fail(e, ERROR_FAILURE, "tensor '%s' is larger than memory can be", name);
	if (document_find(d, name) != NULL || strcmp(name, "__metadata__") == 0)
		return fail(e, ERROR_FAILURE, "there is a tensor '%s' already", name);
	if (!text_is_utf8(text_of(name)))
		return fail(e, ERROR_FAILURE, "the name of tensor '%s' is not UTF-8", name);
	return document_append_tensor(d, t, e);
}

bool document_add_vector(Document *d, const char *name, Dtype dtype, size_t count, const void *data, Error *e)
{
	return document_add(d, name, dtype, 1, &count, data, e);
}

size_t document_count(const Document *d)
{
	return d->count;
}

const DocumentTensor *document_at(const Document *d, size_t index)
{
	return &d->tensors[index];
}

const DocumentTensor *document_find(const Document *d, const char *name)
{
	for (size_t i = 0; i < d->count; i++)
		if (strcmp(d->tensors[i].name, name) == 0)
			return &d->tensors[i];
	return NULL;
}

/* "F32 [3, ?]" */
static void describe(char *text, size_t size, Dtype dtype, size_t rank, const size_t *shape, bool open)
{
	int used = snprintf(text, size, "%s [", dtype_name(dtype));
	for (size_t i = 0; i < rank && used >= 0 && (size_t)used < size; i++) {
		bool any = open && shape[i] == 0;
		int more = any ? snprintf(text + used, size - (size_t)used, "%s?", i ? ", " : "")
		               : snprintf(text + used, size - (size_t)used, i ? ", %zu" : "%zu", shape[i]);
		used = more < 0 ? more : used + more;
	}
	if (used >= 0 && (size_t)used < size)
		snprintf(text + used, size - (size_t)used, "]");
}

const DocumentTensor *document_need(const Document *d, const char *name, Dtype dtype, size_t rank,
                                    const size_t *shape, Error *e)
{
	const DocumentTensor *t = document_find(d, name);
	char there[256], needed[256];
	bool fits = t != NULL && t->dtype == dtype && t->rank == rank;
	for (size_t i = 0; i < rank && fits; i++)
		fits = shape[i] == 0 || shape[i] == t->shape[i];
	if (fits)
		return t;
	describe(needed, sizeof needed, dtype, rank, shape, true);
	if (t == NULL) {
		fail(e, ERROR_MALFORMED, "there is no tensor '%s' (%s)", name, needed);
		return NULL;
	}
	describe(there, sizeof there, t->dtype, t->rank, t->shape, false);
	fail(e, ERROR_MALFORMED, "tensor '%s' is %s where %s is needed", name, there, needed);
	return NULL;
}

const DocumentTensor *document_need_vector(const Document *d, const char *name, Dtype dtype, size_t count,
                                           Error *e)
{
	return document_need(d, name, dtype, 1, &count, e);
}

const int64_t *document_need_offsets(const Document *d, const char *name, size_t lists, size_t end, Error *e)
{
	const DocumentTensor *t = document_need_vector(d, name, DTYPE_I64, lists + 1, e);
	if (t == NULL)
		return NULL;
	const int64_t *offsets = t->data;
	bool rise = offsets[0] == 0 && (uint64_t)offsets[lists] == end;
	for (size_t i = 0; i < lists; i++)
		rise = rise && offsets[i] <= offsets[i + 1];
	if (!rise)
		fail(e, ERROR_MALFORMED, "the offsets in tensor '%s' do not rise from 0 to %zu", name, end);
	return rise ? offsets : NULL;
}

uint64_t document_users(const Document *d)
{
	const DocumentTensor *t = document_find(d, "user.offsets");
	return t != NULL && t->rank == 1 && t->count > 0 ? t->count - 1 : 0;
}
