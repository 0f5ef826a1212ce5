/* req_find.c - see req_find.h.
 */
#include "req_find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "line_search.h"
#include "log_line.h"

struct finding {
    struct tlr__req *req;
    const char *prefix; /* the whole id once that is known */
};

/* The array with room for one more; NULL: out of memory, and the array stays. */
static void *array_room(void *array, size_t count, size_t size) {
    /* Doubled whenever the count is a power of two. */
    if (count & (count - 1)) return array;
    return realloc(array, (count ? 2 * count : 1) * size);
}

/* ---- every path, whatever it is ------------------------------------------------------------ */

struct visitor {
    tlr__trace_record_visit_fn *record;
    tlr__line_search_fn *line;
};

static int log_each(const char *path, const char *needle, tlr__line_search_fn *visit, void *user) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return -errno;
    int result = tlr__line_search(fd, needle, visit, user);
    close(fd);
    return result;
}

static int path_each(const char *path, struct finding *finding, const struct visitor *visitor) {
    struct stat st;
    if (stat(path, &st) < 0) return -errno;
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) return -EINVAL;
    uint64_t damaged = 0;
    int result = -EBADMSG;
    if (S_ISDIR(st.st_mode) || st.st_size > 0)
        result = tlr__trace_record_each(path, 0, &damaged, visitor->record, finding);
    finding->req->damaged += damaged;
    if (result != -EBADMSG || S_ISDIR(st.st_mode)) return result;
    return visitor->line ? log_each(path, finding->prefix, visitor->line, finding) : 0;
}

static int paths_each(char **paths, int path_count, struct finding *finding,
                      const struct visitor *visitor, int *unreadable) {
    for (int i = 0; i < path_count; i++) {
        int result = path_each(paths[i], finding, visitor);
        if (result == -ENOMEM) return result;
        if (result >= 0 || !unreadable) continue;
        ++*unreadable;
        tlr__cli_notice("%s: %s", paths[i],
                        result == -ENOENT && access(paths[i], F_OK) == 0
                            ? "a directory without segments"
                            : strerror(-result));
    }
    return 0;
}

/* ---- which trace ids there are ------------------------------------------------------------- */

static int candidate_add(struct tlr__req *req, const char *trace,
                         const struct tlr__trace_request *request) {
    size_t i = 0;
    while (i < req->candidate_count && strcmp(req->candidates[i].trace, trace)) i++;
    if (i == TLR__REQ_CANDIDATES) {
        req->candidates_more++;
        return 0;
    }
    if (i == req->candidate_count) {
        snprintf(req->candidates[i].trace, sizeof(req->candidates[i].trace), "%s", trace);
        req->candidate_count++;
    }
    if (request) {
        memcpy(req->candidates[i].method, request->method, sizeof(request->method));
        memcpy(req->candidates[i].path, request->path, sizeof(request->path));
        req->candidates[i].begin_ns = request->begin_ns;
    }
    return 0;
}

/* The trace id of a record, in a field or in its context. */
static int record_trace(const struct tlr_record *record, char trace[TLR__ID_TEXT_BYTES]) {
    trace[0] = 0;
    if (tlr__trace_record_kind(record) != TLR__TRACE_RECORD_OTHER)
        tlr__trace_record_text(record, "trace", trace, TLR__ID_TEXT_BYTES);
    else if (record->context)
        tlr__trace_record_id_text(record->context, trace);
    return trace[0] != 0;
}

static int begins_with(const char *text, const char *prefix) {
    return !strncmp(text, prefix, strlen(prefix));
}

static int candidate_record(const struct tlr_record *record, void *user) {
    struct finding *finding = user;
    struct tlr__trace_request request;
    char trace[TLR__ID_TEXT_BYTES];
    if (!record_trace(record, trace) || !begins_with(trace, finding->prefix)) return 0;
    int is_request = tlr__trace_record_kind(record) == TLR__TRACE_RECORD_REQUEST;
    if (is_request) tlr__trace_record_request(record, &request);
    return candidate_add(finding->req, trace, is_request ? &request : NULL);
}

static int candidate_line(const char *line, size_t bytes, void *user) {
    struct finding *finding = user;
    struct tlr__log_line parsed;
    char trace[TLR__ID_TEXT_BYTES];
    tlr__log_line_parse(&parsed, line, bytes);
    if (!parsed.trace.size || parsed.trace.size >= sizeof(trace)) return 0;
    memcpy(trace, parsed.trace.bytes, parsed.trace.size);
    trace[parsed.trace.size] = 0;
    return begins_with(trace, finding->prefix) ? candidate_add(finding->req, trace, NULL) : 0;
}

/* ---- all of one trace ---------------------------------------------------------------------- */

static int line_add(struct tlr__req *req, uint64_t date_ns, const char *text, size_t text_bytes,
                    const char *json, size_t json_bytes) {
    struct tlr__req_line *lines = array_room(req->lines, req->line_count, sizeof(*lines));
    if (!lines) return -ENOMEM;
    req->lines = lines;
    struct tlr__req_line *line = &lines[req->line_count++];
    line->date_ns = date_ns;
    line->text = strndup(text, text_bytes);
    line->json = strndup(json, json_bytes);
    return line->text && line->json ? 0 : -ENOMEM;
}

static int line_take(const char *bytes, size_t size, void *user) {
    struct finding *finding = user;
    struct tlr__log_line line;
    if (!tlr__log_line_has_trace(bytes, size, finding->prefix)) return 0;
    tlr__log_line_parse(&line, bytes, size);
    size_t room = tlr__log_line_short_bytes_max(size);
    char *text = malloc(2 * room);
    if (!text) return -ENOMEM;
    char *json = text + room;
    size_t text_bytes = tlr__log_line_short(&line, text);
    size_t json_bytes = tlr__log_line_json(&line, json);
    int error =
        line_add(finding->req, tlr__log_line_date_ns(&line), text, text_bytes, json, json_bytes);
    free(text);
    return error;
}

static int log_record_take(struct tlr__req *req, const struct tlr_record *record) {
    size_t room = tlr_record_line_bytes_max(record);
    char *text = malloc(2 * room);
    if (!text) return -ENOMEM;
    char *json = text + room;
    size_t text_bytes = tlr_record_text(record, text) - 1;
    size_t json_bytes = tlr_record_json(record, json) - 1;
    int error = line_add(req, record->time_ns, text, text_bytes, json, json_bytes);
    free(text);
    return error;
}

static int request_take(struct tlr__req *req, const struct tlr_record *record) {
    struct tlr__trace_request *requests =
        array_room(req->requests, req->request_count, sizeof(*requests));
    if (!requests) return -ENOMEM;
    req->requests = requests;
    tlr__trace_record_request(record, &requests[req->request_count++]);
    return 0;
}

static int span_take(struct tlr__req *req, const struct tlr_record *record) {
    struct tlr__trace_span *spans = array_room(req->spans, req->span_count, sizeof(*spans));
    if (!spans) return -ENOMEM;
    req->spans = spans;
    tlr__trace_record_span(record, &spans[req->span_count++]);
    return 0;
}

static int stall_take(struct tlr__req *req, const struct tlr_record *record) {
    struct tlr__trace_stall *stalls = array_room(req->stalls, req->stall_count, sizeof(*stalls));
    if (!stalls) return -ENOMEM;
    req->stalls = stalls;
    tlr__trace_record_stall(record, &stalls[req->stall_count++]);
    return 0;
}

static int record_take(const struct tlr_record *record, void *user) {
    struct finding *finding = user;
    struct tlr__req *req = finding->req;
    char trace[TLR__ID_TEXT_BYTES];
    if (!record_trace(record, trace) || strcmp(trace, finding->prefix) != 0) return 0;
    switch (tlr__trace_record_kind(record)) {
    case TLR__TRACE_RECORD_REQUEST:
        return request_take(req, record);
    case TLR__TRACE_RECORD_SPAN:
        return span_take(req, record);
    case TLR__TRACE_RECORD_STALL:
        return stall_take(req, record);
    default:
        return log_record_take(req, record);
    }
}

/* ---- what hurt it -------------------------------------------------------------------------- */

static int hurts_note(struct tlr__req *req) {
    for (size_t i = 0; i < req->request_count; i++) {
        size_t known = 0;
        uint64_t id = req->requests[i].victim_of;
        while (known < req->hurt_count && req->hurts[known].id != id) known++;
        if (!id || known < req->hurt_count) continue;
        struct tlr__req_hurt *hurts = array_room(req->hurts, req->hurt_count, sizeof(*hurts));
        if (!hurts) return -ENOMEM;
        req->hurts = hurts;
        hurts[req->hurt_count++] = (struct tlr__req_hurt){.id = id};
    }
    return 0;
}

static int hurt_take(const struct tlr_record *record, void *user) {
    struct finding *finding = user;
    enum tlr__trace_record_kind kind = tlr__trace_record_kind(record);
    char trace[TLR__ID_TEXT_BYTES];
    if (kind != TLR__TRACE_RECORD_STALL && kind != TLR__TRACE_RECORD_REQUEST) return 0;
    uint64_t id = kind == TLR__TRACE_RECORD_STALL ? tlr__trace_record_id(record, "id") : 0;
    tlr__trace_record_text(record, "trace", trace, sizeof(trace));
    for (size_t i = 0; i < finding->req->hurt_count; i++) {
        struct tlr__req_hurt *hurt = &finding->req->hurts[i];
        if (id && hurt->id == id) {
            tlr__trace_record_stall(record, &hurt->stall);
            hurt->found = 1;
        } else if (!id && hurt->found && !strcmp(hurt->stall.trace, trace)) {
            tlr__trace_record_text(record, "method", hurt->method, sizeof(hurt->method));
            tlr__trace_record_text(record, "path", hurt->path, sizeof(hurt->path));
        }
    }
    return 0;
}

/* ---- order --------------------------------------------------------------------------------- */

static int by_date(uint64_t a, uint64_t b) {
    return a < b ? -1 : a > b;
}

static int request_order(const void *a, const void *b) {
    return by_date(((const struct tlr__trace_request *)a)->begin_ns,
                   ((const struct tlr__trace_request *)b)->begin_ns);
}

/* The longer of two that begin together is the outer one. */
static int span_order(const void *a, const void *b) {
    const struct tlr__trace_span *one = a, *other = b;
    int order = by_date(one->begin_ns, other->begin_ns);
    return order ? order : by_date(other->duration_ns, one->duration_ns);
}

static int stall_order(const void *a, const void *b) {
    return by_date(((const struct tlr__trace_stall *)a)->stall.begin_ns,
                   ((const struct tlr__trace_stall *)b)->stall.begin_ns);
}

static int line_order(const void *a, const void *b) {
    return by_date(((const struct tlr__req_line *)a)->date_ns,
                   ((const struct tlr__req_line *)b)->date_ns);
}

static void sort(void *array, size_t count, size_t size,
                 int (*order)(const void *a, const void *b)) {
    if (count > 1) qsort(array, count, size, order);
}

static void all_sort(struct tlr__req *req) {
    sort(req->requests, req->request_count, sizeof(*req->requests), request_order);
    sort(req->spans, req->span_count, sizeof(*req->spans), span_order);
    sort(req->stalls, req->stall_count, sizeof(*req->stalls), stall_order);
    sort(req->lines, req->line_count, sizeof(*req->lines), line_order);
}

/* ---- the search ---------------------------------------------------------------------------- */

/* 0 and req->trace; above 1 the number of candidates; -ENOENT none. */
static int trace_choose(struct finding *finding, char **paths, int path_count, int *unreadable) {
    static const struct visitor candidates = {candidate_record, candidate_line};
    struct tlr__req *req = finding->req;
    int error = paths_each(paths, path_count, finding, &candidates, unreadable);
    req->damaged = 0; /* what is damaged is met again */
    if (error < 0) return error;
    if (req->candidate_count == 0) return -ENOENT;
    if (req->candidate_count > 1) return (int)req->candidate_count;
    memcpy(req->trace, req->candidates[0].trace, sizeof(req->trace));
    return 0;
}

int tlr__req_find(struct tlr__req *req, const char *prefix, char **paths, int path_count,
                  int *unreadable) {
    static const struct visitor everything = {record_take, line_take};
    static const struct visitor hurts = {hurt_take, NULL};
    struct finding finding = {req, prefix};
    *req = (struct tlr__req){0};
    *unreadable = 0;
    if (strlen(prefix) == TLR__ID_TEXT_BYTES - 1) {
        memcpy(req->trace, prefix, sizeof(req->trace));
    } else {
        int chosen = trace_choose(&finding, paths, path_count, unreadable);
        if (chosen == -ENOENT) return 0;
        if (chosen) return chosen;
        finding.prefix = req->trace;
        unreadable = NULL; /* said already */
    }
    int error = paths_each(paths, path_count, &finding, &everything, unreadable);
    uint64_t damaged = req->damaged;
    if (error >= 0) error = hurts_note(req);
    if (error >= 0 && req->hurt_count)
        error = paths_each(paths, path_count, &finding, &hurts, NULL);
    req->damaged = damaged;
    if (error < 0) return error;
    all_sort(req);
    return req->request_count || req->span_count || req->stall_count || req->line_count;
}

void tlr__req_free(struct tlr__req *req) {
    for (size_t i = 0; i < req->line_count; i++) {
        free(req->lines[i].text);
        free(req->lines[i].json);
    }
    free(req->requests);
    free(req->spans);
    free(req->stalls);
    free(req->hurts);
    free(req->lines);
    *req = (struct tlr__req){0};
}
