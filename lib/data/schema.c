#include "data/schema.h"

#include "base/options.h"
#include "data/dataset.h"

#include <string.h>

static bool parse_field(const char *option, bool text, FieldSpec *field, Error *e)
{
	static const char of_item[] = "items.", of_event[] = "events.";
	const char *kind = text ? "text" : "feature", *column;
	size_t size;
	if (!option_split(kind, option, &size, &column, e))
		return false;
	const char *colon = text ? NULL : strchr(column, ':');
	*field = (FieldSpec){.name = {option, size},
	                     .separator = colon ? colon + 1 : NULL,
	                     .text = text,
	                     .of_item = strncmp(column, of_item, strlen(of_item)) == 0,
	                     .of_event = strncmp(column, of_event, strlen(of_event)) == 0};
	column += field->of_item ? strlen(of_item) : field->of_event ? strlen(of_event) : 0;
	field->column = (Text){column, colon ? (size_t)(colon - column) : strlen(column)};
	/* A template's {user} is another. */
	if (!feature_name_valid(field->name) || text_is(field->name, "user"))
		return fail(e, ERROR_USAGE,
		            "--%s: a name has up to %d letters, digits, _ and -, and is neither 'item' nor "
		            "'user'; '%.*s' is no name",
		            kind, FEATURE_NAME_MAX, (int)size, option);
	if (colon != NULL && *field->separator == '\0')
		return fail(e, ERROR_USAGE, "--%s %s: there is no separator behind the colon", kind, option);
	return true;
}

bool schema_add(Schema *s, const char *option, bool text, Error *e)
{
	FieldSpec field;
	if (!parse_field(option, text, &field, e))
		return false;
	for (size_t i = 0; i < s->field_count; i++)
		if (text_equal(s->fields[i].name, field.name) && s->fields[i].preset) {
			s->fields[i] = field;
			return true;
		} else if (text_equal(s->fields[i].name, field.name))
			return fail(e, ERROR_USAGE, "there are two features or texts with the name '%.*s'",
			            (int)field.name.size, field.name.data);
	if (!memory_grow(&s->fields, &s->field_capacity, s->field_count + 1, sizeof *s->fields, e))
		return false;
	s->fields[s->field_count++] = field;
	return true;
}

void schema_free(Schema *s)
{
	memory_free(s->fields);
	*s = (Schema){0};
}

const char *format_guess(const char *path)
{
	static const char *const endings[][2] = {
	    {".tsv", "tsv"}, {".jsonl", "jsonl"}, {".json", "jsonl"}, {".dat", "::"}};
	const char *dot = path ? strrchr(path, '.') : NULL;
	for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof *endings; i++)
		if (strcmp(dot, endings[i][0]) == 0)
			return endings[i][1];
	return "csv";
}
