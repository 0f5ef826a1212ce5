/* tracer.h - the tracer itself, for the files of this layer.
 */
#ifndef TLR_TRACING_TRACER_H
#define TLR_TRACING_TRACER_H

#include <pthread.h>
#include <tailrace/trace.h>

#include "attribution.h"
#include "watchdog.h"

/* What traces are written to, bound to the tracer's private log. */
extern struct tlr_category tlr__tracer_requests;
extern struct tlr_category tlr__tracer_spans;
extern struct tlr_category tlr__tracer_stalls;

struct tlr_tracer {
    struct tlr_log *log;
    int writer_tid; /* of the private log's writer */
    struct tlr__attribution_pool pool;
    struct tlr__watchdog watchdog;
    pthread_mutex_t loops_lock;
    struct tlr_loop *loops; /* attached ones, under loops_lock */
};

/* The process's tracer, or NULL; it is not freed before the matching leave. Each enter is followed
 * by a leave, also after NULL. For threads that do not belong to the tracer's owner: a stall is
 * told by any thread, at any time, also while the tracer is closed. Thread: any. Blocks: never. */
struct tlr_tracer *tlr__tracer_enter(void);
void tlr__tracer_leave(void);

/* An id of a span or a stall as terminated text, "0" for 0; of a trace, "0" for all zeros. `text`
 * has room for TLR_SPAN_ID_TEXT_BYTES + 1 and TLR_TRACE_ID_TEXT_BYTES + 1. Returns `text`. */
const char *tlr__tracer_id_text(uint64_t id, char *text);
const char *tlr__tracer_trace_text(const struct tlr_context *context, char *text);

#endif
