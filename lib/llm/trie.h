/* A trie of token sequences, so that an LLM can only say what exists. */
#ifndef LLM_TRIE_H
#define LLM_TRIE_H

#include "text/tokenizer.h"

enum { TRIE_NONE = -1 };

typedef struct {
	int32_t token;
	int32_t first_child, next_sibling; /* TRIE_NONE: there is none */
	int32_t value;                     /* of the sequence that ends here; TRIE_NONE: none does */
} TrieNode;

typedef struct {
	TrieNode *nodes; /* node 0 is the root */
	size_t count, capacity;
	size_t depth; /* tokens of the longest sequence */
} Trie;

/* Adds a sequence.  ERROR_USAGE where it is empty or there already. */
bool trie_add(Trie *t, const int32_t *tokens, size_t count, int32_t value, Error *e);
void trie_free(Trie *t);

#endif
