/* What the tests of tokenizers share. */
#ifndef TESTS_TOKENS_H
#define TESTS_TOKENS_H

#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static inline Tokenizer *make(TokenizerModel *m)
{
	Error e = {0};
	Tokenizer *t = tokenizer_new(m, &e);
	if (t == NULL)
		fail_msg("%s", e.text);
	return t;
}

static inline void expect_text(const Tokenizer *t, Text text, unsigned flags, size_t count,
                               const int32_t *ids)
{
	Error e = {0};
	Tokens got = {0};
	assert_true(tokenizer_encode(t, text, flags, &got, &e));
	assert_int_equal(got.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(got.ids[i], ids[i]);
	tokens_free(&got);
}

#define IDS(...)                                                                                             \
	sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t), (int32_t[])                                      \
	{                                                                                                    \
		__VA_ARGS__                                                                                  \
	}

#endif
