/* req_hops.c - see req_hops.h.
 */
#include "req_hops.h"

#include <stdio.h>
#include <string.h>

struct way {
    struct tlr__req_hop *hops;
    unsigned count;
    uint64_t at_ns;
};

static struct tlr__req_hop *hop_add(struct way *way, const char *name, uint64_t duration_ns) {
    struct tlr__req_hop *hop = &way->hops[way->count++];
    hop->name = name;
    hop->offset_ns = way->at_ns;
    hop->duration_ns = duration_ns;
    way->at_ns += duration_ns;
    return hop;
}

static void between(struct tlr__req_hop *hop, const char *from, const char *to) {
    snprintf(hop->thread, sizeof(hop->thread), "%s -> %s", from, to);
}

static void on(struct tlr__req_hop *hop, const char *thread) {
    snprintf(hop->thread, sizeof(hop->thread), "%s", thread);
}

unsigned tlr__req_hops(const struct tlr__trace_request *request,
                       struct tlr__req_hop hops[TLR__REQ_HOPS_MAX]) {
    struct way way = {.hops = hops};
    const char *loop = request->loop[0] ? request->loop : "loop";
    int in_pool = strcmp(request->served_by, loop) != 0;
    uint64_t known = request->wait_ns + request->queue_ns + request->handler_ns +
                     request->return_ns + request->write_ns;
    if (request->wait_ns) on(hop_add(&way, "wait", request->wait_ns), "kernel");
    if (request->total_ns > known) on(hop_add(&way, "read", request->total_ns - known), loop);
    if (in_pool) between(hop_add(&way, "queue", request->queue_ns), loop, request->served_by);
    on(hop_add(&way, "handler", request->handler_ns), request->served_by);
    if (in_pool) between(hop_add(&way, "return", request->return_ns), request->served_by, loop);
    on(hop_add(&way, "write", request->write_ns), loop);
    return way.count;
}
