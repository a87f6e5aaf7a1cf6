#include "user/prompt.h"

#include "user/task.h"

#include <string.h>

static InjectionKind kind_of(const Prompter *p)
{
	return p->adapter ? p->adapter->shape.inject : INJECT_NONE;
}

bool prompter_new(Prompter *p, const Llm *llm, const Adapter *a, const Dataset *data, const Strings *names,
                  const char *query, size_t answer, Error *e)
{
	*p = (Prompter){.adapter = a, .tokenizer = llm->tokenizer, .data = data, .names = names};
	if (!tokenizer_encode(llm->tokenizer, text_of(query), TOKENIZE_BOS, &p->query, e))
		return false;
	int32_t bos = tokenizer_model(llm->tokenizer)->bos;
	p->start = bos != TOKEN_NONE && p->query.count > 0 && p->query.ids[0] == bos;
	p->fixed = p->query.count + (kind_of(p) == INJECT_SOFT ? a->shape.latents : 0);
	/* An answer's last token is never read. */
	size_t least = p->fixed + (answer > 0 ? answer - 1 : 0);
	p->room = llm->most_positions > least ? llm->most_positions - least : 0;
	return true;
}

void prompter_free(Prompter *p)
{
	tokens_free(&p->query);
}

static bool append(Tokens *out, const int32_t *ids, size_t count, Error *e)
{
	if (!memory_grow(&out->ids, &out->capacity, out->count + count, sizeof *ids, e))
		return false;
	if (count > 0)
		memcpy(out->ids + out->count, ids, count * sizeof *ids);
	out->count += count;
	return true;
}

static bool add_soft(const Prompter *p, size_t place, Tokens *out, Error *e)
{
	size_t K = p->adapter->shape.latents;
	for (size_t k = 0; k < K; k++) {
		int32_t token = -1 - (int32_t)(place * K + k);
		if (!append(out, &token, 1, e))
			return false;
	}
	return true;
}

/* The tokens of an event's line. */
static bool add_line(const Prompter *p, const Users *users, size_t event, Buffer *line, Tokens *out, Error *e)
{
	line->size = 0;
	return event_sentence(p->data, users, p->names, event, p->adapter->shape.features, line, e) &&
	       buffer_append(line, "\n", 1, e) &&
	       tokenizer_encode(p->tokenizer, (Text){(const char *)line->data, line->size}, 0, out, e);
}

/* From the last event back, as far as there is room; then in the order of time. */
static bool add_history(const Prompter *p, const Users *users, Segment history, Tokens *out, Error *e)
{
	Buffer line = {0};
	Tokens lines = {0};
	size_t most = p->adapter->shape.history, end = history.end;
	size_t first = end - history.first > most ? end - most : history.first, from = end;
	bool done = true;
	while (done && from > first) {
		size_t before = lines.count;
		done = add_line(p, users, from - 1, &line, &lines, e);
		if (done && lines.count > p->room) {
			lines.count = before;
			break;
		}
		from -= done;
	}
	lines.count = 0;
	for (size_t event = from; done && event < end; event++)
		done = add_line(p, users, event, &line, &lines, e);
	done = done && append(out, lines.ids, lines.count, e);
	tokens_free(&lines);
	buffer_free(&line);
	return done;
}

bool prompter_add(const Prompter *p, const Users *users, Segment history, size_t place, Tokens *out, Error *e)
{
	InjectionKind kind = kind_of(p);
	return append(out, p->query.ids, p->start, e) &&
	       (kind != INJECT_SOFT || add_soft(p, place, out, e)) &&
	       (kind != INJECT_TEXT || add_history(p, users, history, out, e)) &&
	       append(out, p->query.ids + p->start, p->query.count - p->start, e);
}
