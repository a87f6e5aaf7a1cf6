/* Answers by an LLM, with a user (through an adapter) or without: items ranked by what their names are
 * worth, or free text. */
#ifndef USER_ANSWER_H
#define USER_ANSWER_H

#include "llm/generate.h"
#include "llm/rank.h"
#include "llm/writing.h"
#include "user/user_reader.h"
#include "user/prompt.h"
#include "user/ranking.h"
#include "user/task.h"

typedef struct {
	const Llm *llm;
	const Adapter *adapter; /* NULL: the LLM alone */
	UserReader reader;      /* what the adapter knows users by */
	Task task;
	/* With data, where the task ranks: */
	Dataset classes;          /* the catalogue, where it is not of items */
	const Dataset *catalogue; /* what is ranked; NULL: nothing is */
	int32_t *places;          /* in the catalogue, by the data's item; NULL: they are the same */
	Strings choices;          /* by the catalogue's ids */
	Trie trie;
	Prompter prompter;
	size_t beam; /* 0: every choice is scored */
	bool keep_seen;
	bool exact;       /* the LLM's stored matrices multiply exactly (math/stored.h) */
	Profile *profile; /* of answerer_continue() and answerer_worth(); NULL: nothing is counted */
} Answerer;

/* Asks `query`, a template, or with `literal` words (NULL: the adapter's, or TASK_QUERY).  data NULL: no
 * users, free text alone.  What is ranked is the catalogue's, or where that is NULL the data's. */
bool answerer_new(Answerer *a, const Llm *llm, const Adapter *adapter, const Dataset *data,
                  const Dataset *catalogue, const char *query, bool literal, Error *e);
void answerer_free(Answerer *a);
/* Appends the prompt of a user, whose number in the batch is `place`. */
bool answerer_prompt(const Answerer *a, const Query *user, size_t place, Tokens *out, Error *e);

/* Ranks the catalogue: log-probability of the name and the end token.  ERROR_USAGE where there is none. */
bool answerer_ranker(Answerer *a, Ranker *ranker, Error *e);
/* The words that would have been right; empty where they are not known, or are of no words. */
bool answerer_target(const Answerer *a, const Query *user, Buffer *words, Error *e);

/* A text to be continued: the words, and for whom; NULL where the answerer knows no users. */
typedef struct {
	Tokens prompt; /* the caller's to free */
	const Query *user;
	uint64_t seed;
	Writing writing; /* answerer_continue() starts it: the answer; the caller's to free, after that */
	Finish finish;   /* why it ended; set by answerer_continue() */
} Prompt;

/* Called after each token with the number of its prompt. */
typedef struct {
	void *context;
	bool (*look)(void *context, size_t prompt, Error *e);
} Onlooker;

/* Continues them together, as g says but for its sink, until a stop text; onlooker may be NULL. */
bool answerer_continue(const Answerer *a, const Generation *g, const StringList *stops, Prompt *prompts,
                       size_t count, const Onlooker *onlooker, Pool *pool, Error *e);

/* What the true answers are worth behind the prompts: *nll of all tokens of each together, in nats, and their
 * number; 0 where there is none. */
bool answerer_worth(const Answerer *a, const Prompt *prompts, size_t count, Pool *pool, double *nll,
                    size_t *tokens, Error *e);

#endif
