/* sync.h - synchronous mode: the same call, with the write in the calling thread.
 *
 * The honest contrast to lanes, and what people migrate from: one lock, one write a line. Each wait
 * is timed: for the lock behind another thread's write, for the sink in the write itself.
 */
#ifndef TLR_SYNC_H
#define TLR_SYNC_H

#include "log_state.h"
#include "site.h"

/* Errors: -ENOMEM. */
int tlr__sync_open(struct tlr_log *log);
void tlr__sync_close(struct tlr_log *log);

/* Writes one line. Returns 0, or negative errno: the line is lost, to be counted by the caller as
 * laneless, and announced before the next line that succeeds. Thread: any. Blocks: on the lock and
 * on the sink, without limit. Errors: of the sink; -EMSGSIZE; -ENOMEM; -EDEADLK from a signal
 * handler inside a call of the same thread. */
int tlr__sync_write(struct tlr_log *log, const struct tlr_site *site,
                    const struct tlr__site_entry *entry, const struct tlr_category *category,
                    const union tlr_value *values);

#endif
