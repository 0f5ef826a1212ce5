/* stalls_trace.h - the stalls of a trace, and the requests that they hurt.
 */
#ifndef TLR_STALLS_TRACE_H
#define TLR_STALLS_TRACE_H

#include "culprit.h"

struct tlr__stalls_trace {
    uint64_t requests;
    uint64_t lines_dropped; /* by requests' handlers */
    uint64_t records_lost;  /* of the trace itself, as its gaps tell */
    uint64_t damaged;       /* places that could not be read */
};

/* Adds the stalls and requests of a trace (directory or segment) to `list`, and to the counts.
 * pid: as in tlr__trace_record_each. Blocks: on I/O. Errors: as there; -ENOMEM. */
int tlr__stalls_trace_add(const char *path, int pid, struct tlr__stalls_trace *trace,
                          struct tlr__culprit_list *list);

#endif
