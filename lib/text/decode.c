#include "text/tokenizer_parts.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

static bool decode_alphabet(Text token, Buffer *out, Error *e)
{
	for (size_t i = 0, length; i < token.size; i += length) {
		uint32_t code = 0;
		length = utf8_decode(token.data + i, token.size - i, &code);
		int byte = length ? alphabet_to_byte(code) : -1;
		char letter = (char)byte;
		length = length ? length : 1;
		if (!(byte >= 0 ? buffer_append(out, &letter, 1, e)
		                : buffer_append(out, token.data + i, length, e)))
			return false;
	}
	return true;
}

/* first: the space that encoding has put in front is taken away. */
static bool decode_spaces(Text token, bool first, Buffer *out, Error *e)
{
	while (token.size > 0) {
		bool space = token.size >= VISIBLE_SPACE_SIZE &&
		             memcmp(token.data, VISIBLE_SPACE, VISIBLE_SPACE_SIZE) == 0;
		size_t length = space ? (size_t)VISIBLE_SPACE_SIZE : 1;
		if (!(space && first) && !buffer_append(out, space ? " " : token.data, 1, e))
			return false;
		first = false;
		token.data += length;
		token.size -= length;
	}
	return true;
}

static bool decode_byte(Text token, Buffer *out, Error *e)
{
	char digits[3] = "", *end = digits;
	if (token.size == 6 && memcmp(token.data, "<0x", 3) == 0)
		memcpy(digits, token.data + 3, 2);
	uint8_t byte = (uint8_t)strtoul(digits, &end, 16);
	if (end != digits + 2)
		return fail(e, ERROR_MALFORMED, "'%.*s' is no byte token",
		            (int)(token.size < 255 ? token.size : 255), token.data);
	return buffer_append(out, &byte, 1, e);
}

/* Whether encoding put a space in front of what follows the token. */
static bool begins_anew(const Tokenizer *t, int32_t id)
{
	const TokenizerModel *m = &t->model;
	int32_t type = token_type(t, id);
	return !m->prefix_once && (type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED) &&
	       (m->added == NULL || !(m->added[id] & ADDED_NORMALIZED));
}

static bool decode_token(const Tokenizer *t, int32_t id, bool first, Buffer *out, Error *e)
{
	Text token = strings_at(&t->model.tokens, (size_t)id);
	int32_t type = token_type(t, id);
	if (type == TOKEN_CONTROL)
		return true;
	if (type == TOKEN_UNKNOWN)
		return buffer_append(out, "\xef\xbf\xbd", 3, e);
	if (type == TOKEN_USER_DEFINED)
		return buffer_append(out, token.data, token.size, e);
	if (t->model.kind == TOKENIZER_BPE)
		return decode_alphabet(token, out, e);
	return type == TOKEN_BYTE ? decode_byte(token, out, e) : decode_spaces(token, first, out, e);
}

bool tokenizer_decode_next(const Tokenizer *t, int32_t last, int32_t id, Buffer *out, Error *e)
{
	bool prefix = t->model.kind != TOKENIZER_BPE && t->model.add_space_prefix;
	if (id < 0 || (size_t)id >= tokenizer_size(t))
		return fail(e, ERROR_MALFORMED, "token %d is not among the %zu tokens", id,
		            tokenizer_size(t));
	return decode_token(t, id, prefix && (last == TOKEN_NONE || begins_anew(t, last)), out, e);
}

bool tokenizer_decode(const Tokenizer *t, const int32_t *ids, size_t count, Buffer *out, Error *e)
{
	for (size_t i = 0; i < count; i++)
		if (!tokenizer_decode_next(t, i > 0 ? ids[i - 1] : TOKEN_NONE, ids[i], out, e))
			return false;
	return true;
}
