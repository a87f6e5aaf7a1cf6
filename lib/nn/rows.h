/* The gradient of a table of which a step reaches few rows: those rows alone. */
#ifndef NN_ROWS_H
#define NN_ROWS_H

#include "base/memory.h"

typedef struct {
	size_t cols;
	int32_t *place; /* [rows of the table]: 1 + place in `touched`, 0: not touched */
	int32_t *touched;
	float *values; /* [count, cols] */
	size_t count, touched_capacity, value_capacity;
} RowGradient;

bool row_gradient_new(RowGradient *g, size_t rows, size_t cols, Error *e);
void row_gradient_free(RowGradient *g);

/* A row to be added to, zeros where it is touched for the first time since row_gradient_clear(); until the
 * next call. */
float *row_gradient_at(RowGradient *g, size_t row, Error *e);
/* The same of a row that has been touched, or NULL. */
float *row_gradient_find(const RowGradient *g, size_t row);
/* Forgets all rows, keeps the memory. */
void row_gradient_clear(RowGradient *g);

#endif
