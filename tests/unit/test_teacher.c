/* What an encoder teaches, against the probabilities of its own ranking. */
#include "small_models.h"
#include "user/ranking.h"
#include "user/task.h"
#include "user/teacher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { ITEMS = 7, KNOWN = 5 };

/* P(item) behind the first KNOWN events of the first user, as the encoder ranks. */
static void rank_all(Sample *s, Encoder *encoder, double *p)
{
	Error e = {0};
	Translation translation;
	Users first = s->users;
	Rankings r = {0};
	Pool *pool = pool_new(1, &e);
	assert_true(translation_new(&translation, encoder, &s->data, &e));
	EncoderRanker context = {.encoder = encoder, .translation = &translation, .keep_seen = true};
	assert_true(encoder_ranker_start(&context, pool, &e));
	Ranker ranker = encoder_ranker(&context);
	assert_true(
	    rank_users(&ranker, &s->data, &first, PART_VALIDATION, ITEMS, 1, &(size_t){0}, pool, &r, &e));
	assert_int_equal(r.queries[0].history.end, KNOWN);
	double sum = 0;
	for (size_t i = 0; i < ITEMS; i++)
		sum += exp((double)r.answers[0].scores[i]);
	for (size_t i = 0; i < ITEMS; i++)
		p[r.answers[0].items[i]] = exp((double)r.answers[0].scores[i]) / sum;
	rankings_free(&r);
	encoder_ranker_free(&context);
	translation_free(&translation);
	pool_free(pool);
}

/* Item by item: the shares along its name multiply to its probability, and with `taught` less to what is
 * left. */
static void test_shares(void **state)
{
	(void)state;
	Error e = {0};
	Sample s;
	Teacher t;
	Tape tape = {0};
	Strings names = {0};
	double p[ID_FIRST + ITEMS] = {0};
	sample_new(&s, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){7, 6}, 2, ITEMS);
	Encoder *encoder = small_encoder(&s.data, 0.3, 4);
	Tokenizer *tokenizer = small_tokenizer();
	rank_all(&s, encoder, p);
	assert_true(teacher_new(&t, encoder, &s.data, tokenizer, &e));
	assert_true(item_names(&s.data, &names, &e));
	Segment histories[] = {{0, 6, false}, {7, 12, false}};
	tape_reset(&tape, true, 3); /* no dropout for a teacher */
	const float *mass = teacher_ask(&t, &tape, &s.users, histories, 2, (size_t[]){8, KNOWN - 1}, 2);
	assert_non_null(mass);
	mass += t.trie.count; /* the second question */
	assert_true(fabs((double)mass[0] - 1) < 1e-5);
	for (size_t id = ID_FIRST; id < ID_FIRST + ITEMS; id++) {
		Tokens tokens = {0};
		double product = 1;
		int32_t node = 0, again = 0;
		assert_true(answer_tokens(tokenizer, strings_at(&names, id), SIZE_MAX, &tokens, &e));
		for (size_t i = 0; i < tokens.count; i++) {
			SoftTargets all = {0}, some = {0};
			double sum = 0, share = 0;
			assert_true(teacher_targets(&t, mass, tokens.ids[i], 1, &node, &all, &e));
			assert_true(teacher_targets(&t, mass, tokens.ids[i], 0.25f, &again, &some, &e));
			for (size_t k = 0; k < all.count; k++) {
				sum += (double)all.shares[k];
				share = all.values[k] == tokens.ids[i] ? (double)all.shares[k] : share;
			}
			assert_true(fabs(sum - 1) < 1e-5);
			product *= share;
			sum = 0;
			for (size_t k = 0; k < some.count; k++) {
				sum += (double)some.shares[k];
				if (some.values[k] == tokens.ids[i])
					assert_true(fabs((double)some.shares[k] - 0.75 - 0.25 * share) <
					            1e-5);
			}
			assert_true(fabs(sum - 1) < 1e-5);
			soft_targets_free(&all);
			soft_targets_free(&some);
		}
		assert_true(fabs(product - p[id]) < 1e-3);
		tokens_free(&tokens);
	}
	tape_free(&tape);
	teacher_free(&t);
	strings_free(&names);
	encoder_free(encoder);
	tokenizer_free(tokenizer);
	sample_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares)};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
