/* lib/eval/lexicon and rouge: cases worked by hand, those of Lin's paper and of rouge_score's
 * documentation among them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "eval/rouge.h" /* before cmocka.h, whose macro fail() is not ours */

#include <cmocka.h>

static void assert_near(double a, double b)
{
	if (!(fabs(a - b) <= 1e-12))
		fail_msg("%.15g is not %.15g", a, b);
}

/* The words of `text`, a space behind each. */
static void assert_words(const char *text, const char *expected)
{
	Error e = {0};
	Lexicon l = {0};
	WordList words = {0};
	Buffer found = {0};
	assert_true(lexicon_split(&l, text_of(text), &words, &e));
	assert_true(buffer_print(&found, &e, "%s", ""));
	for (size_t i = 0; i < words.count; i++) {
		Text word = strings_at(&l.words.strings, words.ids[i]);
		assert_true(buffer_print(&found, &e, "%.*s ", (int)word.size, word.data));
	}
	assert_string_equal((const char *)found.data, expected);
	buffer_free(&found);
	word_list_free(&words);
	lexicon_free(&l);
}

static void texts_are_cut(void **state)
{
	(void)state;
	assert_words("The quick, brown FOX", "the quick brown fox ");
	assert_words("Don't: 3.5x it's_a-b", "don t 3 5x it s a b ");
	assert_words("caf\xc3\xa9s \xce\xb1\xce\xb2 na\xc3\xafve", "caf s na ve ");
	/* Python: re.sub("[^a-z0-9]+", " ", "\u0130stanbul 5\u212am \u0130".lower()) */
	assert_words("\xc4\xb0stanbul 5\xe2\x84\xaam \xc4\xb0", "i stanbul 5km i ");
	assert_words("\xe2\x84", "");
	assert_words("@[`{/:Zz09", "zz09 ");
	assert_words("", "");
	assert_words(" \n\t.!", "");
	assert_words("one", "one ");
}

/* Whether all words of `text` have the same stem. */
static bool one_stem(const char *text)
{
	Error e = {0};
	Lexicon l = {0};
	WordList words = {0};
	assert_true(lexicon_split(&l, text_of(text), &words, &e));
	lexicon_stem(&l, &words);
	bool same = true;
	for (size_t i = 1; i < words.count; i++)
		same = same && words.ids[i] == words.ids[0];
	word_list_free(&words);
	lexicon_free(&l);
	return same;
}

static void words_are_stemmed(void **state)
{
	(void)state;
	assert_true(one_stem("connect connected connecting connection connections")); /* Porter's example */
	assert_true(one_stem("cat cats"));
	assert_true(one_stem("hope hopeful hopefulness hopes"));
	assert_true(one_stem("relate relational relating"));
	assert_true(one_stem("happy happiness"));
	assert_false(one_stem("gas ga")); /* three characters stay as they are */
	assert_false(one_stem("was wa"));
	assert_false(one_stem("universe gunman"));
	/* Where the algorithm as published differs from later ones: dai, us, possibli. */
	assert_false(one_stem("day days"));
	assert_false(one_stem("use using"));
	assert_false(one_stem("possible possibly"));
}

typedef struct {
	double n1, n2, l;
} Rouge;

static void assert_rouge(const char *target, const char *text, bool stem, Rouge expected)
{
	Error e = {0};
	Lexicon l = {0};
	WordList a = {0}, b = {0};
	Rouge there, back;
	assert_true(lexicon_split(&l, text_of(target), &a, &e) && lexicon_split(&l, text_of(text), &b, &e));
	if (stem) {
		lexicon_stem(&l, &a);
		lexicon_stem(&l, &b);
	}
	assert_true(rouge_n(&a, &b, 1, &there.n1, &e) && rouge_n(&a, &b, 2, &there.n2, &e) &&
	            rouge_l(&a, &b, &there.l, &e));
	assert_near(there.n1, expected.n1);
	assert_near(there.n2, expected.n2);
	assert_near(there.l, expected.l);
	/* F1 is the same from the other side. */
	assert_true(rouge_n(&b, &a, 1, &back.n1, &e) && rouge_n(&b, &a, 2, &back.n2, &e) &&
	            rouge_l(&b, &a, &back.l, &e));
	assert_memory_equal(&there, &back, sizeof there);
	word_list_free(&a);
	word_list_free(&b);
	lexicon_free(&l);
}

static void rouge_by_hand(void **state)
{
	(void)state;
	/* Lin 2004, section 3.1: its S1 with S2, S3 and S4. */
	const char *s1 = "police killed the gunman";
	assert_rouge(s1, "police kill the gunman", false, (Rouge){3.0 / 4, 1.0 / 3, 3.0 / 4});
	assert_rouge(s1, "the gunman kill police", false, (Rouge){3.0 / 4, 1.0 / 3, 2.0 / 4});
	assert_rouge(s1, "the gunman police killed", false, (Rouge){1.0, 2.0 / 3, 2.0 / 4});
	assert_rouge(s1, "police kill the gunman", true, (Rouge){1.0, 1.0, 1.0});
	/* rouge_score's own example: the, quick, brown, jumps, the and dog of 9 and 8; the, quick, brown,
	 * jumps, the in that order; two pairs of 8 and 7. */
	assert_rouge("The quick brown fox jumps over the lazy dog", "The quick brown dog jumps on the log.",
	             false, (Rouge){12.0 / 17, 4.0 / 15, 10.0 / 17});
	assert_rouge("testing one two", "testing", false, (Rouge){1.0 / 2, 0.0, 1.0 / 2});
	assert_rouge("testing one two", "testing one", false, (Rouge){4.0 / 5, 2.0 / 3, 4.0 / 5});
	assert_rouge("testing one two", "testing two", false, (Rouge){4.0 / 5, 0.0, 4.0 / 5});
	/* What occurs more often here than there counts as often as there: 3 a, 1 b; 1 "a a", 1 "a b". */
	assert_rouge("a a a b", "b a a c a b a", false, (Rouge){8.0 / 11, 4.0 / 9, 8.0 / 11});
	assert_rouge("a a", "a b", false, (Rouge){1.0 / 2, 0.0, 1.0 / 2});
	assert_rouge("1 2 3 4 5", "2 5 3 4", false, (Rouge){8.0 / 9, 2.0 / 7, 6.0 / 9});
	assert_rouge("same words here", "Same, words; here!", false, (Rouge){1.0, 1.0, 1.0});
	assert_rouge("one two", "", false, (Rouge){0});
	assert_rouge("", "...", false, (Rouge){0});
	/* She enjoi the danc, she enjoi danc: 3 of 4 and 3, one pair of 3 and 2. */
	assert_rouge("She enjoyed the dancing", "she enjoys dances", true,
	             (Rouge){6.0 / 7, 2.0 / 5, 6.0 / 7});
	assert_rouge("She enjoyed the dancing", "she enjoys dances", false, (Rouge){2.0 / 7, 0.0, 2.0 / 7});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts_are_cut),
	    cmocka_unit_test(words_are_stemmed),
	    cmocka_unit_test(rouge_by_hand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
