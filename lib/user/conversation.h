/* Questions about users and their true answers, as an LLM reads them together: each a sequence of its own,
 * one behind the other. */
#ifndef USER_CONVERSATION_H
#define USER_CONVERSATION_H

#include "user/prompt.h"

typedef struct {
	Tokens words; /* prompts and answers as they follow */
	size_t count;
	size_t *asked, *end; /* by question: tokens of its prompt; where its answer ends in words */
	size_t answers;      /* tokens of all answers */
	/* As it is laid out; the last token of each question is not read: */
	size_t N;
	size_t *start;               /* by question: its first token; and the end */
	int32_t *tokens, *positions; /* [N] */
	AttentionSegment *segments;  /* by question */
	int32_t *rows, *next;        /* by answer token: the row that predicts it, and the token itself */
} Conversation;

/* With room for `most` questions; but for the words all is in the arena.  To be freed in any case. */
bool conversation_new(Conversation *c, size_t most, Arena *arena, Error *e);
void conversation_free(Conversation *c);

/* One more question: what has been appended to the words since the last one is its prompt, and now the answer
 * goes there; an empty one has no tokens. */
bool conversation_add(Conversation *c, const Prompter *p, const Buffer *answer, Error *e);
/* How many tokens the answer to question i has. */
size_t conversation_answer(const Conversation *c, size_t i);

/* After the last question. */
bool conversation_lay_out(Conversation *c, Arena *arena, Error *e);

/* The LLM's hidden states before each answer token: [answers, C].  The memory has a target a question; NULL:
 * there are no users in it.  It must live until the tape has gone back.  NULL: see the tape's error. */
Tensor *conversation_read(const Conversation *c, Tape *t, const Llm *llm, AdapterMemory *memory);

/* nll[i] = -log P(answer | prompt, user) of question i, by those states.  False: see the tape's error; with
 * ERROR_MALFORMED they are no numbers. */
bool conversation_worth(const Conversation *c, Tape *t, const Llm *llm, const Tensor *h, double *nll);

#endif
