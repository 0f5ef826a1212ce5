/* stalls_live.h - a running process as its ring files tell it: what blocks now, what blocked
 * lately, what its logs lost.
 */
#ifndef TLR_STALLS_LIVE_H
#define TLR_STALLS_LIVE_H

#include <tailrace/ring.h>
#include <tailrace/trace.h>

#include "stalls_trace.h"

#define TLR__STALLS_LIVE_LOGS TLR_LOGS_MAX
#define TLR__STALLS_LIVE_BLOCKED 64

/* A wait that has not ended; or (state running) a handler that holds its loop. */
struct tlr__stalls_live_block {
    struct tlr_thread_view view;
    struct tlr_blame blame;
    char target[TLR_TARGET_BYTES]; /* of a writer: its sink; else "" */
    uint64_t so_far_ns;
};

struct tlr__stalls_live {
    int pid, alive;
    char name[TLR_THREAD_NAME_BYTES]; /* of the process */
    struct {
        struct tlr_ring_info info;
        struct tlr_log_stats stats;
        int is_trace; /* its records are no log lines */
    } logs[TLR__STALLS_LIVE_LOGS];
    unsigned log_count;
    struct tlr__stalls_live_block blocked[TLR__STALLS_LIVE_BLOCKED];
    unsigned blocked_count; /* longest first */
    char trace[256];        /* a trace directory that it writes, or "" */
    uint64_t damaged;       /* parts of that trace, and ring files, that could not be read */
};

/* Looks into every ring file of process `pid` in `directory` (NULL: where they are by default), and
 * into its trace where it can be read, and adds what ended to `list`. Waits shorter than min_ns so
 * far are left out, and handlers that ran for less than 100 ms. Blocks: on I/O, and up to 50 ms a
 * blocked thread to find who is at the other end. Errors: -ENOENT it has no ring file that may be
 * read; -ENOMEM. */
int tlr__stalls_live_look(struct tlr__stalls_live *live, const char *directory, int pid,
                          uint64_t min_ns, struct tlr__culprit_list *list);

#endif
