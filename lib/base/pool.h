/* A pool of threads for work that is cut into tasks.  What a task computes must
 * not depend on which thread runs it: cut work by its size, never by the number
 * of threads, and results are the same for any. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/error.h"

#include <stddef.h>

typedef struct Pool Pool;

Pool *pool_new(size_t threads, Error *e); /* threads ≥ 1, the caller's own included */
void pool_free(Pool *pool);
size_t pool_threads(const Pool *pool);

/* Runs work(context, task) for every task in [0, tasks), in order of start, and
 * returns when all are done.  Pool NULL: on this thread alone. */
void pool_run(Pool *pool, size_t tasks, void (*work)(void *context, size_t task), void *context);

#endif
