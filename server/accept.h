/* accept.h - a loop's listening socket.
 *
 * Descriptors are accepted here rather than by libuv: a connection above the limit is closed before
 * anything is allocated for it, the peer's address comes with it, and a stopping server can take
 * what the kernel has already accepted for it instead of resetting it.
 */
#ifndef TAILRACE_SERVER_ACCEPT_H
#define TAILRACE_SERVER_ACCEPT_H

#include <uv.h>

struct tlr__loop;

struct tlr__acceptor {
    uv_poll_t poll;
    int descriptor;
    int reserve; /* given up for a moment where the process has no descriptor left */
};

/* Listens on a bound socket; takes the descriptor over. Thread: the loop's, as all here.
 * Errors: errno of listen, of libuv; the descriptor is closed then. */
int tlr__accept_start(struct tlr__loop *loop, int descriptor);

/* Accepts what waits, then closes the socket; complete when the loop has run closing callbacks. */
void tlr__accept_stop(struct tlr__loop *loop);

#endif
