/* endpoints.h - what the demonstration server serves: the questions of the lab as URLs.
 *
 *   GET  /sync  /pool/sync       a line through the synchronous log, in the pool
 *   GET  /loop/sync              the same on the loop: a blocked log freezes everyone
 *   GET  /async /loop/async      a line through the ring, on the loop
 *   GET  /pool/async             the same in the pool
 *   GET  /quick                  answers at once: the victim
 *   GET  /task?mode=M&ms=N       waits: M is await (a timer), block (sleeps on the loop), pool
 *   GET  /cpu?ms=N&where=W       computes: W is loop or pool
 *   POST /echo                   the body back
 *   GET  /scope                  the request as the server saw it
 *   GET  /threads                every thread, and what it does now
 */
#ifndef TLR_ENDPOINTS_H
#define TLR_ENDPOINTS_H

#include <tailrace/server.h>

struct tlr__endpoints {
    struct tlr_log *log;       /* shown by /threads */
    struct tlr_log *sync_log;  /* where the sync endpoints log; NULL: to the process's log */
    struct tlr_tracer *tracer; /* shown by /threads; NULL: none */
};

/* Adds the routes. endpoints: the caller's, kept until the server is closed.
 * Thread: setup. Errors: as tlr_server_route. */
int tlr__endpoints_add(struct tlr_server *server, const struct tlr__endpoints *endpoints);

#endif
