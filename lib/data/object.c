#include "data/object.h"

#include "data/literal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool looks_python(Text line)
{
	static const char blanks[] = " \t\r";
	size_t at = 0;
	while (at < line.size && memchr(blanks, line.data[at], strlen(blanks)))
		at++;
	if (at == line.size || line.data[at++] != '{')
		return false;
	while (at < line.size && memchr(blanks, line.data[at], strlen(blanks)))
		at++;
	return at < line.size && (line.data[at] == '\'' || line.data[at] == 'u');
}

static json_t *read_json(Text line, Error *e)
{
	json_error_t problem;
	json_t *value = json_loadb(line.data, line.size, 0, &problem);
	if (value == NULL && json_error_code(&problem) == json_error_out_of_memory)
		fail(e, ERROR_FAILURE, "out of memory: no room for a JSON object");
	else if (value == NULL)
		fail(e, ERROR_MALFORMED, "column %d: %s", problem.column, problem.text);
	return value;
}

json_t *object_read(Text line, Syntax syntax, Error *e)
{
	bool python = syntax == SYNTAX_PYTHON || (syntax == SYNTAX_EITHER && looks_python(line));
	json_t *value = python ? literal_read(line, e) : read_json(line, e);
	if (value == NULL || json_is_object(value))
		return value;
	json_decref(value);
	fail(e, ERROR_MALFORMED, python ? "no Python dict" : "no JSON object");
	return NULL;
}

/* The shortest decimal that reads back as the same number, and looks like a real. */
static bool append_real(Buffer *out, double x, Error *e)
{
	char text[64];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, x);
		if (strtod(text, NULL) >= x && strtod(text, NULL) <= x)
			break;
	}
	return buffer_print(out, e, strpbrk(text, ".e") ? "%s" : "%s.0", text);
}

/* A value that is no list. */
static bool append_scalar(Buffer *out, const json_t *value, Error *e)
{
	if (json_is_string(value))
		return buffer_append(out, json_string_value(value), json_string_length(value), e);
	if (json_is_integer(value))
		return buffer_print(out, e, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (json_is_real(value))
		return append_real(out, json_real_value(value), e);
	if (json_is_boolean(value))
		return buffer_print(out, e, json_is_true(value) ? "true" : "false");
	if (value == NULL || json_is_null(value))
		return true;
	char *text = json_dumps(value, JSON_COMPACT);
	bool done = text ? buffer_append(out, text, strlen(text), e)
	                 : fail(e, ERROR_FAILURE, "out of memory: no room for a JSON value");
	free(text);
	return done;
}

/* `first`: nothing stands there yet that a separator would keep apart. */
static bool append_elements(Buffer *out, const json_t *list, bool *first, Error *e)
{
	const char separator = LIST_SEPARATOR;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *element = json_array_get(list, i);
		if (json_is_array(element)) {
			if (!append_elements(out, element, first, e))
				return false;
			continue;
		}
		if ((!*first && !buffer_append(out, &separator, 1, e)) || !append_scalar(out, element, e))
			return false;
		*first = false;
	}
	return true;
}

bool object_append_field(Buffer *out, const json_t *value, Error *e)
{
	bool first = true;
	return json_is_array(value) ? append_elements(out, value, &first, e) : append_scalar(out, value, e);
}
