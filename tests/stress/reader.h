/* reader.h - a log's reader in a thread of its own: checks the lines, and can be held.
 */
#ifndef STRESS_READER_H
#define STRESS_READER_H

#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct reader {
    int fd;
    unsigned read_bytes;
    atomic_uint pause_us; /* between reads: a slow reader */
    atomic_bool held;     /* reads nothing */
    atomic_bool ending;   /* stops when nothing more comes */
    atomic_uint_fast64_t bytes;
    pthread_t thread;
    struct lines_check check; /* the thread's, until reader_end */
};

static inline void reader_sleep_us(unsigned us) {
    if (us == 0) return;
    const struct timespec time = {us / 1000000, (long)(us % 1000000) * 1000};
    nanosleep(&time, NULL);
}

static inline void *reader_run(void *argument) {
    struct reader *const reader = argument;
    char block[65536];
    for (;;) {
        if (atomic_load_explicit(&reader->held, memory_order_relaxed)) {
            reader_sleep_us(1000);
            continue;
        }
        struct pollfd ready = {.fd = reader->fd, .events = POLLIN};
        /* Looked at before the poll: what was written before reader_end is then still read. */
        const bool ending = atomic_load_explicit(&reader->ending, memory_order_acquire);
        if (poll(&ready, 1, 10) == 0) {
            if (ending) break;
            continue;
        }
        const ssize_t bytes = read(reader->fd, block, reader->read_bytes);
        if (bytes == 0) break;
        if (bytes < 0) continue;
        lines_check_feed(&reader->check, block, (size_t)bytes);
        atomic_fetch_add_explicit(&reader->bytes, (uint64_t)bytes, memory_order_relaxed);
        reader_sleep_us(atomic_load_explicit(&reader->pause_us, memory_order_relaxed));
    }
    return NULL;
}

static inline void reader_hold(struct reader *reader, bool held) {
    atomic_store_explicit(&reader->held, held, memory_order_relaxed);
}

/* Begins to read `fd`, `read_bytes` at a time (0: 64 KiB) with a pause after each. `reader` is all
 * zeros, or its `check` holds what came before. */
static inline int reader_begin(struct reader *reader, int fd, unsigned read_bytes,
                               unsigned pause_us) {
    reader->fd = fd;
    atomic_init(&reader->pause_us, pause_us);
    reader->read_bytes = read_bytes > 0 ? read_bytes : 65536;
    return pthread_create(&reader->thread, NULL, reader_run, reader);
}

/* Reads what is there to its end and joins; `reader->check` is the caller's then. */
static inline void reader_end(struct reader *reader) {
    atomic_store_explicit(&reader->pause_us, 0, memory_order_relaxed);
    atomic_store_explicit(&reader->held, false, memory_order_relaxed);
    atomic_store_explicit(&reader->ending, true, memory_order_release);
    pthread_join(reader->thread, NULL);
}

#endif
