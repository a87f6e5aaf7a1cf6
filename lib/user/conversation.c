#include "user/conversation.h"

bool conversation_new(Conversation *c, size_t most, Arena *arena, Error *e)
{
	*c = (Conversation){.asked = arena_new(arena, most, sizeof *c->asked, e),
	                    .end = arena_new(arena, most, sizeof *c->end, e)};
	return c->asked != NULL && c->end != NULL;
}

void conversation_free(Conversation *c)
{
	tokens_free(&c->words);
}

bool conversation_add(Conversation *c, const Prompter *p, const Buffer *answer, Error *e)
{
	size_t prompt = c->words.count;
	Text text = {(const char *)answer->data, answer->size};
	if (answer->size > 0 && !answer_tokens(p->llm->tokenizer, text, p->answer, &c->words, e))
		return false;
	c->asked[c->count] = prompt - (c->count > 0 ? c->end[c->count - 1] : 0);
	c->end[c->count++] = c->words.count;
	c->answers += c->words.count - prompt;
	return true;
}

size_t conversation_answer(const Conversation *c, size_t i)
{
	return c->end[i] - (i > 0 ? c->end[i - 1] : 0) - c->asked[i];
}

static bool make_room(Conversation *c, Arena *arena, Error *e)
{
	c->N = c->words.count - c->count;
	c->start = arena_new(arena, c->count + 1, sizeof *c->start, e);
	c->tokens = arena_new(arena, c->N, sizeof *c->tokens, e);
	c->positions = arena_new(arena, c->N, sizeof *c->positions, e);
	c->segments = arena_new(arena, c->count, sizeof *c->segments, e);
	c->rows = arena_new(arena, c->answers, sizeof *c->rows, e);
	c->next = arena_new(arena, c->answers, sizeof *c->next, e);
	return c->start && c->tokens && c->positions && c->segments && c->rows && c->next;
}

bool conversation_lay_out(Conversation *c, Arena *arena, Error *e)
{
	size_t row = 0, answer = 0;
	if (!make_room(c, arena, e))
		return false;
	for (size_t i = 0; i < c->count; i++) {
		size_t from = i > 0 ? c->end[i - 1] : 0, length = c->end[i] - from - 1;
		c->start[i] = row;
		c->segments[i] = (AttentionSegment){row, length, row, length, true};
		for (size_t k = 0; k < length; k++, row++) {
			c->tokens[row] = c->words.ids[from + k];
			c->positions[row] = (int32_t)k;
			if (k + 1 < c->asked[i])
				continue;
			c->rows[answer] = (int32_t)row;
			c->next[answer++] = c->words.ids[from + k + 1];
		}
	}
	c->start[c->count] = row;
	return true;
}

Tensor *conversation_read(const Conversation *c, Tape *t, const Llm *llm, AdapterMemory *memory)
{
	Injection injection = {0};
	Sequence s = {.positions = c->positions, .segments = c->segments, .segment_count = c->count};
	if (memory != NULL) {
		if (!adapter_tokens(memory, c->start, &t->arena, &t->error))
			return NULL;
		injection = adapter_injection(memory);
	}
	profile_enter(t->profile, PHASE_LLM, c->N);
	Tensor *h = llm_forward(t, llm, c->tokens, c->N, &s, memory ? &injection : NULL);
	return tape_rows(t, h, c->rows, c->answers);
}

bool conversation_worth(const Conversation *c, Tape *t, const Llm *llm, const Tensor *h, double *nll)
{
	double *rows = arena_new(&t->arena, c->answers, sizeof *rows, &t->error);
	if (rows == NULL || !llm_nll(t, llm, h, c->next, rows))
		return false;
	for (size_t i = 0; i < c->count; i++) {
		nll[i] = 0;
		for (size_t k = conversation_answer(c, i); k > 0; k--)
			nll[i] += *rows++;
	}
	return true;
}
