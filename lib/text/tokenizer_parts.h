/* What a tokenizer is made of; for lib/text alone. */
#ifndef TEXT_TOKENIZER_PARTS_H
#define TEXT_TOKENIZER_PARTS_H

#include "text/tokenizer.h"
#include "text/unigram.h"
#include "text/utf8.h"

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
	Strings spellings; /* of each */
	bool whole_words, fuse_unknown;
	Normalizer *normalizer, *rewriter;
	Pretokenizer *pretokenizer;
	Rule *rules; /* BPE: a hash table */
	size_t rule_slots;
	Unigram *unigram;
};

int32_t token_type(const Tokenizer *t, int32_t id);
/* Whether text may become this token without being asked for by name. */
bool token_is_textual(const Tokenizer *t, int64_t id);
/* The rule of a pair, or a free slot. */
Rule *token_rule(const Tokenizer *t, int32_t left, int32_t right);

/* What lies between two tokens that are spelled in a text, or one of these. */
typedef struct {
	Text text;
	int32_t id; /* TOKEN_NONE: text */
} Fragment;

typedef struct {
	Fragment *items, *next;
	size_t count, capacity, next_count, next_capacity;
} Fragments;

/* Cuts a text anew at the tokens that are spelled in it: those that are
 * ADDED_NORMALIZED, or those that are not; control and unknown ones where flags have
 * TOKENIZE_SPECIAL. */
bool fragments_find(const Tokenizer *t, Text text, bool normalized, unsigned flags, Fragments *f, Error *e);
void fragments_free(Fragments *f);

#endif
