/* Training histories: how a user's training events become sequences that a model reads. */
#ifndef USER_HISTORIES_H
#define USER_HISTORIES_H

#include "base/random.h"
#include "data/dataset.h"

typedef enum {
	/* All events, cut into pieces at places that the key chooses, so that from epoch to epoch no event
	   always begins a piece. */
	SEQUENCES_CUT,
	/* The newest inputs of each user alone, as SASRec (Kang and McAuley 2018) has it. */
	SEQUENCES_LAST,
	/* Windows whose ends are `stride` events apart, the newest at the user's end and the oldest shorter
	   where there is no more; what several of them have is in each. */
	SEQUENCES_SLIDING
} Sequences;
#define SEQUENCES "cut|last|sliding"

typedef struct {
	Sequences kind;
	size_t length; /* inputs of a history, at most */
	size_t stride; /* of windows: 1 to length */
} Sequencing;

/* Inputs are events [first, end); what follows event i of them is event i + 1. */
typedef struct {
	Segment inputs;
	size_t newest; /* the user's last training event */
} History;

typedef struct {
	History *items;
	size_t count, capacity;
	uint32_t *order; /* shuffled */
	size_t order_capacity;
} Histories;

/* What there is none of where there are no histories. */
#define HISTORY_NEEDED                                                                                       \
	"no user has two events for it; of three or more the last two are held back (ul-prep --split)"

/* The training histories of all users, and an order for them. */
bool histories_make(Histories *h, const Dataset *data, const Users *users, const Sequencing *how,
                    uint64_t key, Error *e);
void histories_free(Histories *h);

#endif
