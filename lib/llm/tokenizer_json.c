#include "llm/tokenizer_json.h"

#include "text/expression.h"
#include "text/utf8.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HOLES_MOST = 1 << 16 }; /* ids without a token */

/* What is read into the model, and what must be known of one part to read another. */
typedef struct {
	/* tokenizer.json, tokenizer_config.json, generation_config.json and config.json; but for the first
	 * NULL where there is none */
	const json_t *root, *config, *generation, *model_config;
	TokenizerModel *m;
	bool byte_level; /* a pre-tokenizer spelled bytes as letters */
	Buffer scratch;
} Reader;

static Text text_in(const json_t *value)
{
	const char *text = json_string_value(value);
	return (Text){text ? text : "", text ? json_string_length(value) : 0};
}

static Text text_at(const json_t *object, const char *key)
{
	return text_in(json_object_get(object, key));
}

static bool is(Text text, const char *word)
{
	return text_equal(text, text_of(word));
}

static bool flag_at(const json_t *object, const char *key, bool silent)
{
	const json_t *value = json_object_get(object, key);
	return json_is_boolean(value) ? json_is_true(value) : silent;
}

static bool given(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	return value != NULL && !json_is_null(value);
}

static int shown(Text text)
{
	return (int)(text.size < 64 ? text.size : 64);
}

static bool unsupported(const char *what, Text name, Error *e)
{
	return fail(e, ERROR_MALFORMED, "%s '%.*s' is not supported", what, shown(name), name.data);
}

/* --- tokens -------------------------------------------------------------------------- */

static bool check_token_id(int64_t id, size_t most, Text token, Error *e)
{
	return (id >= 0 && (uint64_t)id < most) ||
	       fail(e, ERROR_MALFORMED, "token '%.*s' has the id %lld, of at most %zu", shown(token),
	            token.data, (long long)id, most);
}

static bool place_token(Text *by_id, int64_t id, size_t most, Text token, Error *e)
{
	if (!check_token_id(id, most, token, e))
		return false;
	if (by_id[id].data != NULL && !text_equal(by_id[id], token))
		return fail(e, ERROR_MALFORMED, "tokens '%.*s' and '%.*s' have the same id %lld",
		            shown(by_id[id]), by_id[id].data, shown(token), token.data, (long long)id);
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
		if (!place_token(by_id, (int64_t)index, most, text_in(piece), e))
			return false;
		scores[index] = (float)json_number_value(score);
	}
	return true;
}

/* Some folders add tokens that the model has no vector for: nobody reads or says those. */
static bool has_no_embedding(const Reader *r, const json_t *added)
{
	const json_t *vocabulary = json_object_get(json_object_get(r->root, "model"), "vocab"),
	             *V = json_object_get(r->model_config, "vocab_size");
	return json_integer_value(V) > 0 &&
	       json_integer_value(json_object_get(added, "id")) >= json_integer_value(V) &&
	       json_object_get(vocabulary, json_string_value(json_object_get(added, "content"))) == NULL;
}

static bool place_added(const Reader *r, Text *by_id, size_t most, Error *e)
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
		if (!place_token(by_id, json_integer_value(id), most, text_in(content), e))
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

static bool read_tokens(Reader *r, Error *e)
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

/* A token by its text: some are named where they are used. */
static bool find_token(const TokenizerModel *m, const char *what, Text token, int32_t *id, Error *e)
{
	for (size_t i = 0; i < m->tokens.count; i++)
		if (m->types[i] != TOKEN_UNUSED && text_equal(strings_at(&m->tokens, i), token)) {
			*id = (int32_t)i;
			return true;
		}
	return fail(e, ERROR_MALFORMED, "the %s token '%.*s' is not in the vocabulary", what, shown(token),
	            token.data);
}

static void mark_added(const Reader *r)
{
	size_t index;
	json_t *token;
	json_array_foreach(json_object_get(r->root, "added_tokens"), index, token)
	{
		size_t id = (size_t)json_integer_value(json_object_get(token, "id"));
		if (has_no_embedding(r, token))
			continue;
		bool special = flag_at(token, "special", false);
		r->m->types[id] = special ? TOKEN_CONTROL : TOKEN_USER_DEFINED;
		r->m->added[id] = (uint8_t)((flag_at(token, "lstrip", false) ? ADDED_LSTRIP : 0) |
		                            (flag_at(token, "rstrip", false) ? ADDED_RSTRIP : 0) |
		                            (flag_at(token, "single_word", false) ? ADDED_SINGLE_WORD : 0) |
		                            (flag_at(token, "normalized", !special) ? ADDED_NORMALIZED : 0));
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

static bool read_types(Reader *r, Error *e)
{
	TokenizerModel *m = r->m;
	const json_t *model = json_object_get(r->root, "model"), *id = json_object_get(model, "unk_id");
	if (flag_at(model, "byte_fallback", false))
		mark_bytes(m);
	mark_added(r);
	if (given(model, "unk_token") &&
	    !find_token(m, "unknown", text_at(model, "unk_token"), &m->unknown, e))
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

/* --- the model ------------------------------------------------------------------------ */

/* "left right", or a list of the two. */
static bool read_merge(Reader *r, size_t index, const json_t *merge, Error *e)
{
	Text whole = text_in(merge), left = text_in(json_array_get(merge, 0)),
	     right = text_in(json_array_get(merge, 1));
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

static bool read_bpe(Reader *r, const json_t *model, Error *e)
{
	static const char *const refused[] = {"continuing_subword_prefix", "end_of_word_suffix"};
	size_t index;
	json_t *merge;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (text_at(model, refused[i]).size > 0)
			return unsupported("BPE with", text_of(refused[i]), e);
	if (json_number_value(json_object_get(model, "dropout")) > 0)
		return unsupported("BPE with", text_of("dropout"), e);
	r->m->fuse_unknown = flag_at(model, "fuse_unk", false);
	r->m->whole_words = flag_at(model, "ignore_merges", false);
	json_array_foreach(json_object_get(model, "merges"), index, merge)
	{
		if (!read_merge(r, index, merge, e))
			return false;
	}
	return true;
}

static bool read_model(Reader *r, Error *e)
{
	const json_t *model = json_object_get(r->root, "model");
	Text type = text_at(model, "type");
	if (!json_is_object(model))
		return fail(e, ERROR_MALFORMED, "there is no model");
	if (type.size == 0) /* older files do not tell */
		type = text_of(json_is_array(json_object_get(model, "vocab"))    ? "Unigram"
		               : json_is_array(json_object_get(model, "merges")) ? "BPE"
		                                                                 : "");
	if (!is(type, "BPE") && !is(type, "Unigram"))
		return unsupported("model", type, e);
	r->m->kind = is(type, "BPE") ? TOKENIZER_CHARACTER_BPE : TOKENIZER_UNIGRAM;
	return read_tokens(r, e) && read_types(r, e) &&
	       (r->m->kind == TOKENIZER_UNIGRAM || read_bpe(r, model, e));
}

/* --- normalizers -------------------------------------------------------------------------- */

/* A pattern as PCRE2's expression, terminated, in r->scratch. */
static bool read_pattern(Reader *r, const json_t *pattern, Error *e)
{
	r->scratch.size = 0;
	if (json_is_string(json_object_get(pattern, "Regex")))
		return expression_translate(text_at(pattern, "Regex"), &r->scratch, e);
	if (text_at(pattern, "String").size > 0)
		return expression_quote(text_at(pattern, "String"), &r->scratch, e);
	return fail(e, ERROR_MALFORMED, "a pattern is neither Regex nor String");
}

static bool read_replace(Reader *r, const json_t *n, NormalizeSteps *steps, Error *e)
{
	const json_t *pattern = json_object_get(n, "pattern");
	Text content = text_at(n, "content"), string = text_at(pattern, "String");
	if (string.size > 0)
		return normalize_steps_add(steps, NORMALIZE_REPLACE, string, content, e);
	return read_pattern(r, pattern, e) &&
	       normalize_steps_add(steps, NORMALIZE_REPLACE_MATCH,
	                           (Text){(char *)r->scratch.data, r->scratch.size}, content, e);
}

static bool read_base64(Text text, Buffer *out, Error *e)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned count = 0;
	out->size = 0;
	while (text.size > 0 && text.data[text.size - 1] == '=')
		text.size--;
	for (size_t i = 0; i < text.size; i++) {
		const char *digit = memchr(digits, text.data[i], sizeof digits - 1);
		if (digit == NULL)
			return fail(e, ERROR_MALFORMED, "precompiled_charsmap is no base64");
		bits = bits << 6 | (uint32_t)(digit - digits);
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		uint8_t byte = (uint8_t)(bits >> count);
		if (!buffer_append(out, &byte, 1, e))
			return false;
	}
	return true;
}

static bool read_strip(const json_t *n, NormalizeSteps *steps, Error *e)
{
	const Text none = {"", 0};
	return (!flag_at(n, "strip_left", true) ||
	        normalize_steps_add(steps, NORMALIZE_STRIP_LEFT, none, none, e)) &&
	       (!flag_at(n, "strip_right", true) ||
	        normalize_steps_add(steps, NORMALIZE_STRIP_RIGHT, none, none, e));
}

static bool read_normalizer(Reader *r, const json_t *n, Error *e)
{
	static const char forms[] = "NFC|NFD|NFKC|NFKD|Lowercase"; /* as NormalizeKind numbers them */
	const Text none = {"", 0};
	NormalizeSteps *steps = &r->m->normalizer;
	Text type = text_at(n, "type");
	size_t index;
	json_t *part;
	if (n == NULL || json_is_null(n))
		return true;
	for (size_t i = 0; word_at(forms, i).size > 0; i++)
		if (text_equal(type, word_at(forms, i)))
			return normalize_steps_add(steps, (NormalizeKind)i, none, none, e);
	if (is(type, "Strip"))
		return read_strip(n, steps, e);
	if (is(type, "Replace"))
		return read_replace(r, n, steps, e);
	if (is(type, "Prepend"))
		return normalize_steps_add(steps, NORMALIZE_PREPEND, none, text_at(n, "prepend"), e);
	if (is(type, "Precompiled"))
		return read_base64(text_at(n, "precompiled_charsmap"), &r->scratch, e) &&
		       normalize_steps_add(steps, NORMALIZE_CHARSMAP,
		                           (Text){(char *)r->scratch.data, r->scratch.size}, none, e);
	if (!is(type, "Sequence"))
		return unsupported("normalizer", type, e);
	json_array_foreach(json_object_get(n, "normalizers"), index, part)
	{
		if (!read_normalizer(r, part, e))
			return false;
	}
	return true;
}

/* --- pre-tokenizers ------------------------------------------------------------------------ */

static bool read_byte_level(Reader *r, const json_t *p, Error *e)
{
	const Text none = {"", 0};
	TokenizerModel *m = r->m;
	r->byte_level = true;
	if (flag_at(p, "add_prefix_space", true)) {
		if (m->cuts.count > 0)
			return unsupported("ByteLevel's add_prefix_space behind", text_of("a cut"), e);
		if (!normalize_steps_add(&m->rewriter, NORMALIZE_PREPEND_UNLESS, none, text_of(" "), e))
			return false;
	}
	return !flag_at(p, "use_regex", true) || cut_steps_add(&m->cuts, CUT_ISOLATED, pretokenizer_gpt_2, e);
}

static bool read_split(Reader *r, const json_t *p, Error *e)
{
	Text behavior = text_at(p, "behavior");
	bool invert = flag_at(p, "invert", false), isolated = is(behavior, "Isolated");
	Cut cut = isolated                             ? CUT_ISOLATED
	          : is(behavior, "MergedWithPrevious") ? CUT_PREVIOUS
	          : is(behavior, "MergedWithNext")     ? CUT_NEXT
	          : invert                             ? CUT_KEPT
	                                               : CUT_REMOVED;
	if ((cut == CUT_KEPT || cut == CUT_REMOVED) && !is(behavior, "Removed"))
		return unsupported("Split with behavior", behavior, e);
	if (invert && (cut == CUT_PREVIOUS || cut == CUT_NEXT))
		return unsupported("inverted Split with behavior", behavior, e);
	return read_pattern(r, json_object_get(p, "pattern"), e) &&
	       cut_steps_add(&r->m->cuts, cut, (char *)r->scratch.data, e);
}

static bool read_metaspace(Reader *r, const json_t *p, Error *e)
{
	TokenizerModel *m = r->m;
	const Text visible = text_of(VISIBLE_SPACE);
	Text scheme = text_at(p, "prepend_scheme"), replacement = text_at(p, "replacement");
	if (scheme.size == 0)
		scheme = text_of(flag_at(p, "add_prefix_space", true) ? "always" : "never");
	if (!is(scheme, "always") && !is(scheme, "never") && !is(scheme, "first"))
		return unsupported("Metaspace with prepend_scheme", scheme, e);
	if (!text_equal(replacement, visible))
		return unsupported("Metaspace with replacement", replacement, e);
	if (m->cuts.count > 0)
		return unsupported("Metaspace behind", text_of("a cut"), e);
	m->prefix_once = is(scheme, "first");
	return normalize_steps_add(&m->rewriter, NORMALIZE_REPLACE, text_of(" "), visible, e) &&
	       (is(scheme, "never") ||
	        normalize_steps_add(&m->rewriter,
	                            m->prefix_once ? NORMALIZE_PREPEND_FIRST : NORMALIZE_PREPEND_UNLESS,
	                            text_of(""), visible, e)) &&
	       (!flag_at(p, "split", true) || cut_steps_add(&m->cuts, CUT_NEXT, VISIBLE_SPACE, e));
}

static bool read_pretokenizer(Reader *r, const json_t *p, Error *e)
{
	Text type = text_at(p, "type");
	size_t index;
	json_t *part;
	if (p == NULL || json_is_null(p))
		return true;
	if (r->byte_level)
		return unsupported("behind ByteLevel, the pre-tokenizer", type, e);
	if (is(type, "ByteLevel"))
		return read_byte_level(r, p, e);
	if (is(type, "Split"))
		return read_split(r, p, e);
	if (is(type, "Metaspace"))
		return read_metaspace(r, p, e);
	if (is(type, "Digits"))
		return cut_steps_add(&r->m->cuts, CUT_ISOLATED,
		                     flag_at(p, "individual_digits", false) ? "\\p{N}" : "\\p{N}+", e);
	if (!is(type, "Sequence"))
		return unsupported("pre-tokenizer", type, e);
	json_array_foreach(json_object_get(p, "pretokenizers"), index, part)
	{
		if (!read_pretokenizer(r, part, e))
			return false;
	}
	return true;
}

/* --- what comes behind the model ------------------------------------------------------------ */

/* The special tokens that a text is put between. */
static bool read_template(Reader *r, const json_t *p, Error *e)
{
	TokenizerModel *m = r->m;
	bool behind = false;
	size_t index;
	json_t *part;
	json_array_foreach(json_object_get(p, "single"), index, part)
	{
		const json_t *special = json_object_get(part, "SpecialToken");
		bool *adds = behind ? &m->add_eos : &m->add_bos;
		behind = behind || special == NULL;
		if (special == NULL)
			continue;
		if (*adds)
			return unsupported("TemplateProcessing with", text_of("two tokens side by side"), e);
		*adds = true;
		if (!find_token(m, behind ? "EOS" : "BOS", text_at(special, "id"), behind ? &m->eos : &m->bos,
		                e))
			return false;
	}
	return true;
}

static bool read_post_processor(Reader *r, const json_t *p, Error *e)
{
	Text type = text_at(p, "type");
	size_t index;
	json_t *part;
	if (p == NULL || json_is_null(p) || is(type, "ByteLevel"))
		return true;
	if (is(type, "TemplateProcessing"))
		return read_template(r, p, e);
	if (!is(type, "Sequence"))
		return unsupported("post-processor", type, e);
	json_array_foreach(json_object_get(p, "processors"), index, part)
	{
		if (!read_post_processor(r, part, e))
			return false;
	}
	return true;
}

static bool read_decoder(Reader *r, const json_t *d, Error *e)
{
	Text type = text_at(d, "type"), scheme = text_at(d, "prepend_scheme");
	size_t index;
	json_t *part;
	if (d == NULL || json_is_null(d) || is(type, "Fuse") || is(type, "ByteFallback"))
		return true;
	if (is(type, "ByteLevel") && r->byte_level)
		return true;
	if (is(type, "Replace") && is(text_at(json_object_get(d, "pattern"), "String"), VISIBLE_SPACE) &&
	    is(text_at(d, "content"), " "))
		return true;
	if (is(type, "Metaspace")) {
		r->m->add_space_prefix =
		    scheme.size > 0 ? !is(scheme, "never") : flag_at(d, "add_prefix_space", true);
		return true;
	}
	if (is(type, "Strip") && is(text_at(d, "content"), " ") &&
	    json_integer_value(json_object_get(d, "start")) == 1 &&
	    json_integer_value(json_object_get(d, "stop")) == 0) {
		r->m->add_space_prefix = true;
		return true;
	}
	if (!is(type, "Sequence"))
		return unsupported("decoder", type, e);
	json_array_foreach(json_object_get(d, "decoders"), index, part)
	{
		if (!read_decoder(r, part, e))
			return false;
	}
	return true;
}

/* --- tokenizer_config.json ------------------------------------------------------------------- */

static bool read_special(const Reader *r, const char *key, int32_t *id, Error *e)
{
	const json_t *token = json_object_get(r->config, key);
	if (json_is_object(token))
		token = json_object_get(token, "content");
	return !json_is_string(token) || find_token(r->m, key, text_in(token), id, e);
}

/* The chat template, which may be one of a list of named ones. */
static bool read_chat_template(Reader *r, Error *e)
{
	const json_t *template = json_object_get(r->config, "chat_template");
	size_t index;
	json_t *item;
	json_array_foreach(template, index, item)
	{
		if (is(text_at(item, "name"), "default"))
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
static bool read_ends(Reader *r, Error *e)
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

static bool read_config(Reader *r, Error *e)
{
	TokenizerModel *m = r->m;
	m->add_bos = flag_at(r->config, "add_bos_token", m->add_bos);
	m->add_eos = flag_at(r->config, "add_eos_token", m->add_eos);
	return read_special(r, "bos_token", &m->bos, e) && read_special(r, "eos_token", &m->eos, e) &&
	       read_ends(r, e) && read_chat_template(r, e);
}

/* --- all of it --------------------------------------------------------------------------------- */

static bool read_all(Reader *r, Error *e)
{
	*r->m = (TokenizerModel){.bos = TOKEN_NONE,
	                         .eos = TOKEN_NONE,
	                         .eot = TOKEN_NONE,
	                         .unknown = TOKEN_NONE,
	                         .own_steps = true};
	if (!read_model(r, e) || !read_normalizer(r, json_object_get(r->root, "normalizer"), e) ||
	    !read_pretokenizer(r, json_object_get(r->root, "pre_tokenizer"), e))
		return false;
	if (r->byte_level && r->m->kind == TOKENIZER_UNIGRAM)
		return unsupported("Unigram with the pre-tokenizer", text_of("ByteLevel"), e);
	if (r->byte_level)
		r->m->kind = TOKENIZER_BPE;
	return read_post_processor(r, json_object_get(r->root, "post_processor"), e) &&
	       read_decoder(r, json_object_get(r->root, "decoder"), e) && read_config(r, e);
}

/* NULL, and no error, where the file may be missing and is. */
static json_t *load(const char *directory, const char *name, bool optional, size_t flags, Error *e)
{
	char path[4096];
	json_error_t problem;
	int length = snprintf(path, sizeof path, "%s/%s", directory, name);
	if (length < 0 || (size_t)length >= sizeof path) {
		fail(e, ERROR_USAGE, "the name of folder '%.64s…' is too long", directory);
		return NULL;
	}
	if (access(path, R_OK) != 0) {
		if (!optional)
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
	char path[4096], piece[4096];
	Buffer text = {0};
	size_t size;
	int length = snprintf(path, sizeof path, "%s/chat_template.jinja", directory);
	FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "rb") : NULL;
	if (file == NULL)
		return true;
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
	Reader r = {root, config, generation, model_config, .m = &m};
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
