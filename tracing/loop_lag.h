/* loop_lag.h - a loop's time: waiting for events, busy, held up by a stall or a handler.
 */
#ifndef TLR_TRACING_LOOP_LAG_H
#define TLR_TRACING_LOOP_LAG_H

#include <tailrace/trace.h>

#include "attribution.h"

/* The loop that the calling thread is, or NULL. */
struct tlr_loop *tlr__loop_lag_current(void);

/* The calling thread's loop was stalled: remembers it for its victims. Thread: the loop's own. */
void tlr__loop_lag_stalled(struct tlr_loop *loop, const struct tlr_stall *stall);

/* Around the time in which a handler (or a part of it: a timer, a completion) holds the loop. The
 * end reports it as a stall where it took the threshold or longer, beyond the waits in it that were
 * stalls by themselves; so does the loop's next wait if the end is missing. Thread: the loop's own.
 */
void tlr__loop_lag_handler_begin(struct tlr_loop *loop, const struct tlr_site *site, uint64_t now);
void tlr__loop_lag_handler_end(struct tlr_loop *loop, uint64_t now);

/* What a request that waited for the loop from `begin` to `end` (ticks) waited behind. The length
 * is in nanoseconds. Thread: the loop's own. */
struct tlr__attribution_best tlr__loop_lag_blame(const struct tlr_loop *loop, uint64_t begin,
                                                 uint64_t end);

/* The loop's name; "" for NULL. Valid until it is detached. Thread: any. */
const char *tlr__loop_lag_name(const struct tlr_loop *loop);

/* Iterations of a loop so far, and the next loop of its tracer. Thread: any, under loops_lock. */
uint64_t tlr__loop_lag_iterations(const struct tlr_loop *loop);
struct tlr_loop *tlr__loop_lag_next(const struct tlr_loop *loop);

#endif
