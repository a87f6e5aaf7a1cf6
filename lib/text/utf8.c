#include "text/utf8.h"

bool utf8_is_space(uint32_t code)
{
	return (code >= 9 && code <= 13) || code == 0x20 || code == 0x85 || code == 0xa0 || code == 0x1680 ||
	       (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
	       code == 0x205f || code == 0x3000;
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
