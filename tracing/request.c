#include "request.h"

#include <inttypes.h>
#include <string.h>

#include "attribution.h"
#include "identity.h"
#include "loop_lag.h"
#include "tracer.h"

#define FLAG_SAMPLED 1u

/* Between resume (or START) and suspend (or END). */
static _Thread_local struct tlr_request *current;

/* memccpy, as gcc makes a small memcpy `rep movs`, which takes 30 ns to begin. */
static void copy_text(char *out, size_t capacity, const char *text, size_t bytes) {
    size_t kept = bytes < capacity - 1 ? bytes : capacity - 1;
    memccpy(out, text, '\0', kept);
    out[kept] = '\0';
}

static void copy_thread_name(char out[TLR_THREAD_NAME_BYTES]) {
    const char *name = tlr_thread_name();
    copy_text(out, TLR_THREAD_NAME_BYTES, name, strlen(name));
}

uint64_t tlr_request_between_ns(const struct tlr_request *request, enum tlr_hop begin,
                                enum tlr_hop end) {
    if (request->stamps[begin] == 0 || request->stamps[end] == 0) return 0;
    return tlr_clock_between_ns(request->stamps[begin], request->stamps[end]);
}

/* ---- victims -------------------------------------------------------------------------------- */

static void hurt(struct tlr_request *request, uint64_t culprit, uint64_t duration_ns) {
    if (duration_ns <= request->victim_ns) return;
    request->victim_of = culprit;
    request->victim_ns = duration_ns;
}

void tlr__request_hurt_current(uint64_t culprit, uint64_t duration_ns) {
    if (current) hurt(current, culprit, duration_ns);
}

/* Nonzero if the request waited between two hops for as long as a stall. */
static int waited(const struct tlr_request *request, enum tlr_hop begin, enum tlr_hop end) {
    return tlr_request_between_ns(request, begin, end) >= tlr_stall_threshold();
}

/* A wait for the loop is put down to the loop's stalls. */
static void blame_loop(struct tlr_request *request, enum tlr_hop begin, enum tlr_hop end) {
    const struct tlr_loop *loop = tlr__loop_lag_current();
    if (!loop || loop != request->loop || !waited(request, begin, end)) return;
    struct tlr__attribution_best best =
        tlr__loop_lag_blame(loop, request->stamps[begin], request->stamps[end]);
    if (best.length >= tlr_stall_threshold()) hurt(request, best.culprit, best.length);
}

/* A wait for a thread of the pool is put down to the pool's stalls; where there are none, the pool
 * was full of honest work, and that is a stall of its own. */
static void blame_pool(struct tlr_request *request) {
    if (!request->tracer || !waited(request, TLR_HOP_SUBMIT, TLR_HOP_START)) return;
    uint64_t begin = request->stamps[TLR_HOP_SUBMIT], end = request->stamps[TLR_HOP_START];
    struct tlr__attribution_best best = {0, 0};
    struct tlr_tracer *tracer = tlr__tracer_enter(); /* a job that hung may outlive it */
    if (tracer) best = tlr__attribution_pool_queue(&tracer->pool, begin, end);
    tlr__tracer_leave();
    if (best.length >= tlr_stall_threshold())
        hurt(request, best.culprit, best.length);
    else if (request->site)
        tlr_stall_report(request->site, TLR_CAUSE_POOL_QUEUE, begin, end, 0);
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Piece by piece: clearing all of it at once takes 30 ns, and a text needs but its terminator. */
static void reset(struct tlr_request *request) {
    request->context = (struct tlr_context){.span_id = 0};
    request->parent_span = 0;
    memset(request->stamps, 0, sizeof request->stamps);
    request->log_blocked_ns = request->lines = request->dropped = 0;
    request->victim_of = request->victim_ns = 0;
    request->counts_at_start = (struct tlr_thread_counts){.lines = 0};
    request->site = NULL;
    request->served_by[0] = request->method[0] = request->path[0] = '\0';
    request->bytes_in = 0;
}

static void begin_context(struct tlr_request *request, const struct tlr_request_start *start) {
    struct tlr_context *context = &request->context;
    if (start->traceparent &&
        tlr_traceparent_parse(start->traceparent, start->traceparent_bytes, context) == 0) {
        request->parent_span = context->span_id;
    } else {
        uint64_t halves[2] = {tlr__identity_new(), tlr__identity_new()};
        memcpy(context->trace_id, halves, sizeof halves);
        context->flags = request->tracer ? FLAG_SAMPLED : 0;
    }
    context->span_id = tlr__identity_new();
}

void tlr_request_begin(struct tlr_tracer *tracer, struct tlr_request *request,
                       const struct tlr_request_start *start) {
    reset(request);
    request->tracer = tracer;
    request->loop = start->loop;
    begin_context(request, start);
    if (start->method)
        copy_text(request->method, sizeof request->method, start->method, start->method_bytes);
    if (start->path) copy_text(request->path, sizeof request->path, start->path, start->path_bytes);

    uint64_t read = start->read_ticks ? start->read_ticks : tlr_clock_ticks();
    request->stamps[TLR_HOP_READ] = read;
    request->stamps[TLR_HOP_ARRIVE] = read;
    if (start->kernel_wait_ns) {
        request->stamps[TLR_HOP_ARRIVE] = read - tlr_clock_ticks_of_ns(start->kernel_wait_ns);
        blame_loop(request, TLR_HOP_ARRIVE, TLR_HOP_READ);
    }
}

void tlr_request_route(struct tlr_request *request, const struct tlr_site *site) {
    request->site = site;
}

/* ---- hops ----------------------------------------------------------------------------------- */

void tlr__request_forget_current(void) {
    if (!current) return;
    current = NULL;
    tlr_context_set(NULL);
}

/* Makes the request the calling thread's own. */
static void enter(struct tlr_request *request, uint64_t now) {
    current = request;
    tlr_context_set(&request->context);
    tlr_thread_state_set(TLR_THREAD_RUNNING, request->site, &request->context);
    tlr_thread_counts(&request->counts_at_start);
    struct tlr_loop *loop = tlr__loop_lag_current();
    if (loop) tlr__loop_lag_handler_begin(loop, request->site, now);
}

/* Undoes that, and charges to the request what the thread did for it. */
static void leave(struct tlr_request *request, uint64_t now) {
    if (current != request) return;
    struct tlr_loop *loop = tlr__loop_lag_current();
    if (loop) tlr__loop_lag_handler_end(loop, now);

    struct tlr_thread_counts counts;
    tlr_thread_counts(&counts);
    request->lines += counts.lines - request->counts_at_start.lines;
    request->dropped += counts.dropped - request->counts_at_start.dropped;
    request->log_blocked_ns += counts.blocked_ns - request->counts_at_start.blocked_ns;

    current = NULL;
    tlr_context_set(NULL);
    tlr_thread_state_set(tlr_thread_role() == TLR_ROLE_POOL ? TLR_THREAD_IDLE : TLR_THREAD_RUNNING,
                         NULL, NULL);
}

static void start_handler(struct tlr_request *request, uint64_t now) {
    copy_thread_name(request->served_by);
    int queued = request->stamps[TLR_HOP_SUBMIT] != 0;
    if (!queued) request->stamps[TLR_HOP_SUBMIT] = now;
    enter(request, now);
    if (!queued)
        blame_loop(request, TLR_HOP_READ, TLR_HOP_START);
    else if (tlr_thread_role() == TLR_ROLE_POOL)
        blame_pool(request);
}

void tlr_request_hop(struct tlr_request *request, enum tlr_hop hop) {
    uint64_t now = tlr_clock_ticks();
    request->stamps[hop] = now;
    switch (hop) {
    case TLR_HOP_SUBMIT:
        blame_loop(request, TLR_HOP_READ, TLR_HOP_SUBMIT); /* pipelined behind another's handler */
        break;
    case TLR_HOP_START:
        start_handler(request, now);
        break;
    case TLR_HOP_END:
        leave(request, now);
        if (tlr_thread_role() != TLR_ROLE_POOL) request->stamps[TLR_HOP_RETURN] = now;
        break;
    case TLR_HOP_RETURN:
        blame_loop(request, TLR_HOP_END, TLR_HOP_RETURN);
        break;
    default:
        break;
    }
}

void tlr_request_resume(struct tlr_request *request) {
    enter(request, tlr_clock_ticks());
}

void tlr_request_suspend(struct tlr_request *request) {
    leave(request, tlr_clock_ticks());
}

/* ---- the record ----------------------------------------------------------------------------- */

static void fill_missing_hops(struct tlr_request *request) {
    uint64_t *stamps = request->stamps;
    if (stamps[TLR_HOP_WRITTEN] == 0) stamps[TLR_HOP_WRITTEN] = tlr_clock_ticks();
    if (request->served_by[0] == '\0') copy_thread_name(request->served_by);
}

void tlr_request_end(struct tlr_tracer *tracer, struct tlr_request *request, int status,
                     uint64_t bytes_out) {
    if (current == request) leave(request, tlr_clock_ticks());
    if (!tracer) return;
    fill_missing_hops(request);
    blame_loop(request, TLR_HOP_RETURN, TLR_HOP_WRITTEN);

    char traceparent[TLR_TRACEPARENT_BYTES]; /* holds both ids, at 3 and 36 */
    char parent[TLR_SPAN_ID_TEXT_BYTES + 1], victim_of[TLR_SPAN_ID_TEXT_BYTES + 1];
    tlr_traceparent_print(&request->context, traceparent);
    tlr_info(&tlr__tracer_requests,
             "method=%s path=%s status=%d trace=%.32s span=%.16s parent=%s served_by=%s loop=%s "
             "begin_ns=%" PRIu64 " wait=%" PRIu64 " queue=%" PRIu64 " handler=%" PRIu64
             " return=%" PRIu64 " write=%" PRIu64 " total=%" PRIu64 " log_blocked=%" PRIu64
             " lines=%" PRIu64 " dropped=%" PRIu64 " bytes_in=%" PRIu64 " bytes_out=%" PRIu64
             " victim_of=%s victim=%" PRIu64,
             request->method, request->path, status, traceparent + 3, traceparent + 36,
             tlr__tracer_id_text(request->parent_span, parent), request->served_by,
             tlr__loop_lag_name(request->loop), tlr_clock_date_ns(request->stamps[TLR_HOP_ARRIVE]),
             tlr_request_between_ns(request, TLR_HOP_ARRIVE, TLR_HOP_READ),
             tlr_request_between_ns(request, TLR_HOP_SUBMIT, TLR_HOP_START),
             tlr_request_between_ns(request, TLR_HOP_START, TLR_HOP_END),
             tlr_request_between_ns(request, TLR_HOP_END, TLR_HOP_RETURN),
             tlr_request_between_ns(request, TLR_HOP_RETURN, TLR_HOP_WRITTEN),
             tlr_request_between_ns(request, TLR_HOP_ARRIVE, TLR_HOP_WRITTEN),
             request->log_blocked_ns, request->lines, request->dropped, request->bytes_in,
             bytes_out, tlr__tracer_id_text(request->victim_of, victim_of), request->victim_ns);
}
