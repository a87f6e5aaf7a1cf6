#include "user/answer.h"

#include "eval/metrics.h"

bool answerer_new(Answerer *a, const Llm *llm, const Adapter *adapter, const Dataset *data, const char *query,
                  Error *e)
{
	*a = (Answerer){.llm = llm, .adapter = adapter, .data = data};
	const char *words = query ? query : (adapter ? adapter->query : TASK_QUERY);
	return tokenizer_encode(llm->tokenizer, text_of(words), TOKENIZE_BOS, &a->query, e) &&
	       (adapter == NULL || translation_new(&a->translation, adapter->encoder, data, e)) &&
	       (data == NULL ||
	        (item_names(data, &a->names, e) && answer_trie(llm->tokenizer, &a->names, &a->trie, e)));
}

/* The longest answer must fit behind the query, whatever else is found first. */
bool answerer_fits(const Answerer *a, Error *e)
{
	size_t most = a->llm->rotary.positions;
	return a->query.count + a->trie.depth <= most + 1 ||
	       fail(e, ERROR_USAGE,
	            "the query's %zu tokens and an item's name of %zu are longer than the LLM's context of "
	            "%zu",
	            a->query.count, a->trie.depth, most);
}

void answerer_free(Answerer *a)
{
	if (a->translation.encoder != NULL)
		translation_free(&a->translation);
	strings_free(&a->names);
	trie_free(&a->trie);
	tokens_free(&a->query);
	*a = (Answerer){0};
}

/* What the adapter makes of one user, on the tape. */
static bool remember(const Answerer *a, Tape *t, const Query *q, AdapterMemory *memory, Error *e)
{
	EventBatch batch;
	size_t *known = arena_new(&t->arena, 2, sizeof *known, e);
	if (known == NULL || !batch_new(&batch, &a->translation, q->users, &q->history, 1, &t->arena, e))
		return false;
	if (batch.rows == 0)
		return fail(e, ERROR_USAGE, "a user without events");
	known[0] = 0;
	known[1] = batch.rows;
	AdapterTargets targets = {1, known, known + 1, batch.positions};
	if (adapter_memory(a->adapter, t, encoder_forward(t, a->adapter->encoder, &batch), &targets, memory))
		return true;
	*e = t->error;
	return false;
}

static bool rank_one(const Answerer *a, Tape *t, const Query *q, size_t K, Ranking *answer, Error *e)
{
	Decoder decoder;
	AdapterMemory memory;
	Injection injection = adapter_injection(&memory);
	size_t first = (size_t)q->users->offsets[q->user], items = a->data->items.strings.count;
	uint8_t *left_out = memory_new(items, 1, e);
	bool done = decoder_new(&decoder, a->llm, e) && left_out != NULL &&
	            (a->adapter == NULL || remember(a, t, q, &memory, e));
	if (done) {
		decoder.injection = a->adapter ? &injection : NULL;
		for (size_t event = first; event < q->history.end && !a->keep_seen; event++)
			left_out[q->users->items[event]] = 1;
		TrieSearch search = {&a->trie, a->query.ids, a->query.count, a->beam, K, left_out};
		done = decoder_rank(&decoder, &search, answer->items, answer->scores, &answer->count, e);
	}
	answer->rank = RANK_NONE;
	for (size_t i = 0; done && i < answer->count && q->target >= ID_FIRST; i++)
		if (answer->items[i] == q->target)
			answer->rank = i + 1;
	decoder_free(&decoder);
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

bool answerer_generate(const Answerer *a, const Query *q, const Sampling *sampling, Buffer *text, Error *e)
{
	Decoder decoder;
	Tape tape = {0};
	AdapterMemory memory;
	Injection injection = adapter_injection(&memory);
	Tokens tokens = {0};
	Buffer whole = {0}, prompt = {0};
	const Tokenizer *tokenizer = a->llm->tokenizer;
	bool done =
	    decoder_new(&decoder, a->llm, e) && (a->adapter == NULL || remember(a, &tape, q, &memory, e));
	decoder.injection = a->adapter ? &injection : NULL;
	done = done && decoder_sample(&decoder, a->query.ids, a->query.count, sampling, &tokens, e);
	/* The space that a tokenizer puts in front is told from a real one only in context: decode all,
	 * and skip the prompt. */
	Tokens all = {0};
	done =
	    done && memory_grow(&all.ids, &all.capacity, a->query.count + tokens.count, sizeof *all.ids, e);
	for (size_t i = 0; done && i < a->query.count + tokens.count; i++)
		all.ids[all.count++] = i < a->query.count ? a->query.ids[i] : tokens.ids[i - a->query.count];
	done = done && tokenizer_decode(tokenizer, all.ids, a->query.count, &prompt, e) &&
	       tokenizer_decode(tokenizer, all.ids, all.count, &whole, e) &&
	       buffer_append(text, whole.data + prompt.size, whole.size - prompt.size, e);
	tokens_free(&tokens);
	tokens_free(&all);
	buffer_free(&whole);
	buffer_free(&prompt);
	decoder_free(&decoder);
	tape_free(&tape);
	return done;
}
