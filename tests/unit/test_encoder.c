/* The user encoder: its loss and its way back, what a row may know, packing, its file, translation. */
#include "gradient.h"

#include "nn/optimizer.h"
#include "small_models.h"
#include "user/items.h"
#include "user/loss.h"
#include "user/pretrain.h"

typedef struct {
	Sample sample;
	Encoder *encoder;
	Translation translation;
	Segment histories[3], next[3];
	double feature_weight, losses[8]; /* what encoder_loss() told, by column */
	ItemLoss items;
} Setting;

static Setting *setting_of(const EncoderShape *shape)
{
	static Setting s;
	Error e = {0};
	s = (Setting){.feature_weight = 0.5};
	sample_new(&s.sample, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){6, 4, 9}, 3, 7);
	s.encoder = small_encoder_of(shape, &s.sample.data, 4);
	assert_true(translation_new(&s.translation, s.encoder, &s.sample.data, &e));
	for (size_t u = 0; u < 3; u++) {
		size_t first = (size_t)s.sample.users.offsets[u], end = (size_t)s.sample.users.offsets[u + 1];
		end = end - first > 6 ? first + 6 : end;
		s.histories[u] = (Segment){first, end - 1, true};
		s.next[u] = (Segment){first + 1, end, true};
	}
	return &s;
}

static Setting *setting_new(double dropout)
{
	return setting_of(
	    &(EncoderShape){.dim = 8, .layers = 2, .heads = 2, .max_len = 6, .dropout = dropout});
}

static void setting_free(Setting *s)
{
	translation_free(&s->translation);
	encoder_free(s->encoder);
	sample_free(&s->sample);
}

static Tensor *forward(Tape *t, const Setting *s, const Segment *histories, size_t count, EventBatch *b)
{
	EventBatch own = {0};
	b = b ? b : &own;
	if (!batch_new(b, &s->translation, &s->sample.users, histories, count, &t->arena, &t->error))
		fail_msg("%s", t->error.text);
	Tensor *h = encoder_forward(t, s->encoder, b);
	if (h == NULL)
		fail_msg("%s", t->error.text);
	return h;
}

/* Cross-entropy of column c, in double, from the hidden states. */
static double column_loss(const Encoder *m, const Tensor *h, const EventBatch *targets, size_t c)
{
	const Parameter *table = c == 0 ? m->output : m->tables[c], *head = m->heads[c];
	double loss = 0;
	for (size_t r = 0; r < h->rows; r++) {
		double y[64] = {0}, sum = 0, right = 0;
		int64_t first = targets->offsets[c][r], end = targets->offsets[c][r + 1];
		if (first == end)
			continue;
		for (size_t i = 0; i < table->cols; i++)
			for (size_t k = 0; k < h->cols; k++)
				y[i] += (head ? (double)head->value[i * h->cols + k] : i == k) *
				        (double)h->value[r * h->cols + k];
		for (size_t id = ID_FIRST; id < table->rows; id++) {
			double z = 0;
			for (size_t i = 0; i < table->cols; i++)
				z += y[i] * (double)table->value[id * table->cols + i];
			sum += exp(z);
			for (int64_t k = first; k < end; k++)
				right += (size_t)targets->ids[c][k] + ID_FIRST == id
				             ? z / (double)(end - first)
				             : 0;
		}
		loss += log(sum) - right;
	}
	return loss;
}

static Tensor *build_loss(Tape *t, void *context, double *loss)
{
	Setting *s = context;
	EventBatch targets;
	size_t counted[8] = {0};
	Tensor *h = forward(t, s, s->histories, 3, NULL);
	assert_true(
	    batch_targets(&targets, &s->translation, &s->sample.users, s->next, 3, &t->arena, &t->error));
	memset(s->losses, 0, sizeof s->losses);
	assert_true(
	    encoder_loss(t, s->encoder, h, &targets, 10, s->feature_weight, &s->items, s->losses, counted));
	assert_int_equal(counted[0], h->rows);
	for (size_t c = 0; c < s->encoder->columns; c++) {
		bool plain =
		    s->encoder->tower == NULL && s->encoder->shape.temperature == 0 && !s->items.sampled;
		double by_hand = c > 0 || plain ? column_loss(s->encoder, h, &targets, c) : s->losses[c];
		*loss += (c == 0 ? 1 : s->feature_weight) * by_hand / 10;
		if (c == 0 || s->feature_weight > 0)
			assert_true(fabs(s->losses[c] - by_hand) < 1e-4);
	}
	return NULL;
}

static void test_gradient(void **state)
{
	(void)state;
	Setting *s = setting_new(0.3);
	assert_int_equal(s->encoder->columns, 5);
	gradient_check(&s->encoder->parameters, build_loss, s, 60, 1e-2);
	setting_free(s);
}

/* Other blocks, positions and times. */
static const EncoderShape variants[] = {
    {8, 2, 2, 6, 0, ENCODER_AR, BLOCK_TRANSFORMER, FFN_SWIGLU, POSITIONS_BIAS, TIMES_NONE},
    {8, 2, 2, 6, 0, ENCODER_AR, BLOCK_TRANSFORMER, FFN_SWIGLU, POSITIONS_NONE, TIMES_HISTORY},
    {8, 2, 2, 6, 0, ENCODER_AR, BLOCK_TRANSFORMER, FFN_SWIGLU, POSITIONS_BOTH, TIMES_QUERY},
    {8, 2, 2, 6, 0, ENCODER_AR, BLOCK_HSTU, FFN_SWIGLU, POSITIONS_BIAS, TIMES_NONE},
    {8, 2, 2, 6, 0, ENCODER_AR, BLOCK_HSTU, FFN_SWIGLU, POSITIONS_BOTH, TIMES_QUERY},
    {.dim = 8, .layers = 1, .heads = 2, .max_len = 6, .free_items = true},
    {.dim = 8, .layers = 1, .heads = 2, .max_len = 6, .temperature = 0.2},
    {.dim = 8, .layers = 1, .heads = 2, .max_len = 6, .temperature = 0.2, .free_items = true},
    {.dim = 8, .layers = 1, .heads = 2, .max_len = 6, .temperature = 0.2, .arch = ENCODER_DUAL},
    {.dim = 8, .layers = 1, .heads = 2, .max_len = 6, .arch = ENCODER_DUAL},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

/* With biases that say something, which they do not as they begin. */
static Setting *setting_variant(size_t i)
{
	Setting *s = setting_of(&variants[i]);
	for (size_t k = 0; k < s->encoder->parameters.count; k++) {
		Parameter *p = s->encoder->parameters.items[k];
		for (size_t n = 0; strstr(p->name, "_bias") != NULL && n < p->count; n++)
			p->value[n] = sinf((float)(n + 1));
	}
	return s;
}

static void test_gradient_of_variants(void **state)
{
	(void)state;
	static const int32_t ids[] = {ID_FIRST, ID_FIRST + 4, ID_FIRST + 2};
	static const float log_expected[] = {0.5f, -0.5f, 1};
	for (size_t i = 0; i < 2 * VARIANTS; i++) {
		Setting *s = setting_variant(i / 2);
		s->feature_weight = variants[i / 2].arch == ENCODER_DUAL ? 0 : 0.5;
		s->items = (ItemLoss){.sampled = i % 2,
		                      .terms = {.negatives = 3, .ids = ids, .log_expected = log_expected}};
		gradient_check(&s->encoder->parameters, build_loss, s, 40, 1e-2);
		setting_free(s);
	}
}

/* The embeddings are no leaves of their own: without features in the loss their heads get nothing. */
static void test_feature_weight_zero(void **state)
{
	(void)state;
	Setting *s = setting_new(0);
	Tape t = {0};
	double loss = 0;
	s->feature_weight = 0;
	tape_reset(&t, true, 1);
	build_loss(&t, s, &loss);
	assert_true(tape_backward(&t));
	for (size_t c = 1; c < s->encoder->columns; c++)
		assert_null(s->encoder->heads[c]->gradient[0]);
	assert_non_null(s->encoder->tables[1]->gradient[0]);
	tape_free(&t);
	setting_free(s);
}

/* What is dropped of the input alone, without blocks, differs from key to key. */
static void test_input_dropout(void **state)
{
	(void)state;
	Error e = {0};
	Setting *s = setting_new(0);
	Tape t = {0};
	EncoderShape shape = {.dim = 8, .layers = 0, .heads = 2, .max_len = 6, .dropout = 0.5};
	Encoder *deep = s->encoder;
	float outputs[3][5 * 8];
	s->encoder = encoder_new(&shape, &s->sample.data, 4, &e);
	assert_non_null(s->encoder);
	for (uint64_t key = 0; key < 3; key++) {
		tape_reset(&t, key < 2, key);
		memcpy(outputs[key], forward(&t, s, s->histories, 1, NULL)->value, sizeof outputs[key]);
	}
	assert_memory_not_equal(outputs[0], outputs[1], sizeof outputs[0]);
	assert_memory_not_equal(outputs[0], outputs[2], sizeof outputs[0]);
	tape_free(&t);
	encoder_free(s->encoder);
	s->encoder = deep;
	setting_free(s);
}

static void test_causality(void **state)
{
	(void)state;
	Setting *s = setting_new(0);
	Tape t = {0};
	Segment all = {0, 6, false};
	const Tensor *before = forward(&t, s, &all, 1, NULL);
	int32_t *items = s->sample.users.items, *ratings = s->sample.users.features[0].values;
	for (size_t event = 0; event < 6; event++) {
		int32_t item = items[event], rating = ratings[event];
		items[event] = ID_FIRST + (item - ID_FIRST + 3) % 7;
		ratings[event] = ID_FIRST + (rating - ID_FIRST + 1) % 5;
		const Tensor *after = forward(&t, s, &all, 1, NULL);
		assert_memory_equal(before->value, after->value, event * 8 * sizeof(float));
		for (size_t row = event; row < 6; row++)
			assert_memory_not_equal(before->value + row * 8, after->value + row * 8,
			                        8 * sizeof(float));
		items[event] = item;
		ratings[event] = rating;
	}
	tape_free(&t);
	setting_free(s);
}

/* An event's time is known to the rows from it on, and, where the query's time is, to the one before. */
static void test_causality_of_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < VARIANTS; i++) {
		Setting *s = setting_variant(i);
		Tape t = {0};
		Segment all = {0, 5, true};
		const Tensor *before = forward(&t, s, &all, 1, NULL);
		bool reads = variants[i].times != TIMES_NONE, early = variants[i].times == TIMES_QUERY;
		for (size_t event = 1; event < 6; event++) {
			s->sample.users.times[event] += 500;
			const Tensor *after = forward(&t, s, &all, 1, NULL);
			size_t same = reads ? event - early : 5;
			assert_memory_equal(before->value, after->value, same * 8 * sizeof(float));
			/* The softmax over one key, of row 0, is 1 whatever is added. */
			for (size_t row = same > 0 ? same : 1; row < 5; row++)
				assert_memory_not_equal(before->value + row * 8, after->value + row * 8,
				                        8 * sizeof(float));
			s->sample.users.times[event] -= 500;
		}
		/* Without a target there is no time of one to know. */
		all.has_target = false;
		before = forward(&t, s, &all, 1, NULL);
		s->sample.users.times[5] += 500;
		assert_memory_equal(before->value, forward(&t, s, &all, 1, NULL)->value, 40 * sizeof(float));
		tape_free(&t);
		setting_free(s);
	}
}

/* Every feature says something. */
static void test_features_are_read(void **state)
{
	(void)state;
	Setting *s = setting_new(0);
	Tape t = {0};
	Segment all = {0, 6, false};
	const Tensor *before = forward(&t, s, &all, 1, NULL);
	for (size_t c = 0; c < s->encoder->columns; c++) {
		Parameter *table = s->encoder->tables[c];
		for (size_t i = 0; i < table->count; i++)
			table->value[i] += 0.1f;
		const Tensor *after = forward(&t, s, &all, 1, NULL);
		assert_memory_not_equal(before->value, after->value, 6 * 8 * sizeof(float));
		for (size_t i = 0; i < table->count; i++)
			table->value[i] -= 0.1f;
	}
	tape_free(&t);
	setting_free(s);
}

static void test_packing(void **state)
{
	(void)state;
	Setting *s = setting_new(0);
	Tape t = {0};
	EventBatch b;
	const Tensor *together = forward(&t, s, s->histories, 3, &b);
	assert_int_equal(together->rows, 5 + 3 + 5);
	for (size_t i = 0; i < 3; i++) {
		const Tensor *alone = forward(&t, s, &s->histories[i], 1, NULL);
		assert_int_equal(alone->rows, b.segments[i].queries);
		for (size_t k = 0; k < alone->rows * 8; k++)
			assert_true(fabsf(alone->value[k] - together->value[b.segments[i].query * 8 + k]) <
			            1e-6f);
	}
	tape_free(&t);
	setting_free(s);
}

/* Of a history longer than max_len the last events are read, and stand at positions from 0. */
static void test_long_history(void **state)
{
	(void)state;
	Setting *s = setting_new(0);
	Tape t = {0};
	EventBatch b;
	size_t first = (size_t)s->sample.users.offsets[2];
	Segment nine = {first, first + 9, false}, six = {first + 3, first + 9, false},
	        none = {first, first, false};
	const Tensor *a = forward(&t, s, &nine, 1, &b), *c = forward(&t, s, &six, 1, NULL);
	assert_true(a->rows == 6 && b.positions[0] == 0 && b.positions[5] == 5);
	assert_memory_equal(a->value, c->value, 6 * 8 * sizeof(float));
	assert_int_equal(forward(&t, s, &none, 1, NULL)->rows, 0);
	tape_free(&t);
	setting_free(s);
}

static void score(const Encoder *m, const float *h, float *scores)
{
	Error e = {0};
	ItemVectors items;
	Pool *pool = pool_new(1, &e);
	assert_true(pool != NULL && item_vectors_new(&items, m, GEMM_F32, pool, &e));
	item_scores(&items, GEMM_F32, h, 1, scores);
	item_vectors_free(&items);
	pool_free(pool);
}

static void check_save_and_load(Setting *s)
{
	Error e = {0};
	char path[64], again[64];
	uint64_t hash = 0, second = 0;
	Tape t = {0};
	Translation translation;
	small_path(path);
	small_path(again);
	assert_true(encoder_save(s->encoder, path, SMALL_PROVENANCE, &e));
	Encoder *m = encoder_load(path, &hash, &e);
	assert_non_null(m);
	assert_memory_equal(&m->shape, &s->encoder->shape, sizeof m->shape);
	assert_int_equal(small_hash(&m->parameters), small_hash(&s->encoder->parameters));
	assert_true(translation_new(&translation, m, &s->sample.data, &e));
	Setting loaded = *s;
	loaded.encoder = m;
	loaded.translation = translation;
	const Tensor *a = forward(&t, s, s->histories, 3, NULL),
	             *b = forward(&t, &loaded, s->histories, 3, NULL);
	assert_memory_equal(a->value, b->value, a->rows * 8 * sizeof(float));
	float scores[2][10];
	score(s->encoder, a->value, scores[0]);
	score(m, b->value, scores[1]);
	assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
	assert_true(isinf(scores[0][0]) && isinf(scores[0][ID_MASK]) && isfinite(scores[0][ID_FIRST]));
	assert_true(encoder_save(m, again, SMALL_PROVENANCE, &e));
	Encoder *o = encoder_load(again, &second, &e);
	assert_true(o != NULL && hash == second);
	encoder_free(o);
	translation_free(&translation);
	encoder_free(m);
	tape_free(&t);
	unlink(path);
	unlink(again);
	setting_free(s);
}

static void test_save_and_load(void **state)
{
	(void)state;
	check_save_and_load(setting_new(0.3));
	for (size_t i = 0; i < VARIANTS; i++)
		check_save_and_load(setting_variant(i));
}

/* What loading says of a model with other settings or tensors than it should have. */
static int refusal(const char *key, const char *value, const char *words)
{
	Error e = {0};
	char path[64];
	Setting *s = setting_new(0);
	small_path(path);
	assert_true(encoder_save(s->encoder, path, SMALL_PROVENANCE, &e));
	Document *d = stream_read_one(path, "encoder", NULL, &e);
	assert_true(d != NULL && document_set(d, key, value, &e) && stream_write_one(path, d, &e));
	document_free(d);
	Encoder *m = encoder_load(path, NULL, &e);
	if (m == NULL && strstr(e.text, words) == NULL)
		fail_msg("'%s' does not say '%s'", e.text, words);
	assert_true((m == NULL) == (e.code != ERROR_NONE));
	encoder_free(m);
	unlink(path);
	setting_free(s);
	return e.code;
}

/* An encoder of a time when there was but one kind of block, position and item. */
static void test_older_file(void **state)
{
	(void)state;
	static const char newer[] = "ul.block|ul.ffn|ul.positions|ul.times|ul.temperature|ul.items";
	Error e = {0};
	char path[64];
	const char *key, *value;
	size_t left_out = 0;
	Setting *s = setting_new(0.3);
	small_path(path);
	assert_true(encoder_save(s->encoder, path, SMALL_PROVENANCE, &e));
	Document *d = stream_read_one(path, "encoder", NULL, &e), *older = document_new(&e);
	for (size_t i = 0; i < document_metadata_count(d); i++) {
		document_metadata_at(d, i, &key, &value);
		bool leave = word_number(newer, key) != SIZE_MAX;
		left_out += leave;
		assert_true(leave || document_set(older, key, value, &e));
	}
	assert_int_equal(left_out, 6);
	for (size_t i = 0; i < document_count(d); i++) {
		const DocumentTensor *t = document_at(d, i);
		assert_true(document_add(older, t->name, t->dtype, t->rank, t->shape, t->data, &e));
	}
	assert_true(stream_write_one(path, older, &e));
	Encoder *m = encoder_load(path, NULL, &e);
	assert_non_null(m);
	assert_memory_equal(&m->shape, &s->encoder->shape, sizeof m->shape);
	assert_int_equal(small_hash(&m->parameters), small_hash(&s->encoder->parameters));
	encoder_free(m);
	document_free(older);
	document_free(d);
	unlink(path);
	setting_free(s);
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(refusal("unimportant", "1", ""), ERROR_NONE);
	assert_int_equal(refusal("ul.arch", "cert4rec", "cert4rec"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.block", "convolution", "convolution"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.block", "hstu", "gate"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.positions", "bias", "position_bias"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.times", "query", "time_bias"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.kind", "adapter", "adapter"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.dim", "10", ""), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.dim", "65536", "enc."), ERROR_MALFORMED); /* and takes no room for it */
	assert_int_equal(refusal("ul.dim", "-8", "ul.dim"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.heads", "3", "heads"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.heads", "8", "heads"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.layers", "3", "enc.block.2"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.max_len", "x", "ul.max_len"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.dropout", "1", "ul.dropout"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.ffn", "swiglu", ""), ERROR_NONE);
	assert_int_equal(refusal("ul.ffn", "relu", "relu"), ERROR_MALFORMED);
	assert_int_equal(refusal("ul.version", "99.0", "version"), ERROR_MALFORMED);
}

/* By name and value, whatever their order; what is not known is <unknown>, and no target. */
static void test_translation(void **state)
{
	(void)state;
	Error e = {0};
	Setting *s = setting_new(0);
	Sample other;
	Tape t = {0};
	Translation translation;
	EventBatch b, targets;
	sample_new(&other, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){4}, 1, 9); /* items 7 and 8 are new */
	Feature f = other.data.features[0];
	other.data.features[0] = other.data.features[3];
	other.data.features[3] = f;
	IdLists lists = other.users.features[0];
	other.users.features[0] = other.users.features[3];
	other.users.features[3] = lists;
	for (int i = 0; i < 4; i++)
		other.users.items[i] = ID_FIRST + 5 + i; /* 5 6 7 8 */
	assert_true(translation_new(&translation, s->encoder, &other.data, &e));
	assert_int_equal(translation.features[1], 3); /* rating */
	assert_int_equal(translation.ids[0][ID_FIRST + 6], ID_FIRST + 6);
	assert_int_equal(translation.ids[0][ID_FIRST + 7], ID_UNKNOWN);
	assert_int_equal(translation.ids[0][ID_PADDING], ID_PADDING);
	Segment all = {0, 4, false};
	assert_true(batch_new(&b, &translation, &other.users, &all, 1, &t.arena, &e));
	assert_true(batch_targets(&targets, &translation, &other.users, &all, 1, &t.arena, &e));
	assert_true(b.offsets[0][4] == 4 && b.ids[0][1] == ID_FIRST + 6 && b.ids[0][2] == ID_UNKNOWN);
	assert_true(targets.offsets[0][2] == 2 && targets.offsets[0][4] == 2 && targets.ids[0][1] == 6);
	assert_non_null(encoder_forward(&t, s->encoder, &b));
	translation_free(&translation);
	other.data.features[1].name[0] = 'x'; /* xenre */
	assert_false(translation_new(&translation, s->encoder, &other.data, &e));
	assert_int_equal(e.code, ERROR_USAGE);
	assert_non_null(strstr(e.text, "genre"));
	translation_free(&translation);
	other.data.features[1].name[0] = 'g';
	tape_free(&t);
	sample_free(&other);
	setting_free(s);
}

/* The shards of a step make the gradient of the whole step, however many there are. */
static void test_pretraining_learns(void **state)
{
	(void)state;
	Error e = {0};
	Setting *s = setting_new(0);
	Tape t = {0};
	Pretraining *p =
	    pretraining_new(s->encoder, &s->sample.data, &s->sample.users,
	                    &(PretrainingOptions){.batch = 8, .feature_weight = 0.1, .seed = 1}, &e);
	assert_non_null(p);
	Trainee trainee = pretraining_trainee(p);
	Pool *pool = pool_new(1, &e);
	double first = 0, last = 0, score = -1, norm;
	char words[256];
	for (uint64_t step = 1; step <= 60; step++) {
		size_t steps = 0, targets[8] = {0}, events = 0;
		double loss[8] = {0};
		assert_true(trainee.epoch(trainee.context, step, &steps, &e));
		assert_true(steps == 1 && trainee.step(trainee.context, 0) == 1);
		tape_reset(&t, true, step);
		assert_true(trainee.shard(trainee.context, &t, 0, loss, targets, &events));
		assert_int_equal(targets[0], 3 + 1 + 6); /* training events that follow another */
		last = loss[0] / (double)targets[0];
		first = step == 1 ? last : first;
		assert_true(parameters_step(&s->encoder->parameters, &(OptimizerStep){0.02, 0, 1, step}, pool,
		                            &norm, &e));
	}
	assert_true(first > 1.5 && last < 0.2 && trainee.losses == 5);
	assert_string_equal(trainee.loss_name(trainee.context, 2), s->sample.data.features[1].name);
	assert_true(trainee.evaluate(trainee.context, GEMM_F32, pool, &score, words, sizeof words, &e));
	assert_true(score > 0.6 && strstr(words, "users=3") != NULL); /* the third had its target before */
	/* Weights that are no numbers: it has diverged, which is no failure of the evaluation. */
	s->encoder->tables[0]->value[s->encoder->shape.dim * ID_FIRST] = NAN;
	assert_true(trainee.evaluate(trainee.context, GEMM_F32, pool, &score, words, sizeof words, &e));
	assert_true(isnan(score));
	pool_free(pool);
	pretraining_free(p);
	tape_free(&t);
	setting_free(s);
}

/* Loss of a step's only shard, a training step behind it. */
static double one_step(Setting *s, Trainee *trainee, Tape *t, uint64_t step, Pool *pool)
{
	Error e = {0};
	size_t steps = 0, targets[8] = {0}, events = 0;
	double loss[8] = {0}, norm;
	assert_true(trainee->epoch(trainee->context, step, &steps, &e));
	assert_true(steps == 1 && trainee->step(trainee->context, 0) == 1);
	tape_reset(t, true, step);
	assert_true(trainee->shard(trainee->context, t, 0, loss, targets, &events));
	assert_true(targets[0] >= 3 && targets[0] <= events);
	assert_true(
	    parameters_step(&s->encoder->parameters, &(OptimizerStep){0.01, 0, 1, step}, pool, &norm, &e));
	return loss[0] / (double)targets[0];
}

/* Whatever the architecture and the loss: a fall, and the target among the first. */
static void check_learns(const EncoderShape *shape, const PretrainingOptions *options)
{
	Error e = {0};
	Setting *s = setting_of(shape);
	Tape t = {0};
	Pretraining *p = pretraining_new(s->encoder, &s->sample.data, &s->sample.users, options, &e);
	assert_non_null(p);
	Trainee trainee = pretraining_trainee(p);
	Pool *pool = pool_new(1, &e);
	double first = 0, last = 0, score = -1;
	char words[256];
	for (uint64_t step = 1; step <= 150; step++) {
		last = one_step(s, &trainee, &t, step, pool);
		first = step == 1 ? last : first;
	}
	assert_true(last < first / 2);
	assert_true(trainee.evaluate(trainee.context, GEMM_F32, pool, &score, words, sizeof words, &e));
	assert_true(score > 0.6);
	pool_free(pool);
	pretraining_free(p);
	tape_free(&t);
	setting_free(s);
}

static void test_losses_learn(void **state)
{
	(void)state;
	EncoderShape plain = {.dim = 8, .layers = 1, .heads = 2, .max_len = 6}, dual = plain, cosine = plain;
	dual.arch = ENCODER_DUAL;
	dual.temperature = cosine.temperature = 0.1;
	PretrainingOptions options = {.batch = 8, .negatives = 5, .seed = 1, .calibration = 0.75};
	check_learns(&cosine, &options);
	options.loss = ITEM_LOSS_SAMPLED;
	options.sampling = NEGATIVES_LOG_UNIFORM;
	check_learns(&plain, &options);
	options.sampling = NEGATIVES_BATCH;
	check_learns(&dual, &options);
	options.loss = ITEM_LOSS_GBCE;
	options.sampling = NEGATIVES_UNIFORM;
	check_learns(&plain, &options);
}

static void test_masked_pretraining_learns(void **state)
{
	(void)state;
	Error e = {0};
	Setting *s = setting_new(0);
	s->encoder->shape.arch = ENCODER_BERT4REC;
	Tape t = {0};
	Pretraining *p = pretraining_new(s->encoder, &s->sample.data, &s->sample.users,
	                                 &(PretrainingOptions){.batch = 8, .mask_rate = 0.2, .seed = 1}, &e);
	assert_non_null(p);
	Trainee trainee = pretraining_trainee(p);
	Pool *pool = pool_new(1, &e);
	double first = 0, last = 0;
	for (uint64_t step = 1; step <= 400; step++) {
		double loss = one_step(s, &trainee, &t, step, pool);
		first += step <= 20 ? loss / 20 : 0;
		last += step > 380 ? loss / 20 : 0;
	}
	if (!(first > 1.5 && last < 0.5 * first))
		fail_msg("loss %g, then %g", first, last);
	pool_free(pool);
	pretraining_free(p);
	tape_free(&t);
	setting_free(s);
}

/* A shard of all the training histories, as an epoch has it; returns its mean loss. */
static double one_shard(const Trainee *trainee, Tape *t, size_t epoch, size_t *targets)
{
	Error e = {0};
	size_t steps, counted[8] = {0}, events = 0;
	double loss[8] = {0};
	assert_true(trainee->epoch(trainee->context, epoch, &steps, &e));
	assert_true(steps == 1 && trainee->step(trainee->context, 0) == 1);
	tape_reset(t, true, 1);
	assert_true(trainee->shard(trainee->context, t, 0, loss, counted, &events));
	*targets = counted[0];
	return loss[0] / (double)counted[0];
}

/* Targets count by their age, the newest always; the gradient is that of the mean over those that count. */
static void test_recency(void **state)
{
	(void)state;
	Error e = {0};
	Setting *s = setting_new(0);
	Tape t = {0};
	Pretraining *p = pretraining_new(s->encoder, &s->sample.data, &s->sample.users,
	                                 &(PretrainingOptions){.batch = 8, .recency = 2, .seed = 1}, &e);
	assert_non_null(p);
	Trainee trainee = pretraining_trainee(p);
	const size_t inputs[] = {3, 1, 6};
	double expected = 0, variance = 0, sum = 0, squares = 0, epochs = 500;
	size_t targets, fewest = 10, most = 0;
	for (size_t u = 0; u < 3; u++)
		for (size_t k = 0; k < inputs[u]; k++) {
			double chance = exp2(-(double)k / 2);
			expected += chance;
			variance += chance * (1 - chance);
		}
	for (size_t epoch = 0; epoch < 500; epoch++) {
		one_shard(&trainee, &t, epoch, &targets);
		sum += (double)targets;
		squares += pow((double)targets - expected, 2);
		fewest = targets < fewest ? targets : fewest;
		most = targets > most ? targets : most;
	}
	assert_true(fewest >= 3 && fewest < most);
	if (fabs(sum / epochs - expected) > 0.2)
		fail_msg("%g targets an epoch, not %g", sum / epochs, expected);
	if (fabs(squares / epochs - variance) > 0.4) /* each for itself */
		fail_msg("a variance of %g, not %g", squares / epochs, variance);
	Parameter *g = s->encoder->norm;
	for (size_t epoch = 0; epoch < 4; epoch++) {
		float *gradient = parameter_gradient(g, 0, &e), value = g->value[0];
		gradient[0] = 0;
		one_shard(&trainee, &t, epoch, &targets);
		double told = (double)gradient[0], step = 4e-3;
		g->value[0] = (float)((double)value + step);
		double high = one_shard(&trainee, &t, epoch, &targets);
		g->value[0] = (float)((double)value - step);
		double low = one_shard(&trainee, &t, epoch, &targets);
		g->value[0] = value;
		if (fabs((high - low) / (2 * step) - told) > 2e-3)
			fail_msg("gradient %g, differences give %g", told, (high - low) / (2 * step));
	}
	pretraining_free(p);
	tape_free(&t);
	setting_free(s);
}

/* What is older than all that counts is not even read. */
static void test_recency_leaves_out(void **state)
{
	(void)state;
	Error e = {0};
	Setting *s = setting_new(0);
	s->encoder->shape.max_len = 1;
	Pretraining *p = pretraining_new(s->encoder, &s->sample.data, &s->sample.users,
	                                 &(PretrainingOptions){.batch = 1, .recency = 1e-3, .seed = 1}, &e);
	assert_non_null(p);
	Trainee trainee = pretraining_trainee(p);
	size_t steps = 0;
	assert_true(trainee.epoch(trainee.context, 0, &steps, &e));
	assert_int_equal(steps, 3);
	pretraining_free(p);
	setting_free(s);
}

/* Of ar a masked event says nothing, and what follows it stays a target. */
static void test_masked_inputs(void **state)
{
	(void)state;
	Error e = {0};
	const double rates[] = {0, 0.5, 1};
	for (int i = 0; i < 3; i++) {
		Setting *s = setting_new(0);
		Tape t = {0};
		Pretraining *p =
		    pretraining_new(s->encoder, &s->sample.data, &s->sample.users,
		                    &(PretrainingOptions){.batch = 8, .mask_rate = rates[i], .seed = 1}, &e);
		assert_non_null(p);
		Trainee trainee = pretraining_trainee(p);
		size_t targets;
		one_shard(&trainee, &t, 0, &targets);
		assert_int_equal(targets, 3 + 1 + 6);
		Parameter *rating =
		    s->encoder->tables[1]; /* not in the loss: what it gets comes from inputs */
		const float *gradient = parameter_gradient(rating, 0, &e);
		bool moved[2] = {false, false};
		for (size_t k = 0; k < rating->count; k++)
			moved[k / rating->cols == ID_MASK] |= gradient[k] != 0;
		assert_true(moved[0] == (rates[i] < 1) && moved[1] == (rates[i] > 0));
		pretraining_free(p);
		tape_free(&t);
		setting_free(s);
	}
}

/* An encoder of some of the features does not ask for the others. */
static void test_view(void **state)
{
	(void)state;
	Error e = {0};
	Setting *s = setting_new(0);
	Dataset view;
	Translation translation;
	Tape t = {0};
	EventBatch b;
	assert_true(dataset_view(&view, &s->sample.data, "brand,genre,brand", &e));
	assert_int_equal(view.feature_count, 2);
	assert_string_equal(view.features[0].name, "genre");
	assert_string_equal(view.features[1].name, "brand");
	EncoderShape shape = {8, 1, 2, 6, 0};
	Encoder *m = encoder_new(&shape, &view, 4, &e);
	assert_true(m != NULL && m->columns == 3);
	assert_true(translation_new(&translation, m, &s->sample.data, &e));
	assert_true(translation.features[1] == 1 && translation.features[2] == 3);
	assert_true(batch_new(&b, &translation, &s->sample.users, s->histories, 3, &t.arena, &e));
	assert_non_null(encoder_forward(&t, m, &b));
	translation_free(&translation);
	encoder_free(m);
	memory_free(view.features);
	for (int all = 0; all < 2; all++) {
		assert_true(dataset_view(&view, &s->sample.data, all ? "all" : "none", &e));
		assert_int_equal(view.feature_count, all ? 4 : 0);
		memory_free(view.features);
	}
	assert_false(dataset_view(&view, &s->sample.data, "genre,colour", &e));
	assert_true(e.code == ERROR_USAGE && strstr(e.text, "'colour'") &&
	            strstr(e.text, "rating, genre, tags, brand"));
	memory_free(view.features);
	tape_free(&t);
	setting_free(s);
}

/* A masked row of bert4rec predicts; it knows what is before and after it, and nothing of its own event. */
static void test_masks(void **state)
{
	(void)state;
	Setting *s = setting_new(0);
	s->encoder->shape.arch = ENCODER_BERT4REC;
	Tape t = {0};
	EventBatch b;
	float *before = NULL;
	tape_reset(&t, false, 0);
	for (size_t changed = 0; changed < 3; changed++) { /* nothing, an event before, one after */
		const bool masked[5] = {false, false, true, false, false};
		assert_true(batch_masked(&b, &s->translation, &s->sample.users, s->histories, 1, masked,
		                         &t.arena, &t.error));
		assert_true(b.ids[0][2] == ID_MASK && b.ids[1][b.offsets[1][2]] == ID_MASK &&
		            b.offsets[1][3] == b.offsets[1][2] + 1);
		assert_int_equal(b.rows, 5);
		if (changed > 0) {
			int32_t *id = &b.ids[0][changed == 1 ? 0 : 4];
			*id = *id == ID_FIRST ? ID_FIRST + 1 : ID_FIRST;
		}
		Tensor *h = encoder_forward(&t, s->encoder, &b);
		assert_non_null(h);
		before = before ? before : h->value;
		bool same =
		    memcmp(before + 2 * h->cols, h->value + 2 * h->cols, h->cols * sizeof(float)) == 0;
		assert_int_equal(same, changed < 1);
	}
	assert_true(
	    batch_questions(&b, &s->translation, &s->sample.users, s->histories, 3, &t.arena, &t.error));
	assert_int_equal(b.rows, 5 + 3 + 5 + 3);
	assert_true(b.ids[0][5] == ID_MASK && b.ids[1][5] == ID_MASK && b.positions[5] == 5);
	tape_free(&t);
	setting_free(s);
}

/* As it was when it was new; and another that is the same. */
static void test_reset(void **state)
{
	(void)state;
	Error e = {0};
	Sample s;
	sample_new(&s, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){7, 6}, 2, 7);
	Encoder *m = small_encoder(&s.data, 0, 4), *fresh = encoder_new(&m->shape, &s.data, 9, &e);
	assert_true(small_hash(&m->parameters) != small_hash(&fresh->parameters));
	assert_true(encoder_reset(m, 9, &e));
	assert_int_equal(small_hash(&m->parameters), small_hash(&fresh->parameters));
	Encoder *copy = encoder_copy(m, &e);
	assert_non_null(copy);
	assert_int_equal(small_hash(&copy->parameters), small_hash(&m->parameters));
	encoder_free(copy);
	encoder_free(fresh);
	encoder_free(m);
	sample_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reset),
	    cmocka_unit_test(test_gradient),
	    cmocka_unit_test(test_feature_weight_zero),
	    cmocka_unit_test(test_input_dropout),
	    cmocka_unit_test(test_gradient_of_variants),
	    cmocka_unit_test(test_causality),
	    cmocka_unit_test(test_causality_of_times),
	    cmocka_unit_test(test_features_are_read),
	    cmocka_unit_test(test_packing),
	    cmocka_unit_test(test_long_history),
	    cmocka_unit_test(test_save_and_load),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_translation),
	    cmocka_unit_test(test_pretraining_learns),
	    cmocka_unit_test(test_masks),
	    cmocka_unit_test(test_older_file),
	    cmocka_unit_test(test_losses_learn),
	    cmocka_unit_test(test_masked_pretraining_learns),
	    cmocka_unit_test(test_recency),
	    cmocka_unit_test(test_recency_leaves_out),
	    cmocka_unit_test(test_masked_inputs),
	    cmocka_unit_test(test_view),
	};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
