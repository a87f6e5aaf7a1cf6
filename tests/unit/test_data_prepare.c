/* From rows to a dataset: joins, filters, splits, orders, and what is refused. */
#include "data/prepare.h"
#include "data/preset.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* After the headers of lib/: cmocka has a macro fail(). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static char events_path[64], items_path[64];

static void put(char name[64], const char *stem, const char *text)
{
	snprintf(name, 64, "/tmp/test_prepare.%ld.%s", (long)getpid(), stem);
	FILE *f = fopen(name, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void print(Buffer *out, Text t)
{
	Error e = {0};
	assert_true(buffer_print(out, &e, "%.*s", (int)t.size, t.data));
}

static void print_ids(Buffer *out, const Feature *f, Ids ids)
{
	Error e = {0};
	assert_true(buffer_print(out, &e, " %s=", f->name));
	for (size_t i = 0; i < ids.count; i++) {
		print(out, text_of(i ? "+" : ""));
		print(out, strings_at(&f->values.strings, (size_t)ids.values[i]));
	}
}

/* "user: item@time feature=value …; …" a line, and the texts of events in quotes. */
static void print_users(Buffer *out, const Dataset *d, const Users *u)
{
	Error e = {0};
	for (size_t i = 0; i < u->count; i++) {
		print(out, strings_at(&u->ids, i));
		for (size_t k = (size_t)u->offsets[i]; k < (size_t)u->offsets[i + 1]; k++) {
			print(out, text_of(k == (size_t)u->offsets[i] ? ": " : "; "));
			print(out, strings_at(&d->items.strings, (size_t)u->items[k]));
			if (d->has_time)
				assert_true(buffer_print(out, &e, "@%lld", (long long)u->times[k]));
			for (size_t f = 0; f < d->feature_count; f++)
				if (!d->features[f].of_item)
					print_ids(out, &d->features[f], event_feature(d, u, f, k));
			for (size_t t = 0; t < d->text_count; t++)
				if (!d->texts[t].of_item) {
					print(out, text_of(" \""));
					print(out, strings_at(&u->texts[t], k));
					print(out, text_of("\""));
				}
		}
		print(out, text_of("\n"));
	}
}

static void print_items(Buffer *out, const Dataset *d)
{
	for (size_t i = ID_FIRST; i < d->items.strings.count; i++) {
		print(out, strings_at(&d->items.strings, i));
		for (size_t f = 0; f < d->feature_count; f++)
			if (d->features[f].of_item)
				print_ids(out, &d->features[f], id_list(&d->features[f].by_item, i));
		for (size_t t = 0; t < d->text_count; t++)
			if (d->texts[t].of_item) {
				print(out, text_of(" \""));
				print(out, strings_at(&d->texts[t].by_item, i));
				print(out, text_of("\""));
			}
		print(out, text_of("\n"));
	}
}

typedef struct {
	const char *format, *events, *items; /* contents */
	const char *preset;
	const char *features[3], *texts[2];
	PrepareOptions options;
	const char *expected; /* or NULL, and the error */
	int code;
	const char *error;
} Case;

static PrepareReport check_case(const Case *c)
{
	Error e = {0};
	Buffer out = {0};
	Schema s = {0};
	Dataset d = {0};
	Users u = {0};
	PrepareReport report = {0};
	uint64_t hashes[2] = {0};
	const char *input = events_path;
	PrepareOptions options = c->options;
	put(events_path, "events", c->events);
	assert_true(row_format_parse(c->format ? c->format : "csv", &s.format, &e));
	s.items_format = s.format;
	assert_true(c->preset == NULL || preset_fill(preset_find(c->preset), c->items != NULL, &s, &e));
	for (size_t i = 0; i < 3 && c->features[i] != NULL; i++)
		assert_true(schema_add(&s, c->features[i], false, &e));
	for (size_t i = 0; i < 2 && c->texts[i] != NULL; i++)
		assert_true(schema_add(&s, c->texts[i], true, &e));
	if (c->items != NULL) {
		put(items_path, "items", c->items);
		options.items = items_path;
	}
	options.schema = &s;
	options.pool = pool_new(2, &e);
	options.inputs = &input;
	options.input_count = 1;
	bool done = prepare(&options, &d, &u, &report, hashes, &e);
	pool_free(options.pool);
	if (done != (c->expected != NULL))
		fail_msg("%s", done ? "this should not succeed" : e.text);
	if (done) {
		print_users(&out, &d, &u);
		print_items(&out, &d);
		assert_string_equal((const char *)out.data, c->expected);
	} else {
		assert_int_equal(e.code, c->code);
		if (strstr(e.text, c->error) == NULL)
			fail_msg("'%s' does not say '%s'", e.text, c->error);
	}
	buffer_free(&out);
	schema_free(&s);
	users_free(&u);
	dataset_free(&d);
	unlink(events_path);
	if (c->items != NULL)
		unlink(items_path);
	return report;
}

static void test_columns(void **state)
{
	(void)state;
	static const Case cases[] = {
	    /* Sorted by time, ties as they came; users and items as they first appear. */
	    {.events = "user,item,rating,time\nu2,b,4,20\nu1,a,5,7\nu2,a,3,10\nu2,c,4,10\n",
	     .features = {"rating=rating"},
	     .expected = "u2: a@10 rating=3; c@10 rating=4; b@20 rating=4\nu1: a@7 rating=5\na\nc\nb\n"},
	    /* Without time the order of the rows; events' lists and texts. */
	    {.events = "user,item,tags,review\nu,b,x|y|x,\"so, so\"\nv,b,|,\nu,a,,good\n",
	     .features = {"tags=tags:|"},
	     .texts = {"review=review"},
	     .expected = "u: b tags=x+y \"so, so\"; a tags= \"good\"\nv: b tags= \"\"\nb\na\n"},
	    /* The item table, by the name of the item's column; items without a row are unknown. */
	    {.events = "user,item,time\nu,a,1\nu,b,2\nu,c,3\n",
	     .items = "title,item,genres,brand\nB,b,X|Y,m\nZ,z,W,o\nA,a,Y,\nA2,a,Z,n\n",
	     .features = {"genre=genres:|", "brand=brand"},
	     .texts = {"title=title"},
	     .expected = "u: a@1; b@2; c@3\na genre=Y brand=<unknown> \"A\"\nb genre=X+Y brand=m \"B\"\n"
	                 "c genre= brand=<unknown> \"\"\n"},
	    /* The same column in both is the interactions', unless it says items. */
	    {.events = "user,item,x\nu,a,1\n",
	     .items = "id,x\na,2\n",
	     .features = {"mine=x", "its=items.x"},
	     .expected = "u: a mine=1\na its=2\n"},
	    /* Lists in JSON need no separator. */
	    {.format = "jsonl",
	     .events =
	         "{\"user\":1,\"item\":\"a\",\"rating\":4.0,\"tags\":\"x\"}\n"
	         "{\"user\":1,\"item\":\"b\",\"rating\":5,\"tags\":[\"x\",\"y\"],\"text\":[\"p\",\"q\"]}\n",
	     .features = {"rating=rating", "tags=tags"},
	     .texts = {"text=text"},
	     .expected = "1: a rating=4.0 tags=x \"\"; b rating=5 tags=x+y \"p q\"\na\nb\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check_case(&cases[i]);
	PrepareReport r = check_case(&cases[2]);
	assert_int_equal(r.table_rows, 4);
	assert_int_equal(r.unused_rows, 1);
	assert_int_equal(r.repeated_rows, 1);
	assert_int_equal(r.unknown_items, 1);
}

static void test_filters(void **state)
{
	(void)state;
	/* a and b have two events, c and d one. */
	static const char events[] = "user,item,rating\nu,a,1\nu,b,2\nu,c,3\nv,a,4\nw,d,5\nx,b,5\n";
	PrepareReport r = check_case(&(Case){.events = events,
	                                     .features = {"rating=rating"},
	                                     .options = {.min_item_events = 2},
	                                     .expected = "u: a rating=1; b rating=2\nv: a rating=4\n"
	                                                 "x: b rating=5\na\nb\n"});
	assert_int_equal(r.rare_items, 2);
	assert_int_equal(r.rare_events, 2);
	assert_int_equal(r.short_users, 1);
	assert_int_equal(r.short_events, 0);
	r = check_case(
	    &(Case){.events = events, .options = {.min_events = 2}, .expected = "u: a; b; c\na\nb\nc\n"});
	assert_int_equal(r.short_users, 3);
	assert_int_equal(r.short_events, 3);
	assert_int_equal(r.lone_items, 1);
	assert_int_equal(r.training_users, 0);
	/* A window of 2 needs 4 events: with the rare items gone, nobody has them. */
	static const char four[] = "user,item\nu,a\nu,b\nu,a\nv,a\nu,b\nv,b\nv,c\n";
	check_case(&(Case){.events = four,
	                   .options = {.split = SPLIT_WINDOW, .window = 2},
	                   .expected = "u: a; b; a; b\na\nb\n"});
	check_case(&(Case){.events = four,
	                   .options = {.split = SPLIT_WINDOW, .window = 3},
	                   .code = ERROR_USAGE,
	                   .error = "no user of 2 stays"});
}

static void test_bad_rows(void **state)
{
	(void)state;
	static const char events[] =
	    "user,item,rating,time\nu,a,good,1\nu,,4,2\n,b,4,2\nu,<mask>,4,2\nu,b,4,then\n"
	    "u,c,,3\nu,d,5,4\n";
	static const char *const cases[][2] = {
	    {"u,a,good,1", "line 2: a rating that is no number"},
	    {"u,,4,2", "line 2: no user or no item"},
	    {",b,4,2", "line 2: no user or no item"},
	    {"u,<mask>,4,2", "line 2: no user"},
	    {"u,b,4,then", "line 2: a time that is no time"},
	    {"u,b,,1", "line 2: a rating"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[128];
		snprintf(text, sizeof text, "user,item,rating,time\n%s\n", cases[i][0]);
		check_case(&(Case){.events = text,
		                   .features = {"rating=rating"},
		                   .code = ERROR_MALFORMED,
		                   .error = cases[i][1]});
	}
	PrepareReport r = check_case(&(Case){.events = events,
	                                     .features = {"rating=rating"},
	                                     .options = {.skip_bad = true},
	                                     .expected = "u: d@4 rating=5\nd\n"});
	assert_int_equal(r.bad[BAD_NUMBER], 2);
	assert_int_equal(r.bad[BAD_ID], 3);
	assert_int_equal(r.bad[BAD_TIME], 1);
	assert_int_equal(r.rows, 1);
}

static void test_sorted(void **state)
{
	(void)state;
	const PrepareOptions sorted = {.sorted = true};
	check_case(&(Case){.events = "user,item,time\nu,a,1\nu,b,1\nv,a,0\n",
	                   .options = sorted,
	                   .expected = "u: a@1; b@1\nv: a@0\na\nb\n"});
	check_case(&(Case){.events = "user,item,time\nu,a,1\nu,b,0\n",
	                   .options = sorted,
	                   .code = ERROR_MALFORMED,
	                   .error = "line 3: an earlier time"});
	check_case(&(Case){.events = "user,item\nu,a\nv,b\nu,c\n",
	                   .options = sorted,
	                   .code = ERROR_MALFORMED,
	                   .error = "line 4: a user that was there before"});
}

static void test_usage(void **state)
{
	(void)state;
	check_case(&(Case){.events = "who,item\nu,a\n",
	                   .code = ERROR_USAGE,
	                   .error = "'user' for --user; there are who, item"});
	check_case(&(Case){.events = "user,item\nu,a\n",
	                   .features = {"x=y"},
	                   .code = ERROR_USAGE,
	                   .error = "'y' for --feature x; there are user, item"});
	check_case(&(Case){.events = "user,item\nu,a\n",
	                   .items = "item,title\na,A\n",
	                   .texts = {"x=y"},
	                   .code = ERROR_USAGE,
	                   .error = "'y' for --text x; there are item, title"});
	check_case(&(Case){.events = "user,item\nu,a\n",
	                   .features = {"x=items.y"},
	                   .code = ERROR_USAGE,
	                   .error = "--items"});
	check_case(&(Case){.events = "user,item\n", .code = ERROR_MALFORMED, .error = "no interactions"});
	check_case(&(Case){.events = "", .code = ERROR_MALFORMED, .error = "nothing in it"});
	static const char *const wrong[] = {"x", "=y", "x=", "a.b=y", "item=y", "x=y:"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		Error e = {0};
		Schema s = {0};
		assert_false(schema_add(&s, wrong[i], false, &e));
		assert_int_equal(e.code, ERROR_USAGE);
		schema_free(&s);
	}
	Error e = {0};
	Schema s = {0};
	assert_true(schema_add(&s, "x=y", false, &e));
	assert_false(schema_add(&s, "x=z", true, &e));
	assert_string_equal(e.text, "there are two features or texts with the name 'x'");
	schema_free(&s);
}

/* Reviews of 2014 with items as Python dicts, of 2018, and of 2023, where a review has a title, too. */
static void test_amazon(void **state)
{
	(void)state;
	static const char of_2014[] =
	    "{\"reviewerID\": \"U\", \"asin\": \"B2\", \"helpful\": [1, 2], \"reviewText\": \"Fine.\", "
	    "\"overall\": 4.0, \"summary\": \"Ok\", \"unixReviewTime\": 1400000000}\n"
	    "{\"reviewerID\": \"U\", \"asin\": \"B1\", \"overall\": 5.0, \"summary\": \"Great\", "
	    "\"unixReviewTime\": 1300000000}\n";
	static const char events_of_2014[] =
	    "U: B1@1300000000 rating=5.0 \"Great\" \"\"; B2@1400000000 rating=4.0 \"Ok\" \"Fine.\"\n";
	char expected[512];
	snprintf(expected, sizeof expected, "%sB1\nB2\n", events_of_2014);
	check_case(&(Case){.preset = "amazon", .events = of_2014, .expected = expected});
	snprintf(expected, sizeof expected,
	         "%sB1 category=Toys+Games+Cards brand=<unknown> \"Caf\xc3\xa9 'X'\"\n"
	         "B2 category= brand=M \"\"\n",
	         events_of_2014);
	check_case(
	    &(Case){.preset = "amazon",
	            .events = of_2014,
	            .items = "{'asin': 'B1', 'title': u\"Caf\\xe9 'X'\", 'related': {'also_bought': ['B2']}, "
	                     "'price': 9.5, 'categories': [['Toys', 'Games'], ['Toys', 'Cards']]}\n"
	                     "{'asin': 'B2', 'brand': 'M', 'imUrl': None}\n",
	            .expected = expected});
	PrepareReport r = check_case(&(Case){
	    .preset = "amazon",
	    .events = "{\"overall\": 3.0, \"vote\": \"2\", \"verified\": true, \"reviewerID\": \"U\", "
	              "\"asin\": \"B1\", \"style\": {\"Size:\": \" L\"}, \"image\": [\"i\", \"j\"], "
	              "\"reviewText\": \"So so.\", \"summary\": \"Hm\", \"unixReviewTime\": 1500000000}\n",
	    .items = "{\"category\": [\"Toys\"], \"title\": \"T\", \"description\": [\"a\", \"b\"], "
	             "\"asin\": \"B1\"}\n",
	    .expected = "U: B1@1500000000 rating=3.0 \"Hm\" \"So so.\"\nB1 category=Toys \"T\"\n"});
	assert_string_equal(r.left_out, "brand: its first MiB has no column 'brand|store'");
	static const char of_2023[] =
	    "{\"rating\": 5.0, \"title\": \"Loved it\", \"text\": \"Yes.\", \"images\": [], "
	    "\"asin\": \"V1\", \"parent_asin\": \"P\", \"user_id\": \"U\", "
	    "\"timestamp\": 1600000000999, \"verified_purchase\": true}\n";
	check_case(&(Case){.preset = "amazon",
	                   .events = of_2023,
	                   .items =
	                       "{\"main_category\": \"Toys\", \"title\": \"The thing\", "
	                       "\"average_rating\": 4.1, \"store\": \"S\", \"categories\": [\"A\", \"B\"], "
	                       "\"details\": {\"Brand\": \"D\"}, \"parent_asin\": \"P\"}\n",
	                   .expected = "U: P@1600000000 rating=5.0 \"Loved it\" \"Yes.\"\n"
	                               "P category=A+B brand=S \"The thing\"\n"});
	/* The reviews' titles are nobody's but theirs. */
	check_case(&(Case){.preset = "amazon",
	                   .events = of_2023,
	                   .items = of_2023,
	                   .code = ERROR_USAGE,
	                   .error = "'category|categories' for --feature category"});
	check_case(&(Case){.preset = "amazon",
	                   .events = "{\"reviewerID\": \"U\", \"asin\": \"P\", \"overall\": 1, "
	                             "\"reviewText\": \"\", \"unixReviewTime\": 1}\n",
	                   .items = "{\"asin\": \"P\", \"title\": \"T\", \"category\": [\"A\"]}\n",
	                   .code = ERROR_USAGE,
	                   .error = "no column 'summary|title' for --text summary; there are reviewerID"});
}

static void test_google_local(void **state)
{
	(void)state;
	static const char reviews[] =
	    "{\"user_id\": \"1\", \"name\": \"Ann\", \"time\": 1500000000001, \"rating\": 4, \"text\": null, "
	    "\"pics\": null, \"resp\": {\"time\": 1, \"text\": \"Thanks\"}, \"gmap_id\": \"0x1:0x2\"}\n"
	    "{\"user_id\": \"1\", \"name\": \"Ann\", \"time\": -1, \"rating\": 5, \"text\": \"Good\", "
	    "\"pics\": [{\"url\": [\"u\"]}], \"resp\": null, \"gmap_id\": \"0x1:0x3\"}\n";
	check_case(&(Case){
	    .preset = "google-local",
	    .events = reviews,
	    .items = "{\"name\": \"Inn\", \"address\": null, \"gmap_id\": \"0x1:0x2\", \"latitude\": 1.5, "
	             "\"category\": [\"Bar\", \"Hotel\"], \"MISC\": {\"a\": [\"b\"]}}\n"
	             "{\"name\": \"Pier\", \"gmap_id\": \"0x1:0x3\", \"category\": null}\n",
	    .expected = "1: 0x1:0x3@-1 rating=5 \"Good\"; 0x1:0x2@1500000000 rating=4 \"\"\n"
	                "0x1:0x3 category= \"Pier\"\n0x1:0x2 category=Bar+Hotel \"Inn\"\n"});
	check_case(&(Case){.preset = "google-local",
	                   .events = "{\"user_id\": \"1\", \"time\": \"2020-01-01\", \"rating\": 4, "
	                             "\"text\": \"\", \"gmap_id\": \"g\"}\n",
	                   .code = ERROR_MALFORMED,
	                   .error = "line 1: a time that is no time: '2020-01-01' (milliseconds)"});
}

static void test_presets(void **state)
{
	(void)state;
	static const char *const names[] = {"ml-1m", "ml-20m"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		Error e = {0};
		Schema s = {0};
		const Preset *p = preset_find(names[i]);
		assert_non_null(p);
		assert_true(preset_fill(p, true, &s, &e));
		assert_int_equal(s.field_count, 3);
		assert_true(s.fields[1].of_item && text_is(s.fields[1].name, "genre"));
		assert_string_equal(s.fields[1].separator, "|");
		schema_free(&s);
	}
	assert_null(preset_find("netflix"));
	assert_string_equal(format_guess("a/b.tsv"), "tsv");
	assert_string_equal(format_guess("b.json"), "jsonl");
	assert_string_equal(format_guess("-"), "csv");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_columns),  cmocka_unit_test(test_filters),
	    cmocka_unit_test(test_bad_rows), cmocka_unit_test(test_sorted),
	    cmocka_unit_test(test_usage),    cmocka_unit_test(test_presets),
	    cmocka_unit_test(test_amazon),   cmocka_unit_test(test_google_local),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
