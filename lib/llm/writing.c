#include "llm/writing.h"

#include <string.h>

static bool add_token(Writing *w, int32_t token, Error *e)
{
	int32_t last = w->last;
	w->last = token;
	return tokenizer_decode_next(w->tokenizer, last, token, &w->text, e);
}

bool writing_start(Writing *w, const Tokenizer *tokenizer, const StringList *stops, const int32_t *prompt,
                   size_t count, Error *e)
{
	*w = (Writing){.tokenizer = tokenizer, .stops = stops, .last = TOKEN_NONE};
	for (size_t i = 0; i < count; i++)
		if (prompt[i] >= 0 && !add_token(w, prompt[i], e)) /* soft tokens are no text */
			return false;
	w->known = w->shown = w->text.size;
	return true;
}

/* Cuts the text before the first stop text that ends behind `old` bytes of the whole. */
static void look_for_stops(Writing *w, size_t old)
{
	for (size_t i = 0; w->stops != NULL && i < w->stops->count; i++) {
		const char *stop = w->stops->items[i];
		size_t size = strlen(stop), from = old > w->known + size ? old - size : w->known;
		if (w->text.size <= from)
			continue;
		const uint8_t *found = memmem(w->text.data + from, w->text.size - from, stop, size);
		if (found == NULL)
			continue;
		w->text.size = (size_t)(found - w->text.data);
		w->stopped = true;
	}
}

bool writing_add(Writing *w, int32_t token, bool *stop, Error *e)
{
	size_t old = w->text.size;
	if (w->stopped || !add_token(w, token, e))
		return w->stopped;
	look_for_stops(w, old);
	*stop = *stop || w->stopped;
	return true;
}

Text writing_text(const Writing *w)
{
	size_t size = w->text.size > w->known ? w->text.size - w->known : 0;
	return (Text){(const char *)w->text.data + (size > 0 ? w->known : 0), size};
}

/* How many bytes at the end of the text may be the beginning of a stop text. */
static size_t held_for_stops(const Writing *w)
{
	size_t held = 0;
	for (size_t i = 0; w->stops != NULL && i < w->stops->count; i++) {
		size_t size = strlen(w->stops->items[i]), left = w->text.size - w->shown;
		for (size_t length = size < left ? size : left; length > held; length--)
			if (memcmp(w->text.data + w->text.size - length, w->stops->items[i], length) == 0)
				held = length;
	}
	return held;
}

/* … or are a character that is not complete yet. */
static size_t held_for_utf8(const uint8_t *text, size_t size)
{
	for (size_t back = 1; back <= 3 && back <= size; back++) {
		uint8_t byte = text[size - back];
		if ((byte & 0xc0) == 0x80)
			continue;
		size_t needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
		return needs > back ? back : 0;
	}
	return 0;
}

Text writing_new(Writing *w, bool last)
{
	if (w->text.size <= w->shown)
		return (Text){"", 0};
	size_t held = last ? 0 : held_for_stops(w);
	if (!last)
		held += held_for_utf8(w->text.data + w->shown, w->text.size - held - w->shown);
	Text text = {(const char *)w->text.data + w->shown, w->text.size - held - w->shown};
	w->shown += text.size;
	return text;
}

void writing_free(Writing *w)
{
	buffer_free(&w->text);
	*w = (Writing){0};
}
