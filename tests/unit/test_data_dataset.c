/* Datasets: there and back, chunks, segments, and what must be refused. */
#include "sample_dataset.h"

#include <string.h>
#include <unistd.h>

/* After the headers of lib/: cmocka has a macro fail(). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static const Provenance provenance = {.tool = "test", .version = "0", .argv = "", .seed = 1};

/* A name for a file that the test makes and removes. */
static char *scratch(char path[64])
{
	snprintf(path, 64, "/tmp/test_dataset.%ld.ult", (long)getpid());
	return path;
}

static void must(bool done, const Error *e)
{
	if (!done)
		fail_msg("%s", e->text);
}

static void same_strings(const Strings *a, const Strings *b, size_t at)
{
	for (size_t i = 0; i < a->count; i++)
		assert_true(text_equal(strings_at(a, i), strings_at(b, at + i)));
}

static void same_ids(Ids a, Ids b)
{
	assert_int_equal(a.count, b.count);
	for (size_t i = 0; i < a.count; i++)
		assert_int_equal(a.values[i], b.values[i]);
}

/* The users of `part` are those of `whole` from `first` on. */
static void same_users(const Dataset *d, const Users *part, const Users *whole, size_t first)
{
	same_strings(&part->ids, &whole->ids, first);
	size_t event = (size_t)whole->offsets[first];
	for (size_t u = 0; u <= part->count; u++)
		assert_int_equal(part->offsets[u] + (int64_t)event, whole->offsets[first + u]);
	for (size_t i = 0; i < (size_t)part->offsets[part->count]; i++) {
		assert_int_equal(part->items[i], whole->items[event + i]);
		assert_int_equal(part->times[i], whole->times[event + i]);
		for (size_t f = 0; f < d->feature_count; f++)
			same_ids(event_feature(d, part, f, i), event_feature(d, whole, f, event + i));
		assert_true(
		    text_equal(strings_at(&part->texts[1], i), strings_at(&whole->texts[1], event + i)));
	}
}

static void same_dataset(const Dataset *a, const Dataset *b)
{
	assert_int_equal(a->split, b->split);
	assert_int_equal(a->window, b->window);
	assert_int_equal(a->users, b->users);
	assert_int_equal(a->events, b->events);
	assert_int_equal(a->has_time, b->has_time);
	assert_int_equal(a->items.strings.count, b->items.strings.count);
	same_strings(&a->items.strings, &b->items.strings, 0);
	assert_int_equal(a->feature_count, b->feature_count);
	assert_int_equal(a->text_count, b->text_count);
	for (size_t f = 0; f < a->feature_count; f++) {
		assert_string_equal(a->features[f].name, b->features[f].name);
		assert_int_equal(a->features[f].of_item, b->features[f].of_item);
		assert_int_equal(a->features[f].multiple, b->features[f].multiple);
		assert_int_equal(a->features[f].values.strings.count, b->features[f].values.strings.count);
		same_strings(&a->features[f].values.strings, &b->features[f].values.strings, 0);
		for (size_t i = 0; a->features[f].of_item && i < a->items.strings.count; i++)
			same_ids(id_list(&a->features[f].by_item, i), id_list(&b->features[f].by_item, i));
	}
	for (size_t t = 0; t < a->text_count; t++) {
		assert_string_equal(a->texts[t].name, b->texts[t].name);
		same_strings(&a->texts[t].by_item, &b->texts[t].by_item, 0);
	}
}

static bool write_sample(char path[64], const Sample *s, size_t threads, Error *e)
{
	Pool *pool = pool_new(threads, e);
	bool done = pool != NULL && dataset_write(scratch(path), &s->data, &s->users, &provenance, pool, e);
	pool_free(pool);
	return done;
}

/* Writes the sample, and reads it as a whole and chunk by chunk. */
static size_t there_and_back(Sample *s)
{
	Error e = {0};
	char path[64];
	Users *users = NULL;
	must(write_sample(path, s, 2, &e), &e);
	DatasetReader *r = dataset_open(path, &e);
	must(r != NULL && dataset_all(r, &users, &e), &e);
	same_dataset(&s->data, dataset_of(r));
	assert_int_equal(users->count, s->users.count);
	same_users(&s->data, users, &s->users, 0);
	users_free(users);
	memory_free(users);
	dataset_close(r);

	size_t chunks = 0, first = 0;
	must((r = dataset_open(path, &e)) != NULL, &e);
	for (;; chunks++) {
		must(dataset_next(r, &users, &e), &e);
		if (users == NULL)
			break;
		same_users(&s->data, users, &s->users, first);
		assert_int_equal(users->first, first);
		first += users->count;
		users_free(users);
		memory_free(users);
	}
	assert_int_equal(first, s->users.count);
	dataset_close(r);
	unlink(path);
	return chunks;
}

static void test_small(void **state)
{
	(void)state;
	const size_t lengths[] = {5, 1, 0, 12};
	Sample s;
	sample_new(&s, SPLIT_LEAVE_ONE_OUT, 0, lengths, 4, 9);
	assert_int_equal(there_and_back(&s), 1);
	for (size_t event = 0; event < 18; event++)
		assert_int_equal(users_with(&s.users, event), event < 5 ? 0 : event < 6 ? 1 : 3);
	sample_free(&s);
}

static void test_no_users(void **state)
{
	(void)state;
	Sample s;
	sample_new(&s, SPLIT_WINDOW, 50, NULL, 0, 3);
	assert_int_equal(there_and_back(&s), 0);
	sample_free(&s);
}

static void test_chunks(void **state)
{
	(void)state;
	/* Some 46 bytes an event, 7 MB a user: whole users, so two and one. */
	const size_t lengths[] = {150000, 150000, 150000};
	Sample s;
	sample_new(&s, SPLIT_WINDOW, 50, lengths, 3, 100);
	assert_int_equal(there_and_back(&s), 2);
	sample_free(&s);
}

static void test_segments(void **state)
{
	(void)state;
	const size_t lengths[] = {2, 10, 3};
	Sample s;
	sample_new(&s, SPLIT_LEAVE_ONE_OUT, 0, lengths, 3, 5);
	const struct {
		Split split;
		size_t user;
		Part part;
		Segment expected;
	} cases[] = {
	    {SPLIT_LEAVE_ONE_OUT, 0, PART_TRAIN, {0, 2, false}},
	    {SPLIT_LEAVE_ONE_OUT, 0, PART_TEST, {0, 2, false}},
	    {SPLIT_LEAVE_ONE_OUT, 0, PART_VALIDATION, {0, 2, false}},
	    {SPLIT_LEAVE_ONE_OUT, 1, PART_TRAIN, {2, 10, false}},
	    {SPLIT_LEAVE_ONE_OUT, 1, PART_VALIDATION, {2, 10, true}},
	    {SPLIT_LEAVE_ONE_OUT, 1, PART_TEST, {2, 11, true}},
	    {SPLIT_LEAVE_ONE_OUT, 2, PART_TRAIN, {12, 13, false}},
	    {SPLIT_WINDOW, 1, PART_TRAIN, {2, 10, false}},
	    {SPLIT_WINDOW, 1, PART_VALIDATION, {7, 10, true}},
	    {SPLIT_WINDOW, 1, PART_TEST, {8, 11, true}},
	    {SPLIT_WINDOW, 2, PART_TEST, {12, 14, true}},
	    {SPLIT_NONE, 1, PART_TRAIN, {2, 12, false}},
	    {SPLIT_NONE, 1, PART_VALIDATION, {2, 12, false}},
	    {SPLIT_NONE, 1, PART_TEST, {2, 12, false}},
	};
	s.data.window = 4;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		s.data.split = cases[i].split;
		Segment got = dataset_segment(&s.data, &s.users, cases[i].user, cases[i].part);
		assert_int_equal(got.first, cases[i].expected.first);
		assert_int_equal(got.end, cases[i].expected.end);
		assert_int_equal(got.has_target, cases[i].expected.has_target);
	}
	sample_free(&s);
}

/* User-LLM's own protocol: 49 events and the label, of the last 50, the 50 before, and all earlier ones;
 * 52 events are the fewest that have all three. */
static void test_windows_of_50(void **state)
{
	(void)state;
	const size_t lengths[] = {52, 60};
	const Segment expected[][3] = {{{0, 50, false}, {1, 50, true}, {2, 51, true}},
	                               {{52, 110, false}, {61, 110, true}, {62, 111, true}}};
	const Part parts[] = {PART_TRAIN, PART_VALIDATION, PART_TEST};
	Sample s;
	sample_new(&s, SPLIT_WINDOW, 50, lengths, 2, 5);
	for (size_t user = 0; user < 2; user++)
		for (size_t i = 0; i < 3; i++) {
			Segment got = dataset_segment(&s.data, &s.users, user, parts[i]);
			assert_int_equal(got.first, expected[user][i].first);
			assert_int_equal(got.end, expected[user][i].end);
			assert_int_equal(got.has_target, expected[user][i].has_target);
		}
	sample_free(&s);
}

static void test_parts(void **state)
{
	(void)state;
	Part part;
	assert_true(part_parse("val", &part) && part == PART_VALIDATION);
	assert_true(part_parse("test", &part) && part == PART_TEST);
	assert_true(part_parse("train", &part) && part == PART_TRAIN);
	assert_false(part_parse("", &part));
	assert_true(feature_name_valid(text_of("rating_2-b")));
	assert_false(feature_name_valid(text_of("")));
	assert_false(feature_name_valid(text_of("item")));
	assert_false(feature_name_valid(text_of("a.b")));
}

/* Writes the sample as it is and expects the reader to refuse it, and to say why. */
static void refused(Sample *s, const char *why)
{
	Error e = {0};
	char path[64];
	Users *users = NULL;
	must(write_sample(path, s, 2, &e), &e);
	DatasetReader *r = dataset_open(path, &e);
	assert_false(r != NULL && dataset_all(r, &users, &e));
	assert_null(users);
	assert_int_equal(e.code, ERROR_MALFORMED);
	if (strstr(e.text, why) == NULL || strstr(e.text, path) == NULL)
		fail_msg("'%s' does not say '%s' or the file", e.text, why);
	dataset_close(r);
	unlink(path);
}

static void test_refusals(void **state)
{
	(void)state;
	const size_t lengths[] = {4, 3};
	Sample s;
	sample_new(&s, SPLIT_LEAVE_ONE_OUT, 0, lengths, 2, 5);
#define REFUSED(place, value, why)                                                                           \
	do {                                                                                                 \
		__typeof__(place) kept = (place);                                                            \
		(place) = (value);                                                                           \
		refused(&s, why);                                                                            \
		(place) = kept;                                                                              \
	} while (0)
	REFUSED(s.users.items[2], 8, "event.item");
	REFUSED(s.users.items[2], ID_MASK, "event.item");
	REFUSED(s.users.items[2], -1, "event.item");
	REFUSED(s.users.features[0].values[1], 8, "event.rating");
	REFUSED(s.users.features[2].values[1], -1, "event.tags");
	REFUSED(s.users.features[2].offsets[2], 9, "event.tags.offsets");
	REFUSED(s.users.ids.offsets[1], 100, "user.offsets");
	REFUSED(s.users.ids.bytes[0], 0xff, "user.bytes");
	REFUSED(s.users.texts[1].bytes[0], 0, "event.review.bytes");
	REFUSED(s.data.features[1].by_item.values[0], 9, "item.genre");
	REFUSED(s.data.features[1].by_item.offsets[4], 9, "item.genre");
	REFUSED(s.data.texts[0].by_item.bytes[0], 0xc3, "item.title");
	REFUSED(s.data.items.strings.bytes[0], '?', "vocab.item");
	REFUSED(s.data.features[0].values.strings.offsets[4], -1, "feature.rating.vocab");
	REFUSED(s.data.features[0].name[0], '!', "'!ating'");
	REFUSED(s.data.features[1].multiple, false, "item.genre.values");
	REFUSED(s.data.window, SIZE_MAX, "ul.window");
	REFUSED(s.data.split, SPLIT_WINDOW, "window");
	sample_free(&s);
}

/* Fewer users than the first document announces: chunks are missing. */
static void test_totals(void **state)
{
	(void)state;
	const size_t lengths[] = {4, 3};
	Error e = {0};
	char path[64];
	Document *d = NULL;
	Users *users;
	Sample s;
	sample_new(&s, SPLIT_LEAVE_ONE_OUT, 0, lengths, 2, 5);
	must(write_sample(path, &s, 1, &e), &e);
	StreamReader *from = stream_reader_open(path, &e);
	must(from != NULL && stream_read(from, &d, &e), &e);
	stream_reader_free(from);
	must(stream_write_one(path, d, &e), &e);
	document_free(d);
	DatasetReader *r = dataset_open(path, &e);
	must(r != NULL, &e);
	assert_false(dataset_next(r, &users, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	assert_non_null(strstr(e.text, "0 users where the first document says 2"));
	dataset_close(r);
	unlink(path);
	sample_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_small),         cmocka_unit_test(test_no_users),
	    cmocka_unit_test(test_chunks),        cmocka_unit_test(test_segments),
	    cmocka_unit_test(test_windows_of_50), cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_refusals),      cmocka_unit_test(test_totals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
