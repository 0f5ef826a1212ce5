/* req_hops.h - a request's way, hop by hop: which thread, from when, how long.
 */
#ifndef TLR_REQ_HOPS_H
#define TLR_REQ_HOPS_H

#include "trace_record.h"

#define TLR__REQ_HOPS_MAX 6

struct tlr__req_hop {
    const char *name;   /* "wait", "read", "queue", "handler", "return", "write" */
    char thread[40];    /* "kernel", "loop-0", "loop-0 -> pool-1" */
    uint64_t offset_ns; /* since the request's begin */
    uint64_t duration_ns;
};

/* Fills `hops` with those that a request took, in order; returns how many. What is left of the
 * total between its first byte and its handler is "read": parsing, or waiting for its turn on a
 * connection. */
unsigned tlr__req_hops(const struct tlr__trace_request *request,
                       struct tlr__req_hop hops[TLR__REQ_HOPS_MAX]);

#endif
