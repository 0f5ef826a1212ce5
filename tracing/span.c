#include <inttypes.h>
#include <string.h>

#include "identity.h"
#include "tracer.h"

void tlr_span_begin(struct tlr_span *span, const char *name) {
    span->context = *tlr_context_get();
    span->name = name;
    span->span_id = tlr__identity_new();
    span->begin_ticks = tlr_clock_ticks();

    struct tlr_context inner = span->context;
    inner.span_id = span->span_id;
    tlr_context_set(&inner);
}

static void restore(const struct tlr_context *context) {
    static const unsigned char none[sizeof context->trace_id];
    int had_none = context->span_id == 0 && memcmp(context->trace_id, none, sizeof none) == 0;
    tlr_context_set(had_none ? NULL : context);
}

void tlr_span_end(struct tlr_tracer *tracer, struct tlr_span *span) {
    restore(&span->context);
    if (!tracer) return;
    uint64_t duration_ns = tlr_clock_between_ns(span->begin_ticks, tlr_clock_ticks());
    char trace[TLR_TRACE_ID_TEXT_BYTES + 1], id[TLR_SPAN_ID_TEXT_BYTES + 1];
    char parent[TLR_SPAN_ID_TEXT_BYTES + 1];
    tlr_info(&tlr__tracer_spans,
             "trace=%s span=%s parent=%s name=%s thread=%s begin_ns=%" PRIu64 " duration=%" PRIu64,
             tlr__tracer_trace_text(&span->context, trace), tlr__tracer_id_text(span->span_id, id),
             tlr__tracer_id_text(span->context.span_id, parent), span->name, tlr_thread_name(),
             tlr_clock_date_ns(span->begin_ticks), duration_ns);
}
