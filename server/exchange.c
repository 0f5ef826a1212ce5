#include "exchange.h"

#include "access_log.h"
#include "conn.h"
#include "loop.h"
#include "server_state.h"

#include <stdlib.h>
#include <string.h>

#define STATUS_CLIENT_GONE 499 /* never sent: what other servers' logs call it too */

static void free_closed(uv_handle_t *timer) {
    free(timer->data);
}

static struct tlr_exchange *exchange_take(struct tlr__loop *loop) {
    struct tlr_exchange *exchange = loop->spare_exchanges;
    if (exchange) {
        loop->spare_exchanges = exchange->next_in_use;
        loop->spare_exchange_count--;
        return exchange;
    }
    exchange = calloc(1, sizeof *exchange);
    if (!exchange) return NULL;
    exchange->loop = loop;
    uv_timer_init(&loop->uv, &exchange->timer);
    exchange->timer.data = exchange;
    return exchange;
}

static void make_spare(struct tlr_exchange *exchange) {
    struct tlr__loop *loop = exchange->loop;
    exchange->next_in_use = loop->spare_exchanges;
    loop->spare_exchanges = exchange;
    loop->spare_exchange_count++;
}

/* A handle's memory must outlive its closing, so the exchange is freed by the handle. */
static void exchange_free(struct tlr_exchange *exchange) {
    uv_close((uv_handle_t *)&exchange->timer, free_closed);
}

static void link_in_use(struct tlr_exchange *exchange) {
    struct tlr__loop *loop = exchange->loop;
    exchange->previous_in_use = NULL;
    exchange->next_in_use = loop->in_use;
    if (loop->in_use) loop->in_use->previous_in_use = exchange;
    loop->in_use = exchange;
}

static void unlink_in_use(struct tlr_exchange *exchange) {
    if (exchange->previous_in_use)
        exchange->previous_in_use->next_in_use = exchange->next_in_use;
    else
        exchange->loop->in_use = exchange->next_in_use;
    if (exchange->next_in_use) exchange->next_in_use->previous_in_use = exchange->previous_in_use;
}

/* Decodes the path; a long one gets memory of its own. */
static int read_path(struct tlr_exchange *exchange) {
    const struct tlr__head *head = exchange->head;
    const char *text = exchange->text + head->target_at + head->target.path;
    const size_t bytes = head->target.path_bytes;
    char *out = exchange->path_inline;

    if (bytes == 0) {
        exchange->path = "/";
        return 0;
    }
    if (bytes >= sizeof exchange->path_inline) {
        out = malloc(bytes + 1);
        if (!out) return -1;
    }
    tlr__target_decode(text, bytes, 0, out);
    exchange->path = out;
    return 0;
}

static void free_path(struct tlr_exchange *exchange) {
    if (exchange->path != exchange->path_inline && exchange->head &&
        exchange->head->target.path_bytes > 0)
        free((char *)exchange->path);
}

/* The head's strings are whole only if all of it was accepted. */
static int head_is_complete(const struct tlr__parser *parser) {
    const char *reason;
    return tlr__parser_head(parser)->bytes > 0 && tlr__parser_refusal(parser, &reason) == 0;
}

static void begin_trace(struct tlr_exchange *exchange) {
    const struct tlr__conn *conn = exchange->conn;
    const struct tlr__head *head = exchange->head;
    struct tlr_request_start start = {
        .loop = exchange->loop->trace,
        .method = head ? head->method : "-",
        .path = exchange->path,
        .read_ticks = conn->read_ticks,
        .kernel_wait_ns = conn->kernel_wait_ns,
    };
    start.method_bytes = strlen(start.method);
    start.path_bytes = strlen(start.path);
    if (head && head->traceparent >= 0) {
        const struct tlr__field *field = &head->fields[head->traceparent];
        start.traceparent = exchange->text + field->value;
        start.traceparent_bytes = field->value_bytes;
    }
    tlr_request_begin(exchange->loop->tracer, &exchange->trace, &start);
}

struct tlr_exchange *tlr__exchange_begin(struct tlr__conn *conn) {
    struct tlr__buffer *buffer = conn->buffer;
    struct tlr_exchange *exchange = exchange_take(conn->loop);
    if (!exchange) return NULL;

    exchange->conn = conn;
    exchange->buffer = buffer;
    exchange->text = buffer->bytes + buffer->head;
    exchange->head = head_is_complete(buffer->parser) ? tlr__parser_head(buffer->parser) : NULL;
    exchange->path = "-";
    if (exchange->head && read_path(exchange) != 0) {
        make_spare(exchange);
        return NULL;
    }
    link_in_use(exchange);
    exchange->site = NULL;
    exchange->handler = NULL;
    exchange->in_pool = exchange->deferred = exchange->moving = exchange->failed = 0;
    exchange->returned = exchange->posted = exchange->waiting = 0;
    exchange->close_after = 0;
    atomic_store_explicit(&exchange->answered, 0, memory_order_relaxed);
    exchange->query = NULL;
    exchange->parameter_count = 0;
    memcpy(exchange->client, conn->client, sizeof exchange->client);
    tlr__response_init(&exchange->response);
    begin_trace(exchange);
    tlr__count(&conn->loop->counters.requests, 1);
    return exchange;
}

static void give_back(struct tlr_exchange *exchange) {
    struct tlr__loop *loop = exchange->loop;

    unlink_in_use(exchange);
    tlr__response_free(&exchange->response);
    free(exchange->query);
    exchange->query = NULL;
    free_path(exchange);
    uv_timer_stop(&exchange->timer); /* runs still if it was answered while it waited */
    if (!exchange->conn) {
        tlr__buffer_release(&loop->buffers, exchange->buffer);
        loop->orphans--;
    }
    exchange->buffer = NULL;
    exchange->conn = NULL;
    exchange->head = NULL;
    if (loop->spare_exchange_count == TLR__LIMITS_KEPT_BUFFERS || loop->closing) {
        exchange_free(exchange);
        return;
    }
    make_spare(exchange);
}

/* A stop that gave up on this loop has returned, and the tracer may have been closed since. */
static struct tlr_tracer *tracer_of(const struct tlr__loop *loop) {
    return atomic_load_explicit(&loop->server->abandoned, memory_order_acquire) ? NULL
                                                                                : loop->tracer;
}

void tlr__exchange_written(struct tlr_exchange *exchange, uint64_t bytes) {
    struct tlr__loop *loop = exchange->loop;
    tlr_request_hop(&exchange->trace, TLR_HOP_WRITTEN);
    tlr__count(&loop->counters.responses, 1);
    if (loop->access_log_on) tlr__access_log_write(exchange, bytes);
    tlr_request_end(tracer_of(loop), &exchange->trace, exchange->response.status, bytes);
    give_back(exchange);
}

void tlr__exchange_abandon(struct tlr_exchange *exchange) {
    struct tlr__loop *loop = exchange->loop;
    tlr__count(&loop->counters.abandoned, 1);
    tlr_request_end(tracer_of(loop), &exchange->trace, STATUS_CLIENT_GONE, 0);
    give_back(exchange);
    tlr__loop_settle(loop);
}

void tlr__exchanges_free(struct tlr__loop *loop) {
    while (loop->spare_exchanges) {
        struct tlr_exchange *exchange = loop->spare_exchanges;
        loop->spare_exchanges = exchange->next_in_use;
        exchange_free(exchange);
    }
    loop->spare_exchange_count = 0;
}
