#include "text/pretokenizer.h"

#include "text/expression.h"

#include <stdio.h>
#include <string.h>

#define SPACE      EXPRESSION_SPACE
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

const char pretokenizer_gpt_2[] = GPT_2;

bool cut_steps_add(CutSteps *steps, Cut cut, const char *expression, Error *e)
{
	if (!memory_grow(&steps->items, &steps->capacity, steps->count + 1, sizeof *steps->items, e))
		return false;
	char *copy = memory_string(expression, e);
	if (copy == NULL)
		return false;
	steps->items[steps->count++] = (CutStep){cut, copy};
	return true;
}

void cut_steps_free(CutSteps *steps)
{
	for (size_t i = 0; i < steps->count; i++)
		memory_free(steps->items[i].expression);
	memory_free(steps->items);
	*steps = (CutSteps){0};
}

typedef struct {
	Cut cut;
	Expression *expression;
} Step;

struct Pretokenizer {
	Step *steps;
	size_t count, capacity;
};

static bool add_step(Pretokenizer *p, Cut cut, const char *expression, Error *e)
{
	if (!memory_grow(&p->steps, &p->capacity, p->count + 1, sizeof *p->steps, e))
		return false;
	Expression *x = expression_new(expression, e);
	if (x == NULL)
		return false;
	p->steps[p->count++] = (Step){cut, x};
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
		if (!add_step(p, CUT_ISOLATED, kind->expressions[i], e)) {
			pretokenizer_free(p);
			return NULL;
		}
	return p;
}

Pretokenizer *pretokenizer_of(const CutSteps *steps, Error *e)
{
	Pretokenizer *p = memory_new(1, sizeof *p, e);
	for (size_t i = 0; p != NULL && i < steps->count; i++)
		if (!add_step(p, steps->items[i].cut, steps->items[i].expression, e)) {
			pretokenizer_free(p);
			return NULL;
		}
	return p;
}

void pretokenizer_free(Pretokenizer *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++)
		expression_free(p->steps[i].expression);
	memory_free(p->steps);
	memory_free(p);
}

/* The memory of one cut of a text. */
typedef struct {
	const char *text;
	Match match;
	Words words, next;
} Cutting;

static bool append(Words *words, size_t start, size_t end, Error *e)
{
	if (start == end)
		return true;
	if (!memory_grow(&words->items, &words->capacity, words->count + 1, sizeof *words->items, e))
		return false;
	words->items[words->count++] = (Word){(uint32_t)start, (uint32_t)end};
	return true;
}

/* Appends the words that a match makes; *at is where the next one begins. */
static bool cut_match(Words *words, Cut cut, size_t *at, size_t start, size_t end, Error *e)
{
	bool before = cut == CUT_ISOLATED || cut == CUT_REMOVED || cut == CUT_NEXT;
	bool match = cut == CUT_ISOLATED || cut == CUT_KEPT;
	size_t from = *at;
	*at = cut == CUT_NEXT ? start : end;
	if (cut == CUT_PREVIOUS)
		return append(words, from, end, e);
	return (!before || append(words, from, start, e)) && (!match || append(words, start, end, e));
}

static bool cut_word(Cutting *c, const Step *step, Word word, Error *e)
{
	Text text = {c->text + word.start, word.end - word.start};
	size_t at = word.start, from = 0;
	bool found = true;
	while (from < text.size) {
		if (!expression_find(step->expression, text, from, &c->match, &found, e))
			return false;
		if (!found)
			break;
		from = c->match.end;
		if (!cut_match(&c->next, step->cut, &at, word.start + c->match.start, word.start + from, e))
			return false;
	}
	return step->cut == CUT_KEPT || append(&c->next, at, word.end, e);
}

static bool split(const Pretokenizer *p, Cutting *c, size_t size, Error *e)
{
	c->words.count = 0;
	bool done = append(&c->words, 0, size, e);
	for (size_t i = 0; done && i < p->count; i++) {
		c->next.count = 0;
		for (size_t k = 0; done && k < c->words.count; k++)
			done = cut_word(c, &p->steps[i], c->words.items[k], e);
		Words last = c->words;
		c->words = c->next;
		c->next = last;
	}
	return done;
}

bool pretokenizer_split(const Pretokenizer *p, Text text, Words *words, Error *e)
{
	char *copy;
	if (!text_mend(text, &copy, e))
		return false;
	Cutting c = {.text = copy ? copy : text.data, .words = *words};
	bool done = split(p, &c, text.size, e);
	*words = c.words;
	words_free(&c.next);
	match_free(&c.match);
	memory_free(copy);
	return done;
}

void words_free(Words *words)
{
	memory_free(words->items);
	*words = (Words){0};
}
