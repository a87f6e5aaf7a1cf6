#include "text/tokenizer_parts.h"
#include "text/utf8.h"

#include <string.h>
#include <utf8proc.h>

static bool append(Fragments *f, Text text, int32_t id, Error *e)
{
	if (text.size == 0)
		return true;
	if (!memory_grow(&f->next, &f->next_capacity, f->next_count + 1, sizeof *f->next, e))
		return false;
	f->next[f->next_count++] = (Fragment){text, id};
	return true;
}

static void turn_over(Fragments *f)
{
	Fragments last = *f;
	*f = (Fragments){last.next, last.items, last.next_count, last.next_capacity, 0, last.capacity};
}

/* The character before `at`; the length of its sequence, 0 where there is none. */
static size_t character_before(Text text, size_t at, uint32_t *code)
{
	for (size_t length = 1; length <= 4 && length <= at; length++)
		if (utf8_decode(text.data + at - length, length, code) == length)
			return length;
	return 0;
}

static size_t character_at(Text text, size_t at, uint32_t *code)
{
	return at < text.size ? utf8_decode(text.data + at, text.size - at, code) : 0;
}

static bool is_word(uint32_t code)
{
	utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
	return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_ND) || c == UTF8PROC_CATEGORY_PC;
}

static bool within_word(Text text, size_t start, size_t end)
{
	uint32_t code;
	return (character_before(text, start, &code) > 0 && is_word(code)) ||
	       (character_at(text, end, &code) > 0 && is_word(code));
}

/* The next place in a text at or behind `from` where the token stands alone, if it must. */
static bool find(Text text, Text spelling, unsigned added, size_t from, size_t *start)
{
	const char *found;
	while (from < text.size &&
	       (found = memmem(text.data + from, text.size - from, spelling.data, spelling.size)) != NULL) {
		*start = (size_t)(found - text.data);
		if (!(added & ADDED_SINGLE_WORD) || !within_word(text, *start, *start + spelling.size))
			return true;
		from = *start + 1;
	}
	return false;
}

/* What of the white space around a token goes with it. */
static void take_spaces(Text text, unsigned added, size_t from, size_t *start, size_t *end)
{
	uint32_t code;
	size_t length;
	while ((added & ADDED_LSTRIP) && *start > from &&
	       (length = character_before(text, *start, &code)) > 0 && utf8_is_space(code))
		*start -= length;
	while ((added & ADDED_RSTRIP) && (length = character_at(text, *end, &code)) > 0 &&
	       utf8_is_space(code))
		*end += length;
}

/* Cuts a fragment of text at each occurrence of the token. */
static bool cut(Fragments *f, Fragment whole, Text spelling, int32_t id, unsigned added, Error *e)
{
	Text text = whole.text;
	size_t from = 0, start, end;
	if (whole.id != TOKEN_NONE)
		return append(f, text, whole.id, e);
	while (find(text, spelling, added, from, &start)) {
		end = start + spelling.size;
		take_spaces(text, added, from, &start, &end);
		if (!append(f, (Text){text.data + from, start - from}, TOKEN_NONE, e) ||
		    !append(f, (Text){text.data + start, end - start}, id, e))
			return false;
		from = end;
	}
	return append(f, (Text){text.data + from, text.size - from}, TOKEN_NONE, e);
}

bool fragments_find(const Tokenizer *t, Text text, bool normalized, unsigned flags, Fragments *f, Error *e)
{
	f->next_count = 0;
	if (!append(f, text, TOKEN_NONE, e))
		return false;
	turn_over(f);
	for (size_t i = 0; text.size > 0 && i < t->spellings.count; i++) {
		int32_t id = t->named[i];
		unsigned added = t->model.added ? t->model.added[id] : 0;
		Text spelling = strings_at(&t->spellings, i);
		if (((added & ADDED_NORMALIZED) != 0) != normalized ||
		    (token_type(t, id) != TOKEN_USER_DEFINED && !(flags & TOKENIZE_SPECIAL)) ||
		    memmem(text.data, text.size, spelling.data, spelling.size) == NULL)
			continue;
		for (size_t k = 0; k < f->count; k++)
			if (!cut(f, f->items[k], spelling, id, added, e))
				return false;
		turn_over(f);
	}
	return true;
}

void fragments_free(Fragments *f)
{
	memory_free(f->items);
	memory_free(f->next);
	*f = (Fragments){0};
}
