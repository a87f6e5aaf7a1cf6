/* Many documents at once: the bytes of one after the other, whoever packs and writes them, and an end where
 * one cannot be made or written. */
#include "base/pool.h"
#include "stream/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "stream_fixture.h"

enum { MANY = 50, NEVER = MANY };
static const size_t threads[] = {0, 1, 2, 12};

typedef struct {
	size_t size, fails;
} Filling;

/* Documents that take unlike times, of numbers that do not shrink. */
static bool fill(void *context, size_t index, Document *d, Arena *arena, Error *e)
{
	const Filling *f = context;
	size_t size = f->size * (index % 7 + 1);
	uint64_t x = index;
	uint8_t *bytes = arena_new(arena, size, 1, e);
	if (index == f->fails)
		return (fail)(e, ERROR_MALFORMED, "no document %zu", index);
	for (size_t i = 0; bytes != NULL && i < size; i++)
		bytes[i] = (uint8_t)((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
	return bytes != NULL && document_set(d, "ul.kind", "embeddings-chunk", e) &&
	       document_set_format(d, "index", e, "%zu", index) &&
	       document_add_vector(d, "bytes", DTYPE_U8, size, bytes, e);
}

static Pool *pool_of(size_t count)
{
	Error e = {0};
	Pool *pool = count > 0 ? pool_new(count, &e) : NULL;
	assert_int_equal(e.code, ERROR_NONE);
	return pool;
}

static void write_first(StreamWriter *w)
{
	Error e = {0};
	Document *d = make_document(0, &e);
	assert_true(stream_write(w, d, &e));
	document_free(d);
}

static Buffer one_by_one(char *path, const Filling *f)
{
	Error e = {0};
	Buffer bytes = {0};
	StreamWriter *w = stream_writer_open(path, &e);
	assert_non_null(w);
	write_first(w);
	for (size_t i = 0; i < 2 * MANY; i++) {
		Arena arena = {0};
		Document *d = document_new(&e);
		assert_true(d != NULL && fill((void *)f, i % MANY, d, &arena, &e) && stream_write(w, d, &e));
		document_free(d);
		arena_free(&arena);
	}
	assert_true(stream_writer_close(w, &e));
	read_file(path, &bytes, &e);
	return bytes;
}

static void test_same(void **state)
{
	(void)state;
	Filling f = {.size = 1000, .fails = NEVER};
	char path[] = "/tmp/test_stream_many.XXXXXX";
	Error e = {0};
	write_file(path, "", 0);
	Buffer expected = one_by_one(path, &f);
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
		Pool *pool = pool_of(threads[i]);
		Buffer bytes = {0};
		StreamWriter *w = stream_writer_open(path, &e);
		assert_non_null(w);
		write_first(w);
		assert_true(stream_write_many(w, pool, 0, fill, &f, &e));
		assert_true(stream_write_many(w, pool, MANY, fill, &f, &e));
		assert_true(stream_write_many(w, pool, MANY, fill, &f, &e));
		assert_true(stream_writer_close(w, &e));
		read_file(path, &bytes, &e);
		assert_int_equal(bytes.size, expected.size);
		assert_memory_equal(bytes.data, expected.data, bytes.size);
		buffer_free(&bytes);
		pool_free(pool);
	}
	buffer_free(&expected);
	unlink(path);
}

static void test_no_document(void **state)
{
	(void)state;
	static const size_t fails[] = {0, 1, 7, 8, MANY - 1};
	char path[] = "/tmp/test_stream_many.XXXXXX";
	write_file(path, "", 0);
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
		for (size_t k = 0; k < sizeof fails / sizeof *fails; k++) {
			Pool *pool = pool_of(threads[i]);
			Filling f = {.size = 1000, .fails = fails[k]};
			Error e = {0};
			StreamWriter *w = stream_writer_open(path, &e);
			assert_non_null(w);
			write_first(w);
			assert_false(stream_write_many(w, pool, MANY, fill, &f, &e));
			assert_int_equal(e.code, ERROR_MALFORMED);
			stream_writer_abort(w);
			pool_free(pool);
		}
	unlink(path);
}

/* A full disk, met in the middle of a frame or between two. */
static void test_no_room(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
		Pool *pool = pool_of(threads[i]);
		Filling f = {.size = 100000, .fails = NEVER};
		Error e = {0};
		StreamWriter *w = stream_writer_open("/dev/full", &e);
		assert_non_null(w);
		assert_false(stream_write_many(w, pool, MANY, fill, &f, &e));
		assert_int_equal(e.code, ERROR_FAILURE);
		stream_writer_abort(w);
		pool_free(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_same), cmocka_unit_test(test_no_document),
	                                   cmocka_unit_test(test_no_room)};
	alarm(60); /* whoever waits for ever is ended */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
