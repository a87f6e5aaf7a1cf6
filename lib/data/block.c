#include "data/block.h"

#include <endian.h>
#include <string.h>

/* The top bit of each byte that is c; `repeated` is c in every byte. */
static uint64_t find_byte(uint64_t word, uint64_t repeated)
{
	const uint64_t low = 0x7f7f7f7f7f7f7f7fu;
	uint64_t x = word ^ repeated;
	return ~(((x & low) + low) | x | low);
}

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

/* Every separator and every LF; ends has room for `most`, and 8 more that are written in
 * advance.  Returns how many there are, or more than `most`. */
static size_t find_ends(const RowBlock *b, char separator, size_t most)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t separators = ones * (uint8_t)separator, feeds = ones * '\n', word;
	size_t count = 0, i = 0;
	for (; i + sizeof word <= b->size && count <= most; i += sizeof word) {
		memcpy(&word, b->data + i, sizeof word);
		word = le64toh(word);
		uint64_t found = find_byte(word, separators) | find_byte(word, feeds);
		uint32_t *end = b->ends + count;
		count += (size_t)((found >> 7) * ones >> 56);
		for (int k = 0; k < 2; k++, found &= found - 1) /* mostly no more: without a branch */
			end[k] = (uint32_t)i + (uint32_t)__builtin_ctzll(found | 1ull << 63) / 8;
		for (end += 2; found != 0; found &= found - 1)
			*end++ = (uint32_t)i + (uint32_t)__builtin_ctzll(found) / 8;
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
	if (!memory_grow(&b->ends, &b->ends_capacity, most + 16, sizeof *b->ends, e))
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
