#include "endpoints.h"

#include "json_print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tailrace/ring.h>
#include <time.h>
#include <unistd.h>

#define TASK_MS_MAX 60000u

static TLR_CATEGORY(lab_sync, "lab.sync");
static TLR_CATEGORY(lab_async, "lab.async");

static void answer_json(struct tlr_exchange *exchange, int status, const char *json) {
    tlr_response_text(exchange, status, "application/json", json, strlen(json));
}

/* ---- logging ------------------------------------------------------------------------------- */

/* 0 to 100, as the talk's endpoints logged it. */
static int random_percent(void) {
    static _Thread_local unsigned seed;
    if (seed == 0) seed = (unsigned)tlr_clock_ticks() | 1;
    return rand_r(&seed) % 101;
}

static void log_synchronously(struct tlr_exchange *exchange, void *user) {
    (void)user;
    tlr_info(&lab_sync, "Sync log: %d", random_percent());
    answer_json(exchange, 200, "{\"message\":\"Synchronous logging\"}");
}

static void log_asynchronously(struct tlr_exchange *exchange, void *user) {
    (void)user;
    tlr_info(&lab_async, "Async log: %d", random_percent());
    answer_json(exchange, 200, "{\"message\":\"Asynchronous logging\"}");
}

static void answer_quickly(struct tlr_exchange *exchange, void *user) {
    (void)user;
    answer_json(exchange, 200, "{\"status\":\"quick response\"}");
}

/* ---- waiting and computing ----------------------------------------------------------------- */

static void sleep_ms(uint64_t ms) {
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) continue;
}

static uint64_t thread_cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * TLR_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void burn_ms(uint64_t ms) {
    uint64_t end_ns = thread_cpu_ns() + ms * TLR_NS_PER_MS;
    while (thread_cpu_ns() < end_ns) continue;
}

/* Reads ?ms=N; answers 400 and returns -EINVAL if it is missing or no number up to TASK_MS_MAX. */
static int read_ms(struct tlr_exchange *exchange, uint64_t *ms) {
    const char *text = tlr_exchange_query(exchange, "ms");
    size_t digits = text != NULL ? strspn(text, "0123456789") : 0;
    if (digits > 0 && digits <= 5 && text[digits] == '\0') {
        *ms = strtoul(text, NULL, 10);
        if (*ms <= TASK_MS_MAX) return 0;
    }
    answer_json(exchange, 400, "{\"error\":\"ms must be a whole number from 0 to 60000\"}");
    return -EINVAL;
}

/* A handler whose request was already checked when it was given to the pool. */
static uint64_t checked_ms(struct tlr_exchange *exchange) {
    return strtoul(tlr_exchange_query(exchange, "ms"), NULL, 10);
}

static void answer_waited(struct tlr_exchange *exchange, const char *mode, uint64_t ms) {
    char json[96];
    snprintf(json, sizeof json, "{\"mode\":\"%s\",\"ms\":%llu}", mode, (unsigned long long)ms);
    answer_json(exchange, 200, json);
}

static void task_awaited(struct tlr_exchange *exchange, void *user) {
    (void)user;
    answer_waited(exchange, "await", checked_ms(exchange));
}

static void task_in_pool(struct tlr_exchange *exchange, void *user) {
    (void)user;
    uint64_t ms = checked_ms(exchange);
    struct tlr_block block;
    tlr_block_begin(&block, TLR_CAUSE_SLEEP, -1);
    sleep_ms(ms);
    tlr_block_end(&block);
    answer_waited(exchange, "pool", ms);
}

static void task_blocking(struct tlr_exchange *exchange, uint64_t ms) {
    struct tlr_block block;
    tlr_block_begin(&block, TLR_CAUSE_SLEEP, -1);
    sleep_ms(ms);
    tlr_block_end(&block);
    answer_waited(exchange, "block", ms);
}

static void task(struct tlr_exchange *exchange, void *user) {
    (void)user;
    const char *mode = tlr_exchange_query(exchange, "mode");
    uint64_t ms;
    if (read_ms(exchange, &ms) < 0) return;
    if (mode != NULL && strcmp(mode, "await") == 0)
        tlr_exchange_after(exchange, ms * TLR_NS_PER_MS, task_awaited, NULL);
    else if (mode != NULL && strcmp(mode, "pool") == 0)
        tlr_exchange_to_pool(exchange, task_in_pool, NULL);
    else if (mode != NULL && strcmp(mode, "block") == 0)
        task_blocking(exchange, ms);
    else
        answer_json(exchange, 400, "{\"error\":\"mode must be await, block or pool\"}");
}

static void answer_burnt(struct tlr_exchange *exchange, const char *where, uint64_t ms) {
    char json[96];
    burn_ms(ms);
    snprintf(json, sizeof json, "{\"where\":\"%s\",\"ms\":%llu}", where, (unsigned long long)ms);
    answer_json(exchange, 200, json);
}

static void cpu_in_pool(struct tlr_exchange *exchange, void *user) {
    (void)user;
    answer_burnt(exchange, "pool", checked_ms(exchange));
}

static void cpu(struct tlr_exchange *exchange, void *user) {
    (void)user;
    const char *where = tlr_exchange_query(exchange, "where");
    uint64_t ms;
    if (read_ms(exchange, &ms) < 0) return;
    if (where == NULL || strcmp(where, "loop") == 0)
        answer_burnt(exchange, "loop", ms);
    else if (strcmp(where, "pool") == 0)
        tlr_exchange_to_pool(exchange, cpu_in_pool, NULL);
    else
        answer_json(exchange, 400, "{\"error\":\"where must be loop or pool\"}");
}

/* ---- what the server sees ------------------------------------------------------------------ */

static void echo(struct tlr_exchange *exchange, void *user) {
    (void)user;
    size_t bytes;
    const char *body = tlr_exchange_body(exchange, &bytes);
    const char *type = tlr_exchange_header(exchange, "Content-Type");
    tlr_response_text(exchange, 200, type != NULL ? type : "application/octet-stream", body, bytes);
}

/* A JSON answer that is written piece by piece. */
struct answer {
    struct tlr__json_print json;
    char *text;
    size_t bytes;
};

static int answer_begin(struct answer *answer) {
    *answer = (struct answer){0};
    answer->json.out = open_memstream(&answer->text, &answer->bytes);
    if (answer->json.out == NULL) return -ENOMEM;
    tlr__json_print_object_begin(&answer->json, NULL);
    return 0;
}

static void answer_end(struct answer *answer, struct tlr_exchange *exchange) {
    tlr__json_print_object_end(&answer->json);
    fputc('\n', answer->json.out);
    if (fclose(answer->json.out) == 0)
        tlr_response_text(exchange, 200, "application/json", answer->text, answer->bytes);
    free(answer->text);
}

static void write_ids(struct tlr__json_print *json, const struct tlr_context *context) {
    char trace[TLR_TRACE_ID_TEXT_BYTES];
    tlr_trace_id_print(context, trace);
    tlr__json_print_bytes(json, "trace", trace, sizeof trace);
    tlr__json_print_id(json, "span", context->span_id);
}

static void scope(struct tlr_exchange *exchange, void *user) {
    (void)user;
    struct answer answer;
    struct tlr__json_print *json = &answer.json;
    if (answer_begin(&answer) < 0) return;
    tlr__json_print_text(json, "http", tlr_exchange_version_minor(exchange) == 0 ? "1.0" : "1.1");
    tlr__json_print_text(json, "method", tlr_exchange_method(exchange));
    tlr__json_print_text(json, "target", tlr_exchange_target(exchange));
    tlr__json_print_text(json, "path", tlr_exchange_path(exchange));
    tlr__json_print_text(json, "client", tlr_exchange_client(exchange));
    tlr__json_print_text(json, "loop", tlr_thread_name());
    write_ids(json, &tlr_exchange_trace(exchange)->context);

    const char *name, *value;
    tlr__json_print_array_begin(json, "headers");
    for (unsigned i = 0; tlr_exchange_header_at(exchange, i, &name, &value) == 0; i++) {
        tlr__json_print_array_begin(json, NULL);
        tlr__json_print_text(json, NULL, name);
        tlr__json_print_text(json, NULL, value);
        tlr__json_print_array_end(json);
    }
    tlr__json_print_array_end(json);
    answer_end(&answer, exchange);
}

/* Processor time of a thread of this process, in milliseconds; -1: it has ended. */
static long thread_cpu_ms(int tid) {
    char path[64], stat[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return -1;
    size_t bytes = fread(stat, 1, sizeof stat - 1, file);
    fclose(file);
    stat[bytes] = '\0';
    const char *after_name = strrchr(stat, ')');
    unsigned long user_ticks, system_ticks;
    if (after_name == NULL ||
        sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user_ticks,
               &system_ticks) != 2)
        return -1;
    return (long)(user_ticks + system_ticks) * 1000 / sysconf(_SC_CLK_TCK);
}

static void write_thread(struct tlr__json_print *json, const struct tlr_thread_view *view,
                         uint64_t now_ns) {
    static const unsigned char none[sizeof view->context.trace_id];
    long cpu_ms = thread_cpu_ms(view->tid);
    tlr__json_print_object_begin(json, NULL);
    tlr__json_print_integer(json, "tid", view->tid);
    tlr__json_print_text(json, "name", view->name);
    tlr__json_print_text(json, "role", tlr_role_name(view->role));
    tlr__json_print_text(json, "state", tlr_thread_state_name(view->state));
    tlr__json_print_number(json, "for_us",
                           now_ns > view->since_ns ? (now_ns - view->since_ns) / 1000 : 0);
    if (cpu_ms >= 0) tlr__json_print_integer(json, "cpu_ms", cpu_ms);
    if (view->state == TLR_THREAD_BLOCKED)
        tlr__json_print_text(json, "cause", tlr_cause_name(view->cause));
    if (view->file[0] != '\0') {
        tlr__json_print_text(json, "file", view->file);
        tlr__json_print_number(json, "line", view->line);
        tlr__json_print_text(json, "function", view->function);
    }
    if (memcmp(view->context.trace_id, none, sizeof none) != 0) write_ids(json, &view->context);
    tlr__json_print_object_end(json);
}

static int ring_has_thread(const struct tlr_ring *ring, int tid) {
    struct tlr_thread_view view;
    for (unsigned i = 0; i < tlr_ring_thread_count(ring); i++)
        if (tlr_ring_thread(ring, i, &view) == 0 && view.tid == tid) return 1;
    return 0;
}

/* Writes the threads of a ring but those that `shown` has too. */
static void write_threads(struct tlr__json_print *json, const struct tlr_ring *ring,
                          const struct tlr_ring *shown) {
    uint64_t now_ns = tlr_clock_date_ns(tlr_clock_ticks());
    for (unsigned i = 0; i < tlr_ring_thread_count(ring); i++) {
        struct tlr_thread_view view;
        if (tlr_ring_thread(ring, i, &view) < 0) continue;
        if (shown == NULL || !ring_has_thread(shown, view.tid)) write_thread(json, &view, now_ns);
    }
}

static void threads(struct tlr_exchange *exchange, void *user) {
    const struct tlr__endpoints *endpoints = user;
    const struct tlr_ring *ring = tlr_log_ring(endpoints->log);
    struct answer answer;
    if (answer_begin(&answer) < 0) return;
    tlr__json_print_array_begin(&answer.json, "threads");
    write_threads(&answer.json, ring, NULL);
    if (endpoints->tracer != NULL)
        write_threads(&answer.json, tlr_log_ring(tlr_tracer_log(endpoints->tracer)), ring);
    tlr__json_print_array_end(&answer.json);
    answer_end(&answer, exchange);
}

/* ---- the index ----------------------------------------------------------------------------- */

static void list_endpoints(struct tlr_exchange *exchange, void *user) {
    static const char text[] =
        "GET /                      this list\n"
        "GET /quick                 answers at once, on the loop: it suffers when the loop waits\n"
        "GET /sync                  logs synchronously in the pool\n"
        "GET /async                 logs through the ring on the loop\n"
        "GET /loop/sync             logs synchronously on the loop: the mistake; a stuck log holds "
        "up everyone\n"
        "GET /loop/async            logs through the ring on the loop: never waits for the log\n"
        "GET /pool/sync             logs synchronously in the pool: a stuck log uses the pool up\n"
        "GET /pool/async            logs through the ring in the pool: never waits for the log\n"
        "GET /task?mode=await&ms=N  waits N ms with a timer: holds up nobody\n"
        "GET /task?mode=block&ms=N  sleeps N ms on the loop: holds up all of its connections\n"
        "GET /task?mode=pool&ms=N   sleeps N ms in the pool: takes one of its threads\n"
        "GET /cpu?ms=N&where=loop   computes for N ms on the loop: holds up all of its "
        "connections\n"
        "GET /cpu?ms=N&where=pool   computes for N ms in the pool: takes one of its threads\n"
        "POST /echo                 gives the body back\n"
        "GET /scope                 what the server saw of this request, with its trace id\n"
        "GET /threads               what each thread does now, where, and for how long\n";
    (void)user;
    tlr_response_text(exchange, 200, "text/plain", text, sizeof text - 1);
}

/* ---- routes -------------------------------------------------------------------------------- */

int tlr__endpoints_add(struct tlr_server *server, const struct tlr__endpoints *endpoints) {
    if (endpoints->sync_log != NULL) tlr_category_bind(&lab_sync, endpoints->sync_log);
    void *user = (void *)endpoints;
    const int errors[] = {
        tlr_server_route(server, "GET", "/", TLR_ON_LOOP, list_endpoints, NULL),
        tlr_server_route(server, "GET", "/sync", TLR_ON_POOL, log_synchronously, NULL),
        tlr_server_route(server, "GET", "/async", TLR_ON_LOOP, log_asynchronously, NULL),
        tlr_server_route(server, "GET", "/loop/sync", TLR_ON_LOOP, log_synchronously, NULL),
        tlr_server_route(server, "GET", "/loop/async", TLR_ON_LOOP, log_asynchronously, NULL),
        tlr_server_route(server, "GET", "/pool/sync", TLR_ON_POOL, log_synchronously, NULL),
        tlr_server_route(server, "GET", "/pool/async", TLR_ON_POOL, log_asynchronously, NULL),
        tlr_server_route(server, "GET", "/quick", TLR_ON_LOOP, answer_quickly, NULL),
        tlr_server_route(server, "GET", "/task", TLR_ON_LOOP, task, NULL),
        tlr_server_route(server, "GET", "/cpu", TLR_ON_LOOP, cpu, NULL),
        tlr_server_route(server, "POST", "/echo", TLR_ON_LOOP, echo, NULL),
        tlr_server_route(server, "GET", "/scope", TLR_ON_LOOP, scope, NULL),
        tlr_server_route(server, "GET", "/threads", TLR_ON_LOOP, threads, user),
    };
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i] < 0) return errors[i];
    return 0;
}
