/* ROUGE of a text against the true one (Lin, ROUGE: A Package for Automatic Evaluation of Summaries, 2004),
 * as F1: with c of what the two have in common, precision is P = c / (of the text), recall R = c / (of the
 * target), and
 *
 *   F1 = 2 P R / (P + R) = 2 c / (of the target + of the text)
 *
 * or 0 where neither has any.  On stems (lexicon_stem) it is the stemmed ROUGE. */
#ifndef EVAL_ROUGE_H
#define EVAL_ROUGE_H

#include "eval/lexicon.h"

/* ROUGE-N (section 2), n = 1 or 2: c is how many n-grams they share, one that occurs a times here and b times
 * there counting min(a, b) times. */
bool rouge_n(const WordList *target, const WordList *text, size_t n, double *f1, Error *e);

/* ROUGE-L (section 3.1): c is the length of the longest common subsequence; the whole text is one sentence.
 */
bool rouge_l(const WordList *target, const WordList *text, double *f1, Error *e);

#endif
