/* Streams that are cut, changed or made up are refused; writers that fail leave
 * nothing behind. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#undef fail /* base/error.h has one of its own */

#include "stream/frame.h"
#include "stream_fixture.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zstd.h>

/* Reads all; the code of the error, 0 for none.  *documents: how many came before it. */
static int read_bytes(const char *path, size_t *documents)
{
	Error e = {0};
	StreamReader *r = stream_reader_open(path, &e);
	Document *d;
	*documents = 0;
	while (r != NULL && stream_read(r, &d, &e) && d != NULL) {
		document_free(d);
		++*documents;
	}
	stream_reader_free(r);
	assert_true(e.code == 0 || strchr(e.text, '\n') == NULL);
	assert_true(e.code == 0 || strncmp(e.text, path, strlen(path)) == 0); /* names the file */
	return e.code;
}

static int read_as_file(const void *data, size_t size)
{
	char path[] = "/tmp/test_stream.XXXXXX";
	size_t documents;
	write_file(path, data, size);
	int code = read_bytes(path, &documents);
	unlink(path);
	return code;
}

static int read_as_pipe(const void *data, size_t size)
{
	Feed feed;
	size_t documents;
	start_feed(&feed, data, size, 997);
	int code = read_bytes(feed.path, &documents);
	stop_feed(&feed);
	return code;
}

static void every_cut_is_refused(void **state)
{
	(void)state;
	Error e = {0};
	Buffer bytes = make_stream(2, &e), plain = make_plain(1, &e);
	assert_int_equal(read_as_file(bytes.data, bytes.size), 0);
	assert_int_equal(read_as_pipe(bytes.data, bytes.size), 0);
	assert_int_equal(read_as_file(plain.data, plain.size), 0);
	for (size_t size = 0; size < bytes.size; size++) {
		assert_int_equal(read_as_file(bytes.data, size), ERROR_MALFORMED);
		assert_int_equal(read_as_pipe(bytes.data, size), ERROR_MALFORMED);
	}
	for (size_t size = 0; size < plain.size; size++)
		assert_int_equal(read_as_file(plain.data, size), ERROR_MALFORMED);
	buffer_free(&bytes);
	buffer_free(&plain);
}

static void every_flip_is_refused(void **state)
{
	(void)state;
	Error e = {0};
	Buffer bytes = make_stream(2, &e);
	for (size_t i = 0; i < bytes.size; i++) {
		for (int bit = 0; bit < 8; bit++) {
			bytes.data[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(read_as_file(bytes.data, bytes.size), ERROR_MALFORMED);
			bytes.data[i] ^= (uint8_t)(1 << bit);
		}
		bytes.data[i] ^= 0xff;
		assert_int_equal(read_as_pipe(bytes.data, bytes.size), ERROR_MALFORMED);
		bytes.data[i] ^= 0xff;
	}
	buffer_free(&bytes);
}

/* An end frame that is whole, and tells of other users than the documents have. */
static void wrong_users_are_refused(void **state)
{
	(void)state;
	Error e = {0};
	Document *d = NULL;
	FrameTable table = {0};
	size_t size;
	char path[] = "/tmp/test_stream.XXXXXX";
	Buffer bytes = make_stream(2, &e);
	assert_true(frame_end_size(bytes.data + bytes.size - FRAME_TAIL, &size, &e));
	bytes.size -= size;
	assert_true(frame_table_decode(&table, bytes.data + bytes.size, size, &e));
	table.frames[1].users++;
	assert_true(frame_table_encode(&table, &bytes, &e));
	assert_int_equal(read_as_file(bytes.data, bytes.size), ERROR_MALFORMED);
	assert_int_equal(read_as_pipe(bytes.data, bytes.size), ERROR_MALFORMED);
	write_file(path, bytes.data, bytes.size);
	StreamReader *r = stream_reader_open(path, &e);
	assert_true(stream_seek(r, 1, &e));
	assert_false(stream_read(r, &d, &e));
	assert_true(d == NULL &&
	            strstr(e.text, "document 2: 2 users where the end frame tells of 3") != NULL);
	stream_reader_free(r);
	unlink(path);
	frame_table_free(&table);
	buffer_free(&bytes);
}

/* Flips that zstd does not see: read at random, a frame is checked by its own hash. */
static void flip_is_seen_after_seek(void **state)
{
	(void)state;
	Error e = {0};
	Document *d = NULL;
	char path[] = "/tmp/test_stream.XXXXXX";
	Buffer bytes = make_stream(2, &e);
	write_file(path, bytes.data, bytes.size);
	StreamReader *r = stream_reader_open(path, &e);
	assert_true(stream_seek(r, 1, &e) && stream_read(r, &d, &e));
	document_free(d);
	assert_true(stream_read(r, &d, &e) && d == NULL);
	stream_reader_free(r);
	size_t second = 4;
	while (memcmp(bytes.data + second, "\x28\xb5\x2f\xfd", 4) != 0)
		second++;
	for (size_t i = second; i < second + 32; i++) {
		bytes.data[i] ^= 0x10;
		write_file(path, bytes.data, bytes.size);
		bytes.data[i] ^= 0x10;
		r = stream_reader_open(path, &e);
		assert_true(stream_seek(r, 1, &e));
		assert_false(stream_read(r, &d, &e));
		assert_int_equal(e.code, ERROR_MALFORMED);
		e = (Error){0};
		stream_reader_free(r);
	}
	unlink(path);
	buffer_free(&bytes);
}

static void bytes_behind_the_end_are_refused(void **state)
{
	(void)state;
	Error e = {0};
	Buffer bytes = make_stream(2, &e);
	size_t size = bytes.size;
	assert_true(buffer_append(&bytes, "", 1, &e));
	assert_int_equal(read_as_file(bytes.data, bytes.size), ERROR_MALFORMED);
	assert_int_equal(read_as_pipe(bytes.data, bytes.size), ERROR_MALFORMED);
	bytes.size = size;
	assert_true(buffer_reserve(&bytes, size, &e) && buffer_append(&bytes, bytes.data, size, &e));
	assert_int_equal(read_as_file(bytes.data, bytes.size), ERROR_MALFORMED); /* cat x.ult x.ult */
	assert_int_equal(read_as_pipe(bytes.data, bytes.size), ERROR_MALFORMED);
	buffer_free(&bytes);
}

static void foreign_frames_are_refused(void **state)
{
	(void)state;
	Error e = {0};
	uint8_t room[1 << 16];
	Buffer plain = make_plain(1, &e);
	/* No end frame, and no checksum; then with checksum; then one that asks for 2^60 bytes. */
	size_t size = ZSTD_compress(room, sizeof room, plain.data, plain.size, 3);
	assert_int_equal(read_as_file(room, size), ERROR_MALFORMED);
	assert_int_equal(read_as_pipe(room, size), ERROR_MALFORMED);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1)));
	size = ZSTD_compress2(zstd, room, sizeof room, plain.data, plain.size);
	ZSTD_freeCCtx(zstd);
	assert_int_equal(read_as_file(room, size), ERROR_MALFORMED);
	assert_int_equal(read_as_pipe(room, size), ERROR_MALFORMED);
	static const uint8_t huge[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe4, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0, 0};
	assert_int_equal(read_as_pipe(huge, sizeof huge), ERROR_MALFORMED);
	static const uint8_t window[] = {0x28, 0xb5, 0x2f, 0xfd, 0xc4, 0xf8, 0, 0, 0,
	                                 0,    0,    0,    0,    0x10, 1,    0, 0};
	assert_int_equal(read_as_pipe(window, sizeof window), ERROR_MALFORMED);
	buffer_free(&plain);
}

static void expect_refusal(const void *data, size_t size, const char *words)
{
	Feed feed;
	Error e = {0};
	Document *d;
	start_feed(&feed, data, size, 997);
	StreamReader *r = stream_reader_open(feed.path, &e);
	while (r != NULL && stream_read(r, &d, &e) && d != NULL)
		document_free(d);
	stream_reader_free(r);
	stop_feed(&feed);
	assert_int_equal(e.code, ERROR_MALFORMED);
	assert_non_null(strstr(e.text, words));
}

/* Small frames that would become large. */
static void bombs_are_refused(void **state)
{
	(void)state;
	enum { FIRST_SIZE = 6 /* where the size stands */ };
	Error e = {0};
	Buffer zeros = {0}, bytes = make_stream(2, &e);
	uint8_t room[1 << 16];
	assert_true(buffer_reserve(&zeros, 64 << 20, &e));
	memset(zeros.data, 0, 64 << 20);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1)));
	size_t size = ZSTD_compress2(zstd, room, sizeof room, zeros.data, 64 << 20);
	ZSTD_freeCCtx(zstd);
	assert_false(ZSTD_isError(size));
	assert_int_equal(room[FIRST_SIZE + 3], 4); /* 64 MiB; 16 are said */
	room[FIRST_SIZE + 3] = 1;
	expect_refusal(room, size, "larger than it says");
	/* The second document begins with one byte more than a chunk may have. */
	static const uint8_t large[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa4, 1, 0, 0, 0x40, 1, 0, 0};
	size_t second = 4;
	while (memcmp(bytes.data + second, large, 4) != 0)
		second++;
	memcpy(bytes.data + second, large, sizeof large);
	expect_refusal(bytes.data, bytes.size, "1 GiB");
	buffer_free(&zeros);
	buffer_free(&bytes);
}

/* A safetensors document with that header and so many zero bytes behind it. */
static int decode(const char *json, size_t data, Error *e)
{
	Buffer bytes = {0};
	uint8_t prefix[8] = {(uint8_t)strlen(json), (uint8_t)(strlen(json) >> 8)};
	static const uint8_t zeros[64];
	*e = (Error){0};
	assert_true(buffer_append(&bytes, prefix, 8, e) && buffer_append(&bytes, json, strlen(json), e) &&
	            buffer_append(&bytes, zeros, data, e));
	int from_file = read_as_file(bytes.data, bytes.size);
	Document *d = document_decode(&bytes, e);
	document_free(d);
	assert_int_equal(from_file, e->code);
	return e->code;
}

#define X(dtype, shape, offsets)                                                                             \
	"\"x\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void broken_headers_are_refused(void **state)
{
	(void)state;
	Error e;
	static const struct {
		const char *json;
		size_t data;
	} good[] =
	    {
	        {"{}", 0},
	        {"{" X("F32", "[2]", "[0,8]") "}   ", 8},
	        {"{" X("F32", "[]",
	               "[0,4]") ",\"y\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,4]}}",
	         4},
	        {"{\"y\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[8,10]}," X("F32", "[1,2]",
	                                                                              "[0,8]") "}",
	         10},
	        {"{\"__metadata__\":{\"a\":\"b\"}}", 0},
	    },
	  bad[] = {
	      {"[]", 0},
	      {"{", 0},
	      {" {}", 0},
	      {"{}x", 0},
	      {"{}", 1},
	      {"{" X("F32", "[2]", "[0,8]") "}", 7},
	      {"{" X("F32", "[2]", "[0,8]") "}", 9},
	      {"{" X("F32", "[2]", "[4,12]") "}", 12},
	      {"{" X("F32", "[2]", "[8,0]") "}", 8},
	      {"{" X("F32", "[2]", "[-8,0]") "}", 8},
	      {"{" X("F32", "[2]", "[0,8,9]") "}", 8},
	      {"{" X("F32", "[2]", "[0,8.0]") "}", 8},
	      {"{" X("F32", "[2]", "[0]") "}", 8},
	      {"{" X("F32", "[3]", "[0,8]") "}", 8},
	      {"{" X("F32", "2", "[0,8]") "}", 8},
	      {"{" X("F32", "[-2]", "[0,8]") "}", 8},
	      {"{" X("F31", "[2]", "[0,8]") "}", 8},
	      {"{" X("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8},
	      {"{" X("F32", "[4611686018427387904,4]", "[0,0]") "}", 0},
	      {"{" X("F32", "[9223372036854775807,2,2]", "[0,8]") "}", 8},
	      {"{" X("U8", "[9223372036854775807]", "[0,9223372036854775807]") "}", 8},
	      {"{" X("F32", "[2]", "[0,8]") "," X("F32", "[2]", "[0,8]") "}", 8},
	      {"{" X("F32", "[2]", "[0,8]") ",\"y\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[7,9]}}",
	       9},
	      {"{" X("F32", "[2]",
	             "[0,8]") ",\"y\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[9,11]}}",
	       11},
	      {"{" X("F32", "[2]", "[0,8]") ",\"y\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
	       8},
	      {"{\"x\":{\"dtype\":\"U8\",\"shape\":[0]}}", 0},
	      {"{\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"more\":1}}", 0},
	      {"{\"x\":1}", 0},
	      {"{\"x\xff\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0},
	      {"{\"__metadata__\":{\"a\":1}}", 0},
	      {"{\"__metadata__\":[]}", 0},
	      {"{\"__metadata__\":{\"a\":\"b\",\"a\":\"b\"}}", 0},
	  };
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(decode(good[i].json, good[i].data, &e), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(decode(bad[i].json, bad[i].data, &e), ERROR_MALFORMED);
	}
	static const uint8_t long_header[] = {1, 0xe1, 0xf5, 5, 0, 0, 0, 0, '{'}; /* 100,000,001 bytes */
	assert_int_equal(read_as_file(long_header, sizeof long_header), ERROR_MALFORMED);
	static const uint8_t huge_header[] = {2, 0, 0, 0, 0, 0, 0, 0x80, '{', '}'};
	assert_int_equal(read_as_file(huge_header, sizeof huge_header), ERROR_MALFORMED);
	assert_int_equal(read_as_file("user,item\n1,2\n", 14), ERROR_MALFORMED);
}

/* What is not on the disk cannot be read: exit 1, not 3. */
static void missing_files(void **state)
{
	(void)state;
	size_t documents;
	assert_int_equal(read_bytes("/nonexistent/x.ult", &documents), ERROR_FAILURE);
	assert_int_equal(read_bytes("/tmp", &documents), ERROR_FAILURE);
	Error e = {0};
	assert_null(stream_writer_open("/nonexistent/x.ult", &e));
	assert_int_equal(e.code, ERROR_FAILURE);
}

static size_t files_in(const char *directory)
{
	size_t count = 0;
	DIR *d = opendir(directory);
	assert_non_null(d);
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count - 2;
}

static bool write_noise(const char *path, Error *e)
{
	size_t count = 1 << 20;
	uint32_t *values = memory_new(count, sizeof *values, e), x = 1;
	for (size_t i = 0; i < count; i++)
		values[i] = x = x * 1664525 + 1013904223;
	Document *d = document_new(e);
	bool done = document_add_vector(d, "x", DTYPE_U32, count, values, e) && stream_write_one(path, d, e);
	document_free(d);
	memory_free(values);
	return done;
}

static void failed_writers_leave_nothing(void **state)
{
	(void)state;
	Error e = {0};
	char directory[] = "/tmp/test_stream.XXXXXX", path[64];
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/x.ult", directory);
	assert_false(write_noise("/dev/full", &e));
	assert_int_equal(e.code, ERROR_FAILURE);
	assert_non_null(strstr(e.text, "No space left"));
	e = (Error){0};
	/* A small file that fails only when it is flushed. */
	StreamWriter *w = stream_writer_open("/dev/full", &e);
	assert_false(stream_writer_close(w, &e));
	assert_int_equal(e.code, ERROR_FAILURE);
	e = (Error){0};
	w = stream_writer_open(path, &e);
	assert_true(files_in(directory) <= 1); /* none, where files may be without a name */
	stream_writer_abort(w);
	assert_int_equal(files_in(directory), 0);
	/* A file that gets too large; the old one stays as it was. */
	assert_true(write_noise(path, &e));
	struct stat before, after;
	struct rlimit limit, small;
	assert_int_equal(stat(path, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	small = (struct rlimit){1 << 20, limit.rlim_max};
	setrlimit(RLIMIT_FSIZE, &small);
	assert_false(write_noise(path, &e));
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(e.code, ERROR_FAILURE);
	assert_int_equal(files_in(directory), 1);
	assert_int_equal(stat(path, &after), 0);
	assert_true(before.st_size == after.st_size && before.st_ino == after.st_ino);
	unlink(path);
	rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_cut_is_refused),
	    cmocka_unit_test(every_flip_is_refused),
	    cmocka_unit_test(wrong_users_are_refused),
	    cmocka_unit_test(flip_is_seen_after_seek),
	    cmocka_unit_test(bytes_behind_the_end_are_refused),
	    cmocka_unit_test(foreign_frames_are_refused),
	    cmocka_unit_test(bombs_are_refused),
	    cmocka_unit_test(broken_headers_are_refused),
	    cmocka_unit_test(missing_files),
	    cmocka_unit_test(failed_writers_leave_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
