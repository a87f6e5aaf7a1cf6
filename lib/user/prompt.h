/* The prompts of questions about users: the user, where it enters the LLM by its prompt, and the query. */
#ifndef USER_PROMPT_H
#define USER_PROMPT_H

#include "user/adapter.h"

typedef struct {
	const Llm *llm;
	const Adapter *adapter; /* NULL: the LLM alone */
	const Task *task;       /* borrowed, as all else */
	size_t answer;          /* tokens that an answer may have */
	Tokens head;            /* what texts begin with: BOS, or nothing */
} Prompter;

bool prompter_new(Prompter *p, const Llm *llm, const Adapter *a, const Task *task, size_t answer, Error *e);
void prompter_free(Prompter *p);

/* Appends a prompt: BOS, the user, the query.  A soft prompt is named by the tokens of the batch's user
 * number `place` (adapter_memory()).  As text, the history's last events have a line each, as many of them as
 * the adapter asks for and the context has room for.  ERROR_USAGE where prompt and answer are longer than the
 * context, or there is not one token.  question NULL: there is no user, and the query is literal. */
bool prompter_add(const Prompter *p, const Query *question, size_t place, Tokens *out, Error *e);

/* Whether there is room for the question's prompt; of a history as text there is never more than that. */
bool prompter_fits(const Prompter *p, const Query *question, Error *e);

#endif
