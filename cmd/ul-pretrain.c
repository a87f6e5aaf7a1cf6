/* ul-pretrain: dataset in, user encoder out (or a small LM, as GGUF). */
#include "math/gemm.h"
#include "tool.h"
#include "user/pretrain.h"

#include <stdio.h>
#include <string.h>

static const Tool tool = {
    .name = "ul-pretrain",
    .synopsis = "[OPTION]... -o FILE [DATA]",
    .summary = "Trains a user encoder on the histories of a dataset (--arch ar), or a small language\n"
               "model on its texts (--arch lm), and writes it.",
    .examples = "  ul-prep --preset ml-1m ml-1m | ul-pretrain --minutes 30 -o encoder.ult\n"
                "  ul-pretrain --arch lm --steps 500 -o lm.gguf data.ult\n",
};

typedef struct {
	const char *arch, *output, *log;
	int64_t dim, layers, heads, max_len, batch, steps, patience;
	double epochs, minutes, lr, decay, dropout, feature_weight;
	CommonOptions common;
} Settings;

typedef struct {
	const Settings *settings;
	FILE *log;
	Error *error;
} Reporting;

static void write_log(Reporting *r, const TrainerReport *line)
{
	if (r->log == NULL || !line->evaluated)
		return;
	fprintf(r->log,
	        "{\"step\": %llu, \"epoch\": %.3f, \"seconds\": %.1f, \"loss\": %.5f, \"lr\": %.6g, "
	        "\"rate\": %.0f, "
	        "\"validation\": \"%s\", \"best\": %s}\n",
	        (unsigned long long)line->step, line->epoch, line->seconds, line->loss, line->lr, line->rate,
	        line->words, line->improved ? "true" : "false");
	if (fflush(r->log) != 0)
		fail_errno(r->error, "%s", r->settings->log);
}

static void report(void *context, const TrainerReport *line)
{
	Reporting *r = context;
	write_log(r, line);
	if (r->settings->common.quiet)
		return;
	double left = line->progress > 0 ? line->seconds * (1 - line->progress) / line->progress : 0;
	if (line->evaluated)
		tool_say(&tool, "step=%llu epoch=%.2f seconds=%.0f loss=%.4f events/s=%.0f %s%s",
		         (unsigned long long)line->step, line->epoch, line->seconds, line->loss, line->rate,
		         line->words, line->improved ? " best" : "");
	else
		tool_progress(&tool, false, "epoch %.2f  %3.0f %%  loss %.4f  %.0f events/s  %.0f:%02d left",
		              line->epoch, 100 * line->progress, line->loss, line->rate,
		              left / 60 - 0.5 < 0 ? 0 : left / 60 - 0.5, (int)left % 60);
}

static bool pretrain_encoder(const Settings *s, const char *path, Provenance *provenance, Pool *pool,
                             Reporting *reporting, Error *e)
{
	DatasetReader *reader = dataset_open(path, e);
	Users *users = NULL;
	Encoder *encoder = NULL;
	Pretraining *training = NULL;
	EncoderShape shape = {(size_t)s->dim, (size_t)s->layers, (size_t)s->heads, (size_t)s->max_len,
	                      s->dropout};
	Budget budget = {.minutes = s->minutes,
	                 .steps = (uint64_t)s->steps,
	                 .epochs = s->epochs,
	                 .lr = s->lr,
	                 .decay = s->decay,
	                 .clip = 1,
	                 .warmup = 0.02,
	                 .patience = (size_t)s->patience,
	                 .seed = (uint64_t)s->common.seed};
	bool done = reader != NULL && dataset_all(reader, &users, e) &&
	            (encoder = encoder_new(&shape, dataset_of(reader), budget.seed, e)) != NULL &&
	            (training = pretraining_new(encoder, dataset_of(reader), users, (size_t)s->batch,
	                                        s->feature_weight, budget.seed, e)) != NULL;
	if (done) {
		Trainee trainee = pretraining_trainee(training);
		uint64_t hash = stream_hash(dataset_stream(reader));
		provenance->inputs = (const char *[]){stream_name(dataset_stream(reader))};
		provenance->input_hashes = &hash;
		provenance->input_count = 1;
		if (!s->common.quiet)
			tool_say(&tool, "%zu users, %zu events, %zu weights", users->count,
			         dataset_of(reader)->events, parameters_count(&encoder->parameters, true));
		done = trainer_run(&trainee, &budget, pool, report, reporting, e) &&
		       encoder_save(encoder, s->output, provenance, e);
	}
	pretraining_free(training);
	encoder_free(encoder);
	if (users != NULL)
		users_free(users);
	memory_free(users);
	dataset_close(reader);
	return done;
}

int main(int argc, char **argv)
{
	Settings s = {.arch = "ar",
	              .dim = 64,
	              .layers = 2,
	              .heads = 2,
	              .max_len = 200,
	              .batch = 128,
	              .patience = 10,
	              .epochs = 60,
	              .lr = 1e-3,
	              .decay = 0.01,
	              .dropout = 0.2,
	              .feature_weight = 0.1};
	Option table[COMMON_OPTIONS + 17] = {
	    [COMMON_OPTIONS] = {"output", 'o', OPTION_STRING, &s.output, "FILE", "write the model to FILE",
	                        .incidental = true},
	    {"arch", 0, OPTION_CHOICE, &s.arch, "ar|lm",
	     "autoregressive user encoder (default), or a language model"},
	    {"dim", 0, OPTION_INTEGER, &s.dim, "N", "width (default 64)", 2, 65536},
	    {"layers", 0, OPTION_INTEGER, &s.layers, "N", "Transformer blocks (default 2)", 0, 1024},
	    {"heads", 0, OPTION_INTEGER, &s.heads, "N", "attention heads (default 2)", 1, 1024},
	    {"max-len", 0, OPTION_INTEGER, &s.max_len, "N", "events of a history that are read (default 200)",
	     1, 1e6},
	    {"epochs", 0, OPTION_REAL, &s.epochs, "X", "budget in passes over the data (default 60)", 0, 1e6},
	    {"steps", 0, OPTION_INTEGER, &s.steps, "N", "budget in steps, instead", 0, 1e12},
	    {"minutes", 0, OPTION_REAL, &s.minutes, "X", "budget by the clock, instead", 0, 1e6},
	    {"batch", 0, OPTION_INTEGER, &s.batch, "N", "histories a step (default 128)", 1, 1e6},
	    {"lr", 0, OPTION_REAL, &s.lr, "X", "highest learning rate (default 0.001)", 0, 10},
	    {"weight-decay", 0, OPTION_REAL, &s.decay, "X", "AdamW's decay of matrices (default 0.01)", 0,
	     10},
	    {"dropout", 0, OPTION_REAL, &s.dropout, "X", "share of activations dropped (default 0.2)", 0,
	     0.9},
	    {"feature-weight", 0, OPTION_REAL, &s.feature_weight, "X",
	     "weight of the loss of each feature beside the item's 1 (default 0.1)", 0, 100},
	    {"patience", 0, OPTION_INTEGER, &s.patience, "N",
	     "stop after N evaluations without improvement; 0: never (default 10)", 0, 1e6},
	    {"log", 0, OPTION_STRING, &s.log, "FILE", "write a JSON line an evaluation to FILE",
	     .incidental = true},
	};
	size_t count = COMMON_OPTIONS + 16;
	Error e = {0};
	StringList operands = {0};
	Buffer record = {0};
	tool_start(&tool, table, count, &s.common, &operands, argc, argv);
	gemm_start();
	Provenance provenance = tool_provenance(&tool, table, count, &s.common, &operands, &record, &e);
	Reporting reporting = {&s, NULL, &e};
	Pool *pool = NULL;
	bool done =
	    e.code == ERROR_NONE && (pool = pool_new((size_t)s.common.threads, &e)) != NULL &&
	    (s.log == NULL || (reporting.log = fopen(s.log, "w")) != NULL || fail_errno(&e, "%s", s.log)) &&
	    pretrain_encoder(&s, tool_operand(&tool, &operands), &provenance, pool, &reporting, &e);
	if (reporting.log != NULL && fclose(reporting.log) != 0 && done)
		done = fail_errno(&e, "%s", s.log);
	pool_free(pool);
	buffer_free(&record);
	string_list_free(&operands);
	return tool_finish(&tool, done, &e);
}
