#include "llm/beams.h"

#include <math.h>
#include <string.h>

/* A beginning: its tokens, and the rows of the cache behind it, the prompt's among them. */
typedef struct {
	int32_t *tokens, *path;
	size_t count; /* tokens */
	double score; /* their log-probability */
} Beam;

/* One beam and what could come next. */
typedef struct {
	size_t parent;
	int32_t token;
	double score;
} Step;

typedef struct {
	Decoder *d;
	const Generation *g;
	const Continuation *c;
	size_t room;       /* tokens of prompt and continuation */
	Beam *live, *next; /* [beams] */
	size_t live_count;
	Beam best; /* of those that have ended */
	double best_worth;
	Finish finish; /* of the best */
	Step *steps;   /* [2 beams] */
	NextToken *batch;
} Beams;

static bool beam_new(const Beams *b, Beam *beam, Arena *arena, Error *e)
{
	beam->tokens = arena_new(arena, b->room - b->c->prompt_count + 1, sizeof *beam->tokens, e);
	beam->path = arena_new(arena, b->room + 1, sizeof *beam->path, e); /* the last token has no row */
	return beam->tokens != NULL && beam->path != NULL;
}

static bool beams_new(Beams *b, Arena *arena, Error *e)
{
	size_t B = b->g->beams;
	b->live = arena_new(arena, B, sizeof *b->live, e);
	b->next = arena_new(arena, B, sizeof *b->next, e);
	b->steps = arena_new(arena, 2 * B, sizeof *b->steps, e);
	b->batch = arena_new(arena, B, sizeof *b->batch, e);
	if (b->live == NULL || b->next == NULL || b->steps == NULL || b->batch == NULL ||
	    !beam_new(b, &b->best, arena, e))
		return false;
	for (size_t i = 0; i < B; i++)
		if (!beam_new(b, &b->live[i], arena, e) || !beam_new(b, &b->next[i], arena, e))
			return false;
	b->best_worth = -HUGE_VAL;
	b->live[0].count = 0;
	b->live[0].score = 0;
	b->live_count = 1;
	for (size_t i = 0; i < b->c->prompt_count; i++)
		b->live[0].path[i] = (int32_t)i;
	return true;
}

/* Puts a step into a list that has its best first and holds `most`. */
static size_t insert(Step *steps, size_t count, size_t most, Step step)
{
	if (count == most && step.score <= steps[count - 1].score)
		return count;
	size_t place = count < most ? count : count - 1;
	for (; place > 0 && steps[place - 1].score < step.score; place--)
		steps[place] = steps[place - 1];
	steps[place] = step;
	return count < most ? count + 1 : count;
}

/* The best 2 · beams steps of all beams: enough for as many to go on, whatever ends. */
static size_t best_steps(const Beams *b, const Tensor *y)
{
	size_t count = 0, most = 2 * b->g->beams;
	for (size_t i = 0; i < b->live_count; i++)
		for (size_t v = 0; v < tokenizer_size(b->d->llm->tokenizer); v++) {
			double score = b->live[i].score + (double)y->value[i * y->cols + v];
			count = insert(b->steps, count, most, (Step){i, (int32_t)v, score});
		}
	return count;
}

static void copy_beam(const Beams *b, Beam *to, const Beam *from)
{
	if (from->count > 0)
		memcpy(to->tokens, from->tokens, from->count * sizeof *to->tokens);
	memcpy(to->path, from->path, (b->c->prompt_count + from->count) * sizeof *to->path);
	to->count = from->count;
	to->score = from->score;
}

static void end(Beams *b, const Beam *beam, double score, size_t length, Finish finish)
{
	double worth = score / (double)(length > 0 ? length : 1);
	if (worth <= b->best_worth)
		return;
	b->best_worth = worth;
	b->finish = finish;
	copy_beam(b, &b->best, beam);
}

/* What ends is kept, what goes on becomes the next beams. */
static void take_steps(Beams *b, size_t count)
{
	size_t next = 0;
	for (size_t i = 0; i < count && next < b->g->beams; i++) {
		const Step *step = &b->steps[i];
		const Beam *parent = &b->live[step->parent];
		if (tokenizer_ends(b->d->llm->tokenizer, step->token)) {
			end(b, parent, step->score, parent->count + 1, FINISH_STOP);
			continue;
		}
		Beam *beam = &b->next[next++];
		copy_beam(b, beam, parent);
		beam->tokens[beam->count] = step->token;
		beam->score = step->score;
	}
	Beam *live = b->live;
	b->live = b->next;
	b->next = live;
	b->live_count = next;
}

/* Whether no beam can become better than what has ended: scores only fall, and lengths are bounded. */
static bool is_over(const Beams *b)
{
	return b->live[0].score / (double)b->g->most <= b->best_worth;
}

/* The beams' last tokens are read; the rows are theirs from now on. */
static Tensor *read_beams(Beams *b, Error *e)
{
	for (size_t i = 0; i < b->live_count; i++) {
		Beam *beam = &b->live[i];
		size_t at = b->c->prompt_count + beam->count;
		beam->path[at] = (int32_t)(b->d->rows + i);
		b->batch[i] = (NextToken){beam->tokens[beam->count++], (int32_t)at, 0, beam->path};
	}
	return decoder_step(b->d, b->batch, b->live_count, 1, e);
}

static bool search(Beams *b, Error *e)
{
	Tensor *h = decoder_begin(b->d, b->c->prompt, b->c->prompt_count, e);
	for (;;) {
		Tensor *y = h ? decoder_log_probabilities(b->d, h, e) : NULL;
		if (y == NULL)
			return false;
		take_steps(b, best_steps(b, y));
		size_t count = b->live_count > 0 ? b->live[0].count : 0;
		if (b->live_count == 0 || is_over(b))
			return true;
		bool enough = count + 1 == b->g->most;
		if (enough || b->c->prompt_count + count == b->room) {
			for (size_t i = 0; i < b->live_count; i++) {
				Beam *beam = &b->live[i];
				beam->count++;
				end(b, beam, beam->score, beam->count,
				    enough ? FINISH_LENGTH : FINISH_CONTEXT);
			}
			return true;
		}
		h = read_beams(b, e);
	}
}

static bool give(const Beams *b, Continuation *c, Error *e)
{
	const TokenSink *sink = b->g->sink;
	bool stop = false;
	for (size_t i = 0; i < b->best.count && !stop; i++) {
		const int32_t *token = &b->best.tokens[i];
		if (!tokens_append(&c->out, token, 1, e) ||
		    (sink != NULL && !sink->take(sink->context, 0, *token, &stop, e)))
			return false;
	}
	c->finish = stop ? FINISH_STOP : b->finish;
	return true;
}

bool decoder_beams(Decoder *d, const Generation *g, Continuation *c, Error *e)
{
	Arena arena = {0};
	Beams b = {.d = d, .g = g, .c = c};
	size_t room = c->prompt_count + g->most;
	b.room = room < d->llm->most_positions ? room : d->llm->most_positions;
	bool done = decoder_takes(d->llm, c->prompt_count, e) &&
	            (g->most == 0 || (beams_new(&b, &arena, e) && search(&b, e) && give(&b, c, e)));
	arena_free(&arena);
	return done;
}
