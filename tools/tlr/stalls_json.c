/* stalls_json.c - `tlr stalls --json`: one document.
 */
#include "stalls_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json_print.h"
#include "stalls_advice.h"

#define TEXT(json, name, text) tlr__json_print_bytes(json, name, text, strnlen(text, sizeof(text)))

static void victim_print(struct tlr__json_print *json, const char *name,
                         const struct tlr__culprit_victim *victim) {
    tlr__json_print_object_begin(json, name);
    TEXT(json, "trace", victim->trace);
    TEXT(json, "method", victim->method);
    TEXT(json, "path", victim->path);
    tlr__json_print_number(json, "waited_ns", victim->waited_ns);
    tlr__json_print_object_end(json);
}

static void longest_print(struct tlr__json_print *json, const struct tlr__culprit *culprit) {
    const struct tlr_stall *stall = &culprit->longest.stall;
    tlr__json_print_object_begin(json, "longest");
    tlr__json_print_id(json, "id", stall->id);
    tlr__json_print_date(json, "begin", stall->begin_ns);
    tlr__json_print_number(json, "duration_ns", stall->duration_ns);
    TEXT(json, "thread", stall->thread);
    tlr__json_print_text(json, "role", tlr_role_name(stall->role));
    tlr__json_print_integer(json, "tid", stall->tid);
    if (stall->behind) tlr__json_print_id(json, "behind", stall->behind);
    if (culprit->longest.trace[0]) TEXT(json, "trace", culprit->longest.trace);
    if (culprit->request.path[0]) {
        TEXT(json, "method", culprit->request.method);
        TEXT(json, "path", culprit->request.path);
    }
    TEXT(json, "blame", culprit->longest.blame);
    tlr__json_print_object_end(json);
}

static void culprit_print(struct tlr__json_print *json, const struct tlr__culprit *culprit) {
    const struct tlr_stall *stall = &culprit->longest.stall;
    tlr__json_print_object_begin(json, NULL);
    TEXT(json, "file", stall->file);
    tlr__json_print_number(json, "line", stall->line);
    TEXT(json, "function", stall->function);
    tlr__json_print_text(json, "cause", tlr_cause_name(stall->cause));
    TEXT(json, "target", stall->target);
    tlr__json_print_array_begin(json, "threads");
    for (unsigned i = 0; i < culprit->thread_count; i++) TEXT(json, NULL, culprit->threads[i]);
    tlr__json_print_array_end(json);
    tlr__json_print_bool(json, "callers_waited", stall->role != TLR_ROLE_WRITER);
    tlr__json_print_number(json, "stalls", culprit->count);
    tlr__json_print_number(json, "total_ns", culprit->total_ns);
    tlr__json_print_number(json, "stalls_behind_another", culprit->behind);
    tlr__json_print_number(json, "waiters", culprit->waiters);
    tlr__json_print_number(json, "waiter_ns", culprit->waiter_ns);
    tlr__json_print_number(json, "blocked_requests", culprit->blocked_requests);
    tlr__json_print_number(json, "victims", culprit->victims);
    tlr__json_print_number(json, "victim_ns", culprit->victim_ns);
    tlr__json_print_number(json, "victim_ns_max", culprit->worst[0].waited_ns);
    tlr__json_print_array_begin(json, "worst_victims");
    for (int i = 0; i < TLR__CULPRIT_VICTIMS && culprit->worst[i].trace[0]; i++)
        victim_print(json, NULL, &culprit->worst[i]);
    tlr__json_print_array_end(json);
    longest_print(json, culprit);
    tlr__json_print_text(json, "next",
                         tlr__stalls_advice(stall->cause, stall->role, stall->target));
    tlr__json_print_object_end(json);
}

static void block_print(struct tlr__json_print *json, const struct tlr__stalls_live_block *block) {
    const struct tlr_thread_view *view = &block->view;
    const struct tlr_blame *blame = &block->blame;
    char trace[TLR__ID_TEXT_BYTES];
    tlr__json_print_object_begin(json, NULL);
    if (view->stall_id) tlr__json_print_id(json, "id", view->stall_id);
    if (view->behind) tlr__json_print_id(json, "behind", view->behind);
    TEXT(json, "thread", view->name);
    tlr__json_print_text(json, "role", tlr_role_name(view->role));
    tlr__json_print_integer(json, "tid", view->tid);
    tlr__json_print_text(json, "state", tlr_thread_state_name(view->state));
    tlr__json_print_text(json, "cause", tlr_cause_name(view->cause));
    TEXT(json, "file", view->file);
    tlr__json_print_number(json, "line", view->line);
    TEXT(json, "function", view->function);
    tlr__json_print_date(json, "since", view->since_ns);
    tlr__json_print_number(json, "so_far_ns", block->so_far_ns);
    tlr__trace_record_id_text(&view->context, trace);
    if (trace[0]) TEXT(json, "trace", trace);
    TEXT(json, "object", blame->object);
    if (blame->other_pid) {
        tlr__json_print_object_begin(json, "other_end");
        tlr__json_print_integer(json, "pid", blame->other_pid);
        TEXT(json, "name", blame->other_name);
        tlr__json_print_bytes(json, "state", &blame->other_state, blame->other_state != 0);
        TEXT(json, "waits", blame->other_waits);
        tlr__json_print_object_end(json);
    }
    TEXT(json, "blame", blame->sentence);
    tlr__json_print_text(json, "next", tlr__stalls_advice(view->cause, view->role, block->target));
    tlr__json_print_object_end(json);
}

static void log_print(struct tlr__json_print *json, const struct tlr_ring_info *info,
                      const struct tlr_log_stats *stats) {
    tlr__json_print_object_begin(json, NULL);
    TEXT(json, "name", info->name);
    TEXT(json, "target", info->target);
    tlr__json_print_number(json, "written", stats->written);
    tlr__json_print_object_begin(json, "dropped");
    for (int reason = 0; reason < TLR_REASON_COUNT; reason++)
        if (stats->dropped[reason])
            tlr__json_print_number(json, tlr_reason_name((enum tlr_reason)reason),
                                   stats->dropped[reason]);
    tlr__json_print_object_end(json);
    if (stats->sink_error < 0 && stats->sink_error != -EAGAIN)
        tlr__json_print_text(json, "sink_error", strerror(-stats->sink_error));
    tlr__json_print_object_end(json);
}

static void live_print(struct tlr__json_print *json, const struct tlr__stalls_live *live) {
    tlr__json_print_integer(json, "pid", live->pid);
    TEXT(json, "process", live->name);
    tlr__json_print_bool(json, "alive", live->alive);
    if (live->trace[0]) TEXT(json, "trace_directory", live->trace);
    tlr__json_print_array_begin(json, "in_flight");
    for (unsigned i = 0; i < live->blocked_count; i++) block_print(json, &live->blocked[i]);
    tlr__json_print_array_end(json);
    tlr__json_print_array_begin(json, "logs");
    for (unsigned i = 0; i < live->log_count; i++)
        log_print(json, &live->logs[i].info, &live->logs[i].stats);
    tlr__json_print_array_end(json);
}

void tlr__stalls_json_print(const struct tlr__stalls_report *report) {
    const struct tlr__culprit_list *list = report->list;
    struct tlr__json_print json = {.out = stdout};
    tlr__json_print_object_begin(&json, NULL);
    tlr__json_print_text(&json, "source", report->source);
    tlr__json_print_number(&json, "damaged",
                           report->live ? report->live->damaged : report->trace->damaged);
    if (report->live) {
        live_print(&json, report->live);
    } else {
        tlr__json_print_number(&json, "requests", report->trace->requests);
        tlr__json_print_number(&json, "trace_records_lost", report->trace->records_lost);
        tlr__json_print_number(&json, "lines_dropped_by_handlers", report->trace->lines_dropped);
    }
    if (report->log_count) tlr__json_print_number(&json, "gap_lines", report->gap_lines);
    tlr__json_print_number(&json, "stalls", list->stalls);
    tlr__json_print_number(&json, "victims_of_unknown_stalls", list->unknown_victims);
    tlr__json_print_array_begin(&json, "culprits");
    for (size_t i = 0; i < list->count; i++) culprit_print(&json, &list->culprits[i]);
    tlr__json_print_array_end(&json);
    tlr__json_print_object_end(&json);
    putchar('\n');
}
