/* Training histories, cut where they are longer than a model reads. */
#ifndef USER_HISTORIES_H
#define USER_HISTORIES_H

#include "base/random.h"
#include "data/dataset.h"

/* Inputs are events [first, end); what follows event i of them is event i + 1. */
typedef struct {
	Segment *items;
	size_t count, capacity;
	uint32_t *order; /* shuffled */
	size_t order_capacity;
} Histories;

/* The training histories of all users, cut into pieces of at most `length` inputs at places that the key
 * chooses, so that from epoch to epoch no event always begins a piece; and an order for them. */
bool histories_cut(Histories *h, const Dataset *data, const Users *users, size_t length, uint64_t key,
                   Error *e);
void histories_free(Histories *h);

#endif
