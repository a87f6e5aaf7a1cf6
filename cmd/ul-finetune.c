/* ul-finetune: LLM, encoder and dataset in, adapter out. */
#include "math/gemm.h"
#include "profiling.h"
#include "tool.h"
#include "training.h"
#include "user/finetune.h"
#include "user/task.h"

#include <string.h>

static const Tool tool = {
    .name = "ul-finetune",
    .synopsis = "[OPTION]... --llm LLM {-m ENCODER | --embeddings FILE} [DATA]",
    .summary = "Teaches an LLM to answer for the user: trains cross-attention from its layers to the\n"
               "embeddings of a pretrained user encoder, or to vectors from elsewhere, or another way in,\n"
               "and writes it as an adapter.",
    .examples = "  ul-finetune --llm lm.gguf -m encoder.ult --minutes 10 -o adapter.ult data.ult\n",
};

typedef struct {
	const char *llm, *model, *embeddings, *output, *task, *inject, *tune, *query, *target, *field,
	    *matrices, *layers;
	int64_t answer, heads, dim, latents, perceiver_layers, history, rank, batch, questions, micro_batch;
	double alpha, dropout, taught, llm_lr;
	bool features, reset, recompute, bounds_answer;
	CommonOptions common;
	TrainingOptions training;
	Profiling profiling;
} Settings;

typedef struct {
	Llm *llm;
	Encoder *encoder, *teacher;
	UserVectors *vectors;
	UserSource from; /* encoder or vectors */
	DatasetReader *reader;
	Users *users;
	Adapter *adapter;
	Finetuning *finetuning;
	AdapterShape shape;
	char *query, *target; /* that the task stands for */
} Parts;

static AdapterShape shape_of(const Settings *s)
{
	return (AdapterShape){.latents = (size_t)s->latents,
	                      .perceiver_layers = (size_t)s->perceiver_layers,
	                      .inject = (InjectionKind)word_number(INJECTIONS, s->inject),
	                      .layers = s->layers,
	                      .heads = (size_t)s->heads,
	                      .dim = (size_t)s->dim,
	                      .history = (size_t)s->history,
	                      .features = s->features,
	                      .tuning = (Tuning)word_number(TUNINGS, s->tune),
	                      .lora = {(size_t)s->rank, s->alpha > 0 ? s->alpha : 2 * (double)s->rank,
	                               s->dropout, s->matrices}};
}

/* One that has a target of its own is the person's. */
static TaskKind task_of(const Settings *s)
{
	return s->target ? TASK_TEMPLATE : (TaskKind)word_number(TASKS, s->task);
}

/* What an encoder knows of items it teaches, if not told otherwise; where it is to be compared with one that
 * knows nothing, it does not. */
static bool teaches(const Settings *s)
{
	InjectionKind inject = (InjectionKind)word_number(INJECTIONS, s->inject);
	return s->model != NULL && injects_rows(inject) && task_of(s) == TASK_NEXT_ITEM && !s->reset;
}

/* What was given and means nothing to what is asked. */
static bool check_given(const Settings *s, const AdapterShape *shape, const Option *table, size_t count,
                        Error *e)
{
	TaskKind task = task_of(s);
	const OptionRule rules[] = {
	    {s->target != NULL, "task", "its own target, not with a --target"},
	    {task != TASK_FAVORITE && task != TASK_REVIEW, "field", "--task favorite and review"},
	    {shape->inject != INJECT_TEXT, "history history-features", "--inject text"},
	    {shape->inject != INJECT_CROSS, "inject-layers inject-heads inject-dim", "--inject cross"},
	    {shape->tuning != TUNE_LORA, "rank lora-alpha lora-matrices lora-dropout", "--tune lora"},
	    {shape->tuning != TUNE_FULL, "llm-lr", "--tune full"},
	    {shape->tuning == TUNE_PROJ, "reset-encoder", "an encoder that trains, not --tune proj"},
	    {!injects_rows(shape->inject), "model embeddings reset-encoder teach latents perceiver-layers",
	     "--inject cross and soft"},
	    {s->model == NULL, "reset-encoder teach", "-m ENCODER"},
	    {shape->latents == 0, "perceiver-layers", "--latents 1 or more"},
	};
	return options_check(table, count, rules, sizeof rules / sizeof *rules, e);
}

static bool check_task(const Settings *s, Error *e)
{
	if ((s->query != NULL && !text_is_utf8(text_of(s->query))) ||
	    (s->target != NULL && !text_is_utf8(text_of(s->target))))
		return fail(e, ERROR_USAGE, "--query and --target are texts in UTF-8");
	return task_of(s) != TASK_TEMPLATE || (s->query != NULL && s->target != NULL) ||
	       fail(e, ERROR_USAGE, "a task of one's own is a --query and a --target");
}

/* Whether there are users where they are needed, and something to train. */
static bool check_users(const Settings *s, const AdapterShape *shape, Error *e)
{
	if (s->model != NULL && s->embeddings != NULL)
		return fail(e, ERROR_USAGE, "users come from an encoder (-m) or from --embeddings, not both");
	if (s->embeddings != NULL && shape->tuning == TUNE_ENC)
		return fail(e, ERROR_USAGE,
		            "--embeddings do not train: --tune proj (the default with them), lora or full");
	if (injects_rows(shape->inject))
		return s->model != NULL || s->embeddings != NULL ||
		       fail(e, ERROR_USAGE, "-m ENCODER is missing (or --embeddings FILE)");
	return shape->tuning >= TUNE_LORA ||
	       fail(e, ERROR_USAGE,
	            "with --inject %s there is nothing but the LLM to train: --tune lora or full", s->inject);
}

static bool check(const Settings *s, const Option *table, size_t count, Error *e)
{
	AdapterShape shape = shape_of(s);
	if (s->llm == NULL)
		return fail(e, ERROR_USAGE, "--llm LLM is missing");
	if (s->questions > s->batch)
		return fail(e, ERROR_USAGE,
		            "a --batch of %lld has no room for %lld --questions about a history",
		            (long long)s->batch, (long long)s->questions);
	return check_given(s, &shape, table, count, e) && check_task(s, e) && check_users(s, &shape, e);
}

/* Whom the adapter is to know. */
static bool open_users(const Settings *s, Parts *p, Error *e)
{
	if (s->model != NULL && (p->encoder = encoder_load(s->model, &p->from.encoder_hash, e)) == NULL)
		return false;
	if (s->embeddings != NULL && (p->vectors = vectors_open(s->embeddings, e)) == NULL)
		return false;
	p->from.encoder = p->encoder;
	p->from.vectors = p->vectors;
	if (s->taught > 0 && (p->teacher = encoder_copy(p->encoder, e)) == NULL)
		return false;
	if (s->reset && !encoder_reset(p->encoder, (uint64_t)s->common.seed, e))
		return false;
	if (p->encoder != NULL && p->shape.tuning == TUNE_PROJ)
		p->encoder->shape.dropout = 0; /* what does not train is not to be disturbed */
	return true;
}

/* The validation part is the event before the test's. */
static void say_what_is_known(const Settings *s, const UserVectors *v, const Dataset *data)
{
	const char *split = v ? v->split : NULL;
	if (split != NULL && (strcmp(split, "test") == 0 || strcmp(split, "all") == 0) &&
	    data->split != SPLIT_NONE && !s->common.quiet)
		tool_say(&tool, "%s: embeddings of --split %s know what validation asks for", s->embeddings,
		         split);
}

static bool open_parts(const Settings *s, const char *path, Parts *p, Error *e)
{
	uint64_t seed = (uint64_t)s->common.seed;
	if (!training_files(&s->training, s->output, path, e) ||
	    (p->llm = llm_load(s->llm, LLM_EXPANDED, e)) == NULL || !open_users(s, p, e) ||
	    (p->reader = dataset_open(path, e)) == NULL || !dataset_all(p->reader, &p->users, e))
		return false;
	const Dataset *data = dataset_of(p->reader);
	say_what_is_known(s, p->vectors, data);
	AdapterTask task = {.kind = task_of(s), .answer = (size_t)s->answer};
	if (!task_templates(task.kind, data, s->field, &p->query, &p->target, e))
		return false;
	task.query = s->query ? s->query : p->query;
	task.target = s->target ? s->target : p->target;
	p->adapter = adapter_new(&p->shape, &p->from, p->llm, &task, NULL, seed, e);
	FinetuningPlan plan = {.batch = (size_t)s->batch,
	                       .questions = (size_t)s->questions,
	                       .micro_batch = (size_t)s->micro_batch,
	                       .recompute = s->recompute,
	                       .teacher = p->teacher,
	                       .taught = s->taught,
	                       .llm_lr = s->llm_lr,
	                       .seed = seed};
	p->finetuning = p->adapter ? finetuning_new(p->adapter, data, p->users, &plan, e) : NULL;
	if (p->finetuning != NULL && s->bounds_answer && finetuning_ranks(p->finetuning))
		return fail(e, ERROR_USAGE,
		            "--answer-tokens goes with answers in words that are none of a list");
	return p->finetuning != NULL &&
	       (p->encoder == NULL ||
	        tool_check_data(&tool, finetuning_translation(p->finetuning), s->common.quiet, e));
}

static void close_parts(Parts *p)
{
	finetuning_free(p->finetuning);
	memory_free(p->query);
	memory_free(p->target);
	adapter_free(p->adapter);
	if (p->users != NULL)
		users_free(p->users);
	memory_free(p->users);
	dataset_close(p->reader);
	vectors_free(p->vectors);
	encoder_free(p->teacher);
	encoder_free(p->encoder);
	llm_free(p->llm);
}

static bool write_profile(const Settings *s, Error *e)
{
	static const Phase phases[] = {PHASE_ENCODER,  PHASE_ADAPTER,   PHASE_LLM,
	                               PHASE_BACKWARD, PHASE_OPTIMIZER, PHASE_EVALUATION};
	return profiling_write(&s->profiling, tool.name, phases, sizeof phases / sizeof *phases, e);
}

static bool finetune(Settings *s, const char *path, Provenance *provenance, Error *e)
{
	Parts p = {.shape = shape_of(s)};
	bool done = profiling_start(&s->profiling, path, e) && open_parts(s, path, &p, e);
	if (done) {
		finetuning_profile(p.finetuning, profiling_profile(&s->profiling));
		Trainee trainee = finetuning_trainee(p.finetuning);
		const char *data = stream_name(dataset_stream(p.reader));
		uint64_t data_hash = stream_hash(dataset_stream(p.reader));
		provenance->inputs = (const char *[]){s->llm, data, s->model ? s->model : s->embeddings};
		provenance->input_hashes =
		    (uint64_t[]){p.llm->hash, data_hash, p.vectors ? p.vectors->hash : p.from.encoder_hash};
		provenance->input_count = p.encoder || p.vectors ? 3 : 2;
		if (!s->common.quiet)
			tool_say(&tool, "%zu weights train; the LLM has %zu",
			         parameters_count(trainee.parameters, true),
			         parameters_count(&p.llm->parameters, false));
		done = training_run(&s->training, &trainee, "tokens", e) &&
		       adapter_save(p.adapter, s->output, provenance, e) && write_profile(s, e);
	}
	close_parts(&p);
	return done;
}

int main(int argc, char **argv)
{
	Settings s = {
	    .task = "next-item",
	    .inject = "cross",
	    .answer = 64,
	    .latents = 16,
	    .perceiver_layers = 2,
	    .history = 50,
	    .rank = 8,
	    .matrices = "q,k,v,o,gate,up,down",
	    .batch = 64,
	    .questions = 1,
	    .taught = -1, /* as it is asked for */
	    .llm_lr = 0.1,
	    .training = {
	        .steps = -1, .epochs = 12, .lr = 3e-3, .decay = 0.01, .patience = 10, .evaluate_every = 200}};
	const Option own[] = {
	    {"output", 'o', OPTION_STRING, &s.output, "ADAPTER", "write the adapter to this file",
	     .incidental = true, .written = true},
	    {"llm", 0, OPTION_STRING, &s.llm, "LLM",
	     "the language model: a GGUF file, or a Hugging Face folder", .input = true},
	    {"model", 'm', OPTION_STRING, &s.model, "ENCODER", "the pretrained user encoder", .input = true},
	    {"embeddings", 0, OPTION_STRING, &s.embeddings, "FILE",
	     "instead of an encoder: vectors of users, from ul-embed, or .npy or safetensors [users, d] or "
	     "[users, rows, d]",
	     .input = true},
	    {"reset-encoder", 0, OPTION_FLAG, &s.reset, NULL,
	     "begin with an encoder of random weights: what is its pretraining worth?"},
	    {"task", 0, OPTION_CHOICE, &s.task, "next-item|favorite|review",
	     "what the LLM is to answer: the next item's name (default), the user's favorite value of a "
	     "feature, or the text of an event"},
	    {"field", 0, OPTION_STRING, &s.field, "NAME",
	     "of --task favorite: the feature (default: the first one of items); of review: the text (the "
	     "first one of events)"},
	    {"query", 0, OPTION_STRING, &s.query, "TEMPLATE",
	     "what the LLM is asked, with fields in braces (default: the task's)"},
	    {"target", 0, OPTION_STRING, &s.target, "TEMPLATE",
	     "what it is to answer, instead of a --task: a question of one's own"},
	    {"answer-tokens", 0, OPTION_INTEGER, &s.answer, "N",
	     "of answers in words that are none of a list, learn the first N tokens (default 64)", 1, 4096},
	    {"inject", 0, OPTION_CHOICE, &s.inject, INJECTIONS,
	     "how the user enters the LLM: by gated cross-attention (default), as soft tokens before the "
	     "query, as text before it, or not at all"},
	    {"inject-layers", 0, OPTION_STRING, &s.layers, "all|every:N|LIST",
	     "layers of the LLM that have cross-attention: all (default), the last of each N, or by number, "
	     "0,2,5"},
	    {"inject-heads", 0, OPTION_INTEGER, &s.heads, "N",
	     "heads of cross-attention (default: as many as the LLM has)", 1, 4096},
	    {"inject-dim", 0, OPTION_INTEGER, &s.dim, "N",
	     "width of cross-attention, all heads together (default: as wide as the LLM's)", 1, 1 << 20},
	    {"tune", 0, OPTION_CHOICE, &s.tune, TUNINGS,
	     "what trains besides what joins the two: nothing (default with --embeddings), the encoder "
	     "(default), encoder and low-rank updates of the LLM, or encoder and LLM"},
	    {"latents", 0, OPTION_INTEGER, &s.latents, "K",
	     "rows that a Perceiver makes of a history; 0: the encoder's own rows (default 16)", 0, 4096},
	    {"perceiver-layers", 0, OPTION_INTEGER, &s.perceiver_layers, "N",
	     "layers of the Perceiver (default 2)", 1, 64},
	    {"history", 0, OPTION_INTEGER, &s.history, "N",
	     "with --inject text: tell the last N events, or as many as the context has room for (default "
	     "50)",
	     1, 1e6},
	    {"history-features", 0, OPTION_FLAG, &s.features, NULL,
	     "with --inject text: tell their features, too"},
	    {"rank", 0, OPTION_INTEGER, &s.rank, "N", "of --tune lora's updates (default 8)", 1, 4096},
	    {"lora-alpha", 0, OPTION_REAL, &s.alpha, "X", "the updates count X / rank times (default: twice)",
	     1e-6, 1e6},
	    {"lora-matrices", 0, OPTION_STRING, &s.matrices, "LIST",
	     "of the LLM's blocks, that have updates (default q,k,v,o,gate,up,down)"},
	    {"lora-dropout", 0, OPTION_REAL, &s.dropout, "X", "of what goes into the updates (default 0)", 0,
	     0.99},
	    {"batch", 0, OPTION_INTEGER, &s.batch, "N", "questions a step (default 64)", 1, 1e6},
	    {"questions", 0, OPTION_INTEGER, &s.questions, "N",
	     "of which so many are about each history (default 1)", 1, MOST_QUESTIONS},
	    {"micro-batch", 0, OPTION_INTEGER, &s.micro_batch, "N",
	     "questions that a thread has in memory at a time; gradients add up (default: an eighth of the "
	     "batch, 8 to 64)",
	     1, 1e6},
	    {"recompute", 0, OPTION_FLAG, &s.recompute, NULL,
	     "make the LLM's activations again on the way back instead of keeping them: less memory, more "
	     "time"},
	    {"teach", 0, OPTION_REAL, &s.taught, "X",
	     "X of the truth is what the encoder itself would recommend, as it is in its file (default: 0.8 "
	     "with --task next-item and -m, but not with --reset-encoder; else 0)",
	     0, 1},
	    {"llm-lr", 0, OPTION_REAL, &s.llm_lr, "X",
	     "with --tune full: the LLM learns X times as fast as the rest (default 0.1)", 0, 100},
	    profiling_option(&s.profiling),
	};
	enum { OWN = sizeof own / sizeof *own };
	Option table[COMMON_OPTIONS + OWN + TRAINING_OPTIONS] = {0};
	Error e = {0};
	StringList operands = {0};
	Buffer record = {0};
	size_t count = sizeof table / sizeof *table;
	memcpy(table + COMMON_OPTIONS, own, sizeof own);
	training_options(table + COMMON_OPTIONS + OWN, &s.training);
	tool_start(&tool, table, count, &s.common, &operands, argc, argv);
	gemm_start();
	Provenance provenance = tool_provenance(&tool, table, count, &s.common, &operands, &record, &e);
	bool done = e.code == ERROR_NONE &&
	            training_open(&s.training, &tool, table, count, &s.common, &provenance, &e);
	if (s.tune == NULL)
		s.tune = s.embeddings ? "proj" : "enc";
	if (s.taught < 0)
		s.taught = teaches(&s) ? 0.8 : 0;
	s.bounds_answer = option_given(table, count, "answer-tokens");
	done = done && check(&s, table, count, &e) &&
	       tool_check_standard_input(table, count, &operands, true, &e) &&
	       finetune(&s, tool_operand(&tool, &operands), &provenance, &e);
	buffer_free(&record);
	string_list_free(&operands);
	return training_finish(&s.training, &tool, done, &e);
}
