/* Streams: what is written comes back, from files, pipes and plain safetensors. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#undef fail /* base/error.h has one of its own */

#include "stream_fixture.h"

#include "stream/npy.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void dtypes_convert(void **state)
{
	(void)state;
	Dtype dtype;
	for (int i = 0; i < DTYPE_COUNT; i++)
		assert_true(dtype_parse(dtype_name((Dtype)i), &dtype) && (int)dtype == i);
	assert_false(dtype_parse("F8_E4M3", &dtype));
	for (uint32_t i = 0; i < 0x10000; i++) {
		uint16_t x = (uint16_t)i;
		bool nan16 = (x & 0x7fff) > 0x7c00, nan_bf = (x & 0x7fff) > 0x7f80;
		uint16_t back = f16_from_f32(f32_from_f16(x)), back_bf = bf16_from_f32(f32_from_bf16(x));
		assert_true(nan16 ? (back & 0x7fff) > 0x7c00 : back == x);
		assert_true(nan_bf ? (back_bf & 0x7fff) > 0x7f80 : back_bf == x);
	}
	/* Every number half way between two neighbours goes to the even one, a bit more or less does not. */
	for (uint16_t x = 0; x < 0x7bff; x++) {
		float low = f32_from_f16(x), high = f32_from_f16((uint16_t)(x + 1)),
		      middle = (low + high) / 2;
		assert_int_equal(f16_from_f32(middle), x & 1 ? x + 1 : x);
		assert_int_equal(f16_from_f32(middle * (1 + 0x1p-22f)), x + 1);
		assert_int_equal(f16_from_f32(middle * (1 - 0x1p-22f)), x);
	}
	assert_int_equal(f16_from_f32(65519.9f), 0x7bff);
	assert_int_equal(f16_from_f32(65520.0f), 0x7c00);
	assert_int_equal(f16_from_f32(-1e30f), 0xfc00);
	assert_int_equal(f16_from_f32(0x1p-25f), 0);
	assert_int_equal(bf16_from_f32(1.00390625f), 0x3f80); /* 1 + 2^-8: a tie */
	assert_int_equal(bf16_from_f32(1.01171875f), 0x3f82); /* 1 + 3·2^-8: a tie */
	assert_int_equal(bf16_from_f32(3.4e38f), 0x7f80);
}

static void metadata_is_kept(void **state)
{
	(void)state;
	Error e = {0};
	Document *d = document_new(&e);
	int64_t whole = 0;
	double real = 0;
	assert_true(document_set(d, "a", "first", &e) && document_set(d, "b", "bad \xff\xc3 byte", &e));
	assert_true(document_set(d, "a", "12", &e) && document_set_format(d, "r", &e, "%.17g", 0.1));
	assert_string_equal(document_get(d, "a"), "12");
	assert_string_equal(document_get(d, "b"), "bad \xef\xbf\xbd\xef\xbf\xbd byte");
	assert_null(document_get(d, "c"));
	assert_true(document_get_integer(d, "a", 0, 12, &whole, &e) && whole == 12);
	assert_true(document_get_real(d, "r", 0, 1, &real, &e) && real == 0.1);
	assert_int_equal(document_metadata_count(d), 3);
	const char *const cases[] = {"13", "", "x", "1x", "99999999999999999999999"};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_true(document_set(d, "a", cases[i], &e));
		assert_false(document_get_integer(d, "a", 0, 12, &whole, &e));
		assert_int_equal(e.code, ERROR_MALFORMED);
		e = (Error){0};
	}
	document_free(d);
}

static void stream_round_trip(void **state)
{
	(void)state;
	Error e = {0};
	char path[] = "/tmp/test_stream.XXXXXX";
	Buffer bytes = make_stream(3, &e);
	write_file(path, bytes.data, bytes.size);
	StreamReader *r = stream_reader_open(path, &e);
	assert_non_null(r);
	assert_int_equal(stream_frames(r), 3);
	assert_int_equal(stream_frame_users(r, 2), 2);
	for (int pass = 0; pass < 2; pass++) { /* the second one after a seek to the beginning */
		assert_int_equal(check_documents(r, 0, &e), 3);
		assert_int_equal(e.code, 0);
		assert_true(stream_hash(r) == hash_of_plain(&e));
		assert_true(stream_seek(r, 0, &e));
	}
	for (size_t i = 3; i-- > 0;) {
		assert_true(stream_seek(r, i, &e));
		assert_int_equal(check_documents(r, i, &e), 3 - i);
		assert_int_equal(e.code, 0);
	}
	assert_false(stream_seek(r, 4, &e));
	stream_reader_free(r);
	unlink(path);
	buffer_free(&bytes);
}

static void stream_is_deterministic(void **state)
{
	(void)state;
	Error e = {0};
	Buffer a = make_stream(3, &e), b = make_stream(3, &e);
	assert_int_equal(a.size, b.size);
	assert_memory_equal(a.data, b.data, a.size);
	buffer_free(&a);
	buffer_free(&b);
}

static void pipe_round_trip(void **state)
{
	(void)state;
	Error e = {0};
	Buffer bytes = make_stream(3, &e);
	for (size_t step = 1; step <= bytes.size; step = step * 7 + 1) { /* short reads, too */
		Feed feed;
		start_feed(&feed, bytes.data, bytes.size, step);
		StreamReader *r = stream_reader_open(feed.path, &e);
		assert_non_null(r);
		assert_int_equal(stream_frames(r), 0);
		assert_int_equal(check_documents(r, 0, &e), 3);
		assert_int_equal(e.code, 0);
		stream_reader_free(r);
		stop_feed(&feed);
	}
	buffer_free(&bytes);
}

static void plain_round_trip(void **state)
{
	(void)state;
	Error e = {0};
	Buffer bytes = make_plain(3, &e);
	char path[] = "/tmp/test_stream.XXXXXX";
	write_file(path, bytes.data, bytes.size);
	StreamReader *r = stream_reader_open(path, &e);
	assert_int_equal(check_documents(r, 0, &e), 3);
	assert_int_equal(stream_frames(r), 0);
	assert_true(stream_hash(r) == hash_of_plain(&e));
	stream_reader_free(r);
	Feed feed;
	start_feed(&feed, bytes.data, bytes.size, 5);
	r = stream_reader_open(feed.path, &e);
	assert_int_equal(check_documents(r, 0, &e), 3);
	stream_reader_free(r);
	stop_feed(&feed);
	assert_int_equal(e.code, 0);
	unlink(path);
	buffer_free(&bytes);
}

/* Larger than any buffer, and beyond what a single zstd window holds. */
static void large_document(void **state)
{
	(void)state;
	Error e = {0};
	size_t count = 3u << 20;
	uint32_t *values = memory_new(count, sizeof *values, &e);
	for (size_t i = 0; i < count; i++)
		values[i] = (uint32_t)(i * 2654435761u) >> (i % 24);
	char path[] = "/tmp/test_stream.XXXXXX";
	write_file(path, "", 0);
	Document *d = document_new(&e);
	assert_true(document_stamp(d, "encoder", &(Provenance){"t", "1", "", 1, NULL, NULL, 0}, &e));
	assert_true(document_add_vector(d, "x", DTYPE_U32, count, values, &e));
	assert_true(stream_write_one(path, d, &e));
	document_free(d);
	uint64_t hash = 0;
	d = stream_read_one(path, "adapter|encoder", &hash, &e);
	assert_non_null(d);
	assert_memory_equal(document_find(d, "x")->data, values, count * sizeof *values);
	assert_true(hash != 0);
	document_free(d);
	assert_null(stream_read_one(path, "adapter|dataset", NULL, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	unlink(path);
	memory_free(values);
}

static void kinds_and_versions(void **state)
{
	(void)state;
	Error e = {0};
	const char *names[] = {"a\xff.csv", "b.csv"};
	const uint64_t hashes[] = {1, 0xfedcba9876543210};
	Document *d = document_new(&e);
	assert_true(document_stamp(d, "dataset",
	                           &(Provenance){"ul-prep", "0.1", "--x 'y'", 7, names, hashes, 2}, &e));
	assert_string_equal(document_get(d, "ul.inputs"),
	                    "[{\"name\":\"a\xef\xbf\xbd.csv\",\"xxh64\":\"0000000000000001\"},"
	                    "{\"name\":\"b.csv\",\"xxh64\":\"fedcba9876543210\"}]");
	assert_string_equal(document_get(d, "ul.seed"), "7");
	assert_true(document_check_kind(d, "dataset", &e));
	assert_true(document_set(d, "ul.version", "1.7", &e) && document_check_kind(d, "x|dataset", &e));
	const char *const versions[] = {"2.0", "0.9", "10", "", "1x", "x"};
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
		assert_true(document_set(d, "ul.version", versions[i], &e));
		assert_false(document_check_kind(d, "dataset", &e));
		assert_int_equal(e.code, ERROR_MALFORMED);
		e = (Error){0};
	}
	document_free(d);
	d = document_new(&e);
	assert_true(document_set(d, "ul.kind", "dataset", &e));
	assert_false(document_check_kind(d, "dataset", &e));
	e = (Error){0};
	assert_true(document_set(d, "ul.kind", "dataset-chunk", &e) &&
	            document_check_kind(d, "dataset-chunk", &e));
	assert_false(document_check_kind(d, "data|dataset-chunks", &e));
	e = (Error){0};
	assert_true(document_set(d, "ul.kind", "a|b-chunk", &e));
	assert_false(document_check_kind(d, "a|b-chunk", &e)); /* two words */
	document_free(d);
}

/* A foreign writer may pad its header otherwise: the tensors are aligned all the same. */
static void odd_header_is_aligned(void **state)
{
	(void)state;
	for (size_t pad = 0; pad < 8; pad++) {
		Error e = {0};
		Buffer bytes = {0};
		int64_t value = 0x0102030405060708;
		const char *json = "{\"x\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}";
		uint8_t prefix[8] = {(uint8_t)(strlen(json) + pad)};
		assert_true(
		    buffer_append(&bytes, prefix, 8, &e) && buffer_append(&bytes, json, strlen(json), &e) &&
		    buffer_append(&bytes, "        ", pad, &e) && buffer_append(&bytes, &value, 8, &e));
		Document *d = document_decode(&bytes, &e);
		assert_non_null(d);
		const DocumentTensor *t = document_need_vector(d, "x", DTYPE_I64, 1, &e);
		assert_non_null(t);
		assert_int_equal((uintptr_t)t->data % 8, 0);
		assert_true(*(const int64_t *)t->data == value);
		assert_null(document_need_vector(d, "x", DTYPE_F64, 0, &e));
		assert_string_equal(e.text, "tensor 'x' is I64 [1] where F64 [?] is needed");
		document_free(d);
	}
}

static void npy_header(void **state)
{
	(void)state;
	Error e = {0};
	char path[] = "/tmp/test_stream.XXXXXX", bytes[256] = {0};
	write_file(path, "", 0);
	Output o;
	assert_true(output_open(&o, path, true, &e));
	assert_false(npy_write_header(&o, DTYPE_BF16, 1, (size_t[]){3}, &e));
	assert_int_equal(e.code, ERROR_USAGE);
	e = (Error){0};
	assert_true(npy_write_header(&o, DTYPE_F32, 2, (size_t[]){3, 4}, &e) && output_close(&o, &e));
	FILE *file = fopen(path, "rb");
	assert_int_equal(fread(bytes, 1, sizeof bytes, file), 128);
	fclose(file);
	assert_memory_equal(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
	assert_memory_equal(bytes + 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", 59);
	assert_int_equal(bytes[127], '\n');
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dtypes_convert),        cmocka_unit_test(metadata_is_kept),
	    cmocka_unit_test(stream_round_trip),     cmocka_unit_test(stream_is_deterministic),
	    cmocka_unit_test(pipe_round_trip),       cmocka_unit_test(plain_round_trip),
	    cmocka_unit_test(large_document),        cmocka_unit_test(kinds_and_versions),
	    cmocka_unit_test(odd_header_is_aligned), cmocka_unit_test(npy_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
