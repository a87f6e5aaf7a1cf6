/* The unigram model (Kudo 2018): of all ways to cut a text into pieces, the one whose
 * scores have the largest sum. */
#ifndef TEXT_UNIGRAM_H
#define TEXT_UNIGRAM_H

#include "base/strings.h"
#include "text/merge.h"

typedef struct Unigram Unigram;

Unigram *unigram_new(Error *e);
void unigram_free(Unigram *u);
/* Of two equal pieces the first counts. */
bool unigram_add(Unigram *u, Text piece, int32_t id, float score, Error *e);

/* Zeroed at first, and used again and again. */
typedef struct UnigramNode UnigramNode;
typedef struct {
	UnigramNode *nodes; /* by byte */
	size_t capacity;
} UnigramPath;

/* Appends the best pieces of a text to the chain of symbols; a character that no piece
 * is has the id -1, and costs 10 more than the worst piece.  Of two equally good ways
 * the one with the longer last piece counts. */
bool unigram_cut(const Unigram *u, Text text, UnigramPath *path, Merging *out, Error *e);
void unigram_path_free(UnigramPath *path);

#endif
