/* ul-embed: encoder and dataset in, user embeddings out, chunk by chunk; or the encoder's items;
 * or new events, on what a state has of their users. */
#include "base/path.h"
#include "math/gemm.h"
#include "stream/output.h"
#include "stream/row_writer.h"
#include "tool.h"
#include "user/adapter.h"
#include "user/items.h"
#include "user/update.h"

#include <stdio.h>
#include <string.h>

static const Tool tool = {
    .name = "ul-embed",
    .synopsis = "[OPTION]... -m ENCODER [-a ADAPTER] [--items | DATA]",
    .summary =
        "Writes the embeddings of the users of a dataset, as an encoder sees them after all their events,\n"
        "or the latents that an adapter makes of these; or the embeddings of the items that the encoder\n"
        "knows; with --state, after new events on what was there.",
    .examples =
        "  ul-embed -m encoder.ult --pool last --format npy -o users.npy data.ult\n"
        "  ul-prep ratings.csv | ul-embed -m encoder.ult --format csv | head\n"
        "  ul-embed -m encoder.ult -a adapter.ult --dtype f16 -o users.ult data.ult\n"
        "  ul-embed -m encoder.ult --items --format csv -o items.csv\n"
        "  ul-prep today.csv | ul-embed -m encoder.ult --state users.state --pool last -o today.ult\n",
};

typedef struct {
	const char *model, *adapter, *output, *pool, *split, *format, *dtype, *shard, *precision_name, *state,
	    *cache;
	GemmPrecision precision;
	Part part;
	bool items;
	CommonOptions common;
} Settings;

typedef struct {
	Encoder *encoder;
	uint64_t hash;
	Perceiver perceiver; /* of the adapter; without one there are no latents */
	Parameters parameters;
	uint64_t adapter;
} Models;

typedef struct {
	size_t index, of; /* shard I of N, I from 1 */
} Shard;

/* Users are embedded group by group; while one group is computed, the one before it is written. */
enum { GROUP = 32 * LANES };

/* Of the users at hand, number first … first + count. */
typedef struct {
	size_t first, count;
	float *rows[GROUP];
	size_t row_counts[GROUP];
	Arena arenas[LANES]; /* behind the rows */
} Group;

typedef struct {
	const Settings *settings;
	const Models *models;
	const Translation *translation;
	Pool *threads;
	RowWriter *writer;
	const Users *users;
	size_t *which; /* users of the shard, in this chunk */
	Group groups[2], *computed, *written;
	Tape tapes[LANES];
	Error errors[1 + LANES];
} Work;

/* The rows of one user: all, those of each event or latents; the last; or their mean. */
static bool pool_rows(const char *pool, const Tensor *h, float **rows, size_t *count, Arena *arena, Error *e)
{
	size_t d = h->cols, T = h->rows;
	bool all = strcmp(pool, "none") == 0 || strcmp(pool, "latents") == 0,
	     last = strcmp(pool, "last") == 0 && T > 0;
	*count = all ? T : 1;
	float *out = *rows = arena_new(arena, *count * d, sizeof *out, e);
	if (out == NULL)
		return false;
	if (all || last) {
		memcpy(out, h->value + (T - *count) * d, *count * d * sizeof *out);
		return true;
	}
	for (size_t c = 0; c < d; c++) { /* in double, as a state adds up */
		double sum = 0;
		for (size_t t = 0; t < T; t++)
			sum += (double)h->value[t * d + c];
		out[c] = T > 0 ? (float)(sum / (double)T) : 0;
	}
	return true;
}

/* The events before the one that is asked for; all of them where there is no such event. */
static Segment history_of(const Work *w, size_t user)
{
	Query q;
	Segment all = {(size_t)w->users->offsets[user], (size_t)w->users->offsets[user + 1], false};
	return query_of(w->translation->data, w->users, user, w->settings->part, &q) ? q.history : all;
}

/* What the encoder, and where there is an adapter its Perceiver, make of a user. */
static const Tensor *compute_user(const Models *m, Tape *t, const EventBatch *batch)
{
	const size_t first = 0, known = batch->rows;
	UserTargets whole = {1, &first, &known, batch->positions};
	Tensor *h = encoder_forward(t, m->encoder, batch);
	if (known > 0 || m->perceiver.latents == NULL)
		return perceiver_forward(&m->perceiver, t, h, &whole);
	fail(&t->error, ERROR_USAGE, "a user without events has no latents");
	return NULL;
}

/* One history a pass: a user's numbers must not depend on who else is in the data. */
static bool embed_user(Work *w, size_t i, size_t lane, Error *e)
{
	EventBatch batch;
	Group *g = w->computed;
	Tape *t = &w->tapes[lane];
	const Users *users = w->users;
	size_t user = w->which[g->first + i];
	Segment history = history_of(w, user);
	tape_reset(t, false, 0);
	t->precision = w->settings->precision;
	if (!batch_questions(&batch, w->translation, users, &history, 1, &t->arena, e))
		return false;
	const Tensor *h = compute_user(w->models, t, &batch);
	if (h != NULL)
		return pool_rows(w->settings->pool, h, &g->rows[i], &g->row_counts[i], &g->arenas[lane], e);
	*e = t->error;
	return false;
}

static void write_group(Work *w, Error *e)
{
	const Group *g = w->written;
	for (size_t i = 0; i < g->count; i++)
		if (!row_write(w->writer, strings_at(&w->users->ids, w->which[g->first + i]), g->rows[i],
		               g->row_counts[i], e))
			return;
}

/* Task 0 writes the last group, the others compute a lane of the next one. */
static void run_task(void *context, size_t task)
{
	Work *w = context;
	if (task == 0) {
		write_group(w, &w->errors[0]);
		return;
	}
	size_t lane = task - 1;
	arena_reset(&w->computed->arenas[lane]);
	for (size_t i = lane; i < w->computed->count; i += LANES)
		if (!embed_user(w, i, lane, &w->errors[task]))
			return;
}

static bool run_group(Work *w, Error *e)
{
	pool_run(w->threads, 1 + LANES, run_task, w);
	if (!fail_first(w->errors, 1 + LANES, e))
		return false;
	Group *next = w->written;
	w->written = w->computed;
	w->computed = next;
	return true;
}

/* One chunk of users; `seen` users came before it. */
static bool embed_chunk(Work *w, const Users *users, Shard shard, size_t seen, Error *e)
{
	size_t count = 0;
	w->users = users;
	w->which = memory_new(users->count, sizeof *w->which, e);
	bool done = w->which != NULL;
	for (size_t user = 0; done && user < users->count; user++)
		if ((seen + user) % shard.of == shard.index - 1)
			w->which[count++] = user;
	w->written->count = 0;
	for (size_t first = 0; done && first < count + GROUP; first += GROUP) {
		size_t left =
		    count > first ? count - first : 0; /* 0: one round more, to write the last group */
		w->computed->first = first;
		w->computed->count = left < GROUP ? left : GROUP;
		done = run_group(w, e);
	}
	memory_free(w->which);
	return done;
}

static void work_free(Work *w)
{
	if (w == NULL)
		return;
	for (size_t lane = 0; lane < LANES; lane++) {
		tape_free(&w->tapes[lane]);
		arena_free(&w->groups[0].arenas[lane]);
		arena_free(&w->groups[1].arenas[lane]);
	}
	memory_free(w);
}

static bool embed_users(Work *w, DatasetReader *reader, Shard shard, Error *e)
{
	size_t seen = 0, total = dataset_of(reader)->users;
	for (;;) {
		Users *users = NULL;
		if (!dataset_next(reader, &users, e))
			return false;
		if (users == NULL)
			return true;
		bool done = embed_chunk(w, users, shard, seen, e);
		seen += users->count;
		users_free(users);
		memory_free(users);
		if (!done)
			return false;
		if (!w->settings->common.quiet)
			tool_progress(&tool, seen == total, "%zu of %zu users", seen, total);
	}
}

static bool embed_all(const Settings *s, const Models *m, DatasetReader *reader, const Translation *t,
                      Shard shard, Pool *pool, RowWriter *writer, Error *e)
{
	Work *w = memory_new(1, sizeof *w, e);
	bool done = w != NULL;
	if (done) {
		w->settings = s;
		w->models = m;
		w->translation = t;
		w->threads = pool;
		w->writer = writer;
		w->computed = &w->groups[0];
		w->written = &w->groups[1];
		done = embed_users(w, reader, shard, e);
	}
	work_free(w);
	return done;
}

static bool parse_shard(const char *text, Shard *shard, Error *e)
{
	int used = 0;
	*shard = (Shard){1, 1};
	if (text == NULL)
		return true;
	if (sscanf(text, "%zu/%zu%n", &shard->index, &shard->of, &used) != 2 || text[used] != '\0' ||
	    shard->index < 1 || shard->index > shard->of || strpbrk(text, " +-") != NULL)
		return fail(e, ERROR_USAGE, "--shard takes I/N with 1 <= I <= N, not '%s'", text);
	return true;
}

static bool describe(const Settings *s, Embeddings what, const Provenance *provenance, Document *first,
                     Error *e)
{
	if (!embeddings_dtype(s->dtype, &what.dtype))
		return fail(e, ERROR_USAGE, "--dtype is one of f32, f16, bf16, i8, not '%s'", s->dtype);
	return document_stamp(first, "embeddings", provenance, e) && embeddings_set(&what, first, e);
}

/* What users' rows know: whoever asks for an event that they have seen, or whose time they have been told,
 * is to be told so. */
static bool describe_knowledge(const Settings *s, const Encoder *m, Document *first, Error *e)
{
	return document_set(first, "ul.split", s->split, e) &&
	       (m->shape.times != TIMES_QUERY || document_set(first, "ul.times", "query", e));
}

/* The state before and after new events. */
typedef struct {
	StateReader *before; /* NULL: there is none yet */
	StateWriter *after;
} States;

static bool keeps_keys(const Settings *s)
{
	return strcmp(s->cache, "keys") == 0;
}

static bool open_states(const Settings *s, const StateOwner *owner, const Provenance *provenance, Pool *pool,
                        States *states, Error *e)
{
	if (s->state == NULL)
		return true;
	if (!path_is_missing(s->state) && (states->before = state_open(s->state, owner, e)) == NULL)
		return false;
	return (states->after = state_create(s->state, owner, keeps_keys(s), provenance, pool, e)) != NULL;
}

/* In this order: where writing rows fails, the state is as it was, and the same can be run again. */
static bool close_outputs(RowWriter *writer, States *states, bool done, Error *e)
{
	if (done)
		done = row_writer_close(writer, e);
	else
		row_writer_abort(writer);
	if (done && states->after != NULL)
		done = state_finish(states->after, e);
	else
		state_abort(states->after);
	state_close(states->before);
	return done;
}

static bool write_updated(const Users *users, const UpdatedRows *rows, RowWriter *writer, Error *e)
{
	for (size_t user = 0; user < users->count; user++)
		if (!row_write(writer, strings_at(&users->ids, user), rows->rows[user], rows->counts[user],
		               e))
			return false;
	return true;
}

static bool embed_new(const Settings *s, DatasetReader *reader, const Translation *t, Pool *pool,
                      States *states, RowWriter *writer, Error *e)
{
	Users *users = NULL;
	UpdatedRows rows = {0};
	size_t fresh = 0;
	bool done = dataset_all(reader, &users, e);
	if (done) {
		const Update update = {t->encoder, t, s->precision, s->pool, keeps_keys(s), pool, users};
		done = update_state(&update, states->before, states->after, &rows, &fresh, e) &&
		       write_updated(users, &rows, writer, e);
		if (done && !s->common.quiet)
			tool_say(&tool, "%zu user%s with new events, %zu of them new", users->count,
			         users->count == 1 ? "" : "s", fresh);
		users_free(users);
	}
	updated_rows_free(&rows);
	memory_free(users);
	return done;
}

/* A few new events may well be of new items alone. */
static bool check_data(const Settings *s, const Translation *t, Error *e)
{
	if (s->state != NULL && t->encoder->shape.arch == ENCODER_BERT4REC)
		return fail(e, ERROR_USAGE,
		            "--state needs an encoder of --arch ar or dual: with bert4rec a new event "
		            "changes all rows");
	if (s->state == NULL)
		return tool_check_data(&tool, t, s->common.quiet, e);
	if (!s->common.quiet)
		tool_say_unknown(&tool, t);
	return true;
}

static bool pack(Models *m, GemmPrecision precision, Pool *pool, Error *e)
{
	return parameters_pack(&m->encoder->parameters, precision, false, pool, e) &&
	       parameters_pack(&m->parameters, precision, false, pool, e);
}

static bool embed(const Settings *s, Models *m, const char *path, const Provenance *provenance, Error *e)
{
	Shard shard;
	Encoder *encoder = m->encoder;
	Translation t = {0};
	States states = {0};
	if (!parse_shard(s->shard, &shard, e))
		return false;
	DatasetReader *reader = dataset_open(path, e);
	Document *first = reader && tool_check_part(dataset_of(reader), s->part, e) ? document_new(e) : NULL;
	RowWriter *writer = NULL;
	Pool *pool = first ? pool_new((size_t)s->common.threads, e) : NULL;
	size_t users = reader ? dataset_of(reader)->users : 0;
	Embeddings what = {.dim = encoder->shape.dim,
	                   .users = users / shard.of + (users % shard.of >= shard.index),
	                   .pool = s->pool,
	                   .latents = m->perceiver.shape.latents,
	                   .adapter = m->adapter};
	const StateOwner owner = {encoder, m->hash, s->precision};
	bool done = pool != NULL && translation_new(&t, encoder, dataset_of(reader), e) &&
	            check_data(s, &t, e) && describe(s, what, provenance, first, e) &&
	            describe_knowledge(s, encoder, first, e) &&
	            open_states(s, &owner, provenance, pool, &states, e) &&
	            (writer = row_writer_open(s->output, s->format, first, e)) != NULL &&
	            pack(m, s->precision, pool, e) &&
	            (s->state ? embed_new(s, reader, &t, pool, &states, writer, e)
	                      : embed_all(s, m, reader, &t, shard, pool, writer, e));
	done = close_outputs(writer, &states, done, e);
	if (t.encoder != NULL)
		translation_free(&t);
	pool_free(pool);
	document_free(first);
	dataset_close(reader);
	return done;
}

/* `titles` is empty where the catalogue has none. */
static bool write_items(const Encoder *m, const ItemVectors *vectors, const Strings *titles,
                        RowWriter *writer, Error *e)
{
	const Strings *ids = &m->catalogue->items.strings;
	for (size_t id = ID_FIRST; id < ids->count; id++) {
		if (titles->count > 0)
			row_title(writer, strings_at(titles, id));
		if (!row_write(writer, strings_at(ids, id), vectors->values + id * vectors->dim, 1, e))
			return false;
	}
	return true;
}

static bool embed_items(const Settings *s, Encoder *m, const Provenance *provenance, Error *e)
{
	Strings titles = {0};
	ItemVectors vectors = {0};
	Document *first = document_new(e);
	Pool *pool = first ? pool_new((size_t)s->common.threads, e) : NULL;
	RowWriter *writer = NULL;
	Embeddings what = {.dim = m->shape.dim,
	                   .users = m->catalogue->items.strings.count - ID_FIRST,
	                   .pool = "item",
	                   .titled = items_have_titles(m->catalogue)};
	bool done = pool != NULL && describe(s, what, provenance, first, e) &&
	            item_vectors_new(&vectors, m, GEMM_F32, pool, e) &&
	            (!what.titled || item_names(m->catalogue, &titles, e)) &&
	            (writer = row_writer_open(s->output, s->format, first, e)) != NULL &&
	            write_items(m, &vectors, &titles, writer, e);
	done = close_outputs(writer, &(States){0}, done, e);
	strings_free(&titles);
	item_vectors_free(&vectors);
	pool_free(pool);
	document_free(first);
	return done;
}

/* What was given and means nothing to what is asked. */
static bool check(const Settings *s, const Option *table, size_t count, const char *path, Error *e)
{
	const OptionRule rules[] = {
	    {s->state != NULL, "items shard split", "no --state"},
	    {s->state == NULL, "cache", "--state"},
	    {s->adapter != NULL, "pool items state", "the encoder's own rows, not with -a"},
	    {s->items, "pool split precision shard", "users, not with --items"},
	};
	if (s->model == NULL)
		return fail(e, ERROR_USAGE, "which encoder? -m ENCODER is missing");
	if (!options_check(table, count, rules, sizeof rules / sizeof *rules, e))
		return false;
	if (s->state != NULL && strcmp(s->state, "-") == 0)
		return fail(e, ERROR_USAGE, "--state is a file, which is read and replaced, not '-'");
	if (!s->items)
		return output_differs(s->output, path, e) && output_differs(s->state, path, e);
	return path == NULL ||
	       fail(e, ERROR_USAGE, "'%s' is not read: --items are those of the encoder", path);
}

static bool open_models(const Settings *s, Models *m, Error *e)
{
	return (m->encoder = encoder_load(s->model, &m->hash, e)) != NULL &&
	       (s->adapter == NULL || adapter_load_perceiver(s->adapter, m->encoder, m->hash, &m->perceiver,
	                                                     &m->parameters, &m->adapter, e));
}

static bool run(const Settings *s, const char *path, Provenance provenance, Error *e)
{
	Models m = {0};
	bool done = open_models(s, &m, e);
	provenance.inputs = (const char *[]){s->model, s->adapter};
	provenance.input_hashes = (uint64_t[]){m.hash, m.adapter};
	provenance.input_count = s->adapter ? 2 : 1;
	done = done &&
	       (s->items ? embed_items(s, m.encoder, &provenance, e) : embed(s, &m, path, &provenance, e));
	perceiver_free(&m.perceiver);
	parameters_free(&m.parameters);
	encoder_free(m.encoder);
	return done;
}

int main(int argc, char **argv)
{
	Settings s = {.pool = "none",
	              .split = "all",
	              .format = "ult",
	              .dtype = "f32",
	              .precision_name = "f32",
	              .cache = "none"};
	Option table[] = {
	    [COMMON_OPTIONS] = {"model", 'm', OPTION_STRING, &s.model, "ENCODER", "the user encoder",
	                        .input = true},
	    {"adapter", 'a', OPTION_STRING, &s.adapter, "ADAPTER",
	     "write the latents of its Perceiver, which ul-gen --embeddings takes in the encoder's place",
	     .input = true},
	    {"output", 'o', OPTION_STRING, &s.output, "FILE", "write to FILE, not standard output",
	     .incidental = true, .written = true},
	    {"pool", 0, OPTION_CHOICE, &s.pool, "none|last|mean",
	     "a row for each event (default), the last event's, or their mean"},
	    {"split", 0, OPTION_CHOICE, &s.split, "test|val|train|all",
	     "users as of the event that ul-gen asks for, before it; all: after all events (default)"},
	    {"format", 0, OPTION_CHOICE, &s.format, ROW_FORMATS, "of the output (default ult)"},
	    {"dtype", 0, OPTION_CHOICE, &s.dtype, "f32|f16|bf16|i8",
	     "of the numbers (default f32); i8 has a scale for each row"},
	    {"precision", 0, OPTION_CHOICE, &s.precision_name, GEMM_PRECISIONS,
	     "of the products (default f32); bf16 is faster where the CPU multiplies it"},
	    {"items", 0, OPTION_FLAG, &s.items, NULL,
	     "instead of users: a row for each item, with its title; reads no DATA"},
	    {"state", 0, OPTION_STRING, &s.state, "FILE",
	     "DATA has new events alone: put them behind what FILE has of their users, and keep it there",
	     .written = true},
	    {"cache", 0, OPTION_CHOICE, &s.cache, "none|keys",
	     "keep keys and values in the state: pays for wide encoders alone (default none)"},
	    {"shard", 0, OPTION_STRING, &s.shard, "I/N",
	     "only users number I, I+N, I+2N, ... (I from 1); ul-cat --merge joins shards",
	     .incidental = true},
	};
	Error e = {0};
	StringList operands = {0};
	Buffer record = {0};
	size_t count = sizeof table / sizeof *table;
	tool_start(&tool, table, count, &s.common, &operands, argc, argv);
	gemm_start();
	Provenance provenance = tool_provenance(&tool, table, count, &s.common, &operands, &record, &e);
	const char *path = tool_operand(&tool, &operands);
	(void)part_parse(s.split, &s.part); /* one of the words that the option takes */
	bool done = e.code == ERROR_NONE && check(&s, table, count, path, &e) &&
	            tool_check_standard_input(table, count, &operands, !s.items, &e) &&
	            gemm_precision(s.precision_name, &s.precision, &e);
	if (s.adapter != NULL)
		s.pool = "latents";
	done = done && run(&s, path, provenance, &e);
	buffer_free(&record);
	string_list_free(&operands);
	return tool_finish(&tool, done, &e);
}
