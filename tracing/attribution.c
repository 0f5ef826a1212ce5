#include "attribution.h"

#include <inttypes.h>
#include <string.h>
#include <tailrace/ring.h>
#include <tailrace/trace.h>

#include "loop_lag.h"
#include "request.h"
#include "tracer.h"
#include "watchdog.h"

void tlr__attribution_weigh(struct tlr__attribution_best *best, uint64_t culprit,
                            uint64_t wait_begin, uint64_t wait_end, uint64_t begin, uint64_t end) {
    uint64_t from = wait_begin > begin ? wait_begin : begin;
    uint64_t to = wait_end < end ? wait_end : end;
    if (to <= from || to - from <= best->length) return;
    best->culprit = culprit;
    best->length = to - from;
}

static uint64_t kept_count(const struct tlr__attribution_recent *recent) {
    return recent->count < TLR__ATTRIBUTION_KEPT ? recent->count : TLR__ATTRIBUTION_KEPT;
}

/* The `age`-th newest wait, from 1. */
static const struct tlr__attribution_wait *newest(const struct tlr__attribution_recent *recent,
                                                  uint64_t age) {
    return &recent->waits[(recent->count - age) % TLR__ATTRIBUTION_KEPT];
}

uint64_t tlr__attribution_add(struct tlr__attribution_recent *recent, uint64_t culprit,
                              uint64_t begin, uint64_t end) {
    uint64_t alone = end - begin;
    for (uint64_t age = 1; age <= kept_count(recent); age++) {
        const struct tlr__attribution_wait *inner = newest(recent, age);
        if (inner->begin < begin) break;
        alone -= inner->alone < alone ? inner->alone : alone;
    }
    recent->waits[recent->count++ % TLR__ATTRIBUTION_KEPT] = (struct tlr__attribution_wait){
        .culprit = culprit, .begin = begin, .end = end, .alone = alone};
    return alone;
}

void tlr__attribution_weigh_recent(struct tlr__attribution_best *best,
                                   const struct tlr__attribution_recent *recent, uint64_t begin,
                                   uint64_t end) {
    for (uint64_t age = 1; age <= kept_count(recent); age++) {
        const struct tlr__attribution_wait *wait = newest(recent, age);
        tlr__attribution_weigh(best, wait->culprit, wait->begin, wait->end, begin, end);
    }
}

/* Stalls under way, as the slots of the process's threads tell them. */
static void weigh_running(struct tlr__attribution_best *best, uint64_t begin_ns, uint64_t end_ns) {
    for (unsigned log = 0; log < TLR_LOGS_MAX; log++) {
        const struct tlr_ring *ring = tlr_process_ring(log);
        unsigned count = ring ? tlr_ring_thread_count(ring) : 0;
        for (unsigned i = 0; i < count; i++) {
            struct tlr_thread_view view;
            if (tlr_ring_thread(ring, i, &view) || view.role != TLR_ROLE_POOL) continue;
            if (view.state != TLR_THREAD_BLOCKED || view.stall_id == 0) continue;
            tlr__attribution_weigh(best, view.behind ? view.behind : view.stall_id, view.since_ns,
                                   end_ns, begin_ns, end_ns);
        }
    }
}

struct tlr__attribution_best tlr__attribution_pool_queue(struct tlr__attribution_pool *pool,
                                                         uint64_t begin, uint64_t end) {
    struct tlr__attribution_best best = {0, 0};
    pthread_mutex_lock(&pool->lock);
    tlr__attribution_weigh_recent(&best, &pool->recent, begin, end);
    pthread_mutex_unlock(&pool->lock);
    best.length = tlr_clock_between_ns(0, best.length);
    weigh_running(&best, tlr_clock_date_ns(begin), tlr_clock_date_ns(end));
    return best;
}

/* ---- the listener --------------------------------------------------------------------------- */

static void note_pool_stall(struct tlr__attribution_pool *pool, const struct tlr_stall *stall) {
    pthread_mutex_lock(&pool->lock);
    tlr__attribution_add(&pool->recent, stall->behind ? stall->behind : stall->id,
                         stall->begin_ticks, stall->end_ticks);
    pthread_mutex_unlock(&pool->lock);
}

static void note(struct tlr_tracer *tracer, const struct tlr_stall *stall) {
    struct tlr_loop *loop = tlr__loop_lag_current();
    if (loop) {
        tlr__loop_lag_stalled(loop, stall);
    } else if (stall->role == TLR_ROLE_POOL && stall->cause != TLR_CAUSE_POOL_QUEUE) {
        /* A queue's wait holds no thread of the pool: nobody waits behind it. */
        note_pool_stall(&tracer->pool, stall);
    }
    if (stall->behind) tlr__request_hurt_current(stall->behind, stall->duration_ns);
}

static void write_record(struct tlr_tracer *tracer, const struct tlr_stall *stall) {
    char id[TLR_SPAN_ID_TEXT_BYTES + 1], behind[TLR_SPAN_ID_TEXT_BYTES + 1];
    char trace[TLR_TRACE_ID_TEXT_BYTES + 1], span[TLR_SPAN_ID_TEXT_BYTES + 1];
    char sentence[sizeof((struct tlr_blame *)0)->sentence];
    tlr__watchdog_sentence(&tracer->watchdog, stall->id, sentence, sizeof sentence);
    tlr_info(&tlr__tracer_stalls,
             "id=%s behind=%s thread=%s tid=%d role=%s cause=%s file=%s line=%u function=%s "
             "begin_ns=%" PRIu64 " duration=%" PRIu64 " target=%s fd=%d trace=%s span=%s blame=%s",
             tlr__tracer_id_text(stall->id, id), tlr__tracer_id_text(stall->behind, behind),
             stall->thread, stall->tid, tlr_role_name(stall->role), tlr_cause_name(stall->cause),
             stall->file, stall->line, stall->function, stall->begin_ns, stall->duration_ns,
             stall->target, stall->fd, tlr__tracer_trace_text(&stall->context, trace),
             tlr__tracer_id_text(stall->context.span_id, span), sentence);
}

void tlr__attribution_listen(const struct tlr_stall *stall, void *user) {
    (void)user;
    struct tlr_tracer *tracer = tlr__tracer_enter();
    if (tracer) {
        note(tracer, stall);
        /* The trace's own writer: the record of its stall would be its next write, and so on. The
         * ledger has it. */
        if (stall->tid != tracer->writer_tid) write_record(tracer, stall);
    }
    tlr__tracer_leave();
}
