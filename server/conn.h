/* conn.h - one connection: reads, parses, has requests served one after another, writes.
 *
 *              bytes          head complete             answered
 *      IDLE ---------> HEAD -----------------> SERVING ----------> WRITING
 *       ^                \---> BODY ----------->  ^                   |
 *       |                                         |                   |
 *       |      refused, at any point before ------+                   |
 *       +------------------------- written ---------------------------+
 *                                                                     | close_after
 *     CLOSING <------------------ LINGERING <-------------------------+
 *
 *  1. One request at a time: the next is not parsed before the last byte of this one's response was
 *     taken. Its bytes wait in the buffer, and reading stops when that is full. So a connection
 *     holds at most one buffer, one body, one response.
 *  2. `advance` is the one function that moves requests on; callbacks record what happened and call
 *     it. It loops over pipelined requests and does not recurse.
 *  3. After a refusal the client may still be sending. Closing at once would reset the connection
 *     and destroy the answer on its way, so it lingers: writes no more, and discards for a while.
 */
#ifndef TAILRACE_SERVER_CONN_H
#define TAILRACE_SERVER_CONN_H

#include "deadline.h"
#include "exchange.h"

#include <sys/socket.h>

enum tlr__conn_state {
    TLR__CONN_IDLE,
    TLR__CONN_HEAD,
    TLR__CONN_BODY,
    TLR__CONN_SERVING,
    TLR__CONN_WRITING,
    TLR__CONN_LINGERING,
    TLR__CONN_CLOSING,
};

struct tlr__conn {
    uv_tcp_t tcp;
    int descriptor;
    struct tlr__loop *loop;
    struct tlr__conn *next, *previous; /* of the loop */
    enum tlr__conn_state state;
    int reading;
    int advancing;                 /* `advance` is on the stack */
    int input_ended;               /* the client will send no more */
    int linger;                    /* it may send more than will be read */
    struct tlr__buffer *buffer;    /* NULL while there are no bytes */
    struct tlr_exchange *exchange; /* from BODY to WRITING */
    struct tlr__deadline deadline;
    uint64_t read_ticks;     /* when the first byte that is not parsed yet was read */
    uint64_t kernel_wait_ns; /* how long that had lain in the kernel; 0: none, or not looked up */
    size_t lingered_bytes;
    uv_write_t write;
    char *unwritten;    /* the part of a head that the kernel did not take at once */
    size_t write_bytes; /* of the response */
    size_t write_queue; /* of them, left when the write deadline was set */
    char client[TLR__EXCHANGE_CLIENT_BYTES];
};

/* Takes over an accepted descriptor. Thread: the loop's, as all here. Errors: -ENOMEM, errno of
 * libuv; the descriptor is closed then. */
int tlr__conn_open(struct tlr__loop *loop, int descriptor, const struct sockaddr_storage *peer);

/* Sends the answer of an exchange, whose client may be gone, and ends it when it is written. */
void tlr__conn_respond(struct tlr_exchange *exchange);

/* Closes at once; a request being served goes on without its client. */
void tlr__conn_close(struct tlr__conn *conn);

/* The server stops: closes unless a request is under way or waits in the kernel. */
void tlr__conn_retire(struct tlr__conn *conn);

/* A deadline of a connection has passed. */
void tlr__conn_expired(struct tlr__deadline *deadline, enum tlr__deadline_kind kind);

#endif
