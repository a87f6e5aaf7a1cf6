/* How training events become histories: which inputs, which targets, and how often. */
#include "sample_dataset.h"
#include "user/histories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { LENGTH = 4, EVENTS = 2 + 3 + 13 + 8 };

/* Users with 1 (too few events for validation), 0, 10 and 5 training inputs. */
static const size_t lengths[] = {2, 3, 13, 8};

static void make(Histories *h, const Sequencing *how, uint64_t key, int times[static EVENTS])
{
	Error e = {0};
	Sample s;
	sample_new(&s, SPLIT_LEAVE_ONE_OUT, 0, lengths, 4, 7);
	assert_true(histories_make(h, &s.data, &s.users, how, key, &e));
	memset(times, 0, EVENTS * sizeof *times);
	for (size_t i = 0; i < h->count; i++) {
		const History *one = &h->items[h->order[i]];
		size_t user = 0;
		while ((size_t)s.users.offsets[user + 1] <= one->inputs.first)
			user++;
		Segment part = dataset_segment(&s.data, &s.users, user, PART_TRAIN);
		assert_true(one->inputs.first >= part.first && one->newest == part.end - 1);
		assert_true(one->inputs.first < one->inputs.end && one->inputs.end <= one->newest);
		assert_true(one->inputs.end - one->inputs.first <= LENGTH);
		for (size_t event = one->inputs.first; event < one->inputs.end; event++)
			times[event + 1]++;
	}
	sample_free(&s);
}

/* How often each event is a target: of the users that begin at 0, 2, 5 and 18. */
static void expect_times(const int times[static EVENTS], const int third[static 11],
                         const int fourth[static 6])
{
	assert_true(times[0] == 0 && times[1] == 1);
	assert_true(times[2] == 0 && times[3] == 0 && times[4] == 0);
	for (int k = 0; k < 11; k++)
		assert_int_equal(times[5 + k], third[k]);
	assert_true(times[16] == 0 && times[17] == 0);
	for (int k = 0; k < 6; k++)
		assert_int_equal(times[18 + k], fourth[k]);
	assert_true(times[24] == 0 && times[25] == 0);
}

/* Each training event but a user's first is the target of just one input, whatever the key. */
static void test_cut(void **state)
{
	(void)state;
	Error e = {0};
	Sample s;
	Histories h = {0};
	const Sequencing how = {.kind = SEQUENCES_CUT, .length = 5};
	sample_new(&s, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){30, 2, 1, 3, 7, 8, 9, 33}, 8, 9);
	bool starts[93] = {false};
	for (uint64_t key = 0; key < 50; key++) {
		int targets[93] = {0};
		bool ordered[93] = {false};
		assert_true(histories_make(&h, &s.data, &s.users, &how, key, &e));
		for (size_t i = 0; i < h.count; i++) {
			Segment c = h.items[i].inputs;
			assert_true(c.end > c.first && c.end - c.first <= 5 && c.end < 93);
			for (size_t event = c.first; event < c.end; event++)
				targets[event + 1]++;
			starts[c.first] = true;
			assert_true(h.order[i] < h.count && !ordered[h.order[i]]);
			ordered[h.order[i]] = true;
		}
		for (size_t user = 0; user < 8; user++) {
			Segment train = dataset_segment(&s.data, &s.users, user, PART_TRAIN);
			for (size_t event = (size_t)s.users.offsets[user];
			     event < (size_t)s.users.offsets[user + 1]; event++)
				assert_int_equal(targets[event], event > train.first && event < train.end);
		}
	}
	for (size_t event = 0; event < 26; event++)
		assert_true(starts[event]); /* pieces begin everywhere, sooner or later */
	histories_free(&h);
	sample_free(&s);
}

static void test_last(void **state)
{
	(void)state;
	Histories h = {0};
	int times[EVENTS];
	make(&h, &(Sequencing){SEQUENCES_LAST, LENGTH, 0}, 1, times);
	assert_int_equal(h.count, 3);
	expect_times(times, (int[]){0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1}, (int[]){0, 0, 1, 1, 1, 1});
	histories_free(&h);
}

/* Ends at 10, 7 and 4 of ten inputs, and at 5 and 2 of five. */
static void test_sliding(void **state)
{
	(void)state;
	Histories h = {0};
	int times[EVENTS];
	make(&h, &(Sequencing){SEQUENCES_SLIDING, LENGTH, 3}, 1, times);
	assert_int_equal(h.count, 1 + 3 + 2);
	expect_times(times, (int[]){0, 1, 1, 1, 2, 1, 1, 2, 1, 1, 1}, (int[]){0, 1, 2, 1, 1, 1});
	make(&h, &(Sequencing){SEQUENCES_SLIDING, LENGTH, LENGTH}, 1, times);
	expect_times(times, (int[]){0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, (int[]){0, 1, 1, 1, 1, 1});
	make(&h, &(Sequencing){SEQUENCES_SLIDING, LENGTH, 1}, 1, times);
	expect_times(times, (int[]){0, 1, 2, 3, 4, 4, 4, 4, 3, 2, 1}, (int[]){0, 1, 2, 2, 2, 1});
	histories_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_last),
	    cmocka_unit_test(test_sliding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
