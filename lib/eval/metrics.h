/* Ranking metrics for one relevant item, the target, at a 1-based rank.
 *
 *   HR@k   = 1 if rank ≤ k, else 0 (with one target it is also Recall@k)
 *   NDCG@k = 1 / log2(rank + 1) if rank ≤ k, else 0 (the ideal DCG is 1)
 *   MRR    = 1 / rank
 *
 * A target that was not reached has rank RANK_NONE and scores 0 in all of them. */
#ifndef EVAL_METRICS_H
#define EVAL_METRICS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { RANK_NONE = 0 };

typedef enum { METRIC_HR, METRIC_NDCG, METRIC_MRR } MetricKind;

typedef struct {
	MetricKind kind;
	uint32_t k; /* 0 for MRR */
} Metric;

double metric_value(Metric m, uint64_t rank);

/* "hr@10", "ndcg@10", "mrr", in any case; ERROR_USAGE for anything else. */
bool metric_parse(const char *text, size_t size, Metric *m, Error *e);

/* The name in lower case, as metric_parse() takes it. */
enum { METRIC_NAME_SIZE = 32 };
void metric_name(Metric m, char name[METRIC_NAME_SIZE]);

#endif
