#include "eval/score.h"

char *score_printable(const char *name, Error *e)
{
	char *copy = memory_string(name, e);
	bool utf8 = text_is_utf8(text_of(name));
	for (char *p = copy; p != NULL && *p != '\0'; p++) {
		unsigned char byte = (unsigned char)*p;
		if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8))
			*p = '?';
	}
	return copy;
}

static size_t line_count(const TaskRanks *task)
{
	return task->users.strings.count;
}

double score_mean(const TaskRanks *task, Metric metric)
{
	double sum = 0.0;
	for (size_t i = 0; i < line_count(task); i++)
		sum += metric_value(metric, task->ranks[i]);
	return sum / (double)line_count(task);
}

/* values: scratch, one a line; baseline: its ranks, or NULL. */
static bool score_metric(MetricScore *s, const TaskRanks *task, const uint64_t *baseline, Metric metric,
                         double *values, uint64_t seed, Pool *pool, Error *e)
{
	size_t count = line_count(task);
	*s = (MetricScore){.mean = score_mean(task, metric), .p = 1.0};
	for (size_t i = 0; i < count; i++)
		values[i] = metric_value(metric, task->ranks[i]);
	if (!interval_bootstrap(values, count, seed, pool, &s->interval, e))
		return false;
	if (baseline == NULL)
		return true;
	for (size_t i = 0; i < count; i++) {
		values[i] -= metric_value(metric, baseline[i]);
		s->difference += values[i] / (double)count;
	}
	return paired_test(values, count, seed, pool, &s->p, e);
}

static bool pair_ranks(const TaskRanks *task, const TaskRanks *baseline, uint64_t **ranks, Error *e)
{
	if (baseline == NULL)
		return true;
	*ranks = memory_new(line_count(task), sizeof **ranks, e);
	return *ranks != NULL && predictions_pair(task, baseline, *ranks, e);
}

bool score_task(Score *s, const char *system, const TaskRanks *task, const TaskRanks *baseline,
                const Metric *metrics, size_t metric_count, uint64_t seed, Pool *pool, Error *e)
{
	*s = (Score){.count = line_count(task)};
	uint64_t *ranks = NULL;
	double *values = memory_new(s->count, sizeof *values, e);
	s->system = score_printable(system, e);
	s->task = score_printable(task->name, e);
	s->metrics = memory_new(metric_count, sizeof *s->metrics, e);
	bool done = values != NULL && s->system != NULL && s->task != NULL && s->metrics != NULL &&
	            pair_ranks(task, baseline, &ranks, e);
	for (size_t i = 0; done && i < metric_count; i++)
		done = score_metric(&s->metrics[i], task, ranks, metrics[i], values, seed, pool, e);
	memory_free(values);
	memory_free(ranks);
	return done;
}

void score_free(Score *s)
{
	memory_free(s->system);
	memory_free(s->task);
	memory_free(s->metrics);
	*s = (Score){0};
}
