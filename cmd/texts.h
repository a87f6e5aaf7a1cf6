/* ul-gen's answers in words: texts that the LLM continues. */
#ifndef CMD_TEXTS_H
#define CMD_TEXTS_H

#include "stream/output.h"
#include "text/chat.h"
#include "tool.h"
#include "user/answer.h"

#include <jansson.h>

/* What was asked for; see the options of ul-gen. */
typedef struct {
	const char *prompt, *prompts, *system, *format;
	bool chat;
	int64_t most, top_k, beams, batch;
	double temperature, top_p, min_p, penalty;
	StringList stops;
	uint64_t seed;
} TextSettings;

typedef struct {
	const TextSettings *settings;
	const Answerer *answerer;
	Output *output;
	Pool *pool;
	bool text;              /* plain, not JSON lines */
	bool streams;           /* to a terminal, as it is said */
	size_t cut;             /* texts that FINISH_CONTEXT ended */
	const ChatFormat *chat; /* prompts are what a user says in a conversation; NULL: they are texts */
} TextWriter;

/* `of_users`: it is for texts_of_users(), which are JSON lines. */
bool text_writer_new(TextWriter *w, const TextSettings *s, const Answerer *a, bool of_users, Output *o,
                     Pool *pool, Error *e);

/* Continues --prompt, or each line of --prompts. */
bool texts_of_prompts(TextWriter *w, Error *e);
/* Continues the answerer's query for each user of the questions; `number` of the first, for its chance. */
bool texts_of_users(TextWriter *w, const Query *questions, size_t count, size_t number, Error *e);

/* A JSON object on a line; takes over the object (NULL: out of memory). */
bool write_json_line(Output *o, json_t *object, Error *e);
/* A string of JSON; bytes that are no UTF-8 become U+FFFD. */
json_t *json_of_text(Text t);

#endif
