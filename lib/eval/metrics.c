#include "eval/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const kind_names[] = {[METRIC_HR] = "hr", [METRIC_NDCG] = "ndcg", [METRIC_MRR] = "mrr"};

double metric_value(Metric m, uint64_t rank)
{
	if (rank == RANK_NONE || (m.kind != METRIC_MRR && rank > m.k))
		return 0.0;
	switch (m.kind) {
	case METRIC_HR:
		return 1.0;
	case METRIC_NDCG:
		return 1.0 / log2((double)rank + 1.0);
	case METRIC_MRR:
		return 1.0 / (double)rank;
	}
	return 0.0;
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
	for (MetricKind kind = METRIC_HR; kind <= METRIC_MRR; kind++) {
		size_t length = strlen(kind_names[kind]);
		if (size < length || strncasecmp(text, kind_names[kind], length) != 0)
			continue;
		*m = (Metric){.kind = kind};
		if (kind == METRIC_MRR && size == length)
			return true;
		if (kind != METRIC_MRR && size > length && text[length] == '@' &&
		    parse_k(text + length + 1, size - length - 1, &m->k))
			return true;
	}
	return fail(e, ERROR_USAGE, "'%.*s' is no metric: hr@K, ndcg@K and mrr are", (int)size, text);
}

void metric_name(Metric m, char name[METRIC_NAME_SIZE])
{
	if (m.kind == METRIC_MRR)
		snprintf(name, METRIC_NAME_SIZE, "%s", kind_names[m.kind]);
	else
		snprintf(name, METRIC_NAME_SIZE, "%s@%u", kind_names[m.kind], (unsigned)m.k);
}
