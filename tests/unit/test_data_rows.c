/* Rows, line numbers and bad rows; numbers and times. */
#include "data/rows.h"
#include "data/scalar.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* After the headers of lib/: cmocka has a macro fail(). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static char path[64];

static void put(const char *bytes, size_t size)
{
	snprintf(path, sizeof path, "/tmp/test_rows.%ld", (long)getpid());
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

static void print_row(Buffer *out, size_t line, size_t columns, const RowBlock *b, size_t row)
{
	Error e = {0};
	assert_true(buffer_print(out, &e, "%zu ", line));
	for (size_t c = 0; c < columns; c++) {
		Text field = block_field(b, row, c);
		assert_true(buffer_print(out, &e, "%s%.*s", c ? "|" : "", (int)field.size, field.data));
	}
	assert_true(buffer_append(out, "\n", 1, &e));
}

/* One by one. */
static bool read_rows(Rows *r, Buffer *out, Error *e)
{
	RowBlock single = {.rows = 1};
	while (rows_next(r, &single.fields, e)) {
		if (single.fields == NULL)
			return true;
		print_row(out, rows_line(r), rows_columns(r), &single, 0);
	}
	return false;
}

/* In batches; *many becomes the number of rows that came in blocks. */
static bool read_batches(Rows *r, size_t threads, Buffer *out, size_t *many, Error *e)
{
	Pool *pool = pool_new(threads, e);
	const RowBlock *blocks;
	size_t count;
	bool done;
	*many = 0;
	while ((done = rows_batch(r, pool, &blocks, &count, e)) && count > 0) {
		for (size_t i = 0; i < count; i++)
			for (size_t row = 0; row < blocks[i].rows; row++) {
				rows_locate(r, &blocks[i], row);
				print_row(out, rows_line(r), rows_columns(r), &blocks[i], row);
				*many += blocks[i].fields == NULL;
			}
		if (blocks->fields == NULL && !(done = rows_ahead(r, e)))
			break;
	}
	pool_free(pool);
	return done;
}

/* All rows as "LINE field|field\n", with every column wanted: one by one, or with `threads` in
 * batches. */
static bool read_some(const char *format, Encoding encoding, bool header, size_t threads, BadRows *bad,
                      Buffer *out, size_t *many, Error *e)
{
	RowFormat f = {.encoding = encoding};
	assert_true(row_format_parse(format, &f, e));
	f.header = f.header && header;
	Rows *r = rows_open(path, &f, bad, e);
	bool done = r != NULL;
	for (size_t c = 0; done && c < rows_columns(r); c++)
		rows_want(r, c);
	done = done && (threads == 0 ? read_rows(r, out, e) : read_batches(r, threads, out, many, e));
	rows_close(r);
	return done;
}

/* One by one, and again in batches, which must be the same. */
static bool read_all(const char *format, Encoding encoding, bool header, BadRows *bad, Buffer *out, Error *e)
{
	size_t start = out->size;
	bool done = read_some(format, encoding, header, 0, bad, out, NULL, e);
	for (size_t threads = 1; threads <= 2; threads++) {
		Error again = {0};
		Buffer rows = {0};
		BadRows counts = {.skip = bad->skip};
		size_t many;
		assert_int_equal(read_some(format, encoding, header, threads, &counts, &rows, &many, &again),
		                 done);
		assert_string_equal(again.text, e->text);
		assert_memory_equal(counts.counts, bad->counts, sizeof bad->counts);
		assert_int_equal(rows.size, out->size - start);
		if (rows.size > 0)
			assert_memory_equal(rows.data, out->data + start, rows.size);
		buffer_free(&rows);
	}
	return done;
}

typedef struct {
	const char *format, *bytes;
	size_t size; /* 0: to the NUL */
	Encoding encoding;
	bool no_header;
	const char *rows;  /* with --skip-bad, or where nothing is bad */
	const char *error; /* without; NULL: nothing is bad */
	BadReason reason;
	size_t count;
} Case;

static void check_case(const Case *c)
{
	Error e = {0};
	Buffer out = {0};
	BadRows strict = {0}, lax = {.skip = true};
	put(c->bytes, c->size ? c->size : strlen(c->bytes));
	bool done = read_all(c->format, c->encoding, !c->no_header, &strict, &out, &e);
	if (done != (c->error == NULL))
		fail_msg("'%s': %s", c->bytes, e.text);
	if (c->error != NULL) {
		assert_int_equal(e.code, ERROR_MALFORMED);
		if (strstr(e.text, c->error) == NULL || strstr(e.text, path) == NULL)
			fail_msg("'%s' does not say '%s' or the file", e.text, c->error);
	}
	e = (Error){0};
	out.size = 0;
	if (!read_all(c->format, c->encoding, !c->no_header, &lax, &out, &e))
		fail_msg("%s", e.text);
	assert_true(buffer_append(&out, "", 1, &e));
	assert_string_equal((const char *)out.data, c->rows);
	if (c->error != NULL)
		assert_int_equal(lax.counts[c->reason], c->count);
	buffer_free(&out);
	unlink(path);
}

static void test_good(void **state)
{
	(void)state;
	static const Case cases[] = {
	    {"csv", "a,b\n1,2\n3,4", .rows = "2 1|2\n3 3|4\n"},
	    {"csv",
	     "\xef\xbb\xbf"
	     "a,b\r\n1,2\r\n\r\n3,\"4\"\r\n",
	     .rows = "2 1|2\n4 3|4\n"},
	    {"csv", "a,b\n1,\"x\ny\"\"z\n\"\n3,4\n", .rows = "2 1|x\ny\"z\n\n5 3|4\n"},
	    {"csv", "a,b\n1,\"x\r\ny\"\r\n3,4\r\n", .rows = "2 1|x\r\ny\n4 3|4\n"},
	    {"csv", "1,2\n3,4\n", .no_header = true, .rows = "1 1|2\n2 3|4\n"},
	    {"csv", "a,b\n,\n  1 , 2 \n", .rows = "2 |\n3 1|2\n"},
	    {";", "a;b\n1;2,5\n", .rows = "2 1|2,5\n"},
	    {"tsv", "a\tb\n1\t\n", .rows = "2 1|\n"},
	    {"::", "1::\"2::3\r\n\n4::5::6", .rows = "1 1|\"2|3\n3 4|5|6\n"},
	    {"::", "1::caf\xe9\n2::caf\xc3\xa9\n", .encoding = ENCODING_EITHER,
	     .rows = "1 1|caf\xc3\xa9\n2 2|caf\xc3\xa9\n"},
	    {"csv", "a\n\xc3\xa9\n", .encoding = ENCODING_LATIN1, .rows = "2 \xc3\x83\xc2\xa9\n"},
	    {"jsonl", "{\"a\":1,\"b\":\"x\"}\n\n{\"b\":[\"y\",2,null],\"c\":5.0}\n{\"a\":null,\"c\":0.1}",
	     .rows = "1 1|x|\n3 |y\x1f"
	             "2\x1f|5.0\n4 ||0.1\n"},
	    {"jsonl", "{\"a\":true,\"b\":{\"x\":[1, 2]},\"c\":1e100}\n",
	     .rows = "1 true|{\"x\":[1,2]}|1e+100\n"},
	    {"jsonl", "{\"a\":[[\"x\",\"y\"],[],[\"z\",{\"b\":1}]]}\n",
	     .rows = "1 x\x1fy\x1fz\x1f{\"b\":1}\n"},
	    {"python", "{'a': u'caf\\xe9', 'b': [['x'], ['y']]}\n{'b': None, 'a': 1.0}",
	     .rows = "1 caf\xc3\xa9|x\x1fy\n2 1.0|\n"},
	    {"jsonl", "{\"user\":\"1\",\"item\":\"2\"}", .rows = "1 1|2\n"},
	    {"jsonl", "{\"a\":1}\n{\"a\":2,\"b\":3}", .rows = "1 1|\n2 2|3\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check_case(&cases[i]);
}

static void test_bad(void **state)
{
	(void)state;
	static const char nul[] = "a,b\n1,2\n3,\0004\n5,6\n";
	static const Case cases[] = {
	    {"csv", "a,b\n1,2\n3\n4,5,6\n7,8\n", 0, ENCODING_UTF8, false, "2 1|2\n5 7|8\n",
	     "line 3: 1 columns where the others have 2", BAD_COLUMNS, 2},
	    {"csv", nul, sizeof nul - 1, ENCODING_UTF8, false, "2 1|2\n4 5|6\n", "line 3: a NUL", BAD_NUL, 1},
	    {"csv", "a,b\n1,caf\xe9\n3,4\n", 0, ENCODING_UTF8, false, "3 3|4\n", "line 2: broken UTF-8",
	     BAD_ENCODING, 1},
	    /* Inside a quoted field of several lines: the whole row goes. */
	    {"csv", "a,b\n1,\"x\n\xe9\ny\"\n3,4\n", 0, ENCODING_UTF8, false, "5 3|4\n",
	     "line 2: broken UTF-8", BAD_ENCODING, 1},
	    /* Unclosed: only the line where it opens goes. */
	    {"csv", "a,b\n1,\"2\n3,4\n5,6\n", 0, ENCODING_UTF8, false, "3 3|4\n4 5|6\n", "line 2: a quote",
	     BAD_QUOTE, 1},
	    {"csv", "a,b\n1,\"2\n3,\"4\"\n5,6", 0, ENCODING_UTF8, false, "3 3|4\n4 5|6\n", "line 2: a quote",
	     BAD_QUOTE, 1},
	    {"csv", "a,b\n1,2\"3\n3,\"4\" 5\n6,7\n", 0, ENCODING_UTF8, false, "4 6|7\n", "line 2: a quote",
	     BAD_QUOTE, 2},
	    {"csv", "a,b\n1,2\n3,\"", 0, ENCODING_UTF8, false, "2 1|2\n", "line 3: a quote", BAD_QUOTE, 1},
	    {"csv", "a,b\n1,2\r3,4\n5,6\n", 0, ENCODING_UTF8, false, "3 5|6\n", "line 2: a carriage return",
	     BAD_COLUMNS, 1},
	    {"csv", "a,b\n1,2\r3,\"4\n5,6\n", 0, ENCODING_UTF8, false, "3 5|6\n", "line 2: a quote",
	     BAD_QUOTE, 1},
	    {"::", "1::2\n1\n3::4\n", 0, ENCODING_UTF8, false, "1 1|2\n3 3|4\n", "line 2: 1 columns",
	     BAD_COLUMNS, 1},
	    {"jsonl", "{\"a\":1}\n[2]\n{\"a\":\n{\"a\":3}\n", 0, ENCODING_UTF8, false, "1 1\n4 3\n",
	     "line 2: no JSON object", BAD_OBJECT, 2},
	    {"jsonl", "{\"a\":1}\n{\"a\" 2}\n", 0, ENCODING_UTF8, false, "1 1\n",
	     "line 2: column 6: ':' expected near '2'", BAD_OBJECT, 1},
	    {"python", "{'a': 1}\n['a']\n{'a': 'x}\n{'a': 3}\n", 0, ENCODING_UTF8, false, "1 1\n4 3\n",
	     "line 2: no Python dict", BAD_OBJECT, 2},
	    {"python", "{'a': 1}\n{'a': 'x}\n", 0, ENCODING_UTF8, false, "1 1\n",
	     "line 2: column 7: a string that is not closed", BAD_OBJECT, 1},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check_case(&cases[i]);
}

/* Rows of megabytes, and more lines than a block. */
static void test_long(void **state)
{
	(void)state;
	Error e = {0};
	Buffer text = {0}, rows = {0};
	BadRows bad = {.skip = true}, strict = {0};
	assert_true(buffer_print(&text, &e, "a,b\n1,2\n"));
	for (size_t i = 0; i < 3 * ROW_MAX; i++)
		assert_true(buffer_append(&text, "x", 1, &e));
	assert_true(buffer_print(&text, &e, "\n3,4\n5,\"6\n")); /* unclosed, with more than a row behind */
	for (size_t i = 0; i < 2 * ROW_MAX / 8; i++)
		assert_true(buffer_print(&text, &e, "%zu,%zu\n", i, i));
	put((const char *)text.data, text.size);
	assert_true(read_all("csv", ENCODING_UTF8, true, &bad, &rows, &e));
	assert_memory_equal(rows.data, "2 1|2\n4 3|4\n6 0|0\n7 1|1\n", 24);
	assert_int_equal(bad.counts[BAD_LONG], 1);
	assert_int_equal(bad.counts[BAD_QUOTE], 1);
	size_t lines = 0;
	for (size_t i = 0; i < rows.size; i++)
		lines += rows.data[i] == '\n';
	assert_int_equal(lines, 2 + 2 * ROW_MAX / 8);
	assert_false(read_all("csv", ENCODING_UTF8, true, &strict, &rows, &e));
	assert_non_null(strstr(e.text, "line 3: longer"));
	buffer_free(&text);
	buffer_free(&rows);
	unlink(path);
}

/* Several batches, in which blocks of all kinds follow each other; a quoted field runs over
 * every end of a block. */
static void test_blocks(void **state)
{
	(void)state;
	enum { END = 256 << 10, BLOCKS = 24, LINE = 10 };
	Error e = {0};
	Buffer text = {0}, rows = {0};
	BadRows bad = {.skip = true}, strict = {0};
	size_t line = 2, first_bad = 0, wrong = 0, many;
	assert_true(buffer_print(&text, &e, "a,b\r\n"));
	for (size_t block = 1; block < BLOCKS; block++) {
		size_t kind = block % 5;
		const char *end = kind == 1 ? "\r\n" : "\n", *blank = kind == 2 ? " \t" : "";
		for (; text.size < block * END - LINE; line++)
			assert_true(buffer_print(&text, &e, "%s%zu%s,x%s", blank, line, blank, end));
		if (kind == 3) {
			assert_true(buffer_print(&text, &e, "%zu,\"x\n%020d\n\"\"\"\n", line, 0));
			line += 3;
		} else if (kind == 4 && block > BLOCKS / 2) {
			first_bad = first_bad ? first_bad : line;
			assert_true(buffer_print(&text, &e, "%zu\n", line++));
			wrong++;
		}
	}
	assert_true(buffer_print(&text, &e, "%zu,end", line));
	put((const char *)text.data, text.size);
	assert_true(read_all("csv", ENCODING_UTF8, true, &bad, &rows, &e));
	assert_int_equal(bad.counts[BAD_COLUMNS], wrong);
	char last[64];
	int size = snprintf(last, sizeof last, "%zu %zu|end\n", line, line);
	assert_memory_equal(rows.data + rows.size - (size_t)size, last, (size_t)size);
	rows.size = 0;
	assert_true(read_some("csv", ENCODING_UTF8, true, 2, &bad, &rows, &many, &e));
	assert_true(many > line / 5); /* blocks were split, not all parsed */
	assert_false(read_all("csv", ENCODING_UTF8, true, &strict, &rows, &e));
	snprintf(last, sizeof last, "line %zu: 1 columns", first_bad);
	assert_non_null(strstr(e.text, last));
	buffer_free(&text);
	buffer_free(&rows);
	unlink(path);
}

static void test_columns(void **state)
{
	(void)state;
	Error e = {0};
	BadRows bad = {0};
	RowFormat f = {0};
	size_t column;
	put("user,item\n1,2\n", 14);
	assert_true(row_format_parse("csv", &f, &e));
	Rows *r = rows_open(path, &f, &bad, &e);
	assert_non_null(r);
	assert_true(rows_find(r, text_of("item"), &column) && column == 1);
	assert_false(rows_find(r, text_of("1"), &column));
	assert_true(rows_find(r, text_of("asin|item|user"), &column) && column == 1);
	assert_false(rows_find(r, text_of("asin||"), &column));
	assert_false(rows_fail_column(r, "--user", text_of("x"), &e));
	assert_int_equal(e.code, ERROR_USAGE);
	assert_non_null(strstr(e.text, "there is no column 'x' for --user; there are user, item"));
	rows_close(r);
	f.header = false;
	e = (Error){0};
	assert_non_null(r = rows_open(path, &f, &bad, &e));
	assert_true(rows_find(r, text_of("2"), &column) && column == 1);
	assert_false(rows_find(r, text_of("3"), &column));
	assert_false(rows_find(r, text_of("0"), &column));
	assert_false(rows_find(r, text_of(""), &column));
	assert_false(rows_find(r, text_of("99999999999999999999999999"), &column));
	const Text *fields;
	rows_want(r, 1);
	assert_true(rows_next(r, &fields, &e));
	assert_int_equal(fields[0].size, 0); /* nobody wants it */
	assert_true(text_is(fields[1], "item"));
	rows_close(r);
	put("", 0);
	assert_null(rows_open(path, &f, &bad, &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	unlink(path);
	e = (Error){0};
	assert_null(rows_open(path, &f, &bad, &e));
	assert_int_equal(e.code, ERROR_FAILURE);
	e = (Error){0};
	assert_false(row_format_parse("\"", &f, &e));
}

static void test_scalars(void **state)
{
	(void)state;
	static const char *const numbers[] = {"0", "-1", "+4.5", ".5", "5.", "1e3", "2E-10"};
	static const char *const others[] = {"",   "x",   "1x",  "1 ",  ".",   "-",
	                                     "1e", "1e+", "nan", "inf", "0x10"};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		assert_true(scalar_is_number(text_of(numbers[i])));
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_false(scalar_is_number(text_of(others[i])));
	static const struct {
		const char *text;
		int64_t seconds;
	} times[] = {
	    {"978300760", 978300760},
	    {"12.9", 12},
	    {"1.5e9", 1500000000},
	    {"-1.5E0", -2},
	    {"-12.1", -13},
	    {"-12.0", -12},
	    {"1970-01-01", 0},
	    {"2000-02-29", 951782400},
	    {"2013-10-05T21:00:50Z", 1381006850},
	    {"2013-10-05 21:00:50.75", 1381006850},
	    {"2013-10-05T23:00:50+02:00", 1381006850},
	    {"2013-10-05T15:30:50-0530", 1381006850},
	    {"2013-10-05 23:00:50+02", 1381006850},
	    {"2013-10-05T21:00", 1381006800},
	    {"1969-12-31T23:59:59Z", -1},
	    {"0001-01-01", -62135596800},
	};
	int64_t seconds;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		assert_true(scalar_time(text_of(times[i].text), &seconds));
		assert_int_equal(seconds, times[i].seconds);
	}
	static const struct {
		const char *text;
		int64_t seconds;
	} milliseconds[] = {{"0", 0},      {"1507964592497", 1507964592},
	                    {"1999.9", 1}, {"-1", -1},
	                    {"-1000", -1}, {"-1000.1", -2}};
	for (size_t i = 0; i < sizeof milliseconds / sizeof *milliseconds; i++) {
		assert_true(scalar_milliseconds(text_of(milliseconds[i].text), &seconds));
		assert_int_equal(seconds, milliseconds[i].seconds);
	}
	static const struct {
		const char *text;
		int64_t seconds;
	} long_ones[] = {{"12345678", 12345678},     {"00000009", 9},
	                 {"1507964592", 1507964592}, {"1234567e3", 1234567000},
	                 {"99999999", 99999999},     {"123456789012345678", 123456789012345678}};
	for (size_t i = 0; i < sizeof long_ones / sizeof *long_ones; i++) {
		assert_true(scalar_time(text_of(long_ones[i].text), &seconds));
		assert_int_equal(seconds, long_ones[i].seconds);
	}
	assert_false(scalar_milliseconds(text_of("1970-01-01"), &seconds));
	assert_false(scalar_milliseconds(text_of("99999999999999999999"), &seconds));
	static const char *const wrong[] = {"",
	                                    "x",
	                                    "99999999999999999999",
	                                    "2001-02-29",
	                                    "2001-13-01",
	                                    "2001-00-01",
	                                    "2001-01-32",
	                                    "2001-1-1",
	                                    "2001-01-01T",
	                                    "2001-01-01T24:00",
	                                    "2001-01-01T10:60",
	                                    "2001-01-01T10:00:00X",
	                                    "2001-01-01T10:00+",
	                                    "2001-01-01T10:00+02:",
	                                    "2001-01-01T10:00+02:5",
	                                    "2001-01-01T10:00+24",
	                                    "2001-01-01x",
	                                    "1e99",
	                                    "1e",
	                                    "1e3x",
	                                    "1234567x",
	                                    "12345678x",
	                                    "1234:678"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (scalar_time(text_of(wrong[i]), &seconds))
			fail_msg("'%s' is taken for a time", wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),    cmocka_unit_test(test_bad),    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_columns), cmocka_unit_test(test_blocks), cmocka_unit_test(test_scalars),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
