/* The metrics of one task of one system, with intervals and, against a
 * baseline, differences and p-values. */
#ifndef EVAL_SCORE_H
#define EVAL_SCORE_H

#include "eval/intervals.h"
#include "eval/metrics.h"
#include "eval/predictions.h"

/* NAN is what there is not: all of a metric of texts for rankings and the other way round, and of perplexity
 * where no likelihoods are known; the interval and p of a metric of the corpus. */
typedef struct {
	double mean; /* or the figure of the corpus */
	Interval interval;
	double difference, p; /* mean minus the baseline's; 0 and 1 without one */
} MetricScore;

typedef struct {
	char *system, *task; /* as they may be printed: UTF-8 without control characters */
	size_t count;        /* of scored lines, at least 1 */
	MetricScore *metrics;
} Score;

/* One MetricScore for each of metrics[0 … metric_count); baseline may be NULL.
 * The caller calls score_free() also on error. */
bool score_task(Score *s, const char *system, const TaskAnswers *task, const TaskAnswers *baseline,
                const Metric *metrics, size_t metric_count, uint64_t seed, Pool *pool, Error *e);

/* The mean of one metric over the task's lines, or its figure of the corpus, without the rest; NAN as above.
 */
double score_mean(const TaskAnswers *task, Metric metric);

/* A copy of a name, which may be any path or string, that garbles neither a
 * terminal nor a table. */
char *score_printable(const char *name, Error *e);

void score_free(Score *s);

#endif
