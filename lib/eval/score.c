#include "eval/score.h"

#include <math.h>

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

static size_t line_count(const TaskAnswers *task)
{
	return task->kind == ANSWER_LIKELIHOOD ? task->texts.with_likelihood : task->users.strings.count;
}

/* What a metric that is not of the corpus says of one line. */
static double line_value(const TaskAnswers *task, Metric metric, size_t line)
{
	return task->kind == ANSWER_TEXT ? task->texts.values[line][metric.kind - METRIC_EXACT]
	                                 : metric_value(metric, task->ranks[line]);
}

static double corpus_figure(const TextAnswers *texts, Metric metric)
{
	return metric.kind == METRIC_PERPLEXITY
	           ? texts_perplexity(texts)
	           : texts_distinct(texts, (size_t)(metric.kind - METRIC_DISTINCT_1) + 1);
}

double score_mean(const TaskAnswers *task, Metric metric)
{
	if (task->kind == ANSWER_LIKELIHOOD && metric.kind != METRIC_PERPLEXITY)
		return (double)NAN;
	if (metric_is_of_texts(metric) != (task->kind != ANSWER_RANKING))
		return (double)NAN;
	if (metric_is_of_corpus(metric))
		return corpus_figure(&task->texts, metric);
	double sum = 0.0;
	for (size_t i = 0; i < line_count(task); i++)
		sum += line_value(task, metric, i);
	return sum / (double)line_count(task);
}

/* values: scratch, one a line; lines: those of the baseline, where there is one. */
static bool score_metric(MetricScore *s, const TaskAnswers *task, const TaskAnswers *baseline,
                         const size_t *lines, Metric metric, double *values, uint64_t seed, Pool *pool,
                         Error *e)
{
	size_t count = line_count(task);
	*s = (MetricScore){.mean = score_mean(task, metric), .p = 1.0};
	if (isnan(s->mean) || metric_is_of_corpus(metric)) {
		s->interval.low = s->interval.high = s->p = (double)NAN;
		s->difference = s->mean - (baseline ? score_mean(baseline, metric) : s->mean);
		return true;
	}
	for (size_t i = 0; i < count; i++)
		values[i] = line_value(task, metric, i);
	if (!interval_bootstrap(values, count, seed, pool, &s->interval, e))
		return false;
	if (baseline == NULL)
		return true;
	for (size_t i = 0; i < count; i++) {
		values[i] = line_value(task, metric, i) - line_value(baseline, metric, lines[i]);
		s->difference += values[i] / (double)count;
	}
	return paired_test(values, count, seed, pool, &s->p, e);
}

static bool pair_lines(const TaskAnswers *task, const TaskAnswers *baseline, size_t **lines, Error *e)
{
	if (baseline == NULL)
		return true;
	if (task->kind == ANSWER_LIKELIHOOD)
		return (line_count(task) == line_count(baseline) &&
		        task->texts.tokens == baseline->texts.tokens) ||
		       fail(e, ERROR_MALFORMED,
		            "task '%s': %zu texts of %.0f tokens are no baseline for %zu of %.0f", task->name,
		            line_count(baseline), baseline->texts.tokens, line_count(task),
		            task->texts.tokens);
	*lines = memory_new(line_count(task), sizeof **lines, e);
	return *lines != NULL && predictions_pair(task, baseline, *lines, e);
}

bool score_task(Score *s, const char *system, const TaskAnswers *task, const TaskAnswers *baseline,
                const Metric *metrics, size_t metric_count, uint64_t seed, Pool *pool, Error *e)
{
	*s = (Score){.count = line_count(task)};
	size_t *lines = NULL;
	double *values = memory_new(s->count, sizeof *values, e);
	s->system = score_printable(system, e);
	s->task = score_printable(task->name, e);
	s->metrics = memory_new(metric_count, sizeof *s->metrics, e);
	bool done = values != NULL && s->system != NULL && s->task != NULL && s->metrics != NULL &&
	            pair_lines(task, baseline, &lines, e);
	for (size_t i = 0; done && i < metric_count; i++)
		done = score_metric(&s->metrics[i], task, baseline, lines, metrics[i], values, seed, pool, e);
	memory_free(values);
	memory_free(lines);
	return done;
}

void score_free(Score *s)
{
	memory_free(s->system);
	memory_free(s->task);
	memory_free(s->metrics);
	*s = (Score){0};
}
