/* Blocks of rows by words of eight bytes, which is what a CPU without SSE2 does: the same source, compiled
 * so. */
#undef __SSE2__
#include "../../lib/data/block.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Fields of all lengths, so that their ends come at every place of a word. */
static void test_words(void **state)
{
	(void)state;
	static const char separators[] = {',', '\t', ';', '\x7f', '-', '.'};
	static char text[1 << 16];
	for (size_t s = 0; s < sizeof separators; s++) {
		Error e = {0};
		uint32_t at = 0, count = 0;
		static uint32_t ends[sizeof text];
		bool simple;
		for (uint32_t row = 0; at < sizeof text - 300; row++)
			for (uint32_t field = 0; field < 3; field++) {
				for (uint32_t i = 0; i < (row * 7 + field * 5) % 71; i++)
					text[at++] = (char)('a' + i % 26);
				ends[count++] = at;
				text[at++] = field < 2 ? separators[s] : '\n';
			}
		RowBlock b = {.data = text, .size = at, .columns = 3};
		assert_true(block_split(&b, separators[s], &simple, &e));
		assert_true(simple && b.rows * 3 == count);
		assert_memory_equal(b.ends, ends, count * sizeof *ends);
		block_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_words)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
