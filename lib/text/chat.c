#include "text/chat.h"

#include "text/utf8.h"

#include <stdio.h>
#include <string.h>

enum { MARKERS = 3 };

struct ChatFormat {
	const char *name;
	const char *with[MARKERS];    /* all of these are in the template … */
	const char *without[MARKERS]; /* … and none of these */
	const char *before[3]; /* a message, by role; NULL before[CHAT_SYSTEM]: the system's text goes */
	const char *after[3];  /* in front of the first user's, with after[CHAT_SYSTEM] behind it */
	const char *answer;    /* what opens the assistant's turn */
	const char *end;
	const char *system; /* what is said without a system message, or NULL */
	const char
	    *system_prefix; /* in front of the system's text, which is said without one, too; or NULL */
	const char *again;  /* before the user's later turns, or NULL */
	bool trim;          /* white space around texts is taken away */
	bool trim_joined;   /* … the first user's together with what the system says before it */
	bool alternate;     /* user and assistant take turns */
	bool think;         /* what was thought is shown in the answers to the last question alone */
};

#define CHATML                                                                                               \
	.before = {"<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n"},                 \
	.after = {"<|im_end|>\n", "<|im_end|>\n", "<|im_end|>\n"}, .answer = "<|im_start|>assistant\n",      \
	.end = "<|im_end|>"
#define LLAMA_3                                                                                              \
	.before = {"<|start_header_id|>system<|end_header_id|>\n\n",                                         \
	           "<|start_header_id|>user<|end_header_id|>\n\n",                                           \
	           "<|start_header_id|>assistant<|end_header_id|>\n\n"},                                     \
	.after = {"<|eot_id|>", "<|eot_id|>", "<|eot_id|>"},                                                 \
	.answer = "<|start_header_id|>assistant<|end_header_id|>\n\n", .end = "<|eot_id|>", .trim = true

#define QWEN_2_5 "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
#define SMOLLM_2 "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
#define QWEN_2   "You are a helpful assistant."
#define QWEN_1_5 "You are a helpful assistant"
#define DATES    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"

/* The first that fits counts. */
static const ChatFormat formats[] = {
    {"Qwen 3",
     {"<|im_start|>", "</think>", "reasoning_content"},
     {"<|im_sep|>", "custom_instructions"},
     CHATML,
     .think = true},
    {"Qwen 2.5", {"<|im_start|>", QWEN_2_5}, {"<|im_sep|>"}, CHATML, .system = QWEN_2_5},
    {"SmolLM 2", {"<|im_start|>", SMOLLM_2}, {"<|im_sep|>"}, CHATML, .system = SMOLLM_2},
    {"Qwen 2", {"<|im_start|>", QWEN_2}, {"<|im_sep|>"}, CHATML, .system = QWEN_2},
    {"Qwen 1.5", {"<|im_start|>", QWEN_1_5}, {"<|im_sep|>"}, CHATML, .system = QWEN_1_5},
    {"ChatML", {"<|im_start|>", "<|im_end|>"}, {"<|im_sep|>", "</think>", "end_of_utterance"}, CHATML},
    {"Llama 3.1",
     {"<|start_header_id|>", "<|eot_id|>", "Cutting Knowledge Date"},
     {NULL},
     LLAMA_3,
     .system_prefix = DATES},
    {"Llama 3", {"<|start_header_id|>", "<|eot_id|>"}, {"</think>"}, LLAMA_3},
    {"Llama 2",
     {"[INST]", "<<SYS>>"},
     {NULL},
     .before = {"<<SYS>>\n", "[INST] ", " "},
     .after = {"\n<</SYS>>\n\n", " [/INST]", " </s>"},
     .answer = "",
     .end = "</s>",
     .again = "<s>",
     .trim = true,
     .trim_joined = true,
     .alternate = true},
    {"Mistral v1",
     {"' [INST] '", "[/INST]"},
     {"[SYSTEM_PROMPT]"},
     .before = {"", " [INST] ", " "},
     .after = {"\n\n", " [/INST]", "</s>"},
     .answer = "",
     .end = "</s>",
     .alternate = true},
    {"Mistral v0.1",
     {"'[INST] '", "eos_token + ' '"},
     {"[SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]"},
     .before = {"", "[INST] ", ""},
     .after = {"\n\n", " [/INST]", "</s> "},
     .answer = "",
     .end = "</s>",
     .alternate = true},
    {"Mistral v0.2",
     {"'[INST] '", "' [/INST]'"},
     {"[SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]"},
     .before = {"", "[INST] ", ""},
     .after = {"\n\n", " [/INST]", "</s>"},
     .answer = "",
     .end = "</s>",
     .alternate = true},
    {"Gemma",
     {"<start_of_turn>", "<end_of_turn>"},
     {NULL},
     .before = {"", "<start_of_turn>user\n", "<start_of_turn>model\n"},
     .after = {"\n\n", "<end_of_turn>\n", "<end_of_turn>\n"},
     .answer = "<start_of_turn>model\n",
     .end = "<end_of_turn>",
     .trim = true,
     .alternate = true},
    {"Zephyr",
     {"<|user|>", "<|assistant|>", "eos_token"},
     {"<|end|>", "[gMASK]", "<|endoftext|>"},
     .before = {"<|system|>\n", "<|user|>\n", "<|assistant|>\n"},
     .after = {"</s>\n", "</s>\n", "</s>\n"},
     .answer = "<|assistant|>\n",
     .end = "</s>"},
};

/* --- which it is ------------------------------------------------------------------- */

static bool fits(const ChatFormat *f, const char *template)
{
	for (size_t i = 0; i < MARKERS; i++)
		if ((f->with[i] != NULL && strstr(template, f->with[i]) == NULL) ||
		    (f->without[i] != NULL && strstr(template, f->without[i]) != NULL))
			return false;
	return true;
}

/* The next thing in a template that looks like a marker: <…> or […] without a space. */
static bool next_marker(const char **at, Text *marker)
{
	const char *p = *at;
	while ((p += strcspn(p, "<["))[0] != '\0') {
		size_t size = strcspn(p + 1, *p == '<' ? "<> \n'\"" : "[] \n'\"");
		bool closed = p[size + 1] == (*p == '<' ? '>' : ']');
		bool word = size > 2 && size < 40 && strchr("|/_", p[1]) != NULL;
		word = word || (size > 2 && size < 40 && p[1] >= 'A' && p[1] <= 'z');
		*marker = (Text){p, size + 2};
		p += closed && word ? size + 2 : 1;
		*at = p;
		if (closed && word)
			return true;
	}
	return false;
}

const ChatFormat *chat_format_of(const char *template, Error *e)
{
	char markers[256] = "no markers";
	Text marker;
	size_t used = 0;
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (fits(&formats[i], template))
			return &formats[i];
	const char *at = template;
	for (size_t i = 0; i < 3 && next_marker(&at, &marker); i++)
		used += (size_t)snprintf(markers + used, sizeof markers - used, "%s%.*s", i ? " " : "",
		                         (int)marker.size, marker.data);
	fail(e, ERROR_MALFORMED, "a chat template with %s is not supported", markers);
	return NULL;
}

const char *chat_name(const ChatFormat *f)
{
	return f->name;
}

const char *chat_end(const ChatFormat *f)
{
	return f->end;
}

/* --- laying out ------------------------------------------------------------------------ */

static bool put(Buffer *out, const char *text, Error *e)
{
	return buffer_append(out, text, strlen(text), e);
}

/* Without the white space at the end, and at the start where `left` says so. */
static Text trim(Text text, bool left)
{
	uint32_t code;
	size_t start = left ? text.size : 0, end = 0;
	for (size_t i = 0, length; i < text.size; i += length) {
		length = utf8_decode(text.data + i, text.size - i, &code);
		bool space = length > 0 && utf8_is_space(code);
		length = length ? length : 1;
		start = !space && i < start ? i : start;
		end = space ? end : i + length;
	}
	return (Text){text.data + start, end > start ? end - start : 0};
}

static Text trim_lines(Text text, bool left, bool right)
{
	while (left && text.size > 0 && text.data[0] == '\n') {
		text.data++;
		text.size--;
	}
	while (right && text.size > 0 && text.data[text.size - 1] == '\n')
		text.size--;
	return text;
}

/* Parts an answer into what was thought and what was said. */
static void part_thought(Text text, Text *thought, Text *said)
{
	static const char open[] = "<think>", close[] = "</think>";
	const char *first = memmem(text.data, text.size, close, sizeof close - 1), *found, *last = first;
	*thought = (Text){text.data, 0};
	*said = text;
	if (first == NULL)
		return;
	const char *end = text.data + text.size;
	while ((found = memmem(last + 1, (size_t)(end - last) - 1, close, sizeof close - 1)) != NULL)
		last = found;
	last += sizeof close - 1;
	*said = trim_lines((Text){last, (size_t)(end - last)}, true, false);
	*thought = trim_lines((Text){text.data, (size_t)(first - text.data)}, false, true);
	while ((found = memmem(thought->data, thought->size, open, sizeof open - 1)) != NULL) {
		found += sizeof open - 1;
		*thought = (Text){found, thought->size - (size_t)(found - thought->data)};
	}
	*thought = trim_lines(*thought, true, true);
}

/* `open`: no question follows; `last`: nothing does. */
static bool put_answer(Text text, bool open, bool last, Buffer *out, Error *e)
{
	Text thought, said;
	part_thought(text, &thought, &said);
	if (!open || !(last || thought.size > 0))
		return buffer_append(out, said.data, said.size, e);
	said = trim_lines(said, true, false);
	return put(out, "<think>\n", e) && buffer_append(out, thought.data, thought.size, e) &&
	       put(out, "\n</think>\n\n", e) && buffer_append(out, said.data, said.size, e);
}

static bool check(const ChatFormat *f, const ChatMessage *messages, size_t count, Error *e)
{
	size_t first = count > 0 && messages[0].role == CHAT_SYSTEM ? 1 : 0;
	for (size_t i = first; i < count; i++) {
		if (messages[i].role == CHAT_SYSTEM)
			return fail(e, ERROR_USAGE, "message %zu: only the first may be the system's", i + 1);
		ChatRole turn = (i - first) % 2 == 0 ? CHAT_USER : CHAT_ASSISTANT;
		if (f->alternate && messages[i].role != turn)
			return fail(e, ERROR_USAGE,
			            "message %zu: with %s user and assistant take turns, the user first",
			            i + 1, f->name);
	}
	if (first == 1 && count == 1 && f->alternate)
		return fail(e, ERROR_USAGE, "%s has no system message without a user's behind it", f->name);
	return true;
}

static bool put_system(const ChatFormat *f, const ChatMessage *message, Buffer *out, Error *e)
{
	Text text = message ? message->text : text_of(f->system ? f->system : "");
	if (message == NULL && f->system == NULL && f->system_prefix == NULL)
		return true;
	text = f->trim && !f->alternate ? trim(text, true) : text;
	return put(out, f->before[CHAT_SYSTEM], e) && put(out, f->system_prefix ? f->system_prefix : "", e) &&
	       buffer_append(out, text.data, text.size, e) && put(out, f->after[CHAT_SYSTEM], e);
}

/* Whether no question follows a message. */
static bool is_open(const ChatMessage *messages, size_t count, size_t index)
{
	size_t question = count - 1;
	for (size_t i = 0; i < count; i++)
		question = messages[i].role == CHAT_USER ? i : question;
	return index > question;
}

/* Formats that alternate have no turn of the system's: it speaks within the first user's. */
static bool put_message(const ChatFormat *f, const ChatMessage *messages, size_t count, size_t index,
                        Buffer *out, Error *e)
{
	const ChatMessage *m = &messages[index], *system = messages[0].role == CHAT_SYSTEM ? messages : NULL;
	bool first = index == (system != NULL), joined = f->alternate && first && system != NULL;
	Text text = f->trim ? trim(m->text, !(joined && f->trim_joined)) : m->text;
	bool again = !first && m->role == CHAT_USER && f->again != NULL;
	if (!put(out, again ? f->again : "", e) || !put(out, f->before[m->role], e) ||
	    (joined && !put_system(f, system, out, e)))
		return false;
	bool thinks = f->think && m->role == CHAT_ASSISTANT;
	return (thinks ? put_answer(text, is_open(messages, count, index), index + 1 == count, out, e)
	               : buffer_append(out, text.data, text.size, e)) &&
	       put(out, f->after[m->role], e);
}

bool chat_format(const ChatFormat *f, const ChatMessage *messages, size_t count, bool answer, Buffer *out,
                 Error *e)
{
	bool system = count > 0 && messages[0].role == CHAT_SYSTEM;
	if (!check(f, messages, count, e) ||
	    (!f->alternate && !put_system(f, system ? messages : NULL, out, e)))
		return false;
	for (size_t i = system; i < count; i++)
		if (!put_message(f, messages, count, i, out, e))
			return false;
	return !answer || put(out, f->answer, e);
}
