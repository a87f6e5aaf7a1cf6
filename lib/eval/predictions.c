#include "eval/predictions.h"

#include "eval/metrics.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static bool get_string(const json_t *line, const char *key, const char **value, Error *e)
{
	const json_t *found = json_object_get(line, key);
	if (found == NULL)
		return fail(e, ERROR_MALFORMED, "no \"%s\"", key);
	if (!json_is_string(found))
		return fail(e, ERROR_MALFORMED, "\"%s\" is no string", key);
	*value = json_string_value(found);
	return true;
}

static bool get_rank(const json_t *found, uint64_t *rank, Error *e)
{
	*rank = RANK_NONE;
	if (json_is_null(found))
		return true;
	if (!json_is_integer(found) || json_integer_value(found) < 1)
		return fail(e, ERROR_MALFORMED, "\"rank\" is neither a whole number from 1 nor null");
	*rank = (uint64_t)json_integer_value(found);
	return true;
}

/* The target stands at its rank in the items that are listed, and nowhere else. */
static bool check_items(const json_t *items, const char *target, uint64_t rank, Error *e)
{
	if (items == NULL)
		return true;
	if (!json_is_array(items))
		return fail(e, ERROR_MALFORMED, "\"items\" is no list");
	size_t index;
	const json_t *item;
	json_array_foreach(items, index, item)
	{
		if (!json_is_string(item))
			return fail(e, ERROR_MALFORMED, "item %zu is no string", index + 1);
		bool is_target = strcmp(json_string_value(item), target) == 0;
		if (is_target && rank == RANK_NONE)
			return fail(e, ERROR_MALFORMED, "\"rank\" is null, but item %zu is the target",
			            index + 1);
		if (is_target != (rank == index + 1))
			return fail(e, ERROR_MALFORMED, "\"rank\" is %llu, but item %zu is%s the target",
			            (unsigned long long)rank, index + 1, is_target ? "" : " not");
	}
	return true;
}

static TaskRanks *find_or_add_task(Predictions *p, const char *name, Error *e)
{
	for (size_t i = 0; i < p->task_count; i++)
		if (strcmp(p->tasks[i].name, name) == 0)
			return &p->tasks[i];
	if (!memory_grow(&p->tasks, &p->task_capacity, p->task_count + 1, sizeof *p->tasks, e))
		return NULL;
	char *copy = memory_string(name, e);
	if (copy == NULL)
		return NULL;
	p->tasks[p->task_count] = (TaskRanks){.name = copy};
	return &p->tasks[p->task_count++];
}

static bool add_rank(TaskRanks *t, const char *user, const char *target, uint64_t rank, Error *e)
{
	size_t before = t->users.strings.count;
	if (vocabulary_add(&t->users, text_of(user), e) < 0)
		return false;
	if (t->users.strings.count == before)
		return fail(e, ERROR_MALFORMED, "user '%s' is there a second time for task '%s'", user,
		            t->name);
	if (!memory_grow(&t->ranks, &t->ranks_capacity, before + 1, sizeof *t->ranks, e) ||
	    !strings_append(&t->targets, target, strlen(target), e))
		return false;
	t->ranks[before] = rank;
	return true;
}

/* Whether it is unknown if the target stands at rank k or better: the list ends before. */
static bool ends_before(const json_t *items, uint64_t rank, uint64_t k)
{
	return rank == RANK_NONE && items != NULL && json_array_size(items) < k;
}

static bool add_line(Predictions *p, const json_t *line, uint64_t k, Error *e)
{
	const char *user = NULL, *task = NULL, *target = NULL;
	uint64_t rank;
	if (!json_is_object(line))
		return fail(e, ERROR_MALFORMED, "not a JSON object");
	if (!get_string(line, "user", &user, e) || !get_string(line, "task", &task, e))
		return false;
	const json_t *found_target = json_object_get(line, "target");
	const json_t *found_rank = json_object_get(line, "rank");
	if (json_is_null(found_target) || (found_target == NULL && found_rank == NULL)) {
		if (found_rank != NULL && !json_is_null(found_rank))
			return fail(e, ERROR_MALFORMED, "a \"rank\" without a \"target\"");
		p->without_target++;
		return true;
	}
	if (!get_string(line, "target", &target, e))
		return false;
	if (found_rank == NULL) {
		p->text_only++;
		return json_is_string(json_object_get(line, "text")) ||
		       fail(e, ERROR_MALFORMED, "a \"target\", but neither \"rank\" nor \"text\"");
	}
	const json_t *items = json_object_get(line, "items");
	if (!get_rank(found_rank, &rank, e) || !check_items(items, target, rank, e))
		return false;
	p->short_lists += ends_before(items, rank, k);
	TaskRanks *t = find_or_add_task(p, task, e);
	return t != NULL && add_rank(t, user, target, rank, e);
}

static bool read_line(Predictions *p, const char *text, size_t size, uint64_t k, Error *e)
{
	json_error_t json_error;
	json_t *line = json_loadb(text, size, JSON_REJECT_DUPLICATES, &json_error);
	if (line == NULL)
		return fail(e, ERROR_MALFORMED, "no JSON: %s (column %d)", json_error.text,
		            json_error.column);
	bool done = add_line(p, line, k, e);
	json_decref(line);
	return done;
}

bool predictions_read(Predictions *p, FILE *file, const char *name, uint64_t k, Error *e)
{
	char *text = NULL;
	size_t capacity = 0;
	ssize_t size;
	bool done = true;
	*p = (Predictions){0};
	while (done && (size = getline(&text, &capacity, file)) > 0) {
		p->lines++;
		done = read_line(p, text, (size_t)size, k, e) || fail_in(e, "%s: line %zu", name, p->lines);
	}
	if (done && !feof(file))
		done = fail_errno(e, "%s", name);
	free(text);
	return done;
}

const TaskRanks *predictions_task(const Predictions *p, const char *name)
{
	for (size_t i = 0; i < p->task_count; i++)
		if (strcmp(p->tasks[i].name, name) == 0)
			return &p->tasks[i];
	return NULL;
}

/* The first user of `a` whom `b` does not have; a's count if there is none. */
static size_t first_missing(const TaskRanks *a, const TaskRanks *b)
{
	size_t i = 0;
	while (i < a->users.strings.count &&
	       vocabulary_find(&b->users, strings_at(&a->users.strings, i)) >= 0)
		i++;
	return i;
}

bool predictions_pair(const TaskRanks *task, const TaskRanks *baseline, uint64_t *ranks, Error *e)
{
	size_t extra = first_missing(baseline, task);
	if (extra < baseline->users.strings.count) {
		Text user = strings_at(&baseline->users.strings, extra);
		return fail(e, ERROR_MALFORMED, "task '%s': no user '%.*s', whom the baseline has",
		            task->name, (int)user.size, user.data);
	}
	for (size_t i = 0; i < task->users.strings.count; i++) {
		Text user = strings_at(&task->users.strings, i);
		int64_t other = vocabulary_find(&baseline->users, user);
		if (other < 0)
			return fail(e, ERROR_MALFORMED, "task '%s': the baseline has no user '%.*s'",
			            task->name, (int)user.size, user.data);
		if (!text_equal(strings_at(&task->targets, i), strings_at(&baseline->targets, (size_t)other)))
			return fail(e, ERROR_MALFORMED,
			            "task '%s': user '%.*s' has another target in the baseline", task->name,
			            (int)user.size, user.data);
		ranks[i] = baseline->ranks[other];
	}
	return true;
}

void predictions_free(Predictions *p)
{
	for (size_t i = 0; i < p->task_count; i++) {
		memory_free(p->tasks[i].name);
		vocabulary_free(&p->tasks[i].users);
		strings_free(&p->tasks[i].targets);
		memory_free(p->tasks[i].ranks);
	}
	memory_free(p->tasks);
	*p = (Predictions){0};
}
