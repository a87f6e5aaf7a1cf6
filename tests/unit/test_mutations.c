/* GGUF files with something wrong in them: thousands of mutations of small models of every architecture are
 * refused as malformed with one line, or load and compute; none crashes, hangs, or takes memory that the
 * file's size does not justify.  MUTATIONS=10000 in the environment makes that many. */
#include "gradient.h"

#include "small_models.h"

#include <stdlib.h>
#include <sys/resource.h>

static const char *const names[] = {"llama", "qwen2", "qwen3", "gemma2", "gemma3", "gpt2", "gptneox"};
enum { NAMES = sizeof names / sizeof *names, MOST_BYTES = 1 << 18 };

static uint8_t original[MOST_BYTES], mutant[MOST_BYTES];

static size_t read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	size_t size = fread(original, 1, MOST_BYTES, file);
	assert_true(size > 0 && size < MOST_BYTES && fclose(file) == 0);
	return size;
}

static void write_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(mutant, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/* Where the data of tensors begin is not known here; most of what can go wrong lies before it: keys at the
 * beginning, then the vocabulary, then shapes.  So places are drawn more densely towards both. */
static size_t draw_place(Random *r, size_t size)
{
	size_t head = size < 2048 ? size : 2048;
	return (size_t)(random_below(r, 3) > 0 ? random_below(r, head) : random_below(r, size));
}

static void overwrite(Random *r, size_t at, size_t size)
{
	static const uint64_t numbers[] = {0,          1,          2,          3,          31,
	                                   32,         0x7f,       0xff,       0xffff,     0x7fffffff,
	                                   1u << 31,   UINT32_MAX, 1ull << 32, 1ull << 40, INT64_MAX,
	                                   1ull << 63, UINT64_MAX};
	uint64_t number = numbers[random_below(r, sizeof numbers / sizeof *numbers)];
	size_t width = (size_t)1 << random_below(r, 4);
	memcpy(mutant + at, &number, width < size - at ? width : size - at);
}

/* One to four changes; the size of the mutant. */
static size_t mutate(Random *r, size_t size)
{
	memcpy(mutant, original, size);
	for (uint64_t changes = 1 + random_below(r, 4); changes > 0; changes--) {
		size_t at = draw_place(r, size), other = draw_place(r, size),
		       length = (size_t)random_below(r, 64);
		switch (random_below(r, 5)) {
		case 0:
			mutant[at] ^= (uint8_t)(1u << random_below(r, 8));
			break;
		case 1:
			overwrite(r, at, size);
			break;
		case 2:
			mutant[at] = (uint8_t)random_below(r, 256);
			break;
		case 3: /* a piece comes from elsewhere */
			length = length < size - at ? length : size - at;
			memmove(mutant + at, mutant + other, length < size - other ? length : size - other);
			break;
		default:
			size = random_below(r, 4) == 0 ? at + 1 : size;
		}
	}
	return size;
}

/* What loads must compute, or say that it cannot. */
static void use(const Llm *m)
{
	Tape t = {0};
	const int32_t tokens[] = {0, 1}, positions[] = {0, 1};
	AttentionSegment segment = {0, 2, 0, 2, true};
	Sequence s = {.positions = positions, .segments = &segment, .segment_count = 1};
	if (m->shape.V > 1 && m->most_positions > 1) {
		const Tensor *h = llm_forward(&t, m, tokens, 2, &s, NULL);
		assert_true(h != NULL && t.error.code == ERROR_NONE);
	}
	tape_free(&t);
}

/* Whether it loaded; the even ones are used as they are stored. */
static bool try(const char *path, uint64_t number)
{
	Error e = {0};
	Pool *pool = pool_new(1, &e);
	Llm *m = llm_load(path, number % 2 ? LLM_EXPANDED : LLM_AS_STORED, &e);
	if (m != NULL) {
		assert_true(parameters_pack(&m->parameters, GEMM_F32, false, pool, &e));
		use(m);
	}
	pool_free(pool);
	if (m == NULL && (e.code != ERROR_MALFORMED || e.text[0] == '\0' || strchr(e.text, '\n') != NULL))
		fail_msg("mutation %llu: code %d: %s", (unsigned long long)number, e.code, e.text);
	bool loaded = m != NULL;
	llm_free(m);
	return loaded;
}

static void test_mutations(void **state)
{
	(void)state;
	const char *wish = getenv("MUTATIONS");
	size_t count = wish ? strtoul(wish, NULL, 10) : 1400, loaded = 0, done = 0;
	for (size_t i = 0; i < NAMES; i++) {
		Error e = {0};
		char path[64];
		small_path(path);
		Llm *m = small_llm_like(names[i], i % 2 > 0, 3);
		assert_true(llm_save(m, "small", path, &e));
		llm_free(m);
		size_t size = read_file(path);
		for (size_t k = 0; k < count / NAMES; k++, done++) {
			Random r = {random_key(i, k), 0};
			write_file(path, mutate(&r, size));
			loaded += try(path, i * 1000000 + k);
		}
		unlink(path);
	}
	/* Many changes hit weights or names of tokens, which any file may have. */
	assert_true(loaded > done / 20 && loaded < done * 3 / 4);
}

int main(void)
{
	/* Each file is some 50 kB; sanitizers need their own room. */
#if !defined __SANITIZE_ADDRESS__
	struct rlimit limit = {1ul << 29, 1ul << 29};
	if (setrlimit(RLIMIT_AS, &limit) != 0)
		return 1;
#endif
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutations)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
