/* How a conversation is laid out for a model that was trained to chat.  Models say it
 * as a Jinja template; the families of these are known here, and told apart by what
 * their templates contain. */
#ifndef TEXT_CHAT_H
#define TEXT_CHAT_H

#include "base/strings.h"

typedef enum { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT } ChatRole;

typedef struct {
	ChatRole role;
	Text text;
} ChatMessage;

typedef struct ChatFormat ChatFormat;

/* The format of a template; one of no known family is ERROR_MALFORMED, with the first
 * of its markers. */
const ChatFormat *chat_format_of(const char *template, Error *e);
const char *chat_name(const ChatFormat *f);
const char *chat_end(const ChatFormat *f); /* the token that ends a turn */

/* Appends the conversation as text, to be encoded with TOKENIZE_BOS and
 * TOKENIZE_SPECIAL: the BOS at its start is left to the former.  A system message may
 * only be the first.  `answer`: the assistant's turn is opened at the end.
 * ERROR_USAGE where the format has no such conversation. */
bool chat_format(const ChatFormat *f, const ChatMessage *messages, size_t count, bool answer, Buffer *out,
                 Error *e);

#endif
