#include "llm/generate.h"

#include "llm/beams.h"
#include "math/vector.h"

#include <string.h>

/* A continuation under way. */
typedef struct {
	Continuation *c;
	Random random;
	int32_t *path; /* the rows of its tokens */
	size_t length; /* tokens that were read */
	size_t room;   /* tokens at most */
	int32_t token; /* the last one, which is to be read */
	bool done;
} Stream;

typedef struct {
	Decoder *d;
	const Generation *g;
	Stream *streams;
	size_t count;
	NextToken *next;
	size_t next_capacity;
	Sampler sampler;
	int32_t *said; /* of one stream at a time */
	size_t said_capacity;
} Streams;

static bool start(Streams *s, Continuation *c, Arena *arena, Error *e)
{
	size_t most = s->d->llm->most_positions;
	for (size_t i = 0; i < s->count; i++) {
		Stream *stream = &s->streams[i];
		size_t room = c[i].prompt_count + s->g->most;
		*stream = (Stream){.c = &c[i], .random = {random_key(c[i].seed, 0x5a3), 0}};
		stream->room = room < most ? room : most;
		stream->path = arena_new(arena, stream->room, sizeof *stream->path, e);
		if (stream->path == NULL)
			return false;
		if (!decoder_takes(s->d->llm, c[i].prompt_count, e))
			return false;
	}
	return true;
}

/* What the stream has been told and has said, for the penalty. */
static bool recall(Streams *s, const Stream *stream, size_t *count, Error *e)
{
	const Continuation *c = stream->c;
	*count = 0;
	if (s->g->sampling.penalty == 1)
		return true;
	*count = c->prompt_count + c->out.count;
	if (!memory_grow(&s->said, &s->said_capacity, *count, sizeof *s->said, e))
		return false;
	*count = 0;
	for (size_t i = 0; i < c->prompt_count; i++)
		if (c->prompt[i] >= 0) /* soft tokens are none that could be said */
			s->said[(*count)++] = c->prompt[i];
	if (c->out.count > 0)
		memcpy(s->said + *count, c->out.ids, c->out.count * sizeof *s->said);
	*count += c->out.count;
	return true;
}

/* Takes the stream's next token from its logits. */
static bool extend(Streams *s, size_t i, float *logits, Error *e)
{
	Stream *stream = &s->streams[i];
	Tokens *out = &stream->c->out;
	size_t said;
	if (!recall(s, stream, &said, e) ||
	    (stream->token =
	         sample_token(&s->sampler, &s->g->sampling, logits, tokenizer_size(s->d->llm->tokenizer),
	                      s->said, said, &stream->random, e)) < 0)
		return false;
	if (tokenizer_ends(s->d->llm->tokenizer, stream->token)) {
		stream->done = true;
		stream->c->finish = FINISH_STOP;
		return true;
	}
	bool stop = false, enough = out->count + 1 == s->g->most;
	const TokenSink *sink = s->g->sink;
	if (!tokens_append(out, &stream->token, 1, e) ||
	    (sink != NULL && !sink->take(sink->context, i, stream->token, &stop, e)))
		return false;
	stream->done = stop || enough || stream->length == stream->room;
	if (stream->done)
		stream->c->finish = stop ? FINISH_STOP : enough ? FINISH_LENGTH : FINISH_CONTEXT;
	return true;
}

/* Hidden states of those of the streams [first, end) that go on, row by row, become their next tokens. */
static bool extend_all(void *context, size_t first, size_t end, Tensor *h, Error *e)
{
	Streams *s = context;
	Tensor *logits = llm_logits(&s->d->tape, s->d->llm, h);
	if (logits == NULL)
		return fail(e, s->d->tape.error.code, "%s", s->d->tape.error.text);
	if (!vector_finite(logits->value, logits->rows * logits->cols))
		return llm_no_numbers(s->d->llm, e);
	for (size_t i = first, row = 0; i < end; i++)
		if (!s->streams[i].done && !extend(s, i, logits->value + row++ * logits->cols, e))
			return false;
	return true;
}

static void add_next(Streams *s, size_t n, size_t i, int32_t token)
{
	Stream *stream = &s->streams[i];
	stream->path[stream->length] = (int32_t)(s->d->rows + n);
	s->next[n] = (NextToken){token, (int32_t)stream->length++, i, stream->path};
}

/* All prompts; what comes behind each is the first token of its stream. */
static bool read_prompts(Streams *s, const Continuation *c, Arena *arena, Error *e)
{
	PromptTokens *prompts = arena_new(arena, s->count, sizeof *prompts, e);
	PromptReader reader = {s, extend_all};
	if (prompts == NULL)
		return false;
	for (size_t i = 0; i < s->count; i++) {
		prompts[i] = (PromptTokens){c[i].prompt, c[i].prompt_count, s->streams[i].path};
		s->streams[i].length = c[i].prompt_count;
	}
	return decoder_read(s->d, prompts, s->count, &reader, e);
}

static bool generate(Streams *s, Continuation *c, Arena *arena, Error *e)
{
	if (!start(s, c, arena, e))
		return false;
	if (s->g->most == 0)
		return true;
	if (!read_prompts(s, c, arena, e) ||
	    !memory_grow(&s->next, &s->next_capacity, s->count, sizeof *s->next, e))
		return false;
	for (;;) {
		size_t n = 0;
		for (size_t i = 0; i < s->count; i++)
			if (!s->streams[i].done)
				add_next(s, n++, i, s->streams[i].token);
		if (n == 0)
			return true;
		Tensor *h = decoder_step(s->d, s->next, n, s->count, e);
		if (h == NULL || !extend_all(s, 0, s->count, h, e))
			return false;
	}
}

bool decoder_generate(Decoder *d, const Generation *g, Continuation *c, size_t count, Error *e)
{
	if (g->beams > 1)
		return decoder_beams(d, g, c, e);
	Arena arena = {0};
	Streams s = {.d = d, .g = g, .count = count};
	s.streams = arena_new(&arena, count, sizeof *s.streams, e);
	bool done = s.streams != NULL && (count == 0 || generate(&s, c, &arena, e));
	memory_free(s.next);
	memory_free(s.said);
	sampler_free(&s.sampler);
	arena_free(&arena);
	return done;
}
