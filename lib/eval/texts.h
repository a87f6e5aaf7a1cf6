/* Generated texts beside the true ones: what the metrics of texts need of them, and nothing of the texts. */
#ifndef EVAL_TEXTS_H
#define EVAL_TEXTS_H

#include "eval/lexicon.h"
#include "eval/metrics.h"

enum { TEXT_VALUES = METRIC_ROUGE_L_STEM - METRIC_EXACT + 1, MAX_DISTINCT = 2 };

/* {0} is none. */
typedef struct {
	double (*values)[TEXT_VALUES]; /* text → METRIC_EXACT … METRIC_ROUGE_L_STEM */
	size_t count, capacity;
	Vocabulary ngrams[MAX_DISTINCT]; /* of all generated texts, each once; of n words at n - 1 */
	size_t ngram_counts[MAX_DISTINCT];
	double nll, tokens;     /* sums */
	size_t with_likelihood; /* texts that the sums are of */
	Lexicon lexicon;
	WordList target, text; /* those that are being added */
} TextAnswers;

bool texts_add(TextAnswers *t, Text target, Text text, Error *e);
/* nll: the sum of -ln p of the true text's tokens, given what comes before each. */
void texts_add_likelihood(TextAnswers *t, double nll, uint64_t tokens);

/* 1 if both are equal without the white space (of ASCII) at their ends, else 0. */
double text_exact(Text target, Text text);

/* Different n-grams / n-grams of all generated texts, 0 where there are none (Li et al., A
 * Diversity-Promoting Objective Function for Neural Conversation Models, 2016); n is 1 or 2. */
double texts_distinct(const TextAnswers *t, size_t n);

/* exp(sum of nll / sum of tokens) of the true texts; NAN where there is no likelihood. */
double texts_perplexity(const TextAnswers *t);

void texts_free(TextAnswers *t);

#endif
