#include "watchdog.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <tailrace/ring.h>
#include <time.h>
#include <unistd.h>

#include "loop_lag.h"
#include "tracer.h"

#define PERIOD_BUSY_NS (50 * TLR_NS_PER_MS)
#define PERIOD_IDLE_NS (250 * TLR_NS_PER_MS)
#define LOOK_AGAIN_NS TLR_NS_PER_S

/* A loop with a timer now and then is idle all the same. */
#define IDLE_ITERATIONS 2

/* Threads that wait for one descriptor are looked into once a round. */
struct round {
    uint64_t now_ns;
    int fresh; /* nonzero: a wait has begun that was not looked into yet */
    int fd;    /* last one looked into */
    enum tlr_cause cause;
    struct tlr_blame blame;
};

/* ---- findings ------------------------------------------------------------------------------- */

static struct tlr__watchdog_finding *find(struct tlr__watchdog *watchdog, uint64_t stall_id) {
    for (unsigned i = 0; i < TLR__WATCHDOG_KEPT; i++)
        if (watchdog->findings[i].stall_id == stall_id) return &watchdog->findings[i];
    return NULL;
}

static void store(struct tlr__watchdog *watchdog, uint64_t stall_id, const struct round *round) {
    struct tlr__watchdog_finding *finding = find(watchdog, stall_id);
    if (!finding) finding = &watchdog->findings[watchdog->next++ % TLR__WATCHDOG_KEPT];
    pthread_rwlock_wrlock(&watchdog->findings_lock);
    finding->stall_id = stall_id;
    finding->taken_ns = round->now_ns;
    finding->blame = round->blame;
    pthread_rwlock_unlock(&watchdog->findings_lock);
}

void tlr__watchdog_sentence(struct tlr__watchdog *watchdog, uint64_t stall_id, char *out,
                            size_t capacity) {
    out[0] = '\0';
    if (pthread_rwlock_tryrdlock(&watchdog->findings_lock)) return;
    const struct tlr__watchdog_finding *finding = find(watchdog, stall_id);
    if (finding) {
        size_t bytes = strnlen(finding->blame.sentence, capacity - 1);
        memcpy(out, finding->blame.sentence, bytes);
        out[bytes] = '\0';
    }
    pthread_rwlock_unlock(&watchdog->findings_lock);
}

int tlr__watchdog_blame(struct tlr__watchdog *watchdog, uint64_t stall_id,
                        struct tlr_blame *blame) {
    pthread_rwlock_rdlock(&watchdog->findings_lock);
    const struct tlr__watchdog_finding *finding = stall_id ? find(watchdog, stall_id) : NULL;
    if (finding) *blame = finding->blame;
    pthread_rwlock_unlock(&watchdog->findings_lock);
    return finding ? 0 : -ENOENT;
}

/* ---- rounds --------------------------------------------------------------------------------- */

static void look_into(struct tlr__watchdog *watchdog, const struct tlr_thread_view *view,
                      struct round *round) {
    if (view->since_ns + TLR_BLAME_AFTER_MS * TLR_NS_PER_MS > round->now_ns) {
        round->fresh = 1;
        return;
    }
    const struct tlr__watchdog_finding *known = find(watchdog, view->stall_id);
    if (known && known->taken_ns + LOOK_AGAIN_NS > round->now_ns) return;
    if (view->fd < 0 || view->fd != round->fd || view->cause != round->cause) {
        tlr_blame(getpid(), view->fd, view->cause, &round->blame);
        round->fd = view->fd;
        round->cause = view->cause;
    }
    store(watchdog, view->stall_id, round);
}

static void look_at_threads(struct tlr__watchdog *watchdog, struct round *round) {
    for (unsigned log = 0; log < TLR_LOGS_MAX; log++) {
        const struct tlr_ring *ring = tlr_process_ring(log);
        unsigned count = ring ? tlr_ring_thread_count(ring) : 0;
        for (unsigned i = 0; i < count; i++) {
            struct tlr_thread_view view;
            if (tlr_ring_thread(ring, i, &view) || view.state != TLR_THREAD_BLOCKED) continue;
            if (view.stall_id) look_into(watchdog, &view, round);
        }
    }
}

/* Nonzero if the loops did something since the last round. */
static int loops_moved(struct tlr__watchdog *watchdog) {
    struct tlr_tracer *tracer = watchdog->tracer;
    uint64_t iterations = 0;
    unsigned loops = 0;
    pthread_mutex_lock(&tracer->loops_lock);
    for (const struct tlr_loop *loop = tracer->loops; loop; loop = tlr__loop_lag_next(loop)) {
        iterations += tlr__loop_lag_iterations(loop);
        loops++;
    }
    pthread_mutex_unlock(&tracer->loops_lock);
    uint64_t moved = iterations - watchdog->iterations;
    watchdog->iterations = iterations;
    return moved > loops * IDLE_ITERATIONS;
}

/* Sleeps one period; nonzero when it is time to stop. */
static int rest(struct tlr__watchdog *watchdog, uint64_t period_ns) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t nanoseconds = (uint64_t)until.tv_nsec + period_ns;
    until.tv_sec += (time_t)(nanoseconds / TLR_NS_PER_S);
    until.tv_nsec = (long)(nanoseconds % TLR_NS_PER_S);

    pthread_mutex_lock(&watchdog->lock);
    int woken = 0;
    while (!watchdog->stopping && woken != ETIMEDOUT)
        woken = pthread_cond_timedwait(&watchdog->wake, &watchdog->lock, &until);
    int stopping = watchdog->stopping;
    pthread_mutex_unlock(&watchdog->lock);
    return stopping;
}

static void *watch(void *user) {
    struct tlr__watchdog *watchdog = user;
    uint64_t period_ns = PERIOD_IDLE_NS;
    while (!rest(watchdog, period_ns)) {
        struct round round = {.now_ns = tlr_clock_date_ns(tlr_clock_ticks()), .fd = -1};
        look_at_threads(watchdog, &round);
        int moved = loops_moved(watchdog);
        period_ns = moved || round.fresh ? PERIOD_BUSY_NS : PERIOD_IDLE_NS;
    }
    return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Signals are the program's: none is to be handled here. */
static int create_without_signals(struct tlr__watchdog *watchdog) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&watchdog->thread, NULL, watch, watchdog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

static void destroy(struct tlr__watchdog *watchdog) {
    pthread_rwlock_destroy(&watchdog->findings_lock);
    pthread_cond_destroy(&watchdog->wake);
    pthread_mutex_destroy(&watchdog->lock);
}

int tlr__watchdog_start(struct tlr__watchdog *watchdog, struct tlr_tracer *tracer) {
    pthread_condattr_t monotonic;
    watchdog->tracer = tracer;
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_rwlock_init(&watchdog->findings_lock, NULL);
    int error = create_without_signals(watchdog);
    if (error)
        destroy(watchdog);
    else
        pthread_setname_np(watchdog->thread, "tlr-watchdog");
    return error;
}

void tlr__watchdog_stop(struct tlr__watchdog *watchdog) {
    pthread_mutex_lock(&watchdog->lock);
    watchdog->stopping = 1;
    pthread_cond_signal(&watchdog->wake);
    pthread_mutex_unlock(&watchdog->lock);
    pthread_join(watchdog->thread, NULL);
    destroy(watchdog);
}
