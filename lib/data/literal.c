#include "data/literal.h"

#include "data/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	const char *start, *at, *end;
	size_t depth;
	Buffer text; /* of the string at hand */
	Error *e;
} Reader;

static bool wrong(Reader *l, const char *at, const char *what)
{
	size_t column = 1;
	for (const char *p = l->start; p < at; p++)
		column += ((uint8_t)*p & 0xc0) != 0x80; /* characters, not bytes */
	return fail(l->e, ERROR_MALFORMED, "column %zu: %s", column, what);
}

static json_t *refuse(Reader *l, const char *at, const char *what)
{
	wrong(l, at, what);
	return NULL;
}

/* The value that was made, unless there was no room for it. */
static json_t *made(Reader *l, json_t *value)
{
	if (value == NULL)
		fail(l->e, ERROR_FAILURE, "out of memory: no room for a value");
	return value;
}

/* Gives up a list or a dict; if nothing was wrong with its text, there was no room. */
static json_t *give_up(Reader *l, json_t *unfinished)
{
	json_decref(unfinished);
	return made(l, NULL);
}

/* The next character that is no blank; NUL at the end. */
static char peek(Reader *l)
{
	while (l->at < l->end && strchr(" \t\r\n", *l->at) != NULL && *l->at != '\0')
		l->at++;
	return l->at < l->end ? *l->at : '\0';
}

/* Strings */

/* `digits` of the base 16 at `at`. */
static bool read_hex(const Reader *l, const char *at, size_t digits, uint32_t *value)
{
	*value = 0;
	for (const char *end = at + digits; at < end; at++) {
		const char *digit = at < l->end && *at != '\0' ? strchr("0123456789abcdefABCDEF", *at) : NULL;
		if (digit == NULL)
			return false;
		*value = *value << 4 | (uint32_t)((*at & 0xf) + (*at > '9' ? 9 : 0));
	}
	return true;
}

/* A backslash, that letter, and hexadecimal digits. */
static bool read_code(const Reader *l, const char *at, char letter, size_t digits, uint32_t *code)
{
	return l->end - at >= 2 && at[0] == '\\' && at[1] == letter && read_hex(l, at + 2, digits, code);
}

static bool append_code(Reader *l, uint32_t code, size_t width)
{
	char bytes[4];
	if (code == 0)
		return wrong(l, l->at, "a NUL character");
	if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return wrong(l, l->at, "an escape that is no character");
	l->at += width;
	return buffer_append(&l->text, bytes, utf8_encode(code, bytes), l->e);
}

/* \xHH in a string without u.  Python 2 has bytes there, and writes UTF-8 so, byte by byte; Python 3
 * has characters, but of those above \x7f writes only \x80 to \xa0 and \xad so, with which no
 * sequence of UTF-8 begins.  Hence what is a whole sequence is one, and all else a character. */
static bool append_bytes(Reader *l)
{
	enum { WIDTH = 4, LONGEST = 4 };
	char bytes[LONGEST];
	uint32_t byte, code = 0;
	size_t count = 0;
	for (; count < LONGEST && read_code(l, l->at + count * WIDTH, 'x', 2, &byte); count++)
		bytes[count] = (char)byte;
	size_t length = utf8_decode(bytes, count, &code);
	return length > 0 ? append_code(l, code, length * WIDTH) : append_code(l, (uint8_t)*bytes, WIDTH);
}

static bool append_escape(Reader *l, bool unicode)
{
	static const char letters[] = "\\'\"nrtabfv", characters[] = "\\'\"\n\r\t\a\b\f\v";
	const char *letter = l->end - l->at >= 2 && l->at[1] != '\0' ? strchr(letters, l->at[1]) : NULL;
	uint32_t code, low;
	if (letter != NULL)
		return append_code(l, (uint8_t)characters[letter - letters], 2);
	if (read_code(l, l->at, 'x', 2, &code))
		return unicode ? append_code(l, code, 4) : append_bytes(l);
	if (read_code(l, l->at, 'U', 8, &code))
		return append_code(l, code, 10);
	if (!read_code(l, l->at, 'u', 4, &code))
		return wrong(l, l->at, "an escape that is not known");
	if (code >= 0xd800 && code < 0xdc00 && read_code(l, l->at + 6, 'u', 4, &low) && low >= 0xdc00 &&
	    low < 0xe000) /* a pair of surrogates */
		return append_code(l, 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff)), 12);
	return append_code(l, code, 6);
}

static bool append_plain(Reader *l, char quote)
{
	const char *from = l->at;
	while (l->at < l->end && *l->at != quote && *l->at != '\\')
		l->at++;
	return buffer_append(&l->text, from, (size_t)(l->at - from), l->e);
}

static json_t *read_string(Reader *l)
{
	const char *start = l->at;
	bool unicode = *l->at == 'u' || *l->at == 'U';
	l->at += unicode;
	char quote = *l->at++;
	l->text.size = 0;
	while (l->at < l->end && *l->at != quote)
		if (*l->at == '\\' ? !append_escape(l, unicode) : !append_plain(l, quote))
			return NULL;
	if (l->at++ >= l->end)
		return refuse(l, start, "a string that is not closed");
	Text text = {l->text.size ? (const char *)l->text.data : "", l->text.size};
	if (!text_is_utf8(text))
		return refuse(l, start, "a string that is not UTF-8");
	return made(l, json_stringn(text.data, text.size));
}

/* Whether a string begins: a quote, with u before it or without. */
static bool at_string(const Reader *l, char first)
{
	bool prefix = (first == 'u' || first == 'U') && l->end - l->at >= 2;
	char quote = prefix ? l->at[1] : first;
	return quote == '\'' || quote == '"';
}

/* Words and numbers */

/* What could be one word or one number, which is taken off. */
static Text take_token(Reader *l)
{
	const char *from = l->at;
	for (char before = 'e'; l->at < l->end; before = *l->at++) {
		bool sign = (*l->at == '+' || *l->at == '-') && (before == 'e' || before == 'E');
		bool letter = (*l->at >= 'a' && *l->at <= 'z') || (*l->at >= 'A' && *l->at <= 'Z');
		bool digit = *l->at >= '0' && *l->at <= '9';
		if (!sign && !letter && !digit && *l->at != '_' && *l->at != '.')
			break;
	}
	return (Text){from, (size_t)(l->at - from)};
}

static json_t *read_integer(Reader *l, const char *from, const char *digits)
{
	size_t sign = *digits == '-' || *digits == '+';
	if (digits[sign] == '0' && digits[sign + 1] != '\0')
		return refuse(l, from, "a number that begins with 0");
	errno = 0;
	long long value = strtoll(digits, NULL, 10);
	return errno == ERANGE ? refuse(l, from, "a number that is too large") : made(l, json_integer(value));
}

static json_t *read_real(Reader *l, const char *from, const char *digits)
{
	double value = strtod(digits, NULL);
	return isfinite(value) ? made(l, json_real(value)) : refuse(l, from, "a number that is too large");
}

/* A number is of the C library's grammar, too, in which it reads to the NUL behind the copy. */
static json_t *read_number(Reader *l, Text token)
{
	char digits[64];
	bool real = memchr(token.data, '.', token.size) != NULL || memchr(token.data, 'e', token.size) ||
	            memchr(token.data, 'E', token.size);
	Text number = token;
	number.size -= !real && (token.data[token.size - 1] == 'L' || token.data[token.size - 1] == 'l');
	if (!scalar_is_number(number))
		return refuse(l, token.data, "no value that is known");
	if (number.size >= sizeof digits)
		return refuse(l, token.data, "a number of more digits than can be kept");
	memcpy(digits, number.data, number.size);
	digits[number.size] = '\0';
	return real ? read_real(l, token.data, digits) : read_integer(l, token.data, digits);
}

static json_t *read_token(Reader *l)
{
	Text token = take_token(l);
	if (text_is(token, "None"))
		return json_null();
	if (text_is(token, "True"))
		return json_true();
	if (text_is(token, "False"))
		return json_false();
	if (token.size == 0)
		return refuse(l, token.data,
		              token.data < l->end ? "no value that is known" : "the end too early");
	return read_number(l, token);
}

/* Lists and dicts */

static json_t *read_value(Reader *l);

/* Behind an element: a comma, or the bracket that closes, which stays. */
static bool read_comma(Reader *l, char closing, const char *missing)
{
	char next = peek(l);
	l->at += next == ',';
	return next == ',' || next == closing || wrong(l, l->at, missing);
}

static json_t *read_list(Reader *l)
{
	json_t *list = json_array();
	l->at++;
	while (peek(l) != ']')
		if (json_array_append_new(list, read_value(l)) != 0 || !read_comma(l, ']', "no , or ] here"))
			return give_up(l, list);
	l->at++;
	return made(l, list);
}

/* key: value */
static bool read_entry(Reader *l, json_t *dict)
{
	if (!at_string(l, peek(l)))
		return wrong(l, l->at, "no string for a key");
	json_t *key = read_string(l);
	bool done = key != NULL && (peek(l) == ':' || wrong(l, l->at, "no : behind the key"));
	l->at += done;
	done = done && json_object_set_new(dict, json_string_value(key), read_value(l)) == 0;
	json_decref(key);
	return done;
}

static json_t *read_dict(Reader *l)
{
	json_t *dict = json_object();
	l->at++;
	while (peek(l) != '}')
		if (!read_entry(l, dict) || !read_comma(l, '}', "no , or } here"))
			return give_up(l, dict);
	l->at++;
	return made(l, dict);
}

static json_t *read_value(Reader *l)
{
	char first = peek(l);
	if (at_string(l, first))
		return read_string(l);
	if (first != '{' && first != '[')
		return read_token(l);
	if (l->depth == LITERAL_DEPTH_MAX)
		return refuse(l, l->at, "too many brackets in brackets");
	l->depth++;
	json_t *value = first == '[' ? read_list(l) : read_dict(l);
	l->depth--;
	return value;
}

json_t *literal_read(Text text, Error *e)
{
	Reader l = {.start = text.data, .at = text.data, .end = text.data + text.size, .e = e};
	json_t *value = read_value(&l);
	if (value != NULL && (peek(&l) != '\0' || l.at < l.end)) {
		wrong(&l, l.at, "more behind the value");
		json_decref(value);
		value = NULL;
	}
	buffer_free(&l.text);
	return value;
}
