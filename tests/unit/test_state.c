/* States of users: new events on what was there against whole histories, and the file. */
#include "gradient.h"

#include "small_models.h"
#include "user/state.h"

enum { USERS = 40, DIM = 8, WINDOW = 6 };

typedef struct {
	Sample sample;
	Encoder *encoder;
	Translation translation;
	Tape whole, parts;
	KeyValueCache cache;
	Arena arenas[2];        /* of the state before and of that after, in turn */
	size_t computed, alone; /* extensions, and those that computed their new events alone */
} Setting;

static Setting *setting_new(void)
{
	static Setting s;
	Error e = {0};
	size_t lengths[USERS];
	for (size_t u = 0; u < USERS; u++)
		lengths[u] = 1 + u % 15;
	s = (Setting){0};
	sample_new(&s.sample, SPLIT_LEAVE_ONE_OUT, 0, lengths, USERS, 7);
	s.encoder = small_encoder(&s.sample.data, 0, 4);
	assert_true(translation_new(&s.translation, s.encoder, &s.sample.data, &e));
	assert_true(cache_new(&s.cache, s.encoder->shape.layers, DIM, &e));
	return &s;
}

static void setting_free(Setting *s)
{
	translation_free(&s->translation);
	encoder_free(s->encoder);
	sample_free(&s->sample);
	cache_free(&s->cache);
	tape_free(&s->whole);
	tape_free(&s->parts);
	arena_free(&s->arenas[0]);
	arena_free(&s->arenas[1]);
}

static const Tensor *forward(Setting *s, Segment history)
{
	EventBatch b;
	tape_reset(&s->whole, false, 0);
	assert_true(
	    batch_new(&b, &s->translation, &s->sample.users, &history, 1, &s->whole.arena, &s->whole.error));
	return encoder_forward(&s->whole, s->encoder, &b);
}

/* Events [first, end) of a user behind `before`. */
static const Tensor *extend(Setting *s, const StateChunk *before, size_t user, Segment events, bool all,
                            bool keys, Arena *arena, StateChunk *after)
{
	Error e = {0};
	EventBatch b;
	const Tensor *h = NULL;
	tape_reset(&s->parts, false, 0);
	assert_true(batch_new(&b, &s->translation, &s->sample.users, &events, 1, &s->parts.arena, &e));
	const Extension x = {before, 0, strings_at(&s->sample.users.ids, user), &b, all, keys};
	if (!state_extend(s->encoder, &x, &s->parts, &s->cache, arena, after, &h, &e))
		fail_msg("%s", e.text);
	return h;
}

/* The last rows of the whole are what came out, and the sum is theirs. */
static void check(const Tensor *whole, const Tensor *h, const StateChunk *after, bool keys)
{
	size_t skipped = whole->rows - h->rows;
	double sum[DIM] = {0};
	for (size_t i = 0; i < h->rows * DIM; i++)
		assert_true(fabsf(whole->value[skipped * DIM + i] - h->value[i]) < 1e-5f);
	for (size_t i = 0; i < whole->rows * DIM; i++)
		sum[i % DIM] += (double)whole->value[i];
	for (size_t i = 0; i < DIM; i++)
		assert_true(fabs(sum[i] - after->sums[i]) < 1e-4);
	assert_int_equal(after->event_offsets[1], whole->rows);
	assert_int_equal(after->row_offsets[1], keys && whole->rows < WINDOW ? whole->rows : 0);
}

/* All of a user's events, cut at points that the key chooses. */
static void split_user(Setting *s, size_t user, uint64_t key)
{
	Random random = {key, 0};
	size_t first = (size_t)s->sample.users.offsets[user], end = (size_t)s->sample.users.offsets[user + 1];
	StateChunk states[2];
	size_t turn = 0, kept = 0;
	for (size_t from = first, to; from < end; from = to, turn ^= 1) {
		bool all = random_below(&random, 5) == 0, keys = random_below(&random, 4) > 0;
		to = from + 1 + (size_t)random_below(&random, end - from);
		to = random_below(&random, 2) ? from + 1 : to;
		arena_reset(&s->arenas[turn]);
		const Tensor *h =
		    extend(s, from > first ? &states[turn ^ 1] : NULL, user, (Segment){from, to, false}, all,
		           keys, &s->arenas[turn], &states[turn]);
		const Tensor *whole = forward(s, (Segment){first, to, false});
		check(whole, h, &states[turn], keys);
		bool alone = from > first && kept == from - first && to - first <= WINDOW && !all;
		assert_int_equal(h->rows, alone ? to - from : whole->rows);
		s->computed++;
		s->alone += alone;
		kept = (size_t)states[turn].row_offsets[1];
	}
}

static void parts_are_the_whole(void **state)
{
	(void)state;
	Setting *s = setting_new();
	for (uint64_t key = 0; key < 20; key++)
		for (size_t user = 0; user < USERS; user++)
			split_user(s, user, random_key(key, user));
	assert_true(s->alone > 200 && s->computed > 5 * s->alone / 2);
	setting_free(s);
}

static void no_events(void **state)
{
	(void)state;
	Setting *s = setting_new();
	StateChunk none, some, same;
	assert_int_equal(extend(s, NULL, 4, (Segment){0}, false, true, &s->arenas[0], &none)->rows, 0);
	size_t first = (size_t)s->sample.users.offsets[4];
	Segment all = {first, first + 5, false};
	assert_int_equal(extend(s, &none, 4, all, false, true, &s->arenas[0], &some)->rows, 5);
	/* Whose last row is not in the state is computed anew. */
	const Tensor *h = extend(s, &some, 4, (Segment){0}, false, true, &s->arenas[0], &same);
	check(forward(s, all), h, &same, true);
	setting_free(s);
}

/* The file */

static StateOwner owner_of(const Setting *s)
{
	return (StateOwner){s->encoder, 0x1234, GEMM_F32};
}

static void write_users(Setting *s, const char *path)
{
	Error e = {0};
	Pool *pool = pool_new(2, &e);
	const StateOwner owner = owner_of(s);
	StateWriter *w = state_create(path, &owner, true, SMALL_PROVENANCE, pool, &e);
	assert_non_null(w);
	for (size_t user = 0; user < USERS; user++) {
		StateChunk one;
		Segment all = {(size_t)s->sample.users.offsets[user],
		               (size_t)s->sample.users.offsets[user + 1], false};
		extend(s, NULL, user, all, false, user % 3 > 0, &s->arenas[0], &one);
		assert_true(state_write(w, &one, 0, &e));
	}
	assert_true(state_finish(w, &e));
	pool_free(pool);
}

static void same_lists(const int64_t *a, const int32_t *x, size_t at, const int64_t *b, const int32_t *y,
                       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t size = (size_t)(b[i + 1] - b[i]);
		assert_int_equal(a[at + i + 1] - a[at + i], size);
		assert_memory_equal(x + a[at + i], y + b[i], size * sizeof *x);
	}
}

static void same_user(const Setting *s, const StateChunk *c, size_t place, const StateChunk *one)
{
	size_t event = (size_t)c->event_offsets[place], row = (size_t)c->row_offsets[place];
	size_t events = (size_t)one->event_offsets[1], rows = (size_t)one->row_offsets[1];
	const double none[DIM] = {0};
	assert_true(text_equal(state_user(c, place), state_user(one, 0)));
	assert_int_equal(c->event_offsets[place + 1] - c->event_offsets[place], events);
	assert_int_equal(c->row_offsets[place + 1] - c->row_offsets[place], rows);
	for (size_t i = 0; i < s->encoder->columns; i++)
		same_lists(c->value_offsets[i], c->values[i], event, one->value_offsets[i], one->values[i],
		           events);
	for (size_t i = 0; i < s->encoder->shape.layers; i++) {
		assert_memory_equal(c->k[i] + row * DIM, one->k[i], rows * DIM * sizeof(float));
		assert_memory_equal(c->v[i] + row * DIM, one->v[i], rows * DIM * sizeof(float));
	}
	assert_memory_equal(c->sums + place * DIM, rows > 0 ? one->sums : none, sizeof none);
}

static void users_come_back(void **state)
{
	(void)state;
	Error e = {0};
	Setting *s = setting_new();
	char path[64];
	size_t user = 0;
	StateChunk c;
	small_path(path);
	write_users(s, path);
	const StateOwner owner = owner_of(s);
	StateReader *r = state_open(path, &owner, &e);
	assert_non_null(r);
	while (state_next(r, &c, &e) && c.users > 0)
		for (size_t place = 0; place < c.users; place++, user++) {
			StateChunk one;
			Segment all = {(size_t)s->sample.users.offsets[user],
			               (size_t)s->sample.users.offsets[user + 1], false};
			extend(s, NULL, user, all, false, user % 3 > 0, &s->arenas[0], &one);
			same_user(s, &c, place, &one);
		}
	assert_true(e.code == ERROR_NONE && user == USERS);
	state_close(r);
	StateOwner other = owner;
	other.hash++;
	assert_null(state_open(path, &other, &e));
	assert_true(e.code == ERROR_USAGE && strstr(e.text, "another encoder") != NULL);
	e = (Error){0};
	other = (StateOwner){owner.encoder, owner.hash, GEMM_BF16};
	assert_null(state_open(path, &other, &e));
	assert_true(e.code == ERROR_USAGE && strstr(e.text, "bf16") != NULL);
	unlink(path);
	setting_free(s);
}

/* More users than the writer holds at a time: chunks of no more than 16 MiB and a little, in order. */
static void many_chunks(void **state)
{
	(void)state;
	enum { MANY = 100000 };
	Error e = {0};
	Setting *s = setting_new();
	Pool *pool = pool_new(2, &e);
	const StateOwner owner = owner_of(s);
	char path[64], id[32];
	size_t user = 0, chunks = 0;
	StateChunk one, c;
	small_path(path);
	StateWriter *w = state_create(path, &owner, true, SMALL_PROVENANCE, pool, &e);
	extend(s, NULL, 4, (Segment){0, 5, false}, false, true, &s->arenas[0], &one);
	for (size_t i = 0; i < MANY; i++) {
		int64_t offsets[] = {0, snprintf(id, sizeof id, "%zu", i)};
		one.user_bytes = (const uint8_t *)id;
		one.user_offsets = offsets;
		assert_true(state_write(w, &one, 0, &e));
	}
	assert_true(state_finish(w, &e));
	StateReader *r = state_open(path, &owner, &e);
	for (; state_next(r, &c, &e) && c.users > 0; chunks++) {
		assert_true((size_t)c.row_offsets[c.users] * 4 * DIM * sizeof(float) < 16 << 20);
		for (size_t place = 0; place < c.users; place++, user++) {
			snprintf(id, sizeof id, "%zu", user);
			assert_true(text_is(state_user(&c, place), id));
		}
	}
	assert_true(e.code == ERROR_NONE && user == MANY && chunks > 5);
	state_close(r);
	pool_free(pool);
	unlink(path);
	setting_free(s);
}

/* The stream with element `at` of a tensor changed; what reading it says. */
static void check_damage(Setting *s, const char *path, const char *name, size_t at, int64_t value)
{
	Error e = {0};
	char bad[64];
	Document *d;
	StateChunk c;
	small_path(bad);
	StreamReader *from = stream_reader_open(path, &e);
	StreamWriter *to = stream_writer_open(bad, &e);
	while (stream_read(from, &d, &e) && d != NULL) {
		const DocumentTensor *t = document_find(d, name);
		if (t != NULL && t->dtype == DTYPE_I32)
			((int32_t *)t->data)[at] = (int32_t)value;
		else if (t != NULL)
			((int64_t *)t->data)[at] = value;
		assert_true(stream_write(to, d, &e));
		document_free(d);
	}
	assert_true(stream_writer_close(to, &e));
	stream_reader_free(from);
	const StateOwner owner = owner_of(s);
	StateReader *r = state_open(bad, &owner, &e);
	assert_non_null(r);
	while (state_next(r, &c, &e) && c.users > 0)
		;
	if (e.code != ERROR_MALFORMED || strstr(e.text, bad) == NULL)
		fail_msg("%s at %zu: '%s'", name, at, e.text);
	state_close(r);
	unlink(bad);
}

static void damage_is_found(void **state)
{
	(void)state;
	Setting *s = setting_new();
	char path[64];
	small_path(path);
	write_users(s, path);
	check_damage(s, path, "event.item.values", 3, 10);
	check_damage(s, path, "event.item.values", 0, -1);
	check_damage(s, path, "event.tags.values", 1, 1 << 20);
	check_damage(s, path, "event.tags.offsets", 2, -5);
	check_damage(s, path, "event.offsets", USERS, 1 << 30);
	check_damage(s, path, "event.offsets", 1, 100);
	check_damage(s, path, "event.offsets", 1, 0); /* cached rows of other users' events */
	check_damage(s, path, "cache.offsets", 2, 1);
	check_damage(s, path, "cache.offsets", 1, -1);
	check_damage(s, path, "user.offsets", 1, 1000000);
	unlink(path);
	setting_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parts_are_the_whole), cmocka_unit_test(no_events),
	    cmocka_unit_test(users_come_back),     cmocka_unit_test(many_chunks),
	    cmocka_unit_test(damage_is_found),
	};
	gemm_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
