/* trace_record.h - the records of a trace (tracing/trace.h lists their fields) as plain structs.
 */
#ifndef TLR_TRACE_RECORD_H
#define TLR_TRACE_RECORD_H

#include <tailrace/record.h>
#include <tailrace/stall.h>

#define TLR__ID_TEXT_BYTES 33 /* a trace id as hex text, terminated */

enum tlr__trace_record_kind {
    TLR__TRACE_RECORD_OTHER = 0, /* a log's own record, or of a later version */
    TLR__TRACE_RECORD_REQUEST = 1,
    TLR__TRACE_RECORD_SPAN = 2,
    TLR__TRACE_RECORD_STALL = 3,
};

/* Times without a date are nanoseconds. Plain values: may be kept. */
struct tlr__trace_request {
    char method[16], path[128];
    char trace[TLR__ID_TEXT_BYTES], span[17], parent[17];
    char served_by[TLR_THREAD_NAME_BYTES], loop[TLR_THREAD_NAME_BYTES];
    int status;
    uint64_t begin_ns; /* date of its arrival */
    uint64_t wait_ns, queue_ns, handler_ns, return_ns, write_ns, total_ns;
    uint64_t log_blocked_ns, lines, dropped, bytes_in, bytes_out;
    uint64_t victim_of, victim_ns;
};

struct tlr__trace_span {
    char trace[TLR__ID_TEXT_BYTES], span[17], parent[17], name[64];
    char thread[TLR_THREAD_NAME_BYTES];
    uint64_t begin_ns, duration_ns;
};

struct tlr__trace_stall {
    struct tlr_stall stall;         /* its context's trace id stands in `trace` */
    char trace[TLR__ID_TEXT_BYTES]; /* "" where it happened in no request */
    char blame[384];
};

/* By its category. Thread: any. Blocks: never; so for all below. */
enum tlr__trace_record_kind tlr__trace_record_kind(const struct tlr_record *record);

/* To be called for records of that kind; what is missing reads as zeros and "". */
void tlr__trace_record_request(const struct tlr_record *record, struct tlr__trace_request *request);
void tlr__trace_record_span(const struct tlr_record *record, struct tlr__trace_span *span);
void tlr__trace_record_stall(const struct tlr_record *record, struct tlr__trace_stall *stall);

/* One field of such a record, without the others. */
uint64_t tlr__trace_record_number(const struct tlr_record *record, const char *name);
uint64_t tlr__trace_record_id(const struct tlr_record *record, const char *name);
void tlr__trace_record_text(const struct tlr_record *record, const char *name, char *out,
                            size_t size);

/* A context's trace id as text; "" for none. */
void tlr__trace_record_id_text(const struct tlr_context *context, char out[TLR__ID_TEXT_BYTES]);

/* Calls `visit` with each record of a segment, or of all segments of a directory, oldest first;
 * stops when it returns nonzero and returns that.
 * pid: only what that process wrote, as the segments' names tell; 0: all. damaged: counts places
 * that could not be read. Blocks: on I/O. Errors: errno of open; -EBADMSG not a segment; -ENOENT a
 * directory without segments. */
typedef int tlr__trace_record_visit_fn(const struct tlr_record *record, void *user);
int tlr__trace_record_each(const char *path, int pid, uint64_t *damaged,
                           tlr__trace_record_visit_fn *visit, void *user);

#endif
