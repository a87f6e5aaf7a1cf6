/* The tokenizer of a model in Hugging Face's files. */
#ifndef LLM_TOKENIZER_JSON_H
#define LLM_TOKENIZER_JSON_H

#include "text/tokenizer.h"

/* From tokenizer.json in the directory, and tokenizer_config.json where there is one
 * (BOS, EOS, chat template).  What it asks for and is not supported is refused by
 * name; truncation and padding are the caller's affair.  With TOKENIZE_SPECIAL the
 * ids are those of the library that the files are made for; without it control tokens
 * spelled in a text remain text. */
Tokenizer *tokenizer_json_read(const char *directory, Error *e);

#endif
