/* What an encoder itself would recommend, as a truth for an LLM to learn from (distillation; Hinton et al.
 * 2015): behind each beginning of the right answer the encoder's probabilities of all items that go on from
 * there, added up by their next token.  One question then teaches of many items, not of one. */
#ifndef USER_TEACHER_H
#define USER_TEACHER_H

#include "llm/trie.h"
#include "user/items.h"

typedef struct {
	Encoder *encoder; /* which does not train */
	Translation translation;
	ItemVectors items;
	Trie trie;        /* of the names of the dataset's items */
	int32_t *parents; /* by node */
	int32_t *ends;    /* by the dataset's item: the node that its name ends at */
} Teacher;

/* Borrows the encoder, of one that was trained with --arch ar or dual, and the dataset. */
bool teacher_new(Teacher *t, Encoder *encoder, const Dataset *data, const Tokenizer *tokenizer, Error *e);
void teacher_free(Teacher *t);

/* For rows of E of some histories (which lie there one after the other): mass[i · trie.count + node] is the
 * probability of all items whose names begin as the node has it.  In the tape's arena; NULL: see its error.
 */
const float *teacher_ask(const Teacher *t, Tape *tape, const Users *users, const Segment *histories,
                         size_t count, const size_t *rows, size_t N);

/* Tokens that may be right, each to its share; a list that grows. */
typedef struct {
	int32_t *values;
	float *shares;
	size_t count, values_capacity, shares_capacity;
} SoftTargets;
bool soft_targets_add(SoftTargets *s, int32_t value, float share, Error *e);
void soft_targets_free(SoftTargets *s);

/* Adds what may follow *node (from 0 on), by a row of teacher_ask(): all together to the share `taught`, and
 * the true token to the rest; *node goes on to that. */
bool teacher_targets(const Teacher *t, const float *mass, int32_t token, float taught, int32_t *node,
                     SoftTargets *out, Error *e);

#endif
