/* Embeddings in every format and dtype, and streams joined and merged. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#undef fail /* base/error.h has one of its own */

#include "stream_fixture.h"

#include "stream/join.h"
#include "stream/npy.h"
#include "stream/shards.h"
#include "stream/row_writer.h"

#include <math.h>

enum { DIM = 3 };

/* Row i, of any user. */
static void fill_row(size_t i, float row[DIM])
{
	for (size_t k = 0; k < DIM; k++)
		row[k] = (float)(k + 1) / (float)(i + 3) * (i % 2 ? -1.0f : 1.0f);
}

static const char *const user_ids[] = {"u1", "a,b", "say \"hi\"", "", "五"};

/* User u of a stream has this many rows. */
static size_t rows_of(const Embeddings *m, size_t user)
{
	return embeddings_each(m) > 0 ? embeddings_each(m) : user % 3;
}

static bool write_rows(const char *path, const char *format, const Embeddings *m, size_t first_user, Error *e)
{
	float rows[4 * DIM];
	size_t row = 0;
	Document *d = document_new(e);
	assert_true(document_stamp(d, "embeddings", &(Provenance){"ul-embed", "1", "", 1, NULL, NULL, 0}, e));
	assert_true(embeddings_set(m, d, e));
	RowWriter *w = row_writer_open(path, format, d, e);
	bool done = w != NULL;
	for (size_t u = 0; u < m->users && done; u++) {
		size_t count = rows_of(m, u);
		for (size_t i = 0; i < count; i++)
			fill_row(row++, rows + i * DIM);
		char id[32];
		snprintf(id, sizeof id, "%zu", first_user + u);
		const char *name = first_user + u < 5 ? user_ids[first_user + u] : id;
		done = row_write(w, text_of(name), rows, count, e);
	}
	if (done)
		done = row_writer_close(w, e);
	else
		row_writer_abort(w);
	document_free(d);
	return done;
}

static void check_rows(const char *path, const Embeddings *m, float tolerance)
{
	Error e = {0};
	EmbeddingsReader *r = embeddings_open(path, &e);
	EmbeddingsChunk chunk;
	size_t user = 0, row = 0;
	assert_non_null(r);
	assert_true(embeddings_of(r)->dim == m->dim && embeddings_of(r)->dtype == m->dtype);
	while (embeddings_next(r, &chunk, &e) && chunk.users > 0) {
		for (size_t u = 0; u < chunk.users; u++, user++) {
			size_t first, count = embeddings_rows(&chunk, u, &first);
			assert_int_equal(count, rows_of(m, user));
			if (user < 5)
				assert_true(text_is(embeddings_user(&chunk, u), user_ids[user]));
			for (size_t i = 0; i < count; i++) {
				float expected[DIM], got[DIM];
				fill_row(row++, expected);
				embeddings_row(&chunk, first + i, got);
				for (size_t k = 0; k < DIM; k++)
					assert_true(fabsf(expected[k] - got[k]) <= tolerance);
			}
		}
	}
	assert_int_equal(e.code, 0);
	assert_int_equal(user, m->users);
	embeddings_close(r);
}

static void rows_come_back(void **state)
{
	(void)state;
	static const Dtype dtypes[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_I8};
	static const float tolerances[] = {0, 3e-4f, 2.5e-3f, 5e-3f};
	for (size_t i = 0; i < 4; i++)
		for (int joined = 0; joined < 2; joined++)
			for (int pool = 0; pool < 3; pool++) {
				static const char *const pools[] = {"none", "mean", "latents"};
				Error e = {0};
				char path[] = "/tmp/test_stream.XXXXXX";
				Embeddings m = {DIM, 7, dtypes[i], pools[pool], false, 2, 0xabc};
				write_file(path, "", 0);
				assert_true(write_rows(path, joined ? "safetensors" : "ult", &m, 0, &e));
				check_rows(path, &m, tolerances[i]);
				unlink(path);
			}
}

static void many_chunks(void **state)
{
	(void)state;
	Error e = {0};
	char path[] = "/tmp/test_stream.XXXXXX";
	Embeddings m = {DIM, 2000000, DTYPE_F32, "last"};
	write_file(path, "", 0);
	assert_true(write_rows(path, "ult", &m, 0, &e));
	check_rows(path, &m, 0);
	EmbeddingsReader *r = embeddings_open(path, &e);
	assert_true(stream_frames(embeddings_stream(r)) > 3);
	uint64_t first;
	EmbeddingsChunk chunk;
	assert_true(embeddings_skip(r, 1500000, &first, &e));
	assert_true(first > 0 && first <= 1500000);
	assert_true(embeddings_next(r, &chunk, &e));
	assert_true(first + chunk.users > 1500000);
	char id[32];
	snprintf(id, sizeof id, "%d", 1500000);
	assert_true(text_is(embeddings_user(&chunk, 1500000 - first), id));
	while (chunk.users > 0)
		assert_true(embeddings_next(r, &chunk, &e));
	embeddings_close(r);
	unlink(path);
}

static void check_text(const char *format, const Embeddings *m, const char *expected)
{
	Error e = {0};
	Buffer bytes = {0};
	char path[] = "/tmp/test_stream.XXXXXX";
	write_file(path, "", 0);
	assert_true(write_rows(path, format, m, 0, &e));
	read_file(path, &bytes, &e);
	assert_true(buffer_append(&bytes, "", 1, &e));
	assert_string_equal((char *)bytes.data, expected);
	buffer_free(&bytes);
	unlink(path);
}

static void text_formats(void **state)
{
	(void)state;
	check_text("csv", &(Embeddings){DIM, 3, DTYPE_F32, "last"},
	           "user,e0,e1,e2\n"
	           "u1,0.333333343,0.666666687,1\n"
	           "\"a,b\",-0.25,-0.5,-0.75\n"
	           "\"say \"\"hi\"\"\",0.200000003,0.400000006,0.600000024\n");
	check_text("csv", &(Embeddings){DIM, 3, DTYPE_BF16, "none"},
	           "user,position,e0,e1,e2\n"
	           "\"a,b\",0,0.333984375,0.66796875,1\n"
	           "\"say \"\"hi\"\"\",0,-0.25,-0.5,-0.75\n"
	           "\"say \"\"hi\"\"\",1,0.200195312,0.400390625,0.6015625\n");
	check_text("jsonl", &(Embeddings){DIM, 2, DTYPE_F16, "mean"},
	           "{\"user\": \"u1\", \"embedding\": [0.333251953, 0.666503906, 1]}\n"
	           "{\"user\": \"a,b\", \"embedding\": [-0.25, -0.5, -0.75]}\n");
	check_text("jsonl", &(Embeddings){DIM, 3, DTYPE_F32, "none"},
	           "{\"user\": \"a,b\", \"position\": 0, \"embedding\": [0.333333343, 0.666666687, 1]}\n"
	           "{\"user\": \"say \\\"hi\\\"\", \"position\": 0, \"embedding\": [-0.25, -0.5, -0.75]}\n"
	           "{\"user\": \"say \\\"hi\\\"\", \"position\": 1, \"embedding\": "
	           "[0.200000003, 0.400000006, 0.600000024]}\n");
	check_text("csv", &(Embeddings){DIM, 1, DTYPE_BF16, "latents", false, 2, 9},
	           "user,position,e0,e1,e2\n"
	           "u1,0,0.333984375,0.66796875,1\n"
	           "u1,1,-0.25,-0.5,-0.75\n");
}

static void npy_has_rows(void **state)
{
	(void)state;
	Error e = {0};
	Buffer bytes = {0};
	char path[] = "/tmp/test_stream.XXXXXX";
	write_file(path, "", 0);
	assert_true(write_rows(path, "npy", &(Embeddings){DIM, 5, DTYPE_F32, "last"}, 0, &e));
	read_file(path, &bytes, &e);
	assert_int_equal(bytes.size, 128 + 5 * DIM * sizeof(float));
	assert_non_null(strstr((char *)bytes.data + 10, "'shape': (5, 3)"));
	float row[DIM];
	fill_row(4, row);
	assert_memory_equal(bytes.data + bytes.size - sizeof row, row, sizeof row);
	assert_true(write_rows(path, "npy", &(Embeddings){DIM, 5, DTYPE_F32, "latents", false, 2, 9}, 0, &e));
	bytes.size = 0;
	read_file(path, &bytes, &e);
	assert_int_equal(bytes.size, 128 + 5 * 2 * DIM * sizeof(float));
	assert_non_null(strstr((char *)bytes.data + 10, "'shape': (5, 2, 3)"));
	buffer_free(&bytes);
	assert_true(write_rows(path, "npy", &(Embeddings){DIM, 0, DTYPE_F16, "last"}, 0, &e));
	assert_false(write_rows(path, "npy", &(Embeddings){DIM, 5, DTYPE_I8, "last"}, 0, &e));
	assert_int_equal(e.code, ERROR_USAGE);
	unlink(path);
}

/* A file of that header, padded or not, and some numbers. */
static bool read_npy(const char *path, const char *head, size_t version, size_t bytes, NpyArray *a, Error *e)
{
	uint8_t file[512] = "\x93NUMPY";
	size_t size = strlen(head), begin = version == 2 ? 12 : 10;
	char name[64];
	snprintf(name, sizeof name, "%s", path);
	file[6] = (uint8_t)version;
	file[8] = (uint8_t)size;
	memcpy(file + begin, head, size);
	for (size_t i = 0; i < bytes; i++)
		file[begin + size + i] = (uint8_t)i;
	write_file(name, file, begin + size + bytes);
	buffer_free(&a->values);
	return npy_recognize(path) && npy_read(path, a, e);
}

static void npy_comes_back(void **state)
{
	(void)state;
	Error e = {0};
	NpyArray a = {0};
	char path[] = "/tmp/test_stream.XXXXXX";
	float rows[2 * DIM];
	write_file(path, "", 0);
	assert_false(npy_recognize(path));
	assert_true(write_rows(path, "npy", &(Embeddings){DIM, 5, DTYPE_F32, "latents", false, 2, 9}, 0, &e));
	assert_true(npy_recognize(path) && npy_read(path, &a, &e));
	assert_true(a.dtype == DTYPE_F32 && a.rank == 3 && a.shape[0] == 5 && a.shape[1] == 2 &&
	            a.shape[2] == DIM && a.values.size == 5 * sizeof rows);
	fill_row(8, rows);
	fill_row(9, rows + DIM);
	assert_memory_equal(a.values.data + 4 * sizeof rows, rows, sizeof rows);
	/* Other ways to say it. */
	assert_true(read_npy(path, "{\"shape\":(3),'fortran_order':False,'descr':'<f2'}", 1, 6, &a, &e));
	assert_true(a.dtype == DTYPE_F16 && a.rank == 1 && a.shape[0] == 3 && a.values.data[5] == 5);
	assert_true(read_npy(path, " { 'descr': '<f4', 'fortran_order': False , 'shape': ( 1 , 1,), } \n", 2,
	                     4, &a, &e));
	assert_true(a.dtype == DTYPE_F32 && a.rank == 2);
	assert_true(read_npy(path, "{'descr': '|i1', 'fortran_order': False, 'shape': ()}", 1, 1, &a, &e));
	static const char *const wrong[] = {
	    "",
	    "{",
	    "{}",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905,), }",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (,), }",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1), }",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': 1, }",
	    "{'descr': '<f4', 'fortran_order': False, }",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (1,)}",
	    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
	    "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }",
	    "{'descr': '<f4', 'fortran_order': Fals",
	    "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
	    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
	    "{'descr': '<f4\", 'fortran_order': False, 'shape': (1,), }",
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong + 3; i++) {
		size_t n = i < sizeof wrong / sizeof *wrong ? i : 5;
		e = (Error){0};
		assert_false(read_npy(path, wrong[n], i == n ? 1 : i - n, 4, &a, &e));
		assert_int_equal(e.code, ERROR_MALFORMED);
	}
	buffer_free(&a.values);
	e = (Error){0};
	assert_false(npy_read("/dev/null", &a, &e) || npy_recognize("/dev/null"));
	assert_int_equal(e.code, ERROR_MALFORMED);
	buffer_free(&a.values);
	unlink(path);
}

static void rows_that_cannot_be(void **state)
{
	(void)state;
	const struct {
		float x;
		Dtype dtype;
		bool fits;
	} cases[] = {{65504, DTYPE_F16, true},    {70000, DTYPE_F16, false},    {NAN, DTYPE_F32, false},
	             {INFINITY, DTYPE_I8, false}, {3.4e38f, DTYPE_BF16, false}, {1e-45f, DTYPE_I8, true},
	             {3.4e38f, DTYPE_I8, true},   {0, DTYPE_I8, true}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint16_t stored[2 * DIM];
		float scale, row[DIM] = {0, cases[i].x, 0};
		Embeddings m = {DIM, 1, cases[i].dtype, "last"};
		assert_true(embeddings_store(&m, row, stored, &scale) == cases[i].fits);
	}
	Error e = {0};
	Document *d = document_new(&e);
	Embeddings m = {DIM, 2, DTYPE_F32, "last"};
	assert_true(document_stamp(d, "embeddings", &(Provenance){"", "", "", 1, NULL, NULL, 0}, &e) &&
	            embeddings_set(&m, d, &e));
	float rows[2 * DIM] = {0};
	RowWriter *w = row_writer_open("/dev/null", "csv", d, &e);
	assert_true(row_write(w, text_of("1"), rows, 1, &e));
	assert_false(row_write(w, text_of("2"), rows, 2, &e)); /* one row a user */
	e = (Error){0};
	assert_false(row_writer_close(w, &e)); /* two users were announced */
	assert_int_equal(e.code, ERROR_FAILURE);
	static const char *const wrong[][2] = {{"ul.latents", "0"}, {"ul.adapter", "abc"}};
	m = (Embeddings){DIM, 2, DTYPE_F32, "latents", false, 2, UINT64_MAX};
	for (size_t i = 0; i < 3; i++) {
		e = (Error){0};
		assert_true(embeddings_set(&m, d, &e) &&
		            (i == 2 || document_set(d, wrong[i][0], wrong[i][1], &e)));
		assert_true(embeddings_get(&(Embeddings){0}, d, &e) == (i == 2));
		assert_int_equal(e.code, i == 2 ? 0 : ERROR_MALFORMED);
	}
	document_free(d);
}

/* What is too large is for the dtype to change; what is no number is a model's fault, and none of JSON's. */
static void not_finite(void **state)
{
	(void)state;
	static const struct {
		Dtype dtype;
		const char *format;
		float x;
		bool stored;
		int code;
	} cases[] = {
	    {DTYPE_F16, "csv", 70000, false, ERROR_USAGE},   {DTYPE_F16, "csv", NAN, false, ERROR_MALFORMED},
	    {DTYPE_F32, "csv", NAN, false, ERROR_MALFORMED}, {DTYPE_F32, "csv", NAN, true, 0},
	    {DTYPE_F32, "jsonl", NAN, true, ERROR_USAGE},    {DTYPE_F32, "jsonl", 1, true, 0}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		Error e = {0};
		float row[DIM] = {cases[i].x};
		Embeddings m = {DIM, 1, cases[i].dtype, "last"};
		Document *d = document_new(&e);
		assert_true(
		    document_stamp(d, "embeddings", &(Provenance){"", "", "", 1, NULL, NULL, 0}, &e) &&
		    embeddings_set(&m, d, &e));
		RowWriter *w = row_writer_open("/dev/null", cases[i].format, d, &e);
		assert_non_null(w);
		bool done = cases[i].stored ? row_write_stored(w, text_of("1"), row, NULL, 1, &e)
		                            : row_write(w, text_of("1"), row, 1, &e);
		assert_true(done == (cases[i].code == 0));
		assert_int_equal(e.code, cases[i].code);
		row_writer_abort(w);
		document_free(d);
	}
}

static void shards_merge(void **state)
{
	(void)state;
	Error e = {0};
	char a[] = "/tmp/test_stream.XXXXXX", b[] = "/tmp/test_stream.XXXXXX",
	     c[] = "/tmp/test_stream.XXXXXX";
	const char *const paths[] = {a, b};
	Embeddings m = {DIM, 3, DTYPE_I8, "none"}, other = m;
	write_file(a, "", 0);
	write_file(b, "", 0);
	write_file(c, "", 0);
	assert_true(write_rows(a, "ult", &m, 0, &e) && write_rows(b, "ult", &m, 3, &e));
	assert_true(stream_merge(paths, 2, c, &e));
	EmbeddingsReader *r = embeddings_open(c, &e);
	EmbeddingsChunk chunk;
	assert_int_equal(embeddings_of(r)->users, 6);
	do
		assert_true(embeddings_next(r, &chunk, &e));
	while (chunk.users > 0);
	embeddings_close(r);
	/* A copy has the same bytes. */
	Buffer original = {0}, copy = {0};
	assert_true(stream_merge(paths, 1, c, &e));
	read_file(a, &original, &e);
	read_file(c, &copy, &e);
	assert_int_equal(original.size, copy.size);
	assert_memory_equal(original.data, copy.data, copy.size);
	buffer_free(&original);
	buffer_free(&copy);
	/* The same user twice; then another dtype. */
	assert_true(write_rows(b, "ult", &m, 2, &e));
	assert_false(stream_merge(paths, 2, c, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	e = (Error){0};
	other.dtype = DTYPE_F32;
	assert_true(write_rows(b, "ult", &other, 3, &e));
	assert_false(stream_merge(paths, 2, c, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	unlink(a);
	unlink(b);
	unlink(c);
}

static void broken_chunks_are_refused(void **state)
{
	(void)state;
	static const int64_t ends[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 1, 2}, {0, 1, 3}, {0, -1, 2}};
	float rows[2 * DIM] = {0};
	Embeddings m = {DIM, 2, DTYPE_F32, "last"};
	for (size_t i = 0; i < 8; i++) {
		Error e = {0};
		EmbeddingsChunk chunk;
		size_t n = i < 5 ? i : 0;
		Document *d = document_new(&e);
		assert_true(document_add_vector(d, "user.bytes", DTYPE_U8, 2, "ab", &e));
		assert_true(document_add_vector(d, "user.offsets", DTYPE_I64, i == 5 ? 0 : 3, ends[n], &e));
		assert_true(document_add(d, "embeddings", DTYPE_F32, 2,
		                         (size_t[]){i == 6 ? 1 : 2, i == 7 ? DIM - 1 : DIM}, rows, &e));
		assert_true(embeddings_chunk(&m, d, &chunk, &e) == (i == 0));
		assert_int_equal(e.code, i == 0 ? 0 : ERROR_MALFORMED);
		document_free(d);
	}
}

/* Of a later chunk, too, a list of one offset says where it begins. */
static void offsets_that_do_not_rise(void **state)
{
	(void)state;
	static const int64_t later[][2] = {{0, 2}, {5}, {0, -1}};
	const size_t counts[] = {2, 1, 2};
	for (size_t i = 0; i < 3; i++) {
		Error e = {0};
		Document *first = document_new(&e), *a = document_new(&e), *b = document_new(&e);
		Joiner *j = joiner_new(first, NULL, &e);
		assert_true(document_add_vector(a, "x.offsets", DTYPE_I64, 2, (int64_t[]){0, 1}, &e));
		assert_true(document_add_vector(b, "x.offsets", DTYPE_I64, counts[i], later[i], &e));
		assert_true(joiner_add(j, a, &e));
		assert_true(joiner_add(j, b, &e) == (i == 0));
		assert_int_equal(e.code, i == 0 ? 0 : ERROR_MALFORMED);
		joiner_free(j);
		document_free(b);
		document_free(a);
		document_free(first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_come_back),
	    cmocka_unit_test(many_chunks),
	    cmocka_unit_test(text_formats),
	    cmocka_unit_test(npy_has_rows),
	    cmocka_unit_test(npy_comes_back),
	    cmocka_unit_test(rows_that_cannot_be),
	    cmocka_unit_test(not_finite),
	    cmocka_unit_test(shards_merge),
	    cmocka_unit_test(broken_chunks_are_refused),
	    cmocka_unit_test(offsets_that_do_not_rise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
