#include "eval/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const kind_names[] = {
    [METRIC_HR] = "hr",
    [METRIC_NDCG] = "ndcg",
    [METRIC_MRR] = "mrr",
    [METRIC_EXACT] = "exact",
    [METRIC_ROUGE_1] = "rouge1",
    [METRIC_ROUGE_2] = "rouge2",
    [METRIC_ROUGE_L] = "rougeL",
    [METRIC_ROUGE_1_STEM] = "rouge1-stem",
    [METRIC_ROUGE_2_STEM] = "rouge2-stem",
    [METRIC_ROUGE_L_STEM] = "rougeL-stem",
    [METRIC_DISTINCT_1] = "distinct1",
    [METRIC_DISTINCT_2] = "distinct2",
    [METRIC_PERPLEXITY] = "perplexity",
};

/* Whether it looks at the first k items. */
static bool has_k(MetricKind kind)
{
	return kind == METRIC_HR || kind == METRIC_NDCG;
}

bool metric_is_of_texts(Metric m)
{
	return m.kind >= METRIC_EXACT;
}

bool metric_is_of_corpus(Metric m)
{
	return m.kind >= METRIC_DISTINCT_1;
}

double metric_value(Metric m, uint64_t rank)
{
	if (rank == RANK_NONE || (has_k(m.kind) && rank > m.k))
		return 0.0;
	if (m.kind == METRIC_HR)
		return 1.0;
	return 1.0 / (m.kind == METRIC_NDCG ? log2((double)rank + 1.0) : (double)rank);
}

/* The digits behind '@': 1 … UINT32_MAX. */
static bool parse_k(const char *digits, size_t size, uint32_t *k)
{
	uint64_t number = 0;
	for (size_t i = 0; i < size; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(digits[i] - '0');
		if (number > UINT32_MAX)
			return false;
	}
	*k = (uint32_t)number;
	return number > 0;
}

bool metric_parse(const char *text, size_t size, Metric *m, Error *e)
{
	for (MetricKind kind = METRIC_HR; kind < METRIC_KINDS; kind++) {
		size_t length = strlen(kind_names[kind]);
		if (size < length || strncasecmp(text, kind_names[kind], length) != 0)
			continue;
		*m = (Metric){.kind = kind};
		if (!has_k(kind) && size == length)
			return true;
		if (has_k(kind) && size > length && text[length] == '@' &&
		    parse_k(text + length + 1, size - length - 1, &m->k))
			return true;
	}
	return fail(
	    e, ERROR_USAGE,
	    "'%.*s' is no metric: hr@K, ndcg@K, mrr, exact, rouge1, rouge2, rougeL, these three with -stem, "
	    "distinct1, distinct2 and perplexity are",
	    (int)size, text);
}

void metric_name(Metric m, char name[METRIC_NAME_SIZE])
{
	if (has_k(m.kind))
		snprintf(name, METRIC_NAME_SIZE, "%s@%u", kind_names[m.kind], (unsigned)m.k);
	else
		snprintf(name, METRIC_NAME_SIZE, "%s", kind_names[m.kind]);
}
