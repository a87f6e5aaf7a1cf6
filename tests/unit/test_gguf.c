/* GGUF files: what the writer writes the reader reads, and what is broken it refuses. */
#include "llm/gguf.h"
#include "math/quant.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <cmocka.h> /* has a macro fail(): after the library's headers */

enum { ROOM = 1 << 16 };

static char path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/test_gguf.XXXXXX");
	int file = mkstemp(path);
	return file < 0 ? -1 : close(file);
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_bytes(const void *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static size_t read_bytes(uint8_t bytes[ROOM])
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	size_t size = fread(bytes, 1, ROOM, file);
	assert_int_equal(fclose(file), 0);
	return size;
}

/* --- files by hand --------------------------------------------------------- */

static Error none;

static void put(Buffer *b, uint64_t value, size_t size)
{
	assert_true(buffer_append(b, &value, size, &none));
}

static void put_text(Buffer *b, const char *text)
{
	put(b, strlen(text), 8);
	assert_true(buffer_append(b, text, strlen(text), &none));
}

static void put_head(Buffer *b, uint32_t version, uint64_t tensors, uint64_t pairs)
{
	assert_true(buffer_append(b, "GGUF", 4, &none));
	put(b, version, 4);
	put(b, tensors, 8);
	put(b, pairs, 8);
}

static void put_key(Buffer *b, const char *key, uint32_t type, uint64_t value, size_t size)
{
	put_text(b, key);
	put(b, type, 4);
	put(b, value, size);
}

static void put_tensor(Buffer *b, const char *name, uint64_t columns, uint64_t rows, uint32_t type,
                       uint64_t offset)
{
	put_text(b, name);
	put(b, 2, 4);
	put(b, columns, 8);
	put(b, rows, 8);
	put(b, type, 4);
	put(b, offset, 8);
}

static void put_data(Buffer *b, size_t alignment, size_t size)
{
	while (b->size % alignment != 0)
		put(b, 0, 1);
	for (size_t i = 0; i < size; i++)
		put(b, 0, 1);
}

static Gguf *open_buffer(Buffer *b, Error *e)
{
	write_bytes(b->data, b->size);
	buffer_free(b);
	return gguf_open(path, e);
}

/* The bytes are refused with a message that has the path and these words. */
static void refused(Buffer *b, const char *words)
{
	Error e = {0};
	assert_null(open_buffer(b, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	if (strstr(e.text, words) == NULL || strstr(e.text, path) == NULL)
		fail_msg("'%s' does not say '%s'", e.text, words);
}

/* --- files by the writer --------------------------------------------------- */

static const float matrix[] = {1, 2, 3, 4, 5, 6}, vector[] = {-1, 0.5f, 1e-30f, 3e30f, 0, 7, 8, 9};

static void write_example(void)
{
	Error e = {0};
	Output o = {0};
	Strings words = {0};
	GgufWriter *w = gguf_writer_new(&e);
	assert_true(strings_append(&words, "one", 3, &e) && strings_append(&words, "", 0, &e) &&
	            strings_append(&words, "\xc3\xa9\0x", 4, &e));
	assert_true(gguf_add_string(w, "general.architecture", text_of("llama"), &e));
	assert_true(gguf_add_u32(w, "a.count", 4000000000u, &e));
	assert_true(gguf_add_f32(w, "a.real", 0.25f, &e));
	assert_true(gguf_add_bool(w, "a.yes", true, &e));
	assert_true(gguf_add_strings(w, "a.words", &words, &e));
	assert_true(gguf_add_i32s(w, "a.integers", (int32_t[]){-1, 2, INT32_MIN}, 3, &e));
	assert_true(gguf_add_f32s(w, "a.reals", vector, 8, &e));
	assert_true(gguf_add_tensor(w, "matrix", 2, (size_t[]){3, 2}, matrix, &e));
	assert_true(gguf_add_tensor(w, "vector", 1, (size_t[]){8}, vector, &e));
	assert_true(output_open(&o, path, true, &e) && gguf_write(w, &o, &e) && output_close(&o, &e));
	assert_int_equal(e.code, ERROR_NONE);
	gguf_writer_free(w);
	strings_free(&words);
}

static void check_metadata(const Gguf *g)
{
	Error e = {0};
	int64_t integer;
	double real;
	bool yes = false;
	Text text;
	assert_true(gguf_string(g, "general.architecture", &text, &e));
	assert_true(text_is(text, "llama"));
	assert_true(gguf_integer(g, "a.count", 0, UINT32_MAX, &integer, &e));
	assert_int_equal(integer, 4000000000);
	assert_true(gguf_real(g, "a.real", &real, &e) && fabs(real - 0.25) <= 0);
	assert_true(gguf_bool(g, "a.yes", &yes, &e) && yes);
	assert_true(gguf_has(g, "a.words"));
	assert_false(gguf_has(g, "a.word"));
}

static void check_arrays(const Gguf *g)
{
	Error e = {0};
	Strings words = {0};
	int32_t *integers;
	float *reals;
	size_t count;
	assert_true(gguf_strings(g, "a.words", &words, &e));
	assert_int_equal(words.count, 3);
	assert_int_equal(strings_at(&words, 1).size, 0);
	assert_memory_equal(strings_at(&words, 2).data, "\xc3\xa9\0x", 4);
	assert_true(gguf_integers(g, "a.integers", &integers, &count, &e));
	assert_int_equal(count, 3);
	assert_int_equal(integers[2], INT32_MIN);
	assert_true(gguf_reals(g, "a.reals", &reals, &count, &e));
	assert_int_equal(count, 8);
	assert_memory_equal(reals, vector, sizeof vector);
	strings_free(&words);
	memory_free(integers);
	memory_free(reals);
}

static void check_tensors(const Gguf *g)
{
	float out[8];
	assert_int_equal(gguf_tensor_count(g), 2);
	const GgufTensor *t = gguf_tensor(g, "matrix");
	assert_non_null(t);
	assert_ptr_equal(t, gguf_tensor_at(g, 0));
	assert_string_equal(t->name, "matrix");
	assert_int_equal(t->rank, 2);
	assert_int_equal(t->shape[0], 3);
	assert_int_equal(t->shape[1], 2);
	assert_int_equal(t->offset % 32, 0);
	gguf_expand(t, out);
	assert_memory_equal(out, matrix, sizeof matrix);
	gguf_expand(gguf_tensor(g, "vector"), out);
	assert_memory_equal(out, vector, sizeof vector);
	assert_null(gguf_tensor(g, "matri"));
}

static void test_round_trip(void **state)
{
	(void)state;
	static uint8_t bytes[ROOM];
	Error e = {0};
	write_example();
	Gguf *g = gguf_open(path, &e);
	assert_non_null(g);
	check_metadata(g);
	check_arrays(g);
	check_tensors(g);
	size_t size = read_bytes(bytes);
	assert_int_equal(size % 32, 0);
	assert_true(gguf_hash(g) == XXH64(bytes, size, 0));
	assert_string_equal(gguf_path(g), path);
	gguf_close(g);
}

static void test_pipe(void **state)
{
	(void)state;
	static uint8_t bytes[ROOM];
	Error e = {0};
	int ends[2];
	char name[32];
	write_example();
	size_t size = read_bytes(bytes);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes, size), size);
	assert_int_equal(close(ends[1]), 0);
	snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
	Gguf *g = gguf_open(name, &e);
	assert_non_null(g);
	check_metadata(g);
	check_tensors(g);
	gguf_close(g);
	assert_int_equal(close(ends[0]), 0);
}

static void test_wrong_questions(void **state)
{
	(void)state;
	Error e = {0};
	int64_t integer;
	double real;
	write_example();
	Gguf *g = gguf_open(path, &e);
	assert_non_null(g);
	assert_false(gguf_integer(g, "a.count", 0, 1000, &integer, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	e = (Error){0};
	assert_false(gguf_integer(g, "a.real", 0, 1000, &integer, &e));
	assert_non_null(strstr(e.text, "'a.real' is of type f32"));
	e = (Error){0};
	assert_false(gguf_real(g, "a.none", &real, &e));
	assert_non_null(strstr(e.text, "'a.none' is missing"));
	gguf_close(g);
	e = (Error){0};
	assert_null(gguf_open("/nonexistent/file", &e));
	assert_int_equal(e.code, ERROR_FAILURE);
}

static void test_writer_refuses(void **state)
{
	(void)state;
	Error e = {0};
	GgufWriter *w = gguf_writer_new(&e);
	assert_true(gguf_add_u32(w, "key", 1, &e));
	assert_false(gguf_add_u32(w, "key", 1, &e));
	assert_int_equal(e.code, ERROR_USAGE);
	e = (Error){0};
	assert_true(gguf_add_tensor(w, "t", 1, (size_t[]){6}, matrix, &e));
	assert_false(gguf_add_tensor(w, "t", 1, (size_t[]){6}, matrix, &e));
	assert_int_equal(e.code, ERROR_USAGE);
	e = (Error){0};
	assert_false(gguf_add_tensor(w, "u", 5, (size_t[]){1, 1, 1, 1, 6}, matrix, &e));
	gguf_writer_free(w);
}

/* --- broken files ---------------------------------------------------------- */

static void test_truncated(void **state)
{
	(void)state;
	static uint8_t bytes[ROOM];
	write_example();
	size_t size = read_bytes(bytes);
	for (size_t cut = 0; cut < size; cut++) {
		Error e = {0};
		write_bytes(bytes, cut);
		Gguf *g = gguf_open(path, &e);
		if (g != NULL)
			fail_msg("opens with %zu of %zu bytes", cut, size);
		assert_int_equal(e.code, ERROR_MALFORMED);
	}
}

/* Whatever opens can be used. */
static void use(const Gguf *g)
{
	static const char *const keys[] = {"general.architecture", "a.count", "a.real", "a.yes", "a.words",
	                                   "a.integers",           "a.reals"};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		Error e = {0};
		int64_t integer;
		double real;
		bool yes;
		Text text;
		Strings words = {0};
		int32_t *integers = NULL;
		float *reals = NULL;
		size_t count;
		(void)gguf_integer(g, keys[i], INT64_MIN, INT64_MAX, &integer, &e);
		(void)gguf_real(g, keys[i], &real, &e);
		(void)gguf_bool(g, keys[i], &yes, &e);
		(void)gguf_string(g, keys[i], &text, &e);
		(void)gguf_strings(g, keys[i], &words, &e);
		(void)gguf_integers(g, keys[i], &integers, &count, &e);
		(void)gguf_reals(g, keys[i], &reals, &count, &e);
		strings_free(&words);
		memory_free(integers);
		memory_free(reals);
	}
	for (size_t i = 0; i < gguf_tensor_count(g); i++) {
		const GgufTensor *t = gguf_tensor_at(g, i);
		float *out = malloc(t->count * sizeof *out);
		assert_non_null(out);
		gguf_expand(t, out);
		free(out);
	}
}

static void test_flipped(void **state)
{
	(void)state;
	static uint8_t bytes[ROOM];
	write_example();
	size_t size = read_bytes(bytes), refusals = 0;
	for (size_t bit = 0; bit < 8 * size; bit++) {
		Error e = {0};
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		write_bytes(bytes, size);
		Gguf *g = gguf_open(path, &e);
		if (g != NULL)
			use(g);
		else
			assert_int_equal(e.code, ERROR_MALFORMED);
		refusals += g == NULL;
		gguf_close(g);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(refusals > size);
}

static void test_kinds(void **state)
{
	(void)state;
	static const struct {
		uint32_t type;
		size_t size;
		uint64_t bits;
		int64_t value;
	} integers[] = {
	    {GGUF_U8, 1, 0xff, 255},
	    {GGUF_I8, 1, 0xff, -1},
	    {GGUF_U16, 2, 0xfffe, 65534},
	    {GGUF_I16, 2, 0xfffe, -2},
	    {GGUF_U32, 4, 1u << 31, 1l << 31},
	    {GGUF_I32, 4, 1u << 31, INT32_MIN},
	    {GGUF_U64, 8, INT64_MAX, INT64_MAX},
	    {GGUF_I64, 8, 1ul << 63, INT64_MIN},
	};
	for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
		Error e = {0};
		Buffer b = {0};
		int64_t value;
		put_head(&b, i % 2 ? 2 : 3, 0, 1);
		put_key(&b, "k", integers[i].type, integers[i].bits, integers[i].size);
		Gguf *g = open_buffer(&b, &e);
		assert_non_null(g);
		assert_true(gguf_integer(g, "k", INT64_MIN, INT64_MAX, &value, &e));
		assert_true(value == integers[i].value);
		gguf_close(g);
	}
	Error e = {0};
	Buffer b = {0};
	int64_t value;
	double real;
	put_head(&b, 3, 0, 2);
	put_key(&b, "big", GGUF_U64, 1ul << 63, 8);
	put_key(&b, "real", GGUF_F64, 0x3ff8000000000000, 8);
	Gguf *g = open_buffer(&b, &e);
	assert_false(gguf_integer(g, "big", INT64_MIN, INT64_MAX, &value, &e));
	e = (Error){0};
	assert_true(gguf_real(g, "real", &real, &e) && fabs(real - 1.5) <= 0);
	gguf_close(g);
}

static void put_nested(Buffer *b, unsigned depth)
{
	put_text(b, "nested");
	put(b, GGUF_ARRAY, 4);
	for (unsigned i = 0; i < depth; i++) {
		put(b, GGUF_ARRAY, 4);
		put(b, 1, 8);
	}
	put(b, GGUF_U8, 4);
	put(b, 3, 8);
	put(b, 0x030201, 3);
}

static void test_nested(void **state)
{
	(void)state;
	Error e = {0};
	Buffer b = {0};
	int64_t value;
	put_head(&b, 3, 0, 2);
	put_nested(&b, 3);
	put_key(&b, "after", GGUF_U8, 7, 1);
	Gguf *g = open_buffer(&b, &e);
	assert_non_null(g);
	assert_true(gguf_integer(g, "after", 7, 7, &value, &e));
	gguf_close(g);
	put_head(&b, 3, 0, 1);
	put_nested(&b, 100);
	refused(&b, "nested");
}

static void test_broken_heads(void **state)
{
	(void)state;
	Buffer b = {0};
	assert_true(buffer_append(&b, "GGML and so on", 14, &none));
	refused(&b, "no GGUF file");
	put_head(&b, 1, 0, 0);
	refused(&b, "version 1");
	put_head(&b, 0x03000000, 0, 0);
	refused(&b, "big-endian");
	put_head(&b, 3, UINT64_MAX, 0);
	refused(&b, "more than the file has room for");
	put_head(&b, 3, 0, 1ul << 60);
	refused(&b, "more than the file has room for");
	put_head(&b, 3, 0, 2);
	put_key(&b, "same", GGUF_U8, 1, 1);
	put_key(&b, "same", GGUF_U8, 2, 1);
	refused(&b, "'same' is there twice");
	put_head(&b, 3, 0, 1);
	put_key(&b, "odd", 13, 1, 4);
	refused(&b, "type 13");
	put_head(&b, 3, 0, 1);
	put_key(&b, "flag", GGUF_BOOL, 2, 1);
	refused(&b, "'flag'");
	put_head(&b, 3, 0, 1);
	put_key(&b, "general.alignment", GGUF_U32, 24, 4);
	refused(&b, "alignment");
	put_head(&b, 3, 0, 1);
	put_key(&b, "general.alignment", GGUF_U32, 0, 4);
	refused(&b, "alignment");
}

static void test_broken_tensors(void **state)
{
	(void)state;
	static const struct {
		uint64_t columns, rows, offset;
		uint32_t type;
		const char *words;
	} cases[] = {
	    {8, 4, 0, 16, "'t': is of type 16 (IQ2_XXS), supported are F32, F16, BF16, Q4_0"},
	    {8, 4, 0, 77, "type 77 (unknown)"},
	    {8, 4, 8, GGML_F32, "no multiple of 32"},
	    {8, 4, 32, GGML_F32, "ends early"},
	    {8, 4, 1ul << 63, GGML_F32, "ends early"},
	    {8, 5, 0, GGML_F32, "ends early"},
	    {0, 4, 0, GGML_F32, "length 0"},
	    {1ul << 40, 1ul << 40, 0, GGML_F32, "dimension"},
	    {1ul << 40, 1ul << 22, 0, GGML_F32, "larger than any file"},
	    {48, 1, 0, GGML_Q8_0, "no blocks of 32"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		Buffer b = {0};
		put_head(&b, 3, 1, 0);
		put_tensor(&b, "t", cases[i].columns, cases[i].rows, cases[i].type, cases[i].offset);
		put_data(&b, 32, 128);
		refused(&b, cases[i].words);
	}
	Buffer b = {0};
	put_head(&b, 3, 2, 0);
	put_tensor(&b, "t", 8, 4, GGML_F32, 0);
	put_tensor(&b, "t", 8, 4, GGML_F32, 0);
	put_data(&b, 32, 128);
	refused(&b, "tensor 't' is there twice");
	put_head(&b, 3, 2, 0);
	put_tensor(&b, "t", 8, 4, GGML_F32, 0);
	put_tensor(&b, "u", 8, 1, GGML_F32, 96);
	put_data(&b, 32, 128);
	refused(&b, "overlap: 'u'");
}

static void test_alignment(void **state)
{
	(void)state;
	Error e = {0};
	Buffer b = {0};
	put_head(&b, 3, 2, 1);
	put_key(&b, "general.alignment", GGUF_U32, 128, 4);
	put_tensor(&b, "a", 1, 1, GGML_F32, 0);
	put_tensor(&b, "b", 1, 1, GGML_F32, 128);
	put_data(&b, 128, 128);
	put(&b, 0x40000000, 4);
	Gguf *g = open_buffer(&b, &e);
	assert_non_null(g);
	float value = 0;
	gguf_expand(gguf_tensor(g, "b"), &value);
	assert_true(value >= 2 && value <= 2);
	assert_int_equal(gguf_tensor(g, "b")->offset % 128, 0);
	gguf_close(g);
}

/* --- element types --------------------------------------------------------- */

static void check_block(uint32_t type, const uint8_t *block, const float *expected)
{
	float out[32];
	const QuantType *t = quant_type(type);
	assert_non_null(t);
	assert_non_null(strstr(quant_supported(), t->name));
	quant_expand(t, block, 1, out);
	assert_memory_equal(out, expected, t->elements * sizeof *out);
}

static void test_types(void **state)
{
	(void)state;
	uint8_t block[34] = {0x00, 0x38}; /* F16: 0.5 */
	float expected[32];
	check_block(GGML_F16, block, (float[]){0.5f});
	check_block(GGML_BF16, (uint8_t[]){0xc0, 0x3f}, (float[]){1.5f});
	check_block(GGML_F32, (uint8_t[]){0, 0, 0xc0, 0x3f}, (float[]){1.5f});
	for (size_t i = 0; i < 32; i++) {
		block[2 + i] = (uint8_t)(i * 8 - 128);
		expected[i] = 0.5f * ((float)i * 8 - 128);
	}
	check_block(GGML_Q8_0, block, expected);
	for (size_t i = 0; i < 16; i++) {
		block[2 + i] = (uint8_t)(i | (15 - i) << 4);
		expected[i] = 0.5f * ((float)i - 8);
		expected[16 + i] = 0.5f * (7 - (float)i);
	}
	check_block(GGML_Q4_0, block, expected);
	assert_null(quant_type(4));
}

/* A model's part: one tensor of the number's name and value. */
static void write_part(const char *name, uint32_t number, uint32_t count, const char *tensor)
{
	Error e = {0};
	Output output = {0};
	const float value = (float)number;
	GgufWriter *w = gguf_writer_new(&e);
	assert_true(gguf_add_u32(w, "split.no", number, &e) && gguf_add_u32(w, "split.count", count, &e) &&
	            gguf_add_u32(w, "split.tensors.count", count, &e) &&
	            gguf_add_tensor(w, tensor, 1, (size_t[]){1}, &value, &e) &&
	            output_open(&output, name, true, &e) && gguf_write(w, &output, &e) &&
	            output_close(&output, &e));
	gguf_writer_free(w);
}

static void part_path(char *name, size_t size, int number)
{
	snprintf(name, size, "%s-%05d-of-00003.gguf", path, number);
}

static int open_parts(const char *name, const char *words)
{
	Error e = {0};
	Gguf *g = gguf_open(name, &e);
	assert_true((g == NULL) == (e.code != ERROR_NONE));
	if (g == NULL && strstr(e.text, words) == NULL)
		fail_msg("'%s' does not say '%s'", e.text, words);
	gguf_close(g);
	return e.code;
}

static void test_parts(void **state)
{
	(void)state;
	Error e = {0};
	char names[3][96];
	const char *tensors[] = {"zero", "one", "two"};
	for (uint32_t i = 0; i < 3; i++) {
		part_path(names[i], sizeof names[i], (int)i + 1);
		write_part(names[i], i, 3, tensors[i]);
	}
	Gguf *g = gguf_open(names[0], &e);
	assert_non_null(g);
	assert_int_equal(gguf_tensor_count(g), 3);
	for (int i = 0; i < 3; i++) {
		float value;
		gguf_expand(gguf_tensor(g, tensors[i]), &value);
		assert_true(value == (float)i && strcmp(gguf_tensor_at(g, (size_t)i)->name, tensors[i]) == 0);
	}
	uint64_t hash = gguf_hash(g);
	gguf_close(g);
	assert_int_equal(open_parts(names[1], "give the first"), ERROR_MALFORMED);
	write_part(names[2], 2, 3, "three");
	g = gguf_open(names[0], &e);
	assert_true(g != NULL && gguf_hash(g) != hash);
	gguf_close(g);
	write_part(names[2], 2, 3, "one");
	assert_int_equal(open_parts(names[0], "there twice"), ERROR_MALFORMED);
	write_part(names[2], 1, 3, "two");
	assert_int_equal(open_parts(names[0], "is part 2 of 3"), ERROR_MALFORMED);
	unlink(names[2]);
	assert_int_equal(open_parts(names[0], names[2]), ERROR_FAILURE);
	unlink(names[0]);
	unlink(names[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_pipe),
	    cmocka_unit_test(test_wrong_questions), cmocka_unit_test(test_writer_refuses),
	    cmocka_unit_test(test_truncated),       cmocka_unit_test(test_flipped),
	    cmocka_unit_test(test_kinds),           cmocka_unit_test(test_nested),
	    cmocka_unit_test(test_broken_heads),    cmocka_unit_test(test_broken_tensors),
	    cmocka_unit_test(test_alignment),       cmocka_unit_test(test_types),
	    cmocka_unit_test(test_parts),
	};
	return cmocka_run_group_tests(tests, make_path, remove_path);
}
