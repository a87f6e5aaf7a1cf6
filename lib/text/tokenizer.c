#include "text/chat.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tokenizer_model_free(TokenizerModel *m)
{
	strings_free(&m->tokens);
	strings_free(&m->merges);
	memory_free(m->scores);
	memory_free(m->types);
	memory_free(m->added);
	memory_free(m->chat_template);
	buffer_free(&m->charsmap);
	normalize_steps_free(&m->normalizer);
	normalize_steps_free(&m->rewriter);
	cut_steps_free(&m->cuts);
	*m = (TokenizerModel){0};
}

void tokenizer_free(Tokenizer *t)
{
	if (t == NULL)
		return;
	vocabulary_free(&t->pieces);
	pretokenizer_free(t->pretokenizer);
	normalizer_free(t->normalizer);
	normalizer_free(t->rewriter);
	tokenizer_model_free(&t->model);
	strings_free(&t->spellings);
	memory_free(t->named);
	memory_free(t->rules);
	unigram_free(t->unigram);
	memory_free(t);
}

const TokenizerModel *tokenizer_model(const Tokenizer *t)
{
	return &t->model;
}

static bool prepends(const NormalizeSteps *steps)
{
	for (size_t i = 0; i < steps->count; i++)
		if (steps->items[i].kind == NORMALIZE_PREPEND)
			return true;
	return false;
}

bool tokenizer_prepends(const Tokenizer *t)
{
	return prepends(&t->model.normalizer) || prepends(&t->model.rewriter);
}

size_t tokenizer_size(const Tokenizer *t)
{
	return t->model.tokens.count;
}

int32_t token_type(const Tokenizer *t, int32_t id)
{
	return t->model.types ? t->model.types[id] : TOKEN_NORMAL;
}

bool token_is_textual(const Tokenizer *t, int64_t id)
{
	if (id < 0 || (size_t)id >= tokenizer_size(t))
		return false;
	int32_t type = token_type(t, (int32_t)id);
	return type != TOKEN_CONTROL && type != TOKEN_UNKNOWN && type != TOKEN_BYTE;
}

bool tokenizer_ends(const Tokenizer *t, int32_t id)
{
	for (size_t i = 0; i < t->model.end_count; i++)
		if (id == t->model.ends[i])
			return true;
	return id != TOKEN_NONE && (id == t->model.eos || id == t->model.eot);
}

/* --- made once ----------------------------------------------------------- */

Rule *token_rule(const Tokenizer *t, int32_t left, int32_t right)
{
	uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
	size_t mask = t->rule_slots - 1, slot = (size_t)(hash >> 32) & mask;
	while (t->rules[slot].rank != 0 && (t->rules[slot].left != left || t->rules[slot].right != right))
		slot = (slot + 1) & mask;
	return &t->rules[slot];
}

static bool add_rule(Tokenizer *t, size_t index, Buffer *scratch, Error *e)
{
	Text rule = strings_at(&t->model.merges, index);
	const char *space = rule.size > 2 ? memchr(rule.data + 1, ' ', rule.size - 2) : NULL;
	if (space == NULL)
		return fail(e, ERROR_MALFORMED, "merge %zu is no pair 'left right'", index);
	size_t size = (size_t)(space - rule.data);
	Text left = {rule.data, size}, right = {space + 1, rule.size - size - 1};
	scratch->size = 0;
	if (!buffer_append(scratch, left.data, left.size, e) ||
	    !buffer_append(scratch, right.data, right.size, e))
		return false;
	int64_t l = vocabulary_add(&t->pieces, left, e), r = vocabulary_add(&t->pieces, right, e);
	int64_t merged = vocabulary_add(&t->pieces, (Text){(char *)scratch->data, scratch->size}, e);
	if (l < 0 || r < 0 || merged < 0)
		return false;
	Rule *slot = token_rule(t, (int32_t)l, (int32_t)r);
	if (slot->rank == 0) /* the first of two equal ones is the better */
		*slot = (Rule){(int32_t)l, (int32_t)r, (int32_t)merged, (uint32_t)index + 1};
	return true;
}

static bool prepare_rules(Tokenizer *t, Error *e)
{
	size_t count = t->model.merges.count;
	for (t->rule_slots = 64; t->rule_slots < 2 * count;)
		t->rule_slots *= 2;
	t->rules = memory_new(t->rule_slots, sizeof *t->rules, e);
	Buffer scratch = {0};
	bool done = t->rules != NULL;
	for (size_t i = 0; done && i < count; i++)
		done = add_rule(t, i, &scratch, e);
	buffer_free(&scratch);
	return done;
}

static bool find_letters(Tokenizer *t, Error *e)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		char letter[4];
		Text text = {letter, utf8_encode(alphabet_of_byte((uint8_t)byte), letter)};
		int64_t id = vocabulary_add(&t->pieces, text, e);
		if (id < 0)
			return false;
		t->bytes[byte] = (int32_t)id;
	}
	return true;
}

static void find_byte_tokens(Tokenizer *t)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		char name[8];
		snprintf(name, sizeof name, "<0x%02X>", byte);
		int64_t id = vocabulary_find(&t->pieces, text_of(name));
		bool is_byte = id >= 0 && token_type(t, (int32_t)id) == TOKEN_BYTE;
		t->bytes[byte] = is_byte ? (int32_t)id : TOKEN_NONE;
	}
}

static bool check_scores(const TokenizerModel *m, Error *e)
{
	if (m->scores == NULL)
		return fail(e, ERROR_MALFORMED, "a %s vocabulary without scores",
		            m->kind == TOKENIZER_UNIGRAM ? "unigram" : "SentencePiece");
	for (size_t i = 0; i < m->tokens.count; i++)
		if (isnan(m->scores[i]))
			return fail(e, ERROR_MALFORMED, "the score of token %zu is no number", i);
	return true;
}

static bool prepare_unigram(Tokenizer *t, Error *e)
{
	const TokenizerModel *m = &t->model;
	if ((t->unigram = unigram_new(e)) == NULL)
		return false;
	for (size_t i = 0; i < m->tokens.count; i++)
		if (token_type(t, (int32_t)i) == TOKEN_NORMAL &&
		    !unigram_add(t->unigram, strings_at(&m->tokens, i), (int32_t)i, m->scores[i], e))
			return false;
	return true;
}

static bool prepare_kind(Tokenizer *t, Error *e)
{
	bool bytes = t->model.kind == TOKENIZER_BPE;
	if (bytes && !find_letters(t, e))
		return false;
	if (!bytes)
		find_byte_tokens(t);
	t->fuse_unknown = t->model.fuse_unknown;
	if (bytes || t->model.kind == TOKENIZER_CHARACTER_BPE)
		return prepare_rules(t, e);
	t->fuse_unknown = true;
	return check_scores(&t->model, e) &&
	       (t->model.kind == TOKENIZER_SENTENCEPIECE || prepare_unigram(t, e));
}

/* SentencePiece looks for user defined tokens in what its normalizer left. */
static bool mark_user_defined(TokenizerModel *m, Error *e)
{
	if (m->added == NULL && (m->added = memory_new(m->tokens.count, sizeof *m->added, e)) == NULL)
		return false;
	for (size_t i = 0; m->types != NULL && i < m->tokens.count; i++)
		if (m->types[i] == TOKEN_USER_DEFINED)
			m->added[i] |= ADDED_NORMALIZED;
	return true;
}

/* What SentencePiece does to a text, where the model does not say it step by step. */
static bool list_steps(TokenizerModel *m, Error *e)
{
	const Text none = {"", 0}, space = {" ", 1}, charsmap = {(char *)m->charsmap.data, m->charsmap.size};
	bool unigram = m->kind == TOKENIZER_UNIGRAM;
	NormalizeSteps *steps = unigram ? &m->normalizer : &m->rewriter;
	if (m->own_steps || m->kind == TOKENIZER_BPE)
		return true;
	return (!unigram || mark_user_defined(m, e)) &&
	       (!unigram || m->charsmap.size == 0 ||
	        normalize_steps_add(steps, NORMALIZE_CHARSMAP, charsmap, none, e)) &&
	       (!unigram || !m->squeeze_spaces ||
	        normalize_steps_add(steps, NORMALIZE_SQUEEZE, none, none, e)) &&
	       (!m->add_space_prefix || normalize_steps_add(steps, NORMALIZE_PREPEND, none, space, e)) &&
	       normalize_steps_add(&m->rewriter, NORMALIZE_REPLACE, space, text_of(VISIBLE_SPACE), e);
}

static bool prepare_steps(Tokenizer *t, Error *e)
{
	TokenizerModel *m = &t->model;
	bool by_name = m->kind == TOKENIZER_BPE && !m->own_steps;
	const PretokenizerKind *kind = by_name ? pretokenizer_kind(m->pre) : NULL;
	t->whole_words = m->whole_words || (kind != NULL && kind->whole_words);
	t->pretokenizer = by_name ? pretokenizer_new(m->pre, e) : pretokenizer_of(&m->cuts, e);
	return t->pretokenizer != NULL && list_steps(m, e) &&
	       (t->normalizer = normalizer_new(&m->normalizer, e)) != NULL &&
	       (t->rewriter = normalizer_new(&m->rewriter, e)) != NULL;
}

typedef struct {
	Text spelling;
	int32_t id;
} Named;

static int longer_first(const void *a, const void *b)
{
	const Named *x = a, *y = b;
	if (x->spelling.size != y->spelling.size)
		return x->spelling.size > y->spelling.size ? -1 : 1;
	return x->id < y->id ? -1 : 1;
}

/* Appends how a token is spelled in the texts that it is looked for in. */
static bool add_spelling(const Tokenizer *t, int32_t id, Strings *spellings, Error *e)
{
	Buffer normalized = {0};
	Text token = strings_at(&t->model.tokens, (size_t)id);
	if (!t->model.own_steps || t->model.added == NULL || !(t->model.added[id] & ADDED_NORMALIZED))
		return strings_append(spellings, token.data, token.size, e);
	bool done = normalizer_run(t->normalizer, token, true, &normalized, e) &&
	            strings_append(spellings, normalized.data, normalized.size, e);
	buffer_free(&normalized);
	return done;
}

/* Sorts what list_named() found by length. */
static bool sort_named(Tokenizer *t, const Strings *spellings, Error *e)
{
	Named *list = memory_new(spellings->count, sizeof *list, e);
	bool done = list != NULL;
	for (size_t i = 0; done && i < spellings->count; i++)
		list[i] = (Named){strings_at(spellings, i), t->named[i]};
	if (done)
		qsort(list, spellings->count, sizeof *list, longer_first);
	for (size_t i = 0; done && i < spellings->count && list[i].spelling.size > 0; i++) {
		t->named[i] = list[i].id;
		done = strings_append(&t->spellings, list[i].spelling.data, list[i].spelling.size, e);
	}
	memory_free(list);
	return done;
}

static bool list_named(Tokenizer *t, Error *e)
{
	Strings spellings = {0};
	t->named = memory_new(tokenizer_size(t), sizeof *t->named, e);
	bool done = t->named != NULL;
	for (size_t i = 0; done && i < tokenizer_size(t); i++) {
		int32_t type = token_type(t, (int32_t)i);
		if (type != TOKEN_USER_DEFINED && type != TOKEN_CONTROL && type != TOKEN_UNKNOWN)
			continue;
		t->named[spellings.count] = (int32_t)i;
		done = add_spelling(t, (int32_t)i, &spellings, e);
	}
	done = done && sort_named(t, &spellings, e);
	strings_free(&spellings);
	return done;
}

static bool check_id(const Tokenizer *t, const char *what, int32_t id, Error *e)
{
	if (id == TOKEN_NONE || (id >= 0 && (size_t)id < tokenizer_size(t)))
		return true;
	return fail(e, ERROR_MALFORMED, "the %s token %d is not among the %zu tokens", what, id,
	            tokenizer_size(t));
}

/* The end of a turn, where the file tells how turns look but not how they end. */
static void find_eot(Tokenizer *t)
{
	Error none = {0};
	const char *template = t->model.chat_template;
	const ChatFormat *f = template ? chat_format_of(template, &none) : NULL;
	if (f != NULL && t->model.eot == TOKEN_NONE)
		t->model.eot = (int32_t)vocabulary_find(&t->pieces, text_of(chat_end(f)));
}

static bool prepare(Tokenizer *t, Error *e)
{
	const TokenizerModel *m = &t->model;
	Strings copy = {0};
	if (m->tokens.count == 0)
		return fail(e, ERROR_MALFORMED, "a vocabulary without tokens");
	if (!check_id(t, "BOS", m->bos, e) || !check_id(t, "EOS", m->eos, e) ||
	    !check_id(t, "EOT", m->eot, e) || !check_id(t, "unknown", m->unknown, e))
		return false;
	for (size_t i = 0; i < m->end_count; i++)
		if (!check_id(t, "end", m->ends[i], e))
			return false;
	for (size_t i = 0; i < m->tokens.count; i++) {
		Text token = strings_at(&m->tokens, i);
		if (!strings_append(&copy, token.data, token.size, e)) {
			strings_free(&copy);
			return false;
		}
	}
	if (!vocabulary_from(&t->pieces, &copy, e)) {
		strings_free(&copy);
		return false;
	}
	find_eot(t);
	return prepare_steps(t, e) && list_named(t, e) && prepare_kind(t, e);
}

Tokenizer *tokenizer_new(TokenizerModel *m, Error *e)
{
	Tokenizer *t = memory_new(1, sizeof *t, e);
	if (t == NULL) {
		tokenizer_model_free(m);
		return NULL;
	}
	t->model = *m;
	*m = (TokenizerModel){0};
	t->model.pre[sizeof t->model.pre - 1] = '\0';
	if (!prepare(t, e)) {
		tokenizer_free(t);
		return NULL;
	}
	return t;
}
