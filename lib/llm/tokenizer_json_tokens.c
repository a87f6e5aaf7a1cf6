#include "llm/tokenizer_json_internal.h"

#include <string.h>

enum { HOLES_MOST = 1 << 16 }; /* ids without a token */

static bool given(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	return value != NULL && !json_is_null(value);
}

static bool check_token_id(int64_t id, size_t most, Text token, Error *e)
{
	return (id >= 0 && (uint64_t)id < most) ||
	       fail(e, ERROR_MALFORMED, "token '%.*s' has the id %lld, of at most %zu", text_shown(token),
	            token.data, (long long)id, most);
}

static bool place_token(Text *by_id, int64_t id, size_t most, Text token, Error *e)
{
	if (!check_token_id(id, most, token, e))
		return false;
	if (by_id[id].data != NULL && !text_equal(by_id[id], token))
		return fail(e, ERROR_MALFORMED, "tokens '%.*s' and '%.*s' have the same id %lld",
		            text_shown(by_id[id]), by_id[id].data, text_shown(token), token.data,
		            (long long)id);
	by_id[id] = token;
	return true;
}

static bool place_vocabulary(const json_t *vocabulary, Text *by_id, size_t most, Error *e)
{
	const char *token;
	json_t *id;
	json_object_foreach((json_t *)(uintptr_t)vocabulary, token, id)
	{
		if (!json_is_integer(id))
			return fail(e, ERROR_MALFORMED, "token '%.64s' has no id", token);
		if (!place_token(by_id, json_integer_value(id), most, text_of(token), e))
			return false;
	}
	return true;
}

/* Unigram: pairs of a piece and its score, by id. */
static bool place_pieces(const json_t *pieces, Text *by_id, size_t most, float *scores, Error *e)
{
	size_t index;
	json_t *pair;
	json_array_foreach(pieces, index, pair)
	{
		const json_t *piece = json_array_get(pair, 0), *score = json_array_get(pair, 1);
		if (!json_is_string(piece) || !json_is_number(score))
			return fail(e, ERROR_MALFORMED, "piece %zu is no pair of text and score", index);
		if (!place_token(by_id, (int64_t)index, most, text_of_json(piece), e))
			return false;
		scores[index] = (float)json_number_value(score);
	}
	return true;
}

/* Some folders add tokens that the model has no vector for: nobody reads or says those. */
static bool has_no_embedding(const TokenizerJson *r, const json_t *added)
{
	const json_t *vocabulary = json_object_get(json_object_get(r->root, "model"), "vocab"),
	             *V = json_object_get(r->model_config, "vocab_size");
	return json_integer_value(V) > 0 &&
	       json_integer_value(json_object_get(added, "id")) >= json_integer_value(V) &&
	       json_object_get(vocabulary, json_string_value(json_object_get(added, "content"))) == NULL;
}

static bool place_added(const TokenizerJson *r, Text *by_id, size_t most, Error *e)
{
	const json_t *vocabulary = json_object_get(json_object_get(r->root, "model"), "vocab");
	size_t index;
	json_t *token;
	json_array_foreach(json_object_get(r->root, "added_tokens"), index, token)
	{
		const json_t *id = json_object_get(token, "id"), *content = json_object_get(token, "content");
		if (!json_is_integer(id) || json_string_length(content) == 0)
			return fail(e, ERROR_MALFORMED, "added token %zu has no id or no content", index);
		if (has_no_embedding(r, token))
			continue;
		const json_t *other = json_object_get(vocabulary, json_string_value(content));
		if (other != NULL && json_integer_value(other) != json_integer_value(id))
			return fail(e, ERROR_MALFORMED, "added token '%.64s' has two ids",
			            json_string_value(content));
		if (!place_token(by_id, json_integer_value(id), most, text_of_json(content), e))
			return false;
	}
	return true;
}

/* The number of tokens is the largest id + 1: what has none in between is left unused. */
static bool list_tokens(TokenizerModel *m, const Text *by_id, size_t most, Error *e)
{
	size_t count = most;
	while (count > 0 && by_id[count - 1].data == NULL)
		count--;
	if ((m->types = memory_new(count, sizeof *m->types, e)) == NULL ||
	    (m->added = memory_new(count, sizeof *m->added, e)) == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		m->types[i] = by_id[i].data ? TOKEN_NORMAL : TOKEN_UNUSED;
		if (!strings_append(&m->tokens, by_id[i].data, by_id[i].size, e))
			return false;
	}
	return true;
}

static bool read_tokens(TokenizerJson *r, Error *e)
{
	TokenizerModel *m = r->m;
	const json_t *vocabulary = json_object_get(json_object_get(r->root, "model"), "vocab");
	bool unigram = m->kind == TOKENIZER_UNIGRAM;
	if (unigram ? !json_is_array(vocabulary) : !json_is_object(vocabulary))
		return fail(e, ERROR_MALFORMED, "the model has no vocab");
	size_t most = json_object_size(vocabulary) + json_array_size(vocabulary) +
	              json_array_size(json_object_get(r->root, "added_tokens")) + HOLES_MOST;
	Text *by_id = memory_new(most, sizeof *by_id, e);
	if (unigram)
		m->scores = memory_new(most, sizeof *m->scores, e);
	bool done = by_id != NULL && (!unigram || m->scores != NULL) &&
	            (unigram ? place_pieces(vocabulary, by_id, most, m->scores, e)
	                     : place_vocabulary(vocabulary, by_id, most, e)) &&
	            place_added(r, by_id, most, e) && list_tokens(m, by_id, most, e);
	memory_free(by_id);
	return done;
}

bool tokenizer_json_token(const TokenizerModel *m, const char *what, Text token, int32_t *id, Error *e)
{
	for (size_t i = 0; i < m->tokens.count; i++)
		if (m->types[i] != TOKEN_UNUSED && text_equal(strings_at(&m->tokens, i), token)) {
			*id = (int32_t)i;
			return true;
		}
	return fail(e, ERROR_MALFORMED, "the %s token '%.*s' is not in the vocabulary", what,
	            text_shown(token), token.data);
}

static void mark_added(const TokenizerJson *r)
{
	size_t index;
	json_t *token;
	json_array_foreach(json_object_get(r->root, "added_tokens"), index, token)
	{
		size_t id = (size_t)json_integer_value(json_object_get(token, "id"));
		if (has_no_embedding(r, token))
			continue;
		bool special = flag_in_json(token, "special", false);
		r->m->types[id] = special ? TOKEN_CONTROL : TOKEN_USER_DEFINED;
		r->m->added[id] =
		    (uint8_t)((flag_in_json(token, "lstrip", false) ? ADDED_LSTRIP : 0) |
		              (flag_in_json(token, "rstrip", false) ? ADDED_RSTRIP : 0) |
		              (flag_in_json(token, "single_word", false) ? ADDED_SINGLE_WORD : 0) |
		              (flag_in_json(token, "normalized", !special) ? ADDED_NORMALIZED : 0));
	}
}

static void mark_bytes(TokenizerModel *m)
{
	for (size_t i = 0; i < m->tokens.count; i++) {
		Text token = strings_at(&m->tokens, i);
		if (token.size == 6 && memcmp(token.data, "<0x", 3) == 0 && token.data[5] == '>' &&
		    strchr("0123456789ABCDEF", token.data[3]) && strchr("0123456789ABCDEF", token.data[4]))
			m->types[i] = TOKEN_BYTE;
	}
}

static bool read_types(TokenizerJson *r, Error *e)
{
	TokenizerModel *m = r->m;
	const json_t *model = json_object_get(r->root, "model"), *id = json_object_get(model, "unk_id");
	if (flag_in_json(model, "byte_fallback", false))
		mark_bytes(m);
	mark_added(r);
	if (given(model, "unk_token") &&
	    !tokenizer_json_token(m, "unknown", text_in_json(model, "unk_token"), &m->unknown, e))
		return false;
	if (given(model, "unk_id")) {
		if (!json_is_integer(id) ||
		    !check_token_id(json_integer_value(id), m->tokens.count, text_of("unk_id"), e))
			return fail(e, ERROR_MALFORMED, "unk_id is no token");
		m->unknown = (int32_t)json_integer_value(id);
	}
	if (m->unknown != TOKEN_NONE)
		m->types[m->unknown] = TOKEN_UNKNOWN;
	return true;
}

/* "left right", or a list of the two. */
static bool read_merge(TokenizerJson *r, size_t index, const json_t *merge, Error *e)
{
	Text whole = text_of_json(merge), left = text_of_json(json_array_get(merge, 0)),
	     right = text_of_json(json_array_get(merge, 1));
	Buffer *b = &r->scratch;
	b->size = 0;
	if (json_is_array(merge)) {
		if (left.size == 0 || right.size == 0 || json_array_size(merge) != 2)
			return fail(e, ERROR_MALFORMED, "merge %zu is no pair", index);
		if (memchr(left.data, ' ', left.size) || memchr(right.data, ' ', right.size))
			return fail(e, ERROR_MALFORMED, "merge %zu: a space in a token is not supported",
			            index);
		if (!buffer_append(b, left.data, left.size, e) || !buffer_append(b, " ", 1, e) ||
		    !buffer_append(b, right.data, right.size, e))
			return false;
		whole = (Text){(char *)b->data, b->size};
	}
	return strings_append(&r->m->merges, whole.data, whole.size, e);
}

static bool read_bpe(TokenizerJson *r, const json_t *model, Error *e)
{
	static const char *const refused[] = {"continuing_subword_prefix", "end_of_word_suffix"};
	size_t index;
	json_t *merge;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (text_in_json(model, refused[i]).size > 0)
			return tokenizer_json_refuse("BPE with", text_of(refused[i]), e);
	if (json_number_value(json_object_get(model, "dropout")) > 0)
		return tokenizer_json_refuse("BPE with", text_of("dropout"), e);
	r->m->fuse_unknown = flag_in_json(model, "fuse_unk", false);
	r->m->whole_words = flag_in_json(model, "ignore_merges", false);
	json_array_foreach(json_object_get(model, "merges"), index, merge)
	{
		if (!read_merge(r, index, merge, e))
			return false;
	}
	return true;
}

bool tokenizer_json_model(TokenizerJson *r, Error *e)
{
	const json_t *model = json_object_get(r->root, "model");
	Text type = text_in_json(model, "type");
	if (!json_is_object(model))
		return fail(e, ERROR_MALFORMED, "there is no model");
	if (type.size == 0) /* older files do not tell */
		type = text_of(json_is_array(json_object_get(model, "vocab"))    ? "Unigram"
		               : json_is_array(json_object_get(model, "merges")) ? "BPE"
		                                                                 : "");
	if (!text_is(type, "BPE") && !text_is(type, "Unigram"))
		return tokenizer_json_refuse("model", type, e);
	r->m->kind = text_is(type, "BPE") ? TOKENIZER_CHARACTER_BPE : TOKENIZER_UNIGRAM;
	return read_tokens(r, e) && read_types(r, e) &&
	       (r->m->kind == TOKENIZER_UNIGRAM || read_bpe(r, model, e));
}
