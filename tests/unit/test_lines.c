/* Lines of a file through a buffer that is far smaller: marks, ways back, lines that are too long. */
#include "data/lines.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* After the headers of lib/: cmocka has a macro fail(). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

enum { ROOM = 32, MOST = 20 };

static char path[64];

/* The file of these bytes, open. */
static Lines lines_of(const char *bytes)
{
	Lines l;
	Error e = {0};
	snprintf(path, sizeof path, "/tmp/test_lines.%ld", (long)getpid());
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, strlen(bytes), f), strlen(bytes));
	assert_int_equal(fclose(f), 0);
	assert_true(lines_open(&l, path, ROOM, &e));
	return l;
}

static void done(Lines *l)
{
	lines_close(l);
	unlink(path);
}

/* NULL: too long. */
static void take(Lines *l, const char *expected)
{
	Error e = {0};
	Text line;
	bool too_long;
	assert_true(lines_take(l, MOST, &line, &too_long, &e));
	assert_int_equal(too_long, expected == NULL);
	expected = expected ? expected : "";
	assert_int_equal(line.size, strlen(expected));
	assert_memory_equal(line.data, expected, line.size);
}

static void test_marks(void **state)
{
	(void)state;
	Lines l = lines_of("\xef\xbb\xbfone\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten");
	assert_int_equal(lines_position(&l), 3); /* behind the byte order mark */
	for (int again = 0; again < 2; again++) {
		take(&l, "one\n");
		take(&l, "two\n");
		take(&l, "three\n");
		assert_int_equal(l.line, 4);
		assert_int_equal(lines_position(&l), 17);
		if (!again)
			lines_back(&l);
	}
	static const char *const rest[] = {"four\n", "five\n", "six\n", "seven\n", "eight\n", "nine\n"};
	for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
		lines_mark(&l);
		take(&l, rest[i]);
	}
	lines_back(&l); /* though more was read since it was marked */
	take(&l, "nine\n");
	take(&l, "ten");
	assert_int_equal(l.line, 11);
	take(&l, "");
	assert_int_equal(l.line, 11);
	assert_true(l.at_end);
	done(&l);
}

static void test_too_long(void **state)
{
	(void)state;
	Error e = {0};
	Lines l = lines_of("short\nfirst of more lines\nthan may be together\n"
	                   "one line that is longer than there is room for, and more\nend\n");
	take(&l, "short\n");
	take(&l, NULL); /* as both are */
	lines_mark(&l);
	take(&l, "first of more lines\n");
	take(&l, NULL);
	assert_true(lines_skip(&l, &e)); /* to the second of these */
	assert_int_equal(l.line, 3);
	lines_mark(&l);
	take(&l, NULL); /* by a byte */
	assert_true(lines_skip(&l, &e));
	lines_mark(&l);
	take(&l, NULL);
	assert_true(lines_skip(&l, &e));
	assert_int_equal(l.line, 5);
	lines_mark(&l);
	take(&l, "end\n");
	take(&l, "");
	done(&l);
}

static void test_ahead(void **state)
{
	(void)state;
	Error e = {0};
	Lines l = lines_of("0123456\n0123456\n0123456\n0123456\n0123456\n0123456\n0123456\nlast\n");
	assert_true(lines_read(&l, ROOM, &e));
	assert_int_equal(l.end, ROOM);
	const char *before = (const char *)l.data;
	lines_pass(&l, 24, 3);
	assert_true(lines_ahead(&l, &e));
	assert_memory_equal(before, "0123456\n0123456\n0123456\n", 24); /* still there */
	assert_int_equal(l.mark, 0);
	assert_int_equal(l.end, ROOM);
	assert_int_equal(lines_position(&l), 24);
	assert_int_equal(l.line, 4);
	lines_pass(&l, 32, 4);
	assert_true(lines_ahead(&l, &e));
	take(&l, "last\n");
	assert_true(l.at_end);
	done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_marks),
	    cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_ahead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
