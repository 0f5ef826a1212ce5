#include "lane.h"

#include "futex.h"

#include <errno.h>

/* The part of a lane kept for WARN and above. */
static uint64_t headroom(uint64_t capacity) {
    return capacity / 8;
}

void tlr__lane_attach(struct tlr__producer *producer, struct tlr__lane *shared,
                      unsigned char *bytes, uint64_t lane_bytes) {
    producer->shared = shared;
    producer->bytes = bytes;
    producer->mask = lane_bytes - 1;
    /* The last owner's stores are seen: it retired the lane, and the writer freed it. */
    producer->head = atomic_load_explicit(&shared->head, memory_order_relaxed);
    producer->records = atomic_load_explicit(&shared->records, memory_order_relaxed);
    producer->lost = atomic_load_explicit(&shared->lost, memory_order_relaxed);
    atomic_store_explicit(&producer->busy, 0, memory_order_relaxed);
    atomic_store_explicit(&producer->limit, 1, memory_order_seq_cst); /* open, no room known yet */
}

/* Fills the rest of the lane: head goes on at its beginning. The room for it is there. */
static void skip(struct tlr__producer *producer, uint64_t rest) {
    const uint32_t filler[2] = {(uint32_t)rest, TLR__SITE_SKIP};
    memcpy(producer->bytes + (producer->head & producer->mask), filler, sizeof filler);
    producer->head += rest;
    atomic_store_explicit(&producer->shared->reserved, producer->head, memory_order_relaxed);
    atomic_store_explicit(&producer->shared->head, producer->head, memory_order_release); /* R0 */
}

int tlr__lane_extend(struct tlr__producer *producer, uint64_t bytes, enum tlr_level level,
                     uint64_t *used) {
    const uint64_t capacity = producer->mask + 1;
    const uint64_t rest = capacity - (producer->head & producer->mask);
    const uint64_t end = producer->head + (bytes > rest ? rest : 0) + bytes;
    uint64_t limit = atomic_load_explicit(&producer->limit, memory_order_seq_cst);
    if (limit == 0) return -ESHUTDOWN;
    const uint64_t tail =
        atomic_load_explicit(&producer->shared->tail, memory_order_seq_cst); /* A1 */
    if (used != NULL) *used = producer->head - tail;
    const uint64_t ordinary = tail + capacity - headroom(capacity);
    const uint64_t half = tail + capacity / 2;
    const uint64_t allowed = level >= TLR_LEVEL_WARN ? tail + capacity : ordinary;
    if (end > allowed) return -EAGAIN;
    /* Stop at half full first: crossing it comes here again, and the writer is woken then. */
    uint64_t next = end <= half ? half : ordinary;
    if (next < end) next = end;
    if (bytes > rest) skip(producer, rest);
    const uint64_t lane_end = (producer->head | producer->mask) + 1;
    if (next > lane_end) next = lane_end;
    if (!atomic_compare_exchange_strong_explicit(&producer->limit, &limit, next,
                                                 memory_order_seq_cst, memory_order_seq_cst))
        return -ESHUTDOWN;
    return 0;
}

uint32_t tlr__lane_wait_prepare(struct tlr__producer *producer) {
    const uint32_t seen = atomic_load_explicit(&producer->shared->tail_wakes, memory_order_seq_cst);
    atomic_store_explicit(&producer->shared->waiting, 1, memory_order_seq_cst);
    return seen;
}

int tlr__lane_wait(struct tlr__producer *producer, uint32_t seen, uint64_t deadline_ticks) {
    const uint64_t now = tlr_clock_ticks();
    if (now >= deadline_ticks) return -ETIMEDOUT;
    tlr__futex_wait(&producer->shared->tail_wakes, seen, tlr_clock_between_ns(now, deadline_ticks));
    return 0;
}

void tlr__lane_wait_end(struct tlr__producer *producer) {
    atomic_store_explicit(&producer->shared->waiting, 0, memory_order_relaxed);
}

void tlr__lane_release(struct tlr__lane *lane, uint64_t position) {
    atomic_store_explicit(&lane->tail, position, memory_order_seq_cst); /* R1 */
    if (__builtin_expect(atomic_load_explicit(&lane->waiting, memory_order_seq_cst) == 0, 1))
        return;
    atomic_fetch_add_explicit(&lane->tail_wakes, 1, memory_order_seq_cst);
    tlr__futex_wake(&lane->tail_wakes);
}

void tlr__lane_lose(struct tlr__producer *producer, uint32_t site, enum tlr_reason reason) {
    struct tlr__loss *losses = producer->shared->losses;
    unsigned i = 0;
    for (; i < TLR__LOSSES_KEPT - 1; i++) {
        const uint64_t count = atomic_load_explicit(&losses[i].count, memory_order_relaxed);
        if (count == 0) {
            atomic_store_explicit(&losses[i].site, site + 1, memory_order_relaxed);
            atomic_store_explicit(&losses[i].reason, (uint32_t)reason + 1, memory_order_relaxed);
            break;
        }
        if (atomic_load_explicit(&losses[i].site, memory_order_relaxed) == site + 1 &&
            atomic_load_explicit(&losses[i].reason, memory_order_relaxed) == (uint32_t)reason + 1)
            break;
    }
    const uint64_t count = atomic_load_explicit(&losses[i].count, memory_order_relaxed);
    atomic_store_explicit(&losses[i].count, count + 1, memory_order_release); /* R2: A2 in gap.c */
    producer->lost++;
    atomic_store_explicit(&producer->shared->lost, producer->lost, memory_order_release);
}

void tlr__lane_shut(struct tlr__producer *producer) {
    atomic_exchange_explicit(&producer->limit, 0, memory_order_seq_cst);
    if (producer->shared == NULL) return; /* never given out */
    /* One that waits for room is told too. */
    atomic_fetch_add_explicit(&producer->shared->tail_wakes, 1, memory_order_seq_cst);
    tlr__futex_wake(&producer->shared->tail_wakes);
}
