/* What an LLM is asked and what it is to answer: the words around users and items. */
#ifndef USER_TASK_H
#define USER_TASK_H

#include "data/dataset.h"
#include "llm/trie.h"

#define TASK_QUERY "Next choice:"

/* By item id, what an item is called: its text `title`, else its first text, else its id in the
 * input.  Items that share a name are told apart by their id: "Hamlet (2000) [3598]".  ids below ID_FIRST
 * have empty names. */
bool items_have_titles(const Dataset *data); /* any text of items at all */
bool item_names(const Dataset *data, Strings *names, Error *e);

/* An event as a sentence: the item's name, and with `features` theirs and its own: "Hamlet (2000). genres:
 * Drama. rating: 4". */
bool event_sentence(const Dataset *data, const Users *users, const Strings *names, size_t event,
                    bool features, Buffer *out, Error *e);

/* What a language model can learn of a dataset, a text each: of every item "QUERY NAME" and a sentence of
 * its features and texts; of every training event its texts.  Nothing of a validation or test event. */
bool dataset_texts(const Dataset *data, const Users *users, const char *query, Strings *texts, Error *e);

/* The tokens of an answer behind a query: a space, the name, and the end token. */
bool answer_tokens(const Tokenizer *tokenizer, Text name, Tokens *out, Error *e);

/* All names as answers, by item id. */
bool answer_trie(const Tokenizer *tokenizer, const Strings *names, Trie *trie, Error *e);

#endif
