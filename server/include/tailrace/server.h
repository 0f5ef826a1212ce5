/* server.h - an HTTP/1.1 server on libuv loops and libuv's pool, traced hop by hop.
 *
 *     static void hello(struct tlr_exchange *exchange, void *user) {
 *         tlr_response_text(exchange, 200, "text/plain", "hello\n", 6);
 *     }
 *     tlr_server_open(&server, &(struct tlr_server_options){.port = 8080});
 *     tlr_server_route(server, "GET", "/", TLR_ON_LOOP, hello, NULL);
 *     tlr_server_start(server);  ...  tlr_server_stop(server, 5 * TLR_NS_PER_S);
 *     tlr_server_close(server);
 *
 * Invariants
 *  1. Each loop is a thread with a listening socket of its own (SO_REUSEPORT); a connection stays
 *     on the loop that accepted it. A handler runs on that loop, or on a thread of libuv's pool.
 *  2. What the pool is given is counted; above the limit the loop answers 503 with Retry-After.
 *  3. Responses leave in the order of their requests, and the access line follows the response.
 *  4. A request that is not plainly valid HTTP/1.1 or 1.0 gets one 4xx and a close.
 */
#ifndef TAILRACE_SERVER_H
#define TAILRACE_SERVER_H

#include <tailrace/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tlr_server;
struct tlr_exchange; /* one request and its response */

struct tlr_server_options { /* zero means default */
    const char *host;       /* numeric address; default "0.0.0.0" */
    int port;               /* default 8080; -1: any free one, see tlr_server_port */
    unsigned loops;         /* default: one per two cores, at least 1; at most 64 */
    unsigned pool; /* threads of libuv's pool; default 4. Only counted here: the pool is the
                      process's own, and has as many as the environment's UV_THREADPOOL_SIZE
                      said (else 4) when it was first used; a program sets both alike */
    unsigned pool_queue_max;   /* jobs waiting for a pool thread; default 1024 */
    const char *admin_host;    /* default "127.0.0.1" */
    int admin_port;            /* 0: no admin interface; -1: any free one */
    struct tlr_log *log;       /* where access lines and errors go; NULL: none are logged */
    struct tlr_tracer *tracer; /* NULL: no tracing */
    int access_log_off;        /* nonzero: no access lines */
    unsigned connections_max;  /* per loop; default 10000 */
    size_t head_bytes_max;     /* request line and headers; default 16 KiB */
    size_t body_bytes_max;     /* default 1 MiB */
    uint64_t head_timeout_ns;  /* from the first byte to the end of the head; default 10 s */
    uint64_t idle_timeout_ns;  /* keep-alive without a request; default 60 s */
    uint64_t body_timeout_ns;  /* default 30 s */
    uint64_t write_timeout_ns; /* response not taken by the client; default 30 s */
};

/* Reads options and reserves memory; binds nothing. Owns: *server until close; strings are copied.
 * Thread: setup. Errors: -EINVAL, -ENOMEM. */
int tlr_server_open(struct tlr_server **server, const struct tlr_server_options *options);

enum tlr_where { TLR_ON_LOOP = 1, TLR_ON_POOL = 2 };

/* Serves one request. It answers with tlr_response_*, or defers and answers later; one that returns
 * without either answers 500. On a pool thread it may block; on a loop it must not. */
typedef void tlr_handler_fn(struct tlr_exchange *exchange, void *user);

/* Adds a route: exact path, or one that ends in a slash and star for all below. HEAD is served by
 * GET's route. The macro notes the present line as the handler's site. Thread: setup, before start.
 * Errors: -EINVAL; -EEXIST; -ENOSPC more than 256. */
int tlr_server_route_at(struct tlr_server *server, const struct tlr_site *site, const char *method,
                        const char *path, enum tlr_where where, tlr_handler_fn *handler,
                        void *user);

/* The handler's name becomes the site's function, so that a stall names it. */
#define tlr_server_route(server, method, path, where, handler, user)                      \
    (__extension__({                                                                      \
        static struct tlr_site_state tlr_site_state_;                                     \
        static const struct tlr_site tlr_site_ = {                                        \
            __FILE__, #handler, "", NULL, &tlr_site_state_, __LINE__, TLR_LEVEL_INFO, 0}; \
        tlr_server_route_at(server, &tlr_site_, method, path, where, handler, user);      \
    }))

/* Binds, starts loops and admin. Thread: setup. Blocks: until every loop listens.
 * Errors: errno of socket, bind (-EADDRINUSE), listen, thread creation; nothing is left running,
 * and tlr_server_error tells what failed. */
int tlr_server_start(struct tlr_server *server);

/* What the last failed start was doing: "listen on 0.0.0.0:8080", ... Valid until close. */
const char *tlr_server_error(const struct tlr_server *server);

/* Stops accepting, lets requests under way end, closes idle connections, ends the loops.
 * Thread: setup. Blocks: up to the deadline, and 250 ms more where it is missed, and the same for
 * the admin interface. Errors: -ETIMEDOUT: requests were cut off. -EBUSY: besides, a handler has
 * not come back, or an answer that it deferred has not come. Its thread is left alone with the
 * memory it needs and ends when it can; it no longer uses the tracer, which may be closed. Leave
 * such a process by _exit: exit waits in libuv for every thread of the pool. */
int tlr_server_stop(struct tlr_server *server, uint64_t deadline_ns);

/* NULL: no-op. Only when stopped or never started. */
void tlr_server_close(struct tlr_server *server);

int tlr_server_port(const struct tlr_server *server);       /* after start */
int tlr_server_admin_port(const struct tlr_server *server); /* after start; 0: none */

struct tlr_server_stats {
    uint64_t connections_open, connections_total, connections_refused;
    uint64_t requests, responses, refused_pool_full, bad_requests, handler_failures, timeouts;
    uint64_t pool_running, pool_queued;
    uint64_t abandoned;       /* requests whose client went before the answer was written */
    uint64_t answers_ignored; /* second answers to a request */
};
/* Thread: any. Blocks: never. */
void tlr_server_stats(const struct tlr_server *server, struct tlr_server_stats *stats);

/* ---- a handler's view of its request ------------------------------------------------------- */
/* Thread: the handler's, until it answered. Text is terminated, valid until it answered. */

const char *tlr_exchange_method(const struct tlr_exchange *exchange);
const char *tlr_exchange_path(const struct tlr_exchange *exchange);   /* percent-decoded */
const char *tlr_exchange_target(const struct tlr_exchange *exchange); /* as sent */
/* Value of a query parameter (decoded) or header (any case), or NULL. */
const char *tlr_exchange_query(const struct tlr_exchange *exchange, const char *name);
const char *tlr_exchange_header(const struct tlr_exchange *exchange, const char *name);
/* The index-th header: 0, or -ENOENT past the last. */
int tlr_exchange_header_at(const struct tlr_exchange *exchange, unsigned index, const char **name,
                           const char **value);
const char *tlr_exchange_body(const struct tlr_exchange *exchange, size_t *bytes);
const char *tlr_exchange_client(const struct tlr_exchange *exchange); /* "127.0.0.1:51422" */
int tlr_exchange_version_minor(const struct tlr_exchange *exchange);  /* of HTTP/1.x */
struct tlr_request *tlr_exchange_trace(struct tlr_exchange *exchange);
struct tlr_server *tlr_exchange_server(const struct tlr_exchange *exchange);

/* ---- answering ------------------------------------------------------------------------------- */

/* Adds a header, copied. Errors: -EINVAL a byte that a header may not hold; -ENOSPC over 8 KiB. */
int tlr_response_header(struct tlr_exchange *exchange, const char *name, const char *value);

/* Answers with a body, copied. X-Request-Id, traceparent, Server-Timing, X-Served-By, Date and
 * Content-Length are added. Once per exchange; a second answer is ignored and counted.
 * Thread: the handler's; after tlr_response_defer, any. Blocks: never. */
void tlr_response_text(struct tlr_exchange *exchange, int status, const char *content_type,
                       const char *body, size_t bytes);

/* Says that the answer comes after the handler returned, from whichever thread. The exchange stays
 * valid until answered, also if its client goes; its trace is the loop's again once the handler has
 * returned. Thread: the handler's. Blocks: never. */
void tlr_response_defer(struct tlr_exchange *exchange);

/* Calls `continue_` on the exchange's loop after a delay: defers, and resumes the request there.
 * Thread: the loop's, in the handler. Errors: -EINVAL not on a loop. */
int tlr_exchange_after(struct tlr_exchange *exchange, uint64_t delay_ns, tlr_handler_fn *continue_,
                       void *user);

/* For a handler on a loop: hands the request on to the pool, where `handler` serves it once this
 * one has returned, as if the route had said TLR_ON_POOL; 503 if the pool takes no more. Thread:
 * the loop's, in the handler. Errors: -EINVAL not on a loop. */
int tlr_exchange_to_pool(struct tlr_exchange *exchange, tlr_handler_fn *handler, void *user);

#ifdef __cplusplus
}
#endif
#endif
