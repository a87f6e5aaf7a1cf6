/* What the tests of streams share: small streams in memory, and ways to feed them
 * to a reader.  Included by each test program, after cmocka.h. */
#ifndef STREAM_FIXTURE_H
#define STREAM_FIXTURE_H

#include "stream/output.h"
#include "stream/stream.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIXTURE __attribute__((unused)) static

/* Writes a file; a path that ends in XXXXXX becomes that of a new one. */
FIXTURE void write_file(char *path, const void *data, size_t size)
{
	size_t length = strlen(path);
	int fd = strcmp(path + length - 6, "XXXXXX") == 0 ? mkstemp(path) : open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

FIXTURE void read_file(const char *path, Buffer *bytes, Error *e)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	char part[4096];
	for (size_t got; (got = fread(part, 1, sizeof part, file)) > 0;)
		assert_true(buffer_append(bytes, part, got, e));
	fclose(file);
}

/* Document `index` of the fixture; its data is static. */
FIXTURE Document *make_document(size_t index, Error *e)
{
	static const int64_t offsets[] = {0, 2, 5};
	static const float rows[] = {1, 2, 3, 4, 5, 6};
	Document *d = document_new(e);
	assert_true(index > 0
	                ? document_set(d, "ul.kind", "embeddings-chunk", e)
	                : document_stamp(d, "embeddings", &(Provenance){"t", "1", "", 1, NULL, NULL, 0}, e));
	assert_true(document_set_format(d, "index", e, "%zu", index));
	assert_true(document_add_vector(d, "user.bytes", DTYPE_U8, 5, "abcde", e));
	assert_true(document_add_vector(d, "user.offsets", DTYPE_I64, 3, offsets, e));
	assert_true(document_add(d, "rows", DTYPE_F32, 2, (size_t[]){2, 3}, rows, e));
	assert_true(document_add(d, "empty", DTYPE_I16, 2, (size_t[]){0, 7}, rows, e));
	assert_true(document_add(d, "scalar", DTYPE_I64, 0, NULL, offsets + 1, e));
	return d;
}

FIXTURE Buffer make_stream(size_t documents, Error *e)
{
	char path[] = "/tmp/test_stream.XXXXXX";
	Buffer bytes = {0};
	write_file(path, "", 0);
	StreamWriter *w = stream_writer_open(path, e);
	assert_non_null(w);
	for (size_t i = 0; i < documents; i++) {
		Document *d = make_document(i, e);
		assert_true(stream_write(w, d, e));
		document_free(d);
	}
	assert_true(stream_writer_close(w, e));
	read_file(path, &bytes, e);
	unlink(path);
	return bytes;
}

FIXTURE Buffer make_plain(size_t documents, Error *e)
{
	Buffer bytes = {0};
	for (size_t i = 0; i < documents; i++) {
		Document *d = make_document(i, e);
		assert_true(document_encode(d, &bytes, e));
		document_free(d);
	}
	return bytes;
}

/* Reads to the end and compares with the fixture's documents from `first` on; how
 * many there were before the end or the error. */
FIXTURE size_t check_documents(StreamReader *r, size_t first, Error *e)
{
	Document *d;
	size_t count = 0;
	while (stream_read(r, &d, e) && d != NULL) {
		Document *expected = make_document(first + count++, e);
		assert_string_equal(document_get(d, "index"), document_get(expected, "index"));
		assert_int_equal(document_count(d), document_count(expected));
		for (size_t i = 0; i < document_count(expected); i++) {
			const DocumentTensor *x = document_at(expected, i);
			const DocumentTensor *y = document_need(d, x->name, x->dtype, x->rank, x->shape, e);
			assert_non_null(y);
			assert_memory_equal(x->data, y->data, x->bytes);
			assert_int_equal((uintptr_t)y->data % dtype_size(y->dtype), 0);
		}
		document_free(expected);
		document_free(d);
	}
	return count;
}

/* Feeds bytes to a reader through a pipe, from a thread of its own. */
typedef struct {
	const uint8_t *data;
	size_t size, step;
	int ends[2];
	pthread_t thread;
	char path[64];
} Feed;

FIXTURE void *feed_bytes(void *context)
{
	Feed *f = context;
	for (size_t at = 0; at < f->size;) {
		size_t part = f->size - at < f->step ? f->size - at : f->step;
		ssize_t wrote = write(f->ends[1], f->data + at, part);
		if (wrote < 0)
			break; /* the reader has given up */
		at += (size_t)wrote;
	}
	close(f->ends[1]);
	return NULL;
}

/* f->path is where a reader finds the bytes. */
FIXTURE void start_feed(Feed *f, const void *data, size_t size, size_t step)
{
	signal(SIGPIPE, SIG_IGN);
	*f = (Feed){.data = data, .size = size, .step = step};
	assert_int_equal(pipe(f->ends), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, feed_bytes, f), 0);
	snprintf(f->path, sizeof f->path, "/dev/fd/%d", f->ends[0]);
}

FIXTURE void stop_feed(Feed *f)
{
	close(f->ends[0]);
	pthread_join(f->thread, NULL);
}

/* XXH64 of all documents, by way of the plain ones. */
FIXTURE uint64_t hash_of_plain(Error *e)
{
	char path[] = "/tmp/test_stream.XXXXXX";
	Buffer plain = make_plain(3, e);
	write_file(path, plain.data, plain.size);
	StreamReader *r = stream_reader_open(path, e);
	check_documents(r, 0, e);
	uint64_t hash = stream_hash(r);
	stream_reader_free(r);
	unlink(path);
	buffer_free(&plain);
	return hash;
}

#endif
