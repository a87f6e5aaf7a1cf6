/* What is known of users so far, so that new events come without their histories: the last events of each
 * user as the encoder reads them and, if asked for, the keys and values of every layer, behind which new
 * events are computed alone.  A state is a stream (ul-stream(5)) that belongs to one encoder. */
#ifndef USER_STATE_H
#define USER_STATE_H

#include "user/encoder.h"

/* Some users; all of it is borrowed from whoever made it. */
typedef struct {
	size_t users;
	const uint8_t *user_bytes;
	const int64_t *user_offsets;   /* users + 1 */
	const int64_t *event_offsets;  /* users + 1; a user has max_len events at most, the last ones */
	const int64_t **value_offsets; /* by column of the encoder: events + 1 */
	const int32_t **values;        /* by column: ids of the encoder */
	const int64_t *times;          /* of events, in seconds; NULL where the encoder reads none */
	/* users + 1: a row an event, or none: always where the window is full, since the next event moves it,
	 * and with it the keys of all that stay. */
	const int64_t *row_offsets;
	const float **k, **v; /* by layer: [rows, dim] */
	const double *sums; /* [users, dim]: E's rows, added up; zeros in a stream where there are no keys */
} StateChunk;

Text state_user(const StateChunk *c, size_t user);

/* A state belongs to the encoder of that hash and to that precision: else ERROR_USAGE. */
typedef struct {
	const Encoder *encoder;
	uint64_t hash;
	GemmPrecision precision;
} StateOwner;

typedef struct StateReader StateReader;
StateReader *state_open(const char *path, const StateOwner *owner, Error *e);
/* The next users, or users = 0 at the end; they live until the next call. */
bool state_next(StateReader *r, StateChunk *chunk, Error *e);
void state_close(StateReader *r); /* takes NULL */

/* Writes beside the path; `keys` says that there will be many of them, which hardly shrink.  state_finish()
 * renames, and frees the writer in any case. */
typedef struct StateWriter StateWriter;
StateWriter *state_create(const char *path, const StateOwner *owner, bool keys, const Provenance *p,
                          Pool *pool, Error *e);
bool state_write(StateWriter *w, const StateChunk *chunk, size_t user, Error *e);
bool state_finish(StateWriter *w, Error *e);
void state_abort(StateWriter *w); /* leaves nothing behind; takes NULL */

/* A user as the state has it, or NULL for one who is new, and what follows. */
typedef struct {
	const StateChunk *before;
	size_t place; /* in `before` */
	Text id;
	const EventBatch *events; /* one history, max_len events at most */
	bool all_rows;            /* E of the whole window, not of the new events alone */
	bool keep_keys;           /* in `after` */
} Extension;

/* E as a run over the whole history has it: *h is [new events, dim], or [window, dim] with all_rows, without
 * keys, and where the window moves.  The tape is reset by the caller and has *h; the cache is scratch;
 * `after`, one user, lies in the arena. */
bool state_extend(const Encoder *m, const Extension *x, Tape *t, KeyValueCache *cache, Arena *arena,
                  StateChunk *after, const Tensor **h, Error *e);

#endif
