/* clock.h - the clock's line, and keeping it true.
 *
 * date = base_ns + (ticks - base_ticks) * slope / 2^32. The line is continued, never moved: a
 * correction changes the slope from the present point on, so dates do not run backwards. Only when
 * CLOCK_REALTIME itself was set by more than a second does the line jump with it.
 */
#ifndef TLR_CLOCK_H
#define TLR_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <tailrace/clock.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/* Written by one thread at a time under a sequence: odd while it changes. */
struct tlr__clock_line {
    _Atomic uint32_t sequence;
    _Atomic uint64_t base_ticks;
    _Atomic uint64_t base_ns;
    _Atomic uint64_t slope; /* nanoseconds per tick, 32.32 fixed point */
};

/* Whether stamps are the time stamp counter's; set once, before the first log is open. */
extern bool tlr__clock_tsc_trusted __attribute__((visibility("hidden")));

/* The kernel's clock as ticks, where the counter is not to be trusted. */
uint64_t tlr__clock_kernel_ticks(void);

/* tlr_clock_ticks, inline for the call's path. */
static inline uint64_t tlr__clock_ticks(void) {
#if defined(__x86_64__)
    if (__builtin_expect(tlr__clock_tsc_trusted, 1)) return __rdtsc();
#endif
    return tlr__clock_kernel_ticks();
}

/* The process's line, calibrated. Thread: any. Blocks: 5 ms the first time. */
const struct tlr__clock_line *tlr__clock_process_line(void);

/* Follows CLOCK_REALTIME, at most once a second. Thread: writers. Blocks: never. */
void tlr__clock_follow(void);

/* In a forked child: the follower's lock is free. */
void tlr__clock_after_fork(void);

/* A date by a line that another process may be writing. */
uint64_t tlr__clock_line_date_ns(const struct tlr__clock_line *line, uint64_t ticks);

/* Copies a line to where one thread writes and others read. */
void tlr__clock_line_copy(struct tlr__clock_line *to, const struct tlr__clock_line *from);

#endif
