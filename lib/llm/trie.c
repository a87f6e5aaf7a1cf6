#include "llm/trie.h"

static bool new_node(Trie *t, int32_t token, int32_t sibling, int32_t *node, Error *e)
{
	if (t->count >= INT32_MAX)
		return fail(e, ERROR_FAILURE, "more than %d trie nodes", INT32_MAX);
	if (!memory_grow(&t->nodes, &t->capacity, t->count + 1, sizeof *t->nodes, e))
		return false;
	t->nodes[t->count] = (TrieNode){token, TRIE_NONE, sibling, TRIE_NONE};
	*node = (int32_t)t->count++;
	return true;
}

bool trie_add(Trie *t, const int32_t *tokens, size_t count, int32_t value, Error *e)
{
	int32_t node = 0;
	if (t->count == 0 && !new_node(t, TRIE_NONE, TRIE_NONE, &node, e))
		return false;
	for (size_t i = 0; i < count; i++) {
		int32_t child = t->nodes[node].first_child;
		while (child != TRIE_NONE && t->nodes[child].token != tokens[i])
			child = t->nodes[child].next_sibling;
		if (child == TRIE_NONE) {
			if (!new_node(t, tokens[i], t->nodes[node].first_child, &child, e))
				return false;
			t->nodes[node].first_child = child;
		}
		node = child;
	}
	if (node == 0 || t->nodes[node].value != TRIE_NONE)
		return fail(e, ERROR_USAGE,
		            "they are none, or those of another name: does the LLM know the letters?");
	t->nodes[node].value = value;
	t->depth = count > t->depth ? count : t->depth;
	return true;
}

void trie_free(Trie *t)
{
	memory_free(t->nodes);
	*t = (Trie){0};
}
