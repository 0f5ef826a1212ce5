/* child_server.h - `tlr serve` as a child of a tool: on free ports, ready when started.
 */
#ifndef TLR_CHILD_SERVER_H
#define TLR_CHILD_SERVER_H

#include "child.h"
#include "scratch.h"

struct tlr__child_server {
    struct tlr__child child;
    int port, admin_port;
    char errors[TLR__SCRATCH_BYTES]; /* file with what it said on its standard error */
};

struct tlr__child_server_options { /* zero means default */
    const char *directory;         /* for what it says; required */
    const char *const *arguments;  /* more of them for `tlr serve`, ended by NULL */
    int pinned, processor;         /* as in tlr__child_options */
};

/* Starts it and waits until it listens. After a failure a message was written to stderr.
 * Thread: main. Blocks: up to 10 s. Errors: as tlr__child_start; -EPROTO it ended, or did not say
 * where it listens. */
int tlr__child_server_start(struct tlr__child_server *server,
                            const struct tlr__child_server_options *options);

/* Ends it by SIGTERM. Blocks: up to the deadline. Errors: -ETIMEDOUT: it was killed then; -EPROTO
 * it ended with a status other than 0. */
int tlr__child_server_stop(struct tlr__child_server *server, uint64_t deadline_ns);

#endif
