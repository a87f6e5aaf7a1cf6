/* Vectors of users, a table that takes the place of an encoder: rows that were computed before, by ul-embed
 * or by another program.  They do not train, and each user's are the same whatever is asked about. */
#ifndef USER_VECTORS_H
#define USER_VECTORS_H

#include "data/dataset.h"
#include "stream/embeddings.h"

typedef struct {
	char *path;
	Embeddings of;      /* dtype and width, and of latents their number and adapter; no pool */
	uint64_t hash;      /* of the file */
	char *split;        /* the part whose targets they are before; NULL: nobody says */
	bool query_time;    /* they know when the next event takes place */
	size_t users, rows; /* in all */
	size_t most;        /* rows of a user */
	bool ordered;       /* user i of the dataset is user i here; else they are found by their ids */
	Vocabulary ids;     /* unless ordered */
	Buffer values;      /* rows × dim, as stored */
	Buffer scales;      /* F32 by row, with I8 */
	int64_t *offsets;   /* users + 1, in rows */
	size_t offsets_capacity;
} UserVectors;

/* Embeddings of users as ul-stream(5) has them; or .npy, or one plain safetensors document with one tensor
 * or one called "embeddings": float numbers [users, d] or [users, rows, d], in the order of the dataset's
 * users.  Errors name the path; ERROR_USAGE for what is no such thing, ERROR_MALFORMED also for numbers that
 * are not finite. */
UserVectors *vectors_open(const char *path, Error *e);
void vectors_free(UserVectors *v);

bool vectors_are_latents(const UserVectors *v);
/* ERROR_USAGE where they are in the order of other users than the dataset has. */
bool vectors_fit(const UserVectors *v, const Dataset *data, Error *e);
/* The rows of a user; ERROR_USAGE, which names the user, where there are none. */
bool vectors_find(const UserVectors *v, const Users *users, size_t user, size_t *first, size_t *count,
                  Error *e);
void vectors_row(const UserVectors *v, size_t row, float *out); /* d floats */

#endif
