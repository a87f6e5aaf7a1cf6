/* The unigram model against SentencePiece, its table of replacements, and normalizers. */
#include "llm/vocabulary.h"
#include "text/charsmap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tokens.h" /* brings in cmocka, which has a macro fail(): after the library's headers */

static Error none;

/* What SentencePiece 0.1.97 learned, and the ids below:
 *   spm.SentencePieceTrainer.train(input='tiny.txt', model_prefix='tiny', model_type='unigram',
 *       vocab_size=44, normalization_rule_name='identity', user_defined_symbols='<sep>',
 *       hard_vocab_limit=False)
 * of the lines "the cat sat on the mat", "the cat ate the rat", "a rat sat on a hat", "that hat is flat",
 * "1 2 3 cats and 10 rats", "don't pat that cat"; then encode() of each text. */
static const struct {
	const char *text;
	float score;
} pieces[] = {
    {"<unk>", 0},           {"<s>", 0},           {"</s>", 0},
    {"<sep>", 0},           {"▁", -1.72658813f},  {"at", -2.17122078f},
    {"▁th", -2.47594237f},  {"s", -2.67594242f},  {"e", -2.67594266f},
    {"▁cat", -2.92594266f}, {"on", -3.25927591f}, {"▁rat", -3.25927615f},
    {"▁a", -3.31962347f},   {"d", -3.75927591f},  {"▁hat", -3.75927663f},
    {"▁1", -3.75928068f},   {"t", -4.70159054f},  {"1", -4.75877571f},
    {"r", -4.75887585f},    {"o", -4.75897598f},  {"c", -4.75907612f},
    {"h", -4.75917578f},    {"f", -4.75927448f},  {"n", -4.75927544f},
    {"'", -4.75927591f},    {"0", -4.75927591f},  {"2", -4.75927591f},
    {"3", -4.75927591f},    {"a", -4.75927591f},  {"i", -4.75927591f},
    {"l", -4.75927591f},    {"m", -4.75927591f},  {"p", -4.75927591f},
};
enum { PIECES = sizeof pieces / sizeof *pieces, BYTES = PIECES };

static const struct {
	const char *text;
	int32_t ids[10]; /* then 0s, but for one in between */
	size_t count;
} cases[] = {
    {"", {0}, 0},
    {"  ", {0}, 0},
    {"the cat", {6, 8, 9}, 3},
    {" the  cat ", {6, 8, 9}, 3},
    {"thatch", {6, 5, 20, 21}, 4},
    {"at<sep>hat", {4, 5, 3, 21, 5}, 5},
    {"a <sep> cat", {12, 4, 3, 9}, 4},
    {"rats & cats", {11, 7, 4, 0, 9, 7}, 6},
    {"xyz", {4, 0}, 2},
    {"👨‍👩‍👧 cat", {4, 0, 9}, 3},
    {"你好 the", {4, 0, 6, 8}, 4},
    {"don't 123", {4, 13, 10, 24, 16, 15, 26, 27}, 8},
    {"e\xcc\x81 mat", {4, 8, 0, 4, 31, 5}, 6},
    {"\x01\x07"
     "a",
     {4, 0, 28},
     3},
    {"مرحبا", {4, 0}, 2},
    {"\t a", {4, 0, 12}, 3},
};

static TokenizerModel unigram_model(bool bytes)
{
	size_t count = PIECES + (bytes ? 256 : 0);
	TokenizerModel m = {.kind = TOKENIZER_UNIGRAM,
	                    .pre = "default",
	                    .bos = 1,
	                    .eos = 2,
	                    .eot = TOKEN_NONE,
	                    .unknown = 0,
	                    .add_space_prefix = true,
	                    .squeeze_spaces = !bytes};
	m.scores = memory_new(count, sizeof *m.scores, &none);
	m.types = memory_new(count, sizeof *m.types, &none);
	for (size_t i = 0; i < count; i++) {
		char name[8] = "";
		assert_true(i < PIECES ||
		            snprintf(name, sizeof name, "<0x%02X>", (unsigned)(i - BYTES)) == 6);
		const char *text = i < PIECES ? pieces[i].text : name;
		assert_true(strings_append(&m.tokens, text, strlen(text), &none));
		m.scores[i] = i < PIECES ? pieces[i].score : 0;
		m.types[i] = i >= PIECES ? TOKEN_BYTE : TOKEN_NORMAL;
	}
	m.types[0] = TOKEN_UNKNOWN;
	m.types[1] = m.types[2] = TOKEN_CONTROL;
	m.types[3] = TOKEN_USER_DEFINED;
	return m;
}

static void test_sentencepiece(void **state)
{
	(void)state;
	TokenizerModel m = unigram_model(false);
	Tokenizer *t = make(&m);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		expect_text(t, text_of(cases[i].text), 0, cases[i].count, cases[i].ids);
	tokenizer_free(t);
}

static void test_round_trip(void **state)
{
	(void)state;
	static const char broken[] = "\xff\xc3( a\xe2\x82 \0b";
	TokenizerModel m = unigram_model(true);
	Tokenizer *t = make(&m);
	for (size_t i = 0; i <= sizeof cases / sizeof *cases; i++) {
		Error e = {0};
		Tokens ids = {0};
		Buffer back = {0};
		Text text = i < sizeof cases / sizeof *cases ? text_of(cases[i].text)
		                                             : (Text){broken, sizeof broken - 1};
		assert_true(tokenizer_encode(t, text, 0, &ids, &e));
		assert_true(tokenizer_decode(t, ids.ids, ids.count, &back, &e));
		assert_true(text_equal((Text){(char *)back.data, back.size}, text));
		tokens_free(&ids);
		buffer_free(&back);
	}
	tokenizer_free(t);
}

/* --- replacements ------------------------------------------------------------------------ */

static uint32_t node(uint32_t offset, uint8_t label, bool leaf)
{
	return offset << 10 | (leaf ? 0x100u : 0) | label;
}

/* "A" becomes "the", and "AB" nothing. */
static Buffer small_charsmap(uint32_t first_leaf)
{
	enum { UNITS = 0x301 };
	static const char strings[] = "the\0";
	Buffer b = {0};
	uint32_t size = UNITS * 4, units[UNITS] = {0};
	units[0] = node(0x100, 0, false);
	units[0x100 ^ 'A'] = node((0x100 ^ 'A') ^ 0x200, 'A', true);
	units[0x200] = 0x80000000u | first_leaf;
	units[0x200 ^ 'B'] = node((0x200 ^ 'B') ^ 0x300, 'B', true);
	units[0x300] = 0x80000000u | 4;
	assert_true(buffer_append(&b, &size, 4, &none) && buffer_append(&b, units, sizeof units, &none) &&
	            buffer_append(&b, strings, sizeof strings, &none));
	return b;
}

static void test_charsmap(void **state)
{
	(void)state;
	TokenizerModel m = unigram_model(false);
	m.charsmap = small_charsmap(0);
	Tokenizer *t = make(&m);
	expect_text(t, text_of("A cat"), 0, 3, (int32_t[]){6, 8, 9});
	expect_text(t, text_of("AB cat"), 0, 1, (int32_t[]){9});
	expect_text(t, text_of("AAB"), 0, 2, (int32_t[]){6, 8});
	tokenizer_free(t);
}

/* Tables that lead out of themselves find nothing there, and read nothing. */
static void test_broken_charsmap(void **state)
{
	(void)state;
	Error e = {0};
	Charsmap map;
	Text replacement;
	Buffer b = small_charsmap(1 << 20);
	Text table = {(char *)b.data, b.size};
	assert_true(charsmap_open(table, &map, &e));
	assert_int_equal(charsmap_find(&map, text_of("A"), &replacement), 0);
	assert_int_equal(charsmap_find(&map, text_of("AB"), &replacement), 2);
	memset(b.data + 4, 0xff, 4); /* the root leads far away */
	assert_int_equal(charsmap_find(&map, text_of("AB"), &replacement), 0);
	table.size = 100;
	assert_false(charsmap_open(table, &map, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	buffer_free(&b);
}

/* --- in GGUF ------------------------------------------------------------------------------- */

static void test_gguf(void **state)
{
	(void)state;
	Error e = {0};
	Output o = {0};
	char path[] = "/tmp/test_unigram.XXXXXX";
	TokenizerModel m = unigram_model(false);
	m.charsmap = small_charsmap(0);
	m.chat_template = memory_string("<|im_start|> <|im_end|>", &e);
	m.eot = 3;
	Tokenizer *t = make(&m);
	GgufWriter *w = gguf_writer_new(&e);
	assert_true(vocabulary_write(tokenizer_model(t), tokenizer_size(t), w, &e));
	int file = mkstemp(path);
	assert_true(file >= 0 && close(file) == 0);
	assert_true(output_open(&o, path, true, &e) && gguf_write(w, &o, &e) && output_close(&o, &e));
	gguf_writer_free(w);
	tokenizer_free(t);
	Gguf *g = gguf_open(path, &e);
	assert_non_null(g);
	t = vocabulary_read(g, &e);
	assert_non_null(t);
	gguf_close(g);
	assert_int_equal(unlink(path), 0);
	assert_string_equal(tokenizer_model(t)->chat_template, "<|im_start|> <|im_end|>");
	assert_true(tokenizer_ends(t, 3) && tokenizer_ends(t, 2) && !tokenizer_ends(t, 1));
	expect_text(t, text_of("A  cat"), 0, 3, (int32_t[]){6, 8, 9});
	tokenizer_free(t);
}

/* --- normalizers ------------------------------------------------------------------------------ */

static void expect_normal(NormalizeKind kind, const char *pattern, const char *content, const char *text,
                          const char *wanted)
{
	Error e = {0};
	Buffer out = {0};
	NormalizeSteps steps = {0};
	Text bytes = {pattern, strlen(pattern) + (kind == NORMALIZE_REPLACE_MATCH)};
	assert_true(normalize_steps_add(&steps, kind, bytes, text_of(content), &e));
	Normalizer *n = normalizer_new(&steps, &e);
	assert_non_null(n);
	assert_true(normalizer_run(n, text_of(text), false, &out, &e));
	if (!text_is((Text){(char *)out.data, out.size}, wanted))
		fail_msg("'%s' becomes '%.*s'", text, (int)out.size, out.data);
	normalizer_free(n);
	normalize_steps_free(&steps);
	buffer_free(&out);
}

static void test_normalizers(void **state)
{
	(void)state;
	expect_normal(NORMALIZE_NFC, "", "", "e\xcc\x81\xff \xe1\x84\x92\xe1\x85\xa1",
	              "\xc3\xa9\xff \xed\x95\x98");
	expect_normal(NORMALIZE_NFD, "", "", "\xc3\xa9", "e\xcc\x81");
	expect_normal(NORMALIZE_NFKC, "", "", "\xef\xac\x81 \xe2\x84\xab", "fi \xc3\x85");
	expect_normal(NORMALIZE_NFKD, "", "", "\xe2\x84\xab", "A\xcc\x8a");
	expect_normal(NORMALIZE_LOWERCASE, "", "", "AÉ\xc4\xb0 z\xff", "aéi\xcc\x87 z\xff");
	expect_normal(NORMALIZE_STRIP_LEFT, "", "", " \n\xe3\x80\x80 a b ", "a b ");
	expect_normal(NORMALIZE_STRIP_RIGHT, "", "", " a b \xc2\x85", " a b");
	expect_normal(NORMALIZE_REPLACE, "aa", "b", "aaaaa", "bba");
	expect_normal(NORMALIZE_REPLACE_MATCH, " {2,}", "_", "a b  c\xff   ", "a b_c\xff_");
	expect_normal(NORMALIZE_PREPEND, "", "x", "xy", "xxy");
	expect_normal(NORMALIZE_PREPEND, "", "x", "", "");
	expect_normal(NORMALIZE_PREPEND_UNLESS, "", "x", "xy", "xy");
	expect_normal(NORMALIZE_PREPEND_FIRST, "", "x", "y", "y");
	expect_normal(NORMALIZE_SQUEEZE, "", "", "  a   b \n ", "a b \n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sentencepiece), cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_charsmap),      cmocka_unit_test(test_broken_charsmap),
	    cmocka_unit_test(test_gguf),          cmocka_unit_test(test_normalizers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
