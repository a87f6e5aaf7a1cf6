/* The adapter: gradients through LLM, cross-attention, Perceiver and encoder; what an untrained one must
 * not change; what belongs together; what each way of tuning leaves alone. */
#include "gradient.h"

#include "llm/decode.h"
#include "nn/optimizer.h"
#include "stream/npy.h"
#include "small_models.h"
#include "stream/row_writer.h"
#include "user/answer.h"
#include "user/finetune.h"

typedef struct {
	Sample sample;
	Llm *llm;
	Encoder *encoder;
	UserVectors *vectors; /* in its place */
	Adapter *adapter;
	Finetuning *finetuning;
	Trainee trainee;
	size_t shards;
} Setting;

/* As after some training: what starts at 0 does not any more. */
static void open_gates(Adapter *a)
{
	for (size_t i = 0; a->gates != NULL && i < a->llm->shape.layers; i++)
		if (a->gates[i] != NULL)
			a->gates[i]->value[0] = i % 2 ? -0.4f : 0.7f;
	for (size_t i = 0; i < a->parameters.count; i++) {
		Parameter *p = a->parameters.items[i];
		size_t length = strlen(p->name);
		Random random = {random_key(3, i), 0};
		if (strncmp(p->name, "lora.", 5) == 0 && p->name[length - 1] == 'b')
			for (size_t k = 0; k < p->count; k++)
				p->value[k] = 0.3f * (float)random_normal(&random);
	}
}

static const AdapterTask next_item = {TASK_NEXT_ITEM, TASK_QUERY, "{item}", 64};

static const FinetuningPlan plan = {.batch = 24, .questions = 4, .micro_batch = 8, .llm_lr = 0.1, .seed = 1};

/* Of the users of the sample, as a file from elsewhere has them; a user's numbers tell who it is. */
enum { VECTOR_ROWS = 3, VECTOR_DIM = 6 };
static UserVectors *small_vectors(void)
{
	Error e = {0};
	Output o;
	char path[64];
	float values[6 * VECTOR_ROWS * VECTOR_DIM];
	Random random = {random_key(1, 2), 0};
	small_path(path);
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		values[i] = (float)random_normal(&random);
	assert_true(output_open(&o, path, true, &e) &&
	            npy_write_header(&o, DTYPE_F32, 3, (size_t[]){6, VECTOR_ROWS, VECTOR_DIM}, &e) &&
	            output_write(&o, values, sizeof values, &e) && output_close(&o, &e));
	UserVectors *v = vectors_open(path, &e);
	assert_non_null(v);
	unlink(path);
	return v;
}

static UserSource source_of(const Setting *s)
{
	return (UserSource){s->encoder, 99, s->vectors};
}

/* What is not said of the shape is as small as can be. */
static Setting *setting_with(const AdapterTask *task, AdapterShape shape, bool vectors)
{
	static Setting s;
	Error e = {0};
	size_t steps = 0;
	s = (Setting){0};
	sample_new(&s.sample, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){7, 6, 9, 6, 7, 8}, 6, 7);
	s.llm = small_llm(true, 5);
	if (vectors)
		s.vectors = small_vectors();
	else if (injects_rows(shape.inject))
		s.encoder = small_encoder(&s.sample.data, shape.lora.dropout, 4);
	shape.perceiver_layers = 2;
	shape.history = 2;
	shape.features = true;
	shape.lora = (LoraShape){2, 3, shape.lora.dropout, "q,k,v,o,gate,up,down"};
	UserSource from = source_of(&s);
	s.adapter = adapter_new(&shape, &from, s.llm, task, NULL, 8, &e);
	assert_non_null(s.adapter);
	s.finetuning = finetuning_new(s.adapter, &s.sample.data, &s.sample.users, &plan, &e);
	assert_non_null(s.finetuning);
	s.trainee = finetuning_trainee(s.finetuning);
	assert_true(s.trainee.epoch(s.trainee.context, 0, &steps, &e));
	s.shards = s.trainee.step(s.trainee.context, 0);
	assert_true(steps == 1 && s.shards >= 2 && s.shards <= LANES);
	return &s;
}

static Setting *setting_for(const AdapterTask *task, AdapterShape shape)
{
	return setting_with(task, shape, false);
}

static Setting *setting_of(InjectionKind inject, size_t latents, Tuning tuning, double dropout)
{
	AdapterShape shape = {
	    .inject = inject, .latents = latents, .tuning = tuning, .lora.dropout = dropout};
	return setting_for(&next_item, shape);
}

static Setting *setting_new(size_t latents, Tuning tuning, double dropout)
{
	return setting_of(INJECT_CROSS, latents, tuning, dropout);
}

static void setting_free(Setting *s)
{
	finetuning_free(s->finetuning);
	adapter_free(s->adapter);
	vectors_free(s->vectors);
	encoder_free(s->encoder);
	llm_free(s->llm);
	sample_free(&s->sample);
}

/* The first shard, of several questions a history.  Its way back is its own; what is said as the loss
 * is what the gradient must be of: the mean over the step's questions. */
static Tensor *build_shard(Tape *t, void *context, double *loss)
{
	Setting *s = context;
	size_t questions = 0, all = 0, events = 0;
	Tape other = {0};
	double ignored = 0;
	for (size_t shard = 1; shard < s->shards; shard++) {
		tape_reset(&other, false, 0);
		assert_true(s->trainee.shard(s->trainee.context, &other, shard, &ignored, &all, &events));
	}
	tape_free(&other);
	if (!s->trainee.shard(s->trainee.context, t, 0, loss, &questions, &events))
		fail_msg("%s", t->error.text);
	assert_true(questions > 6 && all > 0);
	*loss /= (double)(questions + all);
	t->last = NULL; /* it has been played back */
	return NULL;
}

static void check_gradient_with(AdapterShape shape, bool vectors)
{
	Setting *s = setting_with(&next_item, shape, vectors);
	open_gates(s->adapter);
	gradient_check(s->trainee.parameters, build_shard, s, 4, 1e-2);
	setting_free(s);
}

static void check_gradient_of(AdapterShape shape)
{
	check_gradient_with(shape, false);
}

static void check_gradient(InjectionKind inject, size_t latents, Tuning tuning, double dropout)
{
	check_gradient_of(
	    (AdapterShape){.inject = inject, .latents = latents, .tuning = tuning, .lora.dropout = dropout});
}

static void test_gradient_perceiver(void **state)
{
	(void)state;
	check_gradient(INJECT_CROSS, 3, TUNE_ENC, 0.2);
}

static void test_gradient_llm(void **state)
{
	(void)state;
	check_gradient(INJECT_CROSS, 3, TUNE_FULL, 0.2);
}

static void test_gradient_rows(void **state)
{
	(void)state;
	check_gradient(INJECT_CROSS, 0, TUNE_ENC, 0);
}

static void test_gradient_some_layers(void **state)
{
	(void)state;
	check_gradient_of((AdapterShape){.latents = 2, .layers = "1", .heads = 3, .dim = 9});
	check_gradient_of((AdapterShape){.layers = "every:2", .heads = 1, .tuning = TUNE_ENC});
}

static void test_gradient_lora(void **state)
{
	(void)state;
	check_gradient(INJECT_CROSS, 3, TUNE_LORA, 0.2);
}

static void test_gradient_soft(void **state)
{
	(void)state;
	check_gradient(INJECT_SOFT, 3, TUNE_ENC, 0.2);
}

static void test_gradient_soft_llm(void **state)
{
	(void)state;
	check_gradient(INJECT_SOFT, 2, TUNE_FULL, 0);
}

static void test_gradient_vectors(void **state)
{
	(void)state;
	check_gradient_with((AdapterShape){.latents = 2, .perceiver_heads = 3}, true);
	check_gradient_with((AdapterShape){.latents = 0, .tuning = TUNE_FULL}, true);
	check_gradient_with(
	    (AdapterShape){.inject = INJECT_SOFT, .latents = 2, .tuning = TUNE_LORA, .lora.dropout = 0.2},
	    true);
}

static void test_gradient_text(void **state)
{
	(void)state;
	check_gradient(INJECT_TEXT, 0, TUNE_LORA, 0);
}

/* At the start the gates themselves must learn, with nothing behind them. */
static void test_gate_gradient_when_closed(void **state)
{
	(void)state;
	Setting *s = setting_new(3, TUNE_PROJ, 0);
	gradient_check(s->trainee.parameters, build_shard, s, 4, 1e-2);
	setting_free(s);
}

static const int32_t tokens[] = {5, 9, 120, 5, 31, 70};

/* The rows of a user, and what the adapter makes of all of them. */
static void remember_vectors(const Setting *s, Tape *t, size_t user, AdapterMemory *memory)
{
	static int32_t positions[VECTOR_ROWS] = {0, 1, 2};
	static const size_t first = 0, known = VECTOR_ROWS;
	float *rows = (float *)(void *)s->vectors->values.data + user * VECTOR_ROWS * VECTOR_DIM;
	Tensor *e = tape_constant(t, rows, VECTOR_ROWS, VECTOR_DIM);
	UserTargets target = {1, &first, &known, positions};
	assert_true(adapter_memory(s->adapter, t, e, &target, memory));
}

/* E of a history, and what the adapter makes of its first `known` rows. */
static void remember_history(const Setting *s, Tape *t, Segment history, size_t known, AdapterMemory *memory)
{
	EventBatch batch;
	Translation translation;
	if (s->vectors != NULL) {
		remember_vectors(s, t, users_with(&s->sample.users, history.first), memory);
		return;
	}
	assert_true(translation_new(&translation, s->encoder, &s->sample.data, &t->error));
	assert_true(batch_new(&batch, &translation, &s->sample.users, &history, 1, &t->arena, &t->error));
	size_t *target = arena_new(&t->arena, 2, sizeof *target, &t->error);
	assert_non_null(target);
	target[0] = 0;
	target[1] = known;
	UserTargets targets = {1, target, target + 1, batch.positions};
	assert_true(adapter_memory(s->adapter, t, encoder_forward(t, s->encoder, &batch), &targets, memory));
	translation_free(&translation);
}

static void remember(const Setting *s, Tape *t, size_t known, AdapterMemory *memory)
{
	remember_history(s, t, (Segment){0, 6, false}, known, memory);
}

/* The loss on the validation split is what the true answers are worth, each by a pass of its own. */
static void test_evaluation(void **state)
{
	(void)state;
	for (size_t way = 0; way < 4; way++) {
		Error e = {0};
		AdapterShape shape = {.latents = way % 2 ? 4 : 0};
		Setting *s = setting_with(&next_item, shape, way / 2);
		Strings names = {0};
		Tape t = {0};
		AdapterMemory memory = {0};
		Injection injection = adapter_injection(&memory);
		double expected = 0, nll = 0, score = 0;
		char words[256];
		open_gates(s->adapter);
		assert_true(item_names(&s->sample.data, &names, &e));
		for (size_t user = 0; user < 6; user++) {
			Tokens all = {0};
			Segment v = dataset_segment(&s->sample.data, &s->sample.users, user, PART_VALIDATION);
			Text name = strings_at(&names, (size_t)s->sample.users.items[v.end]);
			assert_true(tokenizer_encode(s->llm->tokenizer, text_of("Next choice:"), TOKENIZE_BOS,
			                             &all, &e));
			size_t from = all.count, length = v.end - v.first;
			assert_true(answer_tokens(s->llm->tokenizer, name, SIZE_MAX, &all, &e));
			remember_history(s, &t, v, length < 6 ? length : 6, &memory);
			double worth = small_worth(s->llm, all.ids, all.count, from, &injection);
			expected += exp(worth) / 6;
			nll -= worth / 6;
			tokens_free(&all);
		}
		Pool *pool = pool_new(2, &e);
		assert_true(
		    s->trainee.evaluate(s->trainee.context, GEMM_F32, pool, &score, words, sizeof words, &e));
		assert_true(fabs(score / expected - 1) < 1e-3 && strstr(words, "users=6") != NULL);
		assert_true(fabs(strtod(strstr(words, "nll=") + 4, NULL) - nll) < 1e-3);
		pool_free(pool);
		strings_free(&names);
		tape_free(&t);
		setting_free(s);
	}
}

/* Weights that are no numbers are worth none, and no error: training has diverged. */
static void test_evaluation_of_no_numbers(void **state)
{
	(void)state;
	Error e = {0};
	double score = 0;
	char words[256];
	Setting *s = setting_new(3, TUNE_PROJ, 0);
	Pool *pool = pool_new(2, &e);
	s->llm->output->value[0] = NAN;
	assert_true(s->trainee.evaluate(s->trainee.context, GEMM_F32, pool, &score, words, sizeof words, &e));
	assert_true(isnan(score));
	pool_free(pool);
	setting_free(s);
}

/* What is asked of a history, where that is no more than it has, is each of its events, and once: the loss of
 * a step that asks for all of them is what all of the true answers are worth. */
static void test_each_event_is_asked_once(void **state)
{
	(void)state;
	Error e = {0};
	AdapterShape shape = {.inject = INJECT_NONE, .tuning = TUNE_FULL};
	FinetuningPlan other = plan;
	Setting *s = setting_for(&next_item, shape);
	Strings names = {0};
	Tape t = {0};
	enum { EPOCHS = 8 }; /* of other draws each */
	double expected = 0, loss[EPOCHS] = {0};
	size_t count = 0, questions = 0, events = 0, steps = 0;
	other.questions = 6;
	other.batch = 36;
	finetuning_free(s->finetuning);
	s->finetuning = finetuning_new(s->adapter, &s->sample.data, &s->sample.users, &other, &e);
	assert_non_null(s->finetuning);
	s->trainee = finetuning_trainee(s->finetuning);
	for (size_t epoch = 0; epoch < EPOCHS; epoch++) {
		assert_true(s->trainee.epoch(s->trainee.context, epoch, &steps, &e));
		assert_int_equal(steps, 1);
		s->shards = s->trainee.step(s->trainee.context, 0);
		for (size_t shard = 0; shard < s->shards; shard++) {
			tape_reset(&t, true, 1);
			assert_true(s->trainee.shard(s->trainee.context, &t, shard, &loss[epoch], &questions,
			                             &events));
		}
	}
	tape_free(&t);
	assert_true(item_names(&s->sample.data, &names, &e));
	for (size_t user = 0; user < 6; user++) {
		Segment train = dataset_segment(&s->sample.data, &s->sample.users, user, PART_TRAIN);
		for (size_t event = train.first + 1; event < train.end; event++, count++) {
			Tokens all = {0};
			Text name = strings_at(&names, (size_t)s->sample.users.items[event]);
			assert_true(tokenizer_encode(s->llm->tokenizer, text_of("Next choice:"), TOKENIZE_BOS,
			                             &all, &e));
			size_t from = all.count;
			assert_true(answer_tokens(s->llm->tokenizer, name, SIZE_MAX, &all, &e));
			expected -= small_worth(s->llm, all.ids, all.count, from, NULL);
			tokens_free(&all);
		}
	}
	assert_int_equal(count, 25);
	assert_int_equal(questions, EPOCHS * count);
	for (size_t epoch = 0; epoch < EPOCHS; epoch++)
		assert_true(fabs(loss[epoch] / expected - 1) < 1e-4);
	strings_free(&names);
	setting_free(s);
}

/* A question's history, as words tell it, begins with the user, or the window, however it is cut for the
 * encoder. */
static void test_question_knows_all(void **state)
{
	(void)state;
	for (int windows = 0; windows < 2; windows++) {
		Sample s;
		sample_new(&s, windows ? SPLIT_WINDOW : SPLIT_LEAVE_ONE_OUT, windows ? 4 : 0,
		           (size_t[]){7, 9}, 2, 7);
		for (size_t event = 8; event < 16; event++) {
			Query q = question_about(&s.data, &s.users, event);
			size_t first = windows && event > 10 ? event - 3 : 7;
			assert_true(q.user == 1 && q.history.first == first && q.history.end == event);
			assert_int_equal(q.target, s.users.items[event]);
		}
		sample_free(&s);
	}
}

/* Validation users in turn, as an answerer meets them. */
static Prompt user_prompt(const Setting *s, const Answerer *a, size_t user, size_t place, Query *q)
{
	Error e = {0};
	Prompt p = {.user = q};
	Segment v = dataset_segment(&s->sample.data, &s->sample.users, user, PART_VALIDATION);
	v.first = v.end - v.first > 6 ? v.end - 6 : v.first;
	*q = (Query){&s->sample.users, user, v, s->sample.users.items[v.end]};
	assert_true(answerer_prompt(a, q, place, &p.prompt, &e));
	return p;
}

/* log P of the true answer, by a pass of its own; 0 where there is none. */
static double lone_worth(const Setting *s, const Answerer *a, const Prompt *p, size_t *count)
{
	Error e = {0};
	Tape t = {0};
	AdapterMemory memory = {0};
	Buffer words = {0};
	Tokens all = {0};
	double worth = 0;
	*count = 0;
	assert_true(answerer_target(a, p->user, &words, &e) && answerer_prompt(a, p->user, 0, &all, &e));
	if (words.size > 0) {
		assert_true(answer_tokens(s->llm->tokenizer, (Text){(char *)words.data, words.size},
		                          a->prompter.answer, &all, &e));
		*count = all.count - p->prompt.count;
		bool meets = s->encoder != NULL || s->vectors != NULL;
		if (meets)
			remember_history(s, &t, p->user->history,
			                 p->user->history.end - p->user->history.first, &memory);
		Injection injection = adapter_injection(&memory);
		worth = small_worth(s->llm, all.ids, all.count, p->prompt.count, meets ? &injection : NULL);
	}
	buffer_free(&words);
	tokens_free(&all);
	tape_free(&t);
	return worth;
}

/* What true answers in words are worth, all users at once and each alone; and the validation loss, which is
 * the mean of those that have an answer. */
static void test_worth(void **state)
{
	(void)state;
	static const AdapterTask tasks[] = {
	    {TASK_FAVORITE, "Favorite genre:", "{favorite.genre}", 64},
	    {TASK_REVIEW, "Of {item}:", "{review}", 4},
	    {TASK_TEMPLATE, "{user}?", "{tags} and {brand}", 8},
	};
	for (size_t i = 0; i < 15; i++) {
		Error e = {0};
		const InjectionKind kinds[] = {INJECT_CROSS, INJECT_SOFT, INJECT_TEXT, INJECT_CROSS,
		                               INJECT_SOFT};
		bool text = kinds[i / 3] == INJECT_TEXT, vectors = i / 3 > 2;
		AdapterShape shape = {
		    .inject = kinds[i / 3], .latents = text ? 0 : 2, .tuning = text ? TUNE_LORA : TUNE_ENC};
		Setting *s = setting_with(&tasks[i % 3], shape, vectors);
		Answerer a;
		Query queries[6];
		Prompt prompts[6];
		double nll[6], sum = 0, p = 0, score = 0;
		size_t counts[6], answered = 0;
		char words[256], expected[32];
		open_gates(s->adapter);
		assert_true(answerer_new(&a, s->llm, s->adapter, &s->sample.data, NULL, NULL, false, &e));
		for (size_t user = 0; user < 6; user++)
			prompts[user] = user_prompt(s, &a, user, user, &queries[user]);
		Pool *pool = pool_new(2, &e);
		assert_true(answerer_worth(&a, prompts, 6, pool, nll, counts, &e));
		for (size_t user = 0; user < 6; user++) {
			size_t count;
			double alone = lone_worth(s, &a, &prompts[user], &count);
			assert_true(count == counts[user] && fabs(alone + nll[user]) < 1e-3);
			answered += count > 0;
			sum += alone;
			p += count > 0 ? exp(alone) : 0;
			tokens_free(&prompts[user].prompt);
		}
		assert_true(answered > 2);
		assert_true(
		    s->trainee.evaluate(s->trainee.context, GEMM_F32, pool, &score, words, sizeof words, &e));
		snprintf(expected, sizeof expected, "users=%zu", answered);
		/* A favorite is one of a list. */
		sum = i % 3 == 0 ? p : sum;
		assert_true(fabs(score / (sum / (double)answered) - 1) < 1e-3 &&
		            strstr(words, expected) != NULL);
		pool_free(pool);
		answerer_free(&a);
		setting_free(s);
	}
}

/* Classes are ranked as items are. */
static void test_ranking_of_classes(void **state)
{
	(void)state;
	Error e = {0};
	AdapterTask task = {TASK_FAVORITE, "Favorite genre:", "{favorite.genre}", 64};
	Setting *s = setting_for(&task, (AdapterShape){.latents = 2, .tuning = TUNE_ENC});
	Answerer a;
	Ranker ranker;
	Rankings r = {0};
	open_gates(s->adapter);
	assert_true(answerer_new(&a, s->llm, s->adapter, &s->sample.data, NULL, NULL, false, &e));
	assert_true(answerer_ranker(&a, &ranker, &e));
	Pool *pool = pool_new(2, &e);
	assert_true(rank_users(&ranker, &s->sample.data, &s->sample.users, PART_VALIDATION, 4, 6,
	                       &(size_t){0}, pool, &r, &e));
	assert_int_equal(r.count, 6);
	for (size_t user = 0; user < 6; user++) {
		Query q;
		Prompt p = user_prompt(s, &a, user, 0, &q);
		size_t count;
		double worth = lone_worth(s, &a, &p, &count);
		assert_true(count > 0 && r.answers[user].count == 4);
		assert_in_range(r.answers[user].rank, 1, 4);
		assert_true(fabs(worth - (double)r.answers[user].scores[r.answers[user].rank - 1]) < 1e-3);
		tokens_free(&p.prompt);
	}
	rankings_free(&r);
	pool_free(pool);
	answerer_free(&a);
	setting_free(s);
}

static void test_untrained_changes_no_bit(void **state)
{
	(void)state;
	for (size_t latents = 0; latents < 5; latents += 4) {
		Setting *s = setting_new(latents, TUNE_ENC, 0);
		Tape t = {0};
		AdapterMemory memory = {0};
		remember(s, &t, 6, &memory);
		Injection injection = adapter_injection(&memory);
		const Tensor *alone = small_forward(&t, s->llm, tokens, 6, NULL),
		             *with = small_forward(&t, s->llm, tokens, 6, &injection);
		assert_memory_equal(alone->value, with->value, 6 * s->llm->shape.layer.C * sizeof(float));
		open_gates(s->adapter);
		with = small_forward(&t, s->llm, tokens, 6, &injection);
		assert_memory_not_equal(alone->value, with->value, s->llm->shape.layer.C * sizeof(float));
		tape_free(&t);
		setting_free(s);
	}
}

/* A target knows its first `known` rows: a change behind them changes nothing, one among them does. */
static void test_memory_ends_where_it_should(void **state)
{
	(void)state;
	for (size_t latents = 0; latents < 5; latents += 4) {
		Setting *s = setting_new(latents, TUNE_ENC, 0);
		Tape t = {0};
		AdapterMemory memory = {0};
		Injection injection = adapter_injection(&memory);
		open_gates(s->adapter);
		int32_t *items = s->sample.users.items, old = items[4];
		remember(s, &t, 4, &memory);
		const Tensor *before = small_forward(&t, s->llm, tokens, 6, &injection);
		items[4] = ID_FIRST + (old - ID_FIRST + 2) % 7;
		remember(s, &t, 4, &memory);
		const Tensor *same = small_forward(&t, s->llm, tokens, 6, &injection);
		assert_memory_equal(before->value, same->value, 6 * s->llm->shape.layer.C * sizeof(float));
		items[4] = old;
		items[3] = ID_FIRST + (items[3] - ID_FIRST + 2) % 7;
		remember(s, &t, 4, &memory);
		const Tensor *changed = small_forward(&t, s->llm, tokens, 6, &injection);
		assert_memory_not_equal(before->value, changed->value, s->llm->shape.layer.C * sizeof(float));
		tape_free(&t);
		setting_free(s);
	}
}

static const AdapterShape ways[] = {
    {.inject = INJECT_CROSS, .latents = 0, .tuning = TUNE_ENC},
    {.inject = INJECT_CROSS, .latents = 4, .tuning = TUNE_PROJ},
    {.inject = INJECT_CROSS, .latents = 3, .tuning = TUNE_LORA},
    {.inject = INJECT_CROSS, .latents = 3, .tuning = TUNE_FULL},
    {.inject = INJECT_CROSS, .latents = 2, .tuning = TUNE_PROJ, .layers = "1", .heads = 1, .dim = 5},
    {.inject = INJECT_CROSS, .latents = 0, .tuning = TUNE_PROJ, .layers = "every:2", .heads = 3},
    {.inject = INJECT_SOFT, .latents = 1, .tuning = TUNE_PROJ},
    {.inject = INJECT_SOFT, .latents = 3, .tuning = TUNE_LORA},
    {.inject = INJECT_TEXT, .tuning = TUNE_LORA},
    {.inject = INJECT_TEXT, .tuning = TUNE_FULL},
    {.inject = INJECT_NONE, .tuning = TUNE_LORA},
};
enum { WAYS = sizeof ways / sizeof *ways };

/* Decoding with the cache and the memory is worth what the whole pass says. */
static void test_ranking_with_user(void **state)
{
	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		Error e = {0};
		Setting *s = setting_for(&next_item, ways[way]);
		Tape t = {0};
		AdapterMemory memory = {0};
		Answerer answerer;
		open_gates(s->adapter);
		assert_true(
		    answerer_new(&answerer, s->llm, s->adapter, &s->sample.data, NULL, NULL, false, &e));
		answerer.keep_seen = true;
		Ranker ranker;
		assert_true(answerer_ranker(&answerer, &ranker, &e));
		Rankings r = {0};
		Pool *pool = pool_new(2, &e);
		assert_true(rank_users(&ranker, &s->sample.data, &s->sample.users, PART_TEST, 7, 1,
		                       &(size_t){0}, pool, &r, &e));
		assert_true(r.count == 1 && r.answers[0].count == 7 && r.answers[0].rank >= 1);
		assert_int_equal(r.queries[0].history.end, 6);
		if (s->encoder != NULL)
			remember(s, &t, 6, &memory);
		Injection injection = adapter_injection(&memory);
		for (size_t i = 0; i < 7; i++) {
			Tokens all = {0};
			assert_true(answerer_prompt(&answerer, &r.queries[0], 0, &all, &e));
			size_t from = all.count;
			Text name = strings_at(&answerer.choices, (size_t)r.answers[0].items[i]);
			assert_true(answer_tokens(s->llm->tokenizer, name, SIZE_MAX, &all, &e));
			double worth =
			    small_worth(s->llm, all.ids, all.count, from, s->encoder ? &injection : NULL);
			assert_true(fabs(worth - (double)r.answers[0].scores[i]) < 1e-3);
			tokens_free(&all);
		}
		rankings_free(&r);
		pool_free(pool);
		answerer_free(&answerer);
		tape_free(&t);
		setting_free(s);
	}
}

static void check_prompt(const Prompter *p, const Query *q, const Buffer *expected)
{
	Error e = {0};
	Tokens ids = {0};
	Buffer text = {0};
	const Tokenizer *tokenizer = p->llm->tokenizer;
	assert_true(prompter_add(p, q, 0, &ids, &e));
	assert_int_equal(ids.ids[0], tokenizer_model(tokenizer)->bos);
	assert_true(tokenizer_decode(tokenizer, ids.ids + 1, ids.count - 1, &text, &e));
	assert_true(
	    text_equal((Text){(char *)text.data, text.size}, (Text){(char *)expected->data, expected->size}));
	tokens_free(&ids);
	buffer_free(&text);
}

/* What the LLM is told of a user in words: as much as there is room for, the oldest left out. */
static void test_prompts(void **state)
{
	(void)state;
	Error e = {0};
	Setting *s = setting_of(INJECT_TEXT, 0, TUNE_FULL, 0);
	Task task;
	Prompter p;
	Buffer line = {0};
	Query q = {&s->sample.users, 0, {0, 5, true}, s->sample.users.items[5]};
	assert_true(task_new(&task, &s->sample.data, "What?", "{item}", &e));
	assert_true(event_sentence(task.data, q.users, &task.names, 4, true, &line, &e));
	assert_true(text_equal((Text){(char *)line.data, line.size},
	                       text_of("title no. 7 \xc3\xa9. rating: rating3. genre: genre1. tags: tags0. "
	                               "brand: brand1")));
	s->adapter->shape.features = false;
	for (size_t told = 0; told < 3; told++) { /* as the small context has room for */
		line.size = 0;
		for (size_t event = 5 - told; event < 5; event++)
			assert_true(
			    event_sentence(task.data, q.users, &task.names, event, false, &line, &e) &&
			    buffer_append(&line, "\n", 1, &e));
		assert_true(buffer_append(&line, "What?", 5, &e));
		s->adapter->shape.history = told;
		assert_true(prompter_new(&p, s->llm, s->adapter, &task, 3, &e));
		check_prompt(&p, &q, &line);
		/* One token less than it takes with one event more. */
		Tokens ids = {0};
		s->adapter->shape.history = told + 1;
		p.answer = 0;
		assert_true(prompter_add(&p, &q, 0, &ids, &e));
		p.answer = s->llm->most_positions + 2 - ids.count;
		check_prompt(&p, &q, &line);
		/* And just as much. */
		size_t whole = ids.count;
		p.answer--;
		ids.count = 0;
		assert_true(prompter_add(&p, &q, 0, &ids, &e));
		assert_int_equal(ids.count, whole);
		tokens_free(&ids);
		prompter_free(&p);
	}
	buffer_free(&line);
	task_free(&task);
	setting_free(s);
}

/* The updates of LoRA, beside the matrices and within them. */
static void test_merged(void **state)
{
	(void)state;
	Setting *s = setting_of(INJECT_NONE, 0, TUNE_LORA, 0);
	size_t size = 6 * s->llm->shape.layer.C;
	Tape t = {0};
	const Tensor *before = small_forward(&t, s->llm, tokens, 6, NULL);
	open_gates(s->adapter);
	const Tensor *with = small_forward(&t, s->llm, tokens, 6, NULL);
	assert_memory_not_equal(before->value, with->value, size * sizeof(float));
	lora_merge(s->llm);
	const Tensor *merged = small_forward(&t, s->llm, tokens, 6, NULL);
	for (size_t i = 0; i < size; i++)
		assert_true(fabsf(merged->value[i] - with->value[i]) < 1e-5f);
	tape_free(&t);
	setting_free(s);
}

/* Before its first step LoRA changes nothing; and what is asked for must be there. */
static void test_lora_starts_closed(void **state)
{
	(void)state;
	Error e = {0};
	Llm *llm = small_llm_like("gpt2", true, 5);
	Parameters set = {0};
	Tape t = {0};
	const Tensor *before = small_forward(&t, llm, tokens, 6, NULL);
	assert_true(lora_add(&(LoraShape){3, 6, 0, "up,q"}, llm, &set, 1, &e));
	assert_int_equal(set.count, 2 * 2 * llm->shape.layers);
	assert_non_null(parameters_find(&set, "lora.blk.1.ffn.up.b"));
	const Tensor *with = small_forward(&t, llm, tokens, 6, NULL);
	for (size_t i = 0; i < 6 * llm->shape.layer.C; i++)
		assert_true(before->value[i] == with->value[i]);
	lora_remove(llm);
	assert_false(lora_add(&(LoraShape){3, 6, 0, "gate"}, llm, &set, 1, &e)); /* GPT-2 has none */
	assert_true(e.code == ERROR_USAGE && strstr(e.text, "gate") != NULL);
	static const char *const wrong[] = {"", "q,", "q,query", "qk", "q|k"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		e = (Error){0};
		assert_false(lora_add(&(LoraShape){3, 6, 0, wrong[i]}, llm, &set, 1, &e));
		assert_true(e.code == ERROR_USAGE && strstr(e.text, "none of the matrices") != NULL);
	}
	tape_free(&t);
	parameters_free(&set);
	llm_free(llm);
}

/* Returns the last gradient's norm. */
static double steps(Setting *s, size_t count)
{
	Error e = {0};
	Tape t = {0};
	Pool *pool = pool_new(1, &e);
	double norm = 0;
	for (uint64_t step = 1; step <= count; step++) {
		for (size_t shard = 0; shard < s->shards; shard++) {
			double loss = 0;
			size_t targets = 0, events = 0;
			tape_reset(&t, true, step);
			t.lane = shard;
			assert_true(
			    s->trainee.shard(s->trainee.context, &t, shard, &loss, &targets, &events));
		}
		assert_true(parameters_step(s->trainee.parameters, &(OptimizerStep){0.01, 0.01, 1, step},
		                            pool, &norm, &e));
		assert_true(isfinite(norm) && norm > 0);
	}
	pool_free(pool);
	tape_free(&t);
	return norm;
}

/* The gradient of a step is the same, however many questions are in memory at a time. */
static void test_micro_batches(void **state)
{
	(void)state;
	double first = 0;
	for (size_t micro = 4; micro <= 24; micro += 4) {
		Error e = {0};
		FinetuningPlan other = plan;
		Setting *s = setting_of(INJECT_CROSS, 2, TUNE_FULL, 0);
		other.micro_batch = micro;
		finetuning_free(s->finetuning);
		s->finetuning = finetuning_new(s->adapter, &s->sample.data, &s->sample.users, &other, &e);
		assert_non_null(s->finetuning);
		s->trainee = finetuning_trainee(s->finetuning);
		assert_true(s->trainee.epoch(s->trainee.context, 0, &(size_t){0}, &e));
		s->shards = s->trainee.step(s->trainee.context, 0);
		assert_int_equal(s->shards, (6 + micro / 4 - 1) / (micro / 4));
		open_gates(s->adapter);
		double norm = steps(s, 1);
		first = first > 0 ? first : norm;
		assert_true(fabs(norm / first - 1) < 1e-4);
		setting_free(s);
	}
}

/* What is recomputed is what it was, random numbers and all. */
static void test_recompute(void **state)
{
	(void)state;
	static const AdapterShape shapes[] = {
	    {.latents = 2, .tuning = TUNE_LORA, .lora.dropout = 0.3},
	    {.latents = 0, .tuning = TUNE_FULL},
	    {.inject = INJECT_SOFT, .latents = 2, .tuning = TUNE_PROJ},
	    {.inject = INJECT_TEXT, .tuning = TUNE_FULL},
	};
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		uint64_t hashes[2], llms[2];
		for (size_t again = 0; again < 2; again++) {
			Error e = {0};
			FinetuningPlan other = plan;
			Setting *s = setting_for(&next_item, shapes[i]);
			other.recompute = again;
			finetuning_free(s->finetuning);
			s->finetuning =
			    finetuning_new(s->adapter, &s->sample.data, &s->sample.users, &other, &e);
			s->trainee = finetuning_trainee(s->finetuning);
			assert_true(s->trainee.epoch(s->trainee.context, 0, &(size_t){0}, &e));
			s->shards = s->trainee.step(s->trainee.context, 0);
			open_gates(s->adapter);
			steps(s, 3);
			hashes[again] = small_hash(s->trainee.parameters);
			llms[again] = small_hash(&s->llm->parameters);
			setting_free(s);
		}
		assert_int_equal(hashes[0], hashes[1]);
		assert_int_equal(llms[0], llms[1]);
	}
}

static void test_tuning_leaves_alone(void **state)
{
	(void)state;
	for (int tuning = TUNE_PROJ; tuning <= TUNE_FULL; tuning++) {
		Setting *s = setting_new(3, (Tuning)tuning, 0);
		uint64_t llm = small_hash(&s->llm->parameters), encoder = small_hash(&s->encoder->parameters),
		         adapter = small_hash(&s->adapter->parameters);
		for (size_t i = 0; i < s->encoder->parameters.count; i++)
			assert_int_equal(s->encoder->parameters.items[i]->trains, tuning != TUNE_PROJ);
		steps(s, 3);
		assert_int_equal(small_hash(&s->llm->parameters) == llm, tuning != TUNE_FULL);
		assert_int_equal(small_hash(&s->encoder->parameters) == encoder, tuning == TUNE_PROJ);
		assert_true(small_hash(&s->adapter->parameters) != adapter);
		for (size_t i = 0; i < s->llm->shape.layers; i++)
			assert_true(s->adapter->gates[i]->value[0] != 0);
		setting_free(s);
	}
}

/* What was loaded is saved as it was, and owns all that it says. */
static void check_saved_again(const Adapter *a, const char *path)
{
	Error e = {0};
	char again[64], *files[2];
	size_t sizes[2];
	small_path(again);
	assert_true(adapter_save(a, again, SMALL_PROVENANCE, &e));
	for (size_t i = 0; i < 2; i++) {
		FILE *file = fopen(i ? again : path, "rb");
		assert_non_null(file);
		files[i] = malloc(1 << 20);
		assert_non_null(files[i]);
		sizes[i] = fread(files[i], 1, 1 << 20, file);
		assert_int_equal(fclose(file), 0);
	}
	assert_int_equal(sizes[0], sizes[1]);
	assert_memory_equal(files[0], files[1], sizes[0]);
	free(files[0]);
	free(files[1]);
	unlink(again);
}

static void test_save_and_load(void **state)
{
	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		Error e = {0};
		char path[64];
		Setting *s = setting_for(&next_item, ways[way]);
		Llm *llm = small_llm(true, 5);
		Encoder *fresh = s->encoder ? small_encoder(&s->sample.data, 0, 4) : NULL;
		small_path(path);
		s->llm->hash = llm->hash = 77;
		steps(s, 2);
		assert_true(adapter_save(s->adapter, path, SMALL_PROVENANCE, &e));
		UserSource from = {.encoder = fresh, .encoder_hash = 99};
		Adapter *a = adapter_load(path, &from, llm, &e);
		assert_non_null(a);
		assert_true(a->task.kind == TASK_NEXT_ITEM && a->task.answer == 64);
		assert_string_equal(a->task.query, TASK_QUERY);
		assert_string_equal(a->task.target, "{item}");
		assert_true(a->shape.inject == s->adapter->shape.inject &&
		            a->shape.tuning == s->adapter->shape.tuning);
		assert_int_equal(a->shape.latents, s->encoder ? s->adapter->shape.latents : 0);
		assert_int_equal(small_hash(&a->parameters), small_hash(&s->adapter->parameters));
		if (fresh != NULL)
			assert_int_equal(small_hash(&fresh->parameters), small_hash(&s->encoder->parameters));
		assert_int_equal(small_hash(&llm->parameters), small_hash(&s->llm->parameters));
		check_saved_again(a, path);
		adapter_free(a);
		if (fresh != NULL) {
			assert_null(adapter_load(path, &(UserSource){.encoder = fresh}, llm, &e));
			assert_true(e.code == ERROR_USAGE && strstr(e.text, "another encoder") != NULL);
			e = (Error){0};
			assert_null(adapter_load(path, &(UserSource){0}, llm, &e));
			assert_true(e.code == ERROR_USAGE && strstr(e.text, "-m ENCODER") != NULL);
		}
		e = (Error){0};
		llm->hash = 78;
		assert_null(adapter_load(path, &from, llm, &e));
		assert_true(e.code == ERROR_USAGE && strstr(e.text, "another LLM") != NULL);
		llm->hash = 77;
		static const char *const wrong[][2] = {
		    {"ul.latents", "5"},      {"ul.lora_rank", "0"},     {"ul.lora_rank", "5"},
		    {"ul.history", "x"},      {"ul.latents", "-1"},      {"ul.perceiver_layers", "1024"},
		    {"ul.inject", "other"},   {"ul.inject_layers", "2"}, {"ul.inject_layers", "1,"},
		    {"ul.inject_heads", "0"}, {"ul.inject_dim", "x"},    {"ul.task", "other"},
		    {"ul.heads", "0"},        {"ul.heads", "3"},         {"ul.kind", "encoder"},
		    {"ul.version", "99.0"}};
		for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
			e = (Error){0};
			Document *d = stream_read_one(path, "adapter", NULL, &e);
			const char *old = document_get(d, wrong[i][0]);
			char kept[64];
			if (old == NULL ||
			    (s->adapter->shape.latents == 0 && strstr(wrong[i][0], "layers"))) {
				document_free(d);
				continue; /* nobody looks at it */
			}
			snprintf(kept, sizeof kept, "%s", old);
			assert_true(document_set(d, wrong[i][0], wrong[i][1], &e) &&
			            stream_write_one(path, d, &e));
			assert_null(adapter_load(path, &from, llm, &e));
			assert_int_equal(e.code, ERROR_MALFORMED);
			e = (Error){0};
			assert_true(document_set(d, wrong[i][0], kept, &e) && stream_write_one(path, d, &e));
			document_free(d);
		}
		unlink(path);
		encoder_free(fresh);
		llm_free(llm);
		setting_free(s);
	}
}

/* The latents of an adapter, as if ul-embed -a had written them, with every user of the sample but the last
 * `missing`; or with `pool` "last" other vectors. */
static UserVectors *sample_latents(const Setting *s, const char *path, const char *pool, uint64_t hash,
                                   size_t missing)
{
	Error e = {0};
	Tape t = {0};
	Parameters set = {0};
	Perceiver p;
	char file[64];
	Embeddings what = {s->encoder->shape.dim, s->sample.users.count - missing, DTYPE_F32, pool};
	uint64_t own;
	assert_true(adapter_load_perceiver(path, s->encoder, 99, &p, &set, &own, &e));
	what.latents = p.shape.latents;
	what.adapter = hash ? hash : own;
	Document *d = document_new(&e);
	assert_true(document_stamp(d, "embeddings", SMALL_PROVENANCE, &e) && embeddings_set(&what, d, &e));
	small_path(file);
	RowWriter *w = row_writer_open(file, "ult", d, &e);
	for (size_t user = 0; user < what.users; user++) {
		EventBatch batch;
		Translation translation;
		Segment all = dataset_segment(&s->sample.data, &s->sample.users, user, PART_TEST);
		assert_true(translation_new(&translation, s->encoder, &s->sample.data, &e) &&
		            batch_questions(&batch, &translation, &s->sample.users, &all, 1, &t.arena, &e));
		UserTargets target = {1, &(size_t){0}, &batch.rows, batch.positions};
		const Tensor *x = perceiver_forward(&p, &t, encoder_forward(&t, s->encoder, &batch), &target);
		assert_true(row_write(w, strings_at(&s->sample.users.ids, user), x->value,
		                      strcmp(pool, "last") ? x->rows : 1, &e));
		translation_free(&translation);
	}
	assert_true(row_writer_close(w, &e));
	UserVectors *v = vectors_open(file, &e);
	assert_non_null(v);
	unlink(file);
	document_free(d);
	perceiver_free(&p);
	parameters_free(&set);
	tape_free(&t);
	return v;
}

/* What the test events are worth to an adapter. */
static void rank_sample(const Setting *s, const Adapter *a, Rankings *r, bool knows_all)
{
	Error e = {0};
	Answerer answerer;
	Ranker ranker;
	Pool *pool = pool_new(2, &e);
	assert_true(answerer_new(&answerer, a->llm, a, &s->sample.data, NULL, NULL, false, &e));
	answerer.keep_seen = true;
	assert_true(answerer_ranker(&answerer, &ranker, &e));
	assert_true(rank_users(&ranker, &s->sample.data, &s->sample.users, PART_TEST, 7, 6, &(size_t){0},
	                       pool, r, &e) == knows_all);
	if (!knows_all)
		assert_true(e.code == ERROR_USAGE && strstr(e.text, "'user5'") != NULL);
	answerer_free(&answerer);
	pool_free(pool);
}

/* From its own latents an adapter answers what it answers from the histories; from no others. */
static void test_latents(void **state)
{
	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		Error e = {0};
		char path[64];
		if (ways[way].latents == 0)
			continue;
		Setting *s = setting_for(&next_item, ways[way]);
		Rankings r = {0}, same = {0};
		small_path(path);
		steps(s, 2);
		open_gates(s->adapter);
		assert_true(adapter_save(s->adapter, path, SMALL_PROVENANCE, &e));
		rank_sample(s, s->adapter, &r, true);
		Llm *llm = small_llm(true, 5);
		for (size_t missing = 0; missing < 2; missing++) {
			UserVectors *v = sample_latents(s, path, "latents", 0, missing);
			Adapter *a = adapter_load(path, &(UserSource){.vectors = v}, llm, &e);
			assert_non_null(a);
			rank_sample(s, a, &same, missing == 0);
			for (size_t i = 0; missing == 0 && i < 6; i++) {
				assert_int_equal(r.answers[i].count, same.answers[i].count);
				for (size_t k = 0; k < r.answers[i].count; k++)
					assert_true(fabsf(r.answers[i].scores[k] -
					                  same.answers[i].scores[k]) < 1e-4f);
			}
			rankings_free(&same);
			adapter_free(a);
			vectors_free(v);
		}
		static const char *const told[] = {"another adapter", "own latents"};
		for (size_t i = 0; i < 2; i++) {
			UserVectors *v = sample_latents(s, path, i ? "last" : "latents", 5, 0);
			assert_null(adapter_load(path, &(UserSource){.vectors = v}, llm, &e));
			assert_true(e.code == ERROR_USAGE && strstr(e.text, told[i]) != NULL);
			e = (Error){0};
			vectors_free(v);
		}
		rankings_free(&r);
		unlink(path);
		llm_free(llm);
		setting_free(s);
	}
}

/* One that was trained on vectors from outside takes others as wide, and no encoder. */
static void test_vectors_save_and_load(void **state)
{
	(void)state;
	for (size_t latents = 0; latents < 3; latents += 2) {
		Error e = {0};
		char path[64];
		Setting *s = setting_with(&next_item, (AdapterShape){.latents = latents}, true);
		Llm *llm = small_llm(true, 5);
		Encoder *encoder = small_encoder(&s->sample.data, 0, 4);
		UserSource from = source_of(s);
		small_path(path);
		steps(s, 2);
		assert_true(adapter_save(s->adapter, path, SMALL_PROVENANCE, &e));
		Adapter *a = adapter_load(path, &from, llm, &e);
		assert_non_null(a);
		assert_true(a->perceiver.shape.heads == 1 && a->perceiver.shape.dim == VECTOR_DIM &&
		            !a->perceived);
		assert_int_equal(small_hash(&a->parameters), small_hash(&s->adapter->parameters));
		adapter_free(a);
		assert_null(
		    adapter_load(path, &(UserSource){.encoder = encoder, .encoder_hash = 99}, llm, &e));
		assert_true(e.code == ERROR_USAGE && strstr(e.text, "no encoder") != NULL);
		e = (Error){0};
		assert_null(adapter_load(path, &(UserSource){0}, llm, &e));
		assert_true(e.code == ERROR_USAGE && strstr(e.text, "--embeddings FILE is missing") != NULL);
		e = (Error){0};
		assert_false(adapter_load_perceiver(path, encoder, 99, &(Perceiver){0}, &(Parameters){0},
		                                    &(uint64_t){0}, &e));
		assert_int_equal(e.code, ERROR_USAGE);
		e = (Error){0};
		s->vectors->of.dim--;
		assert_null(adapter_load(path, &from, llm, &e));
		assert_true(e.code == ERROR_USAGE && strstr(e.text, "6 numbers") != NULL);
		s->vectors->of.dim++;
		unlink(path);
		encoder_free(encoder);
		llm_free(llm);
		setting_free(s);
	}
}

/* In the order of the data users are found by their place in it, of whatever chunk. */
static void test_vectors_in_order(void **state)
{
	(void)state;
	Error e = {0};
	size_t first, count;
	Setting *s = setting_with(&next_item, (AdapterShape){.latents = 2}, true);
	Users chunk = s->sample.users;
	Dataset data = s->sample.data;
	chunk.first = 2;
	assert_true(vectors_find(s->vectors, &chunk, 3, &first, &count, &e));
	assert_true(first == 5 * VECTOR_ROWS && count == VECTOR_ROWS);
	assert_false(vectors_find(s->vectors, &chunk, 4, &first, &count, &e));
	assert_true(e.code == ERROR_USAGE && strstr(e.text, "'user4'") != NULL);
	e = (Error){0};
	assert_true(vectors_fit(s->vectors, &data, &e));
	data.users++;
	assert_false(vectors_fit(s->vectors, &data, &e));
	setting_free(s);
}

/* As many heads as can be of an even width from 16 on. */
static void test_heads(void **state)
{
	(void)state;
	static const size_t cases[][2] = {{1, 1},  {7, 1},  {8, 1},  {16, 1}, {31, 1},
	                                  {32, 2}, {34, 1}, {48, 3}, {64, 4}, {100, 5}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		UserVectors v = {.of.dim = cases[i][0], .most = 1};
		UserSource from = {.vectors = &v};
		assert_int_equal(adapter_rows(&(AdapterShape){0}, &from).heads, cases[i][1]);
		assert_int_equal(adapter_rows(&(AdapterShape){.perceiver_heads = 7}, &from).heads, 7);
	}
}

/* Layers by words, and what is wrong with them. */
static void test_layers(void **state)
{
	(void)state;
	static const struct {
		AdapterShape shape;
		const char *told; /* NULL: nothing is wrong */
		bool first, second;
	} cases[] = {
	    {{.latents = 2, .layers = "all"}, NULL, true, true},
	    {{.latents = 2, .layers = "every:1"}, NULL, true, true},
	    {{.latents = 2, .layers = "every:2"}, NULL, false, true},
	    {{.latents = 2, .layers = "0"}, NULL, true, false},
	    {{.latents = 2, .layers = "1,0"}, NULL, true, true},
	    {{.latents = 2, .layers = "2"}, "no layer 2"},
	    {{.latents = 2, .layers = "99999999999"}, "no layer"},
	    {{.latents = 2, .layers = "every:3"}, "every:N is of 1 to 2"},
	    {{.latents = 2, .layers = "every:0"}, "every:N"},
	    {{.latents = 2, .layers = "every:1x"}, "every:N"},
	    {{.latents = 2, .layers = "some"}, "none of all"},
	    {{.latents = 2, .layers = "0;1"}, "none of all"},
	    {{.latents = 2, .layers = "1,"}, "none of all"},
	    {{.latents = 2, .layers = ""}, "none of all"},
	    {{.latents = 2, .heads = 3, .dim = 16}, "cannot share"},
	    {{.latents = 0, .heads = 3, .dim = 16}, "without latents"},
	};
	Setting *s = setting_new(3, TUNE_PROJ, 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		Error e = {0};
		AdapterShape shape = cases[i].shape;
		shape.perceiver_layers = 1;
		UserSource from = source_of(s);
		Adapter *a = adapter_new(&shape, &from, s->llm, &next_item, NULL, 8, &e);
		if (cases[i].told != NULL) {
			assert_null(a);
			assert_int_equal(e.code, ERROR_USAGE);
			assert_non_null(strstr(e.text, cases[i].told));
			continue;
		}
		assert_true((a->gates[0] != NULL) == cases[i].first &&
		            (a->gates[1] != NULL) == cases[i].second);
		adapter_free(a);
	}
	setting_free(s);
}

/* An LLM that adds no BOS needs words to begin with. */
static void test_empty_query(void **state)
{
	(void)state;
	Error e = {0};
	Setting *s = setting_new(3, TUNE_PROJ, 0);
	AdapterShape shape = {0, 0};
	AdapterTask empty = {TASK_NEXT_ITEM, "", "{item}", 64};
	UserSource from = source_of(s);
	Adapter *a = adapter_new(&shape, &from, s->llm, &empty, NULL, 8, &e);
	assert_non_null(a);
	Finetuning *f = finetuning_new(a, &s->sample.data, &s->sample.users, &plan, &e);
	assert_non_null(f); /* the BOS alone */
	finetuning_free(f);
	((TokenizerModel *)(uintptr_t)tokenizer_model(s->llm->tokenizer))->add_bos = false;
	assert_null(finetuning_new(a, &s->sample.data, &s->sample.users, &plan, &e));
	assert_true(e.code == ERROR_USAGE && strstr(e.text, "query") != NULL);
	adapter_free(a);
	setting_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_event_is_asked_once),
	    cmocka_unit_test(test_question_knows_all),
	    cmocka_unit_test(test_gradient_perceiver),
	    cmocka_unit_test(test_gradient_llm),
	    cmocka_unit_test(test_gradient_rows),
	    cmocka_unit_test(test_gradient_some_layers),
	    cmocka_unit_test(test_gradient_lora),
	    cmocka_unit_test(test_gradient_soft),
	    cmocka_unit_test(test_gradient_soft_llm),
	    cmocka_unit_test(test_gradient_vectors),
	    cmocka_unit_test(test_gradient_text),
	    cmocka_unit_test(test_gate_gradient_when_closed),
	    cmocka_unit_test(test_evaluation),
	    cmocka_unit_test(test_evaluation_of_no_numbers),
	    cmocka_unit_test(test_worth),
	    cmocka_unit_test(test_ranking_of_classes),
	    cmocka_unit_test(test_untrained_changes_no_bit),
	    cmocka_unit_test(test_memory_ends_where_it_should),
	    cmocka_unit_test(test_ranking_with_user),
	    cmocka_unit_test(test_prompts),
	    cmocka_unit_test(test_merged),
	    cmocka_unit_test(test_lora_starts_closed),
	    cmocka_unit_test(test_micro_batches),
	    cmocka_unit_test(test_recompute),
	    cmocka_unit_test(test_tuning_leaves_alone),
	    cmocka_unit_test(test_save_and_load),
	    cmocka_unit_test(test_latents),
	    cmocka_unit_test(test_vectors_save_and_load),
	    cmocka_unit_test(test_vectors_in_order),
	    cmocka_unit_test(test_heads),
	    cmocka_unit_test(test_layers),
	    cmocka_unit_test(test_empty_query),
	};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
