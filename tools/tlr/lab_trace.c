/* lab_trace.c - see lab_trace.h.
 */
#include "lab_trace.h"

#include <string.h>

struct reading {
    struct tlr__lab_trace *trace;
    const char *path;
};

static void take_request(const struct reading *reading, const struct tlr_record *record) {
    struct tlr__trace_request request;
    tlr__trace_record_request(record, &request);
    reading->trace->requests++;
    if (request.victim_of == 0) return;
    reading->trace->victims++;
    if (strcmp(request.path, reading->path) == 0) reading->trace->victims_on_path++;
}

static void take_stall(const struct reading *reading, const struct tlr_record *record) {
    struct tlr__trace_stall stall;
    tlr__trace_record_stall(record, &stall);
    struct tlr__trace_stall *longest = stall.stall.role == TLR_ROLE_WRITER
                                           ? &reading->trace->of_writer
                                           : &reading->trace->of_caller;
    if (stall.stall.duration_ns > longest->stall.duration_ns) *longest = stall;
}

static int take(const struct tlr_record *record, void *user) {
    switch (tlr__trace_record_kind(record)) {
    case TLR__TRACE_RECORD_REQUEST:
        take_request(user, record);
        break;
    case TLR__TRACE_RECORD_STALL:
        take_stall(user, record);
        break;
    default:
        break;
    }
    return 0;
}

int tlr__lab_trace_read(const char *directory, const char *path, struct tlr__lab_trace *trace) {
    struct reading reading = {.trace = trace, .path = path};
    *trace = (struct tlr__lab_trace){0};
    return tlr__trace_record_each(directory, 0, &trace->damaged, take, &reading);
}
