/* server_state.h - what a server consists of. */
#ifndef TAILRACE_SERVER_STATE_H
#define TAILRACE_SERVER_STATE_H

#include "loop.h"

#define TLR__SERVER_HOST_BYTES 64

struct tlr_server {
    /* Fixed from open, or from start, to close. */
    struct tlr_server_options options; /* host strings are those below */
    char host[TLR__SERVER_HOST_BYTES], admin_host[TLR__SERVER_HOST_BYTES];
    struct tlr__limits limits;
    unsigned number; /* tells servers of a process apart, also one at the same address later */
    int started;
    int port, admin_port;
    char error[160];
    struct tlr__router router, admin_router;
    struct tlr__pool pool;

    atomic_int stopping;  /* stop was called: written by the setup thread, read by the admin loop */
    atomic_int abandoned; /* stop gave up on a loop: the tracer may be gone (release, acquire) */
    atomic_uint_fast64_t answers_ignored; /* second answers */
    atomic_uint references; /* the setup thread's and each loop's: a loop may outlive a stop that
                               timed out. Released by the last user of the memory (acq_rel). */

    struct tlr__loop *loops; /* limits.loops of them, and behind them the admin's, if any */
    unsigned loop_count;
};

/* Gives up one reference; the last one frees. Thread: any. */
void tlr__server_release(struct tlr_server *server);

#endif
