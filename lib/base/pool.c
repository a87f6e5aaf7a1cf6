#include "base/pool.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>

/* A run is set up, and entered by threads, under the lock; tasks are taken without it.  `inside` counts the
 * threads that may still take some of the run, so nobody sets up the next before it is 0. */
struct Pool {
	pthread_t *threads;
	size_t started; /* threads besides the caller's */
	pthread_mutex_t lock;
	pthread_cond_t work_ready, work_done;
	size_t asleep;
	bool stopping;
	void (*work)(void *, size_t);
	void *context;
	size_t tasks;
	atomic_size_t next, run, inside;
};

/* How long a thread looks for the next run before it sleeps: runs of a few microseconds each follow one
 * another while a model decodes, and waking up takes longer than that. */
enum { LOOKS = 4096 };

static void rest(void)
{
#if defined __x86_64__
	__builtin_ia32_pause();
#endif
}

static void take_tasks(Pool *pool)
{
	size_t task;
	while ((task = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed)) < pool->tasks)
		pool->work(pool->context, task);
}

/* Waits for a run after `last`, and enters it; the number of the run, or `last` where the pool stops. */
static size_t enter(Pool *pool, size_t last)
{
	for (int i = 0; i < LOOKS && atomic_load_explicit(&pool->run, memory_order_relaxed) == last; i++)
		rest();
	pthread_mutex_lock(&pool->lock);
	pool->asleep++;
	while (!pool->stopping && atomic_load(&pool->run) == last)
		pthread_cond_wait(&pool->work_ready, &pool->lock);
	pool->asleep--;
	if (!pool->stopping) {
		last = atomic_load(&pool->run);
		atomic_fetch_add(&pool->inside, 1);
	}
	pthread_mutex_unlock(&pool->lock);
	return last;
}

static void leave(Pool *pool)
{
	if (atomic_fetch_sub(&pool->inside, 1) > 1)
		return;
	pthread_mutex_lock(&pool->lock);
	pthread_cond_signal(&pool->work_done);
	pthread_mutex_unlock(&pool->lock);
}

static void *thread_main(void *argument)
{
	Pool *pool = argument;
	for (size_t run = 0, next; (next = enter(pool, run)) != run; run = next) {
		take_tasks(pool);
		leave(pool);
	}
	return NULL;
}

/* Until no other thread is inside; the lock is held, and still is. */
static void wait_outside(Pool *pool)
{
	while (atomic_load(&pool->inside) > 0)
		pthread_cond_wait(&pool->work_done, &pool->lock);
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
	for (size_t task = 0; pool == NULL && task < tasks; task++)
		work(context, task);
	if (pool == NULL || tasks == 0)
		return;
	pthread_mutex_lock(&pool->lock);
	wait_outside(pool); /* a thread may have come late to the run before */
	pool->work = work;
	pool->context = context;
	pool->tasks = tasks;
	atomic_store(&pool->next, 0);
	atomic_fetch_add(&pool->run, 1);
	if (pool->asleep > 0)
		pthread_cond_broadcast(&pool->work_ready);
	pthread_mutex_unlock(&pool->lock);
	take_tasks(pool);
	for (int i = 0; i < LOOKS && atomic_load(&pool->inside) > 0; i++)
		rest();
	pthread_mutex_lock(&pool->lock);
	wait_outside(pool);
	pthread_mutex_unlock(&pool->lock);
}
