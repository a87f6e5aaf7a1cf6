/* tokenizer.json: files written here, small enough to follow by hand. */
#include "llm/tokenizer_json.h"
#include "text/expression.h"
#include "user/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tokens.h" /* brings in cmocka, which has a macro fail(): after the library's headers */

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

enum { FILES = 5 };

/* What nobody can read, not even root: a link to itself, and one to what is gone. */
static const char unreadable[] = "", gone[] = "";

/* Of a folder with these files; NULL: the file is missing. */
static Tokenizer *read_files(const char *const texts[FILES], Error *e)
{
	static const char *const names[FILES] = {"tokenizer.json", "tokenizer_config.json",
	                                         "chat_template.jinja", "generation_config.json",
	                                         "config.json"};
	char folder[] = "/tmp/test_tokenizer_json.XXXXXX", path[256];
	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		if (texts[i] == unreadable)
			assert_int_equal(symlink(path, path), 0);
		else if (texts[i] == gone)
			assert_int_equal(symlink("/nowhere/at-all", path), 0);
		else if (texts[i] != NULL)
			write_file(folder, names[i], texts[i]);
	}
	Tokenizer *t = tokenizer_json_read(folder, e);
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		assert_int_equal(unlink(path), texts[i] ? 0 : -1);
	}
	assert_int_equal(rmdir(folder), 0);
	return t;
}

static Tokenizer *read_folder(const char *json, const char *config, const char *chat, Error *e)
{
	return read_files((const char *const[FILES]){json, config, chat}, e);
}

static Tokenizer *read_texts(const char *json, const char *config, Error *e)
{
	return read_folder(json, config, NULL, e);
}

static Tokenizer *read_text(const char *json, const char *config)
{
	Error e = {0};
	Tokenizer *t = read_texts(json, config, &e);
	if (t == NULL)
		fail_msg("%s", e.text);
	return t;
}

static void refused(const char *json, const char *words)
{
	Error e = {0};
	assert_null(read_texts(json, NULL, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	if (strstr(e.text, words) == NULL)
		fail_msg("'%s' does not say '%s'", e.text, words);
}

#define expect(t, text, ids) expect_text(t, text_of(text), TOKENIZE_SPECIAL, ids)

static void expect_decoded(const Tokenizer *t, size_t count, const int32_t *ids, const char *wanted)
{
	Error e = {0};
	Buffer out = {0};
	assert_true(tokenizer_decode(t, ids, count, &out, &e));
	assert_true(text_is((Text){(char *)out.data, out.size}, wanted));
	buffer_free(&out);
}

/* An answer begins with one space, whoever puts it there. */
static void expect_answer(const Tokenizer *t, const char *words, size_t count, const int32_t *ids)
{
	Error e = {0};
	Tokens tokens = {0};
	assert_true(answer_tokens(t, text_of(words), SIZE_MAX, &tokens, &e));
	assert_int_equal(tokens.count, count);
	assert_memory_equal(tokens.ids, ids, count * sizeof *ids);
	tokens_free(&tokens);
}

#define TOKEN(id, text, special, more)                                                                       \
	"{\"id\": " #id ", \"content\": \"" text "\", \"special\": " #special more "}"

static void test_byte_level(void **state)
{
	(void)state;
	Tokenizer *t = read_text(
	    "{\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false},"
	    "\"decoder\": {\"type\": \"ByteLevel\"},"
	    "\"added_tokens\": [" TOKEN(7, "<end>", true, ", \"normalized\": false") ", " TOKEN(
	        8, "<note>", false,
	        ", \"lstrip\": true, \"rstrip\": true") "],"
	                                                "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": "
	                                                "0, \"b\": 1, \"Ġ\": 2, \"ab\": 3, \"Ġab\": 4, "
	                                                "\"\\u00c3\": 5, \"\\u00a9\": 6}, \"merges\": [\"a "
	                                                "b\", [\"Ġ\", \"ab\"]]}}",
	    "{\"eos_token\": {\"content\": \"<end>\"}, \"bos_token\": null, \"model_max_length\": 1e30, "
	    "\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"x\"}, "
	    "{\"name\": \"default\", \"template\": \"y\"}]}");
	assert_int_equal(tokenizer_model(t)->kind, TOKENIZER_BPE);
	assert_int_equal(tokenizer_model(t)->eos, 7);
	assert_int_equal(tokenizer_model(t)->bos, TOKEN_NONE);
	assert_string_equal(tokenizer_model(t)->chat_template, "y");
	expect(t, "ab abb  a", IDS(3, 4, 1, 2, 2, 0));
	expect(t, "\xc3\xa9", IDS(5, 6));
	expect(t, "a<end>b", IDS(0, 7, 1));
	expect_text(t, text_of("a<b"), 0, IDS(0, 1)); /* no byte '<', and nothing for the unknown */
	expect(t, "a  <note> ab", IDS(0, 8, 3));
	expect_text(t, text_of(""), TOKENIZE_SPECIAL, 0, NULL);
	expect_decoded(t, IDS(3, 4, 5, 6, 7), "ab ab\xc3\xa9");
	expect_answer(t, "ab", IDS(4, 7));
	tokenizer_free(t);
}

/* The file with the chat template alone comes before what the configuration has. */
static void test_template_file(void **state)
{
	(void)state;
	Error e = {0};
	static const char json[] = "{\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, \"model\": {\"type\": "
	                           "\"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}}";
	const char *configs[] = {NULL, "{\"chat_template\": \"y\"}"};
	for (int i = 0; i < 2; i++) {
		Tokenizer *t = read_folder(json, configs[i], "{{ z }}\n", &e);
		assert_non_null(t);
		assert_string_equal(tokenizer_model(t)->chat_template, "{{ z }}\n");
		tokenizer_free(t);
	}
}

#define SMALL_VOCABULARY                                                                                     \
	"{\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, \"added_tokens\": [" TOKEN(                          \
	    2, "<x>", true, "") ", " TOKEN(4, "<y>", true, "") "], \"model\": {\"type\": \"BPE\", "          \
	                                                       "\"vocab\": {\"a\": 0, \"b\": 1, \"c\": 3}, " \
	                                                       "\"merges\": []}}"

/* A file that may be missing is not passed over where it is there. */
static void test_unreadable(void **state)
{
	(void)state;
	const char *const links[] = {unreadable, gone};
	for (int i = 0; i < 2 * FILES; i++) {
		Error e = {0};
		const char *texts[FILES] = {
		    "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}}"};
		texts[i / 2] = links[i % 2];
		assert_null(read_files(texts, &e));
		assert_int_equal(e.code, ERROR_FAILURE);
		if (strncmp(e.text, "/tmp/", 5) != 0 || strstr(e.text, ": cannot open: ") == NULL)
			fail_msg("'%s'", e.text);
	}
	/* What is broken is named, and none of those behind it. */
	Error e = {0};
	assert_null(read_files((const char *const[FILES]){SMALL_VOCABULARY, "{", "", "{}", "{}"}, &e));
	const char *name = strstr(e.text, "tokenizer_config.json: line 1: ");
	assert_true(name != NULL && strchr(e.text, ':') == name + strlen("tokenizer_config.json"));
}

/* What a text ends with stands in one of three files; generation's own counts before the model's. */
static void test_ends(void **state)
{
	(void)state;
	static const struct {
		const char *config, *generation, *model;
		bool ends[5];
		const char *told;
	} cases[] = {
	    {NULL, NULL, NULL, {false}, NULL},
	    {"{\"eos_token\": \"b\"}", NULL, NULL, {false, true}, NULL},
	    {NULL, NULL, "{\"eos_token_id\": 2}", {false, false, true}, NULL},
	    {NULL,
	     "{\"eos_token_id\": [3, 2, 3]}",
	     "{\"eos_token_id\": 1}",
	     {false, false, true, true},
	     NULL},
	    {"{\"eos_token\": \"b\"}",
	     "{\"eos_token_id\": [4]}",
	     NULL,
	     {false, true, false, false, true},
	     NULL},
	    {NULL, "{\"eos_token_id\": null}", "{\"eos_token_id\": 1}", {false}, NULL},
	    {NULL, "{\"eos_token_id\": 5}", NULL, {false}, "eos_token_id is no token"},
	    {NULL, "{\"eos_token_id\": [1, \"x\"]}", NULL, {false}, "eos_token_id is no token"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		Error e = {0};
		Tokenizer *t = read_files((const char *const[FILES]){SMALL_VOCABULARY, cases[i].config, NULL,
		                                                     cases[i].generation, cases[i].model},
		                          &e);
		assert_true((t == NULL) == (cases[i].told != NULL));
		if (t == NULL)
			assert_non_null(strstr(e.text, cases[i].told));
		for (int32_t id = 0; t != NULL && id < 5; id++)
			assert_true(tokenizer_ends(t, id) == cases[i].ends[id]);
		tokenizer_free(t);
	}
}

/* Added tokens behind the last vector are none; tokens of the vocabulary there are for the model to refuse.
 */
static void test_no_embedding(void **state)
{
	(void)state;
	for (size_t V = 3; V < 6; V++) {
		Error e = {0};
		char config[64];
		snprintf(config, sizeof config, "{\"vocab_size\": %zu}", V);
		Tokenizer *t =
		    read_files((const char *const[FILES]){SMALL_VOCABULARY, NULL, NULL, NULL, config}, &e);
		assert_non_null(t);
		assert_int_equal(tokenizer_size(t), V == 5 ? 5 : 4);
		if (V == 5)
			expect(t, "a<x>c<y>", IDS(0, 2, 3, 4));
		else
			expect(t, "a<x>c<y>", IDS(0, 2, 3));
		tokenizer_free(t);
	}
}

#define LLAMA(vocabulary, more)                                                                              \
	"{\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": "  \
	"\"▁\"}, {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"▁\"}]},"       \
	"\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": "         \
	"{\"String\": \"▁\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, "   \
	"{\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]},"                            \
	"\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": "   \
	"\"<s>\"}}, {\"Sequence\": {\"id\": \"A\"}}]},"                                                      \
	"\"added_tokens\": [" TOKEN(0, "<unk>", true, "") ", " TOKEN(                                        \
	    1, "<s>", true, "") "],"                                                                         \
	                        "\"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"vocab\": "       \
	                        "{\"<unk>\": 0, \"<s>\": 1, "                                                \
	                        "\"▁\": 2, \"a\": 3, \"b\": 4, \"▁a\": 5, \"ab\": 6, \"▁ab\": 7" vocabulary  \
	                        "}, \"merges\": [\"a b\", \"▁ ab\", \"▁ a\"]" more "}}"

static void test_llama(void **state)
{
	(void)state;
	Tokenizer *t = read_text(LLAMA("", ", \"fuse_unk\": true, \"byte_fallback\": true"), NULL);
	assert_int_equal(tokenizer_model(t)->kind, TOKENIZER_CHARACTER_BPE);
	expect(t, "ab a", IDS(7, 5)); /* by merges: first a b, then ▁ ab */
	expect(t, "cde", IDS(2, 0));
	expect_text(t, text_of("a"), TOKENIZE_BOS, IDS(1, 5));
	expect_decoded(t, IDS(1, 7, 5), "ab a");
	tokenizer_free(t);
	t = read_text(LLAMA("", ""), "{\"eos_token\": \"<unk>\"}");
	expect_answer(t, "ab", IDS(7, 0));
	tokenizer_free(t);
	t = read_text(LLAMA("", ""), NULL);
	expect(t, "cde", IDS(2, 0, 0, 0));
	tokenizer_free(t);
	t = read_text(LLAMA(", \"<0xC3>\": 8, \"<0xA9>\": 9", ", \"byte_fallback\": true"), NULL);
	expect(t,
	       "\xc3\xa9"
	       "a\xff",
	       IDS(2, 8, 9, 3, 0));
	expect_decoded(t, IDS(2, 8, 9, 3),
	               "\xc3\xa9"
	               "a");
	tokenizer_free(t);
	t = read_text(LLAMA("", ", \"ignore_merges\": true"), "{\"add_bos_token\": false}");
	expect_text(t, text_of("a"), TOKENIZE_BOS, IDS(5));
	tokenizer_free(t);
}

#define UNIGRAM(steps)                                                                                       \
	"{" steps "\"model\": {\"unk_id\": 0, \"vocab\": [[\"<unk>\", 0], [\"▁\", -2], [\"a\", -2], "      \
	"[\"b\", -3], [\"▁ab\", -6], [\"ab\", -3.5]]}}"

static void test_unigram(void **state)
{
	(void)state;
	Tokenizer *t =
	    read_text(UNIGRAM("\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"▁\"}, "
	                      "\"decoder\": {\"type\": \"Metaspace\", \"replacement\": \"▁\"},"),
	              NULL);
	expect(t, "ab ab", IDS(1, 5, 1, 5)); /* -5.5 is more than -6 */
	expect(t, "xyzb", IDS(1, 0, 3));
	expect(t, " a", IDS(1, 2));
	expect_decoded(t, IDS(1, 5, 1, 5), "ab ab");
	tokenizer_free(t);
	t = read_text(UNIGRAM("\"normalizer\": {\"type\": \"Lowercase\"}, "), NULL);
	expect(t, "AB", IDS(5));
	tokenizer_free(t);
}

#define SPLIT(regex, behavior, invert)                                                                       \
	"{\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", "            \
	"\"pattern\": {\"Regex\": \"" regex "\"}, \"behavior\": \"" behavior "\", \"invert\": " invert       \
	"}]}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"-\": 2, \"aa\": 3, "          \
	"\"-a\": 4, \"a-\": 5, \"ab\": 6}, \"merges\": [\"a a\", \"- a\", \"a -\", \"a b\"]}}"

static void test_split(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int32_t ids[8];
		size_t count;
	} cuts[] = {
	    {SPLIT("-", "Isolated", "false"), {3, 2, 2, 0}, 4},
	    {SPLIT("-", "Removed", "false"), {3, 0}, 2},
	    {SPLIT("-", "Removed", "true"), {2, 2}, 2},
	    {SPLIT("-", "MergedWithPrevious", "false"), {3, 2, 2, 0}, 4},
	    {SPLIT("-", "MergedWithNext", "false"), {3, 2, 4}, 3},
	};
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		Tokenizer *t = read_text(cuts[i].json, NULL);
		expect_text(t, text_of("aa--a"), 0, cuts[i].count, cuts[i].ids);
		tokenizer_free(t);
	}
}

static void test_refuses(void **state)
{
	(void)state;
	refused("{", "tokenizer.json: line 1: ");
	refused("{}", "there is no model");
	refused("{\"model\": {\"type\": \"WordPiece\"}}", "model 'WordPiece' is not supported");
	refused("{\"model\": {\"type\": \"BPE\"}}", "no vocab");
	refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 2000000000}}}",
	        "'a' has the id 2000000000");
	refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": -1}}}", "'a' has the id -1");
	refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 0}}}", "the same id 0");
	refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [3]}}", "merge 0");
	refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [[\"a\", \"b c\"]]}}",
	        "a space in a token");
	refused("{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"unk_token\": \"u\"}}",
	        "'u' is not in");
	refused("{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]], \"unk_id\": 7}}", "unk_id");
	refused(UNIGRAM("\"normalizer\": {\"type\": \"Nmt\"}, "), "normalizer 'Nmt'");
	refused(UNIGRAM("\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"}, "),
	        "precompiled_charsmap of 3 bytes");
	refused(UNIGRAM("\"pre_tokenizer\": {\"type\": \"Whitespace\"}, "), "pre-tokenizer 'Whitespace'");
	refused(UNIGRAM("\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, "), "'ByteLevel'");
	refused(UNIGRAM("\"post_processor\": {\"type\": \"BertProcessing\"}, "), "'BertProcessing'");
	refused(UNIGRAM("\"decoder\": {\"type\": \"WordPiece\"}, "), "decoder 'WordPiece'");
	refused(SPLIT("-", "Contiguous", "false"), "'Contiguous'");
	refused(SPLIT("(", "Isolated", "false"), "regular expression '('");
	refused(SPLIT("\\\\h", "Isolated", "false"), "'\\h' in a regular expression");
}

static void expect_translated(const char *from, const char *to)
{
	Error e = {0};
	Buffer out = {0};
	assert_true(expression_translate(text_of(from), &out, &e));
	assert_string_equal((char *)out.data, to);
	buffer_free(&out);
}

static void test_expressions(void **state)
{
	(void)state;
	static const char *const refusals[] = {"\\1",   "\\b",       "[a[b]]", "[a&&b]",
	                                       "a{2}+", "(*ACCEPT)", "\\",     "[\\W]"};
	expect_translated("(?i:'s)|\\p{L}+|\\p{N}{1,3}", "(?i:'s)|\\p{L}+|\\p{N}{1,3}");
	expect_translated("\\s+(?!\\S)", "[" EXPRESSION_SPACE "]+(?![^" EXPRESSION_SPACE "])");
	expect_translated("[^\\s\\S]", "[^" EXPRESSION_SPACE "\\S\\x{180e}]");
	expect_translated("[]a][[:alpha:]_](?m:.)", "[]a][[:alpha:]_](?s:.)");
	expect_translated("\\u2581\\p{L}+", "\\x{2581}\\p{L}+");
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		Error e = {0};
		Buffer out = {0};
		assert_false(expression_translate(text_of(refusals[i]), &out, &e));
		assert_int_equal(e.code, ERROR_MALFORMED);
		buffer_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_byte_level),   cmocka_unit_test(test_template_file),
	    cmocka_unit_test(test_unreadable),   cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_no_embedding), cmocka_unit_test(test_llama),
	    cmocka_unit_test(test_unigram),      cmocka_unit_test(test_split),
	    cmocka_unit_test(test_refuses),      cmocka_unit_test(test_expressions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
