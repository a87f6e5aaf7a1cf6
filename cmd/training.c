#include "training.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void training_options(Option *table, TrainingOptions *o)
{
	const Option options[TRAINING_OPTIONS] = {
	    {"epochs", 0, OPTION_REAL, &o->epochs, "X",
	     "budget in passes over the training data (default: encoders 60, language models 40, adapters 3)",
	     1e-6, 1e6},
	    {"steps", 0, OPTION_INTEGER, &o->steps, "N", "budget in steps, instead; 0: untrained", 0, 1e12},
	    {"minutes", 0, OPTION_REAL, &o->minutes, "X",
	     "budget by the clock, instead (how far it gets, and so the "
	     "result, depends on the machine)",
	     1e-4, 1e6},
	    {"lr", 0, OPTION_REAL, &o->lr, "X",
	     "highest learning rate, after the warm-up (default 0.001; language models and adapters 0.003)",
	     1e-9, 10},
	    {"weight-decay", 0, OPTION_REAL, &o->decay, "X", "AdamW's decay of matrices (default 0.01)", 0,
	     10},
	    {"patience", 0, OPTION_INTEGER, &o->patience, "N",
	     "stop after N evaluations without improvement; 0: never (default 10)", 0, 1e6},
	    {"evaluate-every", 0, OPTION_INTEGER, &o->evaluate_every, "N",
	     "steps between evaluations on the validation split; 0: an epoch (default; adapters 200)", 0,
	     1e9},
	    {"precision", 0, OPTION_CHOICE, &o->precision, GEMM_PRECISIONS,
	     "of the products; auto (default): bf16 where the CPU multiplies it, sums and weights stay f32"},
	    {"log", 0, OPTION_STRING, &o->log, "FILE", "write a JSON line an evaluation to FILE",
	     .incidental = true},
	};
	o->precision = "auto";
	memcpy(table, options, sizeof options);
}

bool training_check(const Option *table, size_t count, Error *e)
{
	bool minutes = option_given(table, count, "minutes"), steps = option_given(table, count, "steps");
	if (minutes + steps + option_given(table, count, "epochs") > 1)
		return fail(e, ERROR_USAGE, "one budget at most: --epochs, --steps or --minutes");
	return true;
}

typedef struct {
	const Tool *tool;
	const CommonOptions *common;
	const TrainingOptions *options;
	const char *unit;
	FILE *log;
} Reporting;

/* The words of an evaluation, "hr@10=0.27 users=6040", as members of a JSON object. */
static void log_words(FILE *log, const char *words)
{
	for (size_t length; *words != '\0'; words += length + strspn(words + length, " ")) {
		length = strcspn(words, " ");
		const char *equals = memchr(words, '=', length);
		if (equals != NULL &&
		    strspn(equals + 1, "-0123456789.") == length - (size_t)(equals + 1 - words))
			fprintf(log, ", \"%.*s\": %.*s", (int)(equals - words), words,
			        (int)(words + length - equals - 1), equals + 1);
	}
}

static void write_log(Reporting *r, const TrainerReport *line)
{
	if (r->log == NULL || !line->evaluated)
		return;
	fprintf(r->log,
	        "{\"step\": %llu, \"epoch\": %.3f, \"seconds\": %.1f, \"loss\": %.5f, \"lr\": %.6g, "
	        "\"%s/s\": %.0f",
	        (unsigned long long)line->step, line->epoch, line->seconds, line->loss, line->lr, r->unit,
	        line->rate);
	log_words(r->log, line->words);
	fprintf(r->log, ", \"best\": %s}\n", line->improved ? "true" : "false");
	if (fflush(r->log) == 0)
		return;
	/* The model is worth more than its log. */
	tool_say(r->tool, "%s: %s; going on without a log", r->options->log, strerror(errno));
	fclose(r->log);
	r->log = NULL;
}

static void report(void *context, const TrainerReport *line)
{
	Reporting *r = context;
	write_log(r, line);
	if (r->common->quiet)
		return;
	if (line->evaluated) {
		tool_say(r->tool, "step=%llu epoch=%.2f seconds=%.0f loss=%.4f %s/s=%.0f %s%s",
		         (unsigned long long)line->step, line->epoch, line->seconds, line->loss, r->unit,
		         line->rate, line->words, line->improved ? " best" : "");
		return;
	}
	double most = 359999,
	       left_for = line->progress > 0 ? line->seconds * (1 - line->progress) / line->progress : 0;
	int left = (int)(left_for < most ? left_for : most);
	tool_progress(r->tool, false, "epoch %.2f  %3.0f %%  loss %.4f  %.0f %s/s  %d:%02d left", line->epoch,
	              100 * line->progress, line->loss, line->rate, r->unit, left / 60, left % 60);
}

bool training_run(const Tool *tool, const TrainingOptions *o, const CommonOptions *common,
                  const Trainee *trainee, const char *unit, Error *e)
{
	Budget budget = {.minutes = o->minutes,
	                 .steps = o->steps,
	                 .epochs = o->epochs,
	                 .lr = o->lr,
	                 .decay = o->decay,
	                 .clip = 1,
	                 .warmup = 0.02,
	                 .evaluate_every = (uint64_t)o->evaluate_every,
	                 .patience = (size_t)o->patience,
	                 .seed = (uint64_t)common->seed};
	Reporting reporting = {tool, common, o, unit, NULL};
	if (!gemm_precision(o->precision, &budget.precision, e))
		return false;
	if (o->log != NULL && (reporting.log = fopen(o->log, "w")) == NULL)
		return fail_errno(e, "%s", o->log);
	Pool *pool = pool_new((size_t)common->threads, e);
	bool done = pool != NULL && trainer_run(trainee, &budget, pool, report, &reporting, e);
	pool_free(pool);
	if (reporting.log != NULL && fclose(reporting.log) != 0)
		tool_say(tool, "%s: %s; the log is not whole", o->log, strerror(errno));
	return done;
}
