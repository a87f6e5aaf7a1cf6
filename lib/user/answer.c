#include "user/answer.h"

#include "eval/metrics.h"
#include "user/conversation.h"

#include <math.h>
#include <string.h>

static bool reads_users(const Answerer *a)
{
	return a->adapter != NULL && injects_rows(a->adapter->shape.inject);
}

static bool open_task(Answerer *a, const Dataset *data, const char *query, bool literal, Error *e)
{
	const AdapterTask *own = a->adapter ? &a->adapter->task : NULL;
	const char *words = query ? query : own ? own->query : TASK_QUERY;
	const char *target = own ? own->target : "{item}";
	if (!literal || data == NULL)
		return task_new(&a->task, data, words, target, e);
	if (!task_new(&a->task, data, "", target, e))
		return false;
	template_free(&a->task.query);
	return template_literal(&a->task.query, words, e);
}

/* Where the data's items are in another catalogue. */
static bool find_places(Answerer *a, const Dataset *catalogue, Error *e)
{
	const Strings *items = &a->task.data->items.strings;
	a->places = memory_new(items->count, sizeof *a->places, e);
	for (size_t id = ID_FIRST; a->places != NULL && id < items->count; id++) {
		int64_t place = vocabulary_find(&catalogue->items, strings_at(items, id));
		a->places[id] = place >= ID_FIRST ? (int32_t)place : ID_PADDING;
	}
	return a->places != NULL;
}

static bool open_catalogue(Answerer *a, const Dataset *other, Error *e)
{
	Task task = a->task, asked_of_other = {0};
	if (a->task.data == NULL || !task_ranks(&a->task))
		return true;
	if (other != NULL) {
		if (!find_places(a, other, e))
			return false;
		if (!task_new(&asked_of_other, other, "", task.target.text, e)) {
			task_free(&asked_of_other);
			return fail_in(e, "the catalogue");
		}
		task = asked_of_other;
	}
	bool done = task_choices(&task, &a->choices, &a->classes, e);
	a->catalogue = a->classes.items.strings.count > 0 ? &a->classes : task.data;
	task_free(&asked_of_other);
	return done && answer_trie(a->llm->tokenizer, &a->choices, &a->trie, e);
}

bool answerer_new(Answerer *a, const Llm *llm, const Adapter *adapter, const Dataset *data,
                  const Dataset *catalogue, const char *query, bool literal, Error *e)
{
	*a = (Answerer){.llm = llm, .adapter = adapter};
	if ((reads_users(a) && !user_reader_new(&a->reader, adapter, data, e)) ||
	    !open_task(a, data, query, literal, e) || !open_catalogue(a, catalogue, e))
		return false;
	/* Words of the person's own are continued as far as there is room. */
	bool bound = adapter && (!literal || adapter->shape.inject == INJECT_TEXT);
	size_t answer = a->catalogue && (bound || !literal) ? a->trie.depth
	                : bound                             ? adapter->task.answer
	                                                    : 1;
	return prompter_new(&a->prompter, llm, adapter, &a->task, answer, e);
}

bool answerer_prompt(const Answerer *a, const Query *user, size_t place, Tokens *out, Error *e)
{
	if (user->history.has_target || !template_tells_event(&a->task.query))
		return prompter_add(&a->prompter, user, place, out, e);
	return fail(e, ERROR_USAGE,
	            "'%s' tells of an event that is not there yet: --split test or val, or a --query "
	            "without such fields",
	            a->task.query.text);
}

bool answerer_target(const Answerer *a, const Query *user, Buffer *words, Error *e)
{
	words->size = 0;
	return (!user->history.has_target && template_tells_event(&a->task.target)) ||
	       template_fill(&a->task.target, a->task.data, &a->task.names, user, words, e);
}

void answerer_free(Answerer *a)
{
	user_reader_free(&a->reader);
	task_free(&a->task);
	dataset_free(&a->classes);
	memory_free(a->places);
	strings_free(&a->choices);
	trie_free(&a->trie);
	prompter_free(&a->prompter);
	*a = (Answerer){0};
}

/* What the adapter makes of the users, of all that they had, on the tape.  False: see its error. */
static bool read_users(const Answerer *a, Tape *t, const Query *users, size_t count, AdapterMemory *memory)
{
	size_t *of = arena_new(&t->arena, count, sizeof *of, &t->error);
	size_t *known = arena_new(&t->arena, count, sizeof *known, &t->error);
	Segment *histories = arena_new(&t->arena, count, sizeof *histories, &t->error);
	if (of == NULL || known == NULL || histories == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		histories[i] = users[i].history;
		of[i] = i;
		known[i] = histories[i].end - histories[i].first;
	}
	AsOf asked = {count, of, known};
	return user_reader_read(&a->reader, t, users[0].users, histories, count, &asked, memory);
}

static bool place(void *context, const size_t *start, size_t count, Arena *arena, Error *e)
{
	(void)count; /* the decoder's sequences are the memory's targets */
	return adapter_tokens(context, start, arena, e);
}

/* The catalogue's id of the true answer; ID_PADDING where it is not known. */
static bool find_target(const Answerer *a, const Query *q, int32_t *target, Error *e)
{
	Buffer words = {0};
	*target = a->places && q->target >= ID_FIRST ? a->places[q->target] : q->target;
	if (a->catalogue != &a->classes)
		return true;
	bool done = answerer_target(a, q, &words, e);
	int64_t id = words.size > 0
	                 ? vocabulary_find(&a->classes.items, (Text){(const char *)words.data, words.size})
	                 : ID_PADDING;
	*target = id >= ID_FIRST ? (int32_t)id : ID_PADDING;
	buffer_free(&words);
	return done;
}

/* By the catalogue's ids: items that the user has had before. */
static uint8_t *leave_out(const Answerer *a, const Query *q, Arena *arena, Error *e)
{
	size_t count = a->catalogue->items.strings.count;
	uint8_t *left_out = arena_new(arena, count, 1, e);
	bool items = a->catalogue != &a->classes && !a->keep_seen;
	if (left_out != NULL)
		memset(left_out, 0, count);
	for (size_t event = (size_t)q->users->offsets[q->user]; left_out && items && event < q->history.end;
	     event++)
		left_out[a->places ? a->places[q->users->items[event]] : q->users->items[event]] = 1;
	return left_out;
}

/* By the catalogue's ids; none yet. */
static float *no_scores(const Answerer *a, Arena *arena, Error *e)
{
	size_t count = a->catalogue->items.strings.count;
	float *scores = arena_new(arena, count, sizeof *scores, e);
	for (size_t i = 0; scores != NULL && i < count; i++)
		scores[i] = -INFINITY;
	return scores;
}

/* What is asked of the LLM about some users. */
static bool ask(const Answerer *a, const Query *queries, Ranking *answers, TrieQuestion *questions,
                Tokens *prompts, size_t count, Arena *arena, Error *e)
{
	for (size_t i = 0; i < count; i++) {
		TrieQuestion *q = &questions[i];
		q->left_out = leave_out(a, &queries[i], arena, e);
		q->values = answers[i].items;
		q->scores = a->beam > 0 ? answers[i].scores : no_scores(a, arena, e);
		if (q->left_out == NULL || q->scores == NULL ||
		    !answerer_prompt(a, &queries[i], i, &prompts[i], e))
			return false;
		q->prompt = prompts[i].ids;
		q->prompt_count = prompts[i].count;
	}
	return true;
}

static bool give(const Answerer *a, const Query *q, const TrieQuestion *question, size_t K, Ranking *answer,
                 Error *e)
{
	int32_t target;
	if (!find_target(a, q, &target, e))
		return false;
	if (a->beam == 0) {
		ranking_fill(answer, question->scores, a->catalogue->items.strings.count, NULL, 0, target, K);
		return true;
	}
	answer->count = question->found;
	answer->rank = RANK_NONE;
	for (size_t i = 0; i < answer->count && target >= ID_FIRST; i++)
		if (answer->items[i] == target)
			answer->rank = i + 1;
	return true;
}

/* A decoder, and the users that it knows. */
typedef struct {
	Decoder decoder;
	AdapterMemory memory;
	Injection injection;
	Placing placing;
} UserDecoder;

/* The memory is on the tape; to be freed is the decoder. */
static bool user_decoder_new(UserDecoder *k, const Answerer *a, Tape *t, const Query *users, size_t count,
                             Error *e)
{
	*k = (UserDecoder){.placing = {&k->memory, place}};
	if (!decoder_new(&k->decoder, a->llm, t->pool, e))
		return false;
	if (reads_users(a) && !read_users(a, t, users, count, &k->memory)) {
		*e = t->error;
		return false;
	}
	k->injection = adapter_injection(&k->memory);
	k->decoder.injection = reads_users(a) ? &k->injection : NULL;
	k->decoder.placing = reads_users(a) ? &k->placing : NULL;
	k->decoder.tape.exact = a->exact;
	k->decoder.tape.profile = t->profile;
	return true;
}

static bool search(const Answerer *a, Tape *t, const Query *queries, size_t count, size_t K,
                   TrieQuestion *questions, Error *e)
{
	UserDecoder k;
	TrieSearch how = {&a->trie, a->beam, K};
	bool done = user_decoder_new(&k, a, t, queries, count, e) &&
	            decoder_rank(&k.decoder, &how, questions, count, e);
	decoder_free(&k.decoder);
	return done;
}

/* So many users are answered for together. */
enum { TOGETHER = 8 };

static bool rank_by_llm(void *context, Tape *t, const Query *queries, size_t count, size_t K,
                        Ranking *answers, Error *e)
{
	const Answerer *a = context;
	TrieQuestion questions[TOGETHER] = {0};
	Tokens prompts[TOGETHER] = {0};
	bool done = ask(a, queries, answers, questions, prompts, count, &t->arena, e) &&
	            search(a, t, queries, count, K, questions, e);
	for (size_t i = 0; i < count; i++) {
		done = done && give(a, &queries[i], &questions[i], K, &answers[i], e);
		tokens_free(&prompts[i]);
	}
	return done;
}

bool answerer_ranker(Answerer *a, Ranker *ranker, Error *e)
{
	*ranker = (Ranker){a, a->catalogue, TOGETHER, rank_by_llm};
	return a->catalogue != NULL ||
	       fail(e, ERROR_USAGE, "what '%s' could say is no list that could be ranked",
	            a->task.target.text);
}

typedef struct {
	Prompt *prompts;
	const Onlooker *onlooker;
} Audience;

static bool take_token(void *context, size_t prompt, int32_t token, bool *stop, Error *e)
{
	const Audience *a = context;
	return writing_add(&a->prompts[prompt].writing, token, stop, e) &&
	       (a->onlooker == NULL || a->onlooker->look(a->onlooker->context, prompt, e));
}

static Query *users_of(const Prompt *prompts, size_t count, Arena *arena, Error *e)
{
	Query *users = arena_new(arena, count, sizeof *users, e);
	for (size_t i = 0; users != NULL && i < count; i++)
		users[i] = *prompts[i].user;
	return users;
}

/* All but the adapter's memory. */
static bool continue_all(const Answerer *a, Decoder *d, const Generation *g, const StringList *stops,
                         Prompt *prompts, size_t count, const Onlooker *onlooker, Error *e)
{
	Continuation *c = memory_new(count, sizeof *c, e);
	Audience audience = {prompts, onlooker};
	TokenSink sink = {&audience, take_token};
	Generation generation = *g;
	bool done = c != NULL;
	generation.sink = &sink;
	for (size_t i = 0; done && i < count; i++) {
		const Prompt *p = &prompts[i];
		c[i] =
		    (Continuation){.prompt = p->prompt.ids, .prompt_count = p->prompt.count, .seed = p->seed};
		done = writing_start(&prompts[i].writing, a->llm->tokenizer, stops, p->prompt.ids,
		                     p->prompt.count, e);
	}
	done = done && decoder_generate(d, &generation, c, count, e);
	for (size_t i = 0; c != NULL && i < count; i++) {
		prompts[i].finish = c[i].finish;
		tokens_free(&c[i].out);
	}
	memory_free(c);
	return done;
}

bool answerer_continue(const Answerer *a, const Generation *g, const StringList *stops, Prompt *prompts,
                       size_t count, const Onlooker *onlooker, Pool *pool, Error *e)
{
	UserDecoder k = {0};
	Tape tape = {.pool = pool, .profile = a->profile};
	const Query *users = reads_users(a) ? users_of(prompts, count, &tape.arena, e) : NULL;
	bool done = (users != NULL || !reads_users(a)) && user_decoder_new(&k, a, &tape, users, count, e) &&
	            continue_all(a, &k.decoder, g, stops, prompts, count, onlooker, e);
	profile_enter(a->profile, PHASE_NONE, 0);
	decoder_free(&k.decoder);
	tape_free(&tape);
	return done;
}

/* The prompts with their true answers. */
static bool add_truths(const Answerer *a, const Prompt *prompts, size_t count, Conversation *c, Arena *arena,
                       Error *e)
{
	Buffer answer = {0};
	bool done = conversation_new(c, count, arena, e);
	for (size_t i = 0; done && i < count; i++)
		done = answerer_target(a, prompts[i].user, &answer, e) &&
		       tokens_append(&c->words, prompts[i].prompt.ids, prompts[i].prompt.count, e) &&
		       conversation_add(c, &a->prompter, &answer, e);
	buffer_free(&answer);
	return done && conversation_lay_out(c, arena, e);
}

static bool truths_worth(const Answerer *a, Tape *t, const Query *users, const Conversation *c, double *nll)
{
	AdapterMemory memory = {0};
	bool knows = reads_users(a);
	if (knows && !read_users(a, t, users, c->count, &memory))
		return false;
	const Tensor *h = conversation_read(c, t, a->llm, knows ? &memory : NULL);
	return h != NULL && conversation_worth(c, t, a->llm, h, nll);
}

bool answerer_worth(const Answerer *a, const Prompt *prompts, size_t count, Pool *pool, double *nll,
                    size_t *tokens, Error *e)
{
	Profile own = {0};
	Tape t = {.pool = pool, .exact = a->exact, .profile = a->profile ? &own : NULL};
	Conversation c = {0};
	profile_enter(a->profile, PHASE_EVALUATION, 0);
	const Query *users = users_of(prompts, count, &t.arena, &t.error);
	bool done = users != NULL && add_truths(a, prompts, count, &c, &t.arena, &t.error) &&
	            truths_worth(a, &t, users, &c, nll);
	for (size_t i = 0; done && i < count; i++)
		tokens[i] = conversation_answer(&c, i);
	profile_gather(a->profile, &own, 1);
	profile_enter(a->profile, PHASE_NONE, 0);
	if (!done)
		*e = t.error;
	conversation_free(&c);
	tape_free(&t);
	return done;
}
