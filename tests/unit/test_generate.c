/* Continuing texts: many together as one by one, beams against all there is, the choice of a token against
 * its definition, and the text under way. */
#include "gradient.h"

#include "llm/beams.h"
#include "llm/writing.h"
#include "small_models.h"

static const int32_t prompts[4][6] = {{8, 90, 17, 5}, {8, 90, 17, 5, 6, 7}, {8, 90, 4}, {8}};
static const size_t lengths[4] = {4, 6, 3, 1};

/* A model that is sure of itself. */
static Llm *sure_llm(const char *architecture)
{
	Llm *m = small_llm_like(architecture, true, 9);
	for (size_t i = 0; i < m->output->count; i++)
		m->output->value[i] *= 6;
	return m;
}

static void generate(Llm *m, const Generation *g, Continuation *c, size_t count, Pool *pool)
{
	Error e = {0};
	Decoder d;
	assert_true(decoder_new(&d, m, pool, &e));
	if (!decoder_generate(&d, g, c, count, &e))
		fail_msg("%s", e.text);
	decoder_free(&d);
}

/* Some prompts together, on one thread and on two, say what each says alone. */
static void check_together(const char *architecture, Sampling sampling, size_t first, size_t count)
{
	Error e = {0};
	Llm *m = sure_llm(architecture);
	Generation g = {.sampling = sampling, .most = 12};
	for (size_t threads = 1; threads <= 2; threads++) {
		Pool *pool = pool_new(threads, &e);
		Continuation c[4], alone[4];
		for (size_t i = 0; i < count; i++)
			c[i] = alone[i] = (Continuation){
			    .prompt = prompts[first + i], .prompt_count = lengths[first + i], .seed = i};
		generate(m, &g, c, count, pool);
		for (size_t i = 0; i < count; i++) {
			generate(m, &g, &alone[i], 1, NULL);
			assert_int_equal(c[i].finish, c[i].out.count < g.most ? FINISH_STOP : FINISH_LENGTH);
			assert_int_equal(alone[i].finish, c[i].finish);
			assert_int_equal(c[i].out.count, alone[i].out.count);
			assert_true(c[i].out.count == 0 || memcmp(c[i].out.ids, alone[i].out.ids,
			                                          c[i].out.count * sizeof(int32_t)) == 0);
			tokens_free(&c[i].out);
			tokens_free(&alone[i].out);
		}
		pool_free(pool);
	}
	llm_free(m);
}

static void test_together(void **state)
{
	(void)state;
	const Sampling greedy = {.top_p = 1, .penalty = 1},
	               warm = {.temperature = 0.8, .top_p = 0.9, .min_p = 0.01, .penalty = 1.3};
	check_together("llama", greedy, 0, 4);
	check_together("llama", greedy, 0, 2); /* one prompt is the beginning of the other */
	check_together("llama", warm, 0, 4);
	check_together("gemma2", warm, 0, 3);
	check_together("gpt2", greedy, 0, 3);
	check_together("gptneox", warm, 1, 2);
}

/* A text ends with the end token, once that is likelier than what came fourth. */
static void test_end_token(void **state)
{
	(void)state;
	Llm *m = sure_llm("llama");
	const Generation g = {.sampling = {.penalty = 1}, .most = 12};
	const size_t C = m->shape.layer.C, eos = (size_t)tokenizer_model(m->tokenizer)->eos;
	Continuation whole = {.prompt = prompts[0], .prompt_count = 4}, ended = whole;
	generate(m, &g, &whole, 1, NULL);
	assert_int_equal(whole.finish, FINISH_LENGTH);
	for (size_t i = 0; i < C; i++)
		m->output->value[eos * C + i] = 1.5F * m->output->value[(size_t)whole.out.ids[3] * C + i];
	generate(m, &g, &ended, 1, NULL);
	assert_int_equal(ended.finish, FINISH_STOP);
	assert_in_range(ended.out.count, 0, 3);
	assert_true(ended.out.count == 0 ||
	            memcmp(ended.out.ids, whole.out.ids, ended.out.count * sizeof(int32_t)) == 0);
	tokens_free(&whole.out);
	tokens_free(&ended.out);
	llm_free(m);
}

/* More prompts than are read in one pass: one straddles two. */
static void test_long_prompts(void **state)
{
	(void)state;
	enum { PROMPTS = 30, LENGTH = 40 };
	Llm *m = sure_llm("llama");
	Generation g = {.sampling = {.penalty = 1}, .most = 3};
	int32_t words[PROMPTS][LENGTH];
	Continuation c[PROMPTS];
	for (int32_t i = 0; i < PROMPTS; i++) {
		for (int32_t k = 0; k < LENGTH; k++)
			words[i][k] = 3 + (7 * i + 11 * k + i * k) % 200;
		c[i] = (Continuation){.prompt = words[i], .prompt_count = LENGTH - (size_t)(i % 3)};
	}
	generate(m, &g, c, PROMPTS, NULL);
	for (size_t i = 0; i < PROMPTS; i++) {
		Continuation alone = {.prompt = words[i], .prompt_count = c[i].prompt_count};
		generate(m, &g, &alone, 1, NULL);
		assert_int_equal(c[i].out.count, alone.out.count);
		assert_true(alone.out.count == 0 ||
		            memcmp(c[i].out.ids, alone.out.ids, alone.out.count * sizeof(int32_t)) == 0);
		tokens_free(&c[i].out);
		tokens_free(&alone.out);
	}
	llm_free(m);
}

/* All sequences of two tokens and an end, or three: the best by log-probability over length. */
static void test_beams(void **state)
{
	(void)state;
	Llm *m = sure_llm("llama");
	size_t V = m->shape.V;
	int32_t all[6], eos = tokenizer_model(m->tokenizer)->eos, best[2] = {-1, -1};
	double most = -1e9;
	Tape t = {0};
	memcpy(all, prompts[0], 4 * sizeof *all);
	const Tensor *first = llm_log_probabilities(&t, m, small_forward(&t, m, all, 4, NULL));
	for (int32_t a = 0; a < (int32_t)V; a++) {
		double one = (double)first->value[3 * V + (size_t)a];
		if (a == eos && one > most) {
			most = one;
			best[0] = best[1] = -1;
		}
		if (a == eos)
			continue;
		ArenaMark mark = arena_mark(&t.arena);
		all[4] = a;
		const Tensor *second = llm_log_probabilities(&t, m, small_forward(&t, m, all, 5, NULL));
		for (int32_t b = 0; b < (int32_t)V; b++) {
			double two = (one + (double)second->value[4 * V + (size_t)b]) / 2;
			if (two > most) {
				most = two;
				best[0] = a;
				best[1] = b == eos ? -1 : b;
			}
		}
		arena_rewind(&t.arena, mark);
	}
	Generation g = {.sampling = {.penalty = 1}, .beams = V, .most = 2};
	Continuation c = {.prompt = prompts[0], .prompt_count = 4};
	generate(m, &g, &c, 1, NULL);
	assert_int_equal(c.out.count, (best[0] >= 0) + (best[1] >= 0));
	assert_int_equal(c.finish, c.out.count < g.most ? FINISH_STOP : FINISH_LENGTH);
	for (size_t i = 0; i < c.out.count; i++)
		assert_int_equal(c.out.ids[i], best[i]);
	tokens_free(&c.out);
	tape_free(&t);
	llm_free(m);
}

static void test_context_ends_texts(void **state)
{
	(void)state;
	Error e = {0};
	Llm *m = sure_llm("llama");
	Decoder d;
	Generation g = {.sampling = {.penalty = 1}, .most = 1000};
	Continuation c = {.prompt = prompts[0]};
	for (g.beams = 1; g.beams <= 2; g.beams++) {
		c = (Continuation){.prompt = prompts[0], .prompt_count = 4};
		generate(m, &g, &c, 1, NULL);
		assert_int_equal(c.out.count, m->most_positions - 4 + 1); /* the last is not read any more */
		assert_int_equal(c.finish, FINISH_CONTEXT);
		tokens_free(&c.out);
	}
	c.prompt_count = 0;
	g.beams = 1;
	assert_true(decoder_new(&d, m, NULL, &e));
	assert_false(decoder_generate(&d, &g, &c, 1, &e));
	assert_int_equal(e.code, ERROR_USAGE);
	decoder_free(&d);
	llm_free(m);
}

/* How often each of the tokens is drawn from weights 8, 4, 2, 1, 1 (of 16). */
static void draw(Sampling s, const int32_t *said, size_t count, int counts[5])
{
	Error e = {0};
	Sampler sampler = {0};
	memset(counts, 0, 5 * sizeof *counts);
	for (uint64_t i = 0; i < 1600; i++) {
		float logits[] = {logf(2), logf(8), 0, logf(4), 0};
		Random r = {random_key(7, i), 0};
		int32_t token = sample_token(&sampler, &s, logits, 5, said, count, &r, &e);
		assert_in_range(token, 0, 4);
		counts[token]++;
	}
	sampler_free(&sampler);
}

static void near(int count, double expected)
{
	assert_true(fabs(count - expected) <= 4.5 * sqrt(expected));
}

static void test_choice(void **state)
{
	(void)state;
	int counts[5];
	const Sampling plain = {.temperature = 1, .top_p = 1, .penalty = 1};
	draw(plain, NULL, 0, counts);
	near(counts[1], 800), near(counts[3], 400), near(counts[0], 200), near(counts[2], 100);
	Sampling s = plain;
	s.temperature = 0.5; /* weights 64, 16, 4, 1, 1 */
	draw(s, NULL, 0, counts);
	near(counts[1], 1600 * 64 / 86.0), near(counts[3], 1600 * 16 / 86.0), near(counts[2], 1600 / 86.0);
	s = plain;
	s.top_k = 2;
	draw(s, NULL, 0, counts);
	near(counts[1], 1600 * 2 / 3.0);
	assert_int_equal(counts[1] + counts[3], 1600);
	s = plain;
	s.top_p = 0.8; /* 8 + 4 are not enough, with 2 they are */
	draw(s, NULL, 0, counts);
	near(counts[0], 1600 * 2 / 14.0);
	assert_int_equal(counts[2] + counts[4], 0);
	s.top_p = 0.75;
	draw(s, NULL, 0, counts);
	assert_int_equal(counts[1] + counts[3], 1600);
	s = plain;
	s.min_p = 0.2;
	draw(s, NULL, 0, counts);
	assert_true(counts[0] > 0 && counts[2] + counts[4] == 0);
	s = plain;
	s.penalty = 3; /* log 8 / 3 is log 2 */
	const int32_t said[] = {1, 1, 1};
	draw(s, said, 3, counts);
	near(counts[1], 1600 * 2 / 10.0), near(counts[3], 1600 * 4 / 10.0);
}

/* Far more tokens than the likely few: what is sorted late is sorted, too. */
static void test_choice_of_many(void **state)
{
	(void)state;
	enum { V = 3000 };
	static float logits[V];
	Error e = {0};
	Sampler sampler = {0};
	Sampling s = {.temperature = 1, .top_k = 1500, .top_p = 1, .penalty = 1};
	for (uint64_t i = 0; i < 300; i++) {
		Random r = {random_key(9, i), 0};
		for (int v = 0; v < V; v++)
			logits[v] =
			    v == 5 ? 12.0f : -(float)(v % 100) / 100; /* the others together weigh little */
		int32_t token = sample_token(&sampler, &s, logits, V, NULL, 0, &r, &e);
		assert_true(token == 5 || token % 100 < 50);
	}
	sampler_free(&sampler);
}

/* However cold, the likeliest token: its logit divided by the temperature may be no number. */
static void test_cold(void **state)
{
	(void)state;
	Error e = {0};
	Sampler sampler = {0};
	const double colds[] = {1e-3, 1e-38, 1e-40, 1e-300, 4.9e-324};
	for (size_t i = 0; i < sizeof colds / sizeof *colds; i++) {
		Sampling s = {
		    .temperature = colds[i], .top_k = i % 2, .top_p = 0.9, .min_p = 0.1, .penalty = 1};
		float logits[] = {-3, 2, 7, 6.9f, -1e30f};
		Random r = {7, i};
		assert_int_equal(sample_token(&sampler, &s, logits, 5, NULL, 0, &r, &e), 2);
	}
	sampler_free(&sampler);
}

/* A piece at a time, as it may be shown. */
static void test_writing(void **state)
{
	(void)state;
	Error e = {0};
	const char *stops[] = {"STOP"}, *text = "x\xc3\xa9 ST STO\xf0\x9f\x98\x80 STOP more";
	StringList list = {stops, 1, 1};
	Tokenizer *t = small_tokenizer();
	Tokens ids = {0};
	Writing w;
	char shown[64] = "";
	bool stop = false;
	for (const char *p = text; *p != '\0'; p++) /* a byte a token */
		assert_true(tokenizer_encode(t, (Text){p, 1}, 0, &ids, &e));
	assert_true(writing_start(&w, t, &list, ids.ids, 1, &e));
	for (size_t i = 1; i < ids.count && !stop; i++) {
		assert_true(writing_add(&w, ids.ids[i], &stop, &e));
		Text new = writing_new(&w, false);
		assert_true(text_is_utf8(new) || new.size == 0);
		strncat(shown, new.data, new.size);
		assert_null(strstr(shown, "STOP"));
	}
	assert_true(stop);
	Text last = writing_new(&w, true), all = writing_text(&w);
	strncat(shown, last.data, last.size);
	assert_string_equal(shown, "\xc3\xa9 ST STO\xf0\x9f\x98\x80 ");
	assert_true(text_is(all, shown));
	writing_free(&w);
	tokens_free(&ids);
	tokenizer_free(t);
}

int main(void)
{
	gemm_start();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_together), cmocka_unit_test(test_end_token),
	    cmocka_unit_test(test_beams),    cmocka_unit_test(test_long_prompts),
	    cmocka_unit_test(test_choice),   cmocka_unit_test(test_choice_of_many),
	    cmocka_unit_test(test_cold),     cmocka_unit_test(test_context_ends_texts),
	    cmocka_unit_test(test_writing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
