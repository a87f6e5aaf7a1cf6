/* Checked allocation.  Whoever allocates frees with memory_free(); a struct
 * made by x_new() or x_read() is freed by its x_free(). */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* count × size zeroed bytes, aligned to 64; the product is checked.  Never NULL
 * for a count of 0. */
void *memory_new(size_t count, size_t size, Error *e);
void memory_free(void *p);

/* The same, of which a page takes no room before it is written to; freed with the same count and size. */
void *memory_lazy(size_t count, size_t size, Error *e);
void memory_lazy_free(void *p, size_t count, size_t size);

/* Makes room for `need` elements in *array of *capacity elements, at least
 * doubling; the old elements stay and the new ones are undefined.  The array may
 * move.  *array must be NULL or come from this function; free with memory_free(). */
bool memory_grow(void *array, size_t *capacity, size_t need, size_t size, Error *e);

char *memory_string(const char *text, Error *e); /* a copy */

/* a × b, or an error that says what was too large. */
bool memory_product(size_t a, size_t b, size_t *product, Error *e);

/* Bytes that grow at the end. */
typedef struct {
	uint8_t *data;
	size_t size, capacity;
} Buffer;

bool buffer_reserve(Buffer *b, size_t more, Error *e); /* room for `more` bytes past size */
bool buffer_append(Buffer *b, const void *data, size_t size, Error *e);
bool buffer_print(Buffer *b, Error *e, const char *format, ...) __attribute__((format(printf, 3, 4)));
void buffer_free(Buffer *b);

/* An arena hands out memory that is all given back at once by arena_reset();
 * it keeps its blocks, so that a second round allocates nothing. */
typedef struct ArenaBlock ArenaBlock;
typedef struct {
	ArenaBlock *first, *current;
} Arena;

void *arena_new(Arena *a, size_t count, size_t size, Error *e); /* undefined bytes, aligned to 64 */
void arena_reset(Arena *a);
void arena_free(Arena *a);

/* Where an arena stands; arena_rewind() gives back all that was taken since. */
typedef struct {
	ArenaBlock *block;
	size_t used;
} ArenaMark;

ArenaMark arena_mark(const Arena *a);
void arena_rewind(Arena *a, ArenaMark mark);

#endif
