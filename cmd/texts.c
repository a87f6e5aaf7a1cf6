#include "texts.h"

#include "probe.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

json_t *json_of_text(Text t)
{
	Error e = {0};
	Buffer b = {0};
	json_t *json = NULL;
	if (text_is_utf8(t))
		return json_stringn(t.data ? t.data : "", t.size);
	if (buffer_append(&b, t.data, t.size, &e) && buffer_append(&b, "", 1, &e)) {
		for (size_t i = 0; i < t.size; i++)
			b.data[i] = b.data[i] ? b.data[i] : 0xff;
		char *text = document_text((const char *)b.data, &e);
		json = text ? json_string(text) : NULL;
		memory_free(text);
	}
	buffer_free(&b);
	return json;
}

bool write_json_line(Output *o, json_t *object, Error *e)
{
	char *line = object ? json_dumps(object, JSON_REAL_PRECISION(7)) : NULL;
	bool done = line != NULL ? output_write(o, line, strlen(line), e) && output_write(o, "\n", 1, e)
	                         : fail(e, ERROR_FAILURE, "out of memory: no room for an answer");
	free(line);
	json_decref(object);
	return done;
}

/* Formats that write the EOS were made with one of that spelling. */
static bool check_end(const ChatFormat *chat, const TokenizerModel *m, Error *e)
{
	Text eos = m->eos != TOKEN_NONE ? strings_at(&m->tokens, (size_t)m->eos) : text_of("");
	return strcmp(chat_end(chat), "</s>") != 0 || text_is(eos, "</s>") ||
	       fail(e, ERROR_MALFORMED, "turns of %s end with </s>, and this LLM's texts with '%.*s'",
	            chat_name(chat), (int)eos.size, eos.data);
}

bool text_writer_new(TextWriter *w, const TextSettings *s, const Answerer *a, bool of_users, Output *o,
                     Pool *pool, Error *e)
{
	const TokenizerModel *m = a->llm ? tokenizer_model(a->llm->tokenizer) : NULL;
	bool terminal = !of_users && o->path == NULL && isatty(STDOUT_FILENO);
	*w = (TextWriter){.settings = s, .answerer = a, .output = o, .pool = pool};
	w->text = s->format ? strcmp(s->format, "text") == 0 : terminal;
	w->streams = terminal && w->text && s->prompts == NULL;
	if (s->chat && m->chat_template == NULL)
		return fail(e, ERROR_USAGE,
		            "--chat: the LLM has no chat template, and so was not trained to chat");
	if (s->chat && ((w->chat = chat_format_of(m->chat_template, e)) == NULL || !check_end(w->chat, m, e)))
		return fail_in(e, "--chat");
	for (size_t i = 0; i < s->stops.count; i++)
		if (s->stops.items[i][0] == '\0')
			return fail(e, ERROR_USAGE, "an empty --stop would end every text before it begins");
	return true;
}

typedef struct {
	TextWriter *writer;
	Prompt *prompts;
} Streaming;

static bool show(TextWriter *w, Prompt *p, bool last, Error *e)
{
	Text text = writing_new(&p->writing, last);
	return output_write(w->output, text.data, text.size, e) &&
	       (fflush(w->output->file) == 0 || fail_errno(e, "cannot write"));
}

static bool look(void *context, size_t prompt, Error *e)
{
	Streaming *s = context;
	return show(s->writer, &s->prompts[prompt], false, e);
}

static const char *finish_reason(const Prompt *p)
{
	static const char *const reasons[] = {
	    [FINISH_LENGTH] = "length", [FINISH_STOP] = "stop", [FINISH_CONTEXT] = "context"};
	return reasons[p->finish];
}

static bool continue_prompts(TextWriter *w, Prompt *prompts, size_t count, Error *e)
{
	const TextSettings *s = w->settings;
	Generation g = {.sampling = {s->temperature, (size_t)s->top_k, s->top_p, s->min_p, s->penalty},
	                .beams = (size_t)s->beams,
	                .most = (size_t)s->most};
	Streaming streaming = {w, prompts};
	Onlooker onlooker = {&streaming, look};
	bool done = answerer_continue(w->answerer, &g, &s->stops, prompts, count,
	                              w->streams && count == 1 ? &onlooker : NULL, w->pool, e);
	for (size_t i = 0; done && i < count; i++)
		w->cut += prompts[i].finish == FINISH_CONTEXT;
	return done;
}

/* --- prompts -------------------------------------------------------------- */

/* One of the prompts; of a file, without what some editors put there: the mark of UTF-8 in front, and CR. */
static Text words_at(const TextWriter *w, const Strings *words, size_t i)
{
	static const char mark[] = "\xef\xbb\xbf";
	Text text = strings_at(words, i);
	if (w->settings->prompts == NULL)
		return text;
	if (i == 0 && text.size >= 3 && memcmp(text.data, mark, 3) == 0)
		text = (Text){text.data + 3, text.size - 3};
	text.size -= text.size > 0 && text.data[text.size - 1] == '\r';
	return text;
}

/* Where the template writes the BOS itself, the tokenizer may have been told not to. */
static bool add_bos_of_template(const TextWriter *w, Tokens *out, Error *e)
{
	const TokenizerModel *m = tokenizer_model(w->answerer->llm->tokenizer);
	if (w->chat == NULL || m->add_bos || m->bos == TOKEN_NONE ||
	    strstr(m->chat_template, "bos_token") == NULL)
		return true;
	return tokens_append(out, &m->bos, 1, e);
}

/* The words as they are, or as what a user says to the assistant, whose turn it is then. */
static bool encode_prompt(const TextWriter *w, Text words, uint64_t number, Prompt *p, Error *e)
{
	Buffer text = {0};
	const char *system = w->settings->system;
	const ChatMessage messages[] = {{CHAT_SYSTEM, text_of(system ? system : "")}, {CHAT_USER, words}};
	*p = (Prompt){.seed = random_key(w->settings->seed, number)};
	if (w->chat != NULL) {
		if (!chat_format(w->chat, messages + (system == NULL), 1 + (system != NULL), true, &text, e))
			return false;
		words = (Text){(const char *)text.data, text.size};
	}
	const Tokenizer *tokenizer = w->answerer->llm->tokenizer;
	bool done = add_bos_of_template(w, &p->prompt, e) &&
	            tokenizer_encode(tokenizer, words, TOKENIZE_BOS | TOKENIZE_SPECIAL, &p->prompt, e);
	buffer_free(&text);
	return done && (decoder_takes(w->answerer->llm, p->prompt.count, e) ||
	                (w->settings->prompts != NULL &&
	                 fail_in(e, "%s: line %llu", w->settings->prompts, (unsigned long long)number + 1)));
}

static bool write_prompt(TextWriter *w, Text words, Prompt *p, Error *e)
{
	Text text = writing_text(&p->writing);
	if (!w->text)
		return write_json_line(w->output,
		                       json_pack("{s:s, s:o, s:o, s:s}", "task", "prompt", "prompt",
		                                 json_of_text(words), "text", json_of_text(text),
		                                 "finish_reason", finish_reason(p)),
		                       e);
	if (w->streams)
		return show(w, p, true, e) && output_write(w->output, "\n", 1, e);
	return (w->chat != NULL || output_write(w->output, words.data, words.size, e)) &&
	       output_write(w->output, text.data, text.size, e) && output_write(w->output, "\n", 1, e);
}

static void prompts_free(Prompt *prompts, size_t count)
{
	for (size_t i = 0; prompts != NULL && i < count; i++) {
		tokens_free(&prompts[i].prompt);
		writing_free(&prompts[i].writing);
	}
	memory_free(prompts);
}

/* Words [first, first + count) together. */
static bool continue_words(TextWriter *w, const Strings *words, size_t first, size_t count, Error *e)
{
	Prompt *prompts = memory_new(count, sizeof *prompts, e);
	bool done = prompts != NULL;
	for (size_t i = 0; done && i < count; i++)
		done = encode_prompt(w, words_at(w, words, first + i), first + i, &prompts[i], e);
	if (done && w->streams && w->chat == NULL)
		done = output_write(w->output, words->bytes, (size_t)words->offsets[words->count], e);
	done = done && continue_prompts(w, prompts, count, e);
	for (size_t i = 0; done && i < count; i++)
		done = write_prompt(w, words_at(w, words, first + i), &prompts[i], e);
	prompts_free(prompts, count);
	return done;
}

bool texts_of_prompts(TextWriter *w, Error *e)
{
	const TextSettings *s = w->settings;
	Strings words = {0};
	bool done = s->prompts ? probe_lines(s->prompts, &words, e)
	                       : strings_append(&words, s->prompt, strlen(s->prompt), e);
	size_t batch = s->beams > 1 ? 1 : (size_t)s->batch;
	for (size_t first = 0; done && first < words.count; first += batch) {
		size_t left = words.count - first;
		done = continue_words(w, &words, first, left < batch ? left : batch, e);
	}
	strings_free(&words);
	return done;
}

/* --- users ---------------------------------------------------------------- */

/* Whether users are asked what the adapter was trained for, so that there is a right answer. */
static bool asks_task(const TextWriter *w)
{
	return w->settings->prompt == NULL;
}

/* The user's true answer and what it is worth; left out where it is not known. */
static bool add_truth(const TextWriter *w, json_t *line, const Query *q, double nll, size_t tokens, Error *e)
{
	Buffer words = {0};
	bool done = answerer_target(w->answerer, q, &words, e);
	Text target = {(const char *)words.data, words.size};
	if (done && words.size > 0)
		done = (json_object_set_new(line, "target", json_of_text(target)) == 0 &&
		        json_object_set_new(line, "nll", json_real(nll)) == 0 &&
		        json_object_set_new(line, "tokens", json_integer((json_int_t)tokens)) == 0) ||
		       fail(e, ERROR_FAILURE, "out of memory: no room for an answer");
	buffer_free(&words);
	return done;
}

static bool write_user(TextWriter *w, const Prompt *p, double nll, size_t tokens, Error *e)
{
	const Query *q = p->user;
	const Adapter *a = w->answerer->adapter;
	char task[64] = "prompt";
	if (asks_task(w))
		task_league(a->task.kind, users_know_time(&a->users), task);
	json_t *line =
	    json_pack("{s:o, s:s}", "user", json_of_text(strings_at(&q->users->ids, q->user)), "task", task);
	if (line != NULL && asks_task(w) && !add_truth(w, line, q, nll, tokens, e)) {
		json_decref(line);
		return false;
	}
	if (line != NULL &&
	    (json_object_set_new(line, "text", json_of_text(writing_text(&p->writing))) != 0 ||
	     json_object_set_new(line, "finish_reason", json_string(finish_reason(p))) != 0)) {
		json_decref(line);
		line = NULL;
	}
	return write_json_line(w->output, line, e);
}

static bool continue_users(TextWriter *w, const Query *questions, size_t count, size_t number, Error *e)
{
	Prompt *prompts = memory_new(count, sizeof *prompts, e);
	double *nll = memory_new(count, sizeof *nll, e);
	size_t *tokens = memory_new(count, sizeof *tokens, e);
	bool done = prompts != NULL && nll != NULL && tokens != NULL;
	for (size_t i = 0; done && i < count; i++) {
		prompts[i] =
		    (Prompt){.user = &questions[i], .seed = random_key(w->settings->seed, number + i)};
		done = answerer_prompt(w->answerer, &questions[i], i, &prompts[i].prompt, e);
	}
	done = done && continue_prompts(w, prompts, count, e) &&
	       (!asks_task(w) || answerer_worth(w->answerer, prompts, count, w->pool, nll, tokens, e));
	for (size_t i = 0; done && i < count; i++)
		done = write_user(w, &prompts[i], nll[i], tokens[i], e);
	prompts_free(prompts, count);
	memory_free(nll);
	memory_free(tokens);
	return done;
}

bool texts_of_users(TextWriter *w, const Query *questions, size_t count, size_t number, Error *e)
{
	size_t batch = w->settings->beams > 1 ? 1 : (size_t)w->settings->batch;
	for (size_t first = 0; first < count; first += batch) {
		size_t left = count - first;
		if (!continue_users(w, questions + first, left < batch ? left : batch, number + first, e))
			return false;
	}
	return true;
}
