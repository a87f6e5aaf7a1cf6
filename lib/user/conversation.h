/* Questions about users as an LLM reads them in training: prompts and true answers end to end, and what is to
 * be predicted of them. */
#ifndef USER_CONVERSATION_H
#define USER_CONVERSATION_H

#include "user/prompt.h"
#include "user/teacher.h"

enum { MOST_QUESTIONS = 64 };

/* What follows the first `known` events of a history, which the encoder reads? */
typedef struct {
	Segment history;
	size_t known[MOST_QUESTIONS], count;
} Questions;

/* A question about an event; what words tell of the user is of all that went before, as it is when the
 * question is asked later, however short the history that the encoder reads. */
Query question_about(const Dataset *data, const Users *users, size_t event);

/* What questions are made with; all is borrowed. */
typedef struct {
	const Prompter *prompter; /* with data */
	const Users *users;
	const Teacher *teacher; /* in training, `taught` of the truth is its; NULL: there is none */
	float taught;
} Asking;

typedef struct {
	Segment *histories;
	size_t count, N;    /* questions, tokens */
	size_t *of, *known; /* by question: its history, and events of that */
	size_t *asked;      /* by question: tokens of its prompt */
	Tokens words;       /* prompts and answers as they follow */
	size_t *end;        /* by question, in words */
	size_t *start;      /* by question: its first token; and the end */
	int32_t *tokens, *positions;
	AttentionSegment *segments;
	size_t answers;   /* tokens of all answers */
	int32_t *rows;    /* by answer token: the row that predicts it */
	int64_t *offsets; /* … and what may be right there, in targets */
	SoftTargets targets;
	const float *mass; /* by question, of the teacher; NULL: only the truth is right */
} Conversation;

/* All questions of `count` histories; but for lists that grow it is in the tape's arena.  False: see the
 * tape's error; to be freed in any case. */
bool conversation_new(Conversation *c, const Asking *a, Tape *t, const Questions *questions, size_t count);
void conversation_free(Conversation *c);

#endif
