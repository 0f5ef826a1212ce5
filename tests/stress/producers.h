/* producers.h - threads that log numbered lines and count their own calls.
 */
#ifndef STRESS_PRODUCERS_H
#define STRESS_PRODUCERS_H

#include "lines.h"

#include <pthread.h>
#include <stdatomic.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define PRODUCERS_CALLS(n) ((n) / 10) /* as long as without, about */
#elif defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define PRODUCERS_CALLS(n) ((n) / 3)
#else
#define PRODUCERS_CALLS(n) (n)
#endif

struct producer {
    struct tlr_log *log;
    unsigned number;
    uint64_t calls;      /* to make; UINT64_MAX: until *stop */
    unsigned size_limit; /* of the text */
    uint64_t full_wait_ns;
    unsigned burst; /* calls between two naps of 1 ms; 0: no naps */
    const atomic_bool *stop;
    pthread_t thread;
    uint64_t attempted;              /* calls made: counted here, by nobody else */
    struct tlr_thread_counts counts; /* what the library counted of this thread */
};

static inline void *producer_run(void *argument) {
    struct producer *const producer = argument;
    char name[TLR_THREAD_NAME_BYTES];
    uint64_t random = producer->number * UINT64_C(0x9e3779b97f4a7c15) + 1;
    struct tlr_thread_counts before, after;

    snprintf(name, sizeof name, "producer-%u", producer->number);
    tlr_thread_attach(producer->log, name, TLR_ROLE_OTHER);
    tlr_thread_full_wait_set(producer->full_wait_ns);
    tlr_thread_counts(&before);
    while (producer->attempted < producer->calls) {
        if (producer->stop != NULL && atomic_load_explicit(producer->stop, memory_order_relaxed))
            break;
        producer->attempted++;
        lines_log(producer->number, producer->attempted,
                  lines_random_size(&random, producer->size_limit));
        if (producer->burst > 0 && producer->attempted % producer->burst == 0) usleep(1000);
    }
    tlr_thread_counts(&after);
    producer->counts.lines = after.lines - before.lines;
    producer->counts.dropped = after.dropped - before.dropped;
    producer->counts.blocked_ns = after.blocked_ns - before.blocked_ns;
    return NULL;
}

/* Starts `count` producers like `model`, numbered from 0. Returns 0 or an errno. */
static inline int producers_begin(struct producer *producers, unsigned count,
                                  const struct producer *model) {
    for (unsigned i = 0; i < count; i++) {
        producers[i] = *model;
        producers[i].number = i;
        const int error = pthread_create(&producers[i].thread, NULL, producer_run, &producers[i]);
        if (error != 0) return error;
    }
    return 0;
}

/* Joins them and adds up what they counted. */
static inline void producers_end(struct producer *producers, unsigned count,
                                 struct producer *total) {
    memset(total, 0, sizeof *total);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(producers[i].thread, NULL);
        total->attempted += producers[i].attempted;
        total->counts.lines += producers[i].counts.lines;
        total->counts.dropped += producers[i].counts.dropped;
        total->counts.blocked_ns += producers[i].counts.blocked_ns;
    }
}

#endif
