#include "text/tokenizer_parts.h"
#include "text/utf8.h"

#include <string.h>

/* The memory of one tokenizer_encode(). */
typedef struct {
	const Tokenizer *t;
	unsigned flags;
	Tokens *out;
	Fragments raw, normal; /* cut before and after the normalizer */
	Buffer normalized, rewritten;
	Words words;
	Text word; /* that is being encoded */
	bool after_unknown;
	Merging merging;
	UnigramPath path;
	Buffer letters; /* a word in the alphabet */
} Encoding;

static bool emit(Encoding *c, int32_t id, Error *e)
{
	c->after_unknown = false;
	return tokens_append(c->out, &id, 1, e);
}

static bool emit_unknown(Encoding *c, Error *e)
{
	int32_t unknown = c->t->model.unknown;
	if (unknown == TOKEN_NONE || (c->after_unknown && c->t->fuse_unknown))
		return true;
	bool done = emit(c, unknown, e);
	c->after_unknown = true;
	return done;
}

/* --- byte-level BPE ------------------------------------------------------------ */

static bool find_rule(const void *context, const Symbol *left, const Symbol *right, double *cost, int32_t *id)
{
	const Encoding *c = context;
	const Rule *rule = token_rule(c->t, left->id, right->id);
	*cost = rule->rank;
	*id = rule->merged;
	return rule->rank != 0;
}

/* Pieces that are no tokens become their bytes; the bytes of a vocabulary that
 * has not all of them become unknown. */
static bool emit_piece(Encoding *c, const Symbol *s, Error *e)
{
	size_t tokens = tokenizer_size(c->t);
	if ((size_t)s->id < tokens)
		return emit(c, s->id, e);
	for (size_t i = 0; i < s->size; i++) {
		int32_t id = c->t->bytes[(uint8_t)c->word.data[s->start + i]];
		if (!((size_t)id < tokens ? emit(c, id, e) : emit_unknown(c, e)))
			return false;
	}
	return true;
}

/* The token that the whole word is, or TOKEN_NONE. */
static bool whole_word(Encoding *c, int64_t *id, Error *e)
{
	Buffer *letters = &c->letters;
	letters->size = 0;
	if (!buffer_reserve(letters, 4 * c->word.size, e))
		return false;
	for (size_t i = 0; i < c->word.size; i++)
		letters->size += utf8_encode(alphabet_of_byte((uint8_t)c->word.data[i]),
		                             (char *)letters->data + letters->size);
	*id = vocabulary_find(&c->t->pieces, (Text){(char *)letters->data, letters->size});
	if (!token_is_textual(c->t, *id))
		*id = TOKEN_NONE;
	return true;
}

static bool encode_bytes(Encoding *c, Error *e)
{
	Merging *m = &c->merging;
	int64_t id = TOKEN_NONE;
	if (c->t->whole_words && !whole_word(c, &id, e))
		return false;
	if (id != TOKEN_NONE)
		return emit(c, (int32_t)id, e);
	for (size_t i = 0; i < c->word.size; i++)
		if (!merge_symbol(m, c->t->bytes[(uint8_t)c->word.data[i]], (uint32_t)i, 1, e))
			return false;
	if (!merge_all(m, find_rule, c, e))
		return false;
	for (uint32_t i = 0; i != SYMBOL_END; i = m->symbols[i].next)
		if (!emit_piece(c, &m->symbols[i], e))
			return false;
	return true;
}

/* --- characters -------------------------------------------------------------------- */

static int32_t find_piece(const Encoding *c, size_t start, size_t size)
{
	int64_t id = vocabulary_find(&c->t->pieces, (Text){c->word.data + start, size});
	return token_is_textual(c->t, id) ? (int32_t)id : TOKEN_NONE;
}

static bool find_pair(const void *context, const Symbol *left, const Symbol *right, double *cost, int32_t *id)
{
	const Encoding *c = context;
	*id = find_piece(c, left->start, left->size + right->size);
	if (*id != TOKEN_NONE)
		*cost = -(double)c->t->model.scores[*id];
	return *id != TOKEN_NONE;
}

static bool has_bytes(const Encoding *c, size_t start, size_t size)
{
	for (size_t i = start; i < start + size; i++)
		if (c->t->bytes[(uint8_t)c->word.data[i]] == TOKEN_NONE)
			return false;
	return true;
}

/* A piece that is no token becomes its bytes, and without byte tokens unknown. */
static bool emit_characters(Encoding *c, const Symbol *s, Error *e)
{
	if (s->id >= 0 && (size_t)s->id < tokenizer_size(c->t))
		return emit(c, s->id, e);
	if (!has_bytes(c, s->start, s->size))
		return emit_unknown(c, e);
	for (size_t i = 0; i < s->size; i++)
		if (!emit(c, c->t->bytes[(uint8_t)c->word.data[s->start + i]], e))
			return false;
	return true;
}

static bool list_characters(Encoding *c, Error *e)
{
	/* what will be left out does not part those beside it */
	bool drops = c->t->model.kind == TOKENIZER_CHARACTER_BPE && c->t->model.unknown == TOKEN_NONE;
	for (size_t i = 0, length; i < c->word.size; i += length) {
		uint32_t code;
		length = utf8_decode(c->word.data + i, c->word.size - i, &code);
		length = length ? length : 1; /* a byte that is no UTF-8 stands for itself */
		int32_t id = find_piece(c, i, length);
		if (id == TOKEN_NONE && drops && !has_bytes(c, i, length))
			continue;
		if (!merge_symbol(&c->merging, id, (uint32_t)i, (uint32_t)length, e))
			return false;
	}
	return true;
}

static bool encode_characters(Encoding *c, Error *e)
{
	Merging *m = &c->merging;
	const Tokenizer *t = c->t;
	bool by_merges = t->model.kind == TOKENIZER_CHARACTER_BPE;
	int32_t whole = t->whole_words ? find_piece(c, 0, c->word.size) : TOKEN_NONE;
	if (whole != TOKEN_NONE)
		return emit(c, whole, e);
	if (!(t->unigram != NULL
	          ? unigram_cut(t->unigram, c->word, &c->path, m, e)
	          : list_characters(c, e) && merge_all(m, by_merges ? find_rule : find_pair, c, e)))
		return false;
	for (uint32_t i = m->count > 0 ? 0 : SYMBOL_END; i != SYMBOL_END; i = m->symbols[i].next)
		if (!emit_characters(c, &m->symbols[i], e))
			return false;
	return true;
}

/* --- all of a text -------------------------------------------------------------------- */

static bool encode_words(Encoding *c, Text text, bool first, Error *e)
{
	const Tokenizer *t = c->t;
	if (t->model.rewriter.count > 0) {
		if (!normalizer_run(t->rewriter, text, first, &c->rewritten, e))
			return false;
		text = (Text){(char *)c->rewritten.data, c->rewritten.size};
	}
	if (!pretokenizer_split(t->pretokenizer, text, &c->words, e))
		return false;
	for (size_t i = 0; i < c->words.count; i++) {
		Word word = c->words.items[i];
		c->word = (Text){text.data + word.start, word.end - word.start};
		c->merging.count = 0;
		c->after_unknown = false;
		if (!(t->model.kind == TOKENIZER_BPE ? encode_bytes(c, e) : encode_characters(c, e)))
			return false;
	}
	return true;
}

/* A fragment between tokens that are spelled in the raw text. */
static bool encode_fragment(Encoding *c, Text text, bool first, Error *e)
{
	if (c->t->model.normalizer.count > 0) {
		if (!normalizer_run(c->t->normalizer, text, first, &c->normalized, e))
			return false;
		text = (Text){(char *)c->normalized.data, c->normalized.size};
	}
	if (!fragments_find(c->t, text, true, c->flags, &c->normal, e))
		return false;
	for (size_t i = 0; i < c->normal.count; i++) {
		Fragment f = c->normal.items[i];
		if (!(f.id != TOKEN_NONE ? emit(c, f.id, e) : encode_words(c, f.text, first && i == 0, e)))
			return false;
	}
	return true;
}

static bool encode(Encoding *c, Text text, Error *e)
{
	if (!fragments_find(c->t, text, false, c->flags, &c->raw, e))
		return false;
	for (size_t i = 0; i < c->raw.count; i++) {
		Fragment f = c->raw.items[i];
		if (!(f.id != TOKEN_NONE ? emit(c, f.id, e) : encode_fragment(c, f.text, i == 0, e)))
			return false;
	}
	return true;
}

bool tokenizer_encode(const Tokenizer *t, Text text, unsigned flags, Tokens *out, Error *e)
{
	const TokenizerModel *m = &t->model;
	if (text.size > NORMALIZE_MOST)
		return fail(e, ERROR_FAILURE, "a text of %zu bytes is too long to be encoded at once",
		            text.size);
	Encoding c = {.t = t, .flags = flags, .out = out};
	bool done = !(flags & TOKENIZE_BOS) || !m->add_bos || m->bos == TOKEN_NONE || emit(&c, m->bos, e);
	done = done && encode(&c, text, e);
	fragments_free(&c.raw);
	fragments_free(&c.normal);
	buffer_free(&c.normalized);
	buffer_free(&c.rewritten);
	words_free(&c.words);
	merge_free(&c.merging);
	unigram_path_free(&c.path);
	buffer_free(&c.letters);
	return done;
}

bool tokens_append(Tokens *tokens, const int32_t *ids, size_t count, Error *e)
{
	if (!memory_grow(&tokens->ids, &tokens->capacity, tokens->count + count, sizeof *ids, e))
		return false;
	if (count > 0)
		memcpy(tokens->ids + tokens->count, ids, count * sizeof *ids);
	tokens->count += count;
	return true;
}

void tokens_free(Tokens *tokens)
{
	memory_free(tokens->ids);
	*tokens = (Tokens){0};
}
