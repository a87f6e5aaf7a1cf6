#include "text/expression.h"

#include <string.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define WORD "\\p{L}\\p{M}\\p{Nd}\\p{Pc}"

struct Expression {
	pcre2_code *code;
};

/* --- from Oniguruma's language --------------------------------------------- */

typedef struct {
	Text text;
	size_t at;
	bool in_class;
	Buffer *out;
} Translation;

static int peek(const Translation *t, size_t ahead)
{
	return t->text.size - t->at > ahead ? (uint8_t)t->text.data[t->at + ahead] : -1;
}

static bool put(Translation *t, const char *text, size_t skip, Error *e)
{
	t->at += skip;
	return buffer_append(t->out, text, strlen(text), e);
}

static bool copy(Translation *t, size_t count, Error *e)
{
	t->at += count;
	return buffer_append(t->out, t->text.data + t->at - count, count, e);
}

static bool refuse(const Translation *t, size_t length, Error *e)
{
	size_t left = t->text.size - t->at;
	return fail(e, ERROR_MALFORMED, "'%.*s' in a regular expression is not supported",
	            (int)(length < left ? length : left), t->text.data + t->at);
}

static bool translate_code(Translation *t, Error *e)
{
	char code[16] = "\\x{";
	if (t->text.size - t->at < 6)
		return refuse(t, 6, e);
	memcpy(code + 3, t->text.data + t->at + 2, 4);
	if (strspn(code + 3, "0123456789abcdefABCDEF") != 4)
		return refuse(t, 6, e);
	return put(t, strcat(code, "}"), 6, e);
}

static bool translate_escape(Translation *t, Error *e)
{
	int letter = peek(t, 1);
	bool in_class = t->in_class;
	if (letter == 's')
		return put(t, in_class ? EXPRESSION_SPACE : "[" EXPRESSION_SPACE "]", 2, e);
	if (letter == 'S')
		return put(t, in_class ? "\\S\\x{180e}" : "[^" EXPRESSION_SPACE "]", 2, e);
	if (letter == 'w')
		return put(t, in_class ? WORD : "[" WORD "]", 2, e);
	if (letter == 'W' && !in_class)
		return put(t, "[^" WORD "]", 2, e);
	if (letter == 'v')
		return put(t, "\\x0b", 2, e);
	if (letter == 'u')
		return translate_code(t, e);
	bool letters = (letter | 32) >= 'a' && (letter | 32) <= 'z', digits = letter >= '0' && letter <= '9';
	if (letter < 0 || digits || (letters && strchr("dDpPnrtfaexAz", letter) == NULL))
		return refuse(t, 2, e);
	size_t count = 2;
	if (strchr("pPx", letter) != NULL && peek(t, 2) == '{')
		while (peek(t, count) >= 0 && peek(t, count - 1) != '}')
			count++;
	return copy(t, count, e);
}

static bool open_class(Translation *t, Error *e)
{
	t->in_class = true;
	size_t count = peek(t, 1) == '^' ? 2 : 1;
	return copy(t, count + (peek(t, count) == ']'), e);
}

/* "(?" and what follows: Ruby's flag m, that a dot matches all, is s elsewhere. */
static bool translate_group(Translation *t, Error *e)
{
	if (!copy(t, 2, e))
		return false;
	for (int c; (c = peek(t, 0)) >= 0 && strchr("imx-", c) != NULL;)
		if (!(c == 'm' ? put(t, "s", 1, e) : copy(t, 1, e)))
			return false;
	return peek(t, 0) >= 0 && strchr(":)=!><", peek(t, 0)) != NULL ? copy(t, 1, e) : refuse(t, 1, e);
}

static bool translate_next(Translation *t, Error *e)
{
	int c = peek(t, 0), next = peek(t, 1);
	if (c == 0)
		return fail(e, ERROR_MALFORMED, "a NUL byte in a regular expression is not supported");
	if (c == '\\')
		return translate_escape(t, e);
	if (t->in_class) {
		if ((c == '[' && next != ':') || (c == '&' && next == '&'))
			return refuse(t, 2, e);
		size_t end = 2;
		while (c == '[' && peek(t, end) >= 0 && peek(t, end - 1) != ']')
			end++;
		t->in_class = c != ']';
		return copy(t, c == '[' ? end : 1, e);
	}
	if (c == '[')
		return open_class(t, e);
	if (c == '(' && next == '?')
		return translate_group(t, e);
	if ((c == '(' && next == '*') || (c == '}' && next == '+')) /* verbs; there, not possessive */
		return refuse(t, 2, e);
	return copy(t, 1, e);
}

bool expression_translate(Text expression, Buffer *out, Error *e)
{
	Translation t = {.text = expression, .out = out};
	while (t.at < t.text.size)
		if (!translate_next(&t, e))
			return false;
	return buffer_append(out, "", 1, e);
}

bool expression_quote(Text text, Buffer *out, Error *e)
{
	for (size_t i = 0; i < text.size; i++) {
		unsigned byte = (uint8_t)text.data[i];
		if (!(byte < 0x80 ? buffer_print(out, e, "\\x{%x}", byte)
		                  : buffer_append(out, text.data + i, 1, e)))
			return false;
	}
	return buffer_append(out, "", 1, e);
}

/* --- searching --------------------------------------------------------------- */

static bool fail_pcre(Error *e, int code, int number)
{
	char text[120];
	pcre2_get_error_message(number, (PCRE2_UCHAR *)text, sizeof text);
	return fail(e, code, "cannot cut text into words: %s", text);
}

Expression *expression_new(const char *expression, Error *e)
{
	int number;
	PCRE2_SIZE where;
	Expression *x = memory_new(1, sizeof *x, e);
	if (x == NULL)
		return NULL;
	x->code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
	                        PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &number,
	                        &where, NULL);
	if (x->code == NULL) {
		fail_pcre(e, ERROR_MALFORMED, number);
		fail_in(e, "regular expression '%.200s'", expression);
		memory_free(x);
		return NULL;
	}
	(void)pcre2_jit_compile(x->code, PCRE2_JIT_COMPLETE); /* without it, the same but slower */
	return x;
}

void expression_free(Expression *x)
{
	if (x == NULL)
		return;
	pcre2_code_free(x->code);
	memory_free(x);
}

bool expression_find(const Expression *x, Text text, size_t from, Match *m, bool *found, Error *e)
{
	const uint32_t options = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
	if (m->memory == NULL && (m->memory = pcre2_match_data_create(1, NULL)) == NULL)
		return fail(e, ERROR_FAILURE, "out of memory");
	PCRE2_SPTR subject = (PCRE2_SPTR)(text.data ? text.data : "");
	int result = pcre2_match(x->code, subject, text.size, from, options, m->memory, NULL);
	if (result == PCRE2_ERROR_JIT_STACKLIMIT)
		result =
		    pcre2_match(x->code, subject, text.size, from, options | PCRE2_NO_JIT, m->memory, NULL);
	*found = result >= 0;
	if (result < 0)
		return result == PCRE2_ERROR_NOMATCH || fail_pcre(e, ERROR_FAILURE, result);
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(m->memory);
	m->start = ends[0];
	m->end = ends[1];
	return m->start < m->end || fail(e, ERROR_MALFORMED, "a regular expression matches backwards");
}

void match_free(Match *m)
{
	pcre2_match_data_free(m->memory);
	*m = (Match){0};
}

bool text_mend(Text text, char **copy_out, Error *e)
{
	*copy_out = NULL;
	for (size_t i = 0, length; i < text.size; i += length) {
		uint32_t code;
		length = utf8_decode(text.data + i, text.size - i, &code);
		if (length > 0)
			continue;
		if (*copy_out == NULL) {
			if ((*copy_out = memory_new(text.size, 1, e)) == NULL)
				return false;
			memcpy(*copy_out, text.data, text.size);
		}
		(*copy_out)[i] = 1;
		length = 1;
	}
	return true;
}
