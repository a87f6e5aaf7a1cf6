/* lib/eval: metrics by hand, intervals and tests against what theory says, the
 * reader against lines that are right and lines that are not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "eval/report.h" /* before cmocka.h, whose macro fail() is not ours */

#include <cmocka.h>

static void assert_near(double a, double b, double tolerance)
{
	if (!(fabs(a - b) <= tolerance))
		fail_msg("%.9g is not %.9g to %g", a, b, tolerance);
}

static void metrics_by_hand(void **state)
{
	(void)state;
	const Metric hr3 = {METRIC_HR, 3}, ndcg10 = {METRIC_NDCG, 10}, mrr = {METRIC_MRR, 0};
	assert_near(metric_value(hr3, 1), 1.0, 0);
	assert_near(metric_value(hr3, 3), 1.0, 0);
	assert_near(metric_value(hr3, 4), 0.0, 0);
	assert_near(metric_value(ndcg10, 1), 1.0, 1e-15);       /* 1 / log2(2) */
	assert_near(metric_value(ndcg10, 3), 0.5, 1e-15);       /* 1 / log2(4) */
	assert_near(metric_value(ndcg10, 7), 1.0 / 3.0, 1e-15); /* 1 / log2(8) */
	assert_near(metric_value(ndcg10, 10), 0.28906482631788788, 1e-15);
	assert_near(metric_value(ndcg10, 11), 0.0, 0);
	assert_near(metric_value(mrr, 4), 0.25, 0);
	assert_near(metric_value(mrr, 1000), 0.001, 1e-15);
	assert_near(metric_value(hr3, RANK_NONE) + metric_value(ndcg10, RANK_NONE) +
	                metric_value(mrr, RANK_NONE),
	            0.0, 0);
}

static void metric_names(void **state)
{
	(void)state;
	static const char *const good[] = {
	    "hr@1",   "ndcg@10",     "mrr",         "hr@4294967295", "exact",     "rouge1",    "rouge2",
	    "rougeL", "rouge1-stem", "rouge2-stem", "rougeL-stem",   "distinct1", "distinct2", "perplexity"};
	static const char *const bad[] = {
	    "",      "hr", "hr@",    "hr@0",    "hr@-1",    "hr@1x",   "mrr@5",    "hr@4294967296",
	    "map@5", "mr", "rouge3", "rouge1-", "rouge1@5", "exact@1", "distinct", "distinct3"};
	char name[METRIC_NAME_SIZE];
	Metric m;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		Error e = {0};
		assert_true(metric_parse(good[i], strlen(good[i]), &m, &e));
		metric_name(m, name);
		assert_string_equal(name, good[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		Error e = {0};
		assert_false(metric_parse(bad[i], strlen(bad[i]), &m, &e));
		assert_int_equal(e.code, ERROR_USAGE);
	}
	Error e = {0};
	assert_true(metric_parse("NDCG@5", 6, &m, &e));
	assert_int_equal(m.kind, METRIC_NDCG);
	assert_int_equal(m.k, 5);
	assert_true(metric_parse("ROUGEl-Stem>", 11, &m, &e));
	assert_int_equal(m.kind, METRIC_ROUGE_L_STEM);
}

static void answers_are_exact(void **state)
{
	(void)state;
	assert_near(text_exact(text_of("Drama"), text_of(" Drama\n")), 1.0, 0);
	assert_near(text_exact(text_of("\t\v\f\r Drama "), text_of("Drama")), 1.0, 0);
	assert_near(text_exact(text_of("Drama"), text_of("drama")), 0.0, 0);
	assert_near(text_exact(text_of("a b"), text_of("a  b")), 0.0, 0);
	assert_near(text_exact(text_of(" "), text_of("")), 1.0, 0);
	assert_near(text_exact(text_of("Drama"), text_of("")), 0.0, 0);
}

static void figures_of_all_texts(void **state)
{
	(void)state;
	Error e = {0};
	TextAnswers t = {0};
	assert_near(texts_distinct(&t, 1), 0.0, 0);
	assert_true(isnan(texts_perplexity(&t)));
	assert_true(texts_add(&t, text_of("good"), text_of("good good good"), &e));
	assert_true(texts_add(&t, text_of("a very good one"), text_of("A good one"), &e));
	assert_true(texts_add(&t, text_of("bad"), text_of("one"), &e));
	assert_int_equal(t.count, 3);
	/* good, a, one of 7 words; "good good", "a good", "good one" of 4 pairs: none goes over the end of a
	 * text. */
	assert_near(texts_distinct(&t, 1), 3.0 / 7, 1e-15);
	assert_near(texts_distinct(&t, 2), 3.0 / 4, 1e-15);
	assert_near(t.values[1][METRIC_ROUGE_1 - METRIC_EXACT], 6.0 / 7, 1e-15);
	assert_near(t.values[2][METRIC_ROUGE_1 - METRIC_EXACT], 0.0, 0);
	texts_add_likelihood(&t, 3.0 * log(2.0), 3);
	assert_near(texts_perplexity(&t), 2.0, 1e-12);
	texts_add_likelihood(&t, log(8.0) + 2.0 * log(4.0), 2); /* 2^(3 + 3 + 4) over 5 tokens */
	assert_near(texts_perplexity(&t), 4.0, 1e-12);
	texts_free(&t);
}

/* Of 0 and 1 the mean's standard error is known: sqrt(p (1 - p) / n). */
static void bootstrap_of_a_proportion(void **state)
{
	(void)state;
	enum { COUNT = 2000 };
	double values[COUNT], error = sqrt(0.3 * 0.7 / COUNT);
	Error e = {0};
	for (size_t i = 0; i < COUNT; i++)
		values[i] = i % 10 < 3;
	Interval one, two, other;
	Pool *pool = pool_new(1, &e), *pool2 = pool_new(2, &e);
	assert_true(interval_bootstrap(values, COUNT, 1, pool, &one, &e));
	for (size_t i = 0; i < COUNT; i++) /* the same in another order */
		values[i] = i % 10 >= 7;
	assert_true(interval_bootstrap(values, COUNT, 1, pool2, &two, &e));
	assert_true(interval_bootstrap(values, COUNT, 2, pool, &other, &e));
	assert_near(one.low, 0.3 - 1.96 * error, 0.2 * error);
	assert_near(one.high, 0.3 + 1.96 * error, 0.2 * error);
	assert_memory_equal(&one, &two, sizeof one);
	assert_true(one.low != other.low || one.high != other.high);
	assert_true(interval_bootstrap((double[]){0.5, 0.5, 0.5}, 3, 1, pool, &one, &e));
	assert_near(one.low, 0.5, 0);
	assert_near(one.high, 0.5, 0);
	pool_free(pool);
	pool_free(pool2);
}

static void paired_tests(void **state)
{
	(void)state;
	Error e = {0};
	double p, p2, eight[8], none[50] = {0}, even[100];
	Pool *pool = pool_new(1, &e), *pool2 = pool_new(2, &e);
	for (size_t i = 0; i < 8; i++)
		eight[i] = 1.0;
	for (size_t i = 0; i < 100; i++)
		even[i] = i % 2 ? 1.0 : -1.0;
	assert_true(paired_test(eight, 8, 1, pool, &p, &e));
	assert_near(p, 2.0 / 256.0, 0.003); /* two of the 2^8 signs are as extreme */
	assert_true(paired_test(eight, 8, 1, pool2, &p2, &e));
	assert_near(p, p2, 0);
	assert_true(paired_test(none, 50, 1, pool, &p, &e));
	assert_near(p, 1.0, 0);
	assert_true(paired_test(even, 100, 1, pool, &p, &e));
	assert_near(p, 1.0, 0);
	/* 60 up and 40 down: |sum| ≥ 20 has probability 0.0569 for a fair coin. */
	for (size_t i = 0; i < 100; i++)
		even[i] = i < 60 ? 1.0 : -1.0;
	assert_true(paired_test(even, 100, 1, pool, &p, &e));
	assert_near(p, 0.0569, 0.008);
	for (size_t i = 0; i < 100; i++) /* the same in another order */
		even[i] = i % 5 < 3 ? 1.0 : -1.0;
	assert_true(paired_test(even, 100, 1, pool, &p2, &e));
	assert_near(p, p2, 0);
	pool_free(pool);
	pool_free(pool2);
}

static bool read_text(Predictions *p, const char *text, Error *e)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	assert_non_null(file);
	bool done = predictions_read(p, file, "some.jsonl", 10, e);
	assert_int_equal(fclose(file), 0);
	return done;
}

static const char three_users[] =
    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": 1, \"items\": [\"x\", \"y\"]}\n"
    "{\"user\": \"b\", \"task\": \"t\", \"target\": \"x\", \"rank\": null, \"items\": [\"z\", \"y\"]}\n"
    "{\"user\": \"b\", \"task\": \"other\", \"target\": \"y\", \"rank\": 4}\n"
    "{\"user\": \"d\", \"task\": \"t\", \"items\": [\"x\"]}\n"
    "{\"user\": \"e\", \"task\": \"t\", \"target\": null, \"rank\": null}\n"
    "{\"user\": \"f\", \"task\": \"review\", \"target\": \"good\", \"text\": \"bad\"}\n"
    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"text\": \"x\", \"nll\": 3, \"tokens\": 2}\n"
    "{\"user\": \"g\", \"task\": \"review\", \"text\": \"bad\"}\n"
    "{\"user\": \"c\", \"task\": \"t\", \"target\": \"x\", \"rank\": 3, \"items\": [\"z\", \"y\"]}";

static void predictions_are_read(void **state)
{
	(void)state;
	Error e = {0};
	Predictions p;
	assert_true(read_text(&p, three_users, &e));
	assert_int_equal(p.lines, 9);
	assert_int_equal(p.without_target, 3);
	assert_int_equal(p.task_count, 4);
	const TaskAnswers *t = predictions_task(&p, "t", ANSWER_RANKING);
	assert_non_null(t);
	assert_null(predictions_task(&p, "review", ANSWER_RANKING));
	assert_int_equal(t->users.strings.count, 3);
	assert_int_equal(t->ranks[0], 1);
	assert_int_equal(t->ranks[1], RANK_NONE);
	assert_int_equal(t->ranks[2], 3);
	assert_near(score_mean(t, (Metric){METRIC_MRR, 0}), (1.0 + 1.0 / 3.0) / 3.0, 1e-15);
	assert_true(isnan(score_mean(t, (Metric){METRIC_ROUGE_1, 0})));
	assert_true(isnan(score_mean(t, (Metric){METRIC_PERPLEXITY, 0})));
	/* One task has rankings and texts: they are kept apart. */
	t = predictions_task(&p, "t", ANSWER_TEXT);
	assert_non_null(t);
	assert_int_equal(t->texts.count, 1);
	assert_near(score_mean(t, (Metric){METRIC_EXACT, 0}), 1.0, 0);
	assert_near(score_mean(t, (Metric){METRIC_PERPLEXITY, 0}), exp(1.5), 1e-12);
	assert_true(isnan(score_mean(t, (Metric){METRIC_HR, 1})));
	t = predictions_task(&p, "review", ANSWER_TEXT);
	assert_non_null(t);
	assert_near(score_mean(t, (Metric){METRIC_EXACT, 0}), 0.0, 0);
	assert_near(score_mean(t, (Metric){METRIC_DISTINCT_1, 0}), 1.0, 0);
	assert_true(isnan(score_mean(t, (Metric){METRIC_PERPLEXITY, 0})));
	predictions_free(&p);
}

static void broken_lines_are_refused(void **state)
{
	(void)state;
#define TEXT(rest) "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", " rest "}"
	static const char *const bad[] = {
	    "{\"user\": \"a\"",
	    "[1]\n",
	    "{\"user\": \"a\", \"task\": \"t\", \"rank\": null}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": null, \"rank\": 2}",
	    "{\"user\": 1, \"task\": \"t\", \"target\": \"x\", \"rank\": 1}",
	    "{\"task\": \"t\", \"target\": \"x\", \"rank\": 1}",
	    "{\"user\": \"a\", \"target\": \"x\", \"rank\": 1}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": 5, \"rank\": 1}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\"}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": 0}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": -1}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": 1.5}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": \"1\"}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": 99999999999999999999}",
	    "{\"user\": \"a\", \"user\": \"b\", \"task\": \"t\", \"target\": \"x\", \"rank\": 1}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": 1, \"items\": [\"y\"]}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": 2, \"items\": [\"x\", \"y\"]}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": null, \"items\": [\"x\"]}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": 1, \"items\": 3}",
	    "{\"user\": \"a\\u0000\", \"task\": \"t\", \"target\": \"x\", \"rank\": 1}",
	    "{\"user\": \"\xff\", \"task\": \"t\", \"target\": \"x\", \"rank\": 1}",
	    "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": 1} {}",
	    TEXT("\"text\": \"y\", \"items\": []"),
	    TEXT("\"text\": \"y\", \"rank\": 1"),
	    TEXT("\"items\": [\"x\"]"),
	    TEXT("\"text\": null"),
	    TEXT("\"text\": [\"y\"]"),
	    TEXT("\"text\": \"\\u0000\""),
	    TEXT("\"text\": \"y\", \"nll\": 2"),
	    TEXT("\"text\": \"y\", \"nll\": -0.5, \"tokens\": 1"),
	    TEXT("\"text\": \"y\", \"nll\": 1e999, \"tokens\": 1"),
	    TEXT("\"text\": \"y\", \"nll\": NaN, \"tokens\": 1"),
	    TEXT("\"text\": \"y\", \"nll\": 701, \"tokens\": 1"),
	    TEXT("\"text\": \"y\", \"nll\": \"2\", \"tokens\": 1"),
	    TEXT("\"text\": \"y\", \"nll\": null, \"tokens\": 1"),
	    TEXT("\"text\": \"y\", \"nll\": 2, \"tokens\": 0"),
	    TEXT("\"text\": \"y\", \"nll\": 2, \"tokens\": 1.5"),
	    TEXT("\"text\": \"y\", \"tokens\": -1"),
	    "{\"user\": \"a\", \"task\": \"t\", \"text\": 1}",
	};
#undef TEXT
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		Error e = {0};
		Predictions p;
		assert_false(read_text(&p, bad[i], &e));
		assert_int_equal(e.code, ERROR_MALFORMED);
		assert_non_null(strstr(e.text, "some.jsonl: line 1: "));
		predictions_free(&p);
	}
	static const char twice[] = "{\"user\": \"a\", \"task\": \"t\", \"target\": \"x\", \"rank\": 1}\n"
	                            "{\"user\": \"a\", \"task\": \"t\", \"target\": \"y\", \"rank\": 2}\n";
	Error e = {0};
	Predictions p;
	assert_false(read_text(&p, twice, &e));
	assert_non_null(strstr(e.text, "line 2: user 'a'"));
	predictions_free(&p);
}

static void check_pair(const char *a, const char *b, const char *message)
{
	Error e = {0};
	Predictions p, q;
	size_t lines[8];
	assert_true(read_text(&p, a, &e));
	assert_true(read_text(&q, b, &e));
	assert_false(predictions_pair(&p.tasks[0], &q.tasks[0], lines, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	if (strstr(e.text, message) == NULL)
		fail_msg("'%s' does not say '%s'", e.text, message);
	predictions_free(&p);
	predictions_free(&q);
}

static void pairs_are_by_user(void **state)
{
	(void)state;
#define LINE(user, target, rank)                                                                             \
	"{\"user\": \"" user "\", \"task\": \"t\", \"target\": \"" target "\", \"rank\": " rank "}\n"
	Error e = {0};
	Predictions p, q;
	size_t lines[2] = {0};
	assert_true(read_text(&p, LINE("a", "x", "1") LINE("b", "y", "2"), &e));
	assert_true(read_text(&q, LINE("b", "y", "5") LINE("a", "x", "null"), &e));
	assert_true(predictions_pair(&p.tasks[0], &q.tasks[0], lines, &e));
	assert_int_equal(lines[0], 1);
	assert_int_equal(lines[1], 0);
	predictions_free(&p);
	predictions_free(&q);
	check_pair(LINE("a", "x", "1"), LINE("b", "x", "1") LINE("a", "x", "1"),
	           "no user 'b', whom the baseline has");
	check_pair(LINE("a", "x", "1") LINE("c", "x", "1"), LINE("a", "x", "1"),
	           "the baseline has no user 'c'");
	check_pair(LINE("a", "x", "1"), LINE("a", "y", "1"), "user 'a' has another target");
#undef LINE
}

static void score_against_a_baseline(void **state)
{
	(void)state;
	Error e = {0};
	Predictions p;
	Score s;
	Pool *pool = pool_new(1, &e);
	const Metric metrics[] = {{METRIC_HR, 1}, {METRIC_HR, 3}, {METRIC_EXACT, 0}};
	assert_true(read_text(&p, three_users, &e));
	assert_true(score_task(&s, "na\tme\xff", &p.tasks[0], &p.tasks[0], metrics, 3, 1, pool, &e));
	assert_string_equal(s.system, "na?me?");
	assert_int_equal(s.count, 3);
	assert_near(s.metrics[0].mean, 1.0 / 3.0, 1e-15);
	assert_near(s.metrics[1].mean, 2.0 / 3.0, 1e-15);
	assert_near(s.metrics[1].difference, 0.0, 0);
	assert_near(s.metrics[1].p, 1.0, 0);
	assert_true(isnan(s.metrics[2].mean) && isnan(s.metrics[2].interval.low) && isnan(s.metrics[2].p));
	score_free(&s);
	predictions_free(&p);
	pool_free(pool);
}

static void score_texts_against_a_baseline(void **state)
{
	(void)state;
#define LINE(user, text, nll)                                                                                \
	"{\"user\": \"" user "\", \"task\": \"t\", \"target\": \"one two\", \"text\": \"" text "\"" nll "}"  \
	"\n"
	Error e = {0};
	Predictions p, q;
	Score s;
	Pool *pool = pool_new(1, &e);
	const Metric metrics[] = {
	    {METRIC_EXACT, 0}, {METRIC_ROUGE_1, 0}, {METRIC_DISTINCT_1, 0}, {METRIC_PERPLEXITY, 0}};
	assert_true(
	    read_text(&p, LINE("a", "one two", ", \"nll\": 0, \"tokens\": 4") LINE("b", "one", ""), &e));
	assert_true(read_text(&q, LINE("b", "three", "") LINE("a", "two one", ""), &e));
	assert_true(score_task(&s, "p", &p.tasks[0], &q.tasks[0], metrics, 4, 1, pool, &e));
	assert_near(s.metrics[0].mean, 1.0 / 2, 0);
	assert_near(s.metrics[0].difference, 1.0 / 2, 0);
	assert_near(s.metrics[1].mean, (1.0 + 2.0 / 3) / 2, 1e-15);
	assert_near(s.metrics[1].difference, (2.0 / 3) / 2, 1e-15);
	assert_near(s.metrics[1].interval.low, 2.0 / 3, 1e-15);
	assert_near(s.metrics[1].interval.high, 1.0, 1e-15);
	assert_near(s.metrics[2].mean, 2.0 / 3, 1e-15);
	assert_near(s.metrics[2].difference, 2.0 / 3 - 1.0, 1e-15);
	assert_true(isnan(s.metrics[2].interval.low) && isnan(s.metrics[2].p));
	assert_near(s.metrics[3].mean, 1.0, 0);
	assert_true(isnan(s.metrics[3].difference)); /* the baseline has no likelihoods */
	score_free(&s);
	predictions_free(&p);
	predictions_free(&q);
	pool_free(pool);
#undef LINE
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(metrics_by_hand),
	    cmocka_unit_test(metric_names),
	    cmocka_unit_test(bootstrap_of_a_proportion),
	    cmocka_unit_test(paired_tests),
	    cmocka_unit_test(predictions_are_read),
	    cmocka_unit_test(broken_lines_are_refused),
	    cmocka_unit_test(pairs_are_by_user),
	    cmocka_unit_test(score_against_a_baseline),
	    cmocka_unit_test(answers_are_exact),
	    cmocka_unit_test(figures_of_all_texts),
	    cmocka_unit_test(score_texts_against_a_baseline),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
