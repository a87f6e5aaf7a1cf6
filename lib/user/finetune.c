#include "user/finetune.h"

#include "user/histories.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
	LONGEST_HISTORY = 200,  /* without an encoder, which would say */
	EVALUATED_USERS = 1000, /* at most, a time */
	EVALUATED_TOGETHER = 16
};

struct Finetuning {
	Adapter *adapter;
	const Dataset *data;
	const Users *users;
	UserReader reader;  /* what the adapter knows users by */
	Parameters trained; /* borrowed from adapter, encoder and LLM */
	Task task;
	Prompter prompter;
	Teacher teacher; /* as the plan has one */
	Asking asking;
	Histories histories;
	Profile *profile;
	FinetuningPlan plan;
	size_t a_step, a_shard; /* histories */
	uint64_t epoch;
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

/* How long answers may be; that they end, and that those of a list can be told apart. */
static bool measure_answers(const Finetuning *f, size_t *most, Error *e)
{
	Strings choices = {0};
	Dataset classes = {0};
	Trie trie = {0};
	Tokens end = {0};
	const Tokenizer *tokenizer = f->adapter->llm->tokenizer;
	*most = f->adapter->task.answer;
	bool done = answer_tokens(tokenizer, (Text){"", 0}, 1, &end, e);
	if (done && task_ranks(&f->task)) {
		done = task_choices(&f->task, &choices, &classes, e) &&
		       answer_trie(tokenizer, &choices, &trie, e);
		*most = trie.depth;
	}
	tokens_free(&end);
	trie_free(&trie);
	strings_free(&choices);
	dataset_free(&classes);
	return done;
}

/* Tells now what would stop the training later, or leave it nothing to do.  Of fixed queries one is all. */
static bool try_questions(const Finetuning *f, Error *e)
{
	bool any = false, answerable = false, done = true, one_is_all = template_is_fixed(&f->task.query);
	for (size_t user = 0; done && user < f->users->count && !(answerable && one_is_all); user++) {
		Segment train = dataset_segment(f->data, f->users, user, PART_TRAIN);
		bool validates = dataset_segment(f->data, f->users, user, PART_VALIDATION).has_target;
		for (size_t event = train.first + 1; done && event < train.end + validates; event++) {
			Query q = question_about(f->data, f->users, event);
			bool has_answer = question_is_answerable(&f->asking, &q), trains = event < train.end;
			any = any || trains;
			answerable = answerable || (trains && has_answer);
			done = !has_answer || prompter_fits(&f->prompter, &q, e);
		}
	}
	if (!done || answerable)
		return done;
	return any ? fail(e, ERROR_MALFORMED,
	                  "nothing to train on: '%s' is empty for every event that has one before it",
	                  f->task.target.text)
	           : fail(e, ERROR_MALFORMED, "nothing to train on: %s", HISTORY_NEEDED);
}

static bool prepare_teacher(Finetuning *f, Error *e)
{
	const TemplatePart *field = template_field(&f->task.target);
	if (f->plan.teacher == NULL)
		return true;
	if (field == NULL || field->kind != FIELD_ITEM)
		return fail(e, ERROR_USAGE, "an encoder teaches of items alone, not of '%s'",
		            f->task.target.text);
	return teacher_new(&f->teacher, f->plan.teacher, f->data, f->adapter->llm->tokenizer, e);
}

static bool prepare_task(Finetuning *f, Error *e)
{
	const Adapter *a = f->adapter;
	size_t answer;
	return task_new(&f->task, f->data, a->task.query, a->task.target, e) &&
	       measure_answers(f, &answer, e) && prompter_new(&f->prompter, a->llm, a, &f->task, answer, e) &&
	       try_questions(f, e) && prepare_teacher(f, e);
}

static size_t at_least_one(size_t count)
{
	return count > 0 ? count : 1;
}

/* Whose rows are missing is told now, and not in the middle of it all. */
static bool prepare_users(Finetuning *f, Error *e)
{
	const UserSource *from = &f->adapter->users;
	bool encodes = from->encoder != NULL, done = user_reader_new(&f->reader, f->adapter, f->data, e);
	for (size_t user = 0; done && from->vectors != NULL && user < f->users->count; user++)
		done = vectors_find(from->vectors, f->users, user, &(size_t){0}, &(size_t){0}, e);
	return done && (!encodes ||
	                train_set(f, &from->encoder->parameters, f->adapter->shape.tuning >= TUNE_ENC, e));
}

/* How many questions are in memory at a time: not by the threads, as what comes of them must not be. */
static size_t micro_batch(const FinetuningPlan *plan)
{
	size_t eighth = plan->batch / 8;
	if (plan->micro_batch > 0)
		return plan->micro_batch;
	return eighth < 8 ? 8 : eighth > 64 ? 64 : eighth;
}

Finetuning *finetuning_new(Adapter *a, const Dataset *data, const Users *users, const FinetuningPlan *plan,
                           Error *e)
{
	Tuning tuning = a->shape.tuning;
	Finetuning *f = memory_new(1, sizeof *f, e);
	if (f == NULL)
		return NULL;
	*f = (Finetuning){
	    .adapter = a,
	    .data = data,
	    .users = users,
	    .plan = *plan,
	    .asking = {&f->prompter, users, plan->teacher ? &f->teacher : NULL, (float)plan->taught},
	    .a_step = at_least_one(plan->batch / plan->questions),
	    .a_shard = at_least_one(micro_batch(plan) / plan->questions)};
	for (size_t i = 0; i < a->llm->parameters.count; i++)
		a->llm->parameters.items[i]->lr_scale = (float)plan->llm_lr;
	if (prepare_users(f, e) && prepare_task(f, e) && train_set(f, &a->parameters, true, e) &&
	    train_set(f, &a->llm->parameters, tuning == TUNE_FULL, e) &&
	    (f->questions = memory_new(f->a_step, sizeof *f->questions, e)) != NULL)
		return f;
	finetuning_free(f);
	return NULL;
}

void finetuning_free(Finetuning *f)
{
	if (f == NULL)
		return;
	user_reader_free(&f->reader);
	memory_free(f->trained.items);
	task_free(&f->task);
	prompter_free(&f->prompter);
	teacher_free(&f->teacher);
	histories_free(&f->histories);
	memory_free(f->questions);
	memory_free(f);
}

const Translation *finetuning_translation(const Finetuning *f)
{
	return f->adapter->users.encoder ? &f->reader.translation : NULL;
}

bool finetuning_ranks(const Finetuning *f)
{
	return task_ranks(&f->task);
}

static size_t longest_history(const Finetuning *f)
{
	const Encoder *encoder = f->adapter->users.encoder;
	return encoder ? encoder->shape.max_len : LONGEST_HISTORY;
}

/* Whether any event of a history has an answer. */
static bool asks(const Finetuning *f, Segment history)
{
	for (size_t event = history.first; event < history.end; event++) {
		Query q = question_about(f->data, f->users, event + 1);
		if (question_is_answerable(&f->asking, &q))
			return true;
	}
	return false;
}

/* Leaves out histories that nothing could be asked of. */
static void keep_asking(const Finetuning *f, Histories *h)
{
	size_t kept = 0;
	for (size_t i = 0; i < h->count; i++)
		if (asks(f, h->items[h->order[i]].inputs))
			h->order[kept++] = h->order[i];
	h->count = kept;
}

static bool start_epoch(void *context, size_t epoch, size_t *steps, Error *e)
{
	Finetuning *f = context;
	f->epoch = epoch;
	Sequencing how = {.kind = SEQUENCES_CUT, .length = longest_history(f)};
	if (!histories_make(&f->histories, f->data, f->users, &how, random_key(f->plan.seed, epoch), e))
		return false;
	keep_asking(f, &f->histories);
	*steps = (f->histories.count + f->a_step - 1) / f->a_step;
	return true;
}

static size_t start_step(void *context, size_t step)
{
	Finetuning *f = context;
	size_t first = step * f->a_step, left = f->histories.count - first;
	f->history_count = left < f->a_step ? left : f->a_step;
	f->question_count = 0;
	for (size_t i = 0; i < f->history_count; i++) {
		Questions *q = &f->questions[i];
		Random random = {random_key(random_key(f->plan.seed, ~f->epoch), first + i), 0};
		*q = (Questions){.history = f->histories.items[f->histories.order[first + i]].inputs};
		questions_draw(q, &f->asking, f->plan.questions, &random);
		f->question_count += q->count;
	}
	return (f->history_count + f->a_shard - 1) / f->a_shard;
}

/* What the LLM makes of all that is before each of the answers' tokens: [answers, C]. */
static Tensor *read_questions(const Finetuning *f, Tape *t, const QuestionBatch *b)
{
	/* On the way back it may be asked once more. */
	AdapterMemory *memory = arena_new(&t->arena, 1, sizeof *memory, &t->error);
	bool reads_users = injects_rows(f->adapter->shape.inject);
	AsOf asked = question_batch_asked(b);
	if (memory == NULL || (reads_users && !user_reader_read(&f->reader, t, f->users, b->histories,
	                                                        b->history_count, &asked, memory)))
		return NULL;
	return conversation_read(&b->conversation, t, f->adapter->llm, reads_users ? memory : NULL);
}

/* -log P(answer | user, query), summed over the questions, or what the teacher makes of it; and gradients of
 * weight · that. */
static bool questions_loss(const Finetuning *f, Tape *t, QuestionBatch *b, double weight, double *loss)
{
	const Llm *llm = f->adapter->llm;
	LossTargets targets;
	size_t tokens = 0;
	return question_batch_targets(b, &f->asking, t, &targets) &&
	       tape_cross_entropy(t, read_questions(f, t, b), llm->output, llm->shape.logit_cap, targets,
	                          (float)weight, loss, &tokens);
}

static bool run_shard(void *context, Tape *t, size_t shard, double *loss, size_t *targets, size_t *events)
{
	const Finetuning *f = context;
	size_t first = shard * f->a_shard, left = f->history_count - first;
	QuestionBatch b;
	const Conversation *c = &b.conversation;
	t->recomputes = f->plan.recompute;
	bool done = question_batch_new(&b, &f->asking, t, f->questions + first,
	                               left < f->a_shard ? left : f->a_shard) &&
	            (c->count == 0 || questions_loss(f, t, &b, 1 / (double)f->question_count, loss));
	question_batch_free(&b);
	if (!done)
		return false;
	*targets += c->count;
	*events += c->N;
	profile_enter(t->profile, PHASE_BACKWARD, c->N);
	return tape_backward(t);
}

/* What true answers are worth, summed over them. */
typedef struct {
	double nll, p; /* -log P(answer | user, query), and that probability itself */
	size_t count;
} Worth;

typedef struct {
	const Finetuning *f;
	GemmPrecision precision;
	size_t stride;
	Worth worth[LANES];
	Profile profiles[LANES];
	Error errors[LANES];
} Evaluation;

/* The question about a user's validation event; false where there is none, or no answer. */
static bool validation_question(const Finetuning *f, size_t user, Questions *q)
{
	size_t most = longest_history(f);
	Segment s = dataset_segment(f->data, f->users, user, PART_VALIDATION);
	s.first = s.end - s.first > most ? s.end - most : s.first;
	*q = (Questions){.history = s, .known = {s.end - s.first}, .count = 1};
	if (!s.has_target)
		return false;
	Query question = question_about(f->data, f->users, s.end);
	return question_is_answerable(&f->asking, &question);
}

/* Who has diverged says no numbers. */
static bool answers_worth(const Finetuning *f, Tape *t, const QuestionBatch *b, double *nll)
{
	const Conversation *c = &b->conversation;
	const Tensor *h = read_questions(f, t, b);
	if (h != NULL && conversation_worth(c, t, f->adapter->llm, h, nll))
		return true;
	if (h == NULL || t->error.code != ERROR_MALFORMED)
		return false;
	t->error = (Error){0};
	for (size_t i = 0; i < c->count; i++)
		nll[i] = (double)NAN;
	return true;
}

static bool add_worth(const Finetuning *f, Tape *t, const Questions *questions, size_t count, Worth *worth)
{
	double nll[EVALUATED_TOGETHER];
	QuestionBatch b;
	bool done = question_batch_new(&b, &f->asking, t, questions, count) && answers_worth(f, t, &b, nll);
	for (size_t i = 0; done && i < count; i++) {
		worth->nll += nll[i];
		worth->p += exp(-nll[i]);
		worth->count++;
	}
	question_batch_free(&b);
	return done;
}

/* Every LANES-th user of those asked, some at a time, so that the LLM's weights are read once for them all.
 */
static void evaluate_lane(void *context, size_t lane)
{
	Evaluation *v = context;
	const Finetuning *f = v->f;
	Tape t = {.profile = f->profile ? &v->profiles[lane] : NULL};
	Questions questions[EVALUATED_TOGETHER];
	size_t count = 0, user = lane * v->stride, step = LANES * v->stride, most = f->plan.micro_batch;
	most = most > 0 && most < EVALUATED_TOGETHER ? most : EVALUATED_TOGETHER;
	for (; user < f->users->count && v->errors[lane].code == ERROR_NONE; user += step) {
		count += validation_question(f, user, &questions[count]);
		if (count == 0 || (count < most && user + step < f->users->count))
			continue;
		tape_reset(&t, false, 0);
		t.precision = v->precision;
		if (!add_worth(f, &t, questions, count, &v->worth[lane]))
			v->errors[lane] = t.error;
		count = 0;
	}
	tape_free(&t);
}

/* What is drawn from a list of answers is the better, the likelier the right one is: the mean of P, which
 * does not mind how unlikely those are that it would not find anyway.  Of other texts the mean of log P. */
static bool evaluate(void *context, GemmPrecision precision, Pool *pool, double *score, char *words,
                     size_t size, Error *e)
{
	const Finetuning *f = context;
	Evaluation v = {.f = f,
	                .precision = precision,
	                .stride = (f->users->count + EVALUATED_USERS - 1) / EVALUATED_USERS};
	Worth all = {0};
	pool_run(pool, LANES, evaluate_lane, &v);
	profile_gather(f->profile, v.profiles, LANES);
	if (!fail_first(v.errors, LANES, e))
		return false;
	for (size_t lane = 0; lane < LANES; lane++) {
		all.nll += v.worth[lane].nll;
		all.p += v.worth[lane].p;
		all.count += v.worth[lane].count;
	}
	double nll = all.nll / (double)all.count, p = all.p / (double)all.count;
	*score = all.count == 0 ? -HUGE_VAL : task_ranks(&f->task) ? p : -nll;
	if (all.count == 0)
		snprintf(words, size, "validation=none (no user has an event for it with an answer)");
	else
		snprintf(words, size, "nll=%.4f p=%.5f users=%zu%s", nll, p, all.count,
		         users_know_time(&f->adapter->users) ? " league=query-time" : "");
	return true;
}

void finetuning_profile(Finetuning *f, Profile *profile)
{
	f->profile = profile;
}

Trainee finetuning_trainee(Finetuning *f)
{
	Tuning tuning = f->adapter->shape.tuning;
	Parameters *llm = tuning == TUNE_FULL ? NULL : &f->adapter->llm->parameters;
	Encoder *encoder = f->adapter->users.encoder;
	Parameters *below = encoder && tuning < TUNE_ENC ? &encoder->parameters : NULL;
	Trainee trainee = {f, &f->trained, llm, below, start_epoch, start_step, run_shard, evaluate};
	trainee.needed = HISTORY_NEEDED;
	trainee.profile = f->profile;
	trainee.teacher = f->plan.teacher ? &f->plan.teacher->parameters : NULL;
	return trainee;
}
