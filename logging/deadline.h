/* deadline.h - dates on CLOCK_MONOTONIC for waits. UINT64_MAX is never.
 */
#ifndef TLR_DEADLINE_H
#define TLR_DEADLINE_H

#include <stdint.h>
#include <tailrace/clock.h>
#include <time.h>

static inline uint64_t tlr__deadline_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TLR_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* That long from now. */
static inline uint64_t tlr__deadline_after(uint64_t duration_ns) {
    const uint64_t now = tlr__deadline_now();
    return duration_ns < UINT64_MAX - now ? now + duration_ns : UINT64_MAX;
}

static inline struct timespec tlr__deadline_timespec(uint64_t deadline_ns) {
    return (struct timespec){.tv_sec = (time_t)(deadline_ns / TLR_NS_PER_S),
                             .tv_nsec = (long)(deadline_ns % TLR_NS_PER_S)};
}

#endif
