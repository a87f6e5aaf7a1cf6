/* A GGUF file, or the parts of one, mapped; and what is made of keys and tensors from elsewhere. */
#include "llm/gguf_internal.h"

#include "math/quant.h"

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
	done = done && load(g, file, e) && gguf_parse(g, e);
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
	if (gguf_parse(g, e))
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
