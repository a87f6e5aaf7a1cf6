/* Decoding: the trie, ranking against every sequence's worth by the whole forward pass, and sampling. */
#include "llm/generate.h"
#include "llm/rank.h"
#include "small_models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_trie(void **state)
{
	(void)state;
	Error e = {0};
	Trie t = {0};
	assert_true(trie_add(&t, (int32_t[]){4, 5, 6}, 3, 10, &e));
	assert_true(trie_add(&t, (int32_t[]){4, 5}, 2, 11, &e)); /* a prefix of the other */
	assert_true(trie_add(&t, (int32_t[]){4, 7}, 2, 12, &e));
	assert_true(trie_add(&t, (int32_t[]){7}, 1, 13, &e));
	assert_int_equal(t.count, 6); /* root, 4, 5, 6, 7 below 4, 7 */
	assert_int_equal(t.depth, 3);
	assert_false(trie_add(&t, (int32_t[]){4, 5}, 2, 14, &e));
	assert_int_equal(e.code, ERROR_USAGE);
	e = (Error){0};
	assert_false(trie_add(&t, NULL, 0, 15, &e));
	assert_int_equal(e.code, ERROR_USAGE);
	trie_free(&t);
}

enum { SEQUENCES = 9, PROMPT = 3 };
static const int32_t prompt[PROMPT] = {8, 90, 17};
static const int32_t sequences[SEQUENCES][5] = {/* length first */
                                                {2, 5, 6},   {3, 5, 6, 9},      {4, 5, 6, 9, 9},
                                                {1, 7},      {4, 7, 100, 5, 6}, {3, 7, 100, 8},
                                                {2, 20, 21}, {1, 30},           {4, 31, 5, 6, 9}};

typedef struct {
	Llm *llm;
	Trie trie;
	Decoder decoder;
	double worth[SEQUENCES];
} Catalogue;

static Catalogue *catalogue_new(uint64_t seed)
{
	static Catalogue c;
	Error e = {0};
	c = (Catalogue){.llm = small_llm(true, seed)};
	/* A model that is sure of itself: tokens that cost next to nothing, and others that cost much. */
	for (size_t i = 0; i < c.llm->output->count; i++)
		c.llm->output->value[i] *= 6;
	for (size_t i = 0; i < SEQUENCES; i++) {
		int32_t all[PROMPT + 4];
		size_t length = (size_t)sequences[i][0];
		memcpy(all, prompt, sizeof prompt);
		memcpy(all + PROMPT, sequences[i] + 1, length * sizeof *all);
		assert_true(trie_add(&c.trie, sequences[i] + 1, length, (int32_t)i, &e));
		c.worth[i] = small_worth(c.llm, all, PROMPT + length, PROMPT, NULL);
	}
	assert_true(decoder_new(&c.decoder, c.llm, NULL, &e));
	return &c;
}

static void catalogue_free(Catalogue *c)
{
	decoder_free(&c->decoder);
	trie_free(&c->trie);
	llm_free(c->llm);
}

/* The K best of those that are not left out, by the whole forward pass. */
static void check_ranking(Catalogue *c, size_t K, const uint8_t *left_out)
{
	Error e = {0};
	int32_t values[SEQUENCES + 5];
	float scores[SEQUENCES + 5];
	size_t expected = 0;
	bool taken[SEQUENCES] = {false};
	TrieSearch search = {&c->trie, 100, K};
	TrieQuestion q = {prompt, PROMPT, left_out, values, scores, 99};
	assert_true(decoder_rank(&c->decoder, &search, &q, 1, &e));
	for (; expected < K; expected++) {
		size_t best = SEQUENCES;
		for (size_t i = 0; i < SEQUENCES; i++)
			if (!taken[i] && !(left_out && left_out[i]) &&
			    (best == SEQUENCES || c->worth[i] > c->worth[best]))
				best = i;
		if (best == SEQUENCES)
			break;
		taken[best] = true;
		assert_true(expected < q.found);
		assert_int_equal(values[expected], best);
		assert_true(fabs((double)scores[expected] - c->worth[best]) < 1e-3);
	}
	assert_int_equal(q.found, expected);
}

static void test_rank_is_exact(void **state)
{
	(void)state;
	const uint8_t some[SEQUENCES] = {1, 0, 0, 1, 0, 0, 0, 1, 0},
	              all[SEQUENCES] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
	for (uint64_t seed = 0; seed < 20; seed++) {
		Catalogue *c = catalogue_new(seed);
		for (size_t K = 1; K <= SEQUENCES + 5; K++) /* more than there are: all */
			check_ranking(c, K, NULL);
		for (size_t K = 1; K <= SEQUENCES; K++)
			check_ranking(c, K, some);
		check_ranking(c, 3, all);
		catalogue_free(c);
	}
}

/* A narrow beam finds only what begins well, all of it with its true worth. */
static void test_beam(void **state)
{
	(void)state;
	Error e = {0};
	Catalogue *c = catalogue_new(9);
	int32_t values[SEQUENCES];
	float scores[SEQUENCES];
	TrieSearch search = {&c->trie, 1, SEQUENCES};
	TrieQuestion q = {prompt, PROMPT, NULL, values, scores, 0};
	assert_true(decoder_rank(&c->decoder, &search, &q, 1, &e));
	assert_true(q.found > 0 && q.found < SEQUENCES);
	for (size_t i = 0; i < q.found; i++)
		assert_true(fabs((double)scores[i] - c->worth[values[i]]) < 1e-3);
	catalogue_free(c);
}

/* Random sequences, many of which begin alike, and what their prefixes are worth by the whole forward pass.
 */
enum { MANY = 150, LONGEST = 5 };
typedef struct {
	Trie trie;
	int32_t tokens[MANY][PROMPT + LONGEST];
	size_t length[MANY];
	double worth[MANY][LONGEST + 1]; /* by tokens */
	bool first[MANY][LONGEST + 1];   /* of those that begin alike and go on */
} Many;

static bool begins_alike(const Many *m, size_t a, size_t b, size_t length)
{
	return m->length[a] > length && m->length[b] > length &&
	       memcmp(m->tokens[a], m->tokens[b], (PROMPT + length) * sizeof(int32_t)) == 0;
}

static void many_new(Many *m, const Llm *llm)
{
	Random r = {random_key(5, 1), 0};
	*m = (Many){0};
	for (size_t i = 0; i < MANY;) {
		Error e = {0};
		m->length[i] = 1 + (size_t)random_below(&r, LONGEST);
		memcpy(m->tokens[i], prompt, sizeof prompt);
		for (size_t d = 0; d < m->length[i]; d++)
			m->tokens[i][PROMPT + d] = (int32_t)random_below(&r, d < 2 ? 12 : 100);
		if (trie_add(&m->trie, m->tokens[i] + PROMPT, m->length[i], (int32_t)i, &e))
			i++;
		else
			assert_int_equal(e.code, ERROR_USAGE); /* there already */
	}
	for (size_t i = 0; i < MANY; i++)
		for (size_t d = 1; d <= m->length[i]; d++) {
			m->worth[i][d] = small_worth(llm, m->tokens[i], PROMPT + d, PROMPT, NULL);
			m->first[i][d] = m->length[i] > d;
			for (size_t k = 0; k < i; k++)
				m->first[i][d] = m->first[i][d] && !begins_alike(m, k, i, d);
		}
}

static int falling(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x < y) - (x > y);
}

/* One length after the other, with the best `beam` prefixes: the worth of what is found, best first. */
static size_t found_by_hand(const Many *m, size_t beam, const uint8_t *left_out, double *found)
{
	bool alive[MANY], next[MANY];
	size_t count = 0;
	memset(alive, true, sizeof alive);
	for (size_t d = 1; d <= LONGEST; d++) {
		for (size_t i = 0; i < MANY; i++) {
			size_t better = 0;
			for (size_t k = 0; k < MANY; k++)
				better +=
				    alive[k] && m->first[k][d] && m->worth[k][d] > m->worth[i][d] + 1e-6;
			next[i] = alive[i] && m->length[i] > d && better < beam;
			if (alive[i] && m->length[i] == d && !(left_out && left_out[i]))
				found[count++] = m->worth[i][d];
		}
		memcpy(alive, next, sizeof alive);
	}
	qsort(found, count, sizeof *found, falling);
	return count;
}

static void check_found(const Many *m, const TrieSearch *search, const TrieQuestion *q)
{
	double found[MANY];
	size_t count = found_by_hand(m, search->beam, q->left_out, found);
	assert_int_equal(q->found, count < search->K ? count : search->K);
	for (size_t i = 0; i < q->found; i++) {
		size_t value = (size_t)q->values[i];
		assert_false(q->left_out && q->left_out[value]);
		assert_true(fabs((double)q->scores[i] - found[i]) < 1e-3);
		assert_true(fabs((double)q->scores[i] - m->worth[value][m->length[value]]) < 1e-3);
	}
}

/* The likeliest first finds what the beams of one length after the other find, for two questions in a batch.
 */
static void test_likeliest_first(void **state)
{
	(void)state;
	static const size_t beams[] = {1, 4, 12, 30, MANY}, Ks[] = {1, 7, MANY};
	uint8_t left_out[MANY];
	for (size_t i = 0; i < MANY; i++)
		left_out[i] = i % 8 != 3;
	for (uint64_t seed = 0; seed < 3; seed++) {
		Catalogue *c = catalogue_new(seed);
		static Many m;
		many_new(&m, c->llm);
		for (size_t n = 0; n < 15; n++) {
			Error e = {0};
			int32_t values[2][MANY];
			float scores[2][MANY];
			TrieSearch search = {&m.trie, beams[n / 3], Ks[n % 3]};
			TrieQuestion q[2] = {{prompt, PROMPT, NULL, values[0], scores[0], 0},
			                     {prompt, PROMPT, left_out, values[1], scores[1], 0}};
			assert_true(decoder_rank(&c->decoder, &search, q, 2, &e));
			check_found(&m, &search, &q[0]);
			check_found(&m, &search, &q[1]);
		}
		trie_free(&m.trie);
		catalogue_free(c);
	}
}

/* What cannot be among the best is not read. */
static void test_few_are_read(void **state)
{
	(void)state;
	Error e = {0};
	Catalogue *c = catalogue_new(1);
	static Many m;
	many_new(&m, c->llm);
	int32_t values[MANY];
	float scores[MANY];
	TrieQuestion q = {prompt, PROMPT, NULL, values, scores, 0};
	assert_true(decoder_rank(&c->decoder, &(TrieSearch){&m.trie, MANY, MANY}, &q, 1, &e));
	size_t all = c->decoder.rows;
	assert_true(decoder_rank(&c->decoder, &(TrieSearch){&m.trie, MANY, 3}, &q, 1, &e));
	assert_true(c->decoder.rows < all / 16);
	trie_free(&m.trie);
	catalogue_free(c);
}

/* Without a beam everything gets its score. */
static void test_exact(void **state)
{
	(void)state;
	Error e = {0};
	Catalogue *c = catalogue_new(9);
	const uint8_t left_out[SEQUENCES] = {0, 0, 1, 0, 0, 0, 1, 0, 0};
	float scores[SEQUENCES];
	for (size_t i = 0; i < SEQUENCES; i++)
		scores[i] = -INFINITY;
	TrieSearch search = {&c->trie, 0, 1};
	TrieQuestion q = {prompt, PROMPT, left_out, NULL, scores, 0};
	assert_true(decoder_rank(&c->decoder, &search, &q, 1, &e));
	for (size_t i = 0; i < SEQUENCES; i++)
		assert_true(left_out[i] ? scores[i] == -INFINITY
		                        : fabs((double)scores[i] - c->worth[i]) < 1e-3);
	catalogue_free(c);
}

/* Nor does it need a cache for all that it reads: two questions, each in rounds that are less than a length.
 */
static void test_exact_in_little_room(void **state)
{
	(void)state;
	Error e = {0};
	Catalogue *c = catalogue_new(3);
	static Many m;
	static float scores[2][MANY];
	uint8_t left_out[MANY];
	many_new(&m, c->llm);
	for (size_t i = 0; i < MANY; i++) {
		left_out[i] = i % 8 == 3;
		scores[0][i] = scores[1][i] = -INFINITY;
	}
	TrieQuestion q[2] = {{prompt, PROMPT, NULL, NULL, scores[0], 0},
	                     {prompt, PROMPT, left_out, NULL, scores[1], 0}};
	assert_true(decoder_rank(&c->decoder, &(TrieSearch){&m.trie, 0, 1}, q, 2, &e));
	for (size_t i = 0; i < MANY; i++) {
		double worth = m.worth[i][m.length[i]];
		assert_true(fabs((double)scores[0][i] - worth) < 1e-3);
		assert_true(left_out[i] ? scores[1][i] == -INFINITY
		                        : fabs((double)scores[1][i] - worth) < 1e-3);
	}
	size_t most = c->decoder.cache.capacity;
	assert_int_equal(c->decoder.rows, PROMPT + 1); /* which share all but the last token of theirs */
	int32_t values[2][MANY];
	q[0].values = values[0];
	q[1].values = values[1];
	assert_true(decoder_rank(&c->decoder, &(TrieSearch){&m.trie, MANY, MANY}, q, 2, &e));
	assert_true(most < c->decoder.rows);
	trie_free(&m.trie);
	catalogue_free(c);
}

/* Questions of several lengths, which begin alike or not, together as one by one. */
static void test_rank_together(void **state)
{
	(void)state;
	enum { QUESTIONS = 5 };
	static const int32_t prompts[QUESTIONS][4] = {
	    {8, 90, 17}, {8, 90, 18, 44}, {8}, {8, 90}, {8, 90, 17}};
	static const size_t lengths[QUESTIONS] = {3, 4, 1, 2, 3};
	const uint8_t left_out[SEQUENCES] = {0, 0, 1, 0, 0, 0, 1, 0, 0};
	for (size_t first = 0; first < 3; first += 2) { /* the third is all that it has in common */
		Error e = {0};
		Catalogue *c = catalogue_new(4);
		int32_t values[QUESTIONS][3] = {{0}}, alone[3] = {0};
		float scores[QUESTIONS][3] = {{0}}, alone_scores[3] = {0};
		TrieSearch search = {&c->trie, 2, 3};
		TrieQuestion q[QUESTIONS];
		for (size_t i = first; i < QUESTIONS; i++)
			q[i] = (TrieQuestion){prompts[i], lengths[i], i == 4 ? left_out : NULL,
			                      values[i],  scores[i],  0};
		assert_true(decoder_rank(&c->decoder, &search, q + first, QUESTIONS - first, &e));
		for (size_t i = first; i < QUESTIONS; i++) {
			TrieQuestion one = {prompts[i], lengths[i], q[i].left_out, alone, alone_scores, 0};
			assert_true(decoder_rank(&c->decoder, &search, &one, 1, &e));
			assert_int_equal(one.found, q[i].found);
			assert_memory_equal(alone, values[i], one.found * sizeof *alone);
			for (size_t k = 0; k < one.found; k++)
				assert_true(fabsf(alone_scores[k] - scores[i][k]) < 1e-4f);
		}
		catalogue_free(c);
	}
}

static void test_rank_needs_a_prompt(void **state)
{
	(void)state;
	Error e = {0};
	Catalogue *c = catalogue_new(9);
	Trie empty = {0};
	int32_t value;
	float score;
	TrieSearch search = {&empty, 4, 1};
	TrieQuestion q = {prompt, PROMPT, NULL, &value, &score, 7};
	assert_true(decoder_rank(&c->decoder, &search, &q, 1, &e));
	assert_int_equal(q.found, 0);
	search = (TrieSearch){&c->trie, 4, 0}; /* the best none */
	q.found = 7;
	assert_true(decoder_rank(&c->decoder, &search, &q, 1, &e));
	assert_int_equal(q.found, 0);
	search.K = 1;
	q.prompt_count = 0;
	assert_false(decoder_rank(&c->decoder, &search, &q, 1, &e));
	assert_int_equal(e.code, ERROR_USAGE);
	catalogue_free(c);
}

/* `most` tokens after the prompt. */
static Tokens sample(Decoder *d, Sampling s, size_t most, uint64_t seed)
{
	Error e = {0};
	s.penalty = s.penalty > 0 ? s.penalty : 1;
	Generation g = {.sampling = s, .most = most};
	Continuation c = {.prompt = prompt, .prompt_count = PROMPT, .seed = seed};
	if (!decoder_generate(d, &g, &c, 1, &e))
		fail_msg("%s", e.text);
	return c.out;
}

static void same(Tokens a, Tokens b, bool expected)
{
	bool equal =
	    a.count == b.count && (a.count == 0 || memcmp(a.ids, b.ids, a.count * sizeof *a.ids) == 0);
	assert_int_equal(equal, expected);
	tokens_free(&a);
	tokens_free(&b);
}

static void test_greedy(void **state)
{
	(void)state;
	Error e = {0};
	Llm *m = small_llm(true, 9);
	Decoder d;
	Tape t = {0};
	int32_t all[PROMPT + 20];
	assert_true(decoder_new(&d, m, NULL, &e));
	Tokens out = sample(&d, (Sampling){0, 0, 1}, 20, 1);
	memcpy(all, prompt, sizeof prompt);
	for (size_t i = 0; i < 20; i++) {
		int32_t best = 0;
		tape_reset(&t, false, 0);
		const Tensor *y = llm_log_probabilities(&t, m, small_forward(&t, m, all, PROMPT + i, NULL));
		const float *row = y->value + (PROMPT + i - 1) * m->shape.V;
		for (size_t v = 1; v < m->shape.V; v++)
			best = row[v] > row[best] ? (int32_t)v : best;
		if (best == tokenizer_model(m->tokenizer)->eos) {
			assert_int_equal(out.count, i);
			break;
		}
		assert_true(i < out.count && out.ids[i] == best);
		all[PROMPT + i] = best;
	}
	same(out, sample(&d, (Sampling){1, 1, 1}, 20, 3), true); /* top-k 1 */
	same(sample(&d, (Sampling){0, 0, 1}, 20, 3), sample(&d, (Sampling){5, 0, 0}, 20, 3),
	     true); /* top-p 0 */
	tape_free(&t);
	decoder_free(&d);
	llm_free(m);
}

static void test_seeds(void **state)
{
	(void)state;
	Error e = {0};
	Llm *m = small_llm(true, 9);
	Decoder d;
	assert_true(decoder_new(&d, m, NULL, &e));
	same(sample(&d, (Sampling){1, 0, 1}, 20, 4), sample(&d, (Sampling){1, 0, 1}, 20, 4), true);
	same(sample(&d, (Sampling){1, 0, 1}, 20, 4), sample(&d, (Sampling){1, 0, 1}, 20, 5), false);
	same(sample(&d, (Sampling){1, 0, 1}, 20, 4), sample(&d, (Sampling){0, 0, 1}, 20, 4), false);
	Tokens none = sample(&d, (Sampling){1, 0, 1}, 0, 4);
	assert_int_equal(none.count, 0);
	decoder_free(&d);
	llm_free(m);
}

/* How often each token comes first agrees with its probability. */
static void test_sampling_follows_probabilities(void **state)
{
	(void)state;
	enum { DRAWS = 3000, TOP = 3 };
	Error e = {0};
	Llm *m = small_llm(true, 9);
	Decoder d;
	Tape t = {0};
	size_t V = m->shape.V, counts[512] = {0};
	assert_true(decoder_new(&d, m, NULL, &e) && V <= 512);
	const Tensor *y = llm_log_probabilities(&t, m, small_forward(&t, m, prompt, PROMPT, NULL));
	const float *row = y->value + (PROMPT - 1) * V;
	for (uint64_t seed = 0; seed < DRAWS; seed++) {
		Tokens out = sample(&d, (Sampling){0.5, TOP, 1}, 1, seed);
		if (out.count > 0)
			counts[out.ids[0]]++;
		tokens_free(&out);
	}
	double total = 0;
	size_t best[TOP];
	for (size_t k = 0; k < TOP; k++) {
		best[k] = V;
		for (size_t v = 0; v < V; v++) {
			bool taken = (k > 0 && best[0] == v) || (k > 1 && best[1] == v);
			if (!taken && (best[k] == V || row[v] > row[best[k]]))
				best[k] = v;
		}
		total += exp((double)row[best[k]] / 0.5);
	}
	for (size_t k = 0; k < TOP; k++) {
		double expected = DRAWS * exp((double)row[best[k]] / 0.5) / total;
		assert_true(fabs((double)counts[best[k]] - expected) < 5 * sqrt(expected) + 1);
	}
	tape_free(&t);
	decoder_free(&d);
	llm_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_trie),
	    cmocka_unit_test(test_rank_is_exact),
	    cmocka_unit_test(test_beam),
	    cmocka_unit_test(test_likeliest_first),
	    cmocka_unit_test(test_few_are_read),
	    cmocka_unit_test(test_exact),
	    cmocka_unit_test(test_exact_in_little_room),
	    cmocka_unit_test(test_rank_together),
	    cmocka_unit_test(test_rank_needs_a_prompt),
	    cmocka_unit_test(test_greedy),
	    cmocka_unit_test(test_seeds),
	    cmocka_unit_test(test_sampling_follows_probabilities),
	};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
