/* dispatch.h - from a complete request to its answer: the route, the handler, the way back. */
#ifndef TAILRACE_SERVER_DISPATCH_H
#define TAILRACE_SERVER_DISPATCH_H

struct tlr_exchange;

/* Finds the route and has its handler run, here or in the pool; or refuses. The response may be
 * written, and the exchange ended, when this returns. Thread: the loop's. */
void tlr__dispatch(struct tlr_exchange *exchange);

/* Answers in place of a handler, with a status and a line of text (NULL: without a body).
 * Thread: the loop's. */
void tlr__dispatch_refuse(struct tlr_exchange *exchange, int status, const char *reason);

/* A deferred answer has come. Thread: the loop's. */
void tlr__dispatch_answered(struct tlr_exchange *exchange);

/* The server cuts off what is left: ends an exchange that only its own timer or the pool's queue
 * knows; the others end when they come back. Thread: the loop's. */
void tlr__dispatch_cut(struct tlr_exchange *exchange);

#endif
