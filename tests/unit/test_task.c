/* Templates and tasks: what fields say, what is told of wrong ones, and what there is to be answered. */
#include "sample_dataset.h"
#include "user/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static Sample sample;
static Strings names;

static int set_up(void **state)
{
	(void)state;
	Error e = {0};
	sample_new(&sample, SPLIT_LEAVE_ONE_OUT, 0, (size_t[]){7, 60, 9}, 3, 7);
	sample_must(item_names(&sample.data, &names, &e), &e);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	strings_free(&names);
	sample_free(&sample);
	return 0;
}

/* The event behind the first `known` of a user. */
static Query question(size_t user, size_t known)
{
	size_t first = (size_t)sample.users.offsets[user];
	return (Query){&sample.users, user, {first, first + known, true}, sample.users.items[first + known]};
}

static void check_filled(const char *text, const Query *q, const char *expected)
{
	Error e = {0};
	Template t;
	Buffer out = {0};
	if (!template_parse(&t, text, &sample.data, &e))
		fail_msg("%s", e.text);
	assert_true(template_fill(&t, &sample.data, &names, q, &out, &e));
	assert_int_equal(out.size, strlen(expected));
	assert_memory_equal(out.data, expected, out.size);
	buffer_free(&out);
	template_free(&t);
}

static void test_fields(void **state)
{
	(void)state;
	Query q = question(0, 4); /* of item4, in row 7 of what items have */
	check_filled("", &q, "");
	check_filled("plain", &q, "plain");
	check_filled("{{{user}}} and {item}!", &q, "{user0} and title no. 7 \xc3\xa9!");
	check_filled("{rating}, {tags}, {review}", &q, "rating3, tags0, ");
	check_filled("{item.brand}: {brand}", &q, "brand1: brand1");
	check_filled("{item.title}: {title}", &q, "title no. 7 \xc3\xa9: title no. 7 \xc3\xa9");
	q = question(0, 5);
	check_filled("{tags}|{review}|{genre}", &q, "tags3, tags0|review no. 5 \xc3\xa9|genre2, genre3");
}

static void test_wrong_fields(void **state)
{
	(void)state;
	static const struct {
		const char *text, *told;
	} wrong[] = {
	    {"{titel}", "{titel} is no field of the data: there are {user}, {item}, {rating}, "
	                "{favorite.rating}, {item.genre}, {favorite.genre}, {tags}, {favorite.tags}, "
	                "{item.brand}, {favorite.brand}, {item.title}, {review}"},
	    {"{item.rating}", "{item.rating} is no field"}, /* an event's */
	    {"{favorite.title}", "{favorite.title} is no field"},
	    {"{}", "{} is no field"},
	    {"a { b", "'{ b': a brace of its own is written twice"},
	    {"a } b", "'} b': a brace of its own is written twice"},
	    {"{user", "'{user': a brace"},
	    {"{us{er}", "'{us{er}': a brace"},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		Error e = {0};
		Template t;
		assert_false(template_parse(&t, wrong[i].text, &sample.data, &e));
		assert_int_equal(e.code, ERROR_USAGE);
		if (strstr(e.text, wrong[i].told) == NULL)
			fail_msg("%s", e.text);
	}
	Error e = {0};
	Template t;
	assert_false(template_parse(&t, "Hello {user}", NULL, &e));
	assert_non_null(strstr(e.text, "no users"));
	assert_true(template_literal(&t, "Hello {user}", &e));
	assert_int_equal(t.count, 1);
	template_free(&t);
}

/* The most frequent whole of values, the latest of equals, of 50 events; counted anew. */
static void test_favorite(void **state)
{
	(void)state;
	for (size_t known = 1; known < 60; known++) {
		Query q = question(1, known);
		char expected[64] = "";
		size_t most = 0, from = known > 50 ? known - 50 : 0;
		for (size_t i = known; i-- > from;) {
			size_t count = 0, row = (1 + i) % 7 + ID_FIRST; /* of the item */
			for (size_t k = from; k < known; k++)
				count += (1 + k) % 7 + ID_FIRST == row;
			/* Rows 3, 6 and 9 have no genre at all. */
			if (row % 3 == 0 || count <= most)
				continue;
			most = count;
			snprintf(expected, sizeof expected, row % 3 == 1 ? "genre%zu" : "genre%zu, genre%zu",
			         row * 7 % 6, (row * 7 + 1) % 6);
		}
		check_filled("{favorite.genre}", &q, expected);
	}
}

static void check_choices(const char *target, size_t count, const char *const *expected)
{
	Error e = {0};
	Task task;
	Strings choices = {0};
	Dataset classes = {0};
	assert_true(task_new(&task, &sample.data, "?", target, &e));
	assert_true(task_ranks(&task) == (count > 0));
	assert_true(task_choices(&task, &choices, &classes, &e) == (count > 0));
	if (count == 0)
		assert_true(e.code == ERROR_USAGE && strstr(e.text, target) != NULL);
	else
		assert_int_equal(choices.count, ID_FIRST + count);
	for (size_t i = 0; i < count; i++)
		if (!text_is(strings_at(&choices, ID_FIRST + i), expected[i]))
			fail_msg("%s: %s", target, expected[i]);
	strings_free(&choices);
	dataset_free(&classes);
	task_free(&task);
}

static void test_choices(void **state)
{
	(void)state;
	static const char *const ratings[] = {"rating0", "rating1", "rating2", "rating3", "rating4"};
	static const char *const brands[] = {"brand0", "brand1", "brand2"};
	/* Rows 3 to 9: what items have together, each once, in the items' order. */
	static const char *const genres[] = {"genre4", "genre5, genre0", "genre1", "genre2, genre3"};
	check_choices("{rating}", 5, ratings);
	check_choices("{favorite.rating}", 5, ratings);
	check_choices("{brand}", 3, brands);
	check_choices("{favorite.genre}", 4, genres);
	check_choices("{tags}", 0, NULL); /* several of an event's: no end of them */
	check_choices("{review}", 0, NULL);
	check_choices("my {rating}", 0, NULL);
	check_choices("rating3", 0, NULL);
}

static void test_templates_of_tasks(void **state)
{
	(void)state;
	static const struct {
		TaskKind kind;
		const char *field, *query, *target;
	} tasks[] = {
	    {TASK_NEXT_ITEM, NULL, "Next choice:", "{item}"},
	    {TASK_FAVORITE, NULL, "Favorite genre:", "{favorite.genre}"},
	    {TASK_FAVORITE, "brand", "Favorite brand:", "{favorite.brand}"},
	    {TASK_REVIEW, NULL, "Review of {item}, rating {rating}:", "{review}"},
	    {TASK_REVIEW, "review", "Review of {item}, rating {rating}:", "{review}"},
	};
	for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
		Error e = {0};
		char *query, *target;
		assert_true(task_templates(tasks[i].kind, &sample.data, tasks[i].field, &query, &target, &e));
		assert_string_equal(query, tasks[i].query);
		assert_string_equal(target, tasks[i].target);
		memory_free(query);
		memory_free(target);
	}
	Dataset bare = {0};
	Error e = {0};
	char *query = NULL, *target = NULL;
	assert_false(task_templates(TASK_REVIEW, &sample.data, "title", &query, &target, &e));
	assert_true(e.code == ERROR_USAGE && strstr(e.text, "'title' is no text of events") != NULL);
	e = (Error){0};
	assert_false(task_templates(TASK_FAVORITE, &bare, NULL, &query, &target, &e));
	assert_true(e.code == ERROR_USAGE && strstr(e.text, "favorite") != NULL);
	e = (Error){0};
	assert_false(task_templates(TASK_REVIEW, &bare, NULL, &query, &target, &e));
	assert_true(e.code == ERROR_USAGE && strstr(e.text, "review") != NULL);
}

static size_t texts_with(const Strings *texts, Text part)
{
	size_t count = 0;
	for (size_t i = 0; i < texts->count; i++) {
		Text text = strings_at(texts, i);
		count += text.size > 0 && memmem(text.data, text.size, part.data, part.size) != NULL;
	}
	return count;
}

/* What a language model learns from has every text of a training event once, and none of the last two events,
 * which are validation and test, of anybody who has as many as three. */
static void check_no_leak(Split split, size_t window)
{
	Error e = {0};
	Sample s;
	Strings texts = {0};
	sample_new(&s, split, window, (size_t[]){1, 2, 3, 4, 5, 6, 21}, 7, 7);
	assert_true(dataset_texts(&s.data, &s.users, "?", &texts, &e));
	size_t learnt = 0, kept = 0;
	for (size_t user = 0; user < s.users.count; user++) {
		size_t first = (size_t)s.users.offsets[user], end = (size_t)s.users.offsets[user + 1];
		for (size_t event = first; event < end; event++) {
			Text review = strings_at(&s.users.texts[1], event);
			bool trains = end - first < 3 || event + 2 < end;
			if (review.size == 0)
				continue;
			assert_int_equal(texts_with(&texts, review), trains);
			learnt += trains;
			kept += !trains;
		}
	}
	assert_true(learnt > 0 && kept > 0);
	assert_int_equal(texts.count, (size_t)2 * 7 + learnt); /* two of each item besides */
	strings_free(&texts);
	sample_free(&s);
}

static void test_no_leak(void **state)
{
	(void)state;
	check_no_leak(SPLIT_LEAVE_ONE_OUT, 0);
	check_no_leak(SPLIT_WINDOW, 3);
	check_no_leak(SPLIT_WINDOW, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_wrong_fields),
	    cmocka_unit_test(test_favorite),
	    cmocka_unit_test(test_choices),
	    cmocka_unit_test(test_templates_of_tasks),
	    cmocka_unit_test(test_no_leak),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
