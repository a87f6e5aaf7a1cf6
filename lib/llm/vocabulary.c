#include "llm/vocabulary.h"

#include "text/expression.h"
#include "text/pretokenizer.h"

#include <stdio.h>
#include <string.h>

#define KEY(name)     "tokenizer.ggml." name
#define CHAT_TEMPLATE "tokenizer.chat_template"

/* A token's id; files write "none" as -1 or as the largest number of 32 bits. */
static bool read_id(const Gguf *g, const char *key, int32_t *id, Error *e)
{
	int64_t value;
	if (!gguf_has(g, key))
		return true;
	if (!gguf_integer(g, key, TOKEN_NONE, UINT32_MAX, &value, e))
		return false;
	if (value > INT32_MAX && value < UINT32_MAX)
		return fail(e, ERROR_MALFORMED, "key '%s': there is no token %lld", key, (long long)value);
	*id = value == UINT32_MAX ? TOKEN_NONE : (int32_t)value;
	return true;
}

static bool read_flag(const Gguf *g, const char *key, bool *flag, Error *e)
{
	return !gguf_has(g, key) || gguf_bool(g, key, flag, e);
}

static bool check_length(const char *key, size_t length, size_t tokens, Error *e)
{
	return length == tokens ||
	       fail(e, ERROR_MALFORMED, "key '%s' has %zu elements for %zu tokens", key, length, tokens);
}

/* The pre-tokenizer's name; files from before there were names mean "default". */
static bool read_pre(const Gguf *g, TokenizerModel *m, Error *e)
{
	Text pre = text_of("default");
	if (gguf_has(g, KEY("pre")) && !gguf_string(g, KEY("pre"), &pre, e))
		return false;
	if (pre.size >= sizeof m->pre || memchr(pre.data, 0, pre.size) != NULL)
		return fail(e, ERROR_MALFORMED, "key '" KEY("pre") "': no pre-tokenizer is called '%.*s'",
		            text_shown(pre), pre.data);
	memcpy(m->pre, pre.data, pre.size);
	return true;
}

/* By TokenizerKind. */
static const char kinds[] = "gpt2|llama|t5";

/* What holds for a kind where the file is silent. */
static void set_defaults(TokenizerModel *m)
{
	const PretokenizerKind *pre = pretokenizer_kind(m->pre);
	switch (m->kind) {
	case TOKENIZER_SENTENCEPIECE:
		m->unknown = 0;
		m->bos = 1;
		m->eos = 2;
		m->add_bos = m->add_space_prefix = true;
		break;
	case TOKENIZER_UNIGRAM:
		m->unknown = 2;
		m->eos = 1;
		m->add_eos = m->add_space_prefix = m->squeeze_spaces = true;
		break;
	case TOKENIZER_BPE:
	case TOKENIZER_CHARACTER_BPE:
		m->add_bos = pre != NULL && pre->add_bos;
	}
}

static bool read_kind(const Gguf *g, TokenizerModel *m, Error *e)
{
	Text model;
	size_t kind = 0;
	*m = (TokenizerModel){.bos = TOKEN_NONE,
	                      .eos = TOKEN_NONE,
	                      .eot = TOKEN_NONE,
	                      .ends = {TOKEN_NONE},
	                      .unknown = TOKEN_NONE};
	if (!gguf_string(g, KEY("model"), &model, e) || !read_pre(g, m, e))
		return false;
	while (word_at(kinds, kind).size > 0 && !text_equal(word_at(kinds, kind), model))
		kind++;
	if (word_at(kinds, kind).size == 0)
		return fail(e, ERROR_MALFORMED,
		            "tokenizer '%.*s' is not supported; these are: gpt2, llama, t5",
		            text_shown(model), model.data);
	m->kind = (TokenizerKind)kind;
	set_defaults(m);
	return true;
}

/* SentencePiece's table, which is an array of bytes with or without a sign. */
static bool read_charsmap(const Gguf *g, TokenizerModel *m, Error *e)
{
	int32_t *bytes;
	size_t count;
	if (m->kind != TOKENIZER_UNIGRAM || !gguf_has(g, KEY("precompiled_charsmap")))
		return true;
	if (!gguf_integers(g, KEY("precompiled_charsmap"), &bytes, &count, e))
		return false;
	bool done = buffer_reserve(&m->charsmap, count, e);
	for (size_t i = 0; done && i < count; i++)
		m->charsmap.data[m->charsmap.size++] = (uint8_t)bytes[i];
	memory_free(bytes);
	return done;
}

static bool read_chat_template(const Gguf *g, TokenizerModel *m, Error *e)
{
	Text text;
	if (!gguf_has(g, CHAT_TEMPLATE))
		return true;
	if (!gguf_string(g, CHAT_TEMPLATE, &text, e))
		return false;
	m->chat_template = memory_new(text.size + 1, 1, e);
	if (m->chat_template != NULL)
		memcpy(m->chat_template, text.data, text.size);
	return m->chat_template != NULL;
}

static bool read_lists(const Gguf *g, TokenizerModel *m, Error *e)
{
	size_t count;
	if (!gguf_strings(g, KEY("tokens"), &m->tokens, e))
		return false;
	if (gguf_has(g, KEY("token_type")) && (!gguf_integers(g, KEY("token_type"), &m->types, &count, e) ||
	                                       !check_length(KEY("token_type"), count, m->tokens.count, e)))
		return false;
	if (m->kind == TOKENIZER_BPE)
		return gguf_strings(g, KEY("merges"), &m->merges, e);
	return gguf_reals(g, KEY("scores"), &m->scores, &count, e) &&
	       check_length(KEY("scores"), count, m->tokens.count, e);
}

static bool read_ends(const Gguf *g, TokenizerModel *m, Error *e)
{
	if (!read_id(g, KEY("eos_token_id"), &m->eos, e) || !read_id(g, KEY("eot_token_id"), &m->eot, e) ||
	    !read_id(g, KEY("eom_token_id"), &m->ends[0], e))
		return false;
	m->end_count = m->ends[0] != TOKEN_NONE;
	return true;
}

static bool read_model(const Gguf *g, TokenizerModel *m, Error *e)
{
	return read_kind(g, m, e) && read_lists(g, m, e) && read_id(g, KEY("bos_token_id"), &m->bos, e) &&
	       read_ends(g, m, e) && read_id(g, KEY("unknown_token_id"), &m->unknown, e) &&
	       read_flag(g, KEY("add_bos_token"), &m->add_bos, e) &&
	       read_flag(g, KEY("add_eos_token"), &m->add_eos, e) &&
	       read_flag(g, KEY("add_space_prefix"), &m->add_space_prefix, e) &&
	       read_flag(g, KEY("remove_extra_whitespaces"), &m->squeeze_spaces, e) &&
	       read_charsmap(g, m, e) && read_chat_template(g, m, e);
}

Tokenizer *vocabulary_read(const Gguf *g, Error *e)
{
	TokenizerModel m = {0};
	Tokenizer *t = read_model(g, &m, e) ? tokenizer_new(&m, e) : NULL;
	if (t == NULL) {
		tokenizer_model_free(&m);
		fail_in(e, "%s: tokenizer", gguf_path(g));
	}
	return t;
}

/* "None" is written out, as 2^32 - 1, where silence would mean a default. */
static bool write_id(GgufWriter *w, const char *key, int32_t id, bool silent, Error *e)
{
	return (id == TOKEN_NONE && silent) || gguf_add_u32(w, key, (uint32_t)id, e);
}

/* Names and types of V tokens: a model may have more embeddings than tokens, and the others are called, and
 * never said, [PAD…]. */
static bool write_tokens(const TokenizerModel *m, size_t V, GgufWriter *w, Error *e)
{
	Strings tokens = {0};
	int32_t *types = memory_new(V, sizeof *types, e);
	bool done = types != NULL;
	for (size_t i = 0; done && i < V; i++) {
		char name[32];
		bool there = i < m->tokens.count;
		snprintf(name, sizeof name, "[PAD%zu]", i);
		Text token = there ? strings_at(&m->tokens, i) : text_of(name);
		types[i] = !there ? TOKEN_UNUSED : m->types ? m->types[i] : TOKEN_NORMAL;
		done = strings_append(&tokens, token.data, token.size, e);
	}
	done = done && gguf_add_strings(w, KEY("tokens"), &tokens, e) &&
	       gguf_add_i32s(w, KEY("token_type"), types, V, e);
	strings_free(&tokens);
	memory_free(types);
	return done;
}

static bool write_scores(const TokenizerModel *m, size_t V, GgufWriter *w, Error *e)
{
	float *scores = memory_new(V, sizeof *scores, e);
	if (scores == NULL)
		return false;
	memcpy(scores, m->scores, m->tokens.count * sizeof *scores);
	bool done = gguf_add_f32s(w, KEY("scores"), scores, V, e);
	memory_free(scores);
	return done;
}

/* What a text ends with besides EOS, each once: GGUF has two names for that. */
static bool write_ends(const TokenizerModel *m, GgufWriter *w, Error *e)
{
	int32_t ids[MORE_ENDS + 1];
	size_t count = 0;
	if (m->eot != TOKEN_NONE && m->eot != m->eos)
		ids[count++] = m->eot;
	for (size_t i = 0; i < m->end_count; i++)
		if (m->ends[i] != m->eos && m->ends[i] != m->eot)
			ids[count++] = m->ends[i];
	if (count == 0 && m->eot != TOKEN_NONE) /* which is EOS */
		ids[count++] = m->eot;
	if (count > 2)
		return fail(e, ERROR_MALFORMED,
		            "a text may end with %zu tokens besides EOS, and GGUF has names for two", count);
	return (count < 1 || write_id(w, KEY("eot_token_id"), ids[0], true, e)) &&
	       (count < 2 || write_id(w, KEY("eom_token_id"), ids[1], true, e));
}

/* What only some vocabularies have. */
static bool write_extras(const TokenizerModel *m, GgufWriter *w, Error *e)
{
	const Text charsmap = {(char *)m->charsmap.data, m->charsmap.size};
	return (m->kind != TOKENIZER_UNIGRAM ||
	        gguf_add_bool(w, KEY("remove_extra_whitespaces"), m->squeeze_spaces, e)) &&
	       (charsmap.size == 0 || gguf_add_bytes(w, KEY("precompiled_charsmap"), charsmap, e)) &&
	       (m->chat_template == NULL ||
	        gguf_add_string(w, CHAT_TEMPLATE, text_of(m->chat_template), e)) &&
	       write_ends(m, w, e);
}

/* How a tokenizer.json cuts texts, and what GGUF calls that; the makers' own expressions. */
static const struct {
	const char *name, *first, *second;
} cuts[] = {
    {"gpt-2", NULL, NULL},
    {"smollm", "\\p{N}", NULL},
    {"qwen2",
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*"
     "[\\r\\n]+|\\s+(?!\\S)|\\s+",
     ""},
    {"llama-bpe",
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
     "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     ""},
};

/* Whether a step cuts by the makers' expression; NULL: by GPT-2's. */
static bool cuts_by(const CutStep *step, const char *expression, Error *e)
{
	Buffer translated = {0};
	const char *wanted = pretokenizer_gpt_2;
	if (expression != NULL) {
		if (!expression_translate(text_of(expression), &translated, e))
			return false;
		wanted = (const char *)translated.data;
	}
	bool same = step->cut == CUT_ISOLATED && strcmp(step->expression, wanted) == 0;
	buffer_free(&translated);
	return same;
}

/* Unicode's normal forms are lost on the way: the reference engine has none. */
static bool only_composes(const NormalizeSteps *steps)
{
	for (size_t i = 0; i < steps->count; i++)
		if (steps->items[i].kind != NORMALIZE_NFC)
			return false;
	return true;
}

/* Whether an added token takes the space beside it, or is one by itself alone. */
static bool has_greedy_tokens(const TokenizerModel *m)
{
	for (size_t i = 0; m->added != NULL && i < m->tokens.count; i++)
		if (m->added[i] & (ADDED_LSTRIP | ADDED_RSTRIP | ADDED_SINGLE_WORD))
			return true;
	return false;
}

static const char *name_of_cuts(const TokenizerModel *m, Error *e)
{
	if (!only_composes(&m->normalizer) || !only_composes(&m->rewriter) || has_greedy_tokens(m))
		return NULL;
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		bool two = cuts[i].first != NULL && cuts[i].second == NULL;
		if (m->cuts.count == (two ? 2 : 1) && cuts_by(&m->cuts.items[0], cuts[i].first, e) &&
		    (!two || cuts_by(&m->cuts.items[1], NULL, e)))
			return pretokenizer_kind(cuts[i].name)->whole_words == m->whole_words ? cuts[i].name
			                                                                      : NULL;
	}
	return NULL;
}

/* The pre-tokenizer's name, or NULL where GGUF has none. */
static const char *pre_name(const TokenizerModel *m, Error *e)
{
	if (m->own_steps && m->kind == TOKENIZER_BPE)
		return name_of_cuts(m, e);
	if (m->own_steps || m->kind == TOKENIZER_CHARACTER_BPE)
		return NULL;
	return m->pre[0] ? m->pre : "default";
}

bool vocabulary_write(const TokenizerModel *m, size_t V, GgufWriter *w, Error *e)
{
	bool bpe = m->kind == TOKENIZER_BPE;
	const char *pre = pre_name(m, e);
	if (pre == NULL)
		return fail(e, ERROR_MALFORMED,
		            "GGUF has no name for what this tokenizer does to a text; is there a GGUF file "
		            "of its maker's?");
	return gguf_add_string(w, KEY("model"), word_at(kinds, m->kind), e) &&
	       gguf_add_string(w, KEY("pre"), text_of(pre), e) && write_tokens(m, V, w, e) &&
	       (bpe ? gguf_add_strings(w, KEY("merges"), &m->merges, e) : write_scores(m, V, w, e)) &&
	       write_id(w, KEY("bos_token_id"), m->bos, bpe, e) &&
	       write_id(w, KEY("eos_token_id"), m->eos, bpe, e) &&
	       write_id(w, KEY("unknown_token_id"), m->unknown, bpe, e) &&
	       gguf_add_bool(w, KEY("add_bos_token"), m->add_bos, e) &&
	       gguf_add_bool(w, KEY("add_eos_token"), m->add_eos, e) &&
	       gguf_add_bool(w, KEY("add_space_prefix"), m->add_space_prefix, e) && write_extras(m, w, e);
}
