/* Python literals: what repr() writes, and what is refused, with the column. */
#include "data/literal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After the headers of lib/: cmocka has a macro fail(). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void same(const char *literal, const char *json)
{
	Error e = {0};
	json_t *value = literal_read(text_of(literal), &e);
	if (value == NULL)
		fail_msg("%s: %s", literal, e.text);
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	assert_string_equal(text, json);
	free(text);
	json_decref(value);
}

static void refused(const char *literal, const char *error)
{
	Error e = {0};
	if (literal_read(text_of(literal), &e) != NULL)
		fail_msg("%s: this should be refused", literal);
	assert_int_equal(e.code, ERROR_MALFORMED);
	assert_string_equal(e.text, error);
}

static void test_values(void **state)
{
	(void)state;
	same("{'asin': 'B1', 'price': 9.5, 'related': {'also_bought': ['B2', \"B3\"]}}",
	     "{\"asin\":\"B1\",\"price\":9.5,\"related\":{\"also_bought\":[\"B2\",\"B3\"]}}");
	same(" [None, True,False , [], {}, [[ 'A','B' ],['C',],], ]\r\n",
	     "[null,true,false,[],{},[[\"A\",\"B\"],[\"C\"]]]");
	same("[0, -0, +7, 12L, -9223372036854775808, 1e3, -.5, 5.]",
	     "[0,0,7,12,-9223372036854775808,1000.0,-0.5,5.0]");
	same("{'a': 1, u'a': 2}", "{\"a\":2}");
}

static void test_strings(void **state)
{
	(void)state;
	same("''", "\"\"");
	same("'say \"hi\"'", "\"say \\\"hi\\\"\"");
	same("\"it's\"", "\"it's\"");
	same("'it\\'s \\\\ \\n\\t \\x41'", "\"it's \\\\ \\n\\t A\"");
	same("'caf\xc3\xa9'", "\"caf\xc3\xa9\"");
	/* Python 2: characters in u'', bytes without u.  Python 3: characters. */
	same("u'caf\\xe9 \\u65e5 \\U0001f600 \\ud83d\\ude00'",
	     "\"caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80 \xf0\x9f\x98\x80\"");
	same("u'\\xc3\\xa9'", "\"\xc3\x83\xc2\xa9\"");
	same("'caf\\xc3\\xa9 \\xe6\\x97\\xa5\\xf0\\x9f\\x98\\x80'",
	     "\"caf\xc3\xa9 \xe6\x97\xa5\xf0\x9f\x98\x80\"");
	same("'a\\xa0b\\xad \\xe6\\x97 \\u200b'", "\"a\xc2\xa0"
	                                          "b\xc2\xad \xc3\xa6\xc2\x97 \xe2\x80\x8b\"");
}

static void test_refusals(void **state)
{
	(void)state;
	refused("", "column 1: the end too early");
	refused("{'a': ", "column 7: the end too early");
	refused("['a'", "column 5: no , or ] here");
	refused("['a' 'b']", "column 6: no , or ] here");
	refused("[,]", "column 2: no value that is known");
	refused("{'a' 1}", "column 6: no : behind the key");
	refused("{'a': 1 'b': 2}", "column 9: no , or } here");
	refused("{1: 2}", "column 2: no string for a key");
	refused("{'\xc3\xa9': 'a", "column 7: a string that is not closed");
	refused("'a\\'", "column 1: a string that is not closed");
	refused("'a\\", "column 3: an escape that is not known");
	refused("'\xe9'", "column 1: a string that is not UTF-8");
	refused("'a\\d'", "column 3: an escape that is not known");
	refused("'\\x4'", "column 2: an escape that is not known");
	refused("'\\x00'", "column 2: a NUL character");
	refused("u'\\ud83d'", "column 3: an escape that is no character");
	refused("'\\U00110000'", "column 2: an escape that is no character");
	refused("[1] 2", "column 5: more behind the value");
	refused("('a', 'b')", "column 1: no value that is known");
	refused("true", "column 1: no value that is known");
	refused("[1, nan]", "column 5: no value that is known");
	refused("0x10", "column 1: no value that is known");
	refused("1 + 2", "column 3: more behind the value");
	refused("007", "column 1: a number that begins with 0");
	refused("9223372036854775808", "column 1: a number that is too large");
	refused("1e999", "column 1: a number that is too large");
}

static void test_depth(void **state)
{
	(void)state;
	char text[2 * LITERAL_DEPTH_MAX + 3] = {0};
	Error e = {0};
	memset(text, '[', LITERAL_DEPTH_MAX);
	memset(text + LITERAL_DEPTH_MAX, ']', LITERAL_DEPTH_MAX);
	json_t *value = literal_read(text_of(text), &e);
	assert_non_null(value);
	json_decref(value);
	memset(text, '[', sizeof text - 1);
	refused(text, "column 101: too many brackets in brackets");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_strings),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_depth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
