#include "text/tokenizer.h"

#include "text/merge.h"
#include "text/pretokenizer.h"
#include "text/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SentencePiece writes a space as U+2581 */
static const char visible_space[] = "\xe2\x96\x81";
enum { VISIBLE_SPACE = sizeof visible_space - 1 };

/* The pair that becomes `merged`; rank 0: a free slot, else 1 is the best. */
typedef struct {
	int32_t left, right, merged;
	uint32_t rank;
} Rule;

struct Tokenizer {
	TokenizerModel model;
	Vocabulary pieces;  /* the tokens, then what merges speak of and is none */
	int32_t bytes[256]; /* the piece or the token of a byte, or TOKEN_NONE */
	int32_t *named; /* what may be spelled in a text, the longest first: user defined, control, unknown */
	size_t named_count;
	/* BPE */
	Pretokenizer *pretokenizer;
	const PretokenizerKind *kind;
	Rule *rules; /* a hash table */
	size_t rule_slots;
};

void tokenizer_model_free(TokenizerModel *m)
{
	strings_free(&m->tokens);
	strings_free(&m->merges);
	memory_free(m->scores);
	memory_free(m->types);
	*m = (TokenizerModel){0};
}

void tokenizer_free(Tokenizer *t)
{
	if (t == NULL)
		return;
	tokenizer_model_free(&t->model);
	vocabulary_free(&t->pieces);
	pretokenizer_free(t->pretokenizer);
	memory_free(t->named);
	memory_free(t->rules);
	memory_free(t);
}

void tokens_free(Tokens *tokens)
{
	memory_free(tokens->ids);
	*tokens = (Tokens){0};
}

const TokenizerModel *tokenizer_model(const Tokenizer *t)
{
	return &t->model;
}

size_t tokenizer_size(const Tokenizer *t)
{
	return t->model.tokens.count;
}

static int32_t type_of(const Tokenizer *t, int32_t id)
{
	return t->model.types ? t->model.types[id] : TOKEN_NORMAL;
}

/* Whether text may become this token without being asked for by name. */
static bool is_textual(const Tokenizer *t, int64_t id)
{
	if (id < 0 || (size_t)id >= tokenizer_size(t))
		return false;
	int32_t type = type_of(t, (int32_t)id);
	return type != TOKEN_CONTROL && type != TOKEN_UNKNOWN && type != TOKEN_BYTE;
}

/* --- made once ----------------------------------------------------------- */

static Rule *rule_slot(const Tokenizer *t, int32_t left, int32_t right)
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
	Rule *slot = rule_slot(t, (int32_t)l, (int32_t)r);
	if (slot->rank == 0) /* the first of two equal ones is the better */
		*slot = (Rule){(int32_t)l, (int32_t)r, (int32_t)merged, (uint32_t)index + 1};
	return true;
}

static bool prepare_bpe(Tokenizer *t, Error *e)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		char letter[4];
		Text text = {letter, utf8_encode(alphabet_of_byte((uint8_t)byte), letter)};
		int64_t id = vocabulary_add(&t->pieces, text, e);
		if (id < 0)
			return false;
		t->bytes[byte] = (int32_t)id;
	}
	t->kind = pretokenizer_kind(t->model.pre);
	t->pretokenizer = pretokenizer_new(t->model.pre, e);
	size_t count = t->model.merges.count;
	if (t->pretokenizer == NULL)
		return false;
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

static bool prepare_sentencepiece(Tokenizer *t, Error *e)
{
	if (t->model.scores == NULL)
		return fail(e, ERROR_MALFORMED, "a SentencePiece vocabulary without scores");
	for (size_t i = 0; i < tokenizer_size(t); i++)
		if (isnan(t->model.scores[i]))
			return fail(e, ERROR_MALFORMED, "the score of token %zu is no number", i);
	for (unsigned byte = 0; byte < 256; byte++) {
		char name[8];
		snprintf(name, sizeof name, "<0x%02X>", byte);
		int64_t id = vocabulary_find(&t->pieces, text_of(name));
		bool is_byte = id >= 0 && type_of(t, (int32_t)id) == TOKEN_BYTE;
		t->bytes[byte] = is_byte ? (int32_t)id : TOKEN_NONE;
	}
	return true;
}

typedef struct {
	size_t length;
	int32_t id;
} Length;

static int longer_first(const void *a, const void *b)
{
	const Length *x = a, *y = b;
	if (x->length != y->length)
		return x->length > y->length ? -1 : 1;
	return x->id < y->id ? -1 : 1;
}

static bool list_named(Tokenizer *t, Error *e)
{
	Length *lengths = memory_new(tokenizer_size(t), sizeof *lengths, e);
	size_t count = 0;
	for (size_t i = 0; lengths != NULL && i < tokenizer_size(t); i++) {
		Text token = strings_at(&t->model.tokens, i);
		int32_t type = type_of(t, (int32_t)i);
		bool named = type == TOKEN_USER_DEFINED || type == TOKEN_CONTROL || type == TOKEN_UNKNOWN;
		if (named && token.size > 0)
			lengths[count++] = (Length){token.size, (int32_t)i};
	}
	t->named = lengths ? memory_new(count, sizeof *t->named, e) : NULL;
	if (t->named != NULL) {
		qsort(lengths, count, sizeof *lengths, longer_first);
		for (size_t i = 0; i < count; i++)
			t->named[i] = lengths[i].id;
		t->named_count = count;
	}
	memory_free(lengths);
	return t->named != NULL;
}

static bool check_id(const Tokenizer *t, const char *what, int32_t id, Error *e)
{
	if (id == TOKEN_NONE || (id >= 0 && (size_t)id < tokenizer_size(t)))
		return true;
	return fail(e, ERROR_MALFORMED, "the %s token %d is not among the %zu tokens", what, id,
	            tokenizer_size(t));
}

static bool prepare(Tokenizer *t, Error *e)
{
	const TokenizerModel *m = &t->model;
	Strings copy = {0};
	if (m->tokens.count == 0)
		return fail(e, ERROR_MALFORMED, "a vocabulary without tokens");
	if (!check_id(t, "BOS", m->bos, e) || !check_id(t, "EOS", m->eos, e) ||
	    !check_id(t, "unknown", m->unknown, e))
		return false;
	for (size_t i = 0; i < m->tokens.count; i++) {
		Text token = strings_at(&m->tokens, i);
		if (!strings_append(&copy, token.data, token.size, e)) {
			strings_free(&copy);
			return false;
		}
	}
	if (!vocabulary_from(&t->pieces, &copy, e) || !list_named(t, e))
		return false;
	return m->kind == TOKENIZER_BPE ? prepare_bpe(t, e) : prepare_sentencepiece(t, e);
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

/* --- encoding ------------------------------------------------------------ */

/* What lies between two tokens that are spelled in the text, or one of these. */
typedef struct {
	Text text;
	int32_t id; /* TOKEN_NONE: text */
} Fragment;

typedef struct {
	Fragment *items;
	size_t count, capacity;
} Fragments;

/* The memory of one tokenizer_encode(). */
typedef struct {
	const Tokenizer *t;
	unsigned flags;
	Tokens *out;
	Fragments fragments, next;
	Words words;
	Merging merging;
	Buffer text; /* with visible spaces, or in the alphabet */
} Encoding;

static bool emit(Tokens *out, int32_t id, Error *e)
{
	if (!memory_grow(&out->ids, &out->capacity, out->count + 1, sizeof *out->ids, e))
		return false;
	out->ids[out->count++] = id;
	return true;
}

static bool emit_unknown(Encoding *c, Error *e)
{
	int32_t unknown = c->t->model.unknown;
	return unknown == TOKEN_NONE || emit(c->out, unknown, e);
}

static bool find_rule(const void *context, const Symbol *left, const Symbol *right, double *cost, int32_t *id)
{
	const Rule *rule = rule_slot(context, left->id, right->id);
	*cost = rule->rank;
	*id = rule->merged;
	return rule->rank != 0;
}

/* Pieces that are no tokens become their bytes; the bytes of a vocabulary that
 * has not all of them become unknown. */
static bool emit_piece(Encoding *c, Text word, const Symbol *s, Error *e)
{
	size_t tokens = tokenizer_size(c->t);
	if ((size_t)s->id < tokens)
		return emit(c->out, s->id, e);
	for (size_t i = 0; i < s->size; i++) {
		int32_t id = c->t->bytes[(uint8_t)word.data[s->start + i]];
		if (!((size_t)id < tokens ? emit(c->out, id, e) : emit_unknown(c, e)))
			return false;
	}
	return true;
}

/* The token that the whole word is, or TOKEN_NONE. */
static bool whole_word(Encoding *c, Text word, int64_t *id, Error *e)
{
	c->text.size = 0;
	if (!buffer_reserve(&c->text, 4 * word.size, e))
		return false;
	for (size_t i = 0; i < word.size; i++)
		c->text.size +=
		    utf8_encode(alphabet_of_byte((uint8_t)word.data[i]), (char *)c->text.data + c->text.size);
	*id = vocabulary_find(&c->t->pieces, (Text){(char *)c->text.data, c->text.size});
	if (!is_textual(c->t, *id))
		*id = TOKEN_NONE;
	return true;
}

static bool encode_word(Encoding *c, Text word, Error *e)
{
	Merging *m = &c->merging;
	int64_t id = TOKEN_NONE;
	if (c->t->kind->whole_words && !whole_word(c, word, &id, e))
		return false;
	if (id != TOKEN_NONE)
		return emit(c->out, (int32_t)id, e);
	m->count = 0;
	for (size_t i = 0; i < word.size; i++)
		if (!merge_symbol(m, c->t->bytes[(uint8_t)word.data[i]], (uint32_t)i, 1, e))
			return false;
	if (!merge_all(m, find_rule, c->t, e))
		return false;
	for (uint32_t i = 0; i != SYMBOL_END; i = m->symbols[i].next)
		if (!emit_piece(c, word, &m->symbols[i], e))
			return false;
	return true;
}

static bool encode_bpe(Encoding *c, Text text, Error *e)
{
	if (!pretokenizer_split(c->t->pretokenizer, text, &c->words, e))
		return false;
	size_t start = 0;
	for (size_t i = 0; i < c->words.count; i++) {
		size_t end = c->words.ends[i];
		if (!encode_word(c, (Text){text.data + start, end - start}, e))
			return false;
		start = end;
	}
	return true;
}

static int32_t find_piece(const Encoding *c, size_t start, size_t size)
{
	Text piece = {(const char *)c->text.data + start, size};
	int64_t id = vocabulary_find(&c->t->pieces, piece);
	return is_textual(c->t, id) ? (int32_t)id : TOKEN_NONE;
}

static bool find_pair(const void *context, const Symbol *left, const Symbol *right, double *cost, int32_t *id)
{
	const Encoding *c = context;
	*id = find_piece(c, left->start, left->size + right->size);
	if (*id != TOKEN_NONE)
		*cost = -(double)c->t->model.scores[*id];
	return *id != TOKEN_NONE;
}

/* A character that is no token becomes its bytes; without byte tokens a run of
 * such characters becomes one unknown, as SentencePiece has it. */
static bool emit_character(Encoding *c, const Symbol *s, bool after_unknown, bool *is_unknown, Error *e)
{
	*is_unknown = false;
	if (s->id != TOKEN_NONE)
		return emit(c->out, s->id, e);
	const uint8_t *bytes = c->text.data + s->start;
	for (size_t i = 0; i < s->size; i++)
		*is_unknown = *is_unknown || c->t->bytes[bytes[i]] == TOKEN_NONE;
	if (*is_unknown)
		return after_unknown || emit_unknown(c, e);
	for (size_t i = 0; i < s->size; i++)
		if (!emit(c->out, c->t->bytes[bytes[i]], e))
			return false;
	return true;
}

static bool show_spaces(Encoding *c, Text text, Error *e)
{
	c->text.size = 0;
	if (c->t->model.add_space_prefix && !buffer_append(&c->text, visible_space, VISIBLE_SPACE, e))
		return false;
	for (size_t i = 0; i < text.size; i++)
		if (!(text.data[i] == ' ' ? buffer_append(&c->text, visible_space, VISIBLE_SPACE, e)
		                          : buffer_append(&c->text, text.data + i, 1, e)))
			return false;
	return true;
}

static bool encode_sentencepiece(Encoding *c, Text text, Error *e)
{
	Merging *m = &c->merging;
	m->count = 0;
	if (!show_spaces(c, text, e))
		return false;
	for (size_t i = 0, length; i < c->text.size; i += length) {
		uint32_t code;
		length = utf8_decode((char *)c->text.data + i, c->text.size - i, &code);
		length = length ? length : 1; /* a byte that is no UTF-8 stands for itself */
		if (!merge_symbol(m, find_piece(c, i, length), (uint32_t)i, (uint32_t)length, e))
			return false;
	}
	if (!merge_all(m, find_pair, c, e))
		return false;
	bool unknown = false;
	for (uint32_t i = 0; i != SYMBOL_END; i = m->symbols[i].next)
		if (!emit_character(c, &m->symbols[i], unknown, &unknown, e))
			return false;
	return true;
}

static bool add_fragment(Fragments *f, Text text, int32_t id, Error *e)
{
	if (text.size == 0)
		return true;
	if (!memory_grow(&f->items, &f->capacity, f->count + 1, sizeof *f->items, e))
		return false;
	f->items[f->count++] = (Fragment){text, id};
	return true;
}

/* Cuts the fragments of text at each occurrence of the token. */
static bool cut_fragments(Encoding *c, int32_t id, Error *e)
{
	Text token = strings_at(&c->t->model.tokens, (size_t)id);
	c->next.count = 0;
	for (size_t i = 0; i < c->fragments.count; i++) {
		Fragment f = c->fragments.items[i];
		const char *found;
		while (f.id == TOKEN_NONE &&
		       (found = memmem(f.text.data, f.text.size, token.data, token.size)) != NULL) {
			size_t before = (size_t)(found - f.text.data);
			if (!add_fragment(&c->next, (Text){f.text.data, before}, TOKEN_NONE, e) ||
			    !add_fragment(&c->next, token, id, e))
				return false;
			f.text.data = found + token.size;
			f.text.size -= before + token.size;
		}
		if (!add_fragment(&c->next, f.text, f.id, e))
			return false;
	}
	Fragments last = c->fragments;
	c->fragments = c->next;
	c->next = last;
	return true;
}

/* Tokens that are spelled out are found before anything else, the longest first. */
static bool find_named(Encoding *c, Text text, Error *e)
{
	if (text.size == 0)
		return true;
	if (!add_fragment(&c->fragments, text, TOKEN_NONE, e))
		return false;
	for (size_t i = 0; i < c->t->named_count; i++) {
		int32_t id = c->t->named[i];
		if (type_of(c->t, id) != TOKEN_USER_DEFINED && !(c->flags & TOKENIZE_SPECIAL))
			continue;
		Text token = strings_at(&c->t->model.tokens, (size_t)id);
		if (memmem(text.data, text.size, token.data, token.size) != NULL && !cut_fragments(c, id, e))
			return false;
	}
	return true;
}

static bool encode(Encoding *c, Text text, Error *e)
{
	if (!find_named(c, text, e))
		return false;
	for (size_t i = 0; i < c->fragments.count; i++) {
		const Fragment *f = &c->fragments.items[i];
		bool bpe = c->t->model.kind == TOKENIZER_BPE;
		if (!(f->id != TOKEN_NONE ? emit(c->out, f->id, e)
		      : bpe               ? encode_bpe(c, f->text, e)
		                          : encode_sentencepiece(c, f->text, e)))
			return false;
	}
	return true;
}

bool tokenizer_encode(const Tokenizer *t, Text text, unsigned flags, Tokens *out, Error *e)
{
	const TokenizerModel *m = &t->model;
	if (text.size > INT32_MAX / 4) /* so that 32 bits count it with its spaces made visible */
		return fail(e, ERROR_FAILURE, "a text of %zu bytes is too long to be encoded at once",
		            text.size);
	Encoding c = {.t = t, .flags = flags, .out = out};
	bool done = !(flags & TOKENIZE_BOS) || !m->add_bos || m->bos == TOKEN_NONE || emit(out, m->bos, e);
	done = done && encode(&c, text, e);
	memory_free(c.fragments.items);
	memory_free(c.next.items);
	words_free(&c.words);
	merge_free(&c.merging);
	buffer_free(&c.text);
	return done;
}

/* --- decoding ------------------------------------------------------------ */

static bool decode_alphabet(Text token, Buffer *out, Error *e)
{
	for (size_t i = 0, length; i < token.size; i += length) {
		uint32_t code = 0;
		length = utf8_decode(token.data + i, token.size - i, &code);
		int byte = length ? alphabet_to_byte(code) : -1;
		char letter = (char)byte;
		length = length ? length : 1;
		if (!(byte >= 0 ? buffer_append(out, &letter, 1, e)
		                : buffer_append(out, token.data + i, length, e)))
			return false;
	}
	return true;
}

/* first: the space that encoding has put in front is taken away. */
static bool decode_spaces(Text token, bool first, Buffer *out, Error *e)
{
	while (token.size > 0) {
		bool space =
		    token.size >= VISIBLE_SPACE && memcmp(token.data, visible_space, VISIBLE_SPACE) == 0;
		size_t length = space ? (size_t)VISIBLE_SPACE : 1;
		if (!(space && first) && !buffer_append(out, space ? " " : token.data, 1, e))
			return false;
		first = false;
		token.data += length;
		token.size -= length;
	}
	return true;
}

static bool decode_byte(Text token, Buffer *out, Error *e)
{
	char digits[3] = "", *end = digits;
	if (token.size == 6 && memcmp(token.data, "<0x", 3) == 0)
		memcpy(digits, token.data + 3, 2);
	uint8_t byte = (uint8_t)strtoul(digits, &end, 16);
	if (end != digits + 2)
		return fail(e, ERROR_MALFORMED, "'%.*s' is no byte token", (int)(token.size & 0xff),
		            token.data);
	return buffer_append(out, &byte, 1, e);
}

bool tokenizer_decode(const Tokenizer *t, const int32_t *ids, size_t count, Buffer *out, Error *e)
{
	bool bpe = t->model.kind == TOKENIZER_BPE, prefix = !bpe && t->model.add_space_prefix, first = prefix;
	for (size_t i = 0; i < count; i++) {
		if (ids[i] < 0 || (size_t)ids[i] >= tokenizer_size(t))
			return fail(e, ERROR_MALFORMED, "token %d is not among the %zu tokens", ids[i],
			            tokenizer_size(t));
		Text token = strings_at(&t->model.tokens, (size_t)ids[i]);
		int32_t type = type_of(t, ids[i]);
		bool done = true;
		if (type == TOKEN_UNKNOWN)
			done = buffer_append(out, "\xef\xbf\xbd", 3, e);
		else if (type == TOKEN_USER_DEFINED)
			done = buffer_append(out, token.data, token.size, e);
		else if (type == TOKEN_BYTE && !bpe)
			done = decode_byte(token, out, e);
		else if (type != TOKEN_CONTROL)
			done = bpe ? decode_alphabet(token, out, e) : decode_spaces(token, first, out, e);
		if (!done)
			return false;
		first = prefix && (type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED);
	}
	return true;
}
