/* Users as an adapter meets them: their rows, which its encoder makes of histories or which are looked up,
 * and what the adapter makes of these. */
#ifndef USER_MEETING_H
#define USER_MEETING_H

#include "user/adapter.h"

typedef struct {
	const Adapter *adapter;
	Translation translation; /* of the data to the encoder, where there is one */
} Meeting;

/* Borrows both.  ERROR_USAGE where the data is not such as the encoder reads, or the vectors are for. */
bool meeting_new(Meeting *m, const Adapter *a, const Dataset *data, Error *e);
void meeting_free(Meeting *m);

/* Question i is asked as of the first known[i] events of history of[i]; where rows are looked up, they are
 * the user's whatever is known. */
typedef struct {
	size_t count;
	const size_t *of, *known;
} Occasions;

/* The memory of all the questions.  False: see the tape's error. */
bool meet_users(const Meeting *m, Tape *t, const Users *users, const Segment *histories, size_t count,
                const Occasions *asked, AdapterMemory *memory);

#endif
