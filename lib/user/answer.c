#include "user/answer.h"

#include "eval/metrics.h"

static bool meets_encoder(const Answerer *a)
{
	return a->adapter != NULL && a->adapter->encoder != NULL;
}

bool answerer_new(Answerer *a, const Llm *llm, const Adapter *adapter, const Dataset *data, const char *query,
                  Error *e)
{
	const char *words = query ? query : (adapter ? adapter->query : TASK_QUERY);
	*a = (Answerer){.llm = llm, .adapter = adapter, .data = data};
	return (!meets_encoder(a) || translation_new(&a->translation, adapter->encoder, data, e)) &&
	       (data == NULL ||
	        (item_names(data, &a->names, e) && answer_trie(llm->tokenizer, &a->names, &a->trie, e))) &&
	       prompter_new(&a->prompter, llm, adapter, data, &a->names, words, a->trie.depth, e);
}

bool answerer_knows_users(const Answerer *a)
{
	return a->adapter != NULL && a->adapter->shape.inject != INJECT_NONE;
}

bool answerer_prompt(const Answerer *a, const Query *user, size_t place, Tokens *out, Error *e)
{
	return prompter_add(&a->prompter, user->users, user->history, place, out, e);
}

/* The longest answer must fit behind the query, whatever else is found first. */
bool answerer_fits(const Answerer *a, Error *e)
{
	size_t most = a->llm->most_positions;
	size_t asked = a->prompter.fixed;
	return asked + a->trie.depth <= most + 1 ||
	       fail(e, ERROR_USAGE,
	            "the query's %zu tokens and an item's name of %zu are longer than the LLM's context of "
	            "%zu",
	            asked, a->trie.depth, most);
}

void answerer_free(Answerer *a)
{
	if (a->translation.encoder != NULL)
		translation_free(&a->translation);
	strings_free(&a->names);
	trie_free(&a->trie);
	prompter_free(&a->prompter);
	*a = (Answerer){0};
}

/* What the adapter makes of the users, on the tape. */
static bool remember(const Answerer *a, Tape *t, const Query *const *users, size_t count,
                     AdapterMemory *memory, Error *e)
{
	size_t *first = arena_new(&t->arena, count, sizeof *first, e);
	size_t *known = arena_new(&t->arena, count, sizeof *known, e);
	Segment *histories = arena_new(&t->arena, count, sizeof *histories, e);
	EventBatch batch;
	if (first == NULL || known == NULL || histories == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		histories[i] = users[i]->history;
	if (!batch_new(&batch, &a->translation, users[0]->users, histories, count, &t->arena, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		first[i] = batch.segments[i].query;
		known[i] = batch.segments[i].queries;
		if (known[i] == 0)
			return fail(e, ERROR_USAGE, "a user without events");
	}
	AdapterTargets targets = {count, first, known, batch.positions};
	if (adapter_memory(a->adapter, t, encoder_forward(t, a->adapter->encoder, &batch), &targets, memory))
		return true;
	*e = t->error;
	return false;
}

static bool rank_one(const Answerer *a, Tape *t, const Query *q, size_t K, Ranking *answer, Error *e)
{
	Decoder decoder;
	AdapterMemory memory = {0};
	Tokens prompt = {0};
	size_t first = (size_t)q->users->offsets[q->user], items = a->data->items.strings.count;
	uint8_t *left_out = memory_new(items, 1, e);
	bool done = decoder_new(&decoder, a->llm, NULL, e) && left_out != NULL &&
	            (!meets_encoder(a) || remember(a, t, &q, 1, &memory, e)) &&
	            answerer_prompt(a, q, 0, &prompt, e);
	if (done) {
		Injection injection = adapter_injection(&memory);
		decoder.injection = meets_encoder(a) ? &injection : NULL;
		decoder.tape.exact = a->exact;
		for (size_t event = first; event < q->history.end && !a->keep_seen; event++)
			left_out[q->users->items[event]] = 1;
		TrieSearch search = {&a->trie, prompt.ids, prompt.count, a->beam, K, left_out};
		done = decoder_rank(&decoder, &search, answer->items, answer->scores, &answer->count, e);
	}
	answer->rank = RANK_NONE;
	for (size_t i = 0; done && i < answer->count && q->target >= ID_FIRST; i++)
		if (answer->items[i] == q->target)
			answer->rank = i + 1;
	decoder_free(&decoder);
	tokens_free(&prompt);
	memory_free(left_out);
	return done;
}

static bool rank_by_llm(void *context, Tape *t, const Query *queries, size_t count, size_t K,
                        Ranking *answers, Error *e)
{
	for (size_t i = 0; i < count; i++)
		if (!rank_one(context, t, &queries[i], K, &answers[i], e))
			return false;
	return true;
}

Ranker answerer_ranker(Answerer *a)
{
	return (Ranker){a, a->data, 1, rank_by_llm};
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

static bool place(void *context, const size_t *start, size_t count, Arena *arena, Error *e)
{
	(void)count; /* the decoder's sequences are the memory's targets */
	return adapter_tokens(context, start, arena, e);
}

/* The adapter's memory of the prompts' users, which the decoder then injects. */
static bool meet_users(const Answerer *a, Tape *t, const Prompt *prompts, size_t count, AdapterMemory *memory,
                       Error *e)
{
	const Query **users = arena_new(&t->arena, count, sizeof *users, e);
	for (size_t i = 0; users != NULL && i < count; i++)
		users[i] = prompts[i].user;
	return users != NULL && remember(a, t, users, count, memory, e);
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
	for (size_t i = 0; c != NULL && i < count; i++)
		tokens_free(&c[i].out);
	memory_free(c);
	return done;
}

bool answerer_continue(const Answerer *a, const Generation *g, const StringList *stops, Prompt *prompts,
                       size_t count, const Onlooker *onlooker, Pool *pool, Error *e)
{
	Decoder decoder;
	Tape tape = {.pool = pool};
	AdapterMemory memory = {0};
	bool done = decoder_new(&decoder, a->llm, pool, e) &&
	            (!meets_encoder(a) || meet_users(a, &tape, prompts, count, &memory, e));
	Injection injection = adapter_injection(&memory);
	Placing placing = {&memory, place};
	decoder.injection = meets_encoder(a) ? &injection : NULL;
	decoder.placing = meets_encoder(a) ? &placing : NULL;
	decoder.tape.exact = a->exact;
	done = done && continue_all(a, &decoder, g, stops, prompts, count, onlooker, e);
	decoder_free(&decoder);
	tape_free(&tape);
	return done;
}
