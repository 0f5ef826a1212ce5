/* trace_record.c - see trace_record.h.
 */
#include "trace_record.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Errors in a row without a record between them, after which a segment is given up. */
enum { DAMAGE_MAX = 65536 };

/* ---- fields -------------------------------------------------------------------------------- */

uint64_t tlr__trace_record_number(const struct tlr_record *record, const char *name) {
    struct tlr_field field;
    if (tlr_record_field(record, name, &field) < 0) return 0;
    return field.type == TLR_FIELD_INTEGER    ? (uint64_t)field.as.integer
           : field.type == TLR_FIELD_UNSIGNED ? field.as.number
                                              : 0;
}

void tlr__trace_record_text(const struct tlr_record *record, const char *name, char *out,
                            size_t size) {
    struct tlr_field field;
    out[0] = 0;
    if (tlr_record_field(record, name, &field) < 0 || field.type != TLR_FIELD_STRING) return;
    size_t bytes = field.as.text.size < size - 1 ? field.as.text.size : size - 1;
    memcpy(out, field.as.text.bytes, bytes);
    out[bytes] = 0;
}

uint64_t tlr__trace_record_id(const struct tlr_record *record, const char *name) {
    char text[17];
    tlr__trace_record_text(record, name, text, sizeof(text));
    return strtoull(text, NULL, 16);
}

void tlr__trace_record_id_text(const struct tlr_context *context, char out[TLR__ID_TEXT_BYTES]) {
    static const unsigned char none[16];
    out[0] = 0;
    if (!memcmp(context->trace_id, none, sizeof(none))) return;
    for (int i = 0; i < 16; i++) snprintf(out + (ptrdiff_t)2 * i, 3, "%02x", context->trace_id[i]);
}

#define TEXT(record, name, out) tlr__trace_record_text(record, name, out, sizeof(out))

/* ---- records ------------------------------------------------------------------------------- */

enum tlr__trace_record_kind tlr__trace_record_kind(const struct tlr_record *record) {
    const char *category = record->category;
    if (record->kind != TLR_RECORD_MESSAGE || strncmp(category, "trace.", 6) != 0)
        return TLR__TRACE_RECORD_OTHER;
    return !strcmp(category + 6, "request") ? TLR__TRACE_RECORD_REQUEST
           : !strcmp(category + 6, "span")  ? TLR__TRACE_RECORD_SPAN
           : !strcmp(category + 6, "stall") ? TLR__TRACE_RECORD_STALL
                                            : TLR__TRACE_RECORD_OTHER;
}

void tlr__trace_record_request(const struct tlr_record *record,
                               struct tlr__trace_request *request) {
    TEXT(record, "method", request->method);
    TEXT(record, "path", request->path);
    TEXT(record, "trace", request->trace);
    TEXT(record, "span", request->span);
    TEXT(record, "parent", request->parent);
    TEXT(record, "served_by", request->served_by);
    TEXT(record, "loop", request->loop);
    request->status = (int)tlr__trace_record_number(record, "status");
    request->begin_ns = tlr__trace_record_number(record, "begin_ns");
    request->wait_ns = tlr__trace_record_number(record, "wait");
    request->queue_ns = tlr__trace_record_number(record, "queue");
    request->handler_ns = tlr__trace_record_number(record, "handler");
    request->return_ns = tlr__trace_record_number(record, "return");
    request->write_ns = tlr__trace_record_number(record, "write");
    request->total_ns = tlr__trace_record_number(record, "total");
    request->log_blocked_ns = tlr__trace_record_number(record, "log_blocked");
    request->lines = tlr__trace_record_number(record, "lines");
    request->dropped = tlr__trace_record_number(record, "dropped");
    request->bytes_in = tlr__trace_record_number(record, "bytes_in");
    request->bytes_out = tlr__trace_record_number(record, "bytes_out");
    request->victim_of = tlr__trace_record_id(record, "victim_of");
    request->victim_ns = tlr__trace_record_number(record, "victim");
}

void tlr__trace_record_span(const struct tlr_record *record, struct tlr__trace_span *span) {
    TEXT(record, "trace", span->trace);
    TEXT(record, "span", span->span);
    TEXT(record, "parent", span->parent);
    TEXT(record, "name", span->name);
    TEXT(record, "thread", span->thread);
    span->begin_ns = tlr__trace_record_number(record, "begin_ns");
    span->duration_ns = tlr__trace_record_number(record, "duration");
}

static enum tlr_role role_of(const char *name) {
    for (int role = TLR_ROLE_OTHER; role <= TLR_ROLE_ADMIN; role++)
        if (!strcmp(tlr_role_name((enum tlr_role)role), name)) return (enum tlr_role)role;
    return TLR_ROLE_OTHER;
}

void tlr__trace_record_stall(const struct tlr_record *record, struct tlr__trace_stall *out) {
    struct tlr_stall *stall = &out->stall;
    char word[32];
    *stall = (struct tlr_stall){0};
    stall->id = tlr__trace_record_id(record, "id");
    stall->behind = tlr__trace_record_id(record, "behind");
    stall->begin_ns = tlr__trace_record_number(record, "begin_ns");
    stall->duration_ns = tlr__trace_record_number(record, "duration");
    stall->tid = (int)tlr__trace_record_number(record, "tid");
    stall->fd = (int)tlr__trace_record_number(record, "fd");
    stall->line = (unsigned)tlr__trace_record_number(record, "line");
    TEXT(record, "role", word);
    stall->role = role_of(word);
    TEXT(record, "cause", word);
    stall->cause = TLR_CAUSE_OTHER;
    tlr_cause_parse(word, &stall->cause);
    TEXT(record, "thread", stall->thread);
    TEXT(record, "file", stall->file);
    TEXT(record, "function", stall->function);
    TEXT(record, "target", stall->target);
    TEXT(record, "blame", out->blame);
    TEXT(record, "trace", out->trace);
    if (strlen(out->trace) != TLR__ID_TEXT_BYTES - 1) out->trace[0] = 0;
}

/* ---- all of a path ------------------------------------------------------------------------- */

struct each {
    int pid;
    uint64_t *damaged;
    tlr__trace_record_visit_fn *visit;
    void *user;
    int segments;
    int stopped; /* what visit returned */
};

static int segment_each(const char *path, struct each *each) {
    struct tlr_segment_reader *reader;
    struct tlr_record record;
    int error = tlr_segment_open(&reader, path);
    if (error < 0) return error;
    for (int errors = 0; errors < DAMAGE_MAX && !each->stopped;) {
        int result = tlr_segment_next(reader, &record);
        if (result == 0) break;
        if (result == 1) {
            errors = 0;
            each->stopped = each->visit(&record, each->user);
            continue;
        }
        ++*each->damaged;
        errors++;
        if (result != -EBADMSG) break;
    }
    tlr_segment_close(reader);
    return 0;
}

/* NAME-DATE-PID-SEQUENCE.tlr */
static int is_of_process(const char *path, int pid) {
    const char *sequence = strrchr(path, '-');
    const char *at = sequence;
    while (at && at > path && isdigit((unsigned char)at[-1])) at--;
    return at && at > path && at[-1] == '-' && atoi(at) == pid;
}

/* In a directory, a segment that cannot be opened is a damaged part, or one just deleted. */
static int directory_segment_each(const char *path, void *user) {
    struct each *each = user;
    if (each->pid && !is_of_process(path, each->pid)) return 0;
    int error = segment_each(path, each);
    each->segments++;
    if (error < 0 && error != -ENOENT) ++*each->damaged;
    return each->stopped;
}

int tlr__trace_record_each(const char *path, int pid, uint64_t *damaged,
                           tlr__trace_record_visit_fn *visit, void *user) {
    struct each each = {.pid = pid, .damaged = damaged, .visit = visit, .user = user};
    struct stat st;
    if (stat(path, &st) < 0) return -errno;
    int error = S_ISDIR(st.st_mode) ? tlr_segment_find(path, directory_segment_each, &each)
                                    : segment_each(path, &each);
    if (each.stopped) return each.stopped;
    if (error >= 0 && S_ISDIR(st.st_mode) && !each.segments) return -ENOENT;
    return error;
}
