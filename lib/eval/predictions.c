#include "eval/predictions.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NATS = 700 }; /* a token; e^709.8 is the largest double */

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

/* The sum of -ln p of the target's tokens and their number; no tokens: it is not given, or of none. */
static bool get_likelihood(const json_t *line, double *nll, uint64_t *tokens, Error *e)
{
	const json_t *found_nll = json_object_get(line, "nll"),
	             *found_tokens = json_object_get(line, "tokens");
	*tokens = 0;
	if (found_tokens != NULL && (!json_is_integer(found_tokens) || json_integer_value(found_tokens) < 0))
		return fail(e, ERROR_MALFORMED, "\"tokens\" is no whole number from 0");
	if (found_nll == NULL)
		return true;
	if (found_tokens == NULL)
		return fail(e, ERROR_MALFORMED, "a \"nll\" without \"tokens\"");
	*nll = json_number_value(found_nll);
	if (!json_is_number(found_nll) || !(*nll >= 0.0))
		return fail(e, ERROR_MALFORMED, "\"nll\" is no number from 0");
	*tokens = (uint64_t)json_integer_value(found_tokens);
	/* Where each line's perplexity is a number, that of all is one. */
	if (*nll / (double)*tokens > MOST_NATS)
		return fail(e, ERROR_MALFORMED, "\"nll\" is more than %d for each of its %llu tokens",
		            MOST_NATS, (unsigned long long)*tokens);
	return true;
}

static size_t task_number(const Predictions *p, const char *name, AnswerKind kind)
{
	size_t i = 0;
	while (i < p->task_count && (p->tasks[i].kind != kind || strcmp(p->tasks[i].name, name) != 0))
		i++;
	return i;
}

static TaskAnswers *find_or_add_task(Predictions *p, const char *name, AnswerKind kind, Error *e)
{
	size_t number = task_number(p, name, kind);
	if (number < p->task_count)
		return &p->tasks[number];
	if (!memory_grow(&p->tasks, &p->task_capacity, p->task_count + 1, sizeof *p->tasks, e))
		return NULL;
	char *copy = memory_string(name, e);
	if (copy == NULL)
		return NULL;
	p->tasks[p->task_count] = (TaskAnswers){.name = copy, .kind = kind};
	return &p->tasks[p->task_count++];
}

static bool add_user(TaskAnswers *t, const char *user, const char *target, Error *e)
{
	size_t before = t->users.strings.count;
	if (vocabulary_add(&t->users, text_of(user), e) < 0)
		return false;
	if (t->users.strings.count == before)
		return fail(e, ERROR_MALFORMED, "user '%s' is there a second time for task '%s'", user,
		            t->name);
	return strings_append(&t->targets, target, strlen(target), e);
}

/* Whether it is unknown if the target stands at rank k or better: the list ends before. */
static bool ends_before(const json_t *items, uint64_t rank, uint64_t k)
{
	return rank == RANK_NONE && items != NULL && json_array_size(items) < k;
}

typedef struct {
	const char *user, *task, *target;
} Question;

static bool add_ranking(Predictions *p, const Question *q, const json_t *line, uint64_t k, Error *e)
{
	uint64_t rank;
	const json_t *items = json_object_get(line, "items");
	if (!get_rank(json_object_get(line, "rank"), &rank, e) || !check_items(items, q->target, rank, e))
		return false;
	TaskAnswers *t = find_or_add_task(p, q->task, ANSWER_RANKING, e);
	if (t == NULL || !add_user(t, q->user, q->target, e) ||
	    !memory_grow(&t->ranks, &t->ranks_capacity, t->targets.count, sizeof *t->ranks, e))
		return false;
	t->ranks[t->targets.count - 1] = rank;
	p->short_lists += ends_before(items, rank, k);
	return true;
}

static bool add_text(Predictions *p, const Question *q, const json_t *line, Error *e)
{
	const char *text = NULL;
	double nll = 0.0;
	uint64_t tokens;
	if (!get_string(line, "text", &text, e) || !get_likelihood(line, &nll, &tokens, e))
		return false;
	TaskAnswers *t = find_or_add_task(p, q->task, ANSWER_TEXT, e);
	if (t == NULL || !add_user(t, q->user, q->target, e) ||
	    !texts_add(&t->texts, text_of(q->target), text_of(text), e))
		return false;
	if (json_object_get(line, "nll") != NULL)
		texts_add_likelihood(&t->texts, nll, tokens);
	return true;
}

/* What a text is worth to a model, which nobody was asked for. */
static bool add_likelihood(Predictions *p, const json_t *line, Error *e)
{
	const char *name = NULL;
	double nll = 0.0;
	uint64_t tokens;
	if (json_object_get(line, "nll") == NULL)
		return fail(e, ERROR_MALFORMED, "no \"user\", nor a \"nll\"");
	if (!get_string(line, "task", &name, e) || !get_likelihood(line, &nll, &tokens, e))
		return false;
	TaskAnswers *t = find_or_add_task(p, name, ANSWER_LIKELIHOOD, e);
	if (t != NULL)
		texts_add_likelihood(&t->texts, nll, tokens);
	return t != NULL;
}

static bool check_text(const json_t *line, Error *e)
{
	const char *ranked = json_object_get(line, "items")  ? "items"
	                     : json_object_get(line, "rank") ? "rank"
	                                                     : NULL;
	const json_t *text = json_object_get(line, "text");
	if (text == NULL)
		return true;
	if (ranked != NULL)
		return fail(e, ERROR_MALFORMED, "both \"text\" and \"%s\": an answer is one or the other",
		            ranked);
	return json_is_string(text) || fail(e, ERROR_MALFORMED, "\"text\" is no string");
}

static bool add_line(Predictions *p, const json_t *line, uint64_t k, Error *e)
{
	Question q = {0};
	if (!json_is_object(line))
		return fail(e, ERROR_MALFORMED, "not a JSON object");
	if (json_object_get(line, "user") == NULL)
		return add_likelihood(p, line, e);
	if (!get_string(line, "user", &q.user, e) || !get_string(line, "task", &q.task, e) ||
	    !check_text(line, e))
		return false;
	const json_t *found_target = json_object_get(line, "target");
	const json_t *found_rank = json_object_get(line, "rank");
	bool is_text = json_object_get(line, "text") != NULL;
	if (json_is_null(found_target) || (found_target == NULL && found_rank == NULL)) {
		if (found_rank != NULL && !json_is_null(found_rank))
			return fail(e, ERROR_MALFORMED, "a \"rank\" without a \"target\"");
		p->without_target++;
		return true;
	}
	if (!get_string(line, "target", &q.target, e))
		return false;
	if (found_rank == NULL && !is_text)
		return fail(e, ERROR_MALFORMED, "a \"target\", but neither \"rank\" nor \"text\"");
	return is_text ? add_text(p, &q, line, e) : add_ranking(p, &q, line, k, e);
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
		/* A mark of UTF-8 that some editors put there, and lines that are blank, say nothing. */
		size_t skipped = p->lines++ == 0 && size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
		if (strspn(text + skipped, " \t\r\n") == (size_t)size - skipped)
			continue;
		done = read_line(p, text + skipped, (size_t)size - skipped, k, e) ||
		       fail_in(e, "%s: line %zu", name, p->lines);
	}
	if (done && !feof(file))
		done = fail_errno(e, "%s", name);
	free(text);
	return done;
}

const TaskAnswers *predictions_task(const Predictions *p, const char *name, AnswerKind kind)
{
	size_t number = task_number(p, name, kind);
	return number < p->task_count ? &p->tasks[number] : NULL;
}

/* The first user of `a` whom `b` does not have; a's count if there is none. */
static size_t first_missing(const TaskAnswers *a, const TaskAnswers *b)
{
	size_t i = 0;
	while (i < a->users.strings.count &&
	       vocabulary_find(&b->users, strings_at(&a->users.strings, i)) >= 0)
		i++;
	return i;
}

bool predictions_pair(const TaskAnswers *task, const TaskAnswers *baseline, size_t *lines, Error *e)
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
		lines[i] = (size_t)other;
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
		texts_free(&p->tasks[i].texts);
	}
	memory_free(p->tasks);
	*p = (Predictions){0};
}
