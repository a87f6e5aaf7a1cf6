#include "eval/rouge.h"

#include <stdlib.h>

static double f1_of(size_t common, size_t target, size_t text)
{
	return target + text == 0 ? 0.0 : 2.0 * (double)common / ((double)target + (double)text);
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static uint64_t *sorted_ngrams(const WordList *words, size_t n, Error *e)
{
	size_t count = ngram_count(words, n);
	uint64_t *ngrams = memory_new(count, sizeof *ngrams, e);
	for (size_t i = 0; ngrams != NULL && i < count; i++)
		ngrams[i] = ngram_at(words, n, i);
	if (ngrams != NULL)
		qsort(ngrams, count, sizeof *ngrams, ascending);
	return ngrams;
}

/* How many pairs of equals two ascending lists have, each element in one pair at most. */
static size_t count_common(const uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count)
{
	size_t common = 0;
	for (size_t i = 0, j = 0; i < a_count && j < b_count;) {
		common += a[i] == b[j];
		size_t next = j + (b[j] <= a[i]);
		i += a[i] <= b[j];
		j = next;
	}
	return common;
}

bool rouge_n(const WordList *target, const WordList *text, size_t n, double *f1, Error *e)
{
	size_t target_count = ngram_count(target, n), text_count = ngram_count(text, n);
	uint64_t *a = sorted_ngrams(target, n, e);
	uint64_t *b = a ? sorted_ngrams(text, n, e) : NULL;
	if (b != NULL)
		*f1 = f1_of(count_common(a, target_count, b, text_count), target_count, text_count);
	memory_free(a);
	memory_free(b);
	return b != NULL;
}

/* One row of the table of lengths is enough: lengths[j] is that of `outer` so far and the first j words of
 * `inner`. `corner` is the row before at j - 1. */
static void extend_row(uint32_t word, const WordList *inner, size_t *lengths)
{
	size_t corner = 0;
	for (size_t j = 1; j <= inner->count; j++) {
		size_t above = lengths[j];
		if (inner->ids[j - 1] == word)
			lengths[j] = corner + 1;
		else if (lengths[j - 1] > above)
			lengths[j] = lengths[j - 1];
		corner = above;
	}
}

bool rouge_l(const WordList *target, const WordList *text, double *f1, Error *e)
{
	const WordList *inner = target->count < text->count ? target : text,
	               *outer = inner == text ? target : text;
	size_t *lengths = memory_new(inner->count + 1, sizeof *lengths, e);
	if (lengths == NULL)
		return false;
	for (size_t i = 0; i < outer->count; i++)
		extend_row(outer->ids[i], inner, lengths);
	*f1 = f1_of(lengths[inner->count], target->count, text->count);
	memory_free(lengths);
	return true;
}
