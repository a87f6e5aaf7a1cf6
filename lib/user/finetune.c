#include "user/finetune.h"

#include "user/histories.h"
#include "user/prompt.h"
#include "user/task.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
	QUESTIONS_A_HISTORY = 4, /* one pass of the encoder serves them all */
	LONGEST_HISTORY = 200,   /* without an encoder, which would say */
	SHARD_QUESTIONS = 8,
	EVALUATED_USERS = 1000, /* at most, a time */
	EVALUATED_TOGETHER = 16
};

/* What follows the first `known` events of a history? */
typedef struct {
	Segment history;
	size_t known[QUESTIONS_A_HISTORY], count;
} Questions;

struct Finetuning {
	Adapter *adapter;
	const Dataset *data;
	const Users *users;
	Translation translation;
	Parameters trained; /* borrowed from adapter and encoder */
	Strings names;      /* by item id */
	Prompter prompter;
	Tokens answers;
	size_t *answer_offsets; /* by item id, in answers */
	Histories histories;
	size_t batch;
	uint64_t seed, epoch;
	Questions *questions; /* of a step */
	size_t history_count, question_count;
};

static bool train_set(Finetuning *f, Parameters *from, bool trains, Error *e)
{
	parameters_train(from, trains);
	for (size_t i = 0; trains && i < from->count; i++) {
		if (!memory_grow(&f->trained.items, &f->trained.capacity, f->trained.count + 1,
		                 sizeof *f->trained.items, e))
			return false;
		f->trained.items[f->trained.count++] = from->items[i];
	}
	return true;
}

/* The tokens of every item's name, end to end. */
static bool tokenize_answers(Finetuning *f, Error *e)
{
	const Adapter *a = f->adapter;
	const Tokenizer *tokenizer = a->llm->tokenizer;
	size_t most = a->llm->most_positions;
	Trie trie = {0}; /* to see that all can be told apart when it comes to answering */
	bool done =
	    item_names(f->data, &f->names, e) && answer_trie(tokenizer, &f->names, &trie, e) &&
	    prompter_new(&f->prompter, a->llm, a, f->data, &f->names, a->query, trie.depth, e) &&
	    (f->answer_offsets = memory_new(f->names.count + 1, sizeof *f->answer_offsets, e)) != NULL;
	for (size_t id = 0; done && id < f->names.count; id++) {
		Text name = strings_at(&f->names, id);
		done = id < (size_t)ID_FIRST || answer_tokens(tokenizer, name, &f->answers, e);
		f->answer_offsets[id + 1] = f->answers.count;
		if (done && f->prompter.fixed + f->answers.count - f->answer_offsets[id] > most)
			done = fail(e, ERROR_USAGE,
			            "query and name of the item '%.60s' are longer than the LLM's context of "
			            "%zu tokens",
			            name.size ? name.data : "", most);
	}
	trie_free(&trie);
	return done && (f->prompter.fixed > 0 ||
	                fail(e, ERROR_USAGE, "the query is empty, and the LLM has no token to begin with"));
}

Finetuning *finetuning_new(Adapter *a, const Dataset *data, const Users *users, size_t batch, uint64_t seed,
                           Error *e)
{
	Tuning tuning = a->shape.tuning;
	Finetuning *f = memory_new(1, sizeof *f, e);
	if (f == NULL)
		return NULL;
	*f = (Finetuning){.adapter = a, .data = data, .users = users, .batch = batch, .seed = seed};
	for (size_t i = 0; i < a->llm->parameters.count; i++)
		a->llm->parameters.items[i]->lr_scale = 0.1f;
	if ((a->encoder == NULL || (translation_new(&f->translation, a->encoder, data, e) &&
	                            train_set(f, &a->encoder->parameters, tuning >= TUNE_ENC, e))) &&
	    tokenize_answers(f, e) && train_set(f, &a->parameters, true, e) &&
	    train_set(f, &a->llm->parameters, tuning == TUNE_FULL, e) &&
	    (f->questions = memory_new(batch, sizeof *f->questions, e)) != NULL)
		return f;
	finetuning_free(f);
	return NULL;
}

void finetuning_free(Finetuning *f)
{
	if (f == NULL)
		return;
	translation_free(&f->translation);
	memory_free(f->trained.items);
	strings_free(&f->names);
	prompter_free(&f->prompter);
	tokens_free(&f->answers);
	memory_free(f->answer_offsets);
	histories_free(&f->histories);
	memory_free(f->questions);
	memory_free(f);
}

const Translation *finetuning_translation(const Finetuning *f)
{
	return f->adapter->encoder ? &f->translation : NULL;
}

static size_t longest_history(const Finetuning *f)
{
	return f->adapter->encoder ? f->adapter->encoder->shape.max_len : LONGEST_HISTORY;
}

static bool start_epoch(void *context, size_t epoch, size_t *steps, Error *e)
{
	Finetuning *f = context;
	size_t a_step = f->batch / QUESTIONS_A_HISTORY ? f->batch / QUESTIONS_A_HISTORY : 1;
	f->epoch = epoch;
	Sequencing how = {.kind = SEQUENCES_CUT, .length = longest_history(f)};
	if (!histories_make(&f->histories, f->data, f->users, &how, random_key(f->seed, epoch), e))
		return false;
	*steps = (f->histories.count + a_step - 1) / a_step;
	return true;
}

static size_t start_step(void *context, size_t step)
{
	Finetuning *f = context;
	size_t a_step = f->batch / QUESTIONS_A_HISTORY ? f->batch / QUESTIONS_A_HISTORY : 1,
	       first = step * a_step;
	size_t left = f->histories.count - first;
	f->history_count = left < a_step ? left : a_step;
	f->question_count = 0;
	for (size_t i = 0; i < f->history_count; i++) {
		Questions *q = &f->questions[i];
		Random random = {random_key(random_key(f->seed, ~f->epoch), first + i), 0};
		*q = (Questions){.history = f->histories.items[f->histories.order[first + i]].inputs};
		size_t length = q->history.end - q->history.first;
		q->count = length < QUESTIONS_A_HISTORY ? length : QUESTIONS_A_HISTORY;
		for (size_t k = 0; k < q->count; k++)
			q->known[k] = 1 + (size_t)random_below(&random, length);
		f->question_count += q->count;
	}
	size_t a_shard = SHARD_QUESTIONS / QUESTIONS_A_HISTORY;
	return (f->history_count + a_shard - 1) / a_shard;
}

/* All the questions of some histories as tokens, end to end. */
typedef struct {
	size_t count, N, answers; /* questions, tokens, tokens of answers */
	size_t *first, *known;    /* by question: rows of E */
	int32_t *item;            /* by question: the true answer */
	Tokens prompts;           /* of all questions, to be freed */
	size_t *prompt_end;       /* by question, in prompts */
	size_t *start;            /* by question: first token; and the end */
	int32_t *tokens, *positions;
	AttentionSegment *segments;
	int32_t *asked;   /* by answer token: the row that predicts it */
	int32_t *targets; /* by answer token */
	int64_t *offsets;
} Conversation;

static bool make_room(Conversation *c, const Finetuning *f, Arena *arena, Error *e)
{
	c->answers = 0;
	for (size_t i = 0; i < c->count; i++)
		c->answers += f->answer_offsets[c->item[i] + 1] - f->answer_offsets[c->item[i]];
	c->N = c->answers + c->prompts.count - c->count;
	c->start = arena_new(arena, c->count + 1, sizeof *c->start, e);
	c->tokens = arena_new(arena, c->N, sizeof *c->tokens, e);
	c->positions = arena_new(arena, c->N, sizeof *c->positions, e);
	c->segments = arena_new(arena, c->count, sizeof *c->segments, e);
	c->asked = arena_new(arena, c->answers, sizeof *c->asked, e);
	c->targets = arena_new(arena, c->answers, sizeof *c->targets, e);
	c->offsets = arena_new(arena, c->answers + 1, sizeof *c->offsets, e);
	return c->start && c->tokens && c->positions && c->segments && c->asked && c->targets && c->offsets;
}

/* Prompt and answer of each question; the last token of the answer is predicted, never read. */
static bool write_tokens(Conversation *c, const Finetuning *f, Arena *arena, Error *e)
{
	size_t row = 0, answer = 0;
	if (!make_room(c, f, arena, e))
		return false;
	for (size_t i = 0; i < c->count; i++) {
		const int32_t *words = f->answers.ids + f->answer_offsets[c->item[i]];
		size_t length = f->answer_offsets[c->item[i] + 1] - f->answer_offsets[c->item[i]];
		size_t from = i > 0 ? c->prompt_end[i - 1] : 0, asked = c->prompt_end[i] - from;
		c->start[i] = row;
		for (size_t k = 0; k < asked + length - 1; k++, row++) {
			c->tokens[row] = k < asked ? c->prompts.ids[from + k] : words[k - asked];
			c->positions[row] = (int32_t)k;
			if (k + 1 < asked)
				continue;
			c->asked[answer] = (int32_t)row;
			c->targets[answer] = words[k + 1 - asked];
			c->offsets[answer] = (int64_t)answer;
			answer++;
		}
		c->segments[i] =
		    (AttentionSegment){c->start[i], row - c->start[i], c->start[i], row - c->start[i], true};
	}
	c->start[c->count] = row;
	c->offsets[answer] = (int64_t)answer;
	return true;
}

/* The questions of histories whose rows stand one after the other in E. */
static bool list_questions(Conversation *c, const Finetuning *f, const Questions *questions, size_t count,
                           Arena *arena, Error *e)
{
	size_t row = 0;
	*c = (Conversation){0};
	c->first = arena_new(arena, count * QUESTIONS_A_HISTORY, sizeof *c->first, e);
	c->known = arena_new(arena, count * QUESTIONS_A_HISTORY, sizeof *c->known, e);
	c->item = arena_new(arena, count * QUESTIONS_A_HISTORY, sizeof *c->item, e);
	c->prompt_end = arena_new(arena, count * QUESTIONS_A_HISTORY, sizeof *c->prompt_end, e);
	if (c->first == NULL || c->known == NULL || c->item == NULL || c->prompt_end == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		const Questions *q = &questions[i];
		for (size_t k = 0; k < q->count; k++, c->count++) {
			Segment known = {q->history.first, q->history.first + q->known[k], true};
			c->first[c->count] = row;
			c->known[c->count] = q->known[k];
			c->item[c->count] = f->users->items[known.end];
			if (!prompter_add(&f->prompter, f->users, known, c->count, &c->prompts, e))
				return false;
			c->prompt_end[c->count] = c->prompts.count;
		}
		row += q->history.end - q->history.first;
	}
	return true;
}

/* What the adapter makes of the users that the questions are about. */
static bool meet_users(const Finetuning *f, Tape *t, const Questions *questions, size_t count,
                       const Conversation *c, AdapterMemory *memory)
{
	EventBatch batch;
	Segment *histories = arena_new(&t->arena, count, sizeof *histories, &t->error);
	if (histories == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		histories[i] = questions[i].history;
	if (!batch_new(&batch, &f->translation, f->users, histories, count, &t->arena, &t->error))
		return false;
	AdapterTargets targets = {c->count, c->first, c->known, batch.positions};
	Tensor *e = encoder_forward(t, f->adapter->encoder, &batch);
	return adapter_memory(f->adapter, t, e, &targets, memory) &&
	       adapter_tokens(memory, c->start, &t->arena, &t->error);
}

/* -log P(answer | user, query), summed over the questions; gradients of weight · that. */
static bool questions_loss(const Finetuning *f, Tape *t, const Questions *questions, size_t count,
                           double weight, double *loss, Conversation *c)
{
	AdapterMemory memory = {0};
	const Llm *llm = f->adapter->llm;
	bool meets = f->adapter->encoder != NULL;
	size_t tokens = 0;
	bool done = list_questions(c, f, questions, count, &t->arena, &t->error) &&
	            write_tokens(c, f, &t->arena, &t->error);
	tokens_free(&c->prompts);
	if (!done || (meets && !meet_users(f, t, questions, count, c, &memory)))
		return false;
	Injection injection = adapter_injection(&memory);
	Sequence s = {.positions = c->positions, .segments = c->segments, .segment_count = c->count};
	Tensor *h = llm_forward(t, llm, c->tokens, c->N, &s, meets ? &injection : NULL);
	h = tape_rows(t, h, c->asked, c->answers);
	return tape_cross_entropy(t, h, llm->output, llm->shape.logit_cap,
	                          (LossTargets){c->offsets, c->targets}, (float)weight, loss, &tokens);
}

static bool run_shard(void *context, Tape *t, size_t shard, double *loss, size_t *targets, size_t *events)
{
	const Finetuning *f = context;
	size_t a_shard = SHARD_QUESTIONS / QUESTIONS_A_HISTORY, first = shard * a_shard,
	       left = f->history_count - first;
	Conversation c;
	if (!questions_loss(f, t, f->questions + first, left < a_shard ? left : a_shard,
	                    1 / (double)f->question_count, loss, &c))
		return false;
	*targets += c.count;
	*events += c.N;
	return tape_backward(t);
}

typedef struct {
	const Finetuning *f;
	GemmPrecision precision;
	size_t stride, count[LANES];
	double loss[LANES];
	Error errors[LANES];
} Evaluation;

/* The question about a user's validation event; false where there is none. */
static bool validation_question(const Finetuning *f, size_t user, Questions *q)
{
	size_t most = longest_history(f);
	Segment s = dataset_segment(f->data, f->users, user, PART_VALIDATION);
	s.first = s.end - s.first > most ? s.end - most : s.first;
	*q = (Questions){.history = s, .known = {s.end - s.first}, .count = 1};
	return s.has_target;
}

/* Every LANES-th user of those asked, some at a time, so that the LLM's weights are read once for them all.
 */
static void evaluate_lane(void *context, size_t lane)
{
	Evaluation *v = context;
	const Finetuning *f = v->f;
	Tape t = {0};
	Questions questions[EVALUATED_TOGETHER];
	size_t count = 0, user = lane * v->stride, step = LANES * v->stride;
	for (; user < f->users->count && v->errors[lane].code == ERROR_NONE; user += step) {
		count += validation_question(f, user, &questions[count]);
		if (count == 0 || (count < EVALUATED_TOGETHER && user + step < f->users->count))
			continue;
		Conversation c;
		tape_reset(&t, false, 0);
		t.precision = v->precision;
		if (!questions_loss(f, &t, questions, count, 1, &v->loss[lane], &c))
			v->errors[lane] = t.error;
		v->count[lane] += count;
		count = 0;
	}
	tape_free(&t);
}

static bool evaluate(void *context, GemmPrecision precision, Pool *pool, double *score, char *words,
                     size_t size, Error *e)
{
	const Finetuning *f = context;
	const Encoder *encoder = f->adapter->encoder;
	Evaluation v = {.f = f,
	                .precision = precision,
	                .stride = (f->users->count + EVALUATED_USERS - 1) / EVALUATED_USERS};
	double loss = 0;
	size_t count = 0;
	pool_run(pool, LANES, evaluate_lane, &v);
	if (!fail_first(v.errors, LANES, e))
		return false;
	for (size_t lane = 0; lane < LANES; lane++) {
		loss += v.loss[lane];
		count += v.count[lane];
	}
	*score = count ? -loss / (double)count : -HUGE_VAL;
	if (count == 0)
		snprintf(words, size, "validation=none (no user has three events)");
	else
		snprintf(words, size, "nll=%.4f users=%zu%s", -*score, count,
		         encoder && encoder->shape.times == TIMES_QUERY ? " league=query-time" : "");
	return true;
}

Trainee finetuning_trainee(Finetuning *f)
{
	Tuning tuning = f->adapter->shape.tuning;
	Parameters *llm = tuning == TUNE_FULL ? NULL : &f->adapter->llm->parameters;
	const Encoder *encoder = f->adapter->encoder;
	Parameters *below = encoder && tuning < TUNE_ENC ? &f->adapter->encoder->parameters : NULL;
	return (Trainee){f, &f->trained, llm, below, start_epoch, start_step, run_shard, evaluate};
}
