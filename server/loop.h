/* loop.h - one event loop in a thread of its own: its listening socket, connections and counters.
 */
#ifndef TAILRACE_SERVER_LOOP_H
#define TAILRACE_SERVER_LOOP_H

#include "accept.h"
#include "conn.h"
#include "route.h"

#include <pthread.h>
#include <stdatomic.h>

enum tlr__loop_phase { TLR__LOOP_NEW, TLR__LOOP_RUNNING, TLR__LOOP_ENDED };

/* Each written by the loop's thread alone, read by any: relaxed. */
struct tlr__counters {
    atomic_uint_fast64_t connections_open, connections_total, connections_refused;
    atomic_uint_fast64_t requests, responses, refused_pool_full, bad_requests, handler_failures,
        timeouts, abandoned;
};

static inline void tlr__count(atomic_uint_fast64_t *counter, int64_t step) {
    const uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + (uint64_t)step, memory_order_relaxed);
}

struct tlr__loop {
    /* Set before the thread starts. */
    struct tlr_server *server;
    const struct tlr__router *router;
    const struct tlr__limits *limits;
    struct tlr_log *log;       /* NULL: none */
    struct tlr_tracer *tracer; /* NULL: none */
    int access_log_on;
    enum tlr_role role;
    char name[TLR_THREAD_NAME_BYTES];
    int listener_descriptor; /* bound; the thread takes it over */
    int joined;              /* the setup thread's */

    /* The loop's own. */
    pthread_t thread;
    uv_loop_t uv;
    struct tlr__acceptor acceptor;
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_check_t check;
    struct tlr__deadlines deadlines;
    struct tlr_loop *trace; /* NULL: not traced */
    struct tlr__conn *conns;
    struct tlr__buffers buffers;
    struct tlr_exchange *in_use, *spare_exchanges;
    unsigned spare_exchange_count;
    unsigned orphans; /* exchanges in use whose client is gone; they count as connections */
    int retiring;     /* the server stops: connections end with their response */
    int cut;          /* the deadline has passed */
    int closing;      /* the handles are being closed: the loop ends */
    int inside;       /* between a callback's begin and the next wait */
    struct tlr__response_date date;
    char scratch[16 * 1024]; /* for one response, or for bytes to discard */

    /* Under the mutex: any thread writes. */
    pthread_mutex_t mutex;
    pthread_cond_t phase_changed; /* on CLOCK_MONOTONIC */
    enum tlr__loop_phase phase;
    int error;                                  /* why it could not start */
    struct tlr_exchange *posted, **posted_last; /* deferred answers, oldest first */
    int stop_asked, cut_asked;
    int deaf; /* `wake` is closed, for nothing can come any more */

    struct tlr__counters counters;
};

/* ---- from the setup thread ---------------------------------------------------------------- */

/* Prepares a loop that the server has filled in. Errors: errno of the mutex or condition. */
int tlr__loop_init(struct tlr__loop *loop);
void tlr__loop_destroy(struct tlr__loop *loop);

/* Starts the thread. Blocks: until it listens. Errors: errno of thread creation, of libuv, of
 * listen; the thread has ended then. */
int tlr__loop_start(struct tlr__loop *loop);

/* Asks it to stop accepting and to end with its last connection; or to cut off all there is. */
void tlr__loop_stop(struct tlr__loop *loop);
void tlr__loop_cut(struct tlr__loop *loop);

/* Waits for its end, up to a time of CLOCK_MONOTONIC, and joins it. Errors: -ETIMEDOUT. */
int tlr__loop_join(struct tlr__loop *loop, const struct timespec *deadline);

/* Gives up waiting: the thread ends by itself when what holds it up lets go. */
void tlr__loop_abandon(struct tlr__loop *loop);

/* ---- from the loop's thread --------------------------------------------------------------- */

/* To be called first in every callback: the loop no longer waits. Idempotent. */
void tlr__loop_enter(struct tlr__loop *loop);

/* Ends the loop if it is to end and nothing is left. */
void tlr__loop_settle(struct tlr__loop *loop);

/* ---- from any thread ---------------------------------------------------------------------- */

/* Brings an answered exchange back to its loop. Blocks: on a short lock. */
void tlr__loop_post(struct tlr__loop *loop, struct tlr_exchange *exchange);

#endif
