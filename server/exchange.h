/* exchange.h - one request and its response, from the complete head to the last byte written.
 *
 * An exchange outlives its connection: if the client goes first, `conn` becomes NULL, and the
 * exchange with its buffer stays until whoever serves it is done. It belongs to its loop; between
 * dispatch and return it is the handler's.
 */
#ifndef TAILRACE_SERVER_EXCHANGE_H
#define TAILRACE_SERVER_EXCHANGE_H

#include "buffer.h"
#include "pool.h"
#include "response.h"

#include <stdatomic.h>
#include <tailrace/server.h>
#include <uv.h>

struct tlr__conn;
struct tlr__loop;
struct tlr__route;

#define TLR__EXCHANGE_PATH_BYTES 128
#define TLR__EXCHANGE_CLIENT_BYTES 56

struct tlr__parameter {
    const char *name, *value;
};

struct tlr_exchange {
    struct tlr__loop *loop;
    struct tlr__conn *conn;     /* NULL: the client is gone */
    struct tlr__buffer *buffer; /* that holds the head, at `text` */
    const char *text;           /* the head's first byte */
    const struct tlr__head *head;
    struct tlr_exchange *next_in_use, *previous_in_use; /* of the loop; next also when spare */
    struct tlr_request trace;
    const struct tlr_site *site;

    /* What serves it. Written by the thread that serves it. */
    tlr_handler_fn *handler;
    void *user;
    int in_pool;
    int deferred;        /* the answer comes after the handler returned */
    int moving;          /* to the pool, once the handler on the loop has returned */
    int failed;          /* the handler neither answered nor deferred */
    atomic_int answered; /* set once, by the thread that answers */
    struct tlr__pool_job job;

    /* The loop's. */
    int returned;    /* the handler has */
    int posted;      /* a deferred answer has come */
    int waiting;     /* on its own timer: nobody else knows the exchange */
    int close_after; /* the connection ends with this response */
    uv_timer_t timer;
    struct tlr_exchange *next_posted;

    struct tlr__response response;
    const char *path; /* decoded */
    char path_inline[TLR__EXCHANGE_PATH_BYTES];
    char client[TLR__EXCHANGE_CLIENT_BYTES];
    char *query; /* decoded parameters; NULL until one is asked for */
    struct tlr__parameter parameters[TLR__LIMITS_QUERY_PARAMETERS];
    unsigned parameter_count;
};

/* Begins an exchange for the request at the front of the connection's buffer: with its head where
 * that is complete, nameless where it was refused. Begins its trace.
 * Thread: the loop's. NULL: no memory. */
struct tlr_exchange *tlr__exchange_begin(struct tlr__conn *conn);

/* Ends it, its response written: access line, trace record, and its memory is used again.
 * bytes: of the response. Thread: the loop's. */
void tlr__exchange_written(struct tlr_exchange *exchange, uint64_t bytes);

/* Ends it without a response, for its client is gone; the trace says 499. Thread: the loop's. */
void tlr__exchange_abandon(struct tlr_exchange *exchange);

/* Frees the loop's spare exchanges; complete when the loop has run its closing callbacks. */
void tlr__exchanges_free(struct tlr__loop *loop);

#endif
