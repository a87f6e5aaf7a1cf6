/* The base: options, memory, strings, threads, random numbers, errors. */
#include "base/heap.h"
#include "base/options.h"
#include "base/path.h"
#include "base/pool.h"
#include "base/random.h"
#include "base/strings.h"

#include <math.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

typedef struct {
	bool flag, other;
	int64_t number;
	double real;
	const char *text, *choice;
	StringList list, operands;
	Option table[7];
} Command;

static void command_new(Command *c)
{
	*c = (Command){.number = 5, .real = 0.5, .text = "none", .choice = "csv"};
	const Option table[] = {
	    {"flag", 'f', OPTION_FLAG, &c->flag, NULL, "a flag"},
	    {"other", 'x', OPTION_FLAG, &c->other, NULL, "another", .incidental = true},
	    {"number", 'n', OPTION_INTEGER, &c->number, "N", "a number", -3, 1e12},
	    {"real", 0, OPTION_REAL, &c->real, "X", "a real number", 0, 2.5},
	    {"text", 't', OPTION_STRING, &c->text, "TEXT", "a text"},
	    {"choice", 0, OPTION_CHOICE, &c->choice, "csv|tsv|jsonl", "a choice"},
	    {"list", 'l', OPTION_LIST, &c->list, "ITEM", "a list"},
	};
	memcpy(c->table, table, sizeof table);
}

static void command_free(Command *c)
{
	string_list_free(&c->list);
	string_list_free(&c->operands);
}

/* Parses the words, at most fourteen, after a first one. */
static int parse(Command *c, const char *const *words, Error *e)
{
	char name[] = "tool", *argv[16] = {name};
	int argc = 1;
	*e = (Error){0};
	command_new(c);
	for (; words[argc - 1] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	argv[argc] = NULL;
	bool done = options_parse(c->table, 7, argc, argv, &c->operands, e);
	assert_int_equal(done, e->code == ERROR_NONE);
	return e->code;
}

#define PARSE(...) parse(&c, (const char *const[]){__VA_ARGS__, NULL}, &e)
#define GOOD(condition, ...)                                                                                 \
	do {                                                                                                 \
		assert_int_equal(PARSE(__VA_ARGS__), ERROR_NONE);                                            \
		assert_true(condition);                                                                      \
		command_free(&c);                                                                            \
	} while (0)
#define BAD(words, ...)                                                                                      \
	do {                                                                                                 \
		assert_int_equal(PARSE(__VA_ARGS__), ERROR_USAGE);                                           \
		assert_non_null(strstr(e.text, words));                                                      \
		assert_null(strchr(e.text, '\n'));                                                           \
		command_free(&c);                                                                            \
	} while (0)

static void test_options(void **state)
{
	(void)state;
	Command c;
	Error e;
	GOOD(c.flag && !c.other && c.number == 5, "--flag");
	GOOD(c.flag && c.other, "-fx");
	GOOD(c.flag && c.number == 7, "-fn7");
	GOOD(c.flag && c.number == -3, "-fn", "-3");
	GOOD(c.number == 1000000000000, "--number", "1000000000000");
	GOOD(c.number == 0, "--number=0");
	GOOD(c.real == 2.5 && option_given(c.table, 7, "real"), "--real=2.5");
	GOOD(c.real == 0.001 && !option_given(c.table, 7, "text"), "--real", "1e-3");
	GOOD(strcmp(c.text, "") == 0, "--text=");
	GOOD(strcmp(c.text, "a=b") == 0, "--text=a=b");
	GOOD(strcmp(c.text, "--flag") == 0 && !c.flag, "-t", "--flag");
	GOOD(strcmp(c.choice, "jsonl") == 0, "--choice", "jsonl");
	GOOD(c.list.count == 3 && strcmp(c.list.items[2], "z") == 0, "-lx", "--list", "y", "--list=z");
	GOOD(c.operands.count == 3 && c.flag && strcmp(c.operands.items[1], "-") == 0, "a", "-", "--flag",
	     "b");
	GOOD(c.operands.count == 2 && !c.flag && strcmp(c.operands.items[0], "-f") == 0, "--", "-f", "--");
	GOOD(c.number == 9, "-n", "8", "-n9"); /* the last one counts */
}

static void test_options_refused(void **state)
{
	(void)state;
	Command c;
	Error e;
	BAD("--flags", "--flags");
	BAD("--fla", "--fla"); /* a prefix */
	BAD("-q", "-fq");
	BAD("--flag", "--flag=yes");
	BAD("--number", "--number");
	BAD("-n", "-n");
	BAD("--text", "--text");
	BAD("-4", "--number=-4");
	BAD("--number", "--number=1000000000001");
	BAD("99999999999999999999", "--number=99999999999999999999");
	BAD("--number", "--number=");
	BAD("7x", "-n7x");
	BAD("1.5", "--number=1.5");
	BAD("2.6", "--real=2.6");
	BAD("nan", "--real=nan");
	BAD("inf", "--real=inf");
	BAD("--real", "--real=");
	BAD("xml", "--choice=xml");
	BAD("--choice", "--choice=");
	BAD("cs", "--choice=cs");
	BAD("csv|tsv", "--choice=csv|tsv");
}

static void test_options_record(void **state)
{
	(void)state;
	Command c;
	Error e;
	Buffer record = {0}, help = {0};
	assert_int_equal(PARSE("-x", "--real=0.1", "-t", "it's $HOME", "-la", "-l", "b c", "-n2", "in file"),
	                 0);
	assert_true(options_record(c.table, 7, &c.operands, &record, &e));
	/* What is incidental is left out; a shell reads the rest as it was. */
	const char *text = (const char *)record.data;
	assert_null(strstr(text, "other"));
	assert_non_null(strstr(text, "--number"));
	char command[512];
	snprintf(command, sizeof command, "for word in %s; do printf '%%s\\n' \"$word\"; done", text);
	FILE *shell = popen(command, "r");
	char got[512] = "";
	assert_non_null(shell);
	got[fread(got, 1, sizeof got - 1, shell)] = '\0';
	assert_int_equal(pclose(shell), 0);
	assert_non_null(strstr(got, "it's $HOME\n"));
	assert_non_null(strstr(got, "b c\n"));
	assert_non_null(strstr(got, "in file\n"));
	assert_non_null(strstr(got, "0.1"));
	assert_true(options_help(c.table, 7, &help, &e));
	for (size_t i = 0; i < 7; i++)
		assert_non_null(memmem(help.data, help.size, c.table[i].name, strlen(c.table[i].name)));
	buffer_free(&record);
	buffer_free(&help);
	command_free(&c);
}

/* Values as text, with and without having been given, and back as a default. */
static void test_option_text(void **state)
{
	(void)state;
	Command c;
	Error e;
	char number[OPTION_NUMBER];
	static const char *const words[] = {"true", NULL, "1000000000000", "0.10000000000000001", "", "csv"};
	assert_int_equal(PARSE("-f", "--number", "1000000000000", "--real=0.1", "--text="), 0);
	for (size_t i = 0; i < 6; i++) {
		const char *text = option_text(&c.table[i], number);
		assert_true((text == NULL) == (words[i] == NULL));
		if (text != NULL)
			assert_string_equal(text, words[i]);
	}
	c.real = 0.5;
	c.number = -4; /* outside of the range: none */
	assert_null(option_text(&c.table[2], number));
	assert_true(option_default(&c.table[3], words[3], &e) && c.real == 0.1 && c.table[3].given);
	assert_true(option_default(&c.table[1], "true", &e) && c.other && !c.table[1].given);
	assert_true(option_default(&c.table[5], "tsv", &e) && strcmp(c.choice, "tsv") == 0);
	assert_false(option_default(&c.table[2], "-4", &e));
	assert_int_equal(e.code, ERROR_USAGE);
	command_free(&c);
}

static void test_option_split(void **state)
{
	(void)state;
	Error e = {0};
	size_t left;
	const char *right;
	assert_true(option_split("feature", "a=b=c", &left, &right, &e));
	assert_true(left == 1 && strcmp(right, "b=c") == 0);
	static const char *const wrong[] = {"a", "=b", "a=", ""};
	for (size_t i = 0; i < 4; i++) {
		e = (Error){0};
		assert_false(option_split("feature", wrong[i], &left, &right, &e));
		assert_true(e.code == ERROR_USAGE && strstr(e.text, "--feature") != NULL);
	}
}

static void test_errors(void **state)
{
	(void)state;
	Error e = {0};
	assert_false((fail)(&e, ERROR_MALFORMED, "line %d", 3));
	assert_false((fail)(&e, ERROR_USAGE, "later"));
	assert_string_equal(e.text, "line 3"); /* the first is the cause */
	assert_int_equal(e.code, ERROR_MALFORMED);
	fail_in(&e, "%s", "file.csv");
	assert_string_equal(e.text, "file.csv: line 3");
	assert_int_equal(e.code, ERROR_MALFORMED);
	e = (Error){0};
	errno = ENOENT;
	assert_false(fail_errno(&e, "%s", "gone"));
	assert_true(e.code == ERROR_FAILURE && strncmp(e.text, "gone: ", 6) == 0 && strlen(e.text) > 10);
	char wide[3000];
	memset(wide, 'x', sizeof wide - 1);
	wide[sizeof wide - 1] = '\0';
	e = (Error){0};
	(fail)(&e, ERROR_USAGE, "%s", wide);
	for (int i = 0; i < 3; i++)
		fail_in(&e, "%s", wide);
	assert_true(strlen(e.text) < sizeof e.text && e.code == ERROR_USAGE);
}

static void test_memory(void **state)
{
	(void)state;
	Error e = {0};
	size_t product;
	assert_true(memory_product(1 << 20, 1 << 20, &product, &e) && product == (size_t)1 << 40);
	assert_false(memory_product(SIZE_MAX / 2, 3, &product, &e));
	assert_int_equal(e.code, ERROR_FAILURE);
	e = (Error){0};
	assert_null(memory_new(SIZE_MAX / 4, 8, &e));
	assert_int_equal(e.code, ERROR_FAILURE);
	e = (Error){0};
	char *zeros = memory_new(1000, 3, &e), *none = memory_new(0, 8, &e);
	assert_true(zeros != NULL && none != NULL && (uintptr_t)zeros % 64 == 0);
	for (size_t i = 0; i < 3000; i++)
		assert_true(zeros[i] == 0);
	memory_free(zeros);
	memory_free(none);
	int *list = NULL;
	size_t capacity = 0, moved = 0;
	for (size_t i = 0; i < 1000; i++) {
		size_t before = capacity;
		assert_true(memory_grow(&list, &capacity, i + 1, sizeof *list, &e));
		moved += capacity != before;
		list[i] = (int)i;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(list[i], i);
	assert_true(moved < 12);
	assert_false(memory_grow(&list, &capacity, SIZE_MAX / 2, sizeof *list, &e));
	assert_true(e.code == ERROR_FAILURE && capacity < 3000 && list[999] == 999);
	memory_free(list);
}

static void test_buffer(void **state)
{
	(void)state;
	Error e = {0};
	Buffer b = {0};
	for (int i = 0; i < 500; i++)
		assert_true(buffer_print(&b, &e, "%d,", i % 10));
	assert_true(b.size == 1000 && memcmp(b.data, "0,1,2,", 6) == 0 && memcmp(b.data + 998, "9,", 2) == 0);
	assert_true(buffer_append(&b, NULL, 0, &e) && b.size == 1000);
	assert_false(buffer_reserve(&b, SIZE_MAX, &e));
	assert_int_equal(e.code, ERROR_FAILURE);
	buffer_free(&b);
	assert_true(b.data == NULL && b.size == 0);
}

static void test_arena(void **state)
{
	(void)state;
	Error e = {0};
	Arena a = {0};
	char *places[200] = {NULL};
	ArenaMark start = arena_mark(&a); /* of an empty arena */
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < 200; i++) {
			/* Blocks are of a mebibyte: some of these fit, some need one of their own. */
			size_t size = i % 50 == 49 ? 3 << 20 : i * 701 % 60000;
			char *p = arena_new(&a, size, 1, &e);
			assert_true(p != NULL && (uintptr_t)p % 64 == 0);
			memset(p, (int)i, size);
			assert_true(round == 0 || places[i] == p); /* a second round allocates nothing */
			places[i] = p;
		}
		for (size_t i = 0; i < 200; i++) {
			size_t size = i % 50 == 49 ? 3 << 20 : i * 701 % 60000;
			assert_true(size == 0 || (places[i][0] == (char)i && places[i][size - 1] == (char)i));
		}
		if (round == 0)
			arena_reset(&a);
		else
			arena_rewind(&a, start);
	}
	char *kept = arena_new(&a, 100, 1, &e);
	ArenaMark mark = arena_mark(&a);
	char *first = arena_new(&a, 2 << 20, 1, &e);
	assert_non_null(arena_new(&a, 2 << 20, 1, &e));
	arena_rewind(&a, mark);
	memset(kept, 7, 100);
	assert_ptr_equal(arena_new(&a, 2 << 20, 1, &e), first);
	assert_true(kept[99] == 7);
	assert_null(arena_new(&a, SIZE_MAX / 2, 4, &e));
	assert_int_equal(e.code, ERROR_FAILURE);
	arena_free(&a);
}

/* Texts of all lengths, of NUL bytes and with one byte that is none; the last of them is not added. */
static void check_lengths(void)
{
	enum { MOST = 20, TEXTS = MOST * (MOST + 1) / 2 };
	static char bytes[TEXTS][MOST];
	Text texts[TEXTS];
	int32_t found[TEXTS];
	size_t count = 0;
	Error e = {0};
	Vocabulary v = {0};
	for (size_t size = 1; size <= MOST; size++)
		for (size_t at = 0; at < size; at++, count++) {
			bytes[count][at] = 'a';
			texts[count] = (Text){bytes[count], size};
		}
	vocabulary_find_many(&v, texts, TEXTS, found);
	for (size_t i = 0; i < TEXTS; i++)
		assert_int_equal(found[i], VOCABULARY_NONE);
	for (size_t i = 0; i + 1 < TEXTS; i++)
		assert_int_equal(vocabulary_add(&v, texts[i], &e), i);
	vocabulary_find_many(&v, texts, TEXTS, found);
	for (size_t i = 0; i < TEXTS; i++) {
		assert_int_equal(found[i], i + 1 < TEXTS ? (int32_t)i : VOCABULARY_NONE);
		assert_int_equal(vocabulary_find(&v, texts[i]), found[i]);
	}
	vocabulary_free(&v);
}

static void test_strings(void **state)
{
	(void)state;
	Error e = {0};
	Vocabulary v = {0};
	char name[32];
	assert_int_equal(vocabulary_find(&v, text_of("0")), VOCABULARY_NONE);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 5000; i++) {
			snprintf(name, sizeof name, "%d", i * 37);
			assert_int_equal(vocabulary_add(&v, text_of(name), &e), i);
		}
	assert_int_equal(v.strings.count, 5000);
	assert_int_equal(vocabulary_find(&v, text_of("1")), VOCABULARY_NONE);
	assert_int_equal(vocabulary_find(&v, text_of("74")), 2);
	assert_int_equal(vocabulary_add(&v, (Text){"a\0b", 3}, &e), 5000);
	assert_int_equal(vocabulary_add(&v, (Text){"a\0c", 3}, &e), 5001);
	assert_int_equal(vocabulary_add(&v, text_of(""), &e), 5002);
	assert_true(text_is(strings_at(&v.strings, 5002), ""));
	check_lengths();
	/* Of two that are equal the first keeps the name. */
	Strings list = {0};
	for (int i = 0; i < 4; i++)
		assert_true(strings_append(&list, i % 2 ? "b" : "a", 1, &e));
	Vocabulary w;
	assert_true(vocabulary_from(&w, &list, &e) && list.count == 0);
	assert_true(w.strings.count == 4 && vocabulary_find(&w, text_of("b")) == 1);
	vocabulary_free(&v);
	vocabulary_free(&w);
	strings_free(&list);
}

static void test_utf8(void **state)
{
	(void)state;
	static const char *const good[] = {
	    "", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {
	    "\xff", "\xc3",      "\xc0\x80",     "\xe0\x80\x80",    "\xed\xa0\x80", "\xf4\x90\x80\x80",
	    "\x80", "a\xe2\x82", "\xe2\x28\xa1", "\xf5\x80\x80\x80"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(text_is_utf8(text_of(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(text_is_utf8(text_of(bad[i])));
	assert_false(text_is_utf8((Text){"a\0b", 3}));
}

static void test_words(void **state)
{
	(void)state;
	static const char *const good[] = {"a", "bc", "d-e"}, *const bad[] = {"", "b", "c", "e", "a|bc", "|"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(word_number("a|bc|d-e", good[i]) == i &&
		            text_is(word_at("a|bc|d-e", i), good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_true(word_number("a|bc|d-e", bad[i]) == SIZE_MAX);
	assert_int_equal(word_at("a|bc|d-e", 3).size, 0);
}

typedef struct {
	atomic_int counts[1000];
	atomic_int running, most;
} Tasks;

static void work(void *context, size_t task)
{
	Tasks *t = context;
	int now = ++t->running, most = t->most;
	while (now > most && !atomic_compare_exchange_weak(&t->most, &most, now))
		;
	t->counts[task]++;
	for (volatile int i = 0; i < 200; i++)
		;
	t->running--;
}

static void test_pool(void **state)
{
	(void)state;
	for (size_t threads = 0; threads <= 4; threads++) { /* 0: there is no pool */
		Error e = {0};
		static Tasks t;
		memset(&t, 0, sizeof t);
		Pool *pool = threads > 0 ? pool_new(threads, &e) : NULL;
		assert_true(threads == 0 || (pool != NULL && pool_threads(pool) == threads));
		pool_run(pool, 0, work, &t);
		for (size_t tasks = 1; tasks <= 1000; tasks *= 10) /* the same pool again and again */
			pool_run(pool, tasks, work, &t);
		for (size_t i = 0; i < 1000; i++)
			assert_int_equal(t.counts[i], 1 + (i < 100) + (i < 10) + (i < 1));
		assert_true(t.most >= 1 && t.most <= (int)(threads ? threads : 1) && t.running == 0);
		pool_free(pool);
	}
}

/* Whatever is pushed and popped between, the least is next; a heap that was emptied is filled again. */
static void test_heap(void **state)
{
	(void)state;
	enum { ITEMS = 500 };
	Error e = {0};
	Heap h = {0};
	Random r = {random_key(3, 4), 0};
	for (size_t round = 0; round < 3; round++) {
		bool inside[ITEMS] = {false};
		HeapItem items[ITEMS];
		for (size_t i = 0, popped = 0; popped < ITEMS;) {
			if (i < ITEMS && (h.count == 0 || random_below(&r, 3) > 0)) {
				items[i] =
				    (HeapItem){(double)random_below(&r, 20), (uint64_t)i, (int32_t)i, 7};
				inside[i] = true;
				assert_true(heap_push(&h, items[i++], &e));
				continue;
			}
			HeapItem best = heap_pop(&h);
			popped++;
			assert_true(inside[best.id] && best.note == 7);
			inside[best.id] = false;
			for (size_t k = 0; k < i; k++)
				assert_false(inside[k] &&
				             (items[k].cost < best.cost ||
				              (items[k].cost <= best.cost && items[k].order < best.order)));
		}
		assert_int_equal(h.count, 0);
	}
	heap_free(&h);
}

static void test_random(void **state)
{
	(void)state;
	enum { DRAWS = 70000, BINS = 7 };
	Random r = {random_key(1, 2), 0}, again = r;
	size_t bins[BINS] = {0}, below[BINS] = {0};
	double sum = 0, squares = 0;
	for (size_t i = 0; i < DRAWS; i++) {
		double u = random_uniform(&r);
		assert_true(u >= 0 && u < 1);
		bins[(size_t)(u * BINS)]++;
		below[random_below(&r, BINS)]++;
		double z = random_normal(&r);
		sum += z;
		squares += z * z;
	}
	for (size_t i = 0; i < BINS; i++) {
		assert_true(fabs((double)bins[i] - DRAWS / BINS) < 5 * sqrt(DRAWS / BINS));
		assert_true(fabs((double)below[i] - DRAWS / BINS) < 5 * sqrt(DRAWS / BINS));
	}
	assert_true(fabs(sum / DRAWS) < 0.02 && fabs(squares / DRAWS - 1) < 0.03);
	assert_int_equal(random_below(&r, 1), 0);
	/* A number is a function of key and counter. */
	uint64_t first = random_bits(again.key, 0);
	assert_true(random_uniform(&again) == (double)(first >> 11) * 0x1p-53);
	assert_true(random_bits(again.key, 0) == first && random_bits(again.key, 1) != first);
	assert_true(random_key(1, 2) != random_key(1, 3) && random_key(1, 2) != random_key(2, 2));
	uint32_t values[100];
	size_t moved = 0, seen[100] = {0};
	for (uint32_t i = 0; i < 100; i++)
		values[i] = i;
	random_shuffle(&r, values, 100);
	for (size_t i = 0; i < 100; i++) {
		moved += values[i] != i;
		seen[values[i]]++;
	}
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	assert_true(moved > 80);
}

static void test_paths(void **state)
{
	(void)state;
	Error e = {0};
	const char *const last[][2] = {{"a/b.c", "b.c"}, {"b", "b"}, {"/", "/"}, {"a/", "a/"}, {"", ""}};
	for (size_t i = 0; i < sizeof last / sizeof *last; i++)
		assert_string_equal(path_basename(last[i][0]), last[i][1]);
	char *joined = path_join("/nowhere at all", "b", &e);
	assert_string_equal(joined, "/nowhere at all/b");
	assert_true(path_is_missing(joined) && !path_is_directory(joined));
	assert_true(!path_is_missing("/") && path_is_directory("/") && !path_is_directory("/dev/null"));
	memory_free(joined);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_options),        cmocka_unit_test(test_options_refused),
	    cmocka_unit_test(test_options_record), cmocka_unit_test(test_option_text),
	    cmocka_unit_test(test_option_split),   cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_memory),         cmocka_unit_test(test_buffer),
	    cmocka_unit_test(test_arena),          cmocka_unit_test(test_strings),
	    cmocka_unit_test(test_utf8),           cmocka_unit_test(test_words),
	    cmocka_unit_test(test_pool),           cmocka_unit_test(test_heap),
	    cmocka_unit_test(test_random),         cmocka_unit_test(test_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
