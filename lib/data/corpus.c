#include "data/corpus.h"

#include "base/file.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static bool add_text(Strings *texts, Text text, Error *e)
{
	return text.size == 0 || strings_append(texts, text.data, text.size, e);
}

/* On an error *line is where it is. */
static bool add_lines(Text rest, Strings *texts, size_t *line, Error *e)
{
	for (; rest.size > 0; ++*line) {
		Text text = text_cut(&rest, '\n');
		text.size -= text.size > 0 && text.data[text.size - 1] == '\r';
		if (!text_is_utf8(text))
			return fail(e, ERROR_MALFORMED, "is no text in UTF-8");
		if (!add_text(texts, text, e))
			return false;
	}
	return true;
}

static bool add_value(const json_t *value, Strings *texts, Error *e)
{
	size_t index;
	const json_t *item;
	if (json_is_string(value))
		return add_text(texts, (Text){json_string_value(value), json_string_length(value)}, e);
	json_array_foreach(value, index, item)
	{
		if (!json_is_string(item))
			return fail(e, ERROR_MALFORMED, "element %zu of the list is no string", index);
		if (!add_value(item, texts, e))
			return false;
	}
	return json_is_array(value) ||
	       fail(e, ERROR_MALFORMED, "is neither a JSON string nor a list of strings");
}

/* Takes the first `size` bytes off, and counts their lines. */
static void take(Text *rest, size_t size, size_t *line)
{
	for (size_t i = 0; i < size; i++)
		*line += rest->data[i] == '\n';
	*rest = (Text){rest->data + size, rest->size - size};
}

static void take_blanks(Text *rest, size_t *line)
{
	size_t size = 0;
	while (size < rest->size && strchr(" \t\r\n", rest->data[size]) != NULL && rest->data[size] != '\0')
		size++;
	take(rest, size, line);
}

static bool add_values(Text rest, Strings *texts, size_t *line, Error *e)
{
	for (take_blanks(&rest, line); rest.size > 0; take_blanks(&rest, line)) {
		json_error_t problem;
		size_t most = rest.size < INT_MAX ? rest.size : INT_MAX; /* whose places jansson can tell */
		json_t *value =
		    json_loadb(rest.data, most, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &problem);
		if (value == NULL) {
			*line += problem.line > 0 ? (size_t)problem.line - 1 : 0;
			return fail(e, ERROR_MALFORMED, "no JSON: %s", problem.text);
		}
		bool done = add_value(value, texts, e);
		json_decref(value);
		if (!done)
			return false;
		take(&rest, (size_t)problem.position, line);
	}
	return true;
}

static bool ends_with(const char *path, const char *end)
{
	size_t size = strlen(path), length = strlen(end);
	return size >= length && strcmp(path + size - length, end) == 0;
}

static bool add_texts(const char *path, const Buffer *bytes, Strings *texts, Error *e)
{
	static const char mark[] = "\xef\xbb\xbf"; /* which some editors put in front of UTF-8 */
	Text all = {(const char *)bytes->data, bytes->size};
	size_t line = 1;
	if (all.size >= 3 && memcmp(all.data, mark, 3) == 0)
		all = (Text){all.data + 3, all.size - 3};
	bool json = ends_with(path, ".json") || ends_with(path, ".jsonl");
	return (json ? add_values(all, texts, &line, e) : add_lines(all, texts, &line, e)) ||
	       fail_in(e, "line %zu", line);
}

bool corpus_read(const char *path, Strings *texts, uint64_t *hash, Error *e)
{
	Buffer bytes = {0};
	bool done = file_read(path, &bytes, e) && add_texts(path, &bytes, texts, e);
	if (done && hash != NULL)
		*hash = XXH64(bytes.data, bytes.size, 0);
	buffer_free(&bytes);
	return done || fail_in(e, "%s", strcmp(path, "-") == 0 ? "standard input" : path);
}
