#include "llm/tokenizer_json_internal.h"

#include "base/file.h"
#include "base/path.h"
#include "llm/folder_json.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

Text text_of_json(const json_t *value)
{
	const char *text = json_string_value(value);
	return (Text){text ? text : "", text ? json_string_length(value) : 0};
}

Text text_in_json(const json_t *object, const char *key)
{
	return text_of_json(json_object_get(object, key));
}

bool flag_in_json(const json_t *object, const char *key, bool silent)
{
	const json_t *value = json_object_get(object, key);
	return json_is_boolean(value) ? json_is_true(value) : silent;
}

bool tokenizer_json_refuse(const char *what, Text name, Error *e)
{
	return fail(e, ERROR_MALFORMED, "%s '%.*s' is not supported", what, text_shown(name), name.data);
}

/* --- tokenizer_config.json ------------------------------------------------------------------- */

static bool read_special(const TokenizerJson *r, const char *key, int32_t *id, Error *e)
{
	const json_t *token = json_object_get(r->config, key);
	if (json_is_object(token))
		token = json_object_get(token, "content");
	return !json_is_string(token) || tokenizer_json_token(r->m, key, text_of_json(token), id, e);
}

/* The chat template, which may be one of a list of named ones. */
static bool read_chat_template(TokenizerJson *r, Error *e)
{
	const json_t *template = json_object_get(r->config, "chat_template");
	size_t index;
	json_t *item;
	json_array_foreach(template, index, item)
	{
		if (text_is(text_in_json(item, "name"), "default"))
			template = json_object_get(item, "template");
	}
	if (!json_is_string(template))
		return true;
	r->m->chat_template = memory_string(json_string_value(template), e);
	return r->m->chat_template != NULL;
}

/* Another token that a text may end with. */
static bool add_end(TokenizerModel *m, const json_t *id, Error *e)
{
	json_int_t number = json_integer_value(id);
	if (!json_is_integer(id) || number < 0 || (size_t)number >= m->tokens.count)
		return fail(e, ERROR_MALFORMED, "eos_token_id is no token");
	if (m->eos == TOKEN_NONE)
		m->eos = (int32_t)number;
	if (number == m->eos || number == m->eot)
		return true;
	if (m->end_count == MORE_ENDS)
		return fail(e, ERROR_MALFORMED, "eos_token_id has more than %d tokens", MORE_ENDS);
	m->ends[m->end_count++] = (int32_t)number;
	return true;
}

/* What generation goes by, or else the model's own configuration. */
static bool read_ends(TokenizerJson *r, const char *directory, Error *e)
{
	const json_t *own = json_object_get(r->generation, "eos_token_id"), /* null: there is none */
	    *ends = own ? own : json_object_get(r->model_config, "eos_token_id"), *id;
	bool done = !json_is_integer(ends) || add_end(r->m, ends, e);
	size_t index;
	json_array_foreach(ends, index, id)
	{
		done = done && add_end(r->m, id, e);
	}
	return done || fail_in(e, "%s/%s", directory, own ? "generation_config.json" : "config.json");
}

static bool read_config(TokenizerJson *r, Error *e)
{
	TokenizerModel *m = r->m;
	m->add_bos = flag_in_json(r->config, "add_bos_token", m->add_bos);
	m->add_eos = flag_in_json(r->config, "add_eos_token", m->add_eos);
	return read_special(r, "bos_token", &m->bos, e) && read_special(r, "eos_token", &m->eos, e) &&
	       read_chat_template(r, e);
}

/* --- all of it --------------------------------------------------------------------------- */

static bool read_tokenizer(TokenizerJson *r, Error *e)
{
	*r->m = (TokenizerModel){.bos = TOKEN_NONE,
	                         .eos = TOKEN_NONE,
	                         .eot = TOKEN_NONE,
	                         .unknown = TOKEN_NONE,
	                         .own_steps = true};
	if (!tokenizer_json_model(r, e) || !tokenizer_json_before(r, e))
		return false;
	if (r->byte_level && r->m->kind == TOKENIZER_UNIGRAM)
		return tokenizer_json_refuse("Unigram with the pre-tokenizer", text_of("ByteLevel"), e);
	if (r->byte_level)
		r->m->kind = TOKENIZER_BPE;
	return tokenizer_json_behind(r, e);
}

/* chat_template.jinja, which newer folders have, comes before what the configuration says. */
static bool read_template_file(const char *directory, TokenizerModel *m, Error *e)
{
	Buffer text = {0};
	char *path = path_join(directory, "chat_template.jinja", e);
	bool done = path != NULL;
	if (done && !path_is_missing(path)) {
		done =
		    (file_read(path, &text, e) || fail_in(e, "%s", path)) && buffer_append(&text, "", 1, e);
		memory_free(m->chat_template);
		m->chat_template = done ? memory_string((const char *)text.data, e) : NULL;
		done = m->chat_template != NULL;
	}
	buffer_free(&text);
	memory_free(path);
	return done;
}

static bool read_all(TokenizerJson *r, const char *directory, Error *e)
{
	return (read_tokenizer(r, e) || fail_in(e, "%s/tokenizer.json", directory)) &&
	       (read_config(r, e) || fail_in(e, "%s/tokenizer_config.json", directory)) &&
	       read_ends(r, directory, e) && read_template_file(directory, r->m, e);
}

bool tokenizer_json_hash(const char *directory, const TokenizerModel *m, uint64_t *hash, Error *e)
{
	const int32_t said[] = {m->bos, m->eos, m->add_bos, m->add_eos};
	Buffer text = {0};
	char *path = path_join(directory, "tokenizer.json", e);
	bool done = path != NULL && (file_read(path, &text, e) || fail_in(e, "%s", path));
	*hash = XXH64(text.data, text.size, *hash);
	*hash = XXH64(said, sizeof said, *hash);
	*hash = XXH64(m->ends, m->end_count * sizeof *m->ends, *hash);
	buffer_free(&text);
	memory_free(path);
	return done;
}

Tokenizer *tokenizer_json_read(const char *directory, Error *e)
{
	TokenizerModel m = {0};
	Tokenizer *t = NULL;
	json_t *root = folder_json(directory, "tokenizer.json", false, JSON_ALLOW_NUL, e);
	/* model_max_length may be 10^30 there */
	json_t *config = root ? folder_json(directory, "tokenizer_config.json", true,
	                                    JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, e)
	                      : NULL;
	json_t *generation =
	    e->code == ERROR_NONE ? folder_json(directory, "generation_config.json", true, 0, e) : NULL;
	json_t *model_config =
	    e->code == ERROR_NONE ? folder_json(directory, "config.json", true, 0, e) : NULL;
	TokenizerJson r = {root, config, generation, model_config, .m = &m};
	if (root != NULL && e->code == ERROR_NONE && read_all(&r, directory, e) &&
	    (t = tokenizer_new(&m, e)) == NULL)
		fail_in(e, "%s/tokenizer.json", directory);
	tokenizer_model_free(&m);
	buffer_free(&r.scratch);
	json_decref(root);
	json_decref(config);
	json_decref(generation);
	json_decref(model_config);
	return t;
}
