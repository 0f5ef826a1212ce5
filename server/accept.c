#include "accept.h"

#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTED_AT_ONCE 64 /* then connections that are there already get their turn */

/* Counted before the client can see it. */
static void refuse(struct tlr__loop *loop) {
    tlr__count(&loop->counters.connections_refused, 1);
}

/* Without a descriptor a waiting connection can be neither accepted nor refused, and the loop would
 * spin. The reserve makes room to accept it and hang up. */
static int refuse_with_reserve(struct tlr__loop *loop) {
    struct tlr__acceptor *acceptor = &loop->acceptor;
    /* Another thread took it last time, in the moment between: perhaps there is one again. */
    if (acceptor->reserve < 0) acceptor->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (acceptor->reserve < 0) return -EMFILE;
    close(acceptor->reserve);
    const int descriptor = accept4(acceptor->descriptor, NULL, NULL, SOCK_CLOEXEC);
    refuse(loop);
    if (descriptor >= 0) close(descriptor);
    acceptor->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return descriptor >= 0 ? 0 : -EMFILE;
}

/* Requests whose client went still hold memory: hanging up must not make room for more of them. */
static int is_full(const struct tlr__loop *loop) {
    return atomic_load_explicit(&loop->counters.connections_open, memory_order_relaxed) +
               loop->orphans >=
           loop->limits->connections;
}

/* 0 if there may be more. */
static int accept_one(struct tlr__loop *loop) {
    struct sockaddr_storage peer;
    socklen_t bytes = sizeof peer;
    const int descriptor = accept4(loop->acceptor.descriptor, (struct sockaddr *)&peer, &bytes,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
        const int error = errno;
        if (error == EMFILE || error == ENFILE) return refuse_with_reserve(loop);
        return error == ECONNABORTED || error == EINTR ? 0 : -error;
    }
    tlr__count(&loop->counters.connections_total, 1);
    if (is_full(loop)) {
        refuse(loop);
        close(descriptor);
    } else if (tlr__conn_open(loop, descriptor, &peer)) {
        refuse(loop);
    }
    return 0;
}

static void on_connections(uv_poll_t *poll, int status, int events) {
    struct tlr__loop *loop = poll->data;
    (void)status;
    (void)events;
    tlr__loop_enter(loop);
    for (unsigned i = 0; i < ACCEPTED_AT_ONCE && accept_one(loop) == 0; i++) {
    }
}

int tlr__accept_start(struct tlr__loop *loop, int descriptor) {
    struct tlr__acceptor *acceptor = &loop->acceptor;
    int error;

    acceptor->descriptor = descriptor;
    acceptor->reserve = -1;
    if (listen(descriptor, TLR__LIMITS_BACKLOG) != 0) {
        error = -errno;
        goto no_listen;
    }
    error = uv_poll_init(&loop->uv, &acceptor->poll, descriptor);
    if (error) goto no_listen;
    acceptor->poll.data = loop;
    acceptor->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uv_poll_start(&acceptor->poll, UV_READABLE, on_connections); /* fails only when closing */
    return 0;

no_listen:
    close(descriptor);
    acceptor->descriptor = -1;
    return error;
}

static void on_closed(uv_handle_t *handle) {
    struct tlr__loop *loop = handle->data;
    close(loop->acceptor.descriptor);
    loop->acceptor.descriptor = -1;
    tlr__loop_settle(loop);
}

void tlr__accept_stop(struct tlr__loop *loop) {
    struct tlr__acceptor *acceptor = &loop->acceptor;
    if (uv_is_closing((uv_handle_t *)&acceptor->poll)) return;
    while (accept_one(loop) == 0) {
    }
    if (acceptor->reserve >= 0) close(acceptor->reserve);
    acceptor->reserve = -1;
    uv_close((uv_handle_t *)&acceptor->poll, on_closed);
}
