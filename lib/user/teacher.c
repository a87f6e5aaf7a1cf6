#include "user/teacher.h"

#include "user/task.h"

#include <math.h>
#include <string.h>

/* What is less likely than that is left out: it costs more than it teaches. */
static const float LEAST_SHARE = 1e-4f;

static bool index_trie(Teacher *t, size_t items, Error *e)
{
	t->parents = memory_new(t->trie.count, sizeof *t->parents, e);
	t->ends = memory_new(items, sizeof *t->ends, e);
	if (t->parents == NULL || t->ends == NULL)
		return false;
	for (size_t node = 0; node < t->trie.count; node++) {
		const TrieNode *n = &t->trie.nodes[node];
		if (n->value != TRIE_NONE)
			t->ends[n->value] = (int32_t)node;
		for (int32_t c = n->first_child; c != TRIE_NONE; c = t->trie.nodes[c].next_sibling)
			t->parents[c] = (int32_t)node;
	}
	return true;
}

bool teacher_new(Teacher *t, Encoder *encoder, const Dataset *data, const Tokenizer *tokenizer, Error *e)
{
	Strings names = {0};
	*t = (Teacher){.encoder = encoder};
	encoder->shape.dropout = 0;
	parameters_train(&encoder->parameters, false);
	bool done = translation_new(&t->translation, encoder, data, e) &&
	            item_vectors_new(&t->items, encoder, GEMM_F32, NULL, e) &&
	            item_vectors_lay_out(&t->items, GEMM_F32, e) && item_names(data, &names, e) &&
	            answer_trie(tokenizer, &names, &t->trie, e) &&
	            index_trie(t, data->items.strings.count, e);
	strings_free(&names);
	return done;
}

void teacher_free(Teacher *t)
{
	if (t->translation.encoder != NULL)
		translation_free(&t->translation);
	item_vectors_free(&t->items);
	trie_free(&t->trie);
	memory_free(t->parents);
	memory_free(t->ends);
	*t = (Teacher){0};
}

/* Probabilities of the dataset's items, from scores of the encoder's, at the ends of their names and from
 * there up: a node comes after its parent. */
static void add_up(const Teacher *t, const float *scores, float *mass)
{
	const int32_t *known = t->translation.ids[0];
	size_t items = t->translation.data->items.strings.count, nodes = t->trie.count;
	float most = -INFINITY;
	memset(mass, 0, nodes * sizeof *mass);
	for (size_t id = ID_FIRST; id < items; id++)
		most = fmaxf(most, scores[known[id]]);
	for (size_t id = ID_FIRST; id < items && most > -INFINITY; id++)
		mass[t->ends[id]] = expf(scores[known[id]] - most);
	for (size_t node = nodes; node-- > 1;)
		mass[t->parents[node]] += mass[node];
	for (size_t node = nodes; node-- > 0 && mass[0] > 0;)
		mass[node] /= mass[0];
}

/* Rows of E, and by the encoder's items what they score. */
static const float *ask_encoder(const Teacher *t, Tape *tape, const Users *users, const Segment *histories,
                                size_t count, const size_t *rows, size_t N)
{
	EventBatch batch;
	size_t V = t->items.rows, d = t->encoder->shape.dim;
	float *scores = arena_new(&tape->arena, N * V, sizeof *scores, &tape->error);
	float *h = arena_new(&tape->arena, N * d, sizeof *h, &tape->error);
	if (scores == NULL || h == NULL ||
	    !batch_new(&batch, &t->translation, users, histories, count, &tape->arena, &tape->error))
		return NULL;
	const Tensor *e = encoder_forward(tape, t->encoder, &batch);
	if (e == NULL)
		return NULL;
	for (size_t i = 0; i < N; i++)
		memcpy(h + i * d, e->value + rows[i] * d, d * sizeof *h);
	profile_product(tape->profile, N, V, d);
	item_scores(&t->items, GEMM_F32, h, N, scores);
	return scores;
}

const float *teacher_ask(const Teacher *t, Tape *tape, const Users *users, const Segment *histories,
                         size_t count, const size_t *rows, size_t N)
{
	size_t V = t->items.rows;
	float *mass = arena_new(&tape->arena, N * t->trie.count, sizeof *mass, &tape->error);
	ArenaMark mark = arena_mark(&tape->arena);
	const float *scores = mass ? ask_encoder(t, tape, users, histories, count, rows, N) : NULL;
	for (size_t i = 0; scores != NULL && i < N; i++)
		add_up(t, scores + i * V, mass + i * t->trie.count);
	arena_rewind(&tape->arena, mark);
	return scores ? mass : NULL;
}

bool soft_targets_add(SoftTargets *s, int32_t value, float share, Error *e)
{
	if (!memory_grow(&s->values, &s->values_capacity, s->count + 1, sizeof *s->values, e) ||
	    !memory_grow(&s->shares, &s->shares_capacity, s->count + 1, sizeof *s->shares, e))
		return false;
	s->values[s->count] = value;
	s->shares[s->count++] = share;
	return true;
}

void soft_targets_free(SoftTargets *s)
{
	memory_free(s->values);
	memory_free(s->shares);
	*s = (SoftTargets){0};
}

bool teacher_targets(const Teacher *t, const float *mass, int32_t token, float taught, int32_t *node,
                     SoftTargets *out, Error *e)
{
	const TrieNode *nodes = t->trie.nodes;
	float all = 0, least = LEAST_SHARE * mass[*node];
	int32_t next = TRIE_NONE;
	for (int32_t c = nodes[*node].first_child; c != TRIE_NONE; c = nodes[c].next_sibling) {
		all += mass[c] > least ? mass[c] : 0;
		next = nodes[c].token == token ? c : next;
	}
	taught = all > 0 ? taught : 0;
	for (int32_t c = nodes[*node].first_child; c != TRIE_NONE; c = nodes[c].next_sibling) {
		float share = (mass[c] > least && taught > 0 ? taught * mass[c] / all : 0) +
		              (c == next ? 1 - taught : 0);
		if (share > 0 && !soft_targets_add(out, nodes[c].token, share, e))
			return false;
	}
	*node = next;
	return true;
}
