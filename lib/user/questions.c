#include "user/questions.h"

Query question_about(const Dataset *data, const Users *users, size_t event)
{
	size_t user = users_with(users, event);
	return (Query){users, user, dataset_history(data, users, user, event), users->items[event]};
}

bool question_is_answerable(const Asking *a, const Query *q)
{
	const Task *task = a->prompter->task;
	return template_says(&task->target, task->data, &task->names, q);
}

static size_t common_divisor(size_t a, size_t b)
{
	return b == 0 ? a : common_divisor(b, a % b);
}

/* In strides, at random too, that come to each of the events before they come to one again. */
void questions_draw(Questions *q, const Asking *a, size_t most, Random *random)
{
	size_t length = q->history.end - q->history.first, known = (size_t)random_below(random, length),
	       stride;
	do
		stride = 1 + (size_t)random_below(random, length);
	while (common_divisor(stride, length) > 1);
	for (size_t tried = 0; tried < length && q->count < most; tried++) {
		Query query = question_about(a->prompter->task->data, a->users, q->history.first + known + 1);
		if (question_is_answerable(a, &query))
			q->known[q->count++] = known + 1;
		known = (known + stride) % length;
	}
}

static bool add_question(Conversation *c, const Asking *a, const Query *q, Buffer *answer, Error *e)
{
	const Task *task = a->prompter->task;
	answer->size = 0;
	return prompter_add(a->prompter, q, c->count, &c->words, e) &&
	       template_fill(&task->target, task->data, &task->names, q, answer, e) &&
	       conversation_add(c, a->prompter, answer, e);
}

static bool make_room(QuestionBatch *b, const Questions *questions, size_t count, Arena *arena, Error *e)
{
	size_t most = 0;
	for (size_t i = 0; i < count; i++)
		most += questions[i].count;
	b->histories = arena_new(arena, count, sizeof *b->histories, e);
	b->of = arena_new(arena, most, sizeof *b->of, e);
	b->known = arena_new(arena, most, sizeof *b->known, e);
	return b->histories && b->of && b->known && conversation_new(&b->conversation, most, arena, e);
}

bool question_batch_new(QuestionBatch *b, const Asking *a, Tape *t, const Questions *questions, size_t count)
{
	*b = (QuestionBatch){.history_count = count};
	Conversation *c = &b->conversation;
	Buffer answer = {0};
	bool done = make_room(b, questions, count, &t->arena, &t->error);
	for (size_t i = 0; done && i < count; i++) {
		const Questions *q = &questions[i];
		b->histories[i] = q->history;
		for (size_t k = 0; done && k < q->count; k++) {
			Query question =
			    question_about(a->prompter->task->data, a->users, q->history.first + q->known[k]);
			b->of[c->count] = i;
			b->known[c->count] = q->known[k];
			done = add_question(c, a, &question, &answer, &t->error);
		}
	}
	buffer_free(&answer);
	return done && conversation_lay_out(c, &t->arena, &t->error);
}

void question_batch_free(QuestionBatch *b)
{
	conversation_free(&b->conversation);
	soft_targets_free(&b->targets);
}

AsOf question_batch_asked(const QuestionBatch *b)
{
	return (AsOf){b->conversation.count, b->of, b->known};
}

/* What the teacher knows of the users as of the questions: by question, of its trie. */
static const float *ask_teacher(const QuestionBatch *b, const Asking *a, Tape *t)
{
	size_t count = b->conversation.count, row = 0, i = 0;
	size_t *last = arena_new(&t->arena, count, sizeof *last, &t->error);
	if (last == NULL)
		return NULL;
	for (size_t h = 0; h < b->history_count; row += b->histories[h].end - b->histories[h].first, h++)
		for (; i < count && b->of[i] == h; i++)
			last[i] = row + b->known[i] - 1;
	return teacher_ask(a->teacher, t, a->users, b->histories, b->history_count, last, count);
}

bool question_batch_targets(QuestionBatch *b, const Asking *a, Tape *t, LossTargets *out)
{
	const Conversation *c = &b->conversation;
	const Teacher *teacher = a->teacher;
	size_t answer = 0;
	const float *mass = teacher ? ask_teacher(b, a, t) : NULL;
	b->offsets = arena_new(&t->arena, c->answers + 1, sizeof *b->offsets, &t->error);
	if (b->offsets == NULL || (teacher != NULL && mass == NULL))
		return false;
	for (size_t i = 0; i < c->count; i++) {
		int32_t node = 0;
		for (size_t end = answer + conversation_answer(c, i); answer < end; answer++) {
			b->offsets[answer] = (int64_t)b->targets.count;
			if (!(teacher
			          ? teacher_targets(teacher, mass + i * teacher->trie.count, c->next[answer],
			                            a->taught, &node, &b->targets, &t->error)
			          : soft_targets_add(&b->targets, c->next[answer], 1, &t->error)))
				return false;
		}
	}
	b->offsets[answer] = (int64_t)b->targets.count;
	*out = (LossTargets){b->offsets, b->targets.values, 0, b->targets.shares};
	return true;
}
