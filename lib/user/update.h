/* New events on a state: a pass over the old one, those who are new behind, and E's rows of all who have
 * new events. */
#ifndef USER_UPDATE_H
#define USER_UPDATE_H

#include "user/state.h"

typedef struct {
	const Encoder *encoder;
	const Translation *translation; /* of the new events */
	GemmPrecision precision;
	const char *pool; /* none, last, mean */
	bool keep_keys;
	Pool *threads;
	const Users *users; /* with their new events alone */
} Update;

/* By number in Update.users: rows of the encoder's width. */
typedef struct {
	float **rows;
	size_t *counts;
	Arena arenas[LANES]; /* behind the rows */
} UpdatedRows;

/* Users of the state who are not among `users` are copied, all others follow them; `before` NULL: there is no
 * state yet.  *fresh is how many users it did not have.  Memory: a chunk, and what it takes to hold those who
 * change. */
bool update_state(const Update *u, StateReader *before, StateWriter *after, UpdatedRows *rows, size_t *fresh,
                  Error *e);
void updated_rows_free(UpdatedRows *rows);

#endif
