#include "stream/shards.h"

#include "base/strings.h"
#include "stream/stream.h"

#include <inttypes.h>
#include <string.h>

typedef struct {
	StreamReader **readers;
	Document **firsts;
	size_t count;
	StreamWriter *writer;
	Vocabulary users;
} Merge;

/* What two shards of one whole may differ in. */
static const char *const shard_keys[] = {"ul.users", "ul.events", "ul.argv"};
enum { TOTALS = 2 }; /* the first so many of them add up */

static bool is_shard_key(const char *key)
{
	for (size_t i = 0; i < sizeof shard_keys / sizeof *shard_keys; i++)
		if (strcmp(key, shard_keys[i]) == 0)
			return true;
	return false;
}

static bool same_first(const Document *a, const Document *b, Error *e)
{
	const char *key, *value;
	bool same = document_metadata_count(a) == document_metadata_count(b);
	for (size_t i = 0; i < document_metadata_count(a) && same; i++) {
		document_metadata_at(a, i, &key, &value);
		const char *other = document_get(b, key);
		if (other == NULL || (!is_shard_key(key) && strcmp(value, other) != 0))
			return fail(e, ERROR_MALFORMED,
			            "its '%.100s' is '%.100s', that of the first input '%.100s'", key,
			            other ? other : "", value);
	}
	same = same && document_count(a) == document_count(b);
	for (size_t i = 0; i < document_count(a) && same; i++) {
		const DocumentTensor *x = document_at(a, i), *y = document_find(b, x->name);
		if (y == NULL || x->dtype != y->dtype || x->bytes != y->bytes || x->rank != y->rank ||
		    memcmp(x->shape, y->shape, sizeof x->shape) != 0 ||
		    memcmp(x->data, y->data, x->bytes) != 0)
			return fail(e, ERROR_MALFORMED, "its tensor '%.100s' is not that of the first input",
			            x->name);
	}
	return same || fail(e, ERROR_MALFORMED, "its first document is not that of the first input");
}

static bool add_totals(Document *sum, const Document *d, Error *e)
{
	int64_t a, b;
	for (size_t i = 0; i < TOTALS; i++) {
		const char *key = shard_keys[i];
		if (document_get(sum, key) == NULL)
			continue;
		if (!document_get_integer(sum, key, 0, INT64_MAX / 2, &a, e) ||
		    !document_get_integer(d, key, 0, INT64_MAX / 2, &b, e) ||
		    !document_set_format(sum, key, e, "%" PRId64, a + b))
			return false;
	}
	return true;
}

static bool open_inputs(Merge *m, const char *const *paths, Error *e)
{
	m->readers = memory_new(m->count, sizeof(StreamReader *), e);
	m->firsts = memory_new(m->count, sizeof(Document *), e);
	if (m->readers == NULL || m->firsts == NULL)
		return false;
	for (size_t i = 0; i < m->count; i++) {
		StreamReader *r = m->readers[i] = stream_reader_open(paths[i], e);
		if (r == NULL || !stream_read(r, &m->firsts[i], e))
			return false;
		bool done = m->firsts[i] != NULL || fail(e, ERROR_MALFORMED, "the stream has no document");
		if (done && m->count > 1)
			done = document_check_kind(m->firsts[i], "dataset|embeddings", e) &&
			       (i == 0 || (same_first(m->firsts[0], m->firsts[i], e) &&
			                   add_totals(m->firsts[0], m->firsts[i], e)));
		if (!done)
			return fail_in(e, m->count > 1 ? "%s: cannot be merged" : "%s", stream_name(r));
	}
	return true;
}

/* A user in two shards would count twice from here on. */
static bool check_users(Merge *m, const Document *d, Error *e)
{
	const DocumentTensor *ends = document_need_vector(d, "user.offsets", DTYPE_I64, 0, e);
	const DocumentTensor *bytes = ends ? document_need_vector(d, "user.bytes", DTYPE_U8, 0, e) : NULL;
	if (bytes == NULL)
		return false;
	const int64_t *offsets = ends->data;
	for (size_t i = 0; i + 1 < ends->count; i++) {
		if (offsets[i] < 0 || offsets[i] > offsets[i + 1] || (uint64_t)offsets[i + 1] > bytes->count)
			return fail(e, ERROR_MALFORMED, "the offsets in tensor 'user.offsets' do not rise");
		Text user = {(const char *)bytes->data + offsets[i], (size_t)(offsets[i + 1] - offsets[i])};
		size_t known = m->users.strings.count;
		if (vocabulary_add(&m->users, user, e) < 0)
			return false;
		if (m->users.strings.count == known)
			return fail(e, ERROR_MALFORMED, "user '%.*s' was there before",
			            (int)(user.size < 255 ? user.size : 255), user.data);
	}
	return true;
}

static bool copy_chunks(Merge *m, StreamReader *r, Error *e)
{
	Document *d;
	while (stream_read(r, &d, e)) {
		if (d == NULL)
			return true;
		bool done = m->count == 1 || check_users(m, d, e) || fail_in(e, "%s", stream_name(r));
		done = done && stream_write(m->writer, d, e);
		document_free(d);
		if (!done)
			return false;
	}
	return false;
}

static bool merge_inputs(Merge *m, const char *const *paths, const char *output, Error *e)
{
	if (!open_inputs(m, paths, e) || (m->writer = stream_writer_open(output, e)) == NULL ||
	    !stream_write(m->writer, m->firsts[0], e))
		return false;
	for (size_t i = 0; i < m->count; i++)
		if (!copy_chunks(m, m->readers[i], e))
			return false;
	StreamWriter *writer = m->writer;
	m->writer = NULL;
	return stream_writer_close(writer, e);
}

bool stream_merge(const char *const *paths, size_t count, const char *output, Error *e)
{
	Merge m = {.count = count};
	bool done = merge_inputs(&m, paths, output, e);
	stream_writer_abort(m.writer);
	for (size_t i = 0; i < m.count; i++) {
		if (m.readers != NULL)
			stream_reader_free(m.readers[i]);
		if (m.firsts != NULL)
			document_free(m.firsts[i]);
	}
	memory_free(m.readers);
	memory_free(m.firsts);
	vocabulary_free(&m.users);
	return done;
}
