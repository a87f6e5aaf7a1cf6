#include "training.h"

#include "stream/output.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { STOP_SIGNALS = 3 };

struct Training {
	const Tool *tool;
	const CommonOptions *common;
	const TrainingOptions *options;
	Option *table;
	size_t count;
	const Provenance *provenance;
	Document *resumed; /* until it has been read */
	Arena texts;       /* of options that were taken from it */
	char *checkpoint;  /* where to write it; NULL: nowhere */
	bool output_is_file;
	/* While it runs: */
	const Trainee *trainee;
	const char *unit;
	FILE *log;
	uint64_t step;
	double seconds, saved; /* now, and when the last checkpoint was written */
	int stopped;           /* the signal */
	Error diverged;
	bool catches; /* signals, until training_finish() */
	struct sigaction before[STOP_SIGNALS], before_pipe;
};

/* The first signal asks for a stop after the step, the second one ends at once; but a terminal that goes
 * sends SIGHUP more than once, by the shell and by the kernel. */
static atomic_int stop_signal, caught[STOP_SIGNALS];

static const struct {
	int number;
	const char *name;
} stop_signals[STOP_SIGNALS] = {{SIGHUP, "SIGHUP"}, {SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}};

static void set_handler(int number, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	sigemptyset(&action.sa_mask);
	sigaction(number, &action, NULL);
}

static void take_signal(int number)
{
	stop_signal = number;
	for (size_t i = 0; i < STOP_SIGNALS; i++)
		if (caught[i])
			set_handler(stop_signals[i].number,
			            stop_signals[i].number == SIGHUP ? SIG_IGN : SIG_DFL);
}

static const char *signal_name(int number)
{
	size_t i = 0;
	while (stop_signals[i].number != number && i + 1 < STOP_SIGNALS)
		i++;
	return stop_signals[i].name;
}

/* What is ignored, as by nohup or in the background of a shell, stays ignored.  Who reads what is said may be
 * gone with the same control-C: that is no reason to lose the checkpoint. */
static void catch_signals(Training *t)
{
	for (size_t i = 0; i < STOP_SIGNALS; i++) {
		caught[i] = sigaction(stop_signals[i].number, NULL, &t->before[i]) == 0 &&
		            t->before[i].sa_handler != SIG_IGN;
		if (caught[i])
			set_handler(stop_signals[i].number, take_signal);
	}
	sigaction(SIGPIPE, NULL, &t->before_pipe);
	set_handler(SIGPIPE, SIG_IGN);
	t->catches = true;
}

/* The one that came last, or 0. */
static int release_signals(const Training *t)
{
	if (!t->catches)
		return 0;
	for (size_t i = 0; i < STOP_SIGNALS; i++)
		if (caught[i])
			sigaction(stop_signals[i].number, &t->before[i], NULL);
	sigaction(SIGPIPE, &t->before_pipe, NULL);
	return stop_signal;
}

void training_options(Option *table, TrainingOptions *o)
{
	const Option options[TRAINING_OPTIONS] = {
	    {"epochs", 0, OPTION_REAL, &o->epochs, "X",
	     "budget in passes over the training data (default: encoders 60, language models 40, "
	     "adapters 12)",
	     1e-6, 1e6},
	    {"steps", 0, OPTION_INTEGER, &o->steps, "N", "budget in steps, instead; 0: untrained", 0, 1e12},
	    {"minutes", 0, OPTION_REAL, &o->minutes, "X",
	     "budget by the clock, instead (how far it gets, and so the "
	     "result, depends on the machine)",
	     1e-4, 1e6},
	    {"lr", 0, OPTION_REAL, &o->lr, "X", "highest learning rate, after the warm-up (default 0.003)",
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
	    {"ema", 0, OPTION_REAL, &o->average, "X",
	     "evaluate and write a moving average of the weights, which keeps the share X of itself "
	     "each step; 0 (default): the weights of the step",
	     0, 0.999999},
	    {"log", 0, OPTION_STRING, &o->log, "FILE",
	     "write a JSON line an evaluation to FILE (with --resume: append)", .incidental = true,
	     .written = true},
	    {"checkpoint", 0, OPTION_STRING, &o->checkpoint, "FILE",
	     "what to write when it is interrupted (default: the FILE of --resume, else that of -o with "
	     ".checkpoint behind)",
	     .incidental = true}, /* may be that of --resume, which has been read by then */
	    {"checkpoint-every", 0, OPTION_REAL, &o->checkpoint_every, "X", "write it every X minutes, too",
	     1e-6, 1e6, .incidental = true},
	    {"resume", 0, OPTION_STRING, &o->resume, "FILE",
	     "go on from a checkpoint, with the options that it began with", .incidental = true,
	     .input = true},
	};
	o->precision = "auto";
	memcpy(table, options, sizeof options);
}

static bool check_budget(const Option *table, size_t count, Error *e)
{
	bool minutes = option_given(table, count, "minutes"), steps = option_given(table, count, "steps");
	if (minutes + steps + option_given(table, count, "epochs") > 1)
		return fail(e, ERROR_USAGE, "one budget at most: --epochs, --steps or --minutes");
	return true;
}

enum { OPTION_KEY = 96 };

static const char *option_key(const Option *o, char key[OPTION_KEY])
{
	snprintf(key, OPTION_KEY, "ul.option.%s", o->name);
	return key;
}

static bool restore_option(Training *t, Option *o, Error *e)
{
	char key[OPTION_KEY], number[OPTION_NUMBER];
	const char *then = document_get(t->resumed, option_key(o, key)), *now = option_text(o, number);
	if (o->given && !o->input && (then == NULL || now == NULL || strcmp(then, now) != 0))
		return fail(e, ERROR_USAGE, "--%s was %.100s in the run that '%s' goes on with: leave it out",
		            o->name, then ? then : "not given", t->options->resume);
	if (o->given || then == NULL)
		return true;
	char *copy = arena_new(&t->texts, strlen(then) + 1, 1, e);
	if (copy == NULL)
		return false;
	if (option_default(o, strcpy(copy, then), e))
		return true;
	e->code = ERROR_MALFORMED;
	return fail_in(e, "%s", t->options->resume);
}

static bool same_program(const Training *t, Error *e)
{
	const char *tool, *version;
	if (!document_get_string(t->resumed, "ul.tool", &tool, e) ||
	    !document_get_string(t->resumed, "ul.tool_version", &version, e))
		return fail_in(e, "%s", t->options->resume);
	return (strcmp(tool, t->provenance->tool) == 0 && strcmp(version, t->provenance->version) == 0) ||
	       fail(e, ERROR_USAGE, "'%s' is of %.50s %.50s, and cannot go on with %s %s", t->options->resume,
	            tool, version, t->provenance->tool, t->provenance->version);
}

static bool read_checkpoint(Training *t, Provenance *provenance, Error *e)
{
	const char *argv;
	t->resumed = stream_read_one(t->options->resume, "checkpoint", NULL, e);
	if (t->resumed == NULL || !same_program(t, e))
		return false;
	if (!document_get_string(t->resumed, "ul.argv", &argv, e))
		return fail_in(e, "%s", t->options->resume);
	for (size_t i = 0; i < t->count; i++)
		if (!t->table[i].incidental && !restore_option(t, &t->table[i], e))
			return false;
	char *copy = arena_new(&t->texts, strlen(argv) + 1, 1, e);
	provenance->argv = copy ? strcpy(copy, argv) : "";
	provenance->seed = t->common->seed;
	return copy != NULL && tool_check_files(t->table, t->count, e);
}

bool training_open(TrainingOptions *o, const Tool *tool, Option *table, size_t count,
                   const CommonOptions *common, Provenance *provenance, Error *e)
{
	Training *t = o->training = memory_new(1, sizeof *t, e);
	if (t == NULL)
		return false;
	*t = (Training){.tool = tool,
	                .common = common,
	                .options = o,
	                .table = table,
	                .count = count,
	                .provenance = provenance};
	return check_budget(table, count, e) && (o->resume == NULL || read_checkpoint(t, provenance, e));
}

/* Whether there is no such file yet, or one that can be replaced. */
static bool is_file(const char *path, bool or_missing)
{
	struct stat status;
	if (path == NULL || strcmp(path, "-") == 0)
		return false;
	return stat(path, &status) == 0 ? S_ISREG(status.st_mode) : or_missing;
}

static bool choose_checkpoint(Training *t, const char *output, Error *e)
{
	const char *named = t->options->checkpoint;
	if (named == NULL && is_file(t->options->resume, false))
		named = t->options->resume;
	if (named != NULL) {
		t->checkpoint = memory_string(named, e);
	} else if (t->output_is_file) {
		Buffer path = {0};
		if (buffer_print(&path, e, "%s.checkpoint", output))
			t->checkpoint = memory_string((const char *)path.data, e);
		buffer_free(&path);
	} else {
		return t->options->checkpoint_every == 0 ||
		       fail(e, ERROR_USAGE, "--checkpoint-every needs --checkpoint FILE where -o is no file");
	}
	return t->checkpoint != NULL;
}

/* Whether the checkpoint is none of the files that are read, but for the one to go on from, or written. */
static bool check_checkpoint(const Training *t, const char *input, Error *e)
{
	for (const Option *o = t->table; o < t->table + t->count; o++) {
		bool resume = o->value == &t->options->resume;
		const char *written = o->written ? *(const char *const *)o->value : NULL;
		if (!resume && !tool_spares_inputs(t->checkpoint, o, 1, e))
			return false;
		if (written != NULL && tool_same_file(t->checkpoint, written))
			return fail(e, ERROR_USAGE, "'%s' cannot be both the checkpoint and --%s", written,
			            o->name);
	}
	return output_differs(t->checkpoint, input, e);
}

bool training_files(const TrainingOptions *o, const char *output, const char *input, Error *e)
{
	Training *t = o->training;
	t->output_is_file = is_file(output, true);
	if (!output_check(output, true, e) || !output_differs(output, input, e) ||
	    !output_differs(o->log, input, e) || !choose_checkpoint(t, output, e))
		return false;
	if (o->log != NULL && strcmp(o->log, "-") == 0)
		return fail(e, ERROR_USAGE, "--log takes a file, not '-'");
	if (o->checkpoint != NULL && !is_file(o->checkpoint, true))
		return fail(e, ERROR_USAGE, "--checkpoint takes a file, not '%s'", o->checkpoint);
	return t->checkpoint == NULL || (check_checkpoint(t, input, e) &&
	                                 (o->checkpoint == NULL || output_check(o->checkpoint, true, e)));
}

/* The words of an evaluation, "hr@10=0.27 users=6040", as members of a JSON object. */
static void log_words(FILE *log, const char *words)
{
	for (size_t length; *words != '\0'; words += length + strspn(words + length, " ")) {
		length = strcspn(words, " ");
		const char *equals = memchr(words, '=', length);
		if (equals == NULL)
			continue;
		size_t size = length - (size_t)(equals + 1 - words);
		const char *quote = strspn(equals + 1, "-0123456789.") == size ? "" : "\"";
		fprintf(log, ", \"%.*s\": %s%.*s%s", (int)(equals - words), words, quote, (int)size,
		        equals + 1, quote);
	}
}

/* A member of a JSON object, which has no way to write what is no number. */
static void log_loss(FILE *log, const char *name, double loss)
{
	if (isfinite(loss))
		fprintf(log, ", \"loss%s%s\": %.5f", *name ? "_" : "", name, loss);
}

static void write_log(Training *t, const TrainerReport *line)
{
	if (t->log == NULL || !line->evaluated)
		return;
	fprintf(t->log, "{\"step\": %llu, \"epoch\": %.3f, \"seconds\": %.1f", (unsigned long long)line->step,
	        line->epoch, line->seconds);
	log_loss(t->log, "", line->loss[0]);
	for (size_t i = 1; i < t->trainee->losses; i++)
		log_loss(t->log, t->trainee->loss_name(t->trainee->context, i), line->loss[i]);
	fprintf(t->log, ", \"lr\": %.6g, \"%s/s\": %.0f", line->lr, t->unit, line->rate);
	log_words(t->log, line->words);
	fprintf(t->log, ", \"best\": %s}\n", line->improved ? "true" : "false");
	if (fflush(t->log) == 0)
		return;
	/* The model is worth more than its log. */
	tool_say(t->tool, "%s: %s; going on without a log", t->options->log, strerror(errno));
	fclose(t->log);
	t->log = NULL;
}

static void report(void *context, const TrainerReport *line)
{
	Training *t = context;
	t->step = line->step;
	t->seconds = line->seconds;
	write_log(t, line);
	if (t->common->quiet)
		return;
	if (line->evaluated) {
		tool_say(t->tool, "step=%llu epoch=%.2f seconds=%.0f loss=%.4f %s/s=%.0f %s%s",
		         (unsigned long long)line->step, line->epoch, line->seconds, line->loss[0], t->unit,
		         line->rate, line->words, line->improved ? " best" : "");
		if (line->impatient)
			tool_say(t->tool, "it ends here: %lld evaluations without a better one (--patience)",
			         (long long)t->options->patience);
		return;
	}
	double most = 359999,
	       left_for = line->progress > 0 ? line->seconds * (1 - line->progress) / line->progress : 0;
	int left = (int)(left_for < most ? left_for : most);
	tool_progress(t->tool, false, "epoch %.2f  %3.0f %%  loss %.4f  %.0f %s/s  %d:%02d left", line->epoch,
	              100 * line->progress, line->loss[0], line->rate, t->unit, left / 60, left % 60);
}

static TrainerWish wish(void *context)
{
	Training *t = context;
	double every = 60 * t->options->checkpoint_every;
	t->stopped = stop_signal;
	if (t->stopped)
		return TRAINER_STOP;
	return every > 0 && t->seconds - t->saved >= every ? TRAINER_SAVE : TRAINER_GO_ON;
}

static bool describe_options(const Training *t, Document *d, Error *e)
{
	char key[OPTION_KEY], number[OPTION_NUMBER];
	for (const Option *o = t->table; o < t->table + t->count; o++) {
		const char *text = o->incidental ? NULL : option_text(o, number);
		if (text != NULL && !document_set(d, option_key(o, key), text, e))
			return false;
	}
	return true;
}

static bool save(void *context, Document *d)
{
	Training *t = context;
	Error e = {0};
	t->saved = t->seconds;
	if (document_stamp(d, "checkpoint", t->provenance, &e) && describe_options(t, d, &e) &&
	    stream_write_one(t->checkpoint, d, &e))
		return true;
	/* The next one may fit again. */
	tool_say(t->tool, "%s; going on without this checkpoint%s", e.text,
	         t->stopped ? ", and so without a stop (one more signal ends it at once)" : "");
	if (t->stopped)
		stop_signal = 0;
	return false;
}

/* Signals are caught until training_finish(), so that none comes between the end and the model. */
static TrainerEnd run_trainer(Training *t, const Budget *budget, Pool *pool, Error *e)
{
	TrainerHost host = {.context = t, .report = report, .save = save, .resume = t->resumed};
	t->resumed = NULL; /* the trainer frees it */
	if (t->checkpoint == NULL)
		return trainer_run(t->trainee, budget, pool, &host, e);
	host.wish = wish;
	catch_signals(t);
	TrainerEnd end = trainer_run(t->trainee, budget, pool, &host, e);
	if (!t->output_is_file)
		sigaction(SIGPIPE, &t->before_pipe, NULL); /* which the model is for */
	return end;
}

static bool train(Training *t, const Budget *budget, Error *e)
{
	Pool *pool = pool_new((size_t)t->common->threads, e);
	TrainerEnd end = pool ? run_trainer(t, budget, pool, e) : TRAINER_FAILED;
	pool_free(pool);
	if (end == TRAINER_DIVERGED) {
		t->diverged = *e;
		*e = (Error){0};
	}
	if (end == TRAINER_STOPPED)
		fail(e, ERROR_FAILURE,
		     "stopped by %s after step %llu; to go on: the same command with --resume %s",
		     signal_name(t->stopped), (unsigned long long)t->step, t->checkpoint);
	return end == TRAINER_DIVERGED || end == TRAINER_DONE;
}

static bool check_resumed(Training *t, Error *e)
{
	int64_t step;
	if (t->resumed == NULL)
		return true;
	if (!document_check_inputs(t->resumed, t->provenance, e) ||
	    !document_get_integer(t->resumed, "ul.step", 1, INT64_MAX, &step, e) ||
	    !document_get_real(t->resumed, "ul.seconds", 0, 1e12, &t->saved, e))
		return fail_in(e, "%s", t->options->resume);
	if (!t->common->quiet)
		tool_say(t->tool, "going on from '%s', after step %lld", t->options->resume, (long long)step);
	return true;
}

bool training_run(const TrainingOptions *o, const Trainee *trainee, const char *unit, Error *e)
{
	Training *t = o->training;
	Budget budget = {.minutes = o->minutes,
	                 .steps = o->steps,
	                 .epochs = o->epochs,
	                 .lr = o->lr,
	                 .decay = o->decay,
	                 .average = o->average,
	                 .clip = 1,
	                 .warmup = 0.02,
	                 .evaluate_every = (uint64_t)o->evaluate_every,
	                 .patience = (size_t)o->patience,
	                 .seed = (uint64_t)t->common->seed};
	t->trainee = trainee;
	t->unit = unit;
	if (!gemm_precision(o->precision, &budget.precision, e) || !check_resumed(t, e))
		return false;
	if (o->log != NULL && (t->log = fopen(o->log, o->resume ? "a" : "w")) == NULL)
		return fail_errno(e, "%s", o->log);
	bool done = train(t, &budget, e);
	if (t->log != NULL && fclose(t->log) != 0)
		tool_say(t->tool, "%s: %s; the log is not whole", o->log, strerror(errno));
	return done;
}

int training_finish(TrainingOptions *o, const Tool *tool, bool done, Error *e)
{
	Training *t = o->training;
	if (done && t->diverged.code != ERROR_NONE)
		done = fail(e, t->diverged.code, "%s; what is written are the best weights before that",
		            t->diverged.text);
	int status = tool_finish(tool, done, e);
	/* What came too late to stop anything is still for who sent it to see. */
	int number = t != NULL ? release_signals(t) : 0;
	if (t != NULL) {
		document_free(t->resumed);
		arena_free(&t->texts);
		memory_free(t->checkpoint);
	}
	memory_free(t);
	o->training = NULL;
	if (number != 0)
		raise(number); /* so that a shell sees what ended it, and ends what it runs, too */
	return status;
}
