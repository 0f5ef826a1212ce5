/* writer.h - the one thread that drains a log's lanes.
 */
#ifndef TLR_WRITER_H
#define TLR_WRITER_H

#include "log_state.h"

/* Starts the writer. Errors: errno of thread creation. Blocks: until it runs. */
int tlr__writer_start(struct tlr_log *log);

/* Lets it drain what is there and end; true if it did, with everything written, by the date
 * (CLOCK_MONOTONIC). False: it was told to end at once, and something is left in the lanes. */
bool tlr__writer_stop(struct tlr_log *log, uint64_t deadline_ns);

#endif
