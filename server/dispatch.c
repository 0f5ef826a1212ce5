#include "dispatch.h"

#include "exchange.h"
#include "loop.h"
#include "pool.h"
#include "server_log.h"
#include "server_state.h"

#include <stddef.h>
#include <string.h>

#define REASON_BYTES_MAX 160

/* ---- where the handler ran ------------------------------------------------------------------ */

static int is_answered(struct tlr_exchange *exchange) {
    return atomic_load_explicit(&exchange->answered, memory_order_acquire);
}

static void fail(struct tlr_exchange *exchange) {
    static const char body[] = "the handler did not answer\n";
    exchange->failed = 1;
    atomic_store_explicit(&exchange->answered, 1, memory_order_relaxed);
    tlr__response_set(exchange, 500, "text/plain", body, sizeof body - 1);
    if (exchange->loop->log)
        tlr_error(&tlr__server_log_http, "handler returned without an answer handler=%s path=%s",
                  exchange->site->function, exchange->path);
}

/* Runs the handler; before it stands a hop START or a resume. */
static void run_handler(struct tlr_exchange *exchange) {
    exchange->handler(exchange, exchange->user);
    if (exchange->deferred) {
        tlr_request_suspend(&exchange->trace);
        return;
    }
    if (!is_answered(exchange)) fail(exchange);
    tlr_request_hop(&exchange->trace, TLR_HOP_END);
}

/* ---- back on the loop ---------------------------------------------------------------------- */

static void conclude(struct tlr_exchange *exchange) {
    if (exchange->failed) tlr__count(&exchange->loop->counters.handler_failures, 1);
    tlr__conn_respond(exchange);
}

/* A deferred answer: the handler's time ends where it is sent. */
static void conclude_deferred(struct tlr_exchange *exchange) {
    tlr_request_resume(&exchange->trace);
    tlr_request_hop(&exchange->trace, TLR_HOP_END);
    conclude(exchange);
}

void tlr__dispatch_answered(struct tlr_exchange *exchange) {
    exchange->posted = 1;
    if (exchange->returned) conclude_deferred(exchange);
}

static void returned(struct tlr_exchange *exchange) {
    exchange->returned = 1;
    if (!exchange->deferred)
        conclude(exchange);
    else if (exchange->posted)
        conclude_deferred(exchange);
}

/* ---- handlers on the loop ------------------------------------------------------------------ */

static void move_to_pool(struct tlr_exchange *exchange);

static void returned_on_loop(struct tlr_exchange *exchange) {
    if (exchange->moving)
        move_to_pool(exchange);
    else
        returned(exchange);
}

static void run_on_loop(struct tlr_exchange *exchange) {
    tlr_request_hop(&exchange->trace, TLR_HOP_START);
    run_handler(exchange);
    returned_on_loop(exchange);
}

static void on_timer(uv_timer_t *timer) {
    struct tlr_exchange *exchange = timer->data;
    tlr__loop_enter(exchange->loop);
    exchange->waiting = 0;
    exchange->deferred = 0;
    tlr_request_resume(&exchange->trace);
    run_handler(exchange);
    returned_on_loop(exchange);
}

int tlr_exchange_after(struct tlr_exchange *exchange, uint64_t delay_ns, tlr_handler_fn *continue_,
                       void *user) {
    if (exchange->in_pool) return -EINVAL;
    exchange->deferred = 1;
    exchange->waiting = 1;
    exchange->handler = continue_;
    exchange->user = user;
    /* From the present time, not from when this iteration began: handlers before this one may have
     * held the loop. Rounded up: a delay is at least what was asked for. */
    uv_update_time(&exchange->loop->uv);
    return uv_timer_start(&exchange->timer, on_timer,
                          delay_ns / TLR_NS_PER_MS + (delay_ns % TLR_NS_PER_MS != 0), 0);
}

/* ---- handlers in the pool ------------------------------------------------------------------ */

static struct tlr_exchange *exchange_of(struct tlr__pool_job *job) {
    return (struct tlr_exchange *)((char *)job - offsetof(struct tlr_exchange, job));
}

static void run_in_pool(struct tlr__pool_job *job) {
    struct tlr_exchange *exchange = exchange_of(job);
    tlr_request_hop(&exchange->trace, TLR_HOP_START);
    run_handler(exchange);
}

static void returned_from_pool(struct tlr__pool_job *job, int cancelled) {
    struct tlr_exchange *exchange = exchange_of(job);
    tlr__loop_enter(exchange->loop);
    if (cancelled) {
        tlr__exchange_abandon(exchange);
        return;
    }
    tlr_request_hop(&exchange->trace, TLR_HOP_RETURN);
    returned(exchange);
}

static int submit(struct tlr_exchange *exchange) {
    struct tlr__loop *loop = exchange->loop;
    exchange->in_pool = 1;
    tlr_request_hop(&exchange->trace, TLR_HOP_SUBMIT);
    return tlr__pool_submit(&loop->server->pool, loop, &exchange->job, run_in_pool,
                            returned_from_pool);
}

int tlr_exchange_to_pool(struct tlr_exchange *exchange, tlr_handler_fn *handler, void *user) {
    if (exchange->in_pool) return -EINVAL;
    exchange->deferred = 1; /* so that the trace is let go of before a pool thread takes it */
    exchange->moving = 1;
    exchange->handler = handler;
    exchange->user = user;
    return 0;
}

/* ---- the way in ---------------------------------------------------------------------------- */

void tlr__dispatch_refuse(struct tlr_exchange *exchange, int status, const char *reason) {
    TLR_SITE_DEFINE(site, TLR_LEVEL_INFO, 0, NULL, "");
    char body[REASON_BYTES_MAX];
    const size_t bytes = reason ? strnlen(reason, sizeof body - 1) : 0;

    if (bytes > 0) memcpy(body, reason, bytes);
    body[bytes] = '\n';
    exchange->site = &site;
    tlr_request_route(&exchange->trace, exchange->site);
    tlr_request_hop(&exchange->trace, TLR_HOP_START);
    exchange->returned = 1;
    atomic_store_explicit(&exchange->answered, 1, memory_order_relaxed);
    tlr__response_set(exchange, status, bytes > 0 ? "text/plain" : NULL, body,
                      bytes > 0 ? bytes + 1 : 0);
    tlr_request_hop(&exchange->trace, TLR_HOP_END);
    conclude(exchange);
}

static void refuse_pool_full(struct tlr_exchange *exchange) {
    tlr__count(&exchange->loop->counters.refused_pool_full, 1);
    tlr_response_header(exchange, "Retry-After", "1");
    tlr__dispatch_refuse(exchange, 503, "every pool thread is taken and the queue is full");
}

static void move_to_pool(struct tlr_exchange *exchange) {
    exchange->moving = 0;
    exchange->deferred = 0;
    if (submit(exchange)) {
        exchange->in_pool = 0;
        refuse_pool_full(exchange);
    }
}

static void answer_options(struct tlr_exchange *exchange, const struct tlr__route *path) {
    char allow[256];
    if (path) {
        tlr__route_allow(path, allow, sizeof allow);
        tlr_response_header(exchange, "Allow", allow);
    }
    tlr__dispatch_refuse(exchange, 204, NULL);
}

static void refuse_method(struct tlr_exchange *exchange, const struct tlr__route *path) {
    char allow[256];
    tlr__route_allow(path, allow, sizeof allow);
    tlr_response_header(exchange, "Allow", allow);
    tlr__dispatch_refuse(exchange, 405, "this path does not know that method");
}

/* Host names of the machine itself, or the very address that the interface was asked to bind. */
static int host_is_allowed(const struct tlr_exchange *exchange) {
    const char *host = tlr_exchange_header(exchange, "Host");
    const char *bound = exchange->loop->server->admin_host;
    if (!host) return 1; /* HTTP/1.0: no browser */
    if (tlr__target_host_is_loopback(host)) return 1;
    return strncmp(host, bound, strlen(bound)) == 0 &&
           (host[strlen(bound)] == ':' || host[strlen(bound)] == '\0');
}

static void dispatch_to(struct tlr_exchange *exchange, const struct tlr__route *route) {
    exchange->site = route->site;
    exchange->handler = route->handler;
    exchange->user = route->user;
    tlr_request_route(&exchange->trace, route->site);
    if (route->where == TLR_ON_LOOP) {
        run_on_loop(exchange);
        return;
    }
    if (submit(exchange)) refuse_pool_full(exchange);
}

void tlr__dispatch(struct tlr_exchange *exchange) {
    const struct tlr__router *router = exchange->loop->router;
    const char *method = exchange->head->method;
    const struct tlr__route *path = tlr__route_path(router, exchange->path, strlen(exchange->path));
    const struct tlr__route *route = path ? tlr__route_method(path, method) : NULL;

    if (router->loopback_only && !host_is_allowed(exchange))
        tlr__dispatch_refuse(exchange, 403, "only a loopback name or address may be the Host here");
    else if (route)
        dispatch_to(exchange, route);
    else if (strcmp(method, "OPTIONS") == 0 && (path || strcmp(exchange->path, "*") == 0))
        answer_options(exchange, path);
    else if (path)
        refuse_method(exchange, path);
    else
        tlr__dispatch_refuse(exchange, 404, "no such path");
}

/* ---- cutting off --------------------------------------------------------------------------- */

void tlr__dispatch_cut(struct tlr_exchange *exchange) {
    if (exchange->waiting && !is_answered(exchange)) {
        tlr__exchange_abandon(exchange);
    } else if (exchange->in_pool && !exchange->returned) {
        tlr__pool_cancel(&exchange->job);
    }
}
