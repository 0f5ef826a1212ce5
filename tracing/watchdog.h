/* watchdog.h - looks into waits while they last, and keeps what it found by the stall's id.
 *
 * Finding out who holds the other end of a pipe takes milliseconds in /proc: nothing for a loop,
 * and nothing for a thread that has just been held up. So one thread of the tracer looks at the
 * slots of all threads, every 50 ms while something happens and every 250 ms while nothing does.
 */
#ifndef TLR_TRACING_WATCHDOG_H
#define TLR_TRACING_WATCHDOG_H

#include <pthread.h>
#include <tailrace/trace.h>

#define TLR__WATCHDOG_KEPT 64

struct tlr__watchdog_finding {
    uint64_t stall_id; /* 0: unused */
    uint64_t taken_ns; /* date */
    struct tlr_blame blame;
};

struct tlr__watchdog {
    struct tlr_tracer *tracer;
    pthread_t thread;
    pthread_mutex_t lock; /* of `stopping`, with `wake` */
    pthread_cond_t wake;
    int stopping;
    uint64_t iterations; /* of all loops, in the last round */

    /* Written by the watchdog's thread alone, with the lock for writing held while it copies;
     * others only try to read-lock it. */
    pthread_rwlock_t findings_lock;
    struct tlr__watchdog_finding findings[TLR__WATCHDOG_KEPT];
    unsigned next; /* to be overwritten */
};

/* Errors: of making a thread. Thread: setup. */
int tlr__watchdog_start(struct tlr__watchdog *watchdog, struct tlr_tracer *tracer);
void tlr__watchdog_stop(struct tlr__watchdog *watchdog);

/* Copies the sentence found for a stall; "" where there is none, or where one is being stored right
 * now. Thread: any. Blocks: never. */
void tlr__watchdog_sentence(struct tlr__watchdog *watchdog, uint64_t stall_id, char *out,
                            size_t capacity);

/* As tlr_tracer_blame. */
int tlr__watchdog_blame(struct tlr__watchdog *watchdog, uint64_t stall_id, struct tlr_blame *blame);

#endif
