/* Predictions: JSON lines, an object a line, as ul-gen(1) writes them. */
#ifndef EVAL_PREDICTIONS_H
#define EVAL_PREDICTIONS_H

#include "eval/texts.h"

#include <stdio.h>

/* The last are nobody's answers: what texts are worth to a model. */
typedef enum { ANSWER_RANKING, ANSWER_TEXT, ANSWER_LIKELIHOOD } AnswerKind;

/* What is kept of the scored lines of one task and kind, in the order of the input. */
typedef struct {
	char *name;
	AnswerKind kind;
	Vocabulary users; /* line → user; each user once */
	Strings targets;  /* line → target */
	uint64_t *ranks;  /* line → rank of the target, RANK_NONE: not reached; of rankings alone */
	size_t ranks_capacity;
	TextAnswers texts; /* of texts, a text a line; of likelihoods their sums */
} TaskAnswers;

/* A system is what one file says. */
typedef struct {
	TaskAnswers *tasks;
	size_t task_count, task_capacity;
	size_t lines;
	size_t without_target; /* lines not scored: nobody knows the answer */
	size_t short_lists;    /* lines whose target was not reached in less than k items */
} Predictions;

/* Reads lines to the end, of any length but one at a time; k is the largest cut-off that will
 * be asked for.  Errors name `name` and the line.  Both on error and at last the caller calls
 * predictions_free(). */
bool predictions_read(Predictions *p, FILE *file, const char *name, uint64_t k, Error *e);

/* NULL: not there */
const TaskAnswers *predictions_task(const Predictions *p, const char *name, AnswerKind kind);

/* Fills lines[i] with the line of `baseline` that has the user of line i of `task`.
 * ERROR_MALFORMED unless both have the same users, with the same targets. */
bool predictions_pair(const TaskAnswers *task, const TaskAnswers *baseline, size_t *lines, Error *e);

void predictions_free(Predictions *p);

#endif
