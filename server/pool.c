#include "pool.h"

#include "loop.h"
#include "server_state.h"

#include <errno.h>
#include <stdio.h>

/* Pool threads are libuv's and outlive servers; each takes its number once, and attaches itself to
 * the log and the trace of each server that it comes to work for. */
static void attach_thread(const struct tlr__loop *loop) {
    static atomic_uint threads;
    static _Thread_local char name[TLR_THREAD_NAME_BYTES];
    static _Thread_local unsigned attached_to;

    if (attached_to == loop->server->number) return;
    if (name[0] == '\0') {
        snprintf(name, sizeof name, "pool-%u",
                 atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed));
        pthread_setname_np(pthread_self(), name);
    }
    attached_to = loop->server->number;
    /* Without a free lane the thread's calls are counted as lost, and try again by themselves. */
    if (loop->log) tlr_thread_attach(loop->log, name, TLR_ROLE_POOL);
    if (loop->tracer) tlr_thread_attach(tlr_tracer_log(loop->tracer), name, TLR_ROLE_POOL);
}

static void on_run(uv_work_t *work) {
    struct tlr__pool_job *job = work->data;
    struct tlr__pool *pool = &job->loop->server->pool;

    atomic_fetch_add_explicit(&pool->running, 1, memory_order_relaxed);
    attach_thread(job->loop);
    job->run(job);
    atomic_fetch_sub_explicit(&pool->running, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&pool->admitted, 1, memory_order_relaxed);
}

static void on_returned(uv_work_t *work, int status) {
    struct tlr__pool_job *job = work->data;
    struct tlr__pool *pool = &job->loop->server->pool;

    if (status == UV_ECANCELED) atomic_fetch_sub_explicit(&pool->admitted, 1, memory_order_relaxed);
    job->returned(job, status == UV_ECANCELED);
}

int tlr__pool_submit(struct tlr__pool *pool, struct tlr__loop *loop, struct tlr__pool_job *job,
                     tlr__pool_run_fn *run, tlr__pool_returned_fn *returned) {
    if (atomic_fetch_add_explicit(&pool->admitted, 1, memory_order_relaxed) >= pool->admitted_max) {
        atomic_fetch_sub_explicit(&pool->admitted, 1, memory_order_relaxed);
        return -EAGAIN;
    }
    job->work.data = job;
    job->loop = loop;
    job->run = run;
    job->returned = returned;
    uv_queue_work(&loop->uv, &job->work, on_run, on_returned); /* fails only without a callback */
    return 0;
}

void tlr__pool_cancel(struct tlr__pool_job *job) {
    uv_cancel((uv_req_t *)&job->work); /* UV_EBUSY: it runs, and will return by itself */
}
