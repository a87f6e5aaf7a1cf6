/* The prompts of questions about users: the user, where it enters the LLM by its prompt, and the query. */
#ifndef USER_PROMPT_H
#define USER_PROMPT_H

#include "user/adapter.h"

typedef struct {
	const Adapter *adapter; /* NULL: the LLM alone */
	const Tokenizer *tokenizer;
	const Dataset *data;
	const Strings *names; /* by item id, of the history as text; borrowed, as all else */
	Tokens query;
	size_t start; /* tokens of the query that stand before the user: BOS, or none */
	size_t fixed; /* tokens of a prompt without the history as text */
	size_t room;  /* tokens that the history as text may have */
} Prompter;

/* For answers of up to `answer` tokens.  data and names may be NULL where no history is told. */
bool prompter_new(Prompter *p, const Llm *llm, const Adapter *a, const Dataset *data, const Strings *names,
                  const char *query, size_t answer, Error *e);
void prompter_free(Prompter *p);

/* Appends a prompt: BOS, the user, the query.  A soft prompt is named by the tokens of the batch's user
 * number `place` (adapter_memory()).  As text, the history's last events have a line each, as many of them as
 * the adapter asks for and the context has room for. */
bool prompter_add(const Prompter *p, const Users *users, Segment history, size_t place, Tokens *out,
                  Error *e);

#endif
