/* How sure a mean is, and whether two systems differ. */
#ifndef EVAL_INTERVALS_H
#define EVAL_INTERVALS_H

#include "base/pool.h"

#include <stdint.h>

enum { BOOTSTRAP_RESAMPLES = 2000, PERMUTATIONS = 10000 };

typedef struct {
	double low, high;
} Interval;

/* Both sort what they are given, so that the order in which it came makes no difference. */

/* The 95 % percentile bootstrap interval of the mean of values[0 … count),
 * count > 0: BOOTSTRAP_RESAMPLES times, count values are drawn with replacement;
 * low and high are the 2.5 and 97.5 percentiles of their means (Efron and
 * Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3). */
bool interval_bootstrap(double *values, size_t count, uint64_t seed, Pool *pool, Interval *interval,
                        Error *e);

/* The two-sided p-value of the paired sign-flip permutation test on the mean of
 * differences[0 … count): if the two systems did not differ, each difference
 * could as well have had the other sign.  p = (1 + flips at least as far from 0) /
 * (1 + PERMUTATIONS) (Smucker, Allan, Carterette, A comparison of statistical
 * significance tests for information retrieval evaluation, 2007). */
bool paired_test(double *differences, size_t count, uint64_t seed, Pool *pool, double *p, Error *e);

#endif
