/* Tables of which a step reaches few rows: as dense ones where every row is reached, and no more work or
 * memory than rows where not. */
#include "gradient.h"

#include "base/pool.h"
#include "nn/checkpoint.h"
#include "nn/optimizer.h"

#include <unistd.h>

enum { ROWS = 40, COLS = 12 };

typedef struct {
	Parameters set;
	Parameter *table, *matrix;
} Model;

static Model model_new(bool sparse, size_t rows, size_t cols)
{
	Error e = {0};
	Model m = {0};
	m.table = parameters_add(&m.set, "table", 2, (size_t[]){rows, cols}, INIT_NORMAL, 0.02, 5, &e);
	m.matrix = parameters_add(&m.set, "matrix", 2, (size_t[]){3, 5}, INIT_NORMAL, 1, 5, &e);
	assert_true(m.table != NULL && m.matrix != NULL && (!sparse || parameter_sparse(m.table, &e)));
	return m;
}

/* Gradients of a step, from several lanes, in an order of their own; then the step. */
static double clip = 1;

static double step(Model *m, uint64_t number, size_t reached, double average, size_t threads)
{
	Error e = {0};
	double norm;
	Pool *pool = pool_new(threads, &e);
	for (size_t lane = 0; lane < 5; lane += 2)
		for (size_t i = 0; i < reached; i++) {
			size_t row = (i * 7 + lane + number) % reached;
			float *g = parameter_gradient_row(m->table, lane, row, &e);
			assert_non_null(g);
			for (size_t c = 0; c < m->table->cols; c++)
				g[c] +=
				    (float)random_uniform(&(Random){number * 1000 + lane, row * 100 + c}) -
				    0.5f;
		}
	parameter_gradient(m->matrix, 1, &e)[3] = 1;
	assert_true(
	    parameters_step(&m->set, &(OptimizerStep){0.01, 0.1, clip, number, average}, pool, &norm, &e));
	pool_free(pool);
	return norm;
}

static void assert_same(const Model *a, const Model *b, bool averages)
{
	size_t bytes = a->table->count * sizeof(float);
	assert_memory_equal(a->table->value, b->table->value, bytes);
	assert_memory_equal(a->table->m, b->table->m, bytes);
	assert_memory_equal(a->table->v, b->table->v, bytes);
	assert_memory_equal(a->matrix->value, b->matrix->value, a->matrix->count * sizeof(float));
	if (averages)
		assert_memory_equal(a->table->average, b->table->average, bytes);
}

static void test_all_rows_are_a_dense_table(void **state)
{
	(void)state;
	Model sparse = model_new(true, ROWS, COLS), dense = model_new(false, ROWS, COLS);
	/* The norm is added up in another order; without clipping it has no part in the values. */
	clip = 0;
	for (uint64_t i = 1; i <= 5; i++) {
		double a = step(&sparse, i, ROWS, 0.9, 2), b = step(&dense, i, ROWS, 0.9, 2);
		assert_true(fabs(a - b) < 1e-9 * b);
	}
	clip = 1;
	assert_same(&sparse, &dense, true);
	parameters_free(&sparse.set);
	parameters_free(&dense.set);
}

static void test_other_rows_rest(void **state)
{
	(void)state;
	Model m = model_new(true, ROWS, COLS), before = model_new(true, ROWS, COLS);
	for (uint64_t i = 1; i <= 3; i++)
		step(&m, i, 10, 0, 1);
	for (size_t i = 0; i < 10 * COLS; i++)
		assert_true(m.table->value[i] != before.table->value[i] && m.table->v[i] > 0);
	size_t rest = (ROWS - 10) * COLS * sizeof(float);
	assert_memory_equal(m.table->value + 10 * COLS, before.table->value + 10 * COLS, rest);
	for (size_t i = 10 * COLS; i < ROWS * COLS; i++)
		assert_true(m.table->m[i] == 0 && m.table->v[i] == 0);
	/* And rows that were reached once rest as they are. */
	step(&before, 1, 20, 0, 1);
	float *value = before.table->value, *v = before.table->v, kept[2] = {value[15 * COLS], v[15 * COLS]};
	step(&before, 2, 10, 0, 1);
	assert_true(v[15 * COLS] > 0 && value[15 * COLS] == kept[0] && v[15 * COLS] == kept[1]);
	parameters_free(&m.set);
	parameters_free(&before.set);
}

static void test_threads(void **state)
{
	(void)state;
	Model one = model_new(true, 4000, COLS), three = model_new(true, 4000, COLS);
	for (uint64_t i = 1; i <= 4; i++) {
		double a = step(&one, i, 3000, 0.9, 1), b = step(&three, i, 3000, 0.9, 3);
		assert_true(a == b);
	}
	assert_same(&one, &three, true);
	parameters_free(&one.set);
	parameters_free(&three.set);
}

static void test_goes_on_from_a_checkpoint(void **state)
{
	(void)state;
	Error e = {0};
	Buffer bytes = {0};
	Model whole = model_new(true, ROWS, COLS), resumed = model_new(true, ROWS, COLS);
	step(&whole, 1, 10, 0.9, 1);
	step(&whole, 2, 20, 0.9, 1);
	Document *d = document_new(&e);
	assert_true(checkpoint_add(&whole.set, NULL, d, &e) && document_encode(d, &bytes, &e));
	document_free(d);
	d = document_decode(&bytes, &e);
	assert_true(d != NULL && checkpoint_read(&resumed.set, NULL, d, &e));
	document_free(d);
	for (uint64_t i = 3; i <= 5; i++) {
		step(&whole, i, 15, 0.9, 1);
		step(&resumed, i, 15, 0.9, 1);
	}
	assert_same(&whole, &resumed, true);
	parameters_free(&whole.set);
	parameters_free(&resumed.set);
}

static size_t resident(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	assert_non_null(f);
	int found = fscanf(f, "%*u %lu", &pages), closed = fclose(f);
	assert_true(found == 1 && closed == 0);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_memory_goes_by_rows(void **state)
{
	(void)state;
	enum { ITEMS = 200000, WIDTH = 128, REACHED = 5000 };
#ifdef __SANITIZE_ADDRESS__
	skip(); /* its allocator keeps what is freed */
#endif
	if (access("/proc/self/statm", R_OK) != 0)
		skip();
	Model m = model_new(true, ITEMS, WIDTH);
	size_t before = resident(), row = WIDTH * sizeof(float);
	for (uint64_t i = 1; i <= 3; i++)
		step(&m, i, REACHED, 0, 2);
	/* Moments of the rows, and their gradients in three lanes, which may have room for twice as many. */
	size_t grown = resident() - before;
	assert_true(grown < REACHED * row * (2 + 3 * 2) + (size_t)ITEMS * sizeof(int32_t) * LANES);
	parameters_free(&m.set);
}

static void test_embedding_by_rows(void **state)
{
	(void)state;
	static const int64_t offsets[] = {0, 1, 3, 3, 5};
	static const int32_t ids[] = {7, 2, 7, 39, 0};
	Error e = {0};
	Model sparse = model_new(true, ROWS, COLS), dense = model_new(false, ROWS, COLS);
	Model *both[] = {&sparse, &dense};
	for (int k = 0; k < 2; k++) {
		Tape t = {.lane = 3};
		tape_reset(&t, true, 0);
		Tensor *y =
		    tape_embedding(&t, tape_tensor(&t, 4, COLS, true), 0, both[k]->table, offsets, ids);
		float *dy = tape_gradient(&t, y, NULL);
		for (size_t i = 0; i < 4 * COLS; i++)
			dy[i] = (float)i;
		assert_true(tape_backward(&t));
		tape_free(&t);
	}
	assert_int_equal(sparse.table->row_gradients[3].count, 4);
	for (size_t row = 0; row < ROWS; row++) {
		const float *found = row_gradient_find(&sparse.table->row_gradients[3], row),
		            zeros[COLS] = {0};
		assert_memory_equal(found ? found : zeros, parameter_gradient_row(dense.table, 3, row, &e),
		                    sizeof zeros);
	}
	/* What needs all rows at once is refused. */
	assert_null(parameter_gradient(sparse.table, 0, &e));
	assert_true(e.code == ERROR_FAILURE && strstr(e.text, "table") != NULL);
	parameters_free(&sparse.set);
	parameters_free(&dense.set);
}

int main(void)
{
	gemm_start();
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_rows_are_a_dense_table),
	    cmocka_unit_test(test_other_rows_rest),
	    cmocka_unit_test(test_threads),
	    cmocka_unit_test(test_goes_on_from_a_checkpoint),
	    cmocka_unit_test(test_memory_goes_by_rows),
	    cmocka_unit_test(test_embedding_by_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
