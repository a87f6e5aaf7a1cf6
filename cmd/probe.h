/* ul-gen's ways to look inside an LLM: token ids of texts, logits of token ids, what texts are worth. */
#ifndef CMD_PROBE_H
#define CMD_PROBE_H

#include "base/options.h"
#include "llm/model.h"

/* Each line of the files (none: standard input) as a JSON list of ids on a line: no BOS, and unless a
 * tokenizer.json has it otherwise, control tokens spelled in the text are text.  The LLM's tokenizer alone is
 * read. */
bool probe_tokens(const char *llm, const StringList *files, const char *output, Error *e);

/* The logits after each of the ids in a JSON list, as .npy: F32 [ids, V]; `exact`: see math/stored.h. */
bool probe_logits(const Llm *llm, const char *ids, bool exact, const char *output, Pool *pool, Error *e);

/* What each text of the files (none: standard input; see data/corpus.h) is worth, as a JSON line; *cut: how
 * many were longer than the context (llm/worth.h). */
bool probe_worth(const Llm *llm, const StringList *files, bool exact, const char *output, Pool *pool,
                 size_t *cut, Error *e);

/* Lines of a file ("-": standard input), without their ends. */
bool probe_lines(const char *path, Strings *lines, Error *e);

#endif
