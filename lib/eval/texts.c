#include "eval/texts.h"

#include "eval/rouge.h"

#include <math.h>

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static Text trim(Text t)
{
	for (; t.size > 0 && is_space(t.data[t.size - 1]); t.size--)
		;
	for (; t.size > 0 && is_space(*t.data); t.size--)
		t.data++;
	return t;
}

double text_exact(Text target, Text text)
{
	return text_equal(trim(target), trim(text)) ? 1.0 : 0.0;
}

static bool add_ngrams(TextAnswers *t, size_t n, Error *e)
{
	size_t count = ngram_count(&t->text, n);
	for (size_t i = 0; i < count; i++) {
		uint64_t ngram = ngram_at(&t->text, n, i);
		if (vocabulary_add(&t->ngrams[n - 1], (Text){(const char *)&ngram, sizeof ngram}, e) < 0)
			return false;
	}
	t->ngram_counts[n - 1] += count;
	return true;
}

/* ROUGE-1, ROUGE-2, ROUGE-L */
static bool rouge_values(const TextAnswers *t, double values[3], Error *e)
{
	return rouge_n(&t->target, &t->text, 1, &values[0], e) &&
	       rouge_n(&t->target, &t->text, 2, &values[1], e) &&
	       rouge_l(&t->target, &t->text, &values[2], e);
}

bool texts_add(TextAnswers *t, Text target, Text text, Error *e)
{
	if (!memory_grow(&t->values, &t->capacity, t->count + 1, sizeof *t->values, e) ||
	    !lexicon_split(&t->lexicon, target, &t->target, e) ||
	    !lexicon_split(&t->lexicon, text, &t->text, e))
		return false;
	double *values = t->values[t->count];
	values[0] = text_exact(target, text);
	for (size_t n = 1; n <= MAX_DISTINCT; n++)
		if (!add_ngrams(t, n, e))
			return false;
	if (!rouge_values(t, values + METRIC_ROUGE_1 - METRIC_EXACT, e))
		return false;
	lexicon_stem(&t->lexicon, &t->target);
	lexicon_stem(&t->lexicon, &t->text);
	if (!rouge_values(t, values + METRIC_ROUGE_1_STEM - METRIC_EXACT, e))
		return false;
	t->count++;
	return true;
}

void texts_add_likelihood(TextAnswers *t, double nll, uint64_t tokens)
{
	t->nll += nll;
	t->tokens += (double)tokens;
	t->with_likelihood++;
}

double texts_distinct(const TextAnswers *t, size_t n)
{
	size_t count = t->ngram_counts[n - 1];
	return count == 0 ? 0.0 : (double)t->ngrams[n - 1].strings.count / (double)count;
}

double texts_perplexity(const TextAnswers *t)
{
	return t->tokens == 0.0 ? (double)NAN : exp(t->nll / t->tokens);
}

void texts_free(TextAnswers *t)
{
	memory_free(t->values);
	for (size_t n = 1; n <= MAX_DISTINCT; n++)
		vocabulary_free(&t->ngrams[n - 1]);
	lexicon_free(&t->lexicon);
	word_list_free(&t->target);
	word_list_free(&t->text);
	*t = (TextAnswers){0};
}
