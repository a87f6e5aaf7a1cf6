/* A made-up data set of MovieLens-20M's size and layout, the same bytes at every run:
 *     ml20m ratings|shuffled|movies
 * `ratings` has 20,000,263 rows by user and movie, as the original; `shuffled` has them in
 * no order; `movies` is the item table. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 20000263, USERS = 138493, MOVIES = 26744, LEAST = 20, MOST = 9254, DENSE = 8000 };

typedef struct {
	uint32_t user, movie, time;
	uint8_t halves; /* twice the rating */
} Rating;

static uint64_t state = 1;

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static double uniform(void)
{
	return (double)(draw() >> 11) * 0x1p-53;
}

/* Old movies have small numbers, later ones wide gaps; the last is 131,262. */
static uint32_t movie_id(uint32_t index)
{
	return index < DENSE ? index + 1 + index / 10 : 8801 + (index - DENSE) * 65 / 10;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* A user's movies, different ones, by number; few are popular. */
static void draw_movies(uint32_t *movies, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		double u = uniform();
		movies[i] = (uint32_t)(u * u * u * MOVIES);
	}
	qsort(movies, count, sizeof *movies, compare);
	for (uint32_t i = 1; i < count; i++)
		if (movies[i] <= movies[i - 1])
			movies[i] = movies[i - 1] + 1;
	for (uint32_t i = count, last = MOVIES; i > 0 && movies[--i] >= last;)
		movies[i] = --last;
}

/* How many ratings each user has: at least 20, some thousands; ROWS in all. */
static void draw_counts(uint32_t *counts)
{
	double *weights = malloc(USERS * sizeof *weights), sum = 0, before = 0;
	uint32_t given = 0;
	if (weights == NULL)
		exit(1);
	for (uint32_t u = 0; u < USERS; u++)
		sum += weights[u] = fmin(pow(1 - uniform(), -0.8) - 1, 120);
	for (uint32_t u = 0; u < USERS; u++) {
		before += weights[u];
		uint32_t end = (uint32_t)(before / sum * (ROWS - LEAST * (uint32_t)USERS) + 0.5);
		counts[u] = LEAST + end - given;
		given = end;
	}
	free(weights);
}

static Rating *make_ratings(void)
{
	static const uint8_t halves[] = {1, 2, 3, 4, 5, 6, 6, 6, 7, 7, 8, 8, 8, 8, 9, 10};
	static uint32_t counts[USERS], movies[MOST];
	Rating *ratings = malloc(ROWS * sizeof *ratings), *r = ratings;
	if (ratings == NULL)
		exit(1);
	draw_counts(counts);
	for (uint32_t u = 0; u < USERS; u++) {
		if (counts[u] > MOST) {
			fprintf(stderr, "ml20m: user %u has %u ratings\n", u + 1, counts[u]);
			exit(1);
		}
		uint32_t start = 789652009 + (uint32_t)(draw() % 620000000);
		uint32_t span = draw() % 4 ? 7200 : 17000000; /* mostly a single evening */
		draw_movies(movies, counts[u]);
		for (uint32_t i = 0; i < counts[u]; i++) {
			uint64_t x = draw();
			*r++ = (Rating){u + 1, movie_id(movies[i]), start + (uint32_t)(x >> 8) % span,
			                halves[x % sizeof halves]};
		}
	}
	return ratings;
}

static void shuffle(Rating *ratings)
{
	for (size_t i = ROWS - 1; i > 0; i--) {
		size_t k = draw() % (i + 1);
		Rating r = ratings[i];
		ratings[i] = ratings[k];
		ratings[k] = r;
	}
}

static char *put_number(char *p, uint32_t x, char behind)
{
	char digits[16], *d = digits + sizeof digits;
	*--d = behind;
	do
		*--d = (char)('0' + x % 10);
	while ((x /= 10) > 0);
	size_t size = (size_t)(digits + sizeof digits - d);
	memcpy(p, d, size);
	return p + size;
}

static void print_ratings(const Rating *ratings)
{
	char line[64];
	puts("userId,movieId,rating,timestamp");
	for (const Rating *r = ratings; r < ratings + ROWS; r++) {
		char *p = put_number(put_number(line, r->user, ','), r->movie, ',');
		p = put_number(p, r->halves / 2, '.');
		*p++ = r->halves % 2 ? '5' : '0';
		*p++ = ',';
		p = put_number(p, r->time, '\n');
		fwrite_unlocked(line, 1, (size_t)(p - line), stdout);
	}
}

static void print_movies(void)
{
	static const char *const genres[] = {"Drama", "Comedy|Romance", "(no genres listed)",
	                                     "Action|Adventure|Sci-Fi", "Documentary"};
	puts("movieId,title,genres");
	for (uint32_t i = 0; i < MOVIES; i++)
		printf(i % 4 ? "%u,Movie %u (%u),%s\n" : "%u,\"Movie, The %u (%u)\",%s\n", movie_id(i), i,
		       1920 + i % 95, genres[i % (sizeof genres / sizeof *genres)]);
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";
	if (strcmp(what, "movies") == 0) {
		print_movies();
	} else if (strcmp(what, "ratings") == 0 || strcmp(what, "shuffled") == 0) {
		Rating *ratings = make_ratings();
		if (*what == 's')
			shuffle(ratings);
		print_ratings(ratings);
		free(ratings);
	} else {
		fputs("usage: ml20m ratings|shuffled|movies\n", stderr);
		return 2;
	}
	return fclose(stdout) != 0;
}
