/* Counter-based random numbers: a number is a function of (key, counter), so any
 * thread can compute any of them in any order and get the same ones.
 *
 * The generator is SplitMix64 read at random: mix(key + counter × golden ratio)
 * (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t random_bits(uint64_t key, uint64_t counter)
{
	uint64_t z = key + (counter + 1) * 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* A key for a purpose of its own, from a key and a number that names the purpose. */
static inline uint64_t random_key(uint64_t key, uint64_t purpose)
{
	return random_bits(random_bits(key, purpose), 0x5eed);
}

typedef struct {
	uint64_t key, counter;
} Random;

double random_uniform(Random *r);                 /* in [0, 1) */
double random_normal(Random *r);                  /* mean 0, variance 1 */
uint64_t random_below(Random *r, uint64_t bound); /* in [0, bound); bound > 0 */
void random_shuffle(Random *r, uint32_t *values, size_t count);

#endif
