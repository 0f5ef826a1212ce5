/* stalls_print.c - `tlr stalls` for people: verdict, table, evidence, next step.
 */
#include "stalls_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "human.h"
#include "safe.h"
#include "stalls_advice.h"

enum {
    EVIDENCE_MAX = 5, /* culprits told of in full */
    TEXT_COLUMN = 12,
    LINE_WIDTH = 100,
};

/* ---- words --------------------------------------------------------------------------------- */

/* What came from a record, made harmless. Several at a time, as printf needs them. */
static const char *safe(const char *text) {
    static char rings[8][4 * 512 + 1];
    static unsigned next;
    char *out = rings[next++ % 8];
    size_t bytes = strlen(text);
    out[tlr__safe_text(text, bytes < 512 ? bytes : 512, out)] = 0;
    return out;
}

/* The same for durations. */
static const char *took(uint64_t duration_ns) {
    static char rings[8][TLR__HUMAN_BYTES];
    static unsigned next;
    return tlr__human_duration(duration_ns, rings[next++ % 8]);
}

/* The file with the folder it is in: enough to know it. */
static const char *short_file(const char *file) {
    const char *name = strrchr(file, '/');
    while (name && name > file && name[-1] != '/') name--;
    return name && name > file ? name : file;
}

static const char *plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

/* "label       text", wrapped at blanks to the text's column. */
static void __attribute__((format(printf, 2, 3))) row(const char *label, const char *format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    printf("   %-*s", TEXT_COLUMN - 3, label);
    const char *at = text;
    size_t room = LINE_WIDTH - TEXT_COLUMN;
    while (strlen(at) > room) {
        size_t size = room;
        while (size > 0 && at[size] != ' ') size--;
        if (!size) size = strcspn(at, " ");
        printf("%.*s\n%*s", (int)size, at, TEXT_COLUMN, "");
        at += size + strspn(at + size, " ");
    }
    puts(at);
}

static const char *threads_text(const struct tlr__culprit *culprit, char *out, size_t size) {
    size_t used = 0;
    out[0] = 0;
    for (unsigned i = 0; i < culprit->thread_count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "," : "",
                                 safe(culprit->threads[i]));
    return out;
}

/* ---- verdict ------------------------------------------------------------------------------- */

/* "loop-0 (loop)", or the name alone where it says as much. */
static const char *thread_text(const char *name, enum tlr_role role) {
    static char out[4 * TLR_THREAD_NAME_BYTES + 16];
    if (strstr(name, tlr_role_name(role)))
        snprintf(out, sizeof(out), "%s", safe(name));
    else
        snprintf(out, sizeof(out), "%s (%s)", safe(name), tlr_role_name(role));
    return out;
}

static uint64_t dropped_by_all_reasons(const struct tlr_log_stats *stats) {
    uint64_t dropped = 0;
    for (int reason = 0; reason < TLR_REASON_COUNT; reason++) dropped += stats->dropped[reason];
    return dropped;
}

static void dropped_print(const struct tlr__stalls_report *report) {
    uint64_t dropped = report->trace ? report->trace->lines_dropped : 0;
    if (report->log_count) {
        printf("%" PRIu64 " line%s dropped, as the log's gap lines tell", report->gap_lines,
               report->gap_lines == 1 ? " was" : "s were");
    } else if (report->trace) {
        printf("%" PRIu64 " line%s dropped by requests' handlers", dropped,
               dropped == 1 ? " was" : "s were");
    } else {
        for (unsigned log = 0; log < report->live->log_count; log++)
            if (!report->live->logs[log].is_trace)
                dropped += dropped_by_all_reasons(&report->live->logs[log].stats);
        printf("%" PRIu64 " line%s dropped", dropped, dropped == 1 ? " was" : "s were");
    }
}

static void writer_verdict(const struct tlr__stalls_report *report,
                           const struct tlr__culprit *culprit) {
    const struct tlr_stall *stall = &culprit->longest.stall;
    printf("VERDICT  no caller waited. The log's writer did: %s at worst, %s in all, %s",
           took(stall->duration_ns), took(culprit->total_ns),
           tlr__stalls_advice_activity(stall->cause, stall->role));
    if (stall->target[0]) printf(" (%s)", safe(stall->target));
    fputs(". Callers were unaffected; ", stdout);
    dropped_print(report);
    puts(".");
}

static void verdict_print(const struct tlr__stalls_report *report) {
    const struct tlr__culprit *culprit = &report->list->culprits[0];
    const struct tlr_stall *stall = &culprit->longest.stall;
    if (stall->role == TLR_ROLE_WRITER) {
        writer_verdict(report, culprit);
        return;
    }
    printf("VERDICT  %s:%u, in %s, ", safe(short_file(stall->file)), stall->line,
           safe(stall->function));
    if (culprit->request.path[0])
        printf("serving %s %s, ", safe(culprit->request.method), safe(culprit->request.path));
    printf("waited %s %s on %s", took(stall->duration_ns),
           tlr__stalls_advice_activity(stall->cause, stall->role),
           thread_text(stall->thread, stall->role));
    if (culprit->count > 1)
        printf(", and %" PRIu64 " time%s more", culprit->count - 1, plural(culprit->count - 1));
    if (culprit->victims)
        printf("; %" PRIu64 " request%s waited behind it, %s at worst.\n", culprit->victims,
               plural(culprit->victims), took(culprit->worst[0].waited_ns));
    else
        puts("; no request is known to have waited behind it.");
}

/* ---- table --------------------------------------------------------------------------------- */

static void table_print(const struct tlr__culprit_list *list) {
    printf("\n %2s  %-13s %-32s %-18s %7s %10s %10s %8s %10s\n", "#", "cause", "site", "threads",
           "stalls", "total", "longest", "victims", "waited max");
    for (size_t i = 0; i < list->count; i++) {
        const struct tlr__culprit *culprit = &list->culprits[i];
        const struct tlr_stall *stall = &culprit->longest.stall;
        char site[96], threads[256];
        snprintf(site, sizeof(site), "%s:%u", safe(short_file(stall->file)), stall->line);
        printf(" %2zu  %-13s %-32s %-18s %7" PRIu64 " %10s %10s %8" PRIu64 " %10s\n", i + 1,
               tlr_cause_name(stall->cause), site, threads_text(culprit, threads, sizeof(threads)),
               culprit->count, took(culprit->total_ns), took(stall->duration_ns), culprit->victims,
               culprit->victims ? took(culprit->worst[0].waited_ns) : "-");
    }
}

/* ---- evidence ------------------------------------------------------------------------------ */

static void victims_print(const struct tlr__culprit *culprit) {
    const struct tlr__culprit_victim *worst = culprit->worst;
    if (!culprit->victims) return;
    row("victims",
        "%" PRIu64 " request%s waited behind it, %s in all, %s at worst:", culprit->victims,
        plural(culprit->victims), took(culprit->victim_ns), took(worst[0].waited_ns));
    for (int i = 0; i < TLR__CULPRIT_VICTIMS && worst[i].trace[0]; i++)
        row("", "%s  %s %s  waited %s", safe(worst[i].trace), safe(worst[i].method),
            safe(worst[i].path), took(worst[i].waited_ns));
}

static void behind_print(const struct tlr__culprit_list *list, const struct tlr__culprit *culprit) {
    const struct tlr_stall *stall = &culprit->longest.stall;
    if (!stall->behind) return;
    const struct tlr__culprit *other = tlr__culprit_of(list, stall->behind);
    if (other)
        row("behind", "no. %zu (%s at %s:%u): look there first",
            (size_t)(other - list->culprits) + 1, tlr_cause_name(other->longest.stall.cause),
            safe(short_file(other->longest.stall.file)), other->longest.stall.line);
    else
        row("behind", "stall %016" PRIx64 ", which is not among these", stall->behind);
}

static void evidence_print(const struct tlr__culprit_list *list, size_t index) {
    const struct tlr__culprit *culprit = &list->culprits[index];
    const struct tlr_stall *stall = &culprit->longest.stall;
    char date[TLR__HUMAN_BYTES];
    printf("\n%zu. %s at %s:%u in %s\n", index + 1, tlr_cause_name(stall->cause), safe(stall->file),
           stall->line, safe(stall->function));
    row("longest", "%s, %s long, on %s, tid %d%s%s", tlr__human_date(stall->begin_ns, date),
        took(stall->duration_ns), thread_text(stall->thread, stall->role), stall->tid,
        stall->target[0] ? ", waiting for " : "", safe(stall->target));
    if (culprit->longest.blame[0]) row("why", "%s", safe(culprit->longest.blame));
    behind_print(list, culprit);
    if (culprit->longest.trace[0])
        row("request", "%s  %s %s%s", safe(culprit->longest.trace), safe(culprit->request.method),
            safe(culprit->request.path),
            culprit->blocked_requests > 1 ? "  (the longest of several)" : "");
    if (culprit->blocked_requests > 1)
        row("blocked", "%" PRIu64 " requests were blocked in it themselves",
            culprit->blocked_requests);
    if (culprit->waiters)
        row("waiters", "%" PRIu64 " stall%s of other threads waited behind it, %s in all",
            culprit->waiters, plural(culprit->waiters), took(culprit->waiter_ns));
    victims_print(culprit);
    row("next", "%s", tlr__stalls_advice(stall->cause, stall->role, stall->target));
}

/* ---- a live process ------------------------------------------------------------------------ */

static void block_print(const struct tlr__stalls_live_block *block) {
    const struct tlr_thread_view *view = &block->view;
    char trace[TLR__ID_TEXT_BYTES], date[TLR__HUMAN_BYTES];
    printf("\n * %s, tid %d: %s for %s so far, since %s\n", thread_text(view->name, view->role),
           view->tid,
           view->state == TLR_THREAD_RUNNING ? "in a handler" : tlr_cause_name(view->cause),
           took(block->so_far_ns), tlr__human_date(view->since_ns, date));
    if (view->file[0])
        row("site", "%s:%u in %s", safe(view->file), view->line, safe(view->function));
    if (block->blame.sentence[0]) row("why", "%s", safe(block->blame.sentence));
    if (block->blame.other_pid)
        row("peer", "process %d (%s), state %c%s%s", block->blame.other_pid,
            safe(block->blame.other_name),
            block->blame.other_state ? block->blame.other_state : '?',
            block->blame.other_waits[0] ? ", waits in " : "", safe(block->blame.other_waits));
    if (view->behind) row("behind", "stall %016" PRIx64, view->behind);
    tlr__trace_record_id_text(&view->context, trace);
    if (trace[0]) row("request", "%s", trace);
    if (block->blame.advice[0]) row("now", "%s", safe(block->blame.advice));
    row("next", "%s", tlr__stalls_advice(view->cause, view->role, block->target));
}

static void in_flight_print(const struct tlr__stalls_live *live) {
    if (!live->blocked_count) return;
    printf("IN FLIGHT  %u thread%s held up now; who waits behind %s is known when it ends\n",
           live->blocked_count, live->blocked_count == 1 ? " is" : "s are",
           live->blocked_count == 1 ? "it" : "them");
    for (unsigned i = 0; i < live->blocked_count; i++) block_print(&live->blocked[i]);
    putchar('\n');
}

static void logs_print(const struct tlr__stalls_live *live) {
    puts("LOGS");
    for (unsigned log = 0; log < live->log_count; log++) {
        const struct tlr_ring_info *info = &live->logs[log].info;
        const struct tlr_log_stats *stats = &live->logs[log].stats;
        printf(" %-10s to %s: %" PRIu64 " written, %" PRIu64 " dropped", safe(info->name),
               safe(info->target), stats->written, dropped_by_all_reasons(stats));
        for (int reason = 0; reason < TLR_REASON_COUNT; reason++)
            if (stats->dropped[reason])
                printf(" (%s %" PRIu64 ")", tlr_reason_name((enum tlr_reason)reason),
                       stats->dropped[reason]);
        if (stats->sink_error < 0 && stats->sink_error != -EAGAIN)
            printf("; its sink fails: %s", strerror(-stats->sink_error));
        putchar('\n');
    }
}

static void heading_print(const struct tlr__stalls_report *report) {
    const struct tlr__culprit_list *list = report->list;
    char first[TLR__HUMAN_BYTES], last[TLR__HUMAN_BYTES];
    if (report->live)
        printf("process %d%s%s%s%s\n", report->live->pid, report->live->name[0] ? " (" : "",
               safe(report->live->name), report->live->name[0] ? ")" : "",
               report->live->alive ? "" : ", which is gone: what its ring files still tell");
    else
        printf("trace %s: %" PRIu64 " request%s\n", safe(report->source), report->trace->requests,
               plural(report->trace->requests));
    if (report->trace && report->trace->records_lost)
        printf("%" PRIu64 " more record%s of the trace itself found no room and are missing\n",
               report->trace->records_lost, plural(report->trace->records_lost));
    if (list->stalls)
        printf("%" PRIu64 " stall%s at %zu site%s, %s to %s\n", list->stalls, plural(list->stalls),
               list->count, plural(list->count), tlr__human_date(list->first_ns, first),
               tlr__human_date(list->last_ns, last));
    else
        puts(report->live ? "no stall has ended since it began" : "no stall");
    putchar('\n');
}

void tlr__stalls_print_text(const struct tlr__stalls_report *report) {
    const struct tlr__culprit_list *list = report->list;
    heading_print(report);
    if (report->live) in_flight_print(report->live);
    if (list->count) {
        verdict_print(report);
        table_print(list);
    }
    for (size_t i = 0; i < list->count && i < EVIDENCE_MAX; i++) evidence_print(list, i);
    if (list->count > EVIDENCE_MAX)
        printf("\n(the evidence of %zu more is in --json)\n", list->count - EVIDENCE_MAX);
    if (list->unknown_victims)
        printf("%s%" PRIu64 " request%s waited behind stalls that have not ended, or whose records "
               "are missing.\n",
               list->count ? "\n" : "", list->unknown_victims, plural(list->unknown_victims));
    /* What stands above ends in a blank line by itself. */
    if (report->live && (list->count || list->unknown_victims)) putchar('\n');
    if (report->live) logs_print(report->live);
    if (report->live && !report->log_count) return;
    if (list->count || report->live) putchar('\n');
    dropped_print(report);
    puts(".");
}
