/* ul-pretrain: dataset in, user encoder out, or a small language model as GGUF. */
#include "data/corpus.h"
#include "llm/pretrain.h"
#include "math/gemm.h"
#include "tool.h"
#include "training.h"
#include "user/pretrain.h"
#include "user/task.h"

#include <string.h>

static const Tool tool = {
    .name = "ul-pretrain",
    .synopsis = "[OPTION]... [DATA]",
    .summary =
        "Trains a user encoder on the histories of a dataset (--arch ar, dual or bert4rec), or a small\n"
        "language model on its texts and others (--arch lm, written as GGUF).",
    .examples = "  ul-prep --preset ml-1m ml-1m/ratings.dat | ul-pretrain --minutes 30 -o encoder.ult\n"
                "  ul-pretrain --arch lm --epochs 30 -o lm.gguf data.ult\n",
};

typedef struct {
	const char *arch, *output, *query, *block, *positions, *ffn, *features, *sequences, *loss, *sampling;
	int64_t dim, layers, heads, kv_heads, max_len, stride, batch, vocabulary, negatives;
	double temperature, calibration, dropout, feature_weight, label_smoothing, mask_rate, recency,
	    holdout;
	bool free_items, keep_seen, time_bias, query_time;
	StringList texts;
	CommonOptions common;
	TrainingOptions training;
} Settings;

static bool is(const char *word, const char *other)
{
	return strcmp(word, other) == 0;
}

/* Options that mean nothing beside what else was chosen. */
static bool check_meaning(const Settings *s, const Option *table, size_t count, Error *e)
{
	bool lm = is(s->arch, "lm"), causal = is(s->arch, "ar") || is(s->arch, "dual");
	const OptionRule rules[] = {
	    {!causal, "recency time-bias query-time", "--arch ar or dual"},
	    {is(s->arch, "dual"), "free-items feature-weight", "--arch ar or bert4rec"},
	    {is(s->block, "hstu"), "ffn", "--block transformer"},
	    {is(s->features, "none"), "feature-weight", "--features that there are"},
	    {is(s->loss, "full"), "negatives sampling", "--loss sampled or gbce"},
	    {!is(s->loss, "full"), "label-smoothing", "--loss full"},
	    {!is(s->loss, "gbce"), "calibration", "--loss gbce"},
	    {!is(s->sequences, "sliding"), "stride", "--sequences sliding"},
	    {!lm, "kv-heads vocab texts query holdout", "--arch lm"},
	    {lm,
	     "dropout features feature-weight label-smoothing keep-seen block ffn positions loss negatives "
	     "sampling calibration temperature free-items mask-rate sequences",
	     "--arch ar, dual or bert4rec"},
	};
	return options_check(table, count, rules, sizeof rules / sizeof *rules, e);
}

/* And numbers that are too much, or too little, for it. */
static bool check_given(const Settings *s, const Option *table, size_t count, Error *e)
{
	if (!check_meaning(s, table, count, e))
		return false;
	if (s->temperature > 0 && s->temperature < 1e-3)
		return fail(e, ERROR_USAGE, "--temperature is 0, or at least 0.001");
	if (s->stride > s->max_len)
		return fail(e, ERROR_USAGE,
		            "--stride is at most --max-len, %lld: events between would be lost",
		            (long long)s->max_len);
	if (is(s->arch, "bert4rec") && s->max_len == 1)
		return fail(e, ERROR_USAGE,
		            "--max-len of bert4rec is at least 2: an event, and a mask after it");
	if (is(s->arch, "lm") && s->layers == 0)
		return fail(e, ERROR_USAGE, "--layers of a language model is at least 1");
	return !is(s->arch, "lm") || s->max_len <= LLM_POSITIONS ||
	       fail(e, ERROR_USAGE, "--max-len of a language model is at most %d", LLM_POSITIONS);
}

/* Defaults that differ between the architectures: what was not given is 0. */
static void set_defaults(Settings *s)
{
	bool lm = is(s->arch, "lm"), dual = is(s->arch, "dual");
	s->dim = s->dim ? s->dim : (lm ? 128 : 64);
	s->layers = s->layers >= 0 ? s->layers : (lm ? 4 : 3);
	s->heads = s->heads ? s->heads : (lm ? 4 : 2);
	s->kv_heads = s->kv_heads ? s->kv_heads : (lm && s->heads % 2 == 0 ? s->heads / 2 : s->heads);
	s->max_len = s->max_len ? s->max_len : (lm ? 256 : 200);
	s->loss = s->loss ? s->loss : (dual ? "sampled" : "full");
	s->sampling = s->sampling ? s->sampling : (dual ? "batch" : "uniform");
	s->negatives = s->negatives ? s->negatives : 512;
	s->temperature = s->temperature >= 0 ? s->temperature : (dual ? 0.05 : 0);
	s->feature_weight = dual ? 0 : s->feature_weight;
	s->positions = s->positions ? s->positions : (is(s->block, "hstu") ? "bias" : "rotary");
	s->stride = s->stride ? s->stride : (s->max_len + 1) / 2;
	if (s->mask_rate < 0)
		s->mask_rate = is(s->arch, "bert4rec") ? 0.2 : 0;
	s->batch = s->batch ? s->batch : (lm ? 64 : 32);
	s->training.lr = s->training.lr > 0 ? s->training.lr : 0.003;
	s->training.epochs = s->training.epochs > 0 ? s->training.epochs : (lm ? 40 : 60);
}

static bool pretrain_encoder(const Settings *s, DatasetReader *reader, const Users *users,
                             const Provenance *provenance, Error *e)
{
	const Dataset *data = dataset_of(reader);
	uint64_t seed = (uint64_t)s->common.seed;
	EncoderShape shape = {
	    .arch = (EncoderArch)word_number(ENCODER_ARCHS, s->arch),
	    .dim = (size_t)s->dim,
	    .layers = (size_t)s->layers,
	    .heads = (size_t)s->heads,
	    .max_len = (size_t)s->max_len,
	    .dropout = s->dropout,
	    .block = (EncoderBlock)word_number(ENCODER_BLOCKS, s->block),
	    .ffn = (EncoderFfn)word_number(ENCODER_FFNS, s->ffn),
	    .positions = (EncoderPositions)word_number(ENCODER_POSITIONS, s->positions),
	    .times = s->query_time ? TIMES_QUERY : (s->time_bias ? TIMES_HISTORY : TIMES_NONE),
	    .temperature = s->temperature,
	    .free_items = s->free_items,
	};
	Dataset catalogue;
	Encoder *encoder =
	    dataset_view(&catalogue, data, s->features, e) ? encoder_new(&shape, &catalogue, seed, e) : NULL;
	PretrainingOptions options = {
	    .batch = (size_t)s->batch,
	    .feature_weight = s->feature_weight,
	    .label_smoothing = s->label_smoothing,
	    .sequences = (Sequences)word_number(SEQUENCES, s->sequences),
	    .stride = (size_t)s->stride,
	    .mask_rate = s->mask_rate,
	    .loss = (ItemLossKind)word_number(ITEM_LOSSES, s->loss),
	    .negatives = (size_t)s->negatives,
	    .sampling = (NegativeSampling)word_number(NEGATIVE_SAMPLINGS, s->sampling),
	    .calibration = s->calibration,
	    .recency = s->recency,
	    .keep_seen = s->keep_seen,
	    .seed = seed,
	};
	Pretraining *training = encoder ? pretraining_new(encoder, data, users, &options, e) : NULL;
	bool done = training != NULL;
	if (done) {
		Trainee trainee = pretraining_trainee(training);
		if (!s->common.quiet)
			tool_say(&tool, "%zu users, %zu events, %zu items, %zu weights", users->count,
			         data->events, data->items.strings.count - ID_FIRST,
			         parameters_count(&encoder->parameters, true));
		done = training_run(&s->training, &trainee, "events", e) &&
		       encoder_save(encoder, s->output, provenance, e);
	}
	pretraining_free(training);
	encoder_free(encoder);
	memory_free(catalogue.features);
	return done;
}

/* A tokenizer learnt from the texts, and a model around it. */
static Llm *new_lm(const Settings *s, const Strings *texts, Error *e)
{
	TokenizerModel model = {0};
	Tokenizer *tokenizer =
	    tokenizer_learn(texts, (size_t)s->vocabulary, &model, e) ? tokenizer_new(&model, e) : NULL;
	if (tokenizer == NULL)
		return NULL;
	size_t C = (size_t)s->dim, heads = (size_t)s->heads;
	LlmShape shape = {.architecture = llm_architecture("llama"),
	                  .layer = {.C = C,
	                            .heads = heads,
	                            .kv_heads = (size_t)s->kv_heads,
	                            .D = C / heads,
	                            .F = (8 * C / 3 + 31) / 32 * 32,
	                            .eps = 1e-5f},
	                  .turned = C / heads,
	                  .layers = (size_t)s->layers,
	                  .V = tokenizer_size(tokenizer),
	                  .context = (size_t)s->max_len,
	                  .rope_base = 10000,
	                  .rope_scaling = 1,
	                  .tied = true};
	if (C % heads != 0 || shape.layer.D % 2 != 0 || heads % shape.layer.kv_heads != 0) {
		tokenizer_free(tokenizer);
		fail(e, ERROR_USAGE,
		     "a width of %zu cannot be cut into %zu heads of even width over %zu key heads", C, heads,
		     shape.layer.kv_heads);
		return NULL;
	}
	return llm_new(&shape, tokenizer, (uint64_t)s->common.seed, e);
}

static bool read_texts(const StringList *files, Strings *texts, uint64_t *hashes, Error *e)
{
	for (size_t i = 0; i < files->count; i++)
		if (!corpus_read(files->items[i], texts, &hashes[i], e))
			return false;
	return true;
}

/* The hashes become those of --texts. */
static bool pretrain_lm(const Settings *s, DatasetReader *reader, const Users *users, uint64_t *hashes,
                        Error *e)
{
	Strings texts = {0};
	Llm *llm = NULL;
	LlmPretraining *training = NULL;
	bool done = dataset_texts(dataset_of(reader), users, s->query, &texts, e) &&
	            read_texts(&s->texts, &texts, hashes, e) && (llm = new_lm(s, &texts, e)) != NULL &&
	            (training = llm_pretraining_new(llm, &texts, (size_t)s->batch, s->holdout,
	                                            (uint64_t)s->common.seed, e)) != NULL;
	if (done) {
		Trainee trainee = llm_pretraining_trainee(training);
		if (!s->common.quiet)
			tool_say(&tool, "%zu texts, %zu tokens in the vocabulary, %zu weights", texts.count,
			         llm->shape.V, parameters_count(&llm->parameters, true));
		done = training_run(&s->training, &trainee, "tokens", e) &&
		       llm_save(llm, "ul-pretrain", s->output, e);
	}
	llm_pretraining_free(training);
	llm_free(llm);
	strings_free(&texts);
	return done;
}

/* The dataset, and behind it the files of --texts, whose hashes are known once they are read. */
static void set_inputs(const Settings *s, DatasetReader *reader, Provenance *p, const char **names,
                       uint64_t *hashes)
{
	names[0] = stream_name(dataset_stream(reader));
	hashes[0] = stream_hash(dataset_stream(reader));
	for (size_t i = 0; i < s->texts.count; i++)
		names[i + 1] = s->texts.items[i];
	p->inputs = names;
	p->input_hashes = hashes;
	p->input_count = 1 + s->texts.count;
}

static bool pretrain(const Settings *s, const char *path, Provenance *provenance, Error *e)
{
	Users *users = NULL;
	const char **names = memory_new(1 + s->texts.count, sizeof *names, e);
	uint64_t *hashes = memory_new(1 + s->texts.count, sizeof *hashes, e);
	bool done = names != NULL && hashes != NULL && training_files(&s->training, s->output, path, e);
	DatasetReader *reader = done ? dataset_open(path, e) : NULL;
	done = reader != NULL && dataset_all(reader, &users, e);
	if (done) {
		set_inputs(s, reader, provenance, names, hashes);
		done = is(s->arch, "lm") ? pretrain_lm(s, reader, users, hashes + 1, e)
		                         : pretrain_encoder(s, reader, users, provenance, e);
	}
	if (users != NULL)
		users_free(users);
	memory_free(users);
	dataset_close(reader);
	memory_free(names);
	memory_free(hashes);
	return done;
}

int main(int argc, char **argv)
{
	Settings s = {.arch = "ar",
	              .ffn = "swiglu",
	              .sequences = "cut",
	              .features = "all",
	              .query = TASK_QUERY,
	              .block = "transformer",
	              .layers = -1,
	              .temperature = -1,
	              .calibration = 0.75,
	              .dropout = 0.2,
	              .feature_weight = 0.1,
	              .mask_rate = -1,
	              .vocabulary = 2048,
	              .training = {.steps = -1, .decay = 0.01, .patience = 10}};
	const Option own[] = {
	    {"output", 'o', OPTION_STRING, &s.output, "FILE", "write the model to FILE", .incidental = true,
	     .written = true},
	    {"arch", 0, OPTION_CHOICE, &s.arch, ENCODER_ARCHS "|lm",
	     "user encoder that predicts the next event (default), the same with a tower for items, or "
	     "masked "
	     "events; or language model"},
	    {"dim", 0, OPTION_INTEGER, &s.dim, "N", "width (default 64; lm: 128)", 2, 65536},
	    {"layers", 0, OPTION_INTEGER, &s.layers, "N", "Transformer blocks (default 3; lm: 4)", 0, 1024},
	    {"heads", 0, OPTION_INTEGER, &s.heads, "N", "attention heads (default 2; lm: 4)", 1, 1024},
	    {"block", 0, OPTION_CHOICE, &s.block, ENCODER_BLOCKS,
	     "encoders: what the blocks are made of (default transformer)"},
	    {"positions", 0, OPTION_CHOICE, &s.positions, ENCODER_POSITIONS,
	     "encoders: how they know places (default rotary; hstu: bias)"},
	    {"time-bias", 0, OPTION_FLAG, &s.time_bias, NULL,
	     "ar, dual: attention learns what the times between events mean"},
	    {"query-time", 0, OPTION_FLAG, &s.query_time, NULL,
	     "ar, dual: the same, and the time of the event to be predicted is known: a league of its own"},
	    {"max-len", 0, OPTION_INTEGER, &s.max_len, "N",
	     "events of a history that are read, the last ones (default 200); lm: context in tokens (256)", 1,
	     ENCODER_MAX_LEN},
	    {"batch", 0, OPTION_INTEGER, &s.batch, "N", "histories a step (default 32); lm: texts (64)", 1,
	     1e6},
	    {"ffn", 0, OPTION_CHOICE, &s.ffn, ENCODER_FFNS,
	     "encoders: feed-forward layers, with a gate (default) or without one"},
	    {"dropout", 0, OPTION_REAL, &s.dropout, "X",
	     "encoders: share of activations dropped (default 0.2)", 0, 0.9},
	    {"features", 0, OPTION_STRING, &s.features, "NAME,...|all|none",
	     "encoders: features of the dataset to read and to predict (default all)"},
	    {"feature-weight", 0, OPTION_REAL, &s.feature_weight, "X",
	     "encoders: weight of each feature's loss beside the item's 1 (default 0.1)", 0, 100},
	    {"loss", 0, OPTION_CHOICE, &s.loss, ITEM_LOSSES,
	     "encoders: softmax over all items (default) or over sampled ones (default of dual), or gBCE"},
	    {"negatives", 0, OPTION_INTEGER, &s.negatives, "N",
	     "sampled losses: negatives that some hundred targets share (default 512)", 1, 1e6},
	    {"sampling", 0, OPTION_CHOICE, &s.sampling, NEGATIVE_SAMPLINGS,
	     "what is drawn as negatives (default uniform; dual: batch, targets of the step)"},
	    {"calibration", 0, OPTION_REAL, &s.calibration, "T",
	     "gbce: 0 as BCE, 1 as the full softmax (default 0.75)", 0, 1},
	    {"temperature", 0, OPTION_REAL, &s.temperature, "X",
	     "encoders: cosine logits over X; 0: products (default 0; dual: 0.05)", 0, 1000},
	    {"free-items", 0, OPTION_FLAG, &s.free_items, NULL,
	     "encoders: items have another embedding as outputs than as inputs"},
	    {"label-smoothing", 0, OPTION_REAL, &s.label_smoothing, "X",
	     "encoders: share of each target that is spread over all items (default 0)", 0, 0.9},
	    {"mask-rate", 0, OPTION_REAL, &s.mask_rate, "X",
	     "encoders: share of events masked in training (default 0; bert4rec: 0.2)", 0, 1},
	    {"sequences", 0, OPTION_CHOICE, &s.sequences, SEQUENCES,
	     "encoders: histories longer than --max-len are cut into pieces (default), are the last events "
	     "alone, or windows"},
	    {"stride", 0, OPTION_INTEGER, &s.stride, "N",
	     "events from window to window (default: half of --max-len)", 1, ENCODER_MAX_LEN},
	    {"recency", 0, OPTION_REAL, &s.recency, "N",
	     "ar, dual: the chance of a target to count halves with every N events of age (default 0: all "
	     "count)",
	     0, 1e9},
	    {"keep-seen", 0, OPTION_FLAG, &s.keep_seen, NULL,
	     "encoders: validation also ranks items that the user has had, for data with repeats"},
	    {"kv-heads", 0, OPTION_INTEGER, &s.kv_heads, "N", "lm: heads of keys and values (default: half)",
	     1, 1024},
	    {"vocab", 0, OPTION_INTEGER, &s.vocabulary, "N", "lm: tokens to learn at most (default 2048)",
	     257, 1e6},
	    {"texts", 0, OPTION_LIST, &s.texts, "FILE",
	     "lm: learn from these texts, too: lines, or of *.json and *.jsonl JSON strings (may be given "
	     "again; -: standard input)",
	     .input = true},
	    {"query", 0, OPTION_STRING, &s.query, "TEXT",
	     "lm: what an item's name is to follow (default '" TASK_QUERY "')"},
	    {"holdout", 0, OPTION_REAL, &s.holdout, "X",
	     "lm: share of the texts kept for validation (default 0: evaluated on training texts)", 0, 0.9},
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
	set_defaults(&s);
	done = done && check_given(&s, table, count, &e) &&
	       tool_check_standard_input(table, count, &operands, true, &e) &&
	       pretrain(&s, tool_operand(&tool, &operands), &provenance, &e);
	buffer_free(&record);
	string_list_free(&operands);
	string_list_free(&s.texts);
	return training_finish(&s.training, &tool, done, &e);
}
