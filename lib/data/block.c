#include "data/block.h"

#include <endian.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LOOK = 64 }; /* bytes that are looked at together */

static size_t count_byte(const char *data, size_t size, char c)
{
	size_t count = 0;
	for (size_t i = 0; i < size;) {
		size_t end = i + 255 < size ? i + 255 : size;
		uint8_t some = 0;
		for (; i < end; i++)
			some = (uint8_t)(some + (data[i] == c));
		count += some;
	}
	return count;
}

/* A bit for each byte of LOOK that is one of the two, the first byte's the lowest. */
#ifdef __SSE2__
static uint64_t find_two(const char *p, char one, char other)
{
	const __m128i ones = _mm_set1_epi8(one), others = _mm_set1_epi8(other);
	uint64_t mask = 0;
	for (size_t i = 0; i < LOOK; i += sizeof ones) {
		__m128i bytes;
		memcpy(&bytes, p + i, sizeof bytes);
		__m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, ones), _mm_cmpeq_epi8(bytes, others));
		mask |= (uint64_t)_mm_movemask_epi8(found) << i;
	}
	return mask;
}
#else
/* The top bit of each byte that is c. */
static uint64_t find_byte(uint64_t word, char c)
{
	const uint64_t low = 0x7f7f7f7f7f7f7f7fu;
	uint64_t x = word ^ 0x0101010101010101u * (uint8_t)c;
	return ~(((x & low) + low) | x | low);
}

static uint64_t find_two(const char *p, char one, char other)
{
	const uint64_t gather = 0x0002040810204081u;
	uint64_t mask = 0, word;
	for (size_t i = 0; i < LOOK; i += sizeof word) {
		memcpy(&word, p + i, sizeof word);
		word = le64toh(word);
		mask |= ((find_byte(word, one) | find_byte(word, other)) * gather >> 56) << i;
	}
	return mask;
}
#endif

/* Every separator and every LF; ends has room for `most`, and LOOK more that are written in
 * advance.  Returns how many there are, or more than `most`. */
static size_t find_ends(const RowBlock *b, char separator, size_t most)
{
	size_t count = 0, i = 0;
	for (; i + LOOK <= b->size && count <= most; i += LOOK) {
		uint64_t found = find_two(b->data + i, separator, '\n');
		for (uint32_t *end = b->ends + count; found != 0; end += 4) /* a branch for four of them */
			for (int k = 0; k < 4; k++, found &= found - 1) {
				end[k] = (uint32_t)i + (uint32_t)__builtin_ctzll(found | 1ull << 63);
				count += found != 0;
			}
	}
	for (; i < b->size && count <= most; i++)
		if (b->data[i] == separator || b->data[i] == '\n')
			b->ends[count++] = (uint32_t)i;
	return count;
}

/* Whether nothing in the bytes asks for a parser. */
static bool check_bytes(RowBlock *b, char separator, size_t lines)
{
	const char *p = b->data;
	uint8_t any = 0;
	if (memchr(p, '"', b->size) != NULL || memchr(p, '\0', b->size) != NULL)
		return false;
	b->blanks = (separator != ' ' && memchr(p, ' ', b->size) != NULL) ||
	            (separator != '\t' && memchr(p, '\t', b->size) != NULL);
	b->returns = memchr(p, '\r', b->size) != NULL;
	if (b->returns && count_byte(p, b->size, '\r') != lines)
		return false;
	for (size_t i = 0; i < b->size; i++)
		any |= (uint8_t)p[i];
	return any < 0x80 || text_is_utf8((Text){p, b->size});
}

/* Whether each row ends with the end of a line, and none before. */
static bool check_rows(const RowBlock *b, size_t count, size_t lines)
{
	if (count != lines * b->columns)
		return false;
	for (size_t i = b->columns - 1; i < count; i += b->columns) {
		uint32_t end = b->ends[i];
		if (b->data[end] != '\n' || (b->returns && (end == 0 || b->data[end - 1] != '\r')))
			return false;
	}
	return true;
}

bool block_split(RowBlock *b, char separator, bool *simple, Error *e)
{
	size_t lines = count_byte(b->data, b->size, '\n'), most = lines * b->columns;
	*simple = false;
	if (separator == '\r' || b->size > UINT32_MAX || !check_bytes(b, separator, lines))
		return true;
	if (!memory_grow(&b->ends, &b->ends_capacity, most + LOOK, sizeof *b->ends, e))
		return false;
	*simple = check_rows(b, find_ends(b, separator, most), lines);
	b->rows = *simple ? lines : 0;
	return true;
}

void block_free(RowBlock *b)
{
	memory_free(b->ends);
	*b = (RowBlock){0};
}
