/* Users as an adapter reads them: their rows, which its encoder makes of histories or which are looked up,
 * and what the adapter makes of these. */
#ifndef USER_USER_READER_H
#define USER_USER_READER_H

#include "user/adapter.h"

typedef struct {
	const Adapter *adapter;
	Translation translation; /* of the data to the encoder, where there is one */
} UserReader;

/* Borrows both.  ERROR_USAGE where the data is not such as the encoder reads, or the vectors are for. */
bool user_reader_new(UserReader *m, const Adapter *a, const Dataset *data, Error *e);
void user_reader_free(UserReader *m);

/* Question i is asked as of the first known[i] events of history of[i]; where rows are looked up, they are
 * the user's whatever is known. */
typedef struct {
	size_t count;
	const size_t *of, *known;
} AsOf;

/* The memory of all the questions.  False: see the tape's error. */
bool user_reader_read(const UserReader *m, Tape *t, const Users *users, const Segment *histories,
                      size_t count, const AsOf *asked, AdapterMemory *memory);

#endif
