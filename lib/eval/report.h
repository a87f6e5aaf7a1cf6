/* Scores as a table: for people, for cut and awk, for scripts, for a README. */
#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H

#include "eval/score.h"

typedef struct {
	const Metric *metrics;
	size_t metric_count;
	const Score *scores;
	size_t score_count;
	const char *baseline; /* its name, or NULL */
} Report;

/* Each appends to *out: text and md in columns; tsv with a header line; json a
 * list of objects.  A metric that a row does not have (NAN) is a dash, nothing, or no member. */
bool report_text(const Report *r, Buffer *out, Error *e);
bool report_tsv(const Report *r, Buffer *out, Error *e);
bool report_md(const Report *r, Buffer *out, Error *e);
bool report_json(const Report *r, Buffer *out, Error *e);

#endif
