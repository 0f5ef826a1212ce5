/* stalls_trace.c - see stalls_trace.h.
 */
#include "stalls_trace.h"

struct reading {
    struct tlr__stalls_trace *trace;
    struct tlr__culprit_list *list;
};

/* Most requests met no stall: only what tells that is read of them. */
static int request_add(struct reading *reading, const struct tlr_record *record) {
    struct tlr__culprit_victim request;
    reading->trace->requests++;
    reading->trace->lines_dropped += tlr__trace_record_number(record, "dropped");
    uint64_t victim_of = tlr__trace_record_id(record, "victim_of");
    if (!victim_of && !reading->list->count) return 0;
    tlr__trace_record_text(record, "trace", request.trace, sizeof(request.trace));
    tlr__trace_record_text(record, "method", request.method, sizeof(request.method));
    tlr__trace_record_text(record, "path", request.path, sizeof(request.path));
    request.waited_ns = tlr__trace_record_number(record, "victim");
    return tlr__culprit_add_request(reading->list, victim_of, &request);
}

static int record_add(const struct tlr_record *record, void *user) {
    struct reading *reading = user;
    struct tlr__trace_stall stall;
    if (record->kind == TLR_RECORD_GAP)
        reading->trace->records_lost += tlr__trace_record_number(record, "records");
    switch (tlr__trace_record_kind(record)) {
    case TLR__TRACE_RECORD_REQUEST:
        return request_add(reading, record);
    case TLR__TRACE_RECORD_STALL:
        tlr__trace_record_stall(record, &stall);
        return tlr__culprit_add_stall(reading->list, &stall);
    default:
        return 0;
    }
}

int tlr__stalls_trace_add(const char *path, int pid, struct tlr__stalls_trace *trace,
                          struct tlr__culprit_list *list) {
    struct reading reading = {trace, list};
    return tlr__trace_record_each(path, pid, &trace->damaged, record_add, &reading);
}
