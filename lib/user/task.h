/* What an LLM is asked about a user and what it is to answer: the words around users and items. */
#ifndef USER_TASK_H
#define USER_TASK_H

#include "llm/trie.h"
#include "user/template.h"

#define TASK_QUERY "Next choice:"

/* The tasks of the paper, and a person's own: its templates say what it is. */
#define TASKS "next-item|favorite|review|template"
typedef enum { TASK_NEXT_ITEM, TASK_FAVORITE, TASK_REVIEW, TASK_TEMPLATE } TaskKind;

/* What answers are told apart by: the task, and whether they knew when the target happens, which is a league
 * of its own. */
void task_league(TaskKind kind, bool knows_time, char name[static 64]);

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

/* The templates that a task stands for, where the person gave none (NULL): strings, the caller's to free.
 * next-item: "Next choice:", "{item}".  favorite: of the feature `field`, or NULL, of the first one of items:
 * "Favorite NAME:", "{favorite.NAME}".  review: the text `field`, or NULL, the first one of events, of the
 * item and, where there is one, the feature rating: "Review of {item}, rating {rating}:", "{NAME}". */
bool task_templates(TaskKind kind, const Dataset *data, const char *field, char **query, char **target,
                    Error *e);

/* A question to users of a dataset.  data NULL: there are no users, and the query is literal. */
typedef struct {
	const Dataset *data;
	Strings names; /* of the items */
	Template query, target;
} Task;

bool task_new(Task *t, const Dataset *data, const char *query, const char *target, Error *e);
void task_free(Task *t);
/* Whether there is a list of all that could be answered, to be ranked: items, or the values of a feature. */
bool task_ranks(const Task *t);
/* That list, by item id or from ID_FIRST on; where it is not of items, `classes` becomes a catalogue of it,
 * to be freed.  ERROR_USAGE where there is none. */
bool task_choices(const Task *t, Strings *choices, Dataset *classes, Error *e);

/* The tokens of an answer behind a query: a space, the words, and the end token; no more than `most` of them.
 */
bool answer_tokens(const Tokenizer *tokenizer, Text words, size_t most, Tokens *out, Error *e);

/* All choices as answers, by their number from ID_FIRST on. */
bool answer_trie(const Tokenizer *tokenizer, const Strings *choices, Trie *trie, Error *e);

#endif
