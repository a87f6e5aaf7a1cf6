#include "base/random.h"

#include <math.h>

double random_uniform(Random *r)
{
	return (double)(random_bits(r->key, r->counter++) >> 11) * 0x1p-53;
}

double random_normal(Random *r)
{
	/* Box and Muller; 1 - u is in (0, 1], so the logarithm is finite. */
	double radius = sqrt(-2.0 * log(1.0 - random_uniform(r)));
	return radius * cos(6.283185307179586 * random_uniform(r));
}

uint64_t random_below(Random *r, uint64_t bound)
{
	/* The high half of a 128-bit product; its bias is below bound / 2^64. */
	return (uint64_t)(((unsigned __int128)random_bits(r->key, r->counter++) * bound) >> 64);
}

void random_shuffle(Random *r, uint32_t *values, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t j = (size_t)random_below(r, i);
		uint32_t other = values[j];
		values[j] = values[i - 1];
		values[i - 1] = other;
	}
}
