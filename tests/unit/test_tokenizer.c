/* Tokenizers on vocabularies small enough to follow by hand. */
#include "llm/vocabulary.h"
#include "text/pretokenizer.h"
#include "text/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tokens.h" /* brings in cmocka, which has a macro fail(): after the library's headers */

static Error none;

static const char *const texts[] = {
    "",
    " ",
    "a",
    "   a",
    "low lower lowest",
    "I'm you'RE  two   spaces \n\n tab\t\r\n x ",
    "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 "
    "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd", /* emoji */
    "\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96\xe7\x95\x8c \xe3\x81\x93\xe3\x82\x93 "
    "\xed\x95\x9c\xea\xb5\xad",                                          /* CJK */
    "e\xcc\x81 Z\xcd\x91\xcd\xab\xcc\x93\xcd\xaa \xe1\xba\x9b\xcc\xa3",  /* combining marks */
    "\x01\x07\x1b[0m\x7f\xc2\x80\xc2\x9f",                               /* control characters */
    "\xef\xbb\xbf\xc2\xa0\xe2\x80\xa8\xe3\x80\x80x\xe1\xa0\x8e",         /* odd spaces */
    "\xff\xfe\xc3\x28 a\xe2\x82 \xed\xa0\x80 \xf4\x90\x80\x80 \xc0\x80", /* no UTF-8 */
    "1234567890 3.14 x=10 !?..",
    "<|endoftext|> <s>",
};
enum { TEXTS = sizeof texts / sizeof *texts };

static void add(Strings *s, const char *text)
{
	assert_true(strings_append(s, text, strlen(text), &none));
}

static TokenizerModel empty_model(TokenizerKind kind)
{
	return (TokenizerModel){.kind = kind,
	                        .pre = "gpt-2",
	                        .bos = TOKEN_NONE,
	                        .eos = TOKEN_NONE,
	                        .eot = TOKEN_NONE,
	                        .unknown = TOKEN_NONE};
}

#define expect(t, text, ids) expect_text(t, text_of(text), 0, ids)

static void round_trip(const Tokenizer *t, Text text)
{
	Error e = {0};
	Tokens ids = {0};
	Buffer back = {0};
	assert_true(tokenizer_encode(t, text, TOKENIZE_BOS, &ids, &e));
	assert_true(tokenizer_decode(t, ids.ids, ids.count, &back, &e));
	assert_int_equal(back.size, text.size);
	if (text.size > 0)
		assert_memory_equal(back.data, text.data, text.size);
	tokens_free(&ids);
	buffer_free(&back);
}

static void round_trips(const Tokenizer *t)
{
	for (size_t i = 0; i < TEXTS; i++)
		round_trip(t, text_of(texts[i]));
	round_trip(t, (Text){"a\0b\0\0", 5});
}

/* --- bytes and letters ------------------------------------------------------- */

static void test_alphabet(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++)
		assert_int_equal(alphabet_to_byte(alphabet_of_byte((uint8_t)byte)), byte);
	assert_int_equal(alphabet_of_byte(' '), 0x120);  /* Ġ */
	assert_int_equal(alphabet_of_byte('\n'), 0x10a); /* Ċ */
	assert_int_equal(alphabet_of_byte('!'), '!');
	assert_int_equal(alphabet_of_byte(0xad), 0x143); /* the last one */
	assert_int_equal(alphabet_to_byte(0x144), -1);
	assert_int_equal(alphabet_to_byte(' '), -1);
}

static void test_utf8(void **state)
{
	(void)state;
	static const uint32_t edges[] = {0,      0x7f,   0x80,   0x7ff,   0x800,
	                                 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff};
	static const char *const broken[] = {
	    "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
	    "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80",
	    "\xc3(",        "\xe2\x82"};
	uint32_t code;
	for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
		char bytes[4];
		size_t length = utf8_encode(edges[i], bytes);
		assert_int_equal(utf8_decode(bytes, 4, &code), length);
		assert_int_equal(code, edges[i]);
		assert_int_equal(utf8_decode(bytes, length - 1, &code), 0);
	}
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
		assert_int_equal(utf8_decode(broken[i], strlen(broken[i]), &code), 0);
}

/* --- words ------------------------------------------------------------------- */

static void expect_words(const char *pre, const char *text, const char *bars)
{
	Error e = {0};
	Words words = {0};
	Buffer got = {0};
	Pretokenizer *p = pretokenizer_new(pre, &e);
	assert_non_null(p);
	assert_true(pretokenizer_split(p, text_of(text), &words, &e));
	for (size_t i = 0; i < words.count; i++)
		assert_true(buffer_print(&got, &e, "%s%.*s", i ? "|" : "",
		                         (int)(words.items[i].end - words.items[i].start),
		                         text + words.items[i].start));
	assert_true(buffer_print(&got, &e, "%s", ""));
	assert_string_equal((char *)got.data, bars);
	pretokenizer_free(p);
	words_free(&words);
	buffer_free(&got);
}

static void test_words(void **state)
{
	(void)state;
	expect_words("gpt-2", "Don't  stop 123!", "Don|'t| | stop| 123|!");
	expect_words("gpt-2", "a\n\nb ", "a|\n|\n|b| ");
	expect_words("gpt-2", "I'M", "I|'|M");
	expect_words("smollm", "x 123", "x| |1|2|3");
	expect_words("llama-bpe", "I'M 12345 (x)\n\n  y", "I|'M| |123|45| (|x|)\n\n| | y");
	expect_words("qwen2", "12 ab", "1|2| ab");
	expect_words("default", "x=1234 $5", "x|=|123|4| |$|5");
	expect_words("gpt-2", "a\xff\xff b", "a|\xff\xff| b");
	expect_words("gpt-2", "!\xe1\xa0\x8e", "!\xe1\xa0\x8e"); /* U+180E is no space */
	Error e = {0};
	assert_null(pretokenizer_new("tekken", &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	assert_non_null(strstr(e.text, "'tekken' is not supported; these are: default, gpt-2"));
}

/* --- byte-level BPE ------------------------------------------------------------ */

/* 256 bytes, then merges: l o, lo w, e r, Ġ low, Ġlow er, e s; then a user
 * defined one, a control one, and a word that no merge makes. */
enum { LO = 256, LOW, ER, SPACE_LOW, SPACE_LOWER, ES, USER, LONGER, CONTROL, WHOLE, BPE_TOKENS };

static TokenizerModel bpe_model(const char *pre)
{
	static const char *const tokens[] = {"lo", "low",   "er",     "Ġlow",    "Ġlower",
	                                     "es", "<u r>", "<u r>!", "<|end|>", "best"};
	static const char *const merges[] = {"l o", "lo w", "e r", "Ġ low", "Ġlow er", "e s"};
	TokenizerModel m = empty_model(TOKENIZER_BPE);
	snprintf(m.pre, sizeof m.pre, "%s", pre);
	m.types = memory_new(BPE_TOKENS, sizeof *m.types, &none);
	for (int32_t i = 0; i < BPE_TOKENS; i++)
		m.types[i] = i == USER || i == LONGER ? TOKEN_USER_DEFINED
		             : i == CONTROL           ? TOKEN_CONTROL
		                                      : TOKEN_NORMAL;
	for (unsigned byte = 0; byte < 256; byte++) {
		char letter[5] = "";
		utf8_encode(alphabet_of_byte((uint8_t)byte), letter);
		add(&m.tokens, letter);
	}
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
		add(&m.tokens, tokens[i]);
	for (size_t i = 0; i < sizeof merges / sizeof *merges; i++)
		add(&m.merges, merges[i]);
	m.bos = m.eos = CONTROL;
	return m;
}

static void test_bpe(void **state)
{
	(void)state;
	TokenizerModel m = bpe_model("gpt-2");
	Tokenizer *t = make(&m);
	assert_int_equal(tokenizer_size(t), BPE_TOKENS);
	assert_int_equal(m.tokens.count, 0);
	expect(t, "low lower lowest", IDS(LOW, SPACE_LOWER, SPACE_LOW, ES, 't'));
	expect(t, "er re ere", IDS(ER, ' ', 'r', 'e', ' ', ER, 'e'));
	expect(t, "best", IDS('b', ES, 't'));
	expect(t, "<u r>low<u r> low", IDS(USER, LOW, USER, SPACE_LOW));
	expect(t, "<u r><u r>!", IDS(USER, LONGER));
	expect(t, "<|end|>", IDS('<', '|', 'e', 'n', 'd', '|', '>'));
	expect_text(t, text_of("low<|end|><u r>!"), TOKENIZE_SPECIAL, IDS(LOW, CONTROL, LONGER));
	expect(t, "\xff\xe2\x82", IDS(0xff, 0xe2, 0x82));
	expect_text(t, text_of(""), TOKENIZE_BOS, 0, NULL);
	round_trips(t);
	tokenizer_free(t);
}

static void test_whole_words(void **state)
{
	(void)state;
	TokenizerModel m = bpe_model("llama-bpe");
	m.add_bos = m.add_eos = true;
	Tokenizer *t = make(&m);
	/* The BOS, and no EOS, which a prompt must not end with. */
	expect_text(t, text_of("best low"), TOKENIZE_BOS, IDS(CONTROL, WHOLE, SPACE_LOW));
	expect(t, "best", IDS(WHOLE));
	round_trips(t);
	tokenizer_free(t);
}

static void test_leftmost(void **state)
{
	(void)state;
	TokenizerModel m = empty_model(TOKENIZER_BPE);
	add(&m.tokens, "a");
	add(&m.tokens, "aa");
	add(&m.tokens, "?");
	add(&m.merges, "a a");
	m.unknown = 2;
	Tokenizer *t = make(&m);
	expect(t, "aaaaa", IDS(1, 1, 0));
	expect(t, "abc", IDS(0, 2, 2)); /* no bytes b, c: unknown */
	tokenizer_free(t);
}

/* A merge into something that is no token falls back to bytes. */
static void test_merge_to_no_token(void **state)
{
	(void)state;
	TokenizerModel m = empty_model(TOKENIZER_BPE);
	add(&m.tokens, "a");
	add(&m.tokens, "b");
	add(&m.tokens, "aba");
	add(&m.merges, "a b");
	add(&m.merges, "ab a");
	Tokenizer *t = make(&m);
	expect(t, "ab", IDS(0, 1));
	expect(t, "aba", IDS(2));
	tokenizer_free(t);
}

static void refused(TokenizerModel *m, const char *words)
{
	Error e = {0};
	assert_null(tokenizer_new(m, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	if (strstr(e.text, words) == NULL)
		fail_msg("'%s' does not say '%s'", e.text, words);
	assert_null(m->tokens.bytes);
}

static void test_refused_models(void **state)
{
	(void)state;
	TokenizerModel m = bpe_model("gpt-5");
	refused(&m, "'gpt-5'");
	m = bpe_model("gpt-2");
	add(&m.merges, "nospace");
	refused(&m, "merge 6");
	m = bpe_model("gpt-2");
	m.eos = BPE_TOKENS;
	refused(&m, "EOS token 266");
	m = empty_model(TOKENIZER_BPE);
	refused(&m, "without tokens");
	m = empty_model(TOKENIZER_SENTENCEPIECE);
	add(&m.tokens, "a");
	refused(&m, "without scores");
}

static void test_decode_refuses(void **state)
{
	(void)state;
	Error e = {0};
	Buffer out = {0};
	TokenizerModel m = bpe_model("gpt-2");
	Tokenizer *t = make(&m);
	assert_false(tokenizer_decode(t, (int32_t[]){0, BPE_TOKENS}, 2, &out, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	e = (Error){0};
	assert_false(tokenizer_decode(t, (int32_t[]){-1}, 1, &out, &e));
	buffer_free(&out);
	tokenizer_free(t);
}

/* A million bytes without a border must not take a million times a million steps. */
static void test_long_word(void **state)
{
	(void)state;
	enum { LENGTH = 1000000 };
	TokenizerModel m = bpe_model("gpt-2");
	Tokenizer *t = make(&m);
	char *text = memory_new(LENGTH, 1, &none);
	for (size_t i = 0; i < LENGTH; i++)
		text[i] = "lower"[i % 5];
	round_trip(t, (Text){text, LENGTH});
	memset(text, ' ', LENGTH);
	round_trip(t, (Text){text, LENGTH});
	memory_free(text);
	tokenizer_free(t);
}

/* --- SentencePiece --------------------------------------------------------------- */

enum { UNKNOWN, BOS, EOS, BYTES, SP = BYTES + 256, A, B, AB, SP_A, SP_AB, HEART, END, PIECES };

static TokenizerModel piece_model(bool bytes)
{
	static const struct {
		const char *text;
		float score;
		int32_t type;
	} pieces[] = {
	    {"\xe2\x96\x81", -5, TOKEN_NORMAL},
	    {"a", -6, TOKEN_NORMAL},
	    {"b", -7, TOKEN_NORMAL},
	    {"ab", -2, TOKEN_NORMAL},
	    {"\xe2\x96\x81"
	     "a",
	     -1, TOKEN_NORMAL},
	    {"\xe2\x96\x81"
	     "ab",
	     -4, TOKEN_NORMAL},
	    {"<3", 0, TOKEN_USER_DEFINED},
	    {"bb", 0, TOKEN_CONTROL},
	};
	TokenizerModel m = empty_model(TOKENIZER_SENTENCEPIECE);
	m.types = memory_new(PIECES, sizeof *m.types, &none);
	m.scores = memory_new(PIECES, sizeof *m.scores, &none);
	add(&m.tokens, "<unk>");
	add(&m.tokens, "<s>");
	add(&m.tokens, "</s>");
	m.types[UNKNOWN] = TOKEN_UNKNOWN;
	m.types[BOS] = m.types[EOS] = TOKEN_CONTROL;
	for (unsigned byte = 0; byte < 256; byte++) {
		char name[16];
		snprintf(name, sizeof name, bytes ? "<0x%02X>" : "(%02X)", byte);
		add(&m.tokens, name);
		m.types[BYTES + byte] = bytes ? TOKEN_BYTE : TOKEN_NORMAL;
	}
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		add(&m.tokens, pieces[i].text);
		m.types[SP + i] = pieces[i].type;
		m.scores[SP + i] = pieces[i].score;
	}
	m.unknown = UNKNOWN;
	m.bos = BOS;
	m.eos = EOS;
	m.add_bos = m.add_space_prefix = true;
	return m;
}

static void test_sentencepiece(void **state)
{
	(void)state;
	TokenizerModel m = piece_model(true);
	Tokenizer *t = make(&m);
	expect(t, "ab", IDS(SP_AB)); /* ▁a is the best pair, then ▁ab */
	expect(t, "aab ab", IDS(SP_A, AB, SP_AB));
	expect(t, " a", IDS(SP, SP_A));
	expect(t, "c\n", IDS(SP, BYTES + 'c', BYTES + '\n'));
	expect(t, "\xc3\xa9\xff", IDS(SP, BYTES + 0xc3, BYTES + 0xa9, BYTES + 0xff));
	expect(t, "a<3b", IDS(SP_A, HEART, SP, B));
	expect(t, "bb", IDS(SP, B, B));
	expect(t, "<s>", IDS(SP, BYTES + '<', BYTES + 's', BYTES + '>'));
	expect_text(t, text_of("a"), TOKENIZE_BOS, IDS(BOS, SP_A));
	expect_text(t, text_of(""), TOKENIZE_BOS, IDS(BOS));
	round_trips(t);
	round_trip(t, text_of("a<3 b<3<3  a"));
	tokenizer_free(t);
}

static void test_no_prefix(void **state)
{
	(void)state;
	TokenizerModel m = piece_model(true);
	m.add_space_prefix = false;
	Tokenizer *t = make(&m);
	expect(t, "ab", IDS(AB));
	expect(t, " ab", IDS(SP_AB));
	round_trips(t);
	tokenizer_free(t);
}

static void test_unknown(void **state)
{
	(void)state;
	Error e = {0};
	Buffer out = {0};
	TokenizerModel m = piece_model(false);
	Tokenizer *t = make(&m);
	expect(t, "a\xc3\xa9xa", IDS(SP_A, UNKNOWN, A)); /* one for the run */
	assert_true(tokenizer_decode(t, (int32_t[]){SP_A, UNKNOWN, A, EOS}, 4, &out, &e));
	assert_int_equal(out.size, 5);
	assert_memory_equal(out.data,
	                    "a\xef\xbf\xbd"
	                    "a",
	                    5);
	buffer_free(&out);
	tokenizer_free(t);
}

/* --- learning ---------------------------------------------------------------------- */

static void check_string(const Strings *s, size_t index, const char *text)
{
	Text got = strings_at(s, index);
	if (!text_is(got, text))
		fail_msg("%zu is '%.*s' instead of '%s'", index, (int)got.size, got.data, text);
}

/* Words: "low" 5 times, " low" 2, " lower" 1, "newest" 6.  Pairs: w-e 7 (newest,
 * lower), l-o 8, o-w 8, n-e 6, e-w 6, e-s 6, s-t 6 …; l-o has the lower ids. */
static void test_learn(void **state)
{
	(void)state;
	static const char *const merges[] = {"l o", "lo w", "e s", "e w", "n ew", "es t", "new est", "Ġ low"};
	Error e = {0};
	Strings corpus = {0};
	TokenizerModel m;
	for (int i = 0; i < 6; i++)
		add(&corpus, "newest");
	add(&corpus, "low low low");
	add(&corpus, "low lower");
	for (int i = 0; i < 3; i++)
		add(&corpus, "low");
	assert_true(tokenizer_learn(&corpus, 1000, &m, &e));
	assert_int_equal(m.merges.count, sizeof merges / sizeof *merges);
	for (size_t i = 0; i < m.merges.count; i++)
		check_string(&m.merges, i, merges[i]);
	assert_int_equal(m.tokens.count, 256 + m.merges.count + 1);
	check_string(&m.tokens, 0, "!");
	check_string(&m.tokens, 256, "lo");
	check_string(&m.tokens, 262, "newest");
	check_string(&m.tokens, 264, "<|endoftext|>");
	assert_int_equal(m.types[264], TOKEN_CONTROL);
	assert_int_equal(m.bos, 264);
	Tokenizer *t = make(&m);
	expect(t, "newest low", IDS(262, 263));
	round_trips(t);
	tokenizer_free(t);
	strings_free(&corpus);
}

/* "aaaaa" twice: a-a 8 times; then (aa, aa) and (aa, a) twice each. */
static void test_learn_repeats(void **state)
{
	(void)state;
	Error e = {0};
	Strings corpus = {0};
	TokenizerModel m;
	add(&corpus, "aaaaa");
	add(&corpus, "aaaaa");
	assert_true(tokenizer_learn(&corpus, 259, &m, &e));
	assert_int_equal(m.tokens.count, 259);
	check_string(&m.merges, 0, "a a");
	check_string(&m.merges, 1, "aa a"); /* ties: the lower pair of ids */
	tokenizer_model_free(&m);
	assert_false(tokenizer_learn(&corpus, 256, &m, &e));
	assert_int_equal(e.code, ERROR_USAGE);
	strings_free(&corpus);
	e = (Error){0};
	assert_true(tokenizer_learn(&corpus, 300, &m, &e)); /* of nothing: the bytes */
	assert_int_equal(m.tokens.count, 257);
	tokenizer_model_free(&m);
}

/* --- in GGUF ------------------------------------------------------------------------ */

static Gguf *through_file(GgufWriter *w)
{
	Error e = {0};
	Output o = {0};
	char path[] = "/tmp/test_tokenizer.XXXXXX";
	int file = mkstemp(path);
	assert_true(file >= 0 && close(file) == 0);
	assert_true(output_open(&o, path, true, &e) && gguf_write(w, &o, &e) && output_close(&o, &e));
	gguf_writer_free(w);
	Gguf *g = gguf_open(path, &e);
	assert_int_equal(unlink(path), 0);
	assert_non_null(g);
	return g;
}

static void same_model(const TokenizerModel *a, const TokenizerModel *b, size_t count)
{
	assert_int_equal(a->kind, b->kind);
	assert_string_equal(a->pre, b->pre);
	assert_int_equal(a->tokens.count, b->tokens.count);
	assert_memory_equal(a->tokens.bytes, b->tokens.bytes, (size_t)a->tokens.offsets[count]);
	assert_memory_equal(a->types, b->types, count * sizeof *a->types);
	assert_int_equal(a->bos, b->bos);
	assert_int_equal(a->eos, b->eos);
	assert_int_equal(a->eot, b->eot);
	assert_int_equal(a->end_count, b->end_count);
	assert_memory_equal(a->ends, b->ends, a->end_count * sizeof *a->ends);
	assert_int_equal(a->unknown, b->unknown);
	assert_int_equal(a->add_bos, b->add_bos);
	assert_int_equal(a->add_eos, b->add_eos);
	assert_int_equal(a->add_space_prefix, b->add_space_prefix);
}

static Tokenizer *through_gguf(const Tokenizer *t)
{
	Error e = {0};
	GgufWriter *w = gguf_writer_new(&e);
	assert_true(vocabulary_write(tokenizer_model(t), tokenizer_size(t), w, &e));
	Gguf *g = through_file(w);
	Tokenizer *back = vocabulary_read(g, &e);
	gguf_close(g);
	assert_non_null(back);
	return back;
}

static void check_file(TokenizerModel *m, const char *text)
{
	Error e = {0};
	Tokens before = {0}, after = {0};
	size_t count = m->tokens.count;
	Tokenizer *t = make(m), *back = through_gguf(t);
	same_model(tokenizer_model(t), tokenizer_model(back), count);
	assert_true(tokenizer_encode(t, text_of(text), TOKENIZE_BOS, &before, &e));
	assert_true(tokenizer_encode(back, text_of(text), TOKENIZE_BOS, &after, &e));
	assert_int_equal(before.count, after.count);
	assert_memory_equal(before.ids, after.ids, before.count * sizeof *before.ids);
	tokens_free(&before);
	tokens_free(&after);
	tokenizer_free(t);
	tokenizer_free(back);
}

static void check_no_names(TokenizerModel *m)
{
	Error e = {0};
	Tokenizer *t = make(m);
	GgufWriter *w = gguf_writer_new(&e);
	assert_false(vocabulary_write(tokenizer_model(t), tokenizer_size(t), w, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	assert_non_null(strstr(e.text, "besides EOS"));
	gguf_writer_free(w);
	tokenizer_free(t);
}

static void test_vocabulary(void **state)
{
	(void)state;
	TokenizerModel m = bpe_model("qwen2");
	m.add_eos = true;
	check_file(&m, "low lower<u r> x");
	m = piece_model(true);
	m.bos = TOKEN_NONE; /* "none" is not the default */
	check_file(&m, "ab <3 c");
	for (size_t ends = 1; ends <= 3; ends++) { /* besides EOT */
		m = bpe_model("qwen2");
		m.eot = 0;
		m.end_count = ends;
		for (size_t i = 0; i < ends; i++)
			m.ends[i] = 1 + (int32_t)i;
		if (ends == 1)
			check_file(&m, "lower");
		else
			check_no_names(&m);
	}
	m = bpe_model("qwen2");
	m.eot = m.ends[0] = 2; /* one that is both counts once */
	m.ends[1] = 1;
	m.end_count = 2;
	Tokenizer *t = make(&m), *back = through_gguf(t);
	assert_true(tokenizer_ends(back, 2) && tokenizer_ends(back, 1) && !tokenizer_ends(back, 0));
	tokenizer_free(t);
	tokenizer_free(back);
}

static GgufWriter *small_file(const char *model, size_t types)
{
	Error e = {0};
	Strings tokens = {0};
	GgufWriter *w = gguf_writer_new(&e);
	add(&tokens, "a");
	add(&tokens, "b");
	add(&tokens, "ab");
	assert_true(gguf_add_string(w, "tokenizer.ggml.model", text_of(model), &e));
	assert_true(gguf_add_strings(w, "tokenizer.ggml.tokens", &tokens, &e));
	assert_true(gguf_add_i32s(w, "tokenizer.ggml.token_type", (int32_t[]){1, 1, 1, 1}, types, &e));
	strings_free(&tokens);
	return w;
}

static void refused_file(GgufWriter *w, const char *words)
{
	Error e = {0};
	Gguf *g = through_file(w);
	assert_null(vocabulary_read(g, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	if (strstr(e.text, words) == NULL)
		fail_msg("'%s' does not say '%s'", e.text, words);
	gguf_close(g);
}

static void test_vocabulary_refuses(void **state)
{
	(void)state;
	Error e = {0};
	refused_file(gguf_writer_new(&e), "'tokenizer.ggml.model' is missing");
	refused_file(small_file("bert", 3), "'bert' is not supported; these are: gpt2, llama, t5");
	refused_file(small_file("gpt2", 3), "'tokenizer.ggml.merges' is missing");
	refused_file(small_file("llama", 4), "'tokenizer.ggml.token_type' has 4 elements for 3 tokens");
	refused_file(small_file("llama", 3), "'tokenizer.ggml.scores' is missing");
	GgufWriter *w = small_file("llama", 3);
	assert_true(gguf_add_f32s(w, "tokenizer.ggml.scores", (float[]){0, 0}, 2, &e));
	refused_file(w, "'tokenizer.ggml.scores' has 2 elements");
	w = small_file("llama", 3);
	assert_true(gguf_add_f32s(w, "tokenizer.ggml.scores", (float[]){0, 0, 0}, 3, &e));
	assert_true(gguf_add_u32(w, "tokenizer.ggml.eos_token_id", 3, &e));
	refused_file(w, "EOS token 3");
	w = small_file("gpt2", 3);
	assert_true(gguf_add_string(w, "tokenizer.ggml.pre", text_of("tekken"), &e));
	assert_true(gguf_add_strings(w, "tokenizer.ggml.merges", &(Strings){0}, &e));
	refused_file(w, "'tekken' is not supported");
}

static void test_vocabulary_defaults(void **state)
{
	(void)state;
	Error e = {0};
	GgufWriter *w = small_file("llama", 3);
	assert_true(gguf_add_f32s(w, "tokenizer.ggml.scores", (float[]){0, 0, 0}, 3, &e));
	Gguf *g = through_file(w);
	Tokenizer *t = vocabulary_read(g, &e);
	assert_non_null(t);
	const TokenizerModel *m = tokenizer_model(t);
	assert_true(m->unknown == 0 && m->bos == 1 && m->eos == 2);
	assert_true(m->add_bos && !m->add_eos && m->add_space_prefix);
	tokenizer_free(t);
	gguf_close(g);
	w = small_file("gpt2", 3);
	assert_true(gguf_add_strings(w, "tokenizer.ggml.merges", &(Strings){0}, &e));
	g = through_file(w);
	t = vocabulary_read(g, &e);
	assert_non_null(t);
	m = tokenizer_model(t);
	assert_string_equal(m->pre, "default");
	assert_true(m->unknown == TOKEN_NONE && m->bos == TOKEN_NONE && m->eos == TOKEN_NONE);
	assert_true(!m->add_bos && !m->add_eos && !m->add_space_prefix);
	tokenizer_free(t);
	gguf_close(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_alphabet),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_bpe),
	    cmocka_unit_test(test_whole_words),
	    cmocka_unit_test(test_leftmost),
	    cmocka_unit_test(test_merge_to_no_token),
	    cmocka_unit_test(test_refused_models),
	    cmocka_unit_test(test_decode_refuses),
	    cmocka_unit_test(test_long_word),
	    cmocka_unit_test(test_sentencepiece),
	    cmocka_unit_test(test_no_prefix),
	    cmocka_unit_test(test_unknown),
	    cmocka_unit_test(test_learn),
	    cmocka_unit_test(test_learn_repeats),
	    cmocka_unit_test(test_vocabulary),
	    cmocka_unit_test(test_vocabulary_refuses),
	    cmocka_unit_test(test_vocabulary_defaults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
