/* lane.h - a thread's own byte ring: one producer, one consumer (the writer), no lock.
 *
 * Positions are free-running counts of bytes and compare by difference; position & mask is the
 * offset. A record lies in one piece: where it would cross the end, a skip fills the rest.
 *
 * Commit, in this order (DESIGN 5.5):
 *     intend    reserved > head         whose record is in progress: the merge waits for it, and a
 *                                       post-mortem names it
 *     stamp     ticks                   after the intent; before the rest, which overlaps with it
 *     reserve   reserved = end          how much
 *     payload   plain stores
 *     publish   head = end (release)    R0: pairs with A0 in tlr__lane_head
 * The writer frees by  tail = position (seq_cst)   R1: pairs with A1 in lane_room; and with the
 * producer's `waiting` flag (both seq_cst: one of the two sees the other).
 *
 * `limit` is how far head may go without asking again. Its owner raises it by compare-exchange, a
 * close exchanges it for 0; so after a close no record begins, and `busy` tells when the last has
 * ended.
 */
#ifndef TLR_LANE_H
#define TLR_LANE_H

#include "ring_file.h"

#include <string.h>

#define TLR__SITE_SKIP UINT32_MAX
/* How far ahead of the record the lane's lines are asked for. */
#define TLR__LANE_PREFETCH_BYTES 512u

enum tlr__record_flag { TLR__RECORD_CONTEXT = 1 };

/* What stands before each payload in a lane; a context (32 bytes) may come between. */
struct tlr__record_header {
    uint32_t bytes; /* of all, a multiple of 8 */
    uint32_t site;
    uint64_t stamp; /* ticks */
    uint32_t about; /* category | level << 16 | flags << 24: one store */
    uint32_t lost;  /* the lane's drops before this record: a step means a gap right here */
};

static inline uint32_t tlr__record_about(unsigned category, unsigned level, unsigned flags) {
    return category | level << 16 | flags << 24;
}

static inline unsigned tlr__record_category(const struct tlr__record_header *header) {
    return header->about & 0xffffu;
}

static inline enum tlr_level tlr__record_level(const struct tlr__record_header *header) {
    return (enum tlr_level)(header->about >> 16 & 0xffu);
}

static inline bool tlr__record_has_context(const struct tlr__record_header *header) {
    return (header->about >> 24 & TLR__RECORD_CONTEXT) != 0;
}

/* The producer's private half. Lies in memory that a fork wipes, so that a child finds zeros: no
 * room, no lane. */
struct tlr__producer {
    _Atomic uint64_t limit;
    uint64_t head;
    unsigned char *bytes;
    uint64_t mask;
    struct tlr__lane *shared;
    _Atomic uint32_t busy; /* inside a call: a signal handler's call is refused, a close waits */
    uint32_t lost;
    _Atomic uint32_t *wake; /* the writer's word */
    uint64_t records;
    struct tlr_log *log;
    unsigned index;
};

/* Says that a record of that site is in progress, before it is stamped and its arguments are looked
 * at; how long it will be is not known yet. Thread: the producer. Blocks: never. */
static inline void tlr__lane_intend(const struct tlr__producer *producer, uint32_t site) {
    atomic_store_explicit(&producer->shared->reserved_site, site, memory_order_relaxed);
    atomic_store_explicit(&producer->shared->reserved, producer->head + 8, memory_order_relaxed);
}

/* The intended record will not be written. */
static inline void tlr__lane_desist(const struct tlr__producer *producer) {
    atomic_store_explicit(&producer->shared->reserved, producer->head, memory_order_relaxed);
}

/* A record between reserve and publish. */
struct tlr__reserved {
    struct tlr__record_header *header; /* NULL: head would pass the limit */
    uint64_t end;
};

/* Room for the intended record of `bytes` (a multiple of 8). The limit never lies beyond the lane's
 * end, so that what is below it is in one piece. Thread: the producer. Blocks: never. */
static inline struct tlr__reserved tlr__lane_reserve(const struct tlr__producer *producer,
                                                     uint64_t bytes) {
    const uint64_t head = producer->head, end = head + bytes;
    unsigned char *at = producer->bytes + (head & producer->mask);
    if (__builtin_expect(end > atomic_load_explicit(&producer->limit, memory_order_relaxed), 0))
        return (struct tlr__reserved){NULL, 0};
    atomic_store_explicit(&producer->shared->reserved, end, memory_order_relaxed);
    /* The lines ahead were last in the writer's cache: ask for them before they are needed. (Beyond
     * the lane's end that is for nothing, once a round.) */
    __builtin_prefetch(at + TLR__LANE_PREFETCH_BYTES, 1);
    return (struct tlr__reserved){(struct tlr__record_header *)at, end};
}

/* Makes the reserved record visible. Thread: the producer. Blocks: never. */
static inline void tlr__lane_publish(struct tlr__producer *producer, uint64_t end) {
    struct tlr__lane *shared = producer->shared;
    producer->head = end;
    producer->records++;
    atomic_store_explicit(&shared->records, producer->records, memory_order_relaxed);
    atomic_store_explicit(&shared->head, end, memory_order_release); /* R0 */
}

/* Gives a lane to a producer. Thread: the new producer, having taken the lane's state. */
void tlr__lane_attach(struct tlr__producer *producer, struct tlr__lane *shared,
                      unsigned char *bytes, uint64_t lane_bytes);

/* Whether head may go on by `bytes` for a record of that level, raising the limit; at the lane's
 * end, publishes a skip first. Returns 0; -EAGAIN the lane is full; -ESHUTDOWN it was closed.
 * `used` (may be NULL): bytes not yet taken by the sink. Thread: the producer. */
int tlr__lane_extend(struct tlr__producer *producer, uint64_t bytes, enum tlr_level level,
                     uint64_t *used);

/* Waits until the writer has freed something since `seen` was read, or until the date.
 * Thread: the producer. Blocks: up to then. Errors: -ETIMEDOUT. */
uint32_t tlr__lane_wait_prepare(struct tlr__producer *producer);
int tlr__lane_wait(struct tlr__producer *producer, uint32_t seen, uint64_t deadline_ticks);
void tlr__lane_wait_end(struct tlr__producer *producer);

/* Counts a drop in a table of (site, reason) pairs that one thread at a time raises. */
void tlr__lane_lose(struct tlr__producer *producer, uint32_t site, enum tlr_reason reason);

/* Ends the taking of records. Thread: any; once. */
void tlr__lane_shut(struct tlr__producer *producer);

/* ---- the writer's side ---- */

static inline uint64_t tlr__lane_head(const struct tlr__lane *lane) {
    return atomic_load_explicit(&lane->head, memory_order_acquire); /* A0 */
}

/* Frees all before `position`; wakes a producer that waits for room. */
void tlr__lane_release(struct tlr__lane *lane, uint64_t position);

#endif
