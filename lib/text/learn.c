#include "text/tokenizer.h"

#include "base/heap.h"
#include "text/pretokenizer.h"
#include "text/utf8.h"

#include <stdio.h>
#include <string.h>

static const char pre[] = "gpt-2", end_of_text[] = "<|endoftext|>";
enum { BYTES = 256, LEAST_COUNT = 2 };

/* Two neighbours: how often they occur, and the words that have them. */
typedef struct {
	int32_t left, right;
	int64_t count;
	size_t uses; /* the last one + 1; 0: none */
} Pair;

typedef struct {
	size_t word, next;
} Use;

typedef struct {
	Vocabulary texts; /* the different words */
	int64_t *counts;
	size_t counts_capacity;
	int32_t *symbols;
	size_t *starts, *lengths; /* of each word's symbols; words keep their place and shrink */
	Pair *pairs;
	size_t pair_count, pair_capacity;
	uint32_t *slots; /* hash table: index + 1, 0 is free */
	size_t slot_count;
	Use *uses;
	size_t use_count, use_capacity;
	Heap heap; /* id: the pair; counts that have fallen since are put right when they come up */
} Learning;

static void learning_free(Learning *l)
{
	vocabulary_free(&l->texts);
	memory_free(l->counts);
	memory_free(l->symbols);
	memory_free(l->starts);
	memory_free(l->lengths);
	memory_free(l->pairs);
	memory_free(l->slots);
	memory_free(l->uses);
	heap_free(&l->heap);
}

/* --- words ---------------------------------------------------------------- */

static bool count_word(Learning *l, Text word, Error *e)
{
	size_t before = l->texts.strings.count;
	int64_t index = vocabulary_add(&l->texts, word, e);
	if (index < 0 ||
	    !memory_grow(&l->counts, &l->counts_capacity, (size_t)index + 1, sizeof *l->counts, e))
		return false;
	if ((size_t)index == before)
		l->counts[index] = 0;
	l->counts[index]++;
	return true;
}

static bool count_words(Learning *l, const Strings *texts, Error *e)
{
	Pretokenizer *p = pretokenizer_new(pre, e);
	Words words = {0};
	bool done = p != NULL;
	for (size_t i = 0; done && i < texts->count; i++) {
		Text text = strings_at(texts, i);
		done =
		    text.size <= INT32_MAX || fail(e, ERROR_FAILURE, "text %zu is too long to learn from", i);
		done = done && pretokenizer_split(p, text, &words, e);
		for (size_t k = 0; done && k < words.count; k++) {
			Word word = words.items[k];
			done = count_word(l, (Text){text.data + word.start, word.end - word.start}, e);
		}
	}
	words_free(&words);
	pretokenizer_free(p);
	return done;
}

/* Bytes are numbered in the order of their letters in the alphabet, as GPT-2 does. */
static void number_bytes(int32_t number[BYTES], uint8_t byte[BYTES])
{
	int32_t next = 0;
	for (uint32_t letter = 0; next < BYTES; letter++) {
		int b = alphabet_to_byte(letter);
		if (b < 0)
			continue;
		number[b] = next;
		byte[next++] = (uint8_t)b;
	}
}

static bool spell_words(Learning *l, Error *e)
{
	const Strings *texts = &l->texts.strings;
	int32_t number[BYTES];
	uint8_t byte[BYTES];
	number_bytes(number, byte);
	size_t size = texts->count ? (size_t)texts->offsets[texts->count] : 0;
	l->symbols = memory_new(size, sizeof *l->symbols, e);
	l->starts = memory_new(texts->count, sizeof *l->starts, e);
	l->lengths = memory_new(texts->count, sizeof *l->lengths, e);
	if (l->symbols == NULL || l->starts == NULL || l->lengths == NULL)
		return false;
	for (size_t i = 0; i < size; i++)
		l->symbols[i] = number[texts->bytes[i]];
	for (size_t i = 0; i < texts->count; i++) {
		l->starts[i] = (size_t)texts->offsets[i];
		l->lengths[i] = strings_at(texts, i).size;
	}
	return true;
}

/* --- pairs ---------------------------------------------------------------- */

static uint32_t *pair_slot(const Learning *l, int32_t left, int32_t right)
{
	uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
	size_t mask = l->slot_count - 1, slot = (size_t)(hash >> 32) & mask;
	while (l->slots[slot] != 0 &&
	       (l->pairs[l->slots[slot] - 1].left != left || l->pairs[l->slots[slot] - 1].right != right))
		slot = (slot + 1) & mask;
	return &l->slots[slot];
}

static bool grow_slots(Learning *l, Error *e)
{
	size_t count = l->slot_count ? 2 * l->slot_count : 1 << 16;
	uint32_t *slots = memory_new(count, sizeof *slots, e);
	if (slots == NULL)
		return false;
	memory_free(l->slots);
	l->slots = slots;
	l->slot_count = count;
	for (size_t i = 0; i < l->pair_count; i++)
		*pair_slot(l, l->pairs[i].left, l->pairs[i].right) = (uint32_t)i + 1;
	return true;
}

/* The pair's index, or -1 on error. */
static int64_t find_pair(Learning *l, int32_t left, int32_t right, Error *e)
{
	if (2 * (l->pair_count + 1) > l->slot_count && !grow_slots(l, e))
		return -1;
	uint32_t *slot = pair_slot(l, left, right);
	if (*slot == 0) {
		if (l->pair_count >= INT32_MAX)
			return fail(e, ERROR_FAILURE, "too much text to learn from") - 1;
		if (!memory_grow(&l->pairs, &l->pair_capacity, l->pair_count + 1, sizeof *l->pairs, e))
			return -1;
		l->pairs[l->pair_count++] = (Pair){.left = left, .right = right};
		*slot = (uint32_t)l->pair_count;
	}
	return (int64_t)*slot - 1;
}

/* There are so many more (or fewer) of the pair, in this word. */
static bool change(Learning *l, int32_t left, int32_t right, int64_t more, size_t word, Error *e)
{
	int64_t index = find_pair(l, left, right, e);
	if (index < 0)
		return false;
	Pair *pair = &l->pairs[index];
	pair->count += more;
	if (more < 0 || (pair->uses > 0 && l->uses[pair->uses - 1].word == word))
		return true;
	if (!memory_grow(&l->uses, &l->use_capacity, l->use_count + 1, sizeof *l->uses, e))
		return false;
	l->uses[l->use_count++] = (Use){word, pair->uses};
	pair->uses = l->use_count;
	return true;
}

static bool offer(Learning *l, size_t pair, Error *e)
{
	const Pair *p = &l->pairs[pair];
	uint64_t order = (uint64_t)(uint32_t)p->left << 32 | (uint32_t)p->right;
	if (p->count < LEAST_COUNT)
		return true;
	return heap_push(&l->heap, (HeapItem){.cost = -(double)p->count, .order = order, .id = (int32_t)pair},
	                 e);
}

static bool count_pairs(Learning *l, Error *e)
{
	for (size_t i = 0; i < l->texts.strings.count; i++) {
		const int32_t *s = l->symbols + l->starts[i];
		for (size_t k = 0; k + 1 < l->lengths[i]; k++)
			if (!change(l, s[k], s[k + 1], l->counts[i], i, e))
				return false;
	}
	for (size_t i = 0; i < l->pair_count; i++)
		if (!offer(l, i, e))
			return false;
	return true;
}

/* Writes `merged` for left, right in the word, and puts its neighbours' pairs right. */
static bool merge_word(Learning *l, size_t word, int32_t left, int32_t right, int32_t merged, Error *e)
{
	int32_t *s = l->symbols + l->starts[word];
	size_t length = l->lengths[word], out = 0;
	int64_t count = l->counts[word];
	for (size_t i = 0; i < length; i++) {
		if (i + 1 == length || s[i] != left || s[i + 1] != right) {
			s[out++] = s[i];
			continue;
		}
		if (out > 0 && !(change(l, s[out - 1], left, -count, word, e) &&
		                 change(l, s[out - 1], merged, count, word, e)))
			return false;
		if (i + 2 < length && !(change(l, right, s[i + 2], -count, word, e) &&
		                        change(l, merged, s[i + 2], count, word, e)))
			return false;
		s[out++] = merged;
		i++;
	}
	l->lengths[word] = out;
	return true;
}

static bool merge_pair(Learning *l, size_t index, int32_t merged, Error *e)
{
	Pair pair = l->pairs[index];
	size_t before = l->pair_count;
	for (size_t use = pair.uses; use > 0; use = l->uses[use - 1].next)
		if (!merge_word(l, l->uses[use - 1].word, pair.left, pair.right, merged, e))
			return false;
	for (size_t i = before; i < l->pair_count; i++) /* counts of older pairs have only fallen */
		if (!offer(l, i, e))
			return false;
	return true;
}

/* The most frequent pair, or false where none occurs twice (or on error). */
static bool best_pair(Learning *l, size_t *index, Error *e)
{
	while (l->heap.count > 0) {
		HeapItem c = heap_pop(&l->heap);
		*index = (size_t)c.id;
		if (-c.cost <= (double)l->pairs[*index].count)
			return true;
		if (!offer(l, *index, e))
			return false;
	}
	return false;
}

/* --- the vocabulary -------------------------------------------------------- */

static bool add_bytes(TokenizerModel *m, Error *e)
{
	int32_t number[BYTES];
	uint8_t byte[BYTES];
	number_bytes(number, byte);
	for (size_t i = 0; i < BYTES; i++) {
		char letter[4];
		size_t size = utf8_encode(alphabet_of_byte(byte[i]), letter);
		if (!strings_append(&m->tokens, letter, size, e))
			return false;
	}
	return true;
}

static bool add_merge(TokenizerModel *m, const Pair *pair, Buffer *scratch, Error *e)
{
	Text left = strings_at(&m->tokens, (size_t)pair->left);
	Text right = strings_at(&m->tokens, (size_t)pair->right);
	scratch->size = 0;
	if (!buffer_append(scratch, left.data, left.size, e) || !buffer_append(scratch, " ", 1, e) ||
	    !buffer_append(scratch, right.data, right.size, e) ||
	    !strings_append(&m->merges, scratch->data, scratch->size, e))
		return false;
	memmove(scratch->data + left.size, scratch->data + left.size + 1, right.size);
	return strings_append(&m->tokens, scratch->data, scratch->size - 1, e);
}

static bool learn_merges(Learning *l, size_t size, TokenizerModel *m, Error *e)
{
	Buffer scratch = {0};
	size_t index;
	bool done = add_bytes(m, e);
	while (done && m->tokens.count + 1 < size && best_pair(l, &index, e)) {
		int32_t merged = (int32_t)m->tokens.count;
		done = add_merge(m, &l->pairs[index], &scratch, e) && merge_pair(l, index, merged, e);
	}
	buffer_free(&scratch);
	return done && e->code == ERROR_NONE;
}

static bool finish(TokenizerModel *m, Error *e)
{
	size_t last = m->tokens.count;
	if (!strings_append(&m->tokens, end_of_text, sizeof end_of_text - 1, e) ||
	    (m->types = memory_new(last + 1, sizeof *m->types, e)) == NULL)
		return false;
	for (size_t i = 0; i < last; i++)
		m->types[i] = TOKEN_NORMAL;
	m->types[last] = TOKEN_CONTROL;
	m->bos = m->eos = (int32_t)last;
	m->add_bos = true;
	return true;
}

bool tokenizer_learn(const Strings *texts, size_t size, TokenizerModel *m, Error *e)
{
	Learning l = {0};
	*m = (TokenizerModel){.kind = TOKENIZER_BPE, .eot = TOKEN_NONE, .unknown = TOKEN_NONE};
	snprintf(m->pre, sizeof m->pre, "%s", pre);
	if (size < BYTES + 1 || size > INT32_MAX)
		return fail(e, ERROR_USAGE, "a vocabulary of %zu tokens: at least %d are needed", size,
		            BYTES + 1);
	bool done = count_words(&l, texts, e) && spell_words(&l, e) && count_pairs(&l, e) &&
	            learn_merges(&l, size, m, e) && finish(m, e);
	learning_free(&l);
	if (!done)
		tokenizer_model_free(m);
	return done;
}
