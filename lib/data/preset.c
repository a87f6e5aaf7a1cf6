#include "data/preset.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

const Preset *preset_find(const char *name)
{
	/* Lists by their separator from the first row on, whether or not a list has two elements. */
#define LISTS ":\x1f"
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
	    /* What 2014 and 2018 call it, and what 2023 does. */
	    {.name = "amazon",
	     .format = "jsonl",
	     .user = "reviewerID|user_id",
	     .item = "parent_asin|asin",
	     .time = "unixReviewTime|timestamp:ms",
	     .syntax = SYNTAX_EITHER,
	     .features = {"rating=events.overall|rating", "category=items.category|categories" LISTS},
	     .texts = {"summary=events.summary|title", "review=events.reviewText|text", "title=items.title"},
	     .optional = "brand=items.brand|store"},
	    {.name = "google-local",
	     .format = "jsonl",
	     .user = "user_id",
	     .item = "gmap_id",
	     .time = "time:ms",
	     .syntax = SYNTAX_EITHER,
	     .features = {"rating=events.rating", "category=items.category" LISTS},
	     .texts = {"review=events.text", "title=items.name"}},
	};
#undef LISTS
	for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
		if (strcmp(presets[i].name, name) == 0)
			return &presets[i];
	return NULL;
}

/* Schema */

static bool add_field(Schema *s, const char *option, bool text, bool table, bool optional, Error *e)
{
	if (!schema_add(s, option, text, e))
		return false;
	FieldSpec *added = &s->fields[s->field_count - 1];
	added->optional = optional;
	added->preset = true;
	s->field_count -= added->of_item && !table;
	return true;
}

bool preset_fill(const Preset *p, bool table, Schema *s, Error *e)
{
	if (!row_format_parse(p->format, &s->format, e))
		return false;
	s->format.encoding = p->encoding;
	s->format.syntax = p->syntax;
	s->items_format = s->format;
	s->user = p->user;
	s->item = p->item;
	s->time = p->time;
	s->none = p->none;
	for (size_t i = 0; p->features[i] != NULL; i++)
		if (!add_field(s, p->features[i], false, table, false, e))
			return false;
	if (p->optional != NULL && !add_field(s, p->optional, false, table, true, e))
		return false;
	for (size_t i = 0; p->texts[i] != NULL; i++)
		if (!add_field(s, p->texts[i], true, table, false, e))
			return false;
	return true;
}

/* Files */

/* Files of one kind in a directory: how many, and the name of the first in order. */
typedef struct {
	size_t count;
	char first[256];
} Found;

static void note_file(Found *found, const char *name)
{
	if (found->count++ == 0 || strcmp(name, found->first) < 0)
		snprintf(found->first, sizeof found->first, "%s", name);
}

/* *.json and *.jsonl: items, where the name begins with `meta`, else interactions. */
static bool find_files(const char *directory, Found *events, Found *items, Error *e)
{
	DIR *d = opendir(directory);
	if (d == NULL)
		return fail_errno(e, "%s", directory);
	errno = 0;
	for (const struct dirent *entry; (entry = readdir(d)) != NULL; errno = 0) {
		const char *end = strrchr(entry->d_name, '.');
		if (*entry->d_name != '.' && end != NULL &&
		    (strcmp(end, ".json") == 0 || strcmp(end, ".jsonl") == 0))
			note_file(strncmp(entry->d_name, "meta", 4) == 0 ? items : events, entry->d_name);
	}
	bool done = errno == 0 || fail_errno(e, "%s", directory);
	closedir(d);
	return done;
}

bool preset_files(const Preset *p, const char *directory, bool given, Buffer *events, Buffer *items, Error *e)
{
	Found reviews = {0}, tables = {0};
	if (p->events != NULL)
		return buffer_print(events, e, "%s/%s", directory, p->events) &&
		       (given || buffer_print(items, e, "%s/%s", directory, p->items_table));
	if (!find_files(directory, &reviews, &tables, e))
		return false;
	if (reviews.count == 0)
		return fail(e, ERROR_USAGE,
		            "%s: there are no reviews here, no *.json or *.jsonl (zcat FILE | "
		            "ul-prep ... reads them compressed)",
		            directory);
	if (given)
		tables = (Found){0};
	const Found *several = reviews.count > 1 ? &reviews : &tables;
	if (several->count > 1)
		return fail(e, ERROR_USAGE,
		            "%s: %zu files may be the %s, such as %s: give FILE, and --items FILE", directory,
		            several->count, several == &reviews ? "reviews" : "items", several->first);
	return buffer_print(events, e, "%s/%s", directory, reviews.first) &&
	       (tables.count == 0 || buffer_print(items, e, "%s/%s", directory, tables.first));
}
