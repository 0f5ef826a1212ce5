/* attribution.h - which stall did a request wait behind?
 *
 * The recent stalls of each loop (its own thread's, no lock) and of the pool (a lock held for the
 * time of a copy or a scan) are remembered as intervals. A request that waited is compared with
 * them: the stall that its waiting overlaps most is what hurt it. That is proof where the interval
 * is: between the kernel's receive time and the read, between submit and start, between end and
 * return.
 */
#ifndef TLR_TRACING_ATTRIBUTION_H
#define TLR_TRACING_ATTRIBUTION_H

#include <pthread.h>
#include <tailrace/stall.h>

/* A stall as an interval. Its culprit is what it waited behind itself, if anything: who queues
 * behind a thread that waits for a lock really waits for the lock's holder. */
struct tlr__attribution_wait {
    uint64_t culprit; /* id of a stall */
    uint64_t begin, end;
    uint64_t alone; /* its length without the stalls nested in it */
};

/* The overlap found so far; zeros: none. */
struct tlr__attribution_best {
    uint64_t culprit;
    uint64_t length;
};

/* Takes [wait_begin, wait_end] into account for a request that waited [begin, end], all in one
 * unit. The longer overlap wins, the one weighed first of two equal ones. */
void tlr__attribution_weigh(struct tlr__attribution_best *best, uint64_t culprit,
                            uint64_t wait_begin, uint64_t wait_end, uint64_t begin, uint64_t end);

/* The newest waits of a loop or of the pool, in the order in which they were told. */
#define TLR__ATTRIBUTION_KEPT 256
struct tlr__attribution_recent {
    uint64_t count; /* ever added */
    struct tlr__attribution_wait waits[TLR__ATTRIBUTION_KEPT];
};

/* Adds a wait; returns its length less that of the waits nested in it, which were added before. */
uint64_t tlr__attribution_add(struct tlr__attribution_recent *recent, uint64_t culprit,
                              uint64_t begin, uint64_t end);

/* Weighs all of `recent` for a request that waited [begin, end]. */
void tlr__attribution_weigh_recent(struct tlr__attribution_best *best,
                                   const struct tlr__attribution_recent *recent, uint64_t begin,
                                   uint64_t end);

/* The pool's stalls: those that ended, by any pool thread. */
struct tlr__attribution_pool {
    pthread_mutex_t lock;
    struct tlr__attribution_recent recent;
};

/* What a job that was queued from `begin` to `end` (ticks) waited behind: stalls of pool threads,
 * ended or running. The length is in nanoseconds. Thread: a pool's. Blocks: on the lock. */
struct tlr__attribution_best tlr__attribution_pool_queue(struct tlr__attribution_pool *pool,
                                                         uint64_t begin, uint64_t end);

/* The process's stall listener (a tlr_stall_fn): notes the stall where victims will look for it,
 * and writes its record. */
void tlr__attribution_listen(const struct tlr_stall *stall, void *user);

#endif
