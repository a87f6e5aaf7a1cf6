#include "text/pretokenizer.h"

#include "text/utf8.h"

#include <stdio.h>
#include <string.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Unicode's White_Space: PCRE2's own \s has U+180E as well, which is none any more. */
#define SPACE      "\\t-\\r\\x{85}\\p{Z}"
#define OTHER      "[^" SPACE "\\p{L}\\p{N}]"
#define LAST_SPACE "[" SPACE "]+(?![^" SPACE "])"
#define GPT_2      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?" OTHER "+|" LAST_SPACE
/* Llama 3's, where the number of digits that stay together differs */
#define LLAMA_3(digits)                                                                                      \
	"'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" digits    \
	"| ?" OTHER "+[\\r\\n]*|[" SPACE "]*[\\r\\n]+|" LAST_SPACE "|[" SPACE "]+"
#define DEFAULT                                                                                              \
	{                                                                                                    \
		"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT_2, "\\p{N}+", "[0-9][0-9][0-9]"                             \
	}

static const PretokenizerKind kinds[] = {
    {"default", false, false, DEFAULT},
    {"gpt-2", false, false, {GPT_2}},
    {"phi-2", false, false, {GPT_2}},
    {"mpt", false, false, {GPT_2}},
    {"olmo", false, false, {GPT_2}},
    {"smollm", false, false, {"\\p{N}", GPT_2}},
    {"starcoder", false, false, {"\\p{N}", GPT_2}},
    {"llama-bpe", true, true, {LLAMA_3("{1,3}")}},
    {"llama3", true, true, {LLAMA_3("{1,3}")}},
    {"qwen2", false, false, {LLAMA_3("")}},
};

const PretokenizerKind *pretokenizer_kind(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

struct Pretokenizer {
	size_t steps;
	pcre2_code *code[PRETOKENIZER_STEPS];
};

static bool fail_pcre(Error *e, int number)
{
	char text[120];
	pcre2_get_error_message(number, (PCRE2_UCHAR *)text, sizeof text);
	return fail(e, ERROR_FAILURE, "cannot cut text into words: %s", text);
}

static bool compile(Pretokenizer *p, const char *expression, Error *e)
{
	int number;
	PCRE2_SIZE where;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
	                                 &number, &where, NULL);
	if (code == NULL)
		return fail_pcre(e, number);
	(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without it, the same but slower */
	p->code[p->steps++] = code;
	return true;
}

static bool unknown(const char *name, Error *e)
{
	char known[256] = "";
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		size_t used = strlen(known);
		snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", kinds[i].name);
	}
	return fail(e, ERROR_MALFORMED, "pre-tokenizer '%s' is not supported; these are: %s", name, known);
}

Pretokenizer *pretokenizer_new(const char *name, Error *e)
{
	const PretokenizerKind *kind = pretokenizer_kind(name);
	if (kind == NULL) {
		unknown(name, e);
		return NULL;
	}
	Pretokenizer *p = memory_new(1, sizeof *p, e);
	for (size_t i = 0; p != NULL && i < PRETOKENIZER_STEPS && kind->expressions[i] != NULL; i++)
		if (!compile(p, kind->expressions[i], e)) {
			pretokenizer_free(p);
			return NULL;
		}
	return p;
}

void pretokenizer_free(Pretokenizer *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->steps; i++)
		pcre2_code_free(p->code[i]);
	memory_free(p);
}

static bool append(Words *words, size_t end, Error *e)
{
	if (!memory_grow(&words->ends, &words->capacity, words->count + 1, sizeof *words->ends, e))
		return false;
	words->ends[words->count++] = (uint32_t)end;
	return true;
}

/* Appends the ends of the matches in text[start … end), and of what lies between them. */
static bool cut(const pcre2_code *code, pcre2_match_data *match, const char *text, size_t start, size_t end,
                Words *words, Error *e)
{
	const PCRE2_SIZE *found = pcre2_get_ovector_pointer(match);
	size_t at = 0, size = end - start;
	while (at < size) {
		int result =
		    pcre2_match(code, (PCRE2_SPTR)(text + start), size, at, PCRE2_NO_UTF_CHECK, match, NULL);
		if (result == PCRE2_ERROR_NOMATCH)
			break;
		if (result < 0)
			return fail_pcre(e, result);
		if (found[0] > at && !append(words, start + found[0], e))
			return false;
		if (!append(words, start + found[1], e))
			return false;
		at = found[1];
	}
	return at == size || append(words, end, e);
}

/* A copy in which bytes that are no UTF-8 are control characters, or NULL (and
 * success) where there are none. */
static bool mend(Text text, char **copy, Error *e)
{
	*copy = NULL;
	for (size_t i = 0, length; i < text.size; i += length) {
		uint32_t code;
		length = utf8_decode(text.data + i, text.size - i, &code);
		if (length > 0)
			continue;
		if (*copy == NULL) {
			if ((*copy = memory_new(text.size, 1, e)) == NULL)
				return false;
			memcpy(*copy, text.data, text.size);
		}
		(*copy)[i] = 1;
		length = 1;
	}
	return true;
}

static bool split(const Pretokenizer *p, pcre2_match_data *match, Text text, Words *words, Error *e)
{
	Words next = {0};
	words->count = 0;
	bool done = text.size == 0 || append(words, text.size, e);
	for (size_t i = 0; done && i < p->steps; i++) {
		next.count = 0;
		for (size_t k = 0; done && k < words->count; k++)
			done = cut(p->code[i], match, text.data, k ? words->ends[k - 1] : 0, words->ends[k],
			           &next, e);
		Words last = *words;
		*words = next;
		next = last;
	}
	words_free(&next);
	return done;
}

bool pretokenizer_split(const Pretokenizer *p, Text text, Words *words, Error *e)
{
	char *copy;
	pcre2_match_data *match = pcre2_match_data_create(1, NULL);
	if (match == NULL)
		return fail(e, ERROR_FAILURE, "out of memory");
	bool done =
	    mend(text, &copy, e) && split(p, match, (Text){copy ? copy : text.data, text.size}, words, e);
	memory_free(copy);
	pcre2_match_data_free(match);
	return done;
}

void words_free(Words *words)
{
	memory_free(words->ends);
	*words = (Words){0};
}
