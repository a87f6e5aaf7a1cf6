/* The tokenizer of a model in Hugging Face's files. */
#ifndef LLM_TOKENIZER_JSON_H
#define LLM_TOKENIZER_JSON_H

#include "text/tokenizer.h"

/* From tokenizer.json in the directory, and where there are these: tokenizer_config.json (BOS, EOS, chat
 * template), chat_template.jinja (which wins), generation_config.json or else config.json (what ends a text;
 * the latter also how many tokens have an embedding).  The caller's to free with tokenizer_free().  What they
 * ask for and is not supported is ERROR_MALFORMED, by name; a file that is there and cannot be read is
 * ERROR_FAILURE.  Truncation and padding are the caller's affair.  With TOKENIZE_SPECIAL the ids are those of
 * the library that the files are made for; without it control tokens spelled in a text remain text. */
Tokenizer *tokenizer_json_read(const char *directory, Error *e);
/* Goes on from *hash (XXH64) with tokenizer.json's bytes, which must be readable (else ERROR_FAILURE), and
 * with BOS, EOS and the other ends of m, which was read there.  A chat template, and the end of its turns,
 * make no other model. */
bool tokenizer_json_hash(const char *directory, const TokenizerModel *m, uint64_t *hash, Error *e);

#endif
