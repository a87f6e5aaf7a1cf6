/* Predictions: JSON lines, an object a line, as ul-gen(1) writes them. */
#ifndef EVAL_PREDICTIONS_H
#define EVAL_PREDICTIONS_H

#include "base/strings.h"

#include <stdio.h>

/* What is kept of the scored lines of one task, in the order of the input. */
typedef struct {
	char *name;
	Vocabulary users; /* line → user; each user once */
	Strings targets;  /* line → target */
	uint64_t *ranks;  /* line → rank of the target, RANK_NONE: not reached */
	size_t ranks_capacity;
} TaskRanks;

/* A system is what one file says. */
typedef struct {
	TaskRanks *tasks;
	size_t task_count, task_capacity;
	size_t lines;
	size_t without_target; /* lines not scored: nobody knows the answer */
	size_t text_only;      /* lines not scored: a text, no rank */
	size_t short_lists;    /* lines whose target was not reached in less than k items */
} Predictions;

/* Reads lines to the end, of any length but one at a time; k is the largest cut-off that will
 * be asked for.  Errors name `name` and the line.  Both on error and at last the caller calls
 * predictions_free(). */
bool predictions_read(Predictions *p, FILE *file, const char *name, uint64_t k, Error *e);

const TaskRanks *predictions_task(const Predictions *p, const char *name); /* NULL: not there */

/* Fills ranks[i] with what `baseline` says of the user of line i of `task`.
 * ERROR_MALFORMED unless both have the same users, with the same targets. */
bool predictions_pair(const TaskRanks *task, const TaskRanks *baseline, uint64_t *ranks, Error *e);

void predictions_free(Predictions *p);

#endif
