/* req_print.c - one request for people. The bars share one scale: the request's whole time.
 */
#include "req_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "human.h"
#include "req_hops.h"
#include "safe.h"
#include "stalls_advice.h"

enum { BAR_CELLS = 40, DEPTH_MAX = 16 };

/* ---- words --------------------------------------------------------------------------------- */

/* Prints what came from a record. */
static void safe_put(const char *text) {
    char piece[4 * 256];
    for (size_t bytes = strlen(text); bytes;) {
        size_t size = bytes < 256 ? bytes : 256;
        while (size > 252 && size < bytes && ((unsigned char)text[size] & 0xc0) == 0x80) size--;
        fwrite(piece, 1, tlr__safe_text(text, size, piece), stdout);
        text += size;
        bytes -= size;
    }
}

static const char *took(uint64_t duration_ns) {
    static char rings[4][TLR__HUMAN_BYTES];
    static unsigned next;
    return tlr__human_duration(duration_ns, rings[next++ % 4]);
}

static int speaks_utf8(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return 0;
}

/* ---- the way ------------------------------------------------------------------------------- */

/* Where [offset, offset + duration] lies in the whole; at least one cell is filled. */
static void bar_print(uint64_t whole_ns, uint64_t offset_ns, uint64_t duration_ns) {
    const char *full = speaks_utf8() ? "\xe2\x96\x88" : "#";
    double cell_ns = whole_ns ? (double)whole_ns / BAR_CELLS : 1;
    unsigned begin = (unsigned)((double)offset_ns / cell_ns);
    unsigned end = (unsigned)((double)(offset_ns + duration_ns) / cell_ns + 0.5);
    if (begin >= BAR_CELLS) begin = BAR_CELLS - 1;
    if (end > BAR_CELLS) end = BAR_CELLS;
    if (end <= begin) end = begin + 1;
    putchar('|');
    for (unsigned cell = 0; cell < BAR_CELLS; cell++)
        fputs(cell >= begin && cell < end ? full : " ", stdout);
    puts("|");
}

static void hop_print(const char *name, const char *thread, uint64_t whole_ns, uint64_t offset_ns,
                      uint64_t duration_ns) {
    char safe[4 * 64 + 1], label[4 * 64 + 1];
    safe[tlr__safe_text(thread, strnlen(thread, 64), safe)] = 0;
    label[tlr__safe_text(name, strnlen(name, 64), label)] = 0;
    printf("  %-16s  %-20s +%-10s %10s  ", label, safe, took(offset_ns), took(duration_ns));
    bar_print(whole_ns, offset_ns, duration_ns);
}

static const struct tlr__trace_span *span_find(const struct tlr__req *req, const char *id) {
    for (size_t i = 0; i < req->span_count; i++)
        if (!strcmp(req->spans[i].span, id)) return &req->spans[i];
    return NULL;
}

static unsigned span_depth(const struct tlr__req *req, const struct tlr__trace_span *span) {
    unsigned depth = 1;
    while (depth < DEPTH_MAX && (span = span_find(req, span->parent))) depth++;
    return depth;
}

/* Nonzero if the request is what the span, or the outermost span around it, says is its parent. */
static int is_span_of(const struct tlr__req *req, const struct tlr__trace_span *span,
                      const struct tlr__trace_request *request) {
    const struct tlr__trace_span *outer;
    for (int depth = 0; depth < DEPTH_MAX && (outer = span_find(req, span->parent)); depth++)
        span = outer;
    return !strcmp(span->parent, request->span) || req->request_count == 1;
}

static void spans_print(const struct tlr__req *req, const struct tlr__trace_request *request) {
    for (size_t i = 0; i < req->span_count; i++) {
        const struct tlr__trace_span *span = &req->spans[i];
        char name[128];
        if (!is_span_of(req, span, request)) continue;
        snprintf(name, sizeof(name), "%*s%s", (int)(2 * span_depth(req, span)), "", span->name);
        hop_print(name, span->thread, request->total_ns,
                  span->begin_ns > request->begin_ns ? span->begin_ns - request->begin_ns : 0,
                  span->duration_ns);
    }
}

static void way_print(const struct tlr__req *req, const struct tlr__trace_request *request) {
    struct tlr__req_hop hops[TLR__REQ_HOPS_MAX];
    unsigned count = tlr__req_hops(request, hops);
    printf("\n  %-16s  %-20s %-11s %10s\n", "hop", "thread", "from", "took");
    for (unsigned i = 0; i < count; i++) {
        hop_print(hops[i].name, hops[i].thread, request->total_ns, hops[i].offset_ns,
                  hops[i].duration_ns);
        if (!strcmp(hops[i].name, "handler")) spans_print(req, request);
    }
}

/* ---- stalls -------------------------------------------------------------------------------- */

static void stall_print(const struct tlr__trace_stall *traced) {
    const struct tlr_stall *stall = &traced->stall;
    safe_put(stall->file);
    printf(":%u in ", stall->line);
    safe_put(stall->function);
    printf(", on %s ", tlr_role_name(stall->role));
    safe_put(stall->thread);
    if (stall->target[0]) {
        fputs(", waiting for ", stdout);
        safe_put(stall->target);
    }
    putchar('\n');
    if (!traced->blame[0]) return;
    fputs("    ", stdout);
    safe_put(traced->blame);
    putchar('\n');
}

static void own_stalls_print(const struct tlr__req *req) {
    if (!req->stall_count) return;
    puts("\nBLOCKED  it waited itself:");
    for (size_t i = 0; i < req->stall_count; i++) {
        const struct tlr_stall *stall = &req->stalls[i].stall;
        printf("  %s %s (%s) at ", took(stall->duration_ns),
               tlr__stalls_advice_activity(stall->cause, stall->role),
               tlr_cause_name(stall->cause));
        stall_print(&req->stalls[i]);
        printf("    next: %s\n", tlr__stalls_advice(stall->cause, stall->role, stall->target));
    }
}

static const struct tlr__req_hurt *hurt_of(const struct tlr__req *req, uint64_t id) {
    for (size_t i = 0; i < req->hurt_count; i++)
        if (req->hurts[i].id == id) return &req->hurts[i];
    return NULL;
}

static void victim_print(const struct tlr__req *req, const struct tlr__trace_request *request) {
    const struct tlr__req_hurt *hurt = hurt_of(req, request->victim_of);
    if (!hurt) return;
    printf("\nVICTIM  it waited %s behind stall %016" PRIx64, took(request->victim_ns),
           request->victim_of);
    if (!hurt->found) {
        puts(", which is in none of these paths");
        return;
    }
    const struct tlr_stall *stall = &hurt->stall.stall;
    printf(":\n  %s %s (%s) at ", took(stall->duration_ns),
           tlr__stalls_advice_activity(stall->cause, stall->role), tlr_cause_name(stall->cause));
    stall_print(&hurt->stall);
    if (!hurt->stall.trace[0]) return;
    fputs("    in request ", stdout);
    safe_put(hurt->stall.trace);
    putchar(' ');
    safe_put(hurt->method);
    putchar(' ');
    safe_put(hurt->path);
    putchar('\n');
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* "loop-0", or "loop-0 -> pool-1 -> loop-0". */
static void threads_print(const struct tlr__trace_request *request) {
    if (strcmp(request->loop, request->served_by) != 0) {
        safe_put(request->loop);
        fputs(" -> ", stdout);
        safe_put(request->served_by);
        fputs(" -> ", stdout);
    }
    safe_put(request->loop);
}

static void request_print(const struct tlr__req *req, const struct tlr__trace_request *request) {
    char date[TLR__HUMAN_BYTES];
    safe_put(request->method);
    putchar(' ');
    safe_put(request->path);
    printf("  %d  %s  on ", request->status, took(request->total_ns));
    threads_print(request);
    printf("\n  trace %s  span %s\n  arrived %s", request->trace, request->span,
           tlr__human_date(request->begin_ns, date));
    printf("  in %" PRIu64 " B, out %" PRIu64 " B  lines %" PRIu64 ", dropped %" PRIu64
           ", blocked by the log %s\n",
           request->bytes_in, request->bytes_out, request->lines, request->dropped,
           took(request->log_blocked_ns));
    way_print(req, request);
    victim_print(req, request);
}

static void lines_print(const struct tlr__req *req) {
    if (!req->line_count) return;
    puts("\nLOG");
    for (size_t i = 0; i < req->line_count; i++) {
        fputs("  ", stdout);
        safe_put(req->lines[i].text);
        putchar('\n');
    }
}

void tlr__req_print_text(const struct tlr__req *req) {
    if (!req->request_count)
        printf("trace %s  (no request record: its lines and spans alone)\n", req->trace);
    for (size_t i = 0; i < req->request_count; i++) {
        if (i) putchar('\n');
        request_print(req, &req->requests[i]);
    }
    own_stalls_print(req);
    lines_print(req);
}

void tlr__req_print_candidates(const struct tlr__req *req) {
    for (size_t i = 0; i < req->candidate_count; i++) {
        char date[TLR__HUMAN_BYTES] = "";
        if (req->candidates[i].begin_ns) tlr__human_date(req->candidates[i].begin_ns, date);
        printf("%s  %s  ", req->candidates[i].trace, date);
        safe_put(req->candidates[i].method);
        putchar(' ');
        safe_put(req->candidates[i].path);
        putchar('\n');
    }
    if (req->candidates_more) printf("(and %zu more)\n", req->candidates_more);
}
