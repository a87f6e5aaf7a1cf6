/* Answers by an LLM, with a user (through an adapter) or without: items ranked by what their names are
 * worth, or free text. */
#ifndef USER_ANSWER_H
#define USER_ANSWER_H

#include "llm/decode.h"
#include "user/adapter.h"
#include "user/ranking.h"
#include "user/task.h"

typedef struct {
	const Llm *llm;
	const Adapter *adapter;  /* NULL: the LLM alone */
	Translation translation; /* to the adapter's encoder */
	const Dataset *data;
	Strings names; /* by item id */
	Trie trie;
	Tokens query;
	size_t beam;
	bool keep_seen;
} Answerer;

/* Asks `query` (NULL: the adapter's, or TASK_QUERY).  data NULL: no users, free text alone. */
bool answerer_new(Answerer *a, const Llm *llm, const Adapter *adapter, const Dataset *data, const char *query,
                  Error *e);
/* ERROR_USAGE where the LLM's context is too short for the query and the longest name: to be asked before
 * ranking. */
bool answerer_fits(const Answerer *a, Error *e);
void answerer_free(Answerer *a);

/* Ranks the catalogue of the data: log-probability of the name and the end token. */
Ranker answerer_ranker(Answerer *a);

/* Continues the query; with a user (q may be NULL without an adapter).  Appends to *text. */
bool answerer_generate(const Answerer *a, const Query *q, const Sampling *sampling, Buffer *text, Error *e);

#endif
