#include "user/loss.h"

#include "user/items.h"

#include <string.h>

static bool sampled_item_loss(Tape *t, const Encoder *m, Tensor *h, const EventBatch *targets,
                              const SampledTerms *given, float weight, double *loss, size_t *counted)
{
	SampledTerms terms = *given;
	size_t used = terms.negatives, most = used + (h ? h->rows : 0);
	int32_t *ids = arena_new(&t->arena, most, sizeof *ids, &t->error),
	        *positive = arena_new(&t->arena, most, sizeof *positive, &t->error);
	if (h == NULL || ids == NULL || positive == NULL)
		return false;
	if (used > 0)
		memcpy(ids, terms.ids, used * sizeof *ids);
	for (size_t r = 0; r < h->rows; r++) {
		int64_t at = targets->offsets[0][r];
		positive[r] = targets->offsets[0][r + 1] > at ? (int32_t)used : -1;
		if (positive[r] >= 0)
			ids[used++] = targets->ids[0][at] + ID_FIRST;
	}
	terms.ids = ids;
	return tape_sampled_loss(t, h, encoder_items(t, m, ids, used), &terms, positive, weight, loss,
	                         counted);
}

static bool item_loss(Tape *t, const Encoder *m, Tensor *h, const EventBatch *targets, const ItemLoss *what,
                      float weight, double *loss, size_t *counted)
{
	if (what->sampled)
		return sampled_item_loss(t, m, h, targets, &what->terms, weight, loss, counted);
	LossTargets items = {targets->offsets[0], targets->ids[0], what->smoothing};
	if (items_are_a_table(m))
		return tape_cross_entropy(t, h, m->output, 0, items, weight, loss, counted);
	Tensor *y = encoder_item_range(t, m, ID_FIRST, m->output->rows - ID_FIRST);
	return tape_cross_entropy_of(t, h, y, items, weight, loss, counted);
}

bool encoder_loss(Tape *t, const Encoder *m, Tensor *h, const EventBatch *targets, size_t total,
                  double feature_weight, const ItemLoss *items, double *loss, size_t *counted)
{
	if (!item_loss(t, m, h, targets, items, (float)(1 / (double)total), &loss[0], &counted[0]))
		return false;
	double weight = feature_weight / (double)total;
	for (size_t c = 1; weight > 0 && c < m->columns && m->heads[c] != NULL; c++) {
		LossTargets columns = {targets->offsets[c], targets->ids[c], 0};
		if (!tape_cross_entropy(t, tape_linear(t, h, m->heads[c]), m->tables[c], 0, columns,
		                        (float)weight, &loss[c], &counted[c]))
			return false;
	}
	return true;
}
