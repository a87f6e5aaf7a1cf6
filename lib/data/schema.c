#include "data/schema.h"

#include "base/options.h"
#include "data/dataset.h"

#include <string.h>

const Preset *preset_find(const char *name)
{
	static const Preset presets[] = {
	    {.name = "ml-1m",
	     .events = "ratings.dat",
	     .items_table = "movies.dat",
	     .format = "::",
	     .user = "1",
	     .item = "2",
	     .time = "4",
	     .encoding = ENCODING_EITHER,
	     .features = {"rating=3", "genre=items.3:|"},
	     .texts = {"title=items.2"}},
	    {.name = "ml-20m",
	     .events = "ratings.csv",
	     .items_table = "movies.csv",
	     .format = "csv",
	     .user = "userId",
	     .item = "movieId",
	     .time = "timestamp",
	     .none = "(no genres listed)",
	     .encoding = ENCODING_UTF8,
	     .features = {"rating=rating", "genre=items.genres:|"},
	     .texts = {"title=items.title"}},
	};
	for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
		if (strcmp(presets[i].name, name) == 0)
			return &presets[i];
	return NULL;
}

static bool parse_field(const char *option, bool text, FieldSpec *field, Error *e)
{
	static const char prefix[] = "items.";
	const char *kind = text ? "text" : "feature", *column;
	size_t size;
	if (!option_split(kind, option, &size, &column, e))
		return false;
	const char *colon = text ? NULL : strchr(column, ':');
	*field = (FieldSpec){.name = {option, size},
	                     .separator = colon ? colon + 1 : NULL,
	                     .text = text,
	                     .of_item = strncmp(column, prefix, strlen(prefix)) == 0};
	if (field->of_item)
		column += strlen(prefix);
	field->column = (Text){column, colon ? (size_t)(colon - column) : strlen(column)};
	if (!feature_name_valid(field->name))
		return fail(e, ERROR_USAGE,
		            "--%s: a name has up to %d letters, digits, _ and -, and is not 'item'; '%.*s' "
		            "is no name",
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
		if (text_equal(s->fields[i].name, field.name))
			return fail(e, ERROR_USAGE, "there are two features or texts with the name '%.*s'",
			            (int)field.name.size, field.name.data);
	if (!memory_grow(&s->fields, &s->field_capacity, s->field_count + 1, sizeof *s->fields, e))
		return false;
	s->fields[s->field_count++] = field;
	return true;
}

bool schema_preset(Schema *s, const Preset *p, Error *e)
{
	if (!row_format_parse(p->format, &s->format, e))
		return false;
	s->format.encoding = p->encoding;
	s->items_format = s->format;
	s->user = p->user;
	s->item = p->item;
	s->time = p->time;
	s->none = p->none;
	for (size_t i = 0; p->features[i] != NULL; i++)
		if (!schema_add(s, p->features[i], false, e))
			return false;
	for (size_t i = 0; p->texts[i] != NULL; i++)
		if (!schema_add(s, p->texts[i], true, e))
			return false;
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
