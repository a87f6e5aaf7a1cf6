/* Questions about histories: which are drawn, and what is right of many together. */
#include "small_models.h"
#include "user/questions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { ITEMS = 7 };

typedef struct {
	Sample sample;
	Encoder *encoder;
	Llm *llm;
	Task task;
	Prompter prompter;
	Teacher teacher;
	Asking asking;
} Setting;

static void setting_new(Setting *s)
{
	Error e = {0};
	*s = (Setting){.llm = small_llm(true, 2)};
	sample_new(&s->sample, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){7, 6}, 2, ITEMS);
	s->encoder = small_encoder(&s->sample.data, 0, 4);
	assert_true(task_new(&s->task, &s->sample.data, TASK_QUERY, "{item}", &e));
	assert_true(prompter_new(&s->prompter, s->llm, NULL, &s->task, 16, &e));
	assert_true(teacher_new(&s->teacher, s->encoder, &s->sample.data, s->llm->tokenizer, &e));
	s->asking = (Asking){&s->prompter, &s->sample.users, &s->teacher, 0.75f};
}

static void setting_free(Setting *s)
{
	teacher_free(&s->teacher);
	prompter_free(&s->prompter);
	task_free(&s->task);
	llm_free(s->llm);
	encoder_free(s->encoder);
	sample_free(&s->sample);
}

/* As many as are wanted, where there are so many; each of another event, and in the long run of all of them.
 */
static void test_draw(void **state)
{
	(void)state;
	Setting s;
	setting_new(&s);
	for (size_t most = 1; most <= 8; most++) {
		size_t asked[7] = {0};
		for (uint64_t draw = 0; draw < 200; draw++) {
			Questions q = {.history = {7, 12, false}};
			Random random = {random_key(most, draw), 0};
			unsigned seen = 0;
			questions_draw(&q, &s.asking, most, &random);
			assert_int_equal(q.count, most < 5 ? most : 5);
			for (size_t i = 0; i < q.count; i++) {
				assert_true(q.known[i] >= 1 && q.known[i] <= 5);
				assert_false(seen & 1u << q.known[i]);
				seen |= 1u << q.known[i];
				asked[q.known[i]]++;
			}
		}
		for (size_t known = 1; known <= 5; known++)
			assert_true(asked[known] >= 15 * (most < 5 ? most : 5));
	}
	setting_free(&s);
}

typedef struct {
	Tape tape;
	QuestionBatch batch;
	LossTargets targets;
} Asked;

static void ask(Asked *a, const Asking *asking, const Questions *questions, size_t count)
{
	*a = (Asked){0};
	tape_reset(&a->tape, true, 5);
	assert_true(question_batch_new(&a->batch, asking, &a->tape, questions, count));
	assert_true(question_batch_targets(&a->batch, asking, &a->tape, &a->targets));
}

static void asked_free(Asked *a)
{
	question_batch_free(&a->batch);
	tape_free(&a->tape);
}

/* Rows `from` on of one are the rows of another. */
static void compare_rows(const Asked *all, size_t from, const Asked *one)
{
	for (size_t row = 0; row < one->batch.conversation.answers; row++) {
		int64_t a = all->targets.offsets[from + row], b = one->targets.offsets[row];
		int64_t count = one->targets.offsets[row + 1] - b;
		assert_int_equal(all->batch.conversation.next[from + row], one->batch.conversation.next[row]);
		assert_int_equal(all->targets.offsets[from + row + 1] - a, count);
		for (int64_t i = 0; i < count; i++) {
			assert_int_equal(all->targets.values[a + i], one->targets.values[b + i]);
			assert_true(fabsf(all->targets.shares[a + i] - one->targets.shares[b + i]) < 1e-5f);
		}
	}
}

/* What is right at the answers of all together is what is right of each question alone. */
static void test_targets_of_many(void **state)
{
	(void)state;
	static const Questions questions[] = {{{0, 6, false}, {5, 2, 6}, 3}, {{7, 12, false}, {1, 4}, 2}};
	Setting s;
	setting_new(&s);
	for (int taught = 0; taught < 2; taught++) {
		Asked all;
		size_t from = 0;
		s.asking.teacher = taught ? &s.teacher : NULL;
		ask(&all, &s.asking, questions, 2);
		assert_int_equal(all.batch.conversation.count, 5);
		for (size_t i = 0; i < 5; i++) {
			size_t of = i < 3 ? 0 : 1, k = i < 3 ? i : i - 3;
			const Questions lone = {questions[of].history, {questions[of].known[k]}, 1};
			Asked one;
			ask(&one, &s.asking, &lone, 1);
			assert_int_equal(conversation_answer(&all.batch.conversation, i),
			                 one.batch.conversation.answers);
			compare_rows(&all, from, &one);
			assert_true(taught ? one.targets.offsets[1] > 1 : one.targets.offsets[1] == 1);
			from += one.batch.conversation.answers;
			asked_free(&one);
		}
		assert_int_equal(from, all.batch.conversation.answers);
		asked_free(&all);
	}
	setting_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_draw),
	                                   cmocka_unit_test(test_targets_of_many)};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
