#include "loop_lag.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "request.h"
#include "tracer.h"

/* Iterations for which a loop counts as late after a stall: that one, the next, which accepts the
 * connections that came meanwhile, and the next, which reads them. */
#define LATE_ITERATIONS 2

/* The thread's own use of a CPU at some moment of a busy time. */
struct cpu_sample {
    uint64_t at_ticks;
    uint64_t busy_ticks; /* of the loop, up to then */
    uint64_t cpu_ns;
    long sleeps; /* voluntary context switches */
};

/* A handler that holds the loop. */
struct handler {
    uint64_t begin; /* 0: none */
    uint64_t stalled_before;
    const struct tlr_site *site;
};

struct tlr_loop {
    struct tlr_tracer *tracer;
    struct tlr_loop *next;
    char name[TLR_THREAD_NAME_BYTES];

    /* Written by the loop's thread alone, read by any: relaxed, each for itself. */
    _Atomic uint64_t iterations, busy_ticks, waited_ticks, busy_ticks_max, stalls, stalled_ticks;

    /* The loop's thread's own. */
    int waiting;
    uint64_t since; /* when the present wait or busy time began */
    uint64_t stalled_iteration;
    uint64_t stalled_alone; /* all its stalls, nested ones once */
    struct handler handler;
    struct cpu_sample sample;
    struct tlr__attribution_recent recent;
};

static _Thread_local struct tlr_loop *current_loop;

struct tlr_loop *tlr__loop_lag_current(void) {
    return current_loop;
}

/* One writer: no read-modify-write instruction is needed. */
static uint64_t read_own(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_own(_Atomic uint64_t *counter, uint64_t amount) {
    atomic_store_explicit(counter, read_own(counter) + amount, memory_order_relaxed);
}

/* ---- the CPU ------------------------------------------------------------------------------- */

/* The two clocks together cost 0.7 us: taken once per millisecond, they are 0.07 % of the time. A
 * sample that is up to that old is brought forward by the busy time since. */
static void sample_cpu(struct tlr_loop *loop, uint64_t now, struct cpu_sample *sample) {
    struct timespec cpu;
    struct rusage usage;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    getrusage(RUSAGE_THREAD, &usage);
    sample->at_ticks = now;
    sample->busy_ticks = read_own(&loop->busy_ticks) + (loop->waiting ? 0 : now - loop->since);
    sample->cpu_ns = (uint64_t)cpu.tv_sec * TLR_NS_PER_S + (uint64_t)cpu.tv_nsec;
    sample->sleeps = usage.ru_nvcsw;
}

static void sample_cpu_now_and_then(struct tlr_loop *loop, uint64_t now) {
    if (tlr_clock_between_ns(loop->sample.at_ticks, now) >= TLR_NS_PER_MS)
        sample_cpu(loop, now, &loop->sample);
}

/* ---- life ----------------------------------------------------------------------------------- */

int tlr_loop_attach(struct tlr_tracer *tracer, const char *name, struct tlr_loop **loop) {
    *loop = NULL;
    if (!tracer) return 0;
    struct tlr_loop *attached = calloc(1, sizeof *attached);
    if (!attached) return -ENOMEM;
    int error = tlr_thread_attach(tracer->log, name, TLR_ROLE_LOOP);
    if (error) {
        free(attached);
        return error;
    }
    attached->tracer = tracer;
    strncpy(attached->name, name, sizeof attached->name - 1);
    attached->since = tlr_clock_ticks();
    sample_cpu(attached, attached->since, &attached->sample);
    current_loop = attached;

    pthread_mutex_lock(&tracer->loops_lock);
    attached->next = tracer->loops;
    tracer->loops = attached;
    pthread_mutex_unlock(&tracer->loops_lock);
    *loop = attached;
    return 0;
}

static void unlink_loop(struct tlr_tracer *tracer, struct tlr_loop *loop) {
    pthread_mutex_lock(&tracer->loops_lock);
    struct tlr_loop **link = &tracer->loops;
    while (*link != loop) link = &(*link)->next;
    *link = loop->next;
    pthread_mutex_unlock(&tracer->loops_lock);
}

void tlr_loop_detach(struct tlr_loop *loop) {
    if (!loop) return;
    /* A loop that hung while its server was stopped may come here after the tracer's close. */
    struct tlr_tracer *tracer = tlr__tracer_enter();
    if (tracer && tracer == loop->tracer) unlink_loop(tracer, loop);
    tlr__tracer_leave();
    if (current_loop == loop) current_loop = NULL;
    free(loop);
}

const char *tlr__loop_lag_name(const struct tlr_loop *loop) {
    return loop ? loop->name : "";
}

uint64_t tlr__loop_lag_iterations(const struct tlr_loop *loop) {
    return read_own(&loop->iterations);
}

struct tlr_loop *tlr__loop_lag_next(const struct tlr_loop *loop) {
    return loop->next;
}

/* ---- busy and waiting ----------------------------------------------------------------------- */

void tlr_loop_wait_begin(struct tlr_loop *loop) {
    if (!loop) return;
    uint64_t now = tlr_clock_ticks();
    tlr__loop_lag_handler_end(loop, now);
    tlr__request_forget_current();
    add_own(&loop->iterations, 1);
    if (loop->waiting) return;
    uint64_t busy = now - loop->since;
    add_own(&loop->busy_ticks, busy);
    if (busy > read_own(&loop->busy_ticks_max))
        atomic_store_explicit(&loop->busy_ticks_max, busy, memory_order_relaxed);
    loop->since = now;
    loop->waiting = 1;
    tlr_thread_state_set(TLR_THREAD_POLLING, NULL, NULL);
}

void tlr_loop_wait_end(struct tlr_loop *loop) {
    if (!loop || !loop->waiting) return;
    uint64_t now = tlr_clock_ticks();
    add_own(&loop->waited_ticks, now - loop->since);
    loop->since = now;
    loop->waiting = 0;
    tlr_thread_state_set(TLR_THREAD_RUNNING, NULL, NULL);
    sample_cpu_now_and_then(loop, now);
}

int tlr_loop_is_late(const struct tlr_loop *loop) {
    return loop && read_own(&loop->stalls) != 0 &&
           read_own(&loop->iterations) - loop->stalled_iteration <= LATE_ITERATIONS;
}

void tlr_loop_stats(const struct tlr_loop *loop, struct tlr_loop_stats *stats) {
    memset(stats, 0, sizeof *stats);
    if (!loop) return;
    memcpy(stats->name, loop->name, sizeof stats->name);
    stats->iterations = read_own(&loop->iterations);
    stats->busy_ns = tlr_clock_between_ns(0, read_own(&loop->busy_ticks));
    stats->waited_ns = tlr_clock_between_ns(0, read_own(&loop->waited_ticks));
    stats->busy_ns_max = tlr_clock_between_ns(0, read_own(&loop->busy_ticks_max));
    stats->stalls = read_own(&loop->stalls);
    stats->stalled_ns = tlr_clock_between_ns(0, read_own(&loop->stalled_ticks));
}

/* ---- stalls --------------------------------------------------------------------------------- */

void tlr__loop_lag_stalled(struct tlr_loop *loop, const struct tlr_stall *stall) {
    uint64_t alone = tlr__attribution_add(&loop->recent, stall->behind ? stall->behind : stall->id,
                                          stall->begin_ticks, stall->end_ticks);
    loop->stalled_alone += alone;
    loop->stalled_iteration = read_own(&loop->iterations);
    add_own(&loop->stalls, 1);
    add_own(&loop->stalled_ticks, alone);
}

struct tlr__attribution_best tlr__loop_lag_blame(const struct tlr_loop *loop, uint64_t begin,
                                                 uint64_t end) {
    struct tlr__attribution_best best = {0, 0};
    tlr__attribution_weigh_recent(&best, &loop->recent, begin, end);
    best.length = tlr_clock_between_ns(0, best.length);
    return best;
}

void tlr__loop_lag_handler_begin(struct tlr_loop *loop, const struct tlr_site *site, uint64_t now) {
    sample_cpu_now_and_then(loop, now);
    TLR_SITE_DEFINE(unrouted, TLR_LEVEL_DEBUG, 0, NULL, "");
    loop->handler = (struct handler){
        .begin = now, .stalled_before = loop->stalled_alone, .site = site ? site : &unrouted};
}

/* Why a handler held the loop for `held` ticks: it computed, it slept, or (other) it did neither,
 * the kernel gave the CPU to somebody else. */
static enum tlr_cause why_held(struct tlr_loop *loop, uint64_t now, uint64_t held) {
    const struct cpu_sample *before = &loop->sample;
    struct cpu_sample after;
    sample_cpu(loop, now, &after);
    /* What the loop computed between the sample and the handler's begin is not the handler's. */
    uint64_t earlier = after.busy_ticks - before->busy_ticks - (now - loop->handler.begin);
    uint64_t earlier_ns = tlr_clock_between_ns(0, earlier);
    uint64_t cpu_ns = after.cpu_ns - before->cpu_ns;
    cpu_ns = cpu_ns > earlier_ns ? cpu_ns - earlier_ns : 0;
    if (cpu_ns >= tlr_clock_between_ns(0, held) / 2) return TLR_CAUSE_HANDLER_CPU;
    return after.sleeps != before->sleeps ? TLR_CAUSE_HANDLER_SLEEP : TLR_CAUSE_OTHER;
}

void tlr__loop_lag_handler_end(struct tlr_loop *loop, uint64_t now) {
    if (loop->handler.begin == 0) return;
    uint64_t whole = now - loop->handler.begin;
    uint64_t told = loop->stalled_alone - loop->handler.stalled_before;
    uint64_t held = whole > told ? whole - told : 0;
    if (tlr_clock_between_ns(0, held) >= tlr_stall_threshold()) {
        /* What was told already lies somewhere inside; the rest is put at the end. */
        enum tlr_cause cause = why_held(loop, now, held);
        tlr_stall_report(loop->handler.site, cause, now - held, now, 0);
    }
    loop->handler.begin = 0;
}
