#include "nn/rows.h"

#include <string.h>

bool row_gradient_new(RowGradient *g, size_t rows, size_t cols, Error *e)
{
	*g = (RowGradient){.cols = cols, .place = memory_new(rows, sizeof *g->place, e)};
	return g->place != NULL;
}

void row_gradient_free(RowGradient *g)
{
	memory_free(g->place);
	memory_free(g->touched);
	memory_free(g->values);
	*g = (RowGradient){0};
}

float *row_gradient_find(const RowGradient *g, size_t row)
{
	return g->place != NULL && g->place[row] > 0 ? g->values + (size_t)(g->place[row] - 1) * g->cols
	                                             : NULL;
}

float *row_gradient_at(RowGradient *g, size_t row, Error *e)
{
	float *found = row_gradient_find(g, row);
	if (found != NULL)
		return found;
	if (!memory_grow(&g->touched, &g->touched_capacity, g->count + 1, sizeof *g->touched, e) ||
	    !memory_grow(&g->values, &g->value_capacity, g->count + 1, g->cols * sizeof *g->values, e))
		return NULL;
	g->touched[g->count++] = (int32_t)row;
	g->place[row] = (int32_t)g->count;
	found = row_gradient_find(g, row);
	memset(found, 0, g->cols * sizeof *found);
	return found;
}

void row_gradient_clear(RowGradient *g)
{
	for (size_t i = 0; i < g->count; i++)
		g->place[g->touched[i]] = 0;
	g->count = 0;
}
