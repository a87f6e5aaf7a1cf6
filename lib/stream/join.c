#include "stream/join.h"

#include "stream/spill.h"

#include <string.h>

typedef struct {
	char *name;
	DocumentTensor shape; /* of all chunks so far; no data */
	bool offsets;
	int64_t base; /* where the lists so far end */
	Spill spill;
} Joined;

struct Joiner {
	const Document *first;
	const char *only;
	Joined *tensors;
	size_t count, chunks;
	Document *whole;
};

Joiner *joiner_new(const Document *first, const char *only, Error *e)
{
	Joiner *j = memory_new(1, sizeof *j, e);
	if (j != NULL)
		*j = (Joiner){.first = first, .only = only};
	return j;
}

void joiner_free(Joiner *j)
{
	if (j == NULL)
		return;
	document_free(j->whole);
	for (size_t i = 0; i < j->count; i++) {
		spill_close(&j->tensors[i].spill);
		memory_free(j->tensors[i].name);
	}
	memory_free(j->tensors);
	memory_free(j);
}

static bool is_wanted(const Joiner *j, const char *name)
{
	return j->only == NULL || strcmp(j->only, name) == 0;
}

static bool is_offsets(const DocumentTensor *t)
{
	const char *dot = strrchr(t->name, '.');
	return dot != NULL && strcmp(dot, ".offsets") == 0 && t->dtype == DTYPE_I64 && t->rank == 1 &&
	       t->count > 0;
}

/* The first chunk says which tensors there are. */
static bool start(Joiner *j, const Document *chunk, Error *e)
{
	j->tensors = memory_new(document_count(chunk), sizeof *j->tensors, e);
	if (j->tensors == NULL)
		return false;
	for (size_t i = 0; i < document_count(chunk); i++) {
		const DocumentTensor *t = document_at(chunk, i);
		if (!is_wanted(j, t->name))
			continue;
		if (t->rank == 0)
			return fail(e, ERROR_MALFORMED,
			            "tensor '%.100s' is a single number: there is no joining it", t->name);
		Joined *joined = &j->tensors[j->count++];
		*joined = (Joined){.shape = *t, .offsets = is_offsets(t)};
		joined->shape.shape[0] = 0;
		if ((joined->name = memory_string(t->name, e)) == NULL || !spill_open(&joined->spill, e))
			return false;
	}
	return true;
}

static bool add_offsets(Joined *joined, const DocumentTensor *t, Error *e)
{
	const int64_t *offsets = t->data;
	bool later = joined->shape.shape[0] > 0; /* its first offset is there: the last of those before it */
	bool rises = offsets[0] == 0;
	for (size_t i = later; rises && i < t->count; i++) {
		int64_t offset;
		rises = (i == 0 || offsets[i] >= offsets[i - 1]) &&
		        !__builtin_add_overflow(joined->base, offsets[i], &offset);
		if (rises && !spill_write(&joined->spill, &offset, sizeof offset, e))
			return false;
	}
	if (!rises)
		return fail(e, ERROR_MALFORMED, "the offsets in tensor '%.100s' do not rise from 0", t->name);
	joined->base += offsets[t->count - 1];
	joined->shape.shape[0] += t->count - later;
	return true;
}

static bool add_tensor(Joined *joined, const Document *chunk, Error *e)
{
	size_t shape[DOCUMENT_MAX_RANK];
	memcpy(shape, joined->shape.shape, sizeof shape);
	shape[0] = 0; /* any */
	const DocumentTensor *t =
	    document_need(chunk, joined->name, joined->shape.dtype, joined->shape.rank, shape, e);
	if (t == NULL)
		return false;
	if (joined->offsets)
		return is_offsets(t) ? add_offsets(joined, t, e)
		                     : fail(e, ERROR_MALFORMED, "tensor '%.100s' is empty", t->name);
	joined->shape.shape[0] += t->shape[0];
	return spill_write(&joined->spill, t->data, t->bytes, e);
}

bool joiner_add(Joiner *j, const Document *chunk, Error *e)
{
	if (j->chunks++ == 0 && !start(j, chunk, e))
		return false;
	if (j->only == NULL && document_count(chunk) != j->count)
		return fail(e, ERROR_MALFORMED, "%zu tensors where the chunks before have %zu",
		            document_count(chunk), j->count);
	for (size_t i = 0; i < j->count; i++)
		if (!add_tensor(&j->tensors[i], chunk, e))
			return false;
	return true;
}

static bool add_first(Joiner *j, Error *e)
{
	const char *key, *value;
	for (size_t i = 0; i < document_metadata_count(j->first); i++) {
		document_metadata_at(j->first, i, &key, &value);
		/* One tensor is no such stream any more, and has no users. */
		if (j->only != NULL && (strcmp(key, "ul.users") == 0 || strcmp(key, "ul.kind") == 0))
			continue;
		if (!document_set(j->whole, key, value, e))
			return false;
	}
	for (size_t i = 0; i < document_count(j->first); i++) {
		const DocumentTensor *t = document_at(j->first, i);
		if (is_wanted(j, t->name) &&
		    !document_add(j->whole, t->name, t->dtype, t->rank, t->shape, t->data, e))
			return false;
	}
	return true;
}

const Document *joiner_finish(Joiner *j, Error *e)
{
	const void *data;
	if ((j->whole = document_new(e)) == NULL || !add_first(j, e))
		return NULL;
	for (size_t i = 0; i < j->count; i++) {
		Joined *t = &j->tensors[i];
		if (!spill_map(&t->spill, &data, e) ||
		    !document_add(j->whole, t->name, t->shape.dtype, t->shape.rank, t->shape.shape, data, e))
			return NULL;
	}
	return j->whole;
}
