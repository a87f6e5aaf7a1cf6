#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	ALIGNMENT = 64,
	ARENA_BLOCK = 1 << 20, /* the first block's size; each further one is twice the last … */
	ARENA_BLOCK_MOST = 32 << 20,
	PAGE = 4096,
	HUGE_PAGE = 2 << 20,
	HUGE = 2 * HUGE_PAGE /* from this size on, memory is asked for in huge pages */
};

static size_t round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

bool memory_product(size_t a, size_t b, size_t *product, Error *e)
{
	if (__builtin_mul_overflow(a, b, product) || *product > PTRDIFF_MAX - (size_t)HUGE_PAGE)
		return fail(e, ERROR_FAILURE, "%zu × %zu bytes are more than a program can hold", a, b);
	return true;
}

/* Much memory is asked for in huge pages, where there are any: to be given many small ones can take
 * longer than the work on them. */
static void advise_huge(void *p, size_t bytes)
{
#ifdef MADV_HUGEPAGE
	uintptr_t start = ((uintptr_t)p + PAGE - 1) / PAGE * PAGE, end = ((uintptr_t)p + bytes) / PAGE * PAGE;
	if (bytes >= HUGE)
		(void)madvise((void *)start, end - start, MADV_HUGEPAGE); /* advice: it may fail */
#endif
}

static void *allocate(size_t count, size_t size, Error *e)
{
	size_t bytes;
	if (!memory_product(count, size, &bytes, e))
		return NULL;
	size_t alignment = bytes < HUGE ? ALIGNMENT : HUGE_PAGE;
	void *p = aligned_alloc(alignment, round_up(bytes ? bytes : 1, alignment));
	if (p == NULL)
		fail(e, ERROR_FAILURE, "out of memory: no room for %zu bytes", bytes);
	else
		advise_huge(p, bytes);
	return p;
}

void *memory_new(size_t count, size_t size, Error *e)
{
	void *p = allocate(count, size, e);
	if (p != NULL)
		memset(p, 0, count * size);
	return p;
}

void memory_free(void *p)
{
	free(p);
}

void *memory_lazy(size_t count, size_t size, Error *e)
{
	size_t bytes;
	if (!memory_product(count, size, &bytes, e))
		return NULL;
	void *p = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		fail(e, ERROR_FAILURE, "out of memory: no room for %zu bytes", bytes);
		return NULL;
	}
#ifdef MADV_NOHUGEPAGE
	(void)madvise(p, bytes, MADV_NOHUGEPAGE); /* advice: it may fail */
#endif
	return p;
}

void memory_lazy_free(void *p, size_t count, size_t size)
{
	size_t bytes = count * size;
	if (p != NULL)
		(void)munmap(p, bytes ? bytes : 1); /* nothing can be done about it */
}

bool memory_grow(void *array, size_t *capacity, size_t need, size_t size, Error *e)
{
	if (need <= *capacity)
		return true;
	size_t count = *capacity < 8 ? 8 : *capacity;
	while (count < need)
		count = count > SIZE_MAX / 2 ? need : count * 2;
	size_t bytes;
	if (!memory_product(count, size, &bytes, e))
		return false;
	void *old;
	memcpy(&old, array, sizeof old);
	void *p = realloc(old, bytes);
	if (p == NULL)
		return fail(e, ERROR_FAILURE, "out of memory: no room for %zu bytes", bytes);
	advise_huge(p, bytes);
	memcpy(array, &p, sizeof p);
	*capacity = count;
	return true;
}

char *memory_string(const char *text, Error *e)
{
	size_t bytes = strlen(text) + 1;
	char *copy = allocate(bytes, 1, e);
	return copy ? memcpy(copy, text, bytes) : NULL;
}

bool buffer_reserve(Buffer *b, size_t more, Error *e)
{
	if (more > SIZE_MAX - b->size)
		return fail(e, ERROR_FAILURE, "out of memory: no room for %zu more bytes", more);
	return memory_grow(&b->data, &b->capacity, b->size + more, 1, e);
}

bool buffer_append(Buffer *b, const void *data, size_t size, Error *e)
{
	if (!buffer_reserve(b, size, e))
		return false;
	if (size > 0)
		memcpy(b->data + b->size, data, size);
	b->size += size;
	return true;
}

bool buffer_print(Buffer *b, Error *e, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	bool done = length >= 0 && buffer_reserve(b, (size_t)length + 1, e);
	if (done) {
		vsnprintf((char *)b->data + b->size, (size_t)length + 1, format, again);
		b->size += (size_t)length;
	}
	va_end(again);
	va_end(arguments);
	return done;
}

void buffer_free(Buffer *b)
{
	free(b->data);
	*b = (Buffer){0};
}

struct ArenaBlock {
	ArenaBlock *next;
	size_t used, capacity;
	_Alignas(ALIGNMENT) unsigned char data[];
};

static ArenaBlock *arena_block(size_t bytes, const ArenaBlock *last, Error *e)
{
	size_t size = last ? 2 * (sizeof *last + last->capacity) : ARENA_BLOCK;
	size = size > ARENA_BLOCK_MOST ? ARENA_BLOCK_MOST : size;
	size = bytes > size - sizeof *last ? bytes + sizeof *last : size;
	ArenaBlock *block = allocate(1, size, e);
	if (block != NULL)
		*block = (ArenaBlock){.capacity = size - sizeof *block};
	return block;
}

void *arena_new(Arena *a, size_t count, size_t size, Error *e)
{
	size_t bytes;
	if (!memory_product(count, size, &bytes, e))
		return NULL;
	bytes = round_up(bytes, ALIGNMENT);
	ArenaBlock **link = a->current ? &a->current : &a->first;
	while (*link != NULL && (*link)->capacity - (*link)->used < bytes)
		link = &(*link)->next;
	if (*link == NULL && (*link = arena_block(bytes, a->current, e)) == NULL)
		return NULL;
	a->current = *link;
	void *p = a->current->data + a->current->used;
	a->current->used += bytes;
	return p;
}

ArenaMark arena_mark(const Arena *a)
{
	return (ArenaMark){a->current, a->current ? a->current->used : 0};
}

void arena_rewind(Arena *a, ArenaMark mark)
{
	ArenaBlock *block = mark.block ? mark.block->next : a->first;
	for (; block != NULL; block = block->next)
		block->used = 0;
	if (mark.block != NULL)
		mark.block->used = mark.used;
	a->current = mark.block ? mark.block : a->first;
}

void arena_reset(Arena *a)
{
	arena_rewind(a, (ArenaMark){0});
}

void arena_free(Arena *a)
{
	for (ArenaBlock *block = a->first, *next; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	*a = (Arena){0};
}
