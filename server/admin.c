#include "admin.h"

#include "json.h"
#include "metrics.h"
#include "server_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tailrace/ring.h>
#include <unistd.h>

#define RINGS_MAX 2 /* the log's and the trace's */
#define STALLS_MAX 256

/* ---- what there is to see ------------------------------------------------------------------ */

static unsigned rings_of(const struct tlr_server *server, const struct tlr_ring **rings) {
    unsigned count = 0;
    if (server->options.log) rings[count++] = tlr_log_ring(server->options.log);
    if (server->options.tracer)
        rings[count++] = tlr_log_ring(tlr_tracer_log(server->options.tracer));
    return count;
}

/* A thread has a slot in each ring that it is attached to; of the two views the one that tells of a
 * wait is kept, for that is what one looks for. */
static void add_thread(struct tlr_thread_view *threads, size_t *count, size_t capacity,
                       const struct tlr_thread_view *view) {
    for (size_t i = 0; i < *count; i++) {
        if (threads[i].tid != view->tid) continue;
        if (view->state == TLR_THREAD_BLOCKED && threads[i].state != TLR_THREAD_BLOCKED)
            threads[i] = *view;
        return;
    }
    if (*count < capacity) threads[(*count)++] = *view;
}

/* Allocates; the caller frees. NULL: no memory. */
static struct tlr_thread_view *read_threads(const struct tlr_server *server, size_t *count) {
    const struct tlr_ring *rings[RINGS_MAX];
    const unsigned ring_count = rings_of(server, rings);
    struct tlr_thread_view view;
    size_t capacity = 1;

    for (unsigned r = 0; r < ring_count; r++) capacity += tlr_ring_thread_count(rings[r]);
    struct tlr_thread_view *threads = malloc(capacity * sizeof *threads);
    *count = 0;
    if (!threads) return NULL;
    for (unsigned r = 0; r < ring_count; r++)
        for (unsigned i = 0; i < tlr_ring_thread_count(rings[r]); i++)
            if (tlr_ring_thread(rings[r], i, &view) == 0)
                add_thread(threads, count, capacity, &view);
    return threads;
}

static int by_begin_newest_first(const void *a, const void *b) {
    const struct tlr_stall *first = a, *second = b;
    return (first->begin_ns < second->begin_ns) - (first->begin_ns > second->begin_ns);
}

/* The ended ones of both rings, each once. Allocates; the caller frees. NULL: no memory. */
static struct tlr_stall *read_stalls(const struct tlr_server *server, size_t *count) {
    const struct tlr_ring *rings[RINGS_MAX];
    const unsigned ring_count = rings_of(server, rings);
    struct tlr_stall *stalls = malloc(RINGS_MAX * STALLS_MAX * sizeof *stalls);
    size_t read = 0, kept = 0;

    if (!stalls) return NULL;
    for (unsigned r = 0; r < ring_count; r++)
        read += tlr_ring_stalls(rings[r], stalls + read, STALLS_MAX);
    if (read > 0) qsort(stalls, read, sizeof *stalls, by_begin_newest_first);
    for (size_t i = 0; i < read; i++)
        if (kept == 0 || stalls[kept - 1].id != stalls[i].id) stalls[kept++] = stalls[i];
    *count = kept;
    return stalls;
}

static uint64_t now_ns(void) {
    return tlr_clock_date_ns(tlr_clock_ticks());
}

/* ---- pages --------------------------------------------------------------------------------- */

static void put_trace(struct tlr__json *json, const struct tlr_context *context) {
    static const unsigned char none[16];
    char id[TLR_TRACE_ID_TEXT_BYTES + 1];
    if (memcmp(context->trace_id, none, sizeof none) == 0) return;
    tlr_trace_id_print(context, id);
    id[TLR_TRACE_ID_TEXT_BYTES] = '\0';
    tlr__json_string(json, "trace", id);
}

static void put_id(struct tlr__json *json, const char *name, uint64_t id) {
    char text[TLR_SPAN_ID_TEXT_BYTES + 1];
    if (id == 0) return;
    tlr_span_id_print(id, text);
    text[TLR_SPAN_ID_TEXT_BYTES] = '\0';
    tlr__json_string(json, name, text);
}

static void put_site(struct tlr__json *json, const char *file, unsigned line,
                     const char *function) {
    char site[TLR_FILE_BYTES + 16];
    if (file[0] == '\0') return;
    snprintf(site, sizeof site, "%s:%u", file, line);
    tlr__json_string(json, "site", site);
    tlr__json_string(json, "function", function);
}

/* What a process's descriptor leads to, as the kernel names it; "" unknown. */
static void read_target(int descriptor, char *out, size_t bytes) {
    char link[64];
    ssize_t size = -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    if (descriptor >= 0) size = readlink(link, out, bytes - 1);
    out[size > 0 ? size : 0] = '\0';
}

static void put_target_of(struct tlr__json *json, int descriptor) {
    char target[TLR_TARGET_BYTES];
    read_target(descriptor, target, sizeof target);
    if (target[0] != '\0') tlr__json_string(json, "target", target);
}

static uint64_t since(uint64_t date_ns) {
    const uint64_t now = now_ns();
    return now > date_ns ? now - date_ns : 0;
}

static void put_thread(struct tlr__json *json, const struct tlr_thread_view *thread) {
    tlr__json_open(json, NULL, '{');
    tlr__json_string(json, "name", thread->name);
    tlr__json_number(json, "tid", (uint64_t)thread->tid);
    tlr__json_string(json, "role", tlr_role_name(thread->role));
    tlr__json_string(json, "state", tlr_thread_state_name(thread->state));
    tlr__json_ms(json, "since_ms", since(thread->since_ns));
    if (thread->state == TLR_THREAD_BLOCKED) {
        tlr__json_string(json, "cause", tlr_cause_name(thread->cause));
        put_target_of(json, thread->fd);
        put_id(json, "stall", thread->stall_id);
        put_id(json, "behind", thread->behind);
    }
    put_site(json, thread->file, thread->line, thread->function);
    put_trace(json, &thread->context);
    tlr__json_number(json, "records", thread->records);
    tlr__json_number(json, "dropped", thread->dropped);
    tlr__json_close(json, '}');
}

static void put_running_stall(struct tlr__json *json, const struct tlr_thread_view *thread) {
    tlr__json_open(json, NULL, '{');
    put_id(json, "id", thread->stall_id);
    put_id(json, "behind", thread->behind);
    tlr__json_bool(json, "running", 1);
    tlr__json_string(json, "thread", thread->name);
    tlr__json_string(json, "role", tlr_role_name(thread->role));
    tlr__json_string(json, "cause", tlr_cause_name(thread->cause));
    tlr__json_number(json, "begin_ns", thread->since_ns);
    tlr__json_ms(json, "duration_ms", since(thread->since_ns));
    put_site(json, thread->file, thread->line, thread->function);
    put_target_of(json, thread->fd);
    put_trace(json, &thread->context);
    tlr__json_close(json, '}');
}

static void put_stall(struct tlr__json *json, const struct tlr_stall *stall) {
    tlr__json_open(json, NULL, '{');
    put_id(json, "id", stall->id);
    put_id(json, "behind", stall->behind);
    tlr__json_bool(json, "running", 0);
    tlr__json_string(json, "thread", stall->thread);
    tlr__json_string(json, "role", tlr_role_name(stall->role));
    tlr__json_string(json, "cause", tlr_cause_name(stall->cause));
    tlr__json_number(json, "begin_ns", stall->begin_ns);
    tlr__json_ms(json, "duration_ms", stall->duration_ns);
    put_site(json, stall->file, stall->line, stall->function);
    if (stall->target[0] != '\0') tlr__json_string(json, "target", stall->target);
    put_trace(json, &stall->context);
    tlr__json_close(json, '}');
}

static void answer_json(struct tlr_exchange *exchange, struct tlr__json *json) {
    static const char failed[] = "no memory for the answer\n";
    if (json->failed)
        tlr_response_text(exchange, 503, "text/plain", failed, sizeof failed - 1);
    else
        tlr_response_text(exchange, 200, "application/json", json->text, json->bytes);
    free(json->text);
}

/* ---- handlers ------------------------------------------------------------------------------ */

static void health(struct tlr_exchange *exchange, void *user) {
    const struct tlr_server *server = user;
    if (atomic_load_explicit(&server->stopping, memory_order_relaxed))
        tlr_response_text(exchange, 503, "text/plain", "stopping\n", 9);
    else
        tlr_response_text(exchange, 200, "text/plain", "ok\n", 3);
}

static void threads(struct tlr_exchange *exchange, void *user) {
    struct tlr__json json = {0};
    size_t count;
    struct tlr_thread_view *views = read_threads(user, &count);

    tlr__json_open(&json, NULL, '{');
    tlr__json_number(&json, "pid", (uint64_t)getpid());
    tlr__json_open(&json, "threads", '[');
    for (size_t i = 0; i < count; i++) put_thread(&json, &views[i]);
    tlr__json_close(&json, ']');
    tlr__json_close(&json, '}');
    free(views);
    answer_json(exchange, &json);
}

static void put_running_stalls(struct tlr__json *json, const struct tlr_server *server) {
    size_t count;
    struct tlr_thread_view *views = read_threads(server, &count);
    for (size_t i = 0; i < count; i++)
        if (views[i].state == TLR_THREAD_BLOCKED &&
            since(views[i].since_ns) >= tlr_stall_threshold())
            put_running_stall(json, &views[i]);
    free(views);
}

static void stalls(struct tlr_exchange *exchange, void *user) {
    struct tlr__json json = {0};
    size_t count = 0;
    struct tlr_stall *ended = read_stalls(user, &count);

    tlr__json_open(&json, NULL, '{');
    tlr__json_number(&json, "pid", (uint64_t)getpid());
    tlr__json_ms(&json, "threshold_ms", tlr_stall_threshold());
    tlr__json_open(&json, "stalls", '[');
    put_running_stalls(&json, user);
    for (size_t i = 0; i < count; i++) put_stall(&json, &ended[i]);
    tlr__json_close(&json, ']');
    tlr__json_close(&json, '}');
    free(ended);
    answer_json(exchange, &json);
}

/* Each page is a site of its own, so that the thread list names the one at work. */
#define PAGE(path_, handler_)                                                                     \
    {                                                                                             \
        path_, handler_, {                                                                        \
            __FILE__, #handler_, "", NULL, &(struct tlr_site_state){0}, __LINE__, TLR_LEVEL_INFO, \
                0                                                                                 \
        }                                                                                         \
    }

static const struct {
    const char *path;
    tlr_handler_fn *handler;
    struct tlr_site site;
} pages[] = {
    PAGE("/healthz", health),
    PAGE("/threads", threads),
    PAGE("/stalls", stalls),
    PAGE("/metrics", tlr__metrics_answer),
};

int tlr__admin_routes(struct tlr_server *server) {
    server->admin_router.loopback_only = 1;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        const struct tlr__route route = {
            .method = "GET",
            .path = pages[i].path,
            .where = TLR_ON_LOOP,
            .site = &pages[i].site,
            .handler = pages[i].handler,
            .user = server,
        };
        const int error = tlr__route_add(&server->admin_router, &route);
        if (error) return error;
    }
    return 0;
}
