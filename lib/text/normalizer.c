#include "text/normalizer.h"

#include "text/charsmap.h"
#include "text/expression.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

struct Normalizer {
	const NormalizeSteps *steps;
	Expression **expressions; /* by step; NULL: it has none */
	Charsmap *charsmaps;      /* by step */
};

bool normalize_steps_add(NormalizeSteps *steps, NormalizeKind kind, Text pattern, Text content, Error *e)
{
	if (!memory_grow(&steps->items, &steps->capacity, steps->count + 1, sizeof *steps->items, e))
		return false;
	NormalizeStep *s = &steps->items[steps->count++];
	*s = (NormalizeStep){.kind = kind};
	return buffer_append(&s->pattern, pattern.data, pattern.size, e) &&
	       buffer_append(&s->content, content.data, content.size, e);
}

void normalize_steps_free(NormalizeSteps *steps)
{
	for (size_t i = 0; i < steps->count; i++) {
		buffer_free(&steps->items[i].pattern);
		buffer_free(&steps->items[i].content);
	}
	memory_free(steps->items);
	*steps = (NormalizeSteps){0};
}

static Text text_in(const Buffer *b)
{
	return (Text){b->data ? (const char *)b->data : "", b->size};
}

static bool put(Buffer *out, Text text, Error *e)
{
	if (text.size > NORMALIZE_MOST - out->size)
		return fail(e, ERROR_FAILURE, "a text becomes longer than %d bytes when it is normalized",
		            NORMALIZE_MOST);
	return buffer_append(out, text.data, text.size, e);
}

static bool starts_with(Text text, Text with)
{
	return text.size >= with.size && memcmp(text.data, with.data, with.size) == 0;
}

/* The next character, or a byte that is none (with a code that is none either). */
static size_t next_character(Text text, size_t at, uint32_t *code)
{
	size_t length = utf8_decode(text.data + at, text.size - at, code);
	if (length == 0)
		*code = UINT32_MAX;
	return length ? length : 1;
}

/* --- Unicode's forms ---------------------------------------------------------- */

static bool put_form(utf8proc_option_t form, Text text, Buffer *out, Error *e)
{
	utf8proc_uint8_t *result;
	if (text.size == 0)
		return true;
	utf8proc_ssize_t size = utf8proc_map((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.size,
	                                     &result, UTF8PROC_STABLE | form);
	if (size < 0)
		return fail(e, ERROR_FAILURE, "cannot normalize a text: %s", utf8proc_errmsg(size));
	bool done = put(out, (Text){(const char *)result, (size_t)size}, e);
	free(result);
	return done;
}

/* Normalizes what lies between bytes that are no UTF-8. */
static bool run_form(utf8proc_option_t form, Text text, Buffer *out, Error *e)
{
	size_t start = 0;
	uint32_t code, all = 0;
	for (size_t i = 0, length; i < text.size; i += length) {
		length = next_character(text, i, &code);
		all |= code;
		if (code != UINT32_MAX)
			continue;
		if (!put_form(form, (Text){text.data + start, i - start}, out, e) ||
		    !put(out, (Text){text.data + i, 1}, e))
			return false;
		start = i + 1;
	}
	if (all < 0x80) /* ASCII has but one form */
		return put(out, text, e);
	return put_form(form, (Text){text.data + start, text.size - start}, out, e);
}

static bool run_lowercase(Text text, Buffer *out, Error *e)
{
	uint32_t code;
	for (size_t i = 0, length; i < text.size; i += length) {
		char letter[4];
		length = next_character(text, i, &code);
		Text lower = {text.data + i, length};
		if (code == 0x130) /* the only one that becomes two */
			lower = text_of("i\xcc\x87");
		else if (code != UINT32_MAX)
			lower = (Text){
			    letter, utf8_encode((uint32_t)utf8proc_tolower((utf8proc_int32_t)code), letter)};
		if (!put(out, lower, e))
			return false;
	}
	return true;
}

/* --- spaces ---------------------------------------------------------------------- */

static bool run_strip(bool left, Text text, Buffer *out, Error *e)
{
	size_t start = text.size, end = 0;
	uint32_t code;
	for (size_t i = 0, length; i < text.size; i += length) {
		length = next_character(text, i, &code);
		if (utf8_is_space(code))
			continue;
		start = i < start ? i : start;
		end = i + length;
	}
	return put(out, left ? (Text){text.data + start, text.size - start} : (Text){text.data, end}, e);
}

static bool run_squeeze(Text text, Buffer *out, Error *e)
{
	bool after_space = true;
	for (size_t i = 0; i < text.size; i++) {
		bool space = text.data[i] == ' ';
		if (!(space && after_space) && !put(out, (Text){text.data + i, 1}, e))
			return false;
		after_space = space;
	}
	for (;;) {
		if (out->size > 0 && out->data[out->size - 1] == ' ')
			out->size--;
		else if (out->size >= VISIBLE_SPACE_SIZE && memcmp(out->data + out->size - VISIBLE_SPACE_SIZE,
		                                                   VISIBLE_SPACE, VISIBLE_SPACE_SIZE) == 0)
			out->size -= VISIBLE_SPACE_SIZE;
		else
			return true;
	}
}

/* --- replacing ------------------------------------------------------------------- */

static bool run_replace(const NormalizeStep *s, Text text, Buffer *out, Error *e)
{
	const char *found;
	while ((found = memmem(text.data, text.size, s->pattern.data, s->pattern.size)) != NULL) {
		size_t before = (size_t)(found - text.data);
		if (!put(out, (Text){text.data, before}, e) || !put(out, text_in(&s->content), e))
			return false;
		text.data = found + s->pattern.size;
		text.size -= before + s->pattern.size;
	}
	return put(out, text, e);
}

static bool run_replace_match(const Expression *x, Text content, Text text, Buffer *out, Error *e)
{
	char *copy;
	Match m = {0};
	size_t at = 0;
	bool found = true, done = text_mend(text, &copy, e);
	Text mended = {copy ? copy : text.data, text.size};
	while (done && found && at < text.size) {
		size_t from = at;
		done = expression_find(x, mended, from, &m, &found, e);
		if (!done || !found)
			break;
		at = m.end;
		done = put(out, (Text){text.data + from, m.start - from}, e) && put(out, content, e);
	}
	match_free(&m);
	memory_free(copy);
	return done && put(out, (Text){text.data + at, text.size - at}, e);
}

static bool run_charsmap(const Charsmap *map, Text text, Buffer *out, Error *e)
{
	for (size_t i = 0; i < text.size;) {
		Text left = {text.data + i, text.size - i}, replacement;
		uint32_t code;
		size_t length = charsmap_find(map, left, &replacement);
		if (length == 0) {
			length = next_character(text, i, &code);
			replacement = (Text){left.data, length};
		}
		if (!put(out, replacement, e))
			return false;
		i += length;
	}
	return true;
}

/* --- all of it --------------------------------------------------------------------- */

static bool run_step(const Normalizer *n, size_t index, Text text, bool first, Buffer *out, Error *e)
{
	const NormalizeStep *s = &n->steps->items[index];
	Text content = text_in(&s->content);
	bool begins = starts_with(text, content);
	switch (s->kind) {
	case NORMALIZE_NFC:
		return run_form(UTF8PROC_COMPOSE, text, out, e);
	case NORMALIZE_NFD:
		return run_form(UTF8PROC_DECOMPOSE, text, out, e);
	case NORMALIZE_NFKC:
		return run_form(UTF8PROC_COMPOSE | UTF8PROC_COMPAT, text, out, e);
	case NORMALIZE_NFKD:
		return run_form(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, text, out, e);
	case NORMALIZE_LOWERCASE:
		return run_lowercase(text, out, e);
	case NORMALIZE_STRIP_LEFT:
	case NORMALIZE_STRIP_RIGHT:
		return run_strip(s->kind == NORMALIZE_STRIP_LEFT, text, out, e);
	case NORMALIZE_REPLACE:
		return run_replace(s, text, out, e);
	case NORMALIZE_REPLACE_MATCH:
		return run_replace_match(n->expressions[index], content, text, out, e);
	case NORMALIZE_PREPEND:
		return put(out, content, e) && put(out, text, e);
	case NORMALIZE_PREPEND_UNLESS:
		return (begins || put(out, content, e)) && put(out, text, e);
	case NORMALIZE_PREPEND_FIRST:
		return (begins || !first || put(out, content, e)) && put(out, text, e);
	case NORMALIZE_CHARSMAP:
		return run_charsmap(&n->charsmaps[index], text, out, e);
	case NORMALIZE_SQUEEZE:
		return run_squeeze(text, out, e);
	}
	return fail(e, ERROR_FAILURE, "an unknown way %d to normalize", (int)s->kind);
}

bool normalizer_run(const Normalizer *n, Text text, bool first, Buffer *out, Error *e)
{
	Buffer last = {0};
	out->size = 0;
	bool done = put(out, text, e);
	for (size_t i = 0; done && out->size > 0 && i < n->steps->count; i++) {
		Buffer before = *out;
		*out = last;
		last = before;
		out->size = 0;
		done = run_step(n, i, text_in(&last), first, out, e);
	}
	buffer_free(&last);
	return done;
}

static bool prepare(Normalizer *n, Error *e)
{
	size_t count = n->steps->count;
	n->expressions = memory_new(count, sizeof(Expression *), e);
	n->charsmaps = memory_new(count, sizeof *n->charsmaps, e);
	bool done = n->expressions != NULL && n->charsmaps != NULL;
	for (size_t i = 0; done && i < count; i++) {
		const NormalizeStep *s = &n->steps->items[i];
		if (s->kind == NORMALIZE_REPLACE_MATCH)
			done = (n->expressions[i] = expression_new((const char *)s->pattern.data, e)) != NULL;
		else if (s->kind == NORMALIZE_CHARSMAP)
			done = charsmap_open(text_in(&s->pattern), &n->charsmaps[i], e);
		else if (s->kind == NORMALIZE_REPLACE && s->pattern.size == 0)
			done = fail(e, ERROR_MALFORMED, "a normalizer replaces the empty text");
	}
	return done;
}

Normalizer *normalizer_new(const NormalizeSteps *steps, Error *e)
{
	Normalizer *n = memory_new(1, sizeof *n, e);
	if (n == NULL)
		return NULL;
	n->steps = steps;
	if (!prepare(n, e)) {
		normalizer_free(n);
		return NULL;
	}
	return n;
}

void normalizer_free(Normalizer *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; n->expressions != NULL && i < n->steps->count; i++)
		expression_free(n->expressions[i]);
	memory_free(n->expressions);
	memory_free(n->charsmaps);
	memory_free(n);
}
