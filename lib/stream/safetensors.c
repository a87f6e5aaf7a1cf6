/* A document as the bytes of a safetensors file. */
#include "stream/document_internal.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writing */

enum { WIDEST = 8 };

static json_t *shape_json(const DocumentTensor *t)
{
	json_t *shape = json_array();
	for (size_t i = 0; i < t->rank; i++)
		if (json_array_append_new(shape, json_integer((json_int_t)t->shape[i])) != 0) {
			json_decref(shape);
			return NULL;
		}
	return shape;
}

/* NULL for want of memory: json_pack() and json_object_set_new() take NULL for an error. */
static json_t *header_json(const Document *d)
{
	json_t *header = json_object(), *metadata = json_object();
	bool done = header != NULL && metadata != NULL;
	for (size_t i = 0; i < d->metadata_count && done; i++)
		done =
		    json_object_set_new(metadata, d->metadata[i].key, json_string(d->metadata[i].value)) == 0;
	if (d->metadata_count > 0)
		done = done && json_object_set(header, "__metadata__", metadata) == 0;
	json_decref(metadata);
	json_int_t offset = 0;
	for (size_t width = WIDEST; width > 0; width /= 2)
		for (size_t i = 0; i < d->count && done; i++) {
			const DocumentTensor *t = &d->tensors[i];
			if (dtype_size(t->dtype) != width)
				continue;
			json_int_t end = offset + (json_int_t)t->bytes;
			json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(t->dtype),
			                          "shape", shape_json(t), "data_offsets", offset, end);
			done = json_object_set_new(header, t->name, entry) == 0;
			offset = end;
		}
	if (!done) {
		json_decref(header);
		return NULL;
	}
	return header;
}

static int append_json(const char *text, size_t size, void *context)
{
	Error e = {0};
	return buffer_append(context, text, size, &e) ? 0 : -1;
}

static bool encode_header(const Document *d, Buffer *out, Error *e)
{
	static const char blanks[WIDEST + 1] = "        ";
	json_t *json = header_json(d);
	bool done = json != NULL && buffer_append(out, blanks, DOCUMENT_PREFIX, e) &&
	            json_dump_callback(json, append_json, out, JSON_COMPACT) == 0;
	json_decref(json);
	if (!done)
		return fail(e, ERROR_FAILURE, "out of memory: no room for a document's header");
	if (!buffer_append(out, blanks, (WIDEST - out->size % WIDEST) % WIDEST, e))
		return false;
	size_t length = out->size - DOCUMENT_PREFIX;
	if (length > DOCUMENT_MAX_HEADER)
		return fail(e, ERROR_FAILURE, "a header of %zu bytes: safetensors allows %d", length,
		            DOCUMENT_MAX_HEADER);
	for (size_t i = 0; i < DOCUMENT_PREFIX; i++)
		out->data[i] = (uint8_t)((uint64_t)length >> (8 * i));
	return true;
}

bool document_emit(const Document *d, DocumentSink *sink, void *context, Error *e)
{
	Buffer header = {0};
	bool done = encode_header(d, &header, e) && sink(context, header.data, header.size, e);
	buffer_free(&header);
	for (size_t width = WIDEST; width > 0; width /= 2)
		for (size_t i = 0; i < d->count && done; i++)
			if (dtype_size(d->tensors[i].dtype) == width)
				done = sink(context, d->tensors[i].data, d->tensors[i].bytes, e);
	return done;
}

static bool append_bytes(void *context, const void *data, size_t size, Error *e)
{
	return buffer_append(context, data, size, e);
}

bool document_encode(const Document *d, Buffer *out, Error *e)
{
	return document_emit(d, append_bytes, out, e);
}

/* Reading */

typedef struct {
	DocumentTensor tensor; /* name borrowed from the JSON */
	size_t begin, end, order;
} Entry;

static bool to_size(const json_t *json, size_t *size)
{
	json_int_t number = json_is_integer(json) ? json_integer_value(json) : -1;
	*size = number < 0 ? 0 : (size_t)number;
	return number >= 0;
}

static bool read_entry(const char *name, const json_t *json, Entry *entry, Error *e)
{
	DocumentTensor *t = &entry->tensor;
	const char *dtype = json_string_value(json_object_get(json, "dtype"));
	const json_t *shape = json_object_get(json, "shape"),
	             *offsets = json_object_get(json, "data_offsets");
	*entry = (Entry){.tensor.name = name};
	if (json_object_size(json) != 3 || dtype == NULL || !json_is_array(shape) ||
	    json_array_size(offsets) != 2)
		return fail(e, ERROR_MALFORMED, "tensor '%.100s' is not {dtype, shape, data_offsets}", name);
	if (!dtype_parse(dtype, &t->dtype))
		return fail(e, ERROR_MALFORMED, "tensor '%.100s' has a dtype that is not known here: '%.20s'",
		            name, dtype);
	t->rank = json_array_size(shape);
	if (t->rank > DOCUMENT_MAX_RANK)
		return fail(e, ERROR_MALFORMED, "tensor '%.100s' has %zu dimensions, more than %d", name,
		            t->rank, DOCUMENT_MAX_RANK);
	bool done = to_size(json_array_get(offsets, 0), &entry->begin) &&
	            to_size(json_array_get(offsets, 1), &entry->end) && entry->begin <= entry->end;
	for (size_t i = 0; i < t->rank; i++)
		done = done && to_size(json_array_get(shape, i), &t->shape[i]);
	if (!done)
		return fail(e, ERROR_MALFORMED, "the shape or the offsets of tensor '%.100s' make no sense",
		            name);
	if (!document_size_tensor(t) || t->bytes != entry->end - entry->begin)
		return fail(e, ERROR_MALFORMED,
		            "tensor '%.100s' has %zu bytes, which is not its shape's size", name,
		            entry->end - entry->begin);
	return true;
}

static int by_place(const void *a, const void *b)
{
	const Entry *x = a, *y = b;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return x->order < y->order ? -1 : 1; /* two empty ones */
}

/* The tensors of a header, in order of their data, which they must cover without a
 * hole.  *entries is the caller's to free. */
static bool read_entries(json_t *json, Entry **entries, size_t *count, Error *e)
{
	const char *name;
	json_t *value;
	size_t end = 0;
	*count = 0;
	*entries = memory_new(json_object_size(json), sizeof **entries, e);
	if (*entries == NULL)
		return false;
	json_object_foreach(json, name, value)
	{
		if (strcmp(name, "__metadata__") != 0 && !read_entry(name, value, &(*entries)[(*count)++], e))
			return false;
	}
	qsort(*entries, *count, sizeof **entries, by_place);
	for (size_t i = 0; i < *count; end = (*entries)[i++].end)
		if ((*entries)[i].begin != end)
			return fail(
			    e, ERROR_MALFORMED,
			    "the data of tensor '%.100s' begins at %zu, where that before ends at %zu",
			    (*entries)[i].tensor.name, (*entries)[i].begin, end);
	return true;
}

/* The header as JSON (the caller's to free), or NULL. */
static json_t *parse_header(const uint8_t *bytes, size_t header, Error *e)
{
	json_error_t error;
	if (header == DOCUMENT_PREFIX || bytes[DOCUMENT_PREFIX] != '{') {
		fail(e, ERROR_MALFORMED, "the header of the safetensors document is no JSON object");
		return NULL;
	}
	json_t *json = json_loadb((const char *)bytes + DOCUMENT_PREFIX, header - DOCUMENT_PREFIX,
	                          JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		fail(e, json_error_code(&error) == json_error_out_of_memory ? ERROR_FAILURE : ERROR_MALFORMED,
		     "the header of the safetensors document is broken at byte %d: %s",
		     error.position + DOCUMENT_PREFIX, error.text);
	return json;
}

static bool looks_like_text(const uint8_t *bytes, size_t size)
{
	size_t i = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* byte order mark */
	while (i < size && ((bytes[i] >= ' ' && bytes[i] < 0x7f) || (bytes[i] >= '\t' && bytes[i] <= '\r')))
		i++;
	return i == size;
}

bool document_header(const uint8_t prefix[DOCUMENT_PREFIX], size_t *header, Error *e)
{
	uint64_t length = 0;
	for (size_t i = 0; i < DOCUMENT_PREFIX; i++)
		length |= (uint64_t)prefix[i] << (8 * i);
	if (memcmp(prefix, "GGUF", 4) == 0)
		return fail(e, ERROR_MALFORMED, "this is GGUF, a language model, for --llm");
	if (looks_like_text(prefix, DOCUMENT_PREFIX))
		return fail(e, ERROR_MALFORMED,
		            "this looks like text, and is no stream (ul-prep makes datasets of texts)");
	if (length < 2 || length > DOCUMENT_MAX_HEADER)
		return fail(
		    e, ERROR_MALFORMED,
		    "neither a .ult stream nor a safetensors document: its header would be of %llu bytes",
		    (unsigned long long)length);
	*header = DOCUMENT_PREFIX + (size_t)length;
	return true;
}

bool document_measure(const uint8_t *bytes, size_t header, size_t *whole, Error *e)
{
	Entry *entries = NULL;
	size_t count = 0;
	json_t *json = parse_header(bytes, header, e);
	bool done = json != NULL && read_entries(json, &entries, &count, e) &&
	            (!__builtin_add_overflow(header, count ? entries[count - 1].end : 0, whole) ||
	             fail(e, ERROR_MALFORMED, "a document larger than memory can be"));
	memory_free(entries);
	json_decref(json);
	return done;
}

/* A tensor's data where it lies, or an aligned copy of it. */
static bool place_tensor(Document *d, DocumentTensor *t, const uint8_t *data, Error *e)
{
	t->data = data;
	if ((uintptr_t)data % dtype_size(t->dtype) == 0)
		return true;
	if (!memory_grow(&d->copies, &d->copy_capacity, d->copy_count + 1, sizeof *d->copies, e))
		return false;
	void *copy = memory_new(t->bytes, 1, e);
	if (copy == NULL)
		return false;
	d->copies[d->copy_count++] = copy;
	t->data = memcpy(copy, data, t->bytes);
	return true;
}

static bool read_metadata(Document *d, json_t *json, Error *e)
{
	const char *key;
	json_t *value;
	if (json != NULL && !json_is_object(json))
		return fail(e, ERROR_MALFORMED, "'__metadata__' is no JSON object");
	json_object_foreach(json, key, value)
	{
		if (!json_is_string(value))
			return fail(e, ERROR_MALFORMED, "the metadata's '%.100s' is no string", key);
		if (!document_append_metadata(d, memory_string(key, e),
		                              memory_string(json_string_value(value), e), e))
			return false;
	}
	return true;
}

static bool read_tensors(Document *d, json_t *json, size_t header, Error *e)
{
	Entry *entries;
	size_t count, size = d->bytes.size - header;
	bool done = read_entries(json, &entries, &count, e);
	if (done && (count ? entries[count - 1].end : 0) != size)
		done = fail(e, ERROR_MALFORMED, "%zu bytes of data where the header tells of %zu", size,
		            count ? entries[count - 1].end : 0);
	for (size_t i = 0; i < count && done; i++)
		done = place_tensor(d, &entries[i].tensor, d->bytes.data + header + entries[i].begin, e) &&
		       document_append_tensor(d, entries[i].tensor, e);
	memory_free(entries);
	return done;
}

/* Fills in what the document's bytes say. */
static bool decode(Document *d, Error *e)
{
	size_t header;
	json_t *json = NULL;
	if (d->bytes.size < DOCUMENT_PREFIX)
		return fail(e, ERROR_MALFORMED, "not a safetensors document");
	if (!document_header(d->bytes.data, &header, e))
		return false;
	if (header > d->bytes.size)
		return fail(e, ERROR_MALFORMED, "the document ends within its header");
	bool done = (json = parse_header(d->bytes.data, header, e)) != NULL &&
	            read_metadata(d, json_object_get(json, "__metadata__"), e) &&
	            read_tensors(d, json, header, e);
	json_decref(json);
	return done;
}

Document *document_decode(Buffer *bytes, Error *e)
{
	Document *d = document_new(e);
	if (d == NULL) {
		buffer_free(bytes);
		return NULL;
	}
	d->bytes = *bytes;
	*bytes = (Buffer){0};
	if (decode(d, e))
		return d;
	document_free(d);
	return NULL;
}

static bool map(Document *d, const char *path, Error *e)
{
	struct stat status;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || fstat(file, &status) != 0) {
		if (file >= 0)
			close(file);
		return fail_errno(e, "cannot open");
	}
	size_t size = S_ISREG(status.st_mode) ? (size_t)status.st_size : 0;
	void *p = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0) : NULL;
	close(file); /* was only read from: nothing can be lost */
	if (p == MAP_FAILED)
		return fail_errno(e, "cannot map");
	d->bytes = (Buffer){p, size, size};
	d->mapped = size > 0;
	return true;
}

Document *document_map(const char *path, Error *e)
{
	Document *d = document_new(e);
	if (d != NULL && map(d, path, e) && decode(d, e))
		return d;
	fail_in(e, "%s", path);
	document_free(d);
	return NULL;
}
