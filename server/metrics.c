#include "metrics.h"

#include "server_state.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define PAGE_BYTES (16u * 1024) /* some sixty short lines; what does not fit is left out */
#define LABELS_BYTES 64

struct page {
    char text[PAGE_BYTES];
    size_t bytes;
};

/* result: what snprintf made of the page's remaining room. */
static void take(struct page *page, int result) {
    if (result > 0 && (size_t)result < sizeof page->text - page->bytes)
        page->bytes += (size_t)result;
}

static void put_type(struct page *page, const char *name, const char *type) {
    take(page, snprintf(page->text + page->bytes, sizeof page->text - page->bytes,
                        "# TYPE tailrace_%s %s\n", name, type));
}

/* labels: in braces, or "". */
static void put_sample(struct page *page, const char *name, const char *labels, uint64_t value) {
    take(page, snprintf(page->text + page->bytes, sizeof page->text - page->bytes,
                        "tailrace_%s%s %" PRIu64 "\n", name, labels, value));
}

static void put_metric(struct page *page, const char *name, const char *type, uint64_t value) {
    put_type(page, name, type);
    put_sample(page, name, "", value);
}

static void put_server(struct page *page, const struct tlr_server *server) {
    struct tlr_server_stats stats;
    tlr_server_stats(server, &stats);
    put_metric(page, "connections_open", "gauge", stats.connections_open);
    put_metric(page, "connections_total", "counter", stats.connections_total);
    put_metric(page, "connections_refused_total", "counter", stats.connections_refused);
    put_metric(page, "requests_total", "counter", stats.requests);
    put_metric(page, "responses_total", "counter", stats.responses);
    put_metric(page, "refused_pool_full_total", "counter", stats.refused_pool_full);
    put_metric(page, "bad_requests_total", "counter", stats.bad_requests);
    put_metric(page, "handler_failures_total", "counter", stats.handler_failures);
    put_metric(page, "timeouts_total", "counter", stats.timeouts);
    put_metric(page, "abandoned_total", "counter", stats.abandoned);
    put_metric(page, "answers_ignored_total", "counter", stats.answers_ignored);
    put_metric(page, "pool_running", "gauge", stats.pool_running);
    put_metric(page, "pool_queued", "gauge", stats.pool_queued);
}

/* The log's and the trace's, in one family, told apart by a label. */
struct logs {
    unsigned count;
    const char *names[2];
    struct tlr_log_stats stats[2];
};

static void add_log(struct logs *logs, const char *name, const struct tlr_log *log) {
    logs->names[logs->count] = name;
    tlr_log_stats(log, &logs->stats[logs->count++]);
}

/* offset: of the counter in struct tlr_log_stats. */
static void put_log_counter(struct page *page, const struct logs *logs, const char *name,
                            size_t offset) {
    char labels[LABELS_BYTES];
    put_type(page, name, "counter");
    for (unsigned i = 0; i < logs->count; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&logs->stats[i] + offset, sizeof value);
        snprintf(labels, sizeof labels, "{log=\"%s\"}", logs->names[i]);
        put_sample(page, name, labels, value);
    }
}

static void put_dropped(struct page *page, const struct logs *logs) {
    char labels[LABELS_BYTES];
    put_type(page, "log_dropped_total", "counter");
    for (unsigned i = 0; i < logs->count; i++)
        for (unsigned reason = 0; reason < TLR_REASON_COUNT; reason++) {
            snprintf(labels, sizeof labels, "{log=\"%s\",reason=\"%s\"}", logs->names[i],
                     tlr_reason_name((enum tlr_reason)reason));
            put_sample(page, "log_dropped_total", labels, logs->stats[i].dropped[reason]);
        }
}

static void put_logs(struct page *page, const struct logs *logs) {
    put_log_counter(page, logs, "log_written_total", offsetof(struct tlr_log_stats, written));
    put_log_counter(page, logs, "log_bytes_total", offsetof(struct tlr_log_stats, bytes));
    put_log_counter(page, logs, "log_sink_errors_total",
                    offsetof(struct tlr_log_stats, sink_errors));
    put_dropped(page, logs);
}

void tlr__metrics_answer(struct tlr_exchange *exchange, void *user) {
    const struct tlr_server *server = user;
    struct logs logs = {.count = 0};
    struct page page = {.bytes = 0};

    put_server(&page, server);
    if (server->options.log) add_log(&logs, "log", server->options.log);
    if (server->options.tracer) add_log(&logs, "trace", tlr_tracer_log(server->options.tracer));
    put_logs(&page, &logs);
    tlr_response_text(exchange, 200, "text/plain; version=0.0.4", page.text, page.bytes);
}
