/* Ranking metrics for one relevant item, the target, at a 1-based rank, and the names of all metrics.
 *
 *   HR@k   = 1 if rank ≤ k, else 0 (with one target it is also Recall@k)
 *   NDCG@k = 1 / log2(rank + 1) if rank ≤ k, else 0 (the ideal DCG is 1)
 *   MRR    = 1 / rank
 *
 * A target that was not reached has rank RANK_NONE and scores 0 in all of them.  eval/texts.h has the metrics
 * of texts. */
#ifndef EVAL_METRICS_H
#define EVAL_METRICS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { RANK_NONE = 0 };

typedef enum {
	METRIC_HR, /* of rankings */
	METRIC_NDCG,
	METRIC_MRR,
	METRIC_EXACT, /* of texts, one by one */
	METRIC_ROUGE_1,
	METRIC_ROUGE_2,
	METRIC_ROUGE_L,
	METRIC_ROUGE_1_STEM,
	METRIC_ROUGE_2_STEM,
	METRIC_ROUGE_L_STEM,
	METRIC_DISTINCT_1, /* of all texts together */
	METRIC_DISTINCT_2,
	METRIC_PERPLEXITY,
	METRIC_KINDS
} MetricKind;

typedef struct {
	MetricKind kind;
	uint32_t k; /* of HR and NDCG, else 0 */
} Metric;

bool metric_is_of_texts(Metric m);
/* Whether it is one figure of a whole task, and no mean of what each line has. */
bool metric_is_of_corpus(Metric m);

/* Of a metric of rankings. */
double metric_value(Metric m, uint64_t rank);

/* "hr@10", "mrr", "rougeL-stem", …, in any case; ERROR_USAGE for anything else. */
bool metric_parse(const char *text, size_t size, Metric *m, Error *e);

/* The name, as metric_parse() takes it. */
enum { METRIC_NAME_SIZE = 32 };
void metric_name(Metric m, char name[METRIC_NAME_SIZE]);

#endif
