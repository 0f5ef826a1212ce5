#include "loop.h"

#include "dispatch.h"
#include "server_state.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* ---- waiting and working ------------------------------------------------------------------- */

void tlr__loop_enter(struct tlr__loop *loop) {
    if (loop->inside) return;
    loop->inside = 1;
    if (loop->trace)
        tlr_loop_wait_end(loop->trace);
    else
        tlr_thread_state_set(TLR_THREAD_RUNNING, NULL, NULL);
}

static void on_prepare(uv_prepare_t *prepare) {
    struct tlr__loop *loop = prepare->data;
    loop->inside = 0;
    if (loop->trace)
        tlr_loop_wait_begin(loop->trace);
    else
        tlr_thread_state_set(TLR_THREAD_POLLING, NULL, NULL);
}

static void on_check(uv_check_t *check) {
    tlr__loop_enter(check->data);
}

/* ---- what other threads ask for ------------------------------------------------------------ */

void tlr__loop_post(struct tlr__loop *loop, struct tlr_exchange *exchange) {
    /* The signal is sent under the lock, so that the loop, which takes the list under it, cannot
     * end and be freed between the two. */
    pthread_mutex_lock(&loop->mutex);
    const int was_empty = !loop->posted;
    exchange->next_posted = NULL;
    *loop->posted_last = exchange;
    loop->posted_last = &exchange->next_posted;
    if (was_empty) uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->mutex);
}

static void ask(struct tlr__loop *loop, int *what) {
    pthread_mutex_lock(&loop->mutex);
    *what = 1;
    if (loop->phase == TLR__LOOP_RUNNING && !loop->deaf) uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->mutex);
}

void tlr__loop_stop(struct tlr__loop *loop) {
    ask(loop, &loop->stop_asked);
}

void tlr__loop_cut(struct tlr__loop *loop) {
    ask(loop, &loop->cut_asked);
}

static void retire(struct tlr__loop *loop) {
    loop->retiring = 1;
    tlr__accept_stop(loop);
    for (struct tlr__conn *conn = loop->conns; conn; conn = conn->next) tlr__conn_retire(conn);
}

static void cut(struct tlr__loop *loop) {
    struct tlr_exchange *next;
    loop->cut = 1;
    for (struct tlr__conn *conn = loop->conns; conn; conn = conn->next) tlr__conn_close(conn);
    for (struct tlr_exchange *exchange = loop->in_use; exchange; exchange = next) {
        next = exchange->next_in_use;
        tlr__dispatch_cut(exchange);
    }
}

static void on_wake(uv_async_t *wake) {
    struct tlr__loop *loop = wake->data;
    tlr__loop_enter(loop);

    pthread_mutex_lock(&loop->mutex);
    struct tlr_exchange *posted = loop->posted;
    loop->posted = NULL;
    loop->posted_last = &loop->posted;
    const int stop_asked = loop->stop_asked, cut_asked = loop->cut_asked;
    pthread_mutex_unlock(&loop->mutex);

    while (posted) {
        struct tlr_exchange *exchange = posted;
        posted = exchange->next_posted;
        tlr__dispatch_answered(exchange);
    }
    if (stop_asked && !loop->retiring) retire(loop);
    if (cut_asked && !loop->cut) cut(loop);
    tlr__loop_settle(loop);
}

/* ---- handles ------------------------------------------------------------------------------- */

static void close_handles(struct tlr__loop *loop) {
    loop->closing = 1;
    tlr__exchanges_free(loop);
    tlr__deadlines_close(&loop->deadlines);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->wake, NULL);
}

void tlr__loop_settle(struct tlr__loop *loop) {
    if (!loop->retiring || loop->closing) return;
    if (loop->conns || loop->in_use || loop->acceptor.descriptor >= 0) return;
    pthread_mutex_lock(&loop->mutex);
    loop->deaf = 1;
    pthread_mutex_unlock(&loop->mutex);
    close_handles(loop);
}

static int open_handles(struct tlr__loop *loop) {
    const struct tlr__limits *limits = loop->limits;
    const uint64_t durations_ms[TLR__DEADLINE_KINDS] = {
        [TLR__DEADLINE_IDLE] = limits->idle_timeout_ms,
        [TLR__DEADLINE_HEAD] = limits->head_timeout_ms,
        [TLR__DEADLINE_BODY] = limits->body_timeout_ms,
        [TLR__DEADLINE_WRITE] = limits->write_timeout_ms,
        [TLR__DEADLINE_LINGER] = TLR__LIMITS_LINGER_MS,
    };
    int error = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (error) return error;
    uv_prepare_init(&loop->uv, &loop->prepare); /* these cannot fail */
    uv_check_init(&loop->uv, &loop->check);
    tlr__deadlines_init(&loop->deadlines, &loop->uv, durations_ms, tlr__conn_expired);
    loop->wake.data = loop->prepare.data = loop->check.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    return 0;
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void set_phase(struct tlr__loop *loop, enum tlr__loop_phase phase, int error) {
    pthread_mutex_lock(&loop->mutex);
    loop->phase = phase;
    loop->error = error;
    pthread_cond_broadcast(&loop->phase_changed);
    pthread_mutex_unlock(&loop->mutex);
}

static int attach(struct tlr__loop *loop) {
    pthread_setname_np(pthread_self(), loop->name);
    /* Without a free lane calls are counted as lost, and try again by themselves. */
    if (loop->log) tlr_thread_attach(loop->log, loop->name, loop->role);
    return loop->tracer ? tlr_loop_attach(loop->tracer, loop->name, &loop->trace) : 0;
}

/* Under the lock, so that a stop that gives up either finds the loop detached, or has it stay. */
static void detach(struct tlr__loop *loop) {
    pthread_mutex_lock(&loop->mutex);
    if (loop->trace && !atomic_load_explicit(&loop->server->abandoned, memory_order_acquire))
        tlr_loop_detach(loop->trace);
    loop->trace = NULL;
    pthread_mutex_unlock(&loop->mutex);
}

/* Listens, and serves until the loop is stopped and nothing is left. */
static int serve(struct tlr__loop *loop) {
    int error = open_handles(loop);
    if (error) {
        close(loop->listener_descriptor);
        return error;
    }
    error = tlr__accept_start(loop, loop->listener_descriptor);
    if (error)
        close_handles(loop);
    else
        set_phase(loop, TLR__LOOP_RUNNING, 0);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    tlr__buffers_free(&loop->buffers);
    return error;
}

static int run(struct tlr__loop *loop) {
    int error = attach(loop);
    if (error) goto no_attach;
    error = uv_loop_init(&loop->uv);
    if (error) goto no_loop;
    error = serve(loop);
    uv_loop_close(&loop->uv);
    detach(loop);
    return error;

no_loop:
    detach(loop);
no_attach:
    close(loop->listener_descriptor);
    return error;
}

static void *thread_main(void *argument) {
    struct tlr__loop *loop = argument;
    struct tlr_server *server = loop->server;
    const int error = run(loop);
    set_phase(loop, TLR__LOOP_ENDED, error);
    tlr__server_release(server);
    return NULL;
}

/* The program's signals are for its own threads. Those that a fault raises stay open, for whoever
 * wants to report crashes. And a client that is gone must be an error of write, not a SIGPIPE. */
static int create_thread(struct tlr__loop *loop) {
    sigset_t blocked, before;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    sigdelset(&blocked, SIGTRAP);
    sigdelset(&blocked, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    const int error = pthread_create(&loop->thread, NULL, thread_main, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

/* ---- from the setup thread ----------------------------------------------------------------- */

int tlr__loop_init(struct tlr__loop *loop) {
    pthread_condattr_t attributes;
    int error = pthread_mutex_init(&loop->mutex, NULL);
    if (error) return -error;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    error = pthread_cond_init(&loop->phase_changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (error) pthread_mutex_destroy(&loop->mutex);
    loop->posted_last = &loop->posted;
    loop->acceptor.descriptor = -1;
    loop->buffers.limits = loop->limits;
    return -error;
}

void tlr__loop_destroy(struct tlr__loop *loop) {
    pthread_cond_destroy(&loop->phase_changed);
    pthread_mutex_destroy(&loop->mutex);
}

int tlr__loop_start(struct tlr__loop *loop) {
    atomic_fetch_add_explicit(&loop->server->references, 1, memory_order_relaxed);
    int error = create_thread(loop);
    if (error) {
        close(loop->listener_descriptor);
        tlr__server_release(loop->server);
        return error;
    }
    pthread_mutex_lock(&loop->mutex);
    while (loop->phase == TLR__LOOP_NEW) pthread_cond_wait(&loop->phase_changed, &loop->mutex);
    const int started = loop->phase == TLR__LOOP_RUNNING;
    error = loop->error;
    pthread_mutex_unlock(&loop->mutex);
    if (!started) pthread_join(loop->thread, NULL);
    return error;
}

int tlr__loop_join(struct tlr__loop *loop, const struct timespec *deadline) {
    int error = 0;
    pthread_mutex_lock(&loop->mutex);
    while (loop->phase == TLR__LOOP_RUNNING && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&loop->phase_changed, &loop->mutex, deadline);
    const int ended = loop->phase == TLR__LOOP_ENDED;
    pthread_mutex_unlock(&loop->mutex);
    if (!ended) return -ETIMEDOUT;
    pthread_join(loop->thread, NULL);
    return 0;
}

void tlr__loop_abandon(struct tlr__loop *loop) {
    pthread_mutex_lock(&loop->mutex);
    atomic_store_explicit(&loop->server->abandoned, 1, memory_order_release);
    pthread_mutex_unlock(&loop->mutex);
    pthread_detach(loop->thread);
}
