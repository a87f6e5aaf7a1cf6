#include "llm/tokenizer_json_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Text json_text(const json_t *value)
{
	const char *text = json_string_value(value);
	return (Text){text ? text : "", text ? json_string_length(value) : 0};
}

Text json_text_at(const json_t *object, const char *key)
{
	return json_text(json_object_get(object, key));
}

bool json_flag_at(const json_t *object, const char *key, bool silent)
{
	const json_t *value = json_object_get(object, key);
	return json_is_boolean(value) ? json_is_true(value) : silent;
}

int text_shown(Text text)
{
	return (int)(text.size < 64 ? text.size : 64);
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
	return !json_is_string(token) || tokenizer_json_token(r->m, key, json_text(token), id, e);
}

/* The chat template, which may be one of a list of named ones. */
static bool read_chat_template(TokenizerJson *r, Error *e)
{
	const json_t *template = json_object_get(r->config, "chat_template");
	size_t index;
	json_t *item;
	json_array_foreach(template, index, item)
	{
		if (text_is(json_text_at(item, "name"), "default"))
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
static bool read_ends(TokenizerJson *r, Error *e)
{
	const json_t *own = json_object_get(r->generation, "eos_token_id"),
	             *ends = own ? own : json_object_get(r->model_config, "eos_token_id"), *id;
	size_t index;
	if (json_is_integer(ends))
		return add_end(r->m, ends, e);
	json_array_foreach(ends, index, id)
	{
		if (!add_end(r->m, id, e))
			return false;
	}
	return true;
}

static bool read_config(TokenizerJson *r, Error *e)
{
	TokenizerModel *m = r->m;
	m->add_bos = json_flag_at(r->config, "add_bos_token", m->add_bos);
	m->add_eos = json_flag_at(r->config, "add_eos_token", m->add_eos);
	return read_special(r, "bos_token", &m->bos, e) && read_special(r, "eos_token", &m->eos, e) &&
	       read_ends(r, e) && read_chat_template(r, e);
}

/* --- all of it --------------------------------------------------------------------------------- */

static bool read_all(TokenizerJson *r, Error *e)
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
	return tokenizer_json_behind(r, e) && read_config(r, e);
}

enum { PATH_ROOM = 4096 };

static bool path_of(const char *directory, const char *name, char path[PATH_ROOM], Error *e)
{
	int length = snprintf(path, PATH_ROOM, "%s/%s", directory, name);
	return (length >= 0 && length < PATH_ROOM) ||
	       fail(e, ERROR_USAGE, "the name of folder '%.64s…' is too long", directory);
}

/* NULL, and no error, where the file may be missing and is. */
static json_t *load(const char *directory, const char *name, bool optional, size_t flags, Error *e)
{
	char path[PATH_ROOM];
	json_error_t problem;
	if (!path_of(directory, name, path, e))
		return NULL;
	if (access(path, R_OK) != 0) {
		if (!optional || errno != ENOENT)
			fail_errno(e, "cannot read '%s'", path);
		return NULL;
	}
	json_t *root = json_load_file(path, JSON_ALLOW_NUL | flags, &problem);
	if (root == NULL)
		fail(e, ERROR_MALFORMED, "%s:%d: %s", path, problem.line, problem.text);
	return root;
}

/* chat_template.jinja, which newer folders have, comes before what the configuration says. */
static bool read_template_file(const char *directory, TokenizerModel *m, Error *e)
{
	char path[PATH_ROOM], piece[4096];
	Buffer text = {0};
	size_t size;
	if (!path_of(directory, "chat_template.jinja", path, e))
		return false;
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return errno == ENOENT || fail_errno(e, "cannot read '%s'", path);
	bool done = true;
	while (done && (size = fread(piece, 1, sizeof piece, file)) > 0)
		done = buffer_append(&text, piece, size, e);
	if (done && ferror(file))
		done = fail_errno(e, "%s: cannot read", path);
	fclose(file); /* was only read from: nothing can be lost */
	done = done && buffer_append(&text, "", 1, e);
	if (done) {
		memory_free(m->chat_template);
		m->chat_template = memory_string((const char *)text.data, e);
		done = m->chat_template != NULL;
	}
	buffer_free(&text);
	return done;
}

Tokenizer *tokenizer_json_read(const char *directory, Error *e)
{
	TokenizerModel m = {0};
	Tokenizer *t = NULL;
	json_t *root = load(directory, "tokenizer.json", false, 0, e);
	/* model_max_length may be 10^30 there */
	json_t *config =
	    root ? load(directory, "tokenizer_config.json", true, JSON_DECODE_INT_AS_REAL, e) : NULL;
	json_t *generation = root ? load(directory, "generation_config.json", true, 0, e) : NULL;
	json_t *model_config = root ? load(directory, "config.json", true, 0, e) : NULL;
	TokenizerJson r = {root, config, generation, model_config, .m = &m};
	if (root != NULL && e->code == ERROR_NONE) {
		t = read_all(&r, e) && read_template_file(directory, &m, e) ? tokenizer_new(&m, e) : NULL;
		if (t == NULL)
			fail_in(e, "%s/tokenizer.json", directory);
	}
	tokenizer_model_free(&m);
	buffer_free(&r.scratch);
	json_decref(root);
	json_decref(config);
	json_decref(generation);
	json_decref(model_config);
	return t;
}
