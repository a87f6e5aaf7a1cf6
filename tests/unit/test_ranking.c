/* Rankings against naive sorts, baselines against a dataset worked by hand, questions. */
#include "gradient.h"

#include "small_models.h"
#include "eval/metrics.h"
#include "user/ranking.h"
#include "user/task.h"

enum { V = 30 };

/* Best first, ties by id; -infinity and `seen` out. */
static void check_fill(uint64_t key, size_t K, size_t seen_count)
{
	float scores[V], kept[V + 5];
	int32_t seen[V], items[V + 5], sorted[V] = {0}, target = (int32_t)(random_bits(key, 1000) % V);
	size_t count = 0;
	Ranking r = {.items = items, .scores = kept};
	for (size_t i = 0; i < V; i++)
		scores[i] = (float)(random_bits(key, i) % 7) - 3; /* many ties */
	for (size_t i = 0; i < ID_FIRST; i++)
		scores[i] = -INFINITY;
	for (size_t i = 0; i < seen_count; i++)
		seen[i] = (int32_t)(random_bits(key, 100 + i) % V);
	float masked[V];
	memcpy(masked, scores, sizeof masked);
	for (size_t i = 0; i < seen_count; i++)
		masked[seen[i]] = -INFINITY;
	for (int score = 3; score >= -3; score--)
		for (int32_t id = 0; id < V; id++)
			if (masked[id] == (float)score)
				sorted[count++] = id;
	uint64_t rank = RANK_NONE;
	for (size_t i = 0; i < count; i++)
		rank = sorted[i] == target ? i + 1 : rank;
	ranking_fill(&r, scores, V, seen, seen_count, target, K);
	assert_int_equal(r.count, K < count ? K : count);
	for (size_t i = 0; i < r.count; i++)
		assert_true(r.items[i] == sorted[i] && r.scores[i] == masked[sorted[i]]);
	assert_int_equal(r.rank, rank);
}

static void test_fill(void **state)
{
	(void)state;
	for (uint64_t key = 0; key < 300; key++)
		check_fill(key, key % (V + 5), key / 7 % 12);
}

static void test_fill_without_target(void **state)
{
	(void)state;
	float scores[] = {9, 9, 9, 1, 2, 3}, kept[1];
	int32_t items[1];
	Ranking r = {.items = items, .scores = kept, .rank = 5};
	ranking_fill(&r, scores, 6, NULL, 0, ID_PADDING, 0);
	assert_true(r.count == 0 && r.rank == RANK_NONE);
	ranking_fill(&r, scores, 6, (int32_t[]){5}, 1, 5, 1); /* the target was seen: not to be reached */
	assert_int_equal(r.rank, RANK_NONE);
}

/* Four users of items a b c d e (ids 3 to 7); the last two events of each are kept from training:
 *   a b c | d e     a b | c d     b c a b | d a     c b (too short for a split: training alone)
 * Training counts: a 3, b 5, c 3, d 0, e 0.  After a: b twice, and b after a again in the third: 3;
 * after b: c, c, (b ends the third); after c: a, b. */
static void by_hand(Sample *s)
{
	static const int32_t items[] = {3, 4, 5, 6, 7, 3, 4, 5, 6, 4, 5, 3, 4, 6, 3, 5, 4};
	sample_new(s, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){5, 4, 6, 2}, 4, 5);
	memcpy(s->users.items, items, sizeof items);
}

static void check_baseline(bool co_occurrence, bool keep_seen, Part part, size_t user, size_t count,
                           const int32_t *expected, uint64_t rank)
{
	Error e = {0};
	Sample s;
	BaselineRanker b;
	Rankings r = {0};
	by_hand(&s);
	assert_true(baseline_new(&b, &s.data, &s.users, co_occurrence, &e));
	b.keep_seen = keep_seen;
	Ranker ranker = baseline_ranker(&b);
	Pool *pool = pool_new(2, &e);
	assert_true(
	    rank_users(&ranker, &s.data, &s.users, part, 5, s.users.count, &(size_t){0}, pool, &r, &e));
	bool found = false;
	for (size_t i = 0; i < r.count; i++) {
		if (r.queries[i].user != user)
			continue;
		found = true;
		assert_int_equal(r.answers[i].count, count);
		assert_memory_equal(r.answers[i].items, expected, count * sizeof *expected);
		assert_int_equal(r.answers[i].rank, rank);
	}
	assert_true(found);
	rankings_free(&r);
	pool_free(pool);
	baseline_free(&b);
	sample_free(&s);
}

static void test_most_popular(void **state)
{
	(void)state;
	const int32_t all[] = {4, 3, 5, 6, 7}, unseen[] = {7}, validation[] = {6, 7};
	check_baseline(false, true, PART_TEST, 0, 5, all, 5);
	check_baseline(false, false, PART_TEST, 0, 1, unseen, 1);
	check_baseline(false, false, PART_VALIDATION, 0, 2, validation, 1);
	check_baseline(false, false, PART_TEST, 1, 2, (const int32_t[]){6, 7}, 1);
	check_baseline(false, false, PART_TEST, 2, 1, unseen, RANK_NONE); /* its target was seen before */
	check_baseline(false, false, PART_ALL, 3, 3, (const int32_t[]){3, 6, 7}, RANK_NONE);
}

static void test_co_occurrence(void **state)
{
	(void)state;
	/* After c (user 0, validation): a and b once each, b is the more popular; then by popularity. */
	check_baseline(true, true, PART_VALIDATION, 0, 5, (const int32_t[]){4, 3, 5, 6, 7}, 4);
	/* After b (user 1, validation): c twice, then b, a by popularity. */
	check_baseline(true, true, PART_VALIDATION, 1, 5, (const int32_t[]){5, 4, 3, 6, 7}, 1);
	/* After a (user 0 would be …): user 2's test history ends in d, which nothing followed: popularity.
	 */
	check_baseline(true, true, PART_TEST, 2, 5, (const int32_t[]){4, 3, 5, 6, 7}, 2);
	check_baseline(true, false, PART_VALIDATION, 1, 3, (const int32_t[]){5, 6, 7}, 1);
}

static void test_queries(void **state)
{
	(void)state;
	Sample s;
	Query q;
	by_hand(&s);
	assert_true(query_of(&s.data, &s.users, 0, PART_TEST, &q));
	assert_true(q.history.first == 0 && q.history.end == 4 && q.target == 7 && q.user == 0);
	assert_true(query_of(&s.data, &s.users, 0, PART_VALIDATION, &q));
	assert_true(q.history.end == 3 && q.target == 6);
	assert_true(query_of(&s.data, &s.users, 0, PART_TRAIN, &q));
	assert_true(q.history.end == 2 && q.target == 5);
	assert_true(query_of(&s.data, &s.users, 0, PART_ALL, &q));
	assert_true(q.history.end == 5 && q.target == ID_PADDING);
	assert_false(query_of(&s.data, &s.users, 3, PART_TEST, &q));
	assert_false(query_of(&s.data, &s.users, 3, PART_VALIDATION, &q));
	assert_true(query_of(&s.data, &s.users, 3, PART_TRAIN, &q));
	assert_true(q.history.first == 15 && q.history.end == 16 && q.target == 4);
	sample_free(&s);
	/* Windows of 4: the last event, and three before it. */
	sample_new(&s, SPLIT_WINDOW, 4, (size_t[]){8, 2}, 2, 9);
	assert_true(query_of(&s.data, &s.users, 0, PART_TEST, &q));
	assert_true(q.history.first == 4 && q.history.end == 7 && q.target == s.users.items[7]);
	sample_free(&s);
}

/* The encoder's ranking is its scores, sorted; the same alone as in a group, for any threads. */
static void test_encoder_ranker(void **state)
{
	(void)state;
	Error e = {0};
	Sample s;
	Tape t = {0};
	EventBatch batch;
	Translation translation;
	Rankings r = {0};
	size_t lengths[40];
	for (size_t u = 0; u < 40; u++)
		lengths[u] = 3 + u % 5;
	sample_new(&s, SPLIT_LEAVE_ONE_OUT, 0, lengths, 40, 12);
	Encoder *m = small_encoder(&s.data, 0, 4);
	assert_true(translation_new(&translation, m, &s.data, &e));
	EncoderRanker context = {.encoder = m, .translation = &translation, .precision = GEMM_F32};
	Ranker ranker = encoder_ranker(&context);
	Pool *pool = pool_new(3, &e);
	assert_true(encoder_ranker_start(&context, pool, &e));
	assert_true(rank_users(&ranker, &s.data, &s.users, PART_TEST, 4, 35, &(size_t){0}, pool, &r, &e));
	assert_int_equal(r.count, 35);
	for (size_t i = 0; i < r.count; i++) {
		const Query *q = &r.queries[i];
		float scores[12 + ID_FIRST], kept[4];
		int32_t items[4];
		Ranking alone = {.items = items, .scores = kept};
		assert_int_equal(q->user, i);
		assert_true(batch_new(&batch, &translation, &s.users, &q->history, 1, &t.arena, &e));
		const Tensor *h = encoder_forward(&t, m, &batch);
		item_scores(&context.items, GEMM_F32, h->value + (h->rows - 1) * 8, 1, scores);
		size_t first = (size_t)s.users.offsets[i];
		ranking_fill(&alone, scores, 12 + ID_FIRST, s.users.items + first, q->history.end - first,
		             q->target, 4);
		assert_int_equal(alone.rank, r.answers[i].rank);
		assert_memory_equal(alone.items, r.answers[i].items, alone.count * sizeof *items);
		for (size_t k = 0; k < alone.count; k++)
			assert_true(fabsf(alone.scores[k] - r.answers[i].scores[k]) < 1e-5f);
	}
	rankings_free(&r);
	/* More places than items: no more room is taken than they can fill. */
	assert_true(
	    rank_users(&ranker, &s.data, &s.users, PART_TEST, SIZE_MAX / 8, 1, &(size_t){0}, pool, &r, &e));
	assert_true(r.count == 1 && r.answers[0].count == 12 - r.queries[0].history.end);
	rankings_free(&r);
	encoder_ranker_free(&context);
	pool_free(pool);
	translation_free(&translation);
	encoder_free(m);
	tape_free(&t);
	sample_free(&s);
}

static void test_names(void **state)
{
	(void)state;
	Error e = {0};
	Sample s;
	Strings names = {0}, texts = {0};
	sample_new(&s, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){4, 2}, 2, 6);
	/* Ids 4 and 8 have no title; make 5 and 6 share one. */
	strings_free(&s.data.texts[0].by_item);
	for (size_t id = 0; id < 9; id++) {
		const char *title = id == 4 || id == 8 ? "" : (id == 5 || id == 6 ? "Hamlet" : "One");
		assert_true(strings_append(&s.data.texts[0].by_item, title, strlen(title), &e));
	}
	assert_true(item_names(&s.data, &names, &e));
	const char *expected[] = {"",     "", "", "One", "item1", "Hamlet", "Hamlet [item3]", "One [item4]",
	                          "item5"};
	assert_int_equal(names.count, 9);
	for (size_t id = 0; id < 9; id++)
		assert_true(text_is(strings_at(&names, id), expected[id]));
	assert_true(dataset_texts(&s.data, &s.users, "Q:", &texts, &e));
	assert_true(text_is(strings_at(&texts, 0), "Q: One"));
	assert_true(text_is(strings_at(&texts, 6), "Q: Hamlet [item3]"));
	/* Of the events' texts only those of training events: 2 of 4, and 2 of 2, less every fourth (empty).
	 */
	assert_int_equal(texts.count, 12 + 1 + 1);
	strings_free(&names);
	strings_free(&texts);
	sample_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fill),         cmocka_unit_test(test_fill_without_target),
	    cmocka_unit_test(test_most_popular), cmocka_unit_test(test_co_occurrence),
	    cmocka_unit_test(test_queries),      cmocka_unit_test(test_encoder_ranker),
	    cmocka_unit_test(test_names),
	};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
