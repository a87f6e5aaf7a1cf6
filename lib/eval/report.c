#include "eval/report.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Plain text: a score is a line of means, and below it one of intervals and, with
 * a baseline, one of differences and one of p-values. */

typedef struct {
	int system, task; /* widths */
} Columns;

enum { METRIC_WIDTH = 15 };

static Columns measure(const Report *r)
{
	Columns c = {(int)strlen("  difference"), (int)strlen("task")};
	for (size_t i = 0; i < r->score_count; i++) {
		int system = (int)strnlen(r->scores[i].system, 200);
		int task = (int)strnlen(r->scores[i].task, 200);
		c.system = system > c.system ? system : c.system;
		c.task = task > c.task ? task : c.task;
	}
	return c;
}

typedef bool PrintCell(const MetricScore *m, Buffer *out, Error *e);

static bool empty_cell(Buffer *out, Error *e)
{
	return buffer_print(out, e, "%*s", METRIC_WIDTH, "-");
}

static bool mean_cell(const MetricScore *m, Buffer *out, Error *e)
{
	return isnan(m->mean) ? empty_cell(out, e) : buffer_print(out, e, "%*.4f", METRIC_WIDTH, m->mean);
}

static bool interval_cell(const MetricScore *m, Buffer *out, Error *e)
{
	return isnan(m->interval.low)
	           ? empty_cell(out, e)
	           : buffer_print(out, e, "  %.4f-%.4f", m->interval.low, m->interval.high);
}

static bool difference_cell(const MetricScore *m, Buffer *out, Error *e)
{
	return isnan(m->difference) ? empty_cell(out, e)
	                            : buffer_print(out, e, "%+*.4f", METRIC_WIDTH, m->difference);
}

static bool p_cell(const MetricScore *m, Buffer *out, Error *e)
{
	return isnan(m->p) ? empty_cell(out, e) : buffer_print(out, e, "%*.4f", METRIC_WIDTH, m->p);
}

static bool text_cells(const Report *r, const Score *s, PrintCell *print, Buffer *out, Error *e)
{
	for (size_t i = 0; i < r->metric_count; i++)
		if (!print(&s->metrics[i], out, e))
			return false;
	return buffer_print(out, e, "\n");
}

static bool text_label(const Columns *c, const char *label, Buffer *out, Error *e)
{
	return buffer_print(out, e, "%-*s %-*s %8s", c->system, label, c->task, "", "");
}

static bool text_score(const Report *r, const Columns *c, const Score *s, Buffer *out, Error *e)
{
	return buffer_print(out, e, "%-*s %-*s %8zu", c->system, s->system, c->task, s->task, s->count) &&
	       text_cells(r, s, mean_cell, out, e) && text_label(c, "  95 %", out, e) &&
	       text_cells(r, s, interval_cell, out, e) &&
	       (r->baseline == NULL ||
	        (text_label(c, "  difference", out, e) && text_cells(r, s, difference_cell, out, e) &&
	         text_label(c, "  p", out, e) && text_cells(r, s, p_cell, out, e)));
}

bool report_text(const Report *r, Buffer *out, Error *e)
{
	char name[METRIC_NAME_SIZE];
	Columns c = measure(r);
	if (!buffer_print(out, e, "%-*s %-*s %8s", c.system, "system", c.task, "task", "n"))
		return false;
	for (size_t i = 0; i < r->metric_count; i++) {
		metric_name(r->metrics[i], name);
		if (!buffer_print(out, e, "%*s", METRIC_WIDTH, name))
			return false;
	}
	if (!buffer_print(out, e, "\n"))
		return false;
	for (size_t i = 0; i < r->score_count; i++)
		if (!text_score(r, &c, &r->scores[i], out, e))
			return false;
	return r->baseline == NULL || buffer_print(out, e, "difference and p: against %s\n", r->baseline);
}

/* Tab-separated values: what there is not is empty */

static bool tsv_head(const Report *r, Buffer *out, Error *e)
{
	char name[METRIC_NAME_SIZE];
	if (!buffer_print(out, e, "system\ttask\tn"))
		return false;
	for (size_t i = 0; i < r->metric_count; i++) {
		metric_name(r->metrics[i], name);
		if (!buffer_print(out, e, "\t%s\t%s.low\t%s.high", name, name, name) ||
		    (r->baseline != NULL && !buffer_print(out, e, "\t%s.difference\t%s.p", name, name)))
			return false;
	}
	return buffer_print(out, e, "\n");
}

static bool tsv_cell(double x, Buffer *out, Error *e)
{
	return isnan(x) ? buffer_print(out, e, "\t") : buffer_print(out, e, "\t%.6f", x);
}

bool report_tsv(const Report *r, Buffer *out, Error *e)
{
	bool done = tsv_head(r, out, e);
	for (const Score *s = r->scores; done && s < r->scores + r->score_count; s++) {
		done = buffer_print(out, e, "%s\t%s\t%zu", s->system, s->task, s->count);
		for (const MetricScore *m = s->metrics; done && m < s->metrics + r->metric_count; m++)
			done = tsv_cell(m->mean, out, e) && tsv_cell(m->interval.low, out, e) &&
			       tsv_cell(m->interval.high, out, e) &&
			       (r->baseline == NULL ||
			        (tsv_cell(m->difference, out, e) && tsv_cell(m->p, out, e)));
		done = done && buffer_print(out, e, "\n");
	}
	return done;
}

/* Markdown */

static bool md_name(const char *name, Buffer *out, Error *e)
{
	for (const char *p = name; *p != '\0'; p++)
		if (!buffer_print(out, e, *p == '|' ? "\\%c" : "%c", *p))
			return false;
	return buffer_print(out, e, " | ");
}

static bool md_head(const Report *r, Buffer *out, Error *e)
{
	char name[METRIC_NAME_SIZE];
	bool done = buffer_print(out, e, "| system | task | n |");
	for (size_t i = 0; done && i < r->metric_count; i++) {
		metric_name(r->metrics[i], name);
		done = buffer_print(out, e, " %s |", name);
	}
	done = done && buffer_print(out, e, "\n|---|---|---:|");
	for (size_t i = 0; done && i < r->metric_count; i++)
		done = buffer_print(out, e, "---:|");
	return done && buffer_print(out, e, "\n");
}

static bool md_cell(const Report *r, const MetricScore *m, Buffer *out, Error *e)
{
	if (isnan(m->mean))
		return buffer_print(out, e, " - |");
	return buffer_print(out, e, " %.3f", m->mean) &&
	       (isnan(m->interval.low) ||
	        buffer_print(out, e, " (%.3f–%.3f)", m->interval.low, m->interval.high)) &&
	       (r->baseline == NULL || isnan(m->difference) ||
	        buffer_print(out, e, " %+.3f", m->difference)) &&
	       (r->baseline == NULL || isnan(m->p) || buffer_print(out, e, ", p %.4f", m->p)) &&
	       buffer_print(out, e, " |");
}

bool report_md(const Report *r, Buffer *out, Error *e)
{
	bool done = md_head(r, out, e);
	for (const Score *s = r->scores; done && s < r->scores + r->score_count; s++) {
		done = buffer_print(out, e, "| ") && md_name(s->system, out, e) && md_name(s->task, out, e) &&
		       buffer_print(out, e, "%zu |", s->count);
		for (const MetricScore *m = s->metrics; done && m < s->metrics + r->metric_count; m++)
			done = md_cell(r, m, out, e);
		done = done && buffer_print(out, e, "\n");
	}
	return done;
}

/* JSON.  jansson's setters take over what they are given, NULL included, and say
 * so by their result: one check at the end of each group is enough. */

static json_t *json_rounded(double x)
{
	char text[512]; /* as long as a double can be */
	snprintf(text, sizeof text, "%.6f", x);
	return json_real(strtod(text, NULL));
}

/* What there is not is left out. */
static int set_rounded(json_t *object, const char *name, double x)
{
	return isnan(x) ? 0 : json_object_set_new(object, name, json_rounded(x));
}

static int set_interval(json_t *object, const char *name, Interval i)
{
	return isnan(i.low)
	           ? 0
	           : json_object_set_new(object, name,
	                                 json_pack("[o, o]", json_rounded(i.low), json_rounded(i.high)));
}

static json_t *json_score(const Report *r, const Score *s)
{
	json_t *object = json_object(), *intervals = json_object();
	json_t *differences = json_object(), *ps = json_object();
	int failed = json_object_set_new(object, "system", json_string(s->system)) |
	             json_object_set_new(object, "task", json_string(s->task)) |
	             json_object_set_new(object, "n", json_integer((json_int_t)s->count));
	for (size_t i = 0; i < r->metric_count; i++) {
		char name[METRIC_NAME_SIZE];
		const MetricScore *m = &s->metrics[i];
		metric_name(r->metrics[i], name);
		failed |= set_rounded(object, name, m->mean) | set_interval(intervals, name, m->interval) |
		          set_rounded(differences, name, m->difference) | set_rounded(ps, name, m->p);
	}
	failed |= json_object_set(object, "interval", intervals);
	if (r->baseline != NULL)
		failed |= json_object_set_new(
		    object, "baseline",
		    json_pack("{s:s, s:O, s:O}", "system", r->baseline, "difference", differences, "p", ps));
	json_decref(intervals);
	json_decref(differences);
	json_decref(ps);
	if (failed == 0)
		return object;
	json_decref(object);
	return NULL;
}

bool report_json(const Report *r, Buffer *out, Error *e)
{
	bool done = buffer_print(out, e, "[");
	for (size_t i = 0; done && i < r->score_count; i++) {
		json_t *object = json_score(r, &r->scores[i]);
		char *text = object ? json_dumps(object, JSON_REAL_PRECISION(15)) : NULL;
		done = text != NULL ? buffer_print(out, e, "%s%s", i ? ",\n " : "", text)
		                    : fail(e, ERROR_FAILURE, "out of memory for the JSON report");
		free(text);
		json_decref(object);
	}
	return done && buffer_print(out, e, "]\n");
}
