/* clock.h - the one clock of tailrace: a cheap stamp now, a date later.
 *
 * A stamp is a count of ticks: of the time stamp counter where the kernel itself trusts it, of
 * nanoseconds of CLOCK_MONOTONIC elsewhere. Stamps of all threads of a process compare. They are
 * turned into dates by a line (base, slope) that follows CLOCK_REALTIME and never runs backwards.
 */
#ifndef TAILRACE_CLOCK_H
#define TAILRACE_CLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds in the units that options use. */
#define TLR_NS_PER_US UINT64_C(1000)
#define TLR_NS_PER_MS UINT64_C(1000000)
#define TLR_NS_PER_S UINT64_C(1000000000)

/* The present stamp, in ticks.
 * Thread: any. Blocks: never; no system call where the time stamp counter is used (9 ns). */
uint64_t tlr_clock_ticks(void);

/* Turns a stamp into nanoseconds since 1970 (CLOCK_REALTIME).
 * Thread: any. Blocks: never. The first use in a process calibrates, which takes about 5 ms;
 * tlr_log_open does that, so that no later call pays. */
uint64_t tlr_clock_date_ns(uint64_t ticks);

/* Turns the distance between two stamps into nanoseconds; 0 where `end` is before `begin`.
 * Thread: any. Blocks: never. */
uint64_t tlr_clock_between_ns(uint64_t begin_ticks, uint64_t end_ticks);

/* Turns a duration into ticks, for comparing without a conversion on a hot path.
 * Thread: any. Blocks: never. */
uint64_t tlr_clock_ticks_of_ns(uint64_t duration_ns);

#ifdef __cplusplus
}
#endif
#endif
