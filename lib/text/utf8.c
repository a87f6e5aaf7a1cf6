#include "text/utf8.h"

#include <stdbool.h>

size_t utf8_decode(const char *p, size_t left, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t first = (uint8_t)*p;
	size_t length = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (length == 0 || length > left || first > 0xf4)
		return 0;
	uint32_t value = length == 1 ? first : first & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if (((uint8_t)p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | ((uint8_t)p[i] & 0x3f);
	}
	if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	*code = value;
	return length;
}

size_t utf8_encode(uint32_t code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = length - 1; i > 0; i--, code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)((0xf00u >> length & 0xff) | code);
	return length;
}

static bool prints(uint32_t code)
{
	return (code > 32 && code < 127) || (code > 160 && code < 256 && code != 173);
}

/* The bytes that do not print are 0 … 32, 127 … 160 and 173. */
uint32_t alphabet_of_byte(uint8_t byte)
{
	if (prints(byte))
		return byte;
	return 256 + (byte <= 32 ? byte : byte <= 160 ? byte - 127u + 33 : 67u);
}

int alphabet_to_byte(uint32_t code)
{
	if (code < 256)
		return prints(code) ? (int)code : -1;
	uint32_t place = code - 256;
	if (place > 67)
		return -1;
	return (int)(place <= 32 ? place : place < 67 ? place - 33 + 127 : 173);
}
