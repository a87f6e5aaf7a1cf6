#include "llm/decode.h"

#include <string.h>

bool decoder_takes(const Llm *llm, size_t N, Error *e)
{
	if (N == 0)
		return fail(e, ERROR_USAGE, "the prompt is empty, and the LLM has no token to begin with");
	return N <= llm->most_positions ||
	       fail(e, ERROR_USAGE, "the prompt's %zu tokens are more than %s, %zu", N, llm_limit(llm),
	            llm->most_positions);
}

bool decoder_new(Decoder *d, const Llm *llm, Pool *pool, Error *e)
{
	*d = (Decoder){.llm = llm, .tape.pool = pool};
	return cache_new(&d->cache, llm->shape.layers, llm->shape.layer.kv_heads * llm->shape.layer.D, e);
}

void decoder_free(Decoder *d)
{
	cache_free(&d->cache);
	tape_free(&d->tape);
	*d = (Decoder){0};
}

/* Runs a batch whose tokens go to the next free rows.  What is done between two of them is part of the
 * answer. */
static Tensor *run(Decoder *d, Phase phase, const int32_t *tokens, size_t N, Sequence *s, Error *e)
{
	int32_t *slots = arena_new(&d->tape.arena, N, sizeof *slots, e);
	if (slots == NULL || !cache_reserve(&d->cache, d->rows + N, e))
		return NULL;
	for (size_t i = 0; i < N; i++)
		slots[i] = (int32_t)(d->rows + i);
	s->cache = &d->cache;
	s->slots = slots;
	profile_enter(d->tape.profile, phase, N);
	Tensor *h = llm_forward(&d->tape, d->llm, tokens, N, s, d->injection);
	if (h == NULL)
		*e = d->tape.error;
	d->rows += N;
	profile_cache(d->tape.profile, 2 * d->cache.layers * d->rows * d->cache.width * sizeof(float));
	profile_enter(d->tape.profile, PHASE_ANSWER, 0);
	return h;
}

/* The next N tokens of the only sequence; returns all their hidden states. */
static Tensor *read_on(Decoder *d, const int32_t *tokens, size_t N, Error *e)
{
	tape_reset(&d->tape, false, 0);
	int32_t *positions = arena_new(&d->tape.arena, N, sizeof *positions, e);
	const size_t start[] = {0, N};
	if (positions == NULL ||
	    (d->placing != NULL && !d->placing->place(d->placing->context, start, 1, &d->tape.arena, e)))
		return NULL;
	for (size_t i = 0; i < N; i++)
		positions[i] = (int32_t)(d->rows + i);
	AttentionSegment segment = {0, N, 0, d->rows + N, true};
	Sequence s = {.positions = positions, .segments = &segment, .segment_count = 1};
	return run(d, PHASE_PROMPT, tokens, N, &s, e);
}

/* So many tokens are read at a time: enough to make products fast, and few enough for activations to be
 * small. */
enum { PIECE = 512 };

Tensor *decoder_begin(Decoder *d, const int32_t *tokens, size_t N, Error *e)
{
	Tensor *h = NULL;
	d->rows = 0;
	if (N == 0)
		fail(e, ERROR_USAGE, "the prompt is empty, and the LLM has no token to begin with");
	while (d->rows < N) {
		size_t piece = N - d->rows < PIECE ? N - d->rows : PIECE;
		if ((h = read_on(d, tokens + d->rows, piece, e)) == NULL)
			return NULL;
	}
	return h ? tape_constant(&d->tape, h->value + (h->rows - 1) * h->cols, 1, h->cols) : NULL;
}

/* What a batch of tokens is for llm_forward(), in the tape's arena. */
static bool lay_out(Decoder *d, const NextToken *next, size_t N, size_t sequences, int32_t **tokens,
                    Sequence *s, Error *e)
{
	Arena *arena = &d->tape.arena;
	int32_t *positions = arena_new(arena, N, sizeof *positions, e);
	const int32_t **seen = arena_new(arena, N, sizeof *seen, e);
	size_t *seen_count = arena_new(arena, N, sizeof *seen_count, e);
	size_t *start = arena_new(arena, sequences + 1, sizeof *start, e);
	*tokens = arena_new(arena, N, sizeof **tokens, e);
	if (positions == NULL || seen == NULL || seen_count == NULL || start == NULL || *tokens == NULL)
		return false;
	for (size_t i = 0, sequence = 0; i <= N; i++)
		for (size_t end = i < N ? next[i].sequence : sequences; sequence <= end; sequence++)
			start[sequence] = i;
	for (size_t i = 0; i < N; i++) {
		(*tokens)[i] = next[i].token;
		positions[i] = next[i].position;
		seen[i] = next[i].seen;
		seen_count[i] = (size_t)next[i].position + 1;
	}
	*s = (Sequence){.positions = positions, .seen = seen, .seen_count = seen_count};
	return d->placing == NULL || d->placing->place(d->placing->context, start, sequences, arena, e);
}

static Tensor *step(Decoder *d, Phase phase, const NextToken *next, size_t N, size_t sequences, Error *e)
{
	int32_t *tokens;
	Sequence s;
	tape_reset(&d->tape, false, 0);
	return lay_out(d, next, N, sequences, &tokens, &s, e) ? run(d, phase, tokens, N, &s, e) : NULL;
}

Tensor *decoder_step(Decoder *d, const NextToken *next, size_t N, size_t sequences, Error *e)
{
	return step(d, PHASE_ANSWER, next, N, sequences, e);
}

/* How many tokens all prompts begin with, but the last of each. */
static size_t shared_length(const Decoder *d, const PromptTokens *prompts, size_t count)
{
	size_t shared = d->injection || count == 0 ? 0 : prompts[0].count;
	for (size_t i = 1; i < count; i++) {
		size_t length = 0, most = prompts[i].count - 1;
		most = most < shared ? most : shared;
		while (length < most && prompts[i].tokens[length] == prompts[0].tokens[length])
			length++;
		shared = length;
	}
	return shared;
}

/* Several prompts, some tokens at a time; of all but the first only what follows the `shared` ones. */
static bool read_several(Decoder *d, const PromptTokens *prompts, size_t count, NextToken *next,
                         int32_t *last, const PromptReader *reader, Error *e)
{
	size_t shared = shared_length(d, prompts, count);
	for (size_t i = 1; i < count; i++)
		for (size_t k = 0; k < shared; k++)
			prompts[i].path[k] = (int32_t)k;
	for (size_t i = 0, at = 0; i < count;) {
		size_t n = 0, first = i;
		while (i < count && n < PIECE) {
			const PromptTokens *p = &prompts[i];
			p->path[at] = (int32_t)(d->rows + n);
			next[n++] = (NextToken){p->tokens[at], (int32_t)at, i, p->path};
			if (++at < p->count)
				continue;
			last[i++ - first] = (int32_t)n - 1;
			at = shared;
		}
		Tensor *h = step(d, PHASE_PROMPT, next, n, count, e);
		if (h == NULL)
			return false;
		if (i == first)
			continue;
		h = tape_rows(&d->tape, h, last, i - first);
		if (h == NULL)
			*e = d->tape.error;
		if (h == NULL || !reader->take(reader->context, first, i, h, e))
			return false;
	}
	return true;
}

static bool read_one(Decoder *d, const PromptTokens *p, const PromptReader *reader, Error *e)
{
	Tensor *h = decoder_begin(d, p->tokens, p->count, e);
	for (size_t i = 0; h != NULL && i < p->count; i++)
		p->path[i] = (int32_t)i;
	return h != NULL && reader->take(reader->context, 0, 1, h, e);
}

bool decoder_read(Decoder *d, const PromptTokens *prompts, size_t count, const PromptReader *reader, Error *e)
{
	for (size_t i = 0; i < count; i++)
		if (!decoder_takes(d->llm, prompts[i].count, e))
			return false;
	if (count == 1)
		return read_one(d, prompts, reader, e);
	d->rows = 0;
	NextToken *next = memory_new(PIECE, sizeof *next, e);
	int32_t *last = memory_new(count, sizeof *last, e);
	bool done = next != NULL && last != NULL && read_several(d, prompts, count, next, last, reader, e);
	memory_free(next);
	memory_free(last);
	return done;
}

Tensor *decoder_log_probabilities(Decoder *d, Tensor *h, Error *e)
{
	Tensor *y = llm_log_probabilities(&d->tape, d->llm, h);
	if (y == NULL)
		*e = d->tape.error;
	return y;
}
