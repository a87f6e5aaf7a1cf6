/* ul-embed: encoder and dataset in, user embeddings out, chunk by chunk. */
#include "math/gemm.h"
#include "stream/row_writer.h"
#include "tool.h"
#include "user/encoder.h"

#include <stdio.h>
#include <string.h>

static const Tool tool = {
    .name = "ul-embed",
    .synopsis = "[OPTION]... -m ENCODER [DATA]",
    .summary =
        "Writes the embeddings of the users of a dataset, as an encoder sees them after all their events.",
    .examples = "  ul-embed -m encoder.ult --pool last --format npy -o users.npy data.ult\n"
                "  ul-prep ratings.csv | ul-embed -m encoder.ult --format csv | head\n",
};

typedef struct {
	const char *model, *output, *pool, *format, *dtype, *shard;
	CommonOptions common;
} Settings;

typedef struct {
	size_t index, of; /* shard I of N, I from 1 */
} Shard;

typedef struct {
	const Translation *translation;
	const Users *users;
	size_t *which; /* users of the shard, in this chunk */
	size_t count;
	const char *pool;
	float **rows; /* by user */
	size_t *row_counts;
	Error errors[LANES];
} Work;

/* The rows of one user: each event's, the last, or their mean. */
static bool pool_rows(const Work *w, const Tensor *h, size_t i, Error *e)
{
	size_t d = h->cols, T = h->rows;
	const float *value = h->value;
	w->row_counts[i] = strcmp(w->pool, "none") == 0 ? T : 1;
	float *out = w->rows[i] = memory_new(w->row_counts[i] * d, sizeof *out, e);
	if (out == NULL)
		return false;
	if (strcmp(w->pool, "none") == 0)
		memcpy(out, value, T * d * sizeof *out);
	else if (strcmp(w->pool, "last") == 0 && T > 0)
		memcpy(out, value + (T - 1) * d, d * sizeof *out);
	else
		for (size_t t = 0; t < T; t++)
			for (size_t c = 0; c < d; c++)
				out[c] += value[t * d + c] / (float)T;
	return true;
}

/* One history a pass: a user's numbers must not depend on who else is in the data. */
static bool embed_user(const Work *w, Tape *t, size_t i, Error *e)
{
	EventBatch batch;
	const Users *users = w->users;
	size_t user = w->which[i];
	Segment history = {(size_t)users->offsets[user], (size_t)users->offsets[user + 1], false};
	tape_reset(t, false, 0);
	if (!batch_new(&batch, w->translation, users, &history, 1, &t->arena, e))
		return false;
	const Tensor *h = encoder_forward(t, w->translation->encoder, &batch);
	if (h != NULL)
		return pool_rows(w, h, i, e);
	*e = t->error;
	return false;
}

static void embed_lane(void *context, size_t lane)
{
	Work *w = context;
	Tape t = {0};
	for (size_t i = lane; i < w->count; i += LANES)
		if (!embed_user(w, &t, i, &w->errors[lane]))
			break;
	tape_free(&t);
}

static bool write_rows(Work *w, RowWriter *writer, Error *e)
{
	bool done = true;
	for (size_t lane = 0; lane < LANES && done; lane++)
		if (w->errors[lane].code != ERROR_NONE) {
			*e = w->errors[lane];
			done = false;
		}
	for (size_t i = 0; i < w->count; i++) {
		done = done && row_write(writer, strings_at(&w->users->ids, w->which[i]), w->rows[i],
		                         w->row_counts[i], e);
		memory_free(w->rows[i]);
	}
	return done;
}

/* One chunk of users; `seen` users came before it. */
static bool embed_chunk(const Settings *s, const Translation *t, const Users *users, Shard shard, size_t seen,
                        Pool *pool, RowWriter *writer, Error *e)
{
	Work w = {.translation = t, .users = users, .pool = s->pool};
	w.which = memory_new(users->count, sizeof *w.which, e);
	w.rows = memory_new(users->count, sizeof(float *), e);
	w.row_counts = memory_new(users->count, sizeof *w.row_counts, e);
	bool done = w.which != NULL && w.rows != NULL && w.row_counts != NULL;
	for (size_t user = 0; done && user < users->count; user++)
		if ((seen + user) % shard.of == shard.index - 1)
			w.which[w.count++] = user;
	if (done) {
		pool_run(pool, LANES, embed_lane, &w);
		done = write_rows(&w, writer, e);
	}
	memory_free(w.which);
	memory_free(w.rows);
	memory_free(w.row_counts);
	return done;
}

static bool embed_all(const Settings *s, DatasetReader *reader, const Translation *t, Shard shard, Pool *pool,
                      RowWriter *writer, Error *e)
{
	size_t seen = 0, total = dataset_of(reader)->users;
	for (;;) {
		Users *users = NULL;
		if (!dataset_next(reader, &users, e))
			return false;
		if (users == NULL)
			break;
		bool done = embed_chunk(s, t, users, shard, seen, pool, writer, e);
		seen += users->count;
		users_free(users);
		memory_free(users);
		if (!done)
			return false;
		if (!s->common.quiet)
			tool_progress(&tool, seen == total, "%zu of %zu users", seen, total);
	}
	return true;
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

static bool describe(const Settings *s, const Dataset *data, const Encoder *m, uint64_t hash, Shard shard,
                     Provenance *provenance, Document *first, Error *e)
{
	Dtype dtype;
	size_t users = data->users / shard.of + (data->users % shard.of >= shard.index);
	if (!embeddings_dtype(s->dtype, &dtype))
		return fail(e, ERROR_USAGE, "--dtype is one of f32, f16, bf16, i8, not '%s'", s->dtype);
	Embeddings what = {m->shape.dim, users, dtype, s->pool};
	provenance->inputs = (const char *[]){s->model};
	provenance->input_hashes = &hash;
	provenance->input_count = 1;
	return document_stamp(first, "embeddings", provenance, e) && embeddings_set(&what, first, e);
}

static bool embed(const Settings *s, const char *path, Provenance *provenance, Error *e)
{
	Shard shard;
	uint64_t hash = 0;
	Translation translation = {0};
	if (!parse_shard(s->shard, &shard, e))
		return false;
	if (s->model == NULL)
		return fail(e, ERROR_USAGE, "which encoder? -m ENCODER is missing");
	Encoder *encoder = encoder_load(s->model, &hash, e);
	DatasetReader *reader = encoder ? dataset_open(path, e) : NULL;
	Document *first = reader ? document_new(e) : NULL;
	RowWriter *writer = NULL;
	Pool *pool = first ? pool_new((size_t)s->common.threads, e) : NULL;
	bool done = pool != NULL && translation_new(&translation, encoder, dataset_of(reader), e) &&
	            tool_check_data(&tool, &translation, s->common.quiet, e) &&
	            describe(s, dataset_of(reader), encoder, hash, shard, provenance, first, e) &&
	            (writer = row_writer_open(s->output, s->format, first, e)) != NULL &&
	            embed_all(s, reader, &translation, shard, pool, writer, e);
	if (done)
		done = row_writer_close(writer, e);
	else
		row_writer_abort(writer);
	if (translation.encoder != NULL)
		translation_free(&translation);
	pool_free(pool);
	document_free(first);
	dataset_close(reader);
	encoder_free(encoder);
	return done;
}

int main(int argc, char **argv)
{
	Settings s = {.pool = "none", .format = "ult", .dtype = "f32"};
	Option table[] = {
	    [COMMON_OPTIONS] = {"model", 'm', OPTION_STRING, &s.model, "ENCODER", "the user encoder"},
	    {"output", 'o', OPTION_STRING, &s.output, "FILE", "write to FILE, not standard output",
	     .incidental = true},
	    {"pool", 0, OPTION_CHOICE, &s.pool, "none|last|mean",
	     "a row for each event (default), the last event's, or their mean"},
	    {"format", 0, OPTION_CHOICE, &s.format, ROW_FORMATS, "of the output (default ult)"},
	    {"dtype", 0, OPTION_CHOICE, &s.dtype, "f32|f16|bf16|i8",
	     "of the numbers (default f32); i8 has a scale for each row"},
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
	bool done = e.code == ERROR_NONE && embed(&s, tool_operand(&tool, &operands), &provenance, &e);
	buffer_free(&record);
	string_list_free(&operands);
	return tool_finish(&tool, done, &e);
}
