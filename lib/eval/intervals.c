#include "eval/intervals.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

/* A resample or a flip is a task with a key of its own, so that the result does
 * not depend on the threads. */
typedef struct {
	const double *values;
	size_t count;
	uint64_t key;
	double *results; /* one a task */
} Draws;

enum { PURPOSE_BOOTSTRAP = 1, PURPOSE_FLIP = 2 };

static void resample(void *context, size_t task)
{
	const Draws *d = context;
	Random random = {.key = random_key(d->key, task)};
	double sum = 0.0;
	for (size_t i = 0; i < d->count; i++)
		sum += d->values[random_below(&random, d->count)];
	d->results[task] = sum / (double)d->count;
}

static void flip(void *context, size_t task)
{
	const Draws *d = context;
	uint64_t key = random_key(d->key, task), signs = 0;
	double sum = 0.0;
	for (size_t i = 0; i < d->count; i++) {
		signs = i % 64 == 0 ? random_bits(key, i / 64) : signs >> 1;
		sum += signs & 1 ? d->values[i] : -d->values[i];
	}
	d->results[task] = sum;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Between the two nearest order statistics, linearly. */
static double percentile(const double *sorted, size_t count, double fraction)
{
	double place = fraction * (double)(count - 1);
	size_t below = (size_t)place, above = below + 1 < count ? below + 1 : below;
	return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

bool interval_bootstrap(double *values, size_t count, uint64_t seed, Pool *pool, Interval *interval, Error *e)
{
	double *means = memory_new(BOOTSTRAP_RESAMPLES, sizeof *means, e);
	if (means == NULL)
		return false;
	qsort(values, count, sizeof *values, ascending);
	Draws draws = {values, count, random_key(seed, PURPOSE_BOOTSTRAP), means};
	pool_run(pool, BOOTSTRAP_RESAMPLES, resample, &draws);
	qsort(means, BOOTSTRAP_RESAMPLES, sizeof *means, ascending);
	interval->low = percentile(means, BOOTSTRAP_RESAMPLES, 0.025);
	interval->high = percentile(means, BOOTSTRAP_RESAMPLES, 0.975);
	memory_free(means);
	return true;
}

bool paired_test(double *differences, size_t count, uint64_t seed, Pool *pool, double *p, Error *e)
{
	double *sums = memory_new(PERMUTATIONS, sizeof *sums, e);
	if (sums == NULL)
		return false;
	qsort(differences, count, sizeof *differences, ascending);
	Draws draws = {differences, count, random_key(seed, PURPOSE_FLIP), sums};
	pool_run(pool, PERMUTATIONS, flip, &draws);
	double observed = 0.0, size = 0.0;
	for (size_t i = 0; i < count; i++) {
		observed += differences[i];
		size += fabs(differences[i]);
	}
	/* Equal sums in another order of rounding are equal. */
	double bound = fabs(observed) - 1e-12 * size;
	size_t extreme = 0;
	for (size_t i = 0; i < PERMUTATIONS; i++)
		extreme += fabs(sums[i]) >= bound;
	*p = (1.0 + (double)extreme) / (1.0 + PERMUTATIONS);
	memory_free(sums);
	return true;
}
