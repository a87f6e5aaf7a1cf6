#include "user/prompt.h"

bool prompter_new(Prompter *p, const Llm *llm, const Adapter *a, const Task *task, size_t answer, Error *e)
{
	*p = (Prompter){.llm = llm, .adapter = a, .task = task, .answer = answer};
	return tokenizer_encode(llm->tokenizer, text_of(""), TOKENIZE_BOS, &p->head, e);
}

void prompter_free(Prompter *p)
{
	tokens_free(&p->head);
}

static bool add_soft(const Prompter *p, size_t place, Tokens *out, Error *e)
{
	size_t K = p->adapter->shape.latents;
	for (size_t k = 0; k < K; k++) {
		int32_t token = -1 - (int32_t)(place * K + k);
		if (!tokens_append(out, &token, 1, e))
			return false;
	}
	return true;
}

/* The tokens of an event's line. */
static bool add_line(const Prompter *p, const Users *users, size_t event, Tokens *out, Error *e)
{
	Buffer line = {0};
	bool done =
	    event_sentence(p->task->data, users, &p->task->names, event, p->adapter->shape.features, &line,
	                   e) &&
	    buffer_append(&line, "\n", 1, e) &&
	    tokenizer_encode(p->llm->tokenizer, (Text){(const char *)line.data, line.size}, 0, out, e);
	buffer_free(&line);
	return done;
}

/* From the last event back, as far as there is room; then in the order of time. */
static bool add_history(const Prompter *p, const Query *q, size_t room, Tokens *out, Error *e)
{
	Tokens lines = {0}, ends = {0}; /* of the last event first */
	size_t most = p->adapter->shape.history, end = q->history.end;
	size_t first = end - q->history.first > most ? end - most : q->history.first;
	bool done = true;
	for (size_t event = end; done && event > first; event--) {
		done = add_line(p, q->users, event - 1, &lines, e);
		const int32_t so_far = (int32_t)lines.count;
		if (lines.count > room)
			break;
		done = done && tokens_append(&ends, &so_far, 1, e);
	}
	for (size_t i = ends.count; done && i-- > 0;) {
		size_t from = i > 0 ? (size_t)ends.ids[i - 1] : 0;
		done = tokens_append(out, lines.ids + from, (size_t)ends.ids[i] - from, e);
	}
	tokens_free(&lines);
	tokens_free(&ends);
	return done;
}

/* The query's tokens as if the prompt began with it: a BOS in front is not theirs.  Control tokens may be
 * spelled in a person's own words, not in what fields have. */
static bool encode_query(const Prompter *p, const Query *q, Tokens *out, Error *e)
{
	Buffer text = {0};
	Tokens all = {0};
	unsigned how = TOKENIZE_BOS | (p->task->query.literal ? TOKENIZE_SPECIAL : 0);
	bool done =
	    template_fill(&p->task->query, p->task->data, &p->task->names, q, &text, e) &&
	    tokenizer_encode(p->llm->tokenizer, (Text){(const char *)text.data, text.size}, how, &all, e);
	done = done && tokens_append(out, all.ids + p->head.count, all.count - p->head.count, e);
	tokens_free(&all);
	buffer_free(&text);
	return done;
}

static bool check_length(const Prompter *p, const Query *q, size_t count, Error *e)
{
	Text user = q ? strings_at(&q->users->ids, q->user) : (Text){0};
	size_t most = p->llm->most_positions;
	if (count == 0)
		return fail(e, ERROR_USAGE, "the query is empty, and the LLM has no token to begin with");
	/* An answer's last token is never read. */
	return count + (p->answer > 0 ? p->answer - 1 : 0) <= most ||
	       fail(e, ERROR_USAGE,
	            "%s%.*s%sprompt of %zu tokens and an answer of %zu are longer than %s, %zu",
	            q ? "user '" : "", (int)user.size, user.size ? user.data : "", q ? "': " : "", count,
	            p->answer, llm_limit(p->llm), most);
}

bool prompter_fits(const Prompter *p, const Query *q, Error *e)
{
	Tokens query = {0};
	size_t soft = p->adapter && p->adapter->shape.inject == INJECT_SOFT ? p->adapter->shape.latents : 0;
	bool done =
	    encode_query(p, q, &query, e) && check_length(p, q, p->head.count + soft + query.count, e);
	tokens_free(&query);
	return done;
}

bool prompter_add(const Prompter *p, const Query *q, size_t place, Tokens *out, Error *e)
{
	InjectionKind kind = p->adapter ? p->adapter->shape.inject : INJECT_NONE;
	size_t before = out->count, most = p->llm->most_positions;
	Tokens query = {0};
	bool done = encode_query(p, q, &query, e) && tokens_append(out, p->head.ids, p->head.count, e) &&
	            (kind != INJECT_SOFT || add_soft(p, place, out, e));
	size_t least = out->count - before + query.count + p->answer;
	done = done &&
	       (kind != INJECT_TEXT || add_history(p, q, most > least ? most + 1 - least : 0, out, e)) &&
	       tokens_append(out, query.ids, query.count, e) && check_length(p, q, out->count - before, e);
	tokens_free(&query);
	return done;
}
