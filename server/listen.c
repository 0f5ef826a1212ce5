#include "listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int address_read(const char *host, int port, union address *address, socklen_t *bytes) {
    if (uv_ip4_addr(host, port, &address->v4) == 0) {
        *bytes = sizeof address->v4;
        return 0;
    }
    *bytes = sizeof address->v6;
    return uv_ip6_addr(host, port, &address->v6) == 0 ? 0 : -EINVAL;
}

/* shared: whether other sockets may bind the same port. Returns the descriptor. */
static int bind_one(const char *host, int port, int shared) {
    static const int on = 1;
    union address address;
    socklen_t bytes;
    int error = address_read(host, port, &address, &bytes);
    if (error) return error;

    const int descriptor =
        socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -errno;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) goto failed;
    if (shared && setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        goto failed;
    /* Accepted sockets inherit this one, which saves a system call for each. */
    if (setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) goto failed;
    if (bind(descriptor, &address.any, bytes) != 0) goto failed;
    return descriptor;

failed:
    error = -errno;
    close(descriptor);
    return error;
}

static int bound_port(int descriptor) {
    union address address;
    socklen_t bytes = sizeof address;
    if (getsockname(descriptor, &address.any, &bytes) != 0) return -errno;
    return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

int tlr__listen_bind(const char *host, int *port, unsigned count, int *descriptors) {
    /* SO_REUSEPORT lets two servers of one user share a port without a word. So the port is bound
     * unshared first, which finds it taken if it is, and which picks a free one. */
    const int probe = bind_one(host, *port < 0 ? 0 : *port, 0);
    if (probe < 0) return probe;
    const int port_bound = bound_port(probe);
    if (port_bound < 0 || count == 1) {
        if (port_bound < 0) {
            close(probe);
            return port_bound;
        }
        descriptors[0] = probe;
        *port = port_bound;
        return 0;
    }
    close(probe);

    for (unsigned i = 0; i < count; i++) {
        descriptors[i] = bind_one(host, port_bound, 1);
        if (descriptors[i] >= 0) continue;
        const int error = descriptors[i];
        while (i > 0) close(descriptors[--i]);
        return error;
    }
    *port = port_bound;
    return 0;
}
