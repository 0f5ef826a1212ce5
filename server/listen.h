/* listen.h - listening sockets that several loops share. */
#ifndef TAILRACE_SERVER_LISTEN_H
#define TAILRACE_SERVER_LISTEN_H

/* Binds `count` sockets to one address and port, each for a loop of its own, not yet listening.
 * port: in: wanted, or -1 for any free one; out: bound. descriptors: `count`, all or none.
 * Another server on the port is an error, although it may have let others share it.
 * Thread: setup. Blocks: no. Errors: -EINVAL not a numeric address; errno of socket and bind. */
int tlr__listen_bind(const char *host, int *port, unsigned count, int *descriptors);

#endif
