/* What an LLM is asked about users in training and validation. */
#ifndef USER_QUESTIONS_H
#define USER_QUESTIONS_H

#include "base/random.h"
#include "math/loss.h"
#include "user/conversation.h"
#include "user/teacher.h"
#include "user/user_reader.h"

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
	const Teacher *teacher; /* `taught` of the truth is its; NULL: there is none */
	float taught;
} Asking;

/* Whether it has an answer. */
bool question_is_answerable(const Asking *a, const Query *q);

/* `most` questions about the history, each about another of its events that has an answer, from one at random
 * on; fewer where there are not so many. */
void questions_draw(Questions *q, const Asking *a, size_t most, Random *random);

/* The questions of some histories together. */
typedef struct {
	Segment *histories;
	size_t history_count;
	size_t *of, *known; /* by question: its history, and events of that */
	Conversation conversation;
	SoftTargets targets;
	int64_t *offsets; /* by answer token, in targets */
} QuestionBatch;

/* But for lists that grow it is in the tape's arena.  False: see the tape's error; to be freed in any case.
 */
bool question_batch_new(QuestionBatch *b, const Asking *a, Tape *t, const Questions *questions, size_t count);
void question_batch_free(QuestionBatch *b);

/* As what they are asked. */
AsOf question_batch_asked(const QuestionBatch *b);

/* What is right at each answer token: the truth, and what the teacher makes of it, where there is one.
 * Borrowed from the batch. */
bool question_batch_targets(QuestionBatch *b, const Asking *a, Tape *t, LossTargets *out);

#endif
