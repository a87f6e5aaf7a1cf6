/* ul-eval: predictions in, a table of metrics out. */
#include "tool.h"

#include "eval/report.h"
#include "stream/output.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const Tool tool = {
    "ul-eval",
    "[OPTION]... [PREDICTIONS]...",
    "Score predictions (JSON lines, as ul-gen writes them): rankings by hit rate, NDCG and mean\n"
    "reciprocal rank, texts by exact match, ROUGE, distinct n-grams and perplexity; with 95 %\n"
    "intervals, a row for each file and task.",
    "  ul-gen -m encoder.ult --rank 10 data.ult | ul-eval\n"
    "  ul-eval --baseline popular.jsonl --require 'hr@10>=0.2' model.jsonl\n",
};

enum { MAX_K = 32, MAX_METRICS = 2 * MAX_K + METRIC_KINDS };

typedef struct {
	CommonOptions common;
	const char *k, *format, *output, *baseline;
	StringList require, names, files;
} Settings;

/* Everything that is read and found, freed at the end. */
typedef struct {
	Metric metrics[MAX_METRICS];
	size_t metric_count;
	uint64_t most_k;      /* that a metric or a requirement asks for */
	Predictions *systems; /* one a file */
	size_t system_count;
	Predictions baseline;
	char *baseline_name; /* as it may be printed, or NULL */
	Score *scores;
	size_t score_count, score_capacity;
	Pool *pool;
} Work;

/* "1,5,10" → hr@1 hr@5 ndcg@5 … mrr exact rouge1 …; NDCG@1 is HR@1. */
static bool choose_metrics(const char *text, Work *w, Error *e)
{
	unsigned long last = 0;
	size_t count = 0;
	for (const char *p = text;; p++) {
		char *end;
		errno = 0;
		unsigned long k = *p >= '0' && *p <= '9' ? strtoul(p, &end, 10) : 0;
		if (k <= last || k > UINT32_MAX || errno != 0 || (*end != ',' && *end != '\0') ||
		    ++count > MAX_K)
			return fail(e, ERROR_USAGE,
			            "--k takes at most %d rising numbers like 1,5,10, not '%s'", MAX_K, text);
		w->metrics[w->metric_count++] = (Metric){METRIC_HR, (uint32_t)k};
		if (k > 1)
			w->metrics[w->metric_count++] = (Metric){METRIC_NDCG, (uint32_t)k};
		last = k;
		p = end;
		if (*p == '\0')
			break;
	}
	for (MetricKind kind = METRIC_MRR; kind < METRIC_KINDS; kind++)
		w->metrics[w->metric_count++] = (Metric){kind, 0};
	w->most_k = last > w->most_k ? last : w->most_k;
	return true;
}

typedef struct {
	Metric metric;
	bool at_most; /* "<=" */
	double bound;
} Requirement;

/* "hr@10>=0.27", "perplexity<=20" */
static bool parse_requirement(const char *text, Requirement *r, Error *e)
{
	const char *sign = text + strcspn(text, "<>");
	if (*sign == '\0' || sign[1] != '=')
		return fail(e, ERROR_USAGE, "--require takes METRIC>=X or METRIC<=X, not '%s'", text);
	if (!metric_parse(text, (size_t)(sign - text), &r->metric, e))
		return fail_in(e, "--require");
	char *end;
	double most = r->metric.kind == METRIC_PERPLEXITY ? DBL_MAX : 1.0;
	r->at_most = *sign == '<';
	r->bound = strtod(sign + 2, &end);
	if (end == sign + 2 || *end != '\0' || !(r->bound >= 0.0 && r->bound <= most))
		return fail(e, ERROR_USAGE, "--require takes a number from 0%s, not '%s'",
		            most > 1.0 ? "" : " to 1", text);
	return true;
}

static bool check_settings(const Settings *s, Work *w, Error *e)
{
	Requirement r;
	if (s->names.count > 0 && s->names.count != s->files.count)
		return fail(e, ERROR_USAGE, "%zu names for %zu files: give --name once for each",
		            s->names.count, s->files.count);
	for (size_t i = 0; i < s->require.count; i++)
		if (parse_requirement(s->require.items[i], &r, e))
			w->most_k = r.metric.k > w->most_k ? r.metric.k : w->most_k;
		else
			return false;
	for (size_t i = 0; i < s->files.count; i++)
		if (!output_differs(s->output, s->files.items[i], e))
			return false;
	return choose_metrics(s->k, w, e);
}

static bool is_standard_input(const char *path)
{
	return strcmp(path, "-") == 0;
}

/* Perplexity is of fewer texts than the rest of the row. */
static void say_without_nll(const TaskAnswers *task, const char *name)
{
	size_t count = task->texts.count, with = task->texts.with_likelihood;
	if (with > 0 && with < count)
		tool_say(&tool, "%s: task '%s': %zu of %zu texts have no nll: the perplexity is without them",
		         name, task->name, count - with, count);
}

static void say_unscored(const Predictions *p, const char *name, uint64_t k)
{
	if (p->without_target > 0)
		tool_say(&tool, "%s: %zu of %zu lines have no target: not scored", name, p->without_target,
		         p->lines);
	if (p->short_lists > 0)
		tool_say(&tool,
		         "%zu lists of %s are shorter than k=%llu: what they do not reach counts as missed",
		         p->short_lists, name, (unsigned long long)k);
	for (size_t t = 0; t < p->task_count; t++)
		say_without_nll(&p->tasks[t], name);
}

static bool read_file(const Settings *s, const char *path, uint64_t k, Predictions *p, Error *e)
{
	bool standard = is_standard_input(path);
	const char *name = standard ? "standard input" : path;
	FILE *file = standard ? stdin : fopen(path, "r");
	if (file == NULL)
		return fail_errno(e, "%s", name);
	bool done = predictions_read(p, file, name, k, e);
	if (!standard && fclose(file) != 0 && done)
		done = fail_errno(e, "%s", name);
	if (done && !s->common.quiet)
		say_unscored(p, name, k);
	if (done && p->task_count == 0)
		done =
		    fail(e, ERROR_MALFORMED,
		         "%s: nothing to score: no line has a target and its rank or a text, or a nll", name);
	return done;
}

static bool read_all(const Settings *s, Work *w, Error *e)
{
	if (s->baseline != NULL && ((w->baseline_name = score_printable(s->baseline, e)) == NULL ||
	                            !read_file(s, s->baseline, w->most_k, &w->baseline, e)))
		return false;
	w->systems = memory_new(s->files.count, sizeof *w->systems, e);
	if (w->systems == NULL)
		return false;
	for (; w->system_count < s->files.count; w->system_count++)
		if (!read_file(s, s->files.items[w->system_count], w->most_k, &w->systems[w->system_count],
		               e)) {
			w->system_count++; /* what was read of it is to be freed, too */
			return false;
		}
	return true;
}

static const char *system_name(const Settings *s, size_t i)
{
	return s->names.count > 0 ? s->names.items[i] : s->files.items[i];
}

static bool score_system(const Settings *s, size_t i, Work *w, Error *e)
{
	for (size_t t = 0; t < w->systems[i].task_count; t++) {
		const TaskAnswers *task = &w->systems[i].tasks[t];
		const TaskAnswers *baseline = predictions_task(&w->baseline, task->name, task->kind);
		if (s->baseline != NULL && baseline == NULL)
			return fail(e, ERROR_MALFORMED, "%s: the baseline has no %s of task '%s'",
			            s->files.items[i], task->kind == ANSWER_RANKING ? "rankings" : "texts",
			            task->name);
		if (!memory_grow(&w->scores, &w->score_capacity, w->score_count + 1, sizeof *w->scores, e))
			return false;
		if (!score_task(&w->scores[w->score_count++], system_name(s, i), task, baseline, w->metrics,
		                w->metric_count, (uint64_t)s->common.seed, w->pool, e))
			return fail_in(e, "%s", s->files.items[i]);
	}
	return true;
}

static bool any_has(const Work *w, Metric metric)
{
	for (size_t i = 0; i < w->system_count; i++)
		for (size_t t = 0; t < w->systems[i].task_count; t++)
			if (!isnan(score_mean(&w->systems[i].tasks[t], metric)))
				return true;
	return false;
}

/* The table has the metrics that a row has something of. */
static void drop_metrics(Work *w)
{
	size_t kept = 0;
	for (size_t i = 0; i < w->metric_count; i++)
		if (any_has(w, w->metrics[i]))
			w->metrics[kept++] = w->metrics[i];
	w->metric_count = kept;
}

static bool score_all(const Settings *s, Work *w, Error *e)
{
	drop_metrics(w);
	w->pool = pool_new((size_t)s->common.threads, e);
	for (size_t i = 0; w->pool != NULL && i < w->system_count; i++)
		if (!score_system(s, i, w, e))
			return false;
	return w->pool != NULL;
}

static bool write_report(const Settings *s, const Work *w, Error *e)
{
	static const struct {
		const char *format;
		bool (*write)(const Report *, Buffer *, Error *);
	} reports[] = {{"text", report_text}, {"tsv", report_tsv}, {"json", report_json}, {"md", report_md}};
	size_t kind = 0;
	while (strcmp(reports[kind].format, s->format) != 0) /* the option table knows no others */
		kind++;
	Report report = {w->metrics, w->metric_count, w->scores, w->score_count, w->baseline_name};
	Buffer text = {0};
	Output output = {0};
	bool done = reports[kind].write(&report, &text, e) && output_open(&output, s->output, false, e) &&
	            output_write(&output, text.data, text.size, e) && output_close(&output, e);
	output_abort(&output);
	buffer_free(&text);
	return done;
}

/* Of one file, how many rows do not meet it.  A file of which no row has the metric does not, either. */
static size_t count_failed(const Requirement *r, const char *words, const Predictions *p, const char *name)
{
	bool has_it = false;
	size_t failed = 0;
	for (size_t t = 0; t < p->task_count; t++) {
		double mean = score_mean(&p->tasks[t], r->metric);
		if (isnan(mean))
			continue;
		has_it = true;
		if (r->at_most ? mean <= r->bound : mean >= r->bound)
			continue;
		failed++;
		tool_say(&tool, "%s: task '%s': %.6f is not %s", name, p->tasks[t].name, mean, words);
	}
	if (!has_it)
		tool_say(&tool, "%s: no row has what %s asks for", name, words);
	return has_it ? failed : 1;
}

/* Each row has to meet each requirement; all that fail are said. */
static bool check_requirements(const Settings *s, const Work *w, Error *e)
{
	size_t failed = 0;
	for (size_t i = 0; i < s->require.count; i++) {
		const char *words = s->require.items[i];
		Requirement r;
		if (!parse_requirement(words, &r, e))
			return false;
		for (size_t f = 0; f < w->system_count; f++)
			failed += count_failed(&r, words, &w->systems[f], system_name(s, f));
	}
	return failed == 0 ||
	       fail(e, ERROR_THRESHOLD, "%zu requirement%s not met", failed, failed == 1 ? " was" : "s were");
}

static void work_free(Work *w)
{
	for (size_t i = 0; i < w->system_count; i++)
		predictions_free(&w->systems[i]);
	for (size_t i = 0; i < w->score_count; i++)
		score_free(&w->scores[i]);
	predictions_free(&w->baseline);
	memory_free(w->baseline_name);
	memory_free(w->systems);
	memory_free(w->scores);
	pool_free(w->pool);
}

static bool run(Settings *s, Error *e)
{
	Work w = {0};
	bool done = check_settings(s, &w, e) && read_all(s, &w, e) && score_all(s, &w, e) &&
	            write_report(s, &w, e) && check_requirements(s, &w, e);
	work_free(&w);
	return done;
}

int main(int argc, char **argv)
{
	Error e = {0};
	Settings s = {.k = "1,5,10", .format = "text"};
	Option table[] = {
	    [COMMON_OPTIONS] = {"k", 'k', OPTION_STRING, &s.k, "N,N,...",
	                        "cut-offs of hr@k and ndcg@k (default 1,5,10)"},
	    {"format", 'f', OPTION_CHOICE, &s.format, "text|tsv|json|md",
	     "how the table is written (default text)"},
	    {"baseline", 'b', OPTION_STRING, &s.baseline, "FILE",
	     "compare with these predictions, paired by user", .input = true},
	    {"require", 'r', OPTION_LIST, &s.require, "METRIC>=X",
	     "exit 4 unless every row meets this (or METRIC<=X); may be repeated"},
	    {"name", 'n', OPTION_LIST, &s.names, "NAME", "call the next file so; once for each file"},
	    {"output", 'o', OPTION_STRING, &s.output, "FILE", "write here, not to standard output",
	     .incidental = true, .written = true},
	};
	size_t count = sizeof table / sizeof *table;
	tool_start(&tool, table, count, &s.common, &s.files, argc, argv);
	StringList standard_input = {(const char *[]){"-"}, 1, 0};
	StringList given = s.files;
	bool done = tool_check_standard_input(table, count, &given, true, &e);
	if (given.count == 0)
		s.files = standard_input;
	done = done && run(&s, &e);
	string_list_free(&given);
	string_list_free(&s.require);
	string_list_free(&s.names);
	return tool_finish(&tool, done, &e);
}
