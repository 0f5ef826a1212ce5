/* lab_trace.h - what a server's trace directory tells of one experiment.
 */
#ifndef TLR_LAB_TRACE_H
#define TLR_LAB_TRACE_H

#include "trace_record.h"

struct tlr__lab_trace {
    uint64_t requests;
    uint64_t victims;         /* requests that waited behind a stall */
    uint64_t victims_on_path; /* those of them that asked for `path` */
    uint64_t damaged;         /* places that could not be read */
    /* The longest ones; duration_ns 0: there was none. */
    struct tlr__trace_stall of_caller; /* in a thread that serves requests */
    struct tlr__trace_stall of_writer; /* in the log's writer, where it hurts nobody */
};

/* Reads all segments of a directory. path: of the requests that should be free.
 * Blocks: on I/O. Errors: as tlr__trace_record_each. */
int tlr__lab_trace_read(const char *directory, const char *path, struct tlr__lab_trace *trace);

#endif
