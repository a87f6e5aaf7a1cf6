#include "user/conversation.h"

Query question_about(const Dataset *data, const Users *users, size_t event)
{
	size_t user = users_with(users, event);
	return (Query){users, user, dataset_history(data, users, user, event), users->items[event]};
}

/* Prompt and answer of a question, at the end of those before. */
static bool add_question(Conversation *c, const Asking *a, const Query *q, Buffer *text, Error *e)
{
	const Task *task = a->prompter->task;
	size_t before = c->words.count, i = c->count;
	if (!prompter_add(a->prompter, q, i, &c->words, e))
		return false;
	c->asked[i] = c->words.count - before;
	text->size = 0;
	if (!template_fill(&task->target, task->data, &task->names, q, text, e) ||
	    !answer_tokens(a->prompter->llm->tokenizer, (Text){(const char *)text->data, text->size},
	                   a->prompter->answer, &c->words, e))
		return false;
	c->end[i] = c->words.count;
	c->answers += c->end[i] - before - c->asked[i];
	c->count++;
	return true;
}

static bool list_questions(Conversation *c, const Asking *a, const Questions *questions, size_t count,
                           Arena *arena, Error *e)
{
	size_t most = 0;
	Buffer text = {0};
	for (size_t i = 0; i < count; i++)
		most += questions[i].count;
	c->histories = arena_new(arena, count, sizeof *c->histories, e);
	c->of = arena_new(arena, most, sizeof *c->of, e);
	c->known = arena_new(arena, most, sizeof *c->known, e);
	c->asked = arena_new(arena, most, sizeof *c->asked, e);
	c->end = arena_new(arena, most, sizeof *c->end, e);
	bool done =
	    c->histories != NULL && c->of != NULL && c->known != NULL && c->asked != NULL && c->end != NULL;
	for (size_t i = 0; done && i < count; i++) {
		const Questions *q = &questions[i];
		c->histories[i] = q->history;
		for (size_t k = 0; done && k < q->count; k++) {
			Query question =
			    question_about(a->prompter->task->data, a->users, q->history.first + q->known[k]);
			c->of[c->count] = i;
			c->known[c->count] = q->known[k];
			done = add_question(c, a, &question, &text, e);
		}
	}
	buffer_free(&text);
	return done;
}

static bool make_room(Conversation *c, Arena *arena, Error *e)
{
	c->N = c->words.count - c->count;
	c->start = arena_new(arena, c->count + 1, sizeof *c->start, e);
	c->tokens = arena_new(arena, c->N, sizeof *c->tokens, e);
	c->positions = arena_new(arena, c->N, sizeof *c->positions, e);
	c->segments = arena_new(arena, c->count, sizeof *c->segments, e);
	c->rows = arena_new(arena, c->answers, sizeof *c->rows, e);
	c->offsets = arena_new(arena, c->answers + 1, sizeof *c->offsets, e);
	return c->start && c->tokens && c->positions && c->segments && c->rows && c->offsets;
}

/* What is right at an answer's token behind *node of the teacher's trie. */
static bool add_target(Conversation *c, const Asking *a, size_t question, int32_t token, int32_t *node,
                       Error *e)
{
	const Teacher *t = a->teacher;
	return c->mass ? teacher_targets(t, c->mass + question * t->trie.count, token, a->taught, node,
	                                 &c->targets, e)
	               : soft_targets_add(&c->targets, token, 1, e);
}

/* What is read, and what is to be predicted: the last token of each answer is never read. */
static bool write_tokens(Conversation *c, const Asking *a, Arena *arena, Error *e)
{
	size_t row = 0, answer = 0;
	if (!make_room(c, arena, e))
		return false;
	for (size_t i = 0; i < c->count; i++) {
		size_t from = i > 0 ? c->end[i - 1] : 0, length = c->end[i] - from - 1;
		int32_t node = 0;
		c->start[i] = row;
		c->segments[i] = (AttentionSegment){row, length, row, length, true};
		for (size_t k = 0; k < length; k++, row++) {
			c->tokens[row] = c->words.ids[from + k];
			c->positions[row] = (int32_t)k;
			if (k + 1 < c->asked[i])
				continue;
			c->rows[answer] = (int32_t)row;
			c->offsets[answer++] = (int64_t)c->targets.count;
			if (!add_target(c, a, i, c->words.ids[from + k + 1], &node, e))
				return false;
		}
	}
	c->start[c->count] = row;
	c->offsets[answer] = (int64_t)c->targets.count;
	return true;
}

/* In training, what the teacher knows of the users as of the questions. */
static bool ask_teacher(Conversation *c, const Asking *a, Tape *t, size_t count)
{
	if (a->teacher == NULL || !t->training || c->count == 0)
		return true;
	size_t *last = arena_new(&t->arena, c->count, sizeof *last, &t->error), row = 0, i = 0;
	if (last == NULL)
		return false;
	for (size_t h = 0; h < count; row += c->histories[h].end - c->histories[h].first, h++)
		for (; i < c->count && c->of[i] == h; i++)
			last[i] = row + c->known[i] - 1;
	c->mass = teacher_ask(a->teacher, t, a->users, c->histories, count, last, c->count);
	return c->mass != NULL;
}

bool conversation_new(Conversation *c, const Asking *a, Tape *t, const Questions *questions, size_t count)
{
	*c = (Conversation){0};
	return list_questions(c, a, questions, count, &t->arena, &t->error) && ask_teacher(c, a, t, count) &&
	       write_tokens(c, a, &t->arena, &t->error);
}

void conversation_free(Conversation *c)
{
	tokens_free(&c->words);
	soft_targets_free(&c->targets);
}
