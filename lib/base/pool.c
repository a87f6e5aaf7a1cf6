#include "base/pool.h"

#include "base/memory.h"

#include <pthread.h>

struct Pool {
	pthread_t *threads;
	size_t started; /* threads besides the caller's */
	pthread_mutex_t lock;
	pthread_cond_t work_ready, work_done;
	void (*work)(void *, size_t);
	void *context;
	size_t tasks, next, unfinished;
	bool stopping;
};

/* Takes tasks until none is left to start.  Called with the lock held. */
static void take_tasks(Pool *pool)
{
	while (pool->next < pool->tasks) {
		size_t task = pool->next++;
		pthread_mutex_unlock(&pool->lock);
		pool->work(pool->context, task);
		pthread_mutex_lock(&pool->lock);
		if (--pool->unfinished == 0)
			pthread_cond_broadcast(&pool->work_done);
	}
}

static void *thread_main(void *argument)
{
	Pool *pool = argument;
	pthread_mutex_lock(&pool->lock);
	while (!pool->stopping) {
		take_tasks(pool);
		if (!pool->stopping)
			pthread_cond_wait(&pool->work_ready, &pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Matrix products lay out blocks of three quarters of a MiB on the stack; a system's own size may be less. */
enum { STACK = 4 << 20 };

static bool start_thread(Pool *pool, pthread_t *thread)
{
	pthread_attr_t attributes;
	if (pthread_attr_init(&attributes) != 0)
		return false;
	bool done = pthread_attr_setstacksize(&attributes, STACK) == 0 &&
	            pthread_create(thread, &attributes, thread_main, pool) == 0;
	pthread_attr_destroy(&attributes);
	return done;
}

Pool *pool_new(size_t threads, Error *e)
{
	Pool *pool = memory_new(1, sizeof *pool, e);
	if (pool == NULL)
		return NULL;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work_ready, NULL);
	pthread_cond_init(&pool->work_done, NULL);
	pool->threads = memory_new(threads, sizeof *pool->threads, e);
	while (pool->threads != NULL && pool->started + 1 < threads) {
		if (!start_thread(pool, &pool->threads[pool->started])) {
			fail(e, ERROR_FAILURE, "the system gives no more than %zu threads",
			     pool->started + 1);
			break;
		}
		pool->started++;
	}
	if (e->code != ERROR_NONE) {
		pool_free(pool);
		return NULL;
	}
	return pool;
}

void pool_free(Pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work_ready);
	pthread_mutex_unlock(&pool->lock);
	for (size_t i = 0; i < pool->started; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->work_done);
	pthread_cond_destroy(&pool->work_ready);
	pthread_mutex_destroy(&pool->lock);
	memory_free(pool->threads);
	memory_free(pool);
}

size_t pool_threads(const Pool *pool)
{
	return pool->started + 1;
}

void pool_run(Pool *pool, size_t tasks, void (*work)(void *, size_t), void *context)
{
	if (tasks == 0)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->work = work;
	pool->context = context;
	pool->tasks = pool->unfinished = tasks;
	pool->next = 0;
	pthread_cond_broadcast(&pool->work_ready);
	take_tasks(pool);
	while (pool->unfinished > 0)
		pthread_cond_wait(&pool->work_done, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}
