/* pool.h - handlers on libuv's pool, behind an admission by count.
 *
 * Everything admitted is given to libuv at once: a queue that a loop feeds would starve the pool
 * whenever that loop is held up. libuv has one pool in a process; the count is the server's.
 */
#ifndef TAILRACE_SERVER_POOL_H
#define TAILRACE_SERVER_POOL_H

#include <stdatomic.h>
#include <uv.h>

struct tlr__loop;

struct tlr__pool {
    unsigned admitted_max; /* threads and queue; set before the loops run */
    /* Both: any loop and pool thread writes, anyone reads; a count and nothing more, so relaxed. */
    atomic_uint admitted; /* queued and running */
    atomic_uint running;
};

struct tlr__pool_job;

/* Called on a pool thread. */
typedef void tlr__pool_run_fn(struct tlr__pool_job *job);
/* Called on the loop once it has run, or will not. */
typedef void tlr__pool_returned_fn(struct tlr__pool_job *job, int cancelled);

/* The caller's memory, from submit to return. */
struct tlr__pool_job {
    uv_work_t work;
    struct tlr__loop *loop;
    tlr__pool_run_fn *run;
    tlr__pool_returned_fn *returned;
};

/* Thread: the loop's. Blocks: never. Errors: -EAGAIN the pool and its queue are full, nothing done.
 */
int tlr__pool_submit(struct tlr__pool *pool, struct tlr__loop *loop, struct tlr__pool_job *job,
                     tlr__pool_run_fn *run, tlr__pool_returned_fn *returned);

/* Takes it out of the queue if no thread has begun it; it returns as cancelled then. */
void tlr__pool_cancel(struct tlr__pool_job *job);

#endif
