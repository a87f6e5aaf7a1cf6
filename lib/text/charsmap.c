#include "text/charsmap.h"

#include <string.h>

static uint32_t read_u32(const char *p)
{
	const uint8_t *b = (const uint8_t *)p;
	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

bool charsmap_open(Text table, Charsmap *map, Error *e)
{
	uint32_t size = table.size >= 4 ? read_u32(table.data) : 0;
	if (size == 0 || size % 4 != 0 || size > table.size - 4)
		return fail(e, ERROR_MALFORMED, "a precompiled_charsmap of %zu bytes is cut short or is none",
		            table.size);
	map->units = (Text){table.data + 4, size};
	map->strings = (Text){table.data + 4 + size, table.size - 4 - size};
	return true;
}

static bool unit_at(const Charsmap *map, uint32_t index, uint32_t *unit)
{
	if (index >= map->units.size / 4)
		return false;
	*unit = read_u32(map->units.data + (size_t)index * 4);
	return true;
}

/* How far a node's children lie away: 21 bits, and one that scales them by 256. */
static uint32_t offset(uint32_t unit)
{
	return (unit >> 10) << ((unit & 0x200) >> 6);
}

static bool has_leaf(uint32_t unit)
{
	return (unit & 0x100) != 0;
}

static uint32_t label(uint32_t unit)
{
	return unit & 0x800000ff; /* a leaf's high bit is set: it is no byte's label */
}

static bool string_at(const Charsmap *map, uint32_t leaf, Text *string)
{
	size_t start = leaf & 0x7fffffff;
	if (start >= map->strings.size)
		return false;
	const char *end = memchr(map->strings.data + start, '\0', map->strings.size - start);
	if (end == NULL)
		return false;
	*string = (Text){map->strings.data + start, (size_t)(end - map->strings.data) - start};
	return true;
}

size_t charsmap_find(const Charsmap *map, Text text, Text *replacement)
{
	uint32_t node = 0, unit, leaf;
	size_t length = 0;
	if (!unit_at(map, node, &unit))
		return 0;
	node ^= offset(unit);
	for (size_t i = 0; i < text.size; i++) {
		node ^= (uint8_t)text.data[i];
		if (!unit_at(map, node, &unit) || label(unit) != (uint8_t)text.data[i])
			break;
		node ^= offset(unit);
		if (has_leaf(unit) && unit_at(map, node, &leaf) && string_at(map, leaf, replacement))
			length = i + 1;
	}
	return length;
}
