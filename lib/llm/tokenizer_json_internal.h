/* The inside of reading tokenizer.json: what its parts share. */
#ifndef LLM_TOKENIZER_JSON_INTERNAL_H
#define LLM_TOKENIZER_JSON_INTERNAL_H

#include "llm/tokenizer_json.h"

#include <jansson.h>

/* What is read into the model, and what must be known of one part to read another. */
typedef struct {
	/* tokenizer.json, tokenizer_config.json, generation_config.json and config.json; but for the first
	 * NULL where there is none */
	const json_t *root, *config, *generation, *model_config;
	TokenizerModel *m;
	bool byte_level; /* a pre-tokenizer spelled bytes as letters */
	Buffer scratch;  /* of one call at a time */
} TokenizerJson;

/* In this order: each counts on what was read before. */

/* Vocabulary, kinds of tokens, merges: "model" and "added_tokens". */
bool tokenizer_json_model(TokenizerJson *r, Error *e);
/* What a text goes through before the model: "normalizer" and "pre_tokenizer". */
bool tokenizer_json_before(TokenizerJson *r, Error *e);
/* And tokens behind it: "post_processor" and "decoder". */
bool tokenizer_json_behind(TokenizerJson *r, Error *e);

/* The id of a token that some part names by its text; ERROR_MALFORMED, which calls it "the `what` token",
 * where the vocabulary has none. */
bool tokenizer_json_token(const TokenizerModel *m, const char *what, Text token, int32_t *id, Error *e);
/* ERROR_MALFORMED: "`what` 'name' is not supported". */
bool tokenizer_json_refuse(const char *what, Text name, Error *e);

/* Empty where it is no string. */
Text text_of_json(const json_t *value);
Text text_in_json(const json_t *object, const char *key);
/* `silent` where the key says nothing. */
bool flag_in_json(const json_t *object, const char *key, bool silent);

#endif
