/* holder.h - which processes hold the other end of a pipe?
 */
#ifndef TLR_TRACING_HOLDER_H
#define TLR_TRACING_HOLDER_H

#include "descriptor.h"
#include "procfs.h"

struct tlr__holder {
    int pid; /* 0: none found */
    struct tlr__procfs_process process;
    unsigned others; /* how many more processes hold that end */
    int itself;      /* nonzero: only the waiting process itself holds it, by another descriptor */
    int hidden;      /* nonzero: some processes may not be looked into */
    int partial;     /* nonzero: the time ran out */
};

/* Looks through /proc for processes that hold the end of a pipe that `descriptor` (number `fd` of
 * process `pid`) does not: readers for a writer, writers for a reader. Of several, the one least
 * able to go on is told: stopped before uninterruptible before running.
 * Thread: any but a loop. Blocks: on /proc, up to `limit_ns`. */
void tlr__holder_find(int pid, int fd, const struct tlr__descriptor *descriptor, uint64_t limit_ns,
                      struct tlr__holder *holder);

#endif
