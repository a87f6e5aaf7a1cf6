/* ul-prep: interactions and an item table become a dataset. */
#include "tool.h"

#include "base/clock.h"
#include "base/path.h"
#include "data/prepare.h"
#include "data/preset.h"
#include "stream/output.h"

#include <stdio.h>
#include <string.h>

static const Tool tool = {
    .name = "ul-prep",
    .synopsis = "[OPTION]... [FILE]...",
    .summary = "Turns interactions (user, item, rating, time, ...) and an item table into a dataset.\n"
               "Reads CSV, TSV, lines split at a separator, and JSON lines, from FILEs or standard\n"
               "input; writes a stream, see ul-stream(5).",
    .examples = "  ul-prep --feature rating=rating -o data.ult events.csv\n"
                "  ul-prep --items items.csv --text title=title -o data.ult events.csv\n"
                "  ul-prep --preset ml-1m -o data.ult ml-1m/\n",
};

typedef struct {
	CommonOptions common;
	const char *preset, *items, *format, *items_format, *encoding, *user, *item, *time, *item_key;
	const char *split, *output;
	StringList features, texts, inputs;
	int64_t min_events, min_item_events, window;
	bool no_header, sorted, skip_bad;
	Buffer preset_events, preset_items; /* paths that a preset makes */
} Arguments;

enum { OWN_OPTIONS = 19, OPTIONS = COMMON_OPTIONS + OWN_OPTIONS };

static void fill_table(Option *table, Arguments *a)
{
	const Option own[OWN_OPTIONS] = {
	    {"output", 'o', OPTION_STRING, &a->output, "FILE", "write to FILE, not to standard output",
	     .incidental = true, .written = true},
	    {"preset", 0, OPTION_CHOICE, &a->preset, "ml-1m|ml-20m|amazon|google-local",
	     "the columns, features and files of a published set; FILE may be its directory"},
	    {"items", 0, OPTION_STRING, &a->items, "FILE", "the item table", .input = true},
	    {"format", 0, OPTION_STRING, &a->format, "csv|tsv|jsonl|python|SEPARATOR",
	     "of all files (default: by their names, else csv)"},
	    {"items-format", 0, OPTION_STRING, &a->items_format, "csv|tsv|jsonl|python|SEPARATOR",
	     "of the item table, where it is another"},
	    {"encoding", 0, OPTION_CHOICE, &a->encoding, "utf-8|latin-1", "of all files (default utf-8)"},
	    {"no-header", 0, OPTION_FLAG, &a->no_header, NULL,
	     "files have no header: COL is a number, from 1"},
	    {"user", 0, OPTION_STRING, &a->user, "COL", "the user's column (default: user, user_id, ...)"},
	    {"item", 0, OPTION_STRING, &a->item, "COL", "the item's column (default: item, item_id, ...)"},
	    {"time", 0, OPTION_STRING, &a->time, "COL[:ms]",
	     "the time's column (default: time, timestamp, ...; without one the order of the rows)"},
	    {"item-key", 0, OPTION_STRING, &a->item_key, "COL",
	     "the item's column in the item table (default: as in the interactions, else the first)"},
	    {"feature", 0, OPTION_LIST, &a->features, "NAME=COL[:SEP]",
	     "a feature of the event or, if COL is in the item table, of the item; SEP separates "
	     "several values"},
	    {"text", 0, OPTION_LIST, &a->texts, "NAME=COL", "a text, likewise"},
	    {"min-item-events", 0, OPTION_INTEGER, &a->min_item_events, "N",
	     "leave out items with fewer events (default 1)", 1, 1e9},
	    {"min-events", 0, OPTION_INTEGER, &a->min_events, "N",
	     "then leave out users with fewer events (default 1)", 1, 1e9},
	    {"split", 0, OPTION_CHOICE, &a->split, SPLITS,
	     "what is held back for validation and test (default leave-one-out)"},
	    {"window", 0, OPTION_INTEGER, &a->window, "N",
	     "events in a window, its label included (default 50)", 2, 1e9},
	    {"sorted", 0, OPTION_FLAG, &a->sorted, NULL,
	     "rows are grouped by user and in order of time: check, do not sort"},
	    {"skip-bad", 0, OPTION_FLAG, &a->skip_bad, NULL, "leave out bad rows, and count them"},
	};
	memcpy(table + COMMON_OPTIONS, own, sizeof own);
}

/* The file of that name beside another file. */
static bool place_beside(Buffer *path, const char *file, const char *name, Error *e)
{
	const char *slash = strrchr(file, '/');
	return buffer_print(path, e, "%.*s%s", slash ? (int)(slash + 1 - file) : 0, file, name);
}

/* With a preset: a directory means the set's files in it. */
static bool find_preset_files(Arguments *a, const Preset *preset, Error *e)
{
	const char *first = a->inputs.items[0];
	Buffer *items = &a->preset_items;
	if (path_is_directory(first)) {
		if (a->inputs.count > 1)
			return fail(e, ERROR_USAGE, "%s is a directory: give no other file", first);
		if (!preset_files(preset, first, a->items != NULL, &a->preset_events, items, e))
			return false;
		a->inputs.items[0] = (const char *)a->preset_events.data;
	} else if (a->items == NULL && preset->items_table != NULL) {
		if (strcmp(first, "-") == 0)
			return fail(e, ERROR_USAGE,
			            "--preset %s from standard input: where is %s? (--items FILE)",
			            preset->name, preset->items_table);
		if (!place_beside(items, first, preset->items_table, e))
			return false;
	}
	if (a->items == NULL)
		a->items = (const char *)items->data; /* NULL, where there is none */
	return true;
}

static bool set_format(Arguments *a, Schema *s, Error *e)
{
	const char *format = a->format ? a->format : format_guess(a->inputs.items[0]);
	const char *items = a->items_format ? a->items_format
	                    : a->format     ? a->format
	                                    : format_guess(a->items);
	bool given = a->preset == NULL || a->format != NULL;
	if ((given && !row_format_parse(format, &s->format, e)) ||
	    ((given || a->items_format != NULL) && !row_format_parse(items, &s->items_format, e)))
		return false;
	if (a->encoding != NULL)
		s->format.encoding = s->items_format.encoding =
		    strcmp(a->encoding, "latin-1") == 0 ? ENCODING_LATIN1 : ENCODING_UTF8;
	if (a->no_header)
		s->format.header = s->items_format.header = false;
	return true;
}

static bool fill_schema(Arguments *a, Schema *s, Error *e)
{
	const Preset *preset = a->preset ? preset_find(a->preset) : NULL;
	if (preset != NULL &&
	    (!find_preset_files(a, preset, e) || !preset_fill(preset, a->items != NULL, s, e)))
		return false;
	if (!set_format(a, s, e))
		return false;
	s->user = a->user ? a->user : s->user;
	s->item = a->item ? a->item : s->item;
	s->time = a->time ? a->time : s->time;
	s->item_key = a->item_key;
	for (size_t i = 0; i < a->features.count; i++)
		if (!schema_add(s, a->features.items[i], false, e))
			return false;
	for (size_t i = 0; i < a->texts.count; i++)
		if (!schema_add(s, a->texts.items[i], true, e))
			return false;
	return true;
}

static bool check_output(const Arguments *a, Error *e)
{
	for (size_t i = 0; i < a->inputs.count; i++)
		if (!output_differs(a->output, a->inputs.items[i], e))
			return false;
	return a->items == NULL || output_differs(a->output, a->items, e);
}

static void say_fields(const Dataset *d)
{
	for (const Feature *f = d->features; f < d->features + d->feature_count; f++)
		tool_say(&tool, "feature %s of the %s: %zu values%s", f->name, f->of_item ? "item" : "event",
		         f->values.strings.count - ID_FIRST, f->multiple ? ", several at a time" : "");
	for (const TextField *t = d->texts; t < d->texts + d->text_count; t++)
		tool_say(&tool, "text %s of the %s", t->name, t->of_item ? "item" : "event");
}

static void say_dropped(const Arguments *a, const Dataset *d, const PrepareReport *r)
{
	for (size_t i = 0; i < BAD_REASONS; i++)
		if (r->bad[i] > 0)
			tool_say(&tool, "skipped %zu bad rows: %s", r->bad[i], bad_reason_name((BadReason)i));
	if (r->rare_items > 0)
		tool_say(&tool, "dropped %zu items with fewer than %lld events: %zu events", r->rare_items,
		         (long long)a->min_item_events, r->rare_events);
	long long least =
	    d->split == SPLIT_WINDOW && a->min_events < a->window + 2 ? a->window + 2 : a->min_events;
	if (r->short_users > 0)
		tool_say(&tool, "dropped %zu users with fewer than %lld events: %zu events", r->short_users,
		         least, r->short_events);
	if (r->lone_items > 0)
		tool_say(&tool, "dropped %zu items that only these users had", r->lone_items);
	if (r->training_users > 0)
		tool_say(&tool, "%zu users have fewer than 3 events: they are in training alone",
		         r->training_users);
}

static void say_table(const Arguments *a, const PrepareReport *r)
{
	if (a->items == NULL && a->preset != NULL)
		tool_say(&tool, "no item table (--items): items are known by their ids alone");
	if (a->items == NULL)
		return;
	if (*r->left_out != '\0')
		tool_say(&tool, "item table: no feature %s", r->left_out);
	tool_say(&tool, "item table: %zu rows by %s, of which %zu dropped, of items without events",
	         r->table_rows, r->item_key, r->unused_rows);
	if (r->repeated_rows > 0)
		tool_say(&tool, "item table: %zu rows dropped, of items that had a row before",
		         r->repeated_rows);
	if (r->unknown_items > 0)
		tool_say(&tool,
		         "item table: %zu items with events are not in it: kept, their features unknown",
		         r->unknown_items);
}

/* A user's last event is the latest. */
static void say_times(const Dataset *d, const Users *u)
{
	const int64_t year_5138 = 100000000000;
	size_t late = 0;
	for (size_t user = 0; d->has_time && user < u->count; user++)
		late += u->offsets[user + 1] > u->offsets[user] &&
		        u->times[u->offsets[user + 1] - 1] >= year_5138;
	if (late > 0)
		tool_say(
		    &tool,
		    "%zu users have events after the year 5138: are times in milliseconds (--time COL:ms)?",
		    late);
}

static void say_report(const Arguments *a, const Dataset *d, const Users *u, const PrepareReport *r,
                       double seconds)
{
	say_times(d, u);
	tool_say(&tool, "read %zu events of %zu users and %zu items", r->rows, r->users, r->items);
	tool_say(&tool, "columns: %s", r->columns);
	say_dropped(a, d, r);
	say_table(a, r);
	say_fields(d);
	tool_say(&tool, "wrote %zu users, %zu items, %zu events in %.2f s", d->users,
	         d->items.strings.count - ID_FIRST, d->events, seconds);
}

/* The interactions and the item table are the inputs on record. */
static bool write_dataset(Arguments *a, const Option *table, const StringList *operands, const Dataset *d,
                          const Users *u, const uint64_t *hashes, Pool *pool, Error *e)
{
	Buffer record = {0};
	Provenance p = tool_provenance(&tool, table, OPTIONS, &a->common, operands, &record, e);
	const char **names = memory_new(a->inputs.count + 1, sizeof *names, e);
	bool done = names != NULL && e->code == ERROR_NONE;
	if (done) {
		memcpy(names, a->inputs.items, a->inputs.count * sizeof *names);
		names[a->inputs.count] = a->items;
		p.inputs = names;
		p.input_hashes = hashes;
		p.input_count = a->inputs.count + (a->items != NULL);
		done = dataset_write(a->output, d, u, &p, pool, e);
	}
	memory_free(names);
	buffer_free(&record);
	return done;
}

static bool run(Arguments *a, const Option *table, const StringList *operands, Error *e)
{
	double start = clock_seconds();
	Schema schema = {0};
	Dataset d = {0};
	Users u = {0};
	PrepareReport report = {0};
	uint64_t *hashes = memory_new(a->inputs.count + 1, sizeof *hashes, e);
	Pool *pool = hashes ? pool_new((size_t)a->common.threads, e) : NULL;
	const OptionRule rule = {strcmp(a->split, "window") != 0, "window", "--split window"},
	                 table_rule = {true, "item-key items-format", "an item table: --items FILE"};
	bool done =
	    pool != NULL && options_check(table, OPTIONS, &rule, 1, e) &&
	    tool_check_standard_input(table, OPTIONS, operands, true, e) && fill_schema(a, &schema, e) &&
	    (a->items != NULL || options_check(table, OPTIONS, &table_rule, 1, e)) && check_output(a, e);
	if (done) {
		const PrepareOptions options = {.schema = &schema,
		                                .pool = pool,
		                                .inputs = a->inputs.items,
		                                .input_count = a->inputs.count,
		                                .items = a->items,
		                                .split = (Split)word_number(SPLITS, a->split),
		                                .window = (size_t)a->window,
		                                .min_events = (size_t)a->min_events,
		                                .min_item_events = (size_t)a->min_item_events,
		                                .sorted = a->sorted,
		                                .skip_bad = a->skip_bad};
		done = prepare(&options, &d, &u, &report, hashes, e) &&
		       write_dataset(a, table, operands, &d, &u, hashes, pool, e);
	}
	if (done && !a->common.quiet)
		say_report(a, &d, &u, &report, clock_seconds() - start);
	schema_free(&schema);
	users_free(&u);
	dataset_free(&d);
	memory_free(hashes);
	pool_free(pool);
	return done;
}

/* The operands, or standard input: a list of its own, since a preset replaces a directory. */
static bool copy_inputs(Arguments *a, const StringList *operands, Error *e)
{
	a->inputs.count = operands->count ? operands->count : 1;
	if (!memory_grow(&a->inputs.items, &a->inputs.capacity, a->inputs.count, sizeof *a->inputs.items, e))
		return false;
	a->inputs.items[0] = "-";
	for (size_t i = 0; i < operands->count; i++)
		a->inputs.items[i] = operands->items[i];
	return true;
}

int main(int argc, char **argv)
{
	Error e = {0};
	Arguments a = {.split = "leave-one-out", .window = 50, .min_events = 1, .min_item_events = 1};
	Option table[OPTIONS];
	StringList operands = {0};
	fill_table(table, &a);
	tool_start(&tool, table, OPTIONS, &a.common, &operands, argc, argv);
	bool done = copy_inputs(&a, &operands, &e) && run(&a, table, &operands, &e);
	string_list_free(&a.features);
	string_list_free(&a.texts);
	string_list_free(&a.inputs);
	string_list_free(&operands);
	buffer_free(&a.preset_events);
	buffer_free(&a.preset_items);
	return tool_finish(&tool, done, &e);
}
