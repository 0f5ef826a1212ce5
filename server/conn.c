#include "conn.h"

#include "dispatch.h"
#include "loop.h"
#include "send.h"
#include "server_log.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void advance(struct tlr__conn *conn);

static void set_deadline(struct tlr__conn *conn, enum tlr__deadline_kind kind) {
    tlr__deadline_set(&conn->loop->deadlines, &conn->deadline, kind);
}

static void clear_deadline(struct tlr__conn *conn) {
    tlr__deadline_clear(&conn->loop->deadlines, &conn->deadline);
}

static size_t unparsed_bytes(const struct tlr__conn *conn) {
    return conn->buffer ? conn->buffer->end - conn->buffer->parsed : 0;
}

static void release_buffer(struct tlr__conn *conn) {
    tlr__buffer_release(&conn->loop->buffers, conn->buffer);
    conn->buffer = NULL;
}

/* ---- closing ------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle) {
    struct tlr__conn *conn = handle->data;
    struct tlr__loop *loop = conn->loop;

    tlr__loop_enter(loop);
    if (conn->previous)
        conn->previous->next = conn->next;
    else
        loop->conns = conn->next;
    if (conn->next) conn->next->previous = conn->previous;
    tlr__count(&loop->counters.connections_open, -1);
    free(conn->unwritten);
    free(conn);
    tlr__loop_settle(loop);
}

void tlr__conn_close(struct tlr__conn *conn) {
    struct tlr_exchange *exchange = conn->exchange;
    const enum tlr__conn_state state = conn->state;

    if (state == TLR__CONN_CLOSING) return;
    conn->state = TLR__CONN_CLOSING;
    conn->exchange = NULL;
    clear_deadline(conn);
    if (exchange && state == TLR__CONN_SERVING) {
        exchange->conn = NULL; /* and keeps the buffer, which holds its head */
        conn->buffer = NULL;
        conn->loop->orphans++;
    } else if (exchange) {
        tlr__exchange_abandon(exchange);
    }
    release_buffer(conn);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

static void begin_linger(struct tlr__conn *conn) {
    if (conn->input_ended) {
        tlr__conn_close(conn);
        return;
    }
    conn->state = TLR__CONN_LINGERING;
    release_buffer(conn);
    shutdown(conn->descriptor, SHUT_WR); /* if it fails, the client is gone, and reading tells */
    set_deadline(conn, TLR__DEADLINE_LINGER);
}

/* ---- answering ----------------------------------------------------------------------------- */

static void written(struct tlr__conn *conn) {
    struct tlr_exchange *exchange = conn->exchange;
    const int close_after = exchange->close_after;

    conn->exchange = NULL;
    free(conn->unwritten);
    conn->unwritten = NULL;
    tlr__exchange_written(exchange, conn->write_bytes);
    if (!close_after) {
        conn->state = TLR__CONN_IDLE;
        set_deadline(conn, TLR__DEADLINE_IDLE);
    } else if (conn->linger || unparsed_bytes(conn) > 0) {
        begin_linger(conn);
    } else {
        tlr__conn_close(conn);
    }
}

static void on_written(uv_write_t *write, int status) {
    struct tlr__conn *conn = write->data;
    tlr__loop_enter(conn->loop);
    if (conn->state == TLR__CONN_CLOSING) return;
    if (status < 0) {
        tlr__conn_close(conn);
        return;
    }
    written(conn);
    advance(conn);
}

static void set_write_deadline(struct tlr__conn *conn) {
    conn->write_queue = uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp);
    set_deadline(conn, TLR__DEADLINE_WRITE);
}

static int is_last(const struct tlr__conn *conn, const struct tlr_exchange *exchange) {
    return exchange->close_after || !exchange->head || !exchange->head->keep_alive ||
           conn->loop->retiring || (conn->input_ended && unparsed_bytes(conn) == 0);
}

void tlr__conn_respond(struct tlr_exchange *exchange) {
    struct tlr__conn *conn = exchange->conn;
    if (!conn) {
        tlr__exchange_abandon(exchange);
        return;
    }
    exchange->close_after = is_last(conn, exchange);
    conn->state = TLR__CONN_WRITING;
    const int sent = tlr__send_response(conn, on_written);
    if (sent < 0) {
        tlr__conn_close(conn);
    } else if (sent == 0) {
        set_write_deadline(conn);
    } else {
        written(conn);
        if (!conn->advancing) advance(conn);
    }
}

/* Answers what cannot be served, and ends the connection with that. */
static void refuse(struct tlr__conn *conn, int status, const char *reason) {
    struct tlr__loop *loop = conn->loop;
    if (!conn->exchange) conn->exchange = tlr__exchange_begin(conn);
    if (!conn->exchange) {
        tlr__conn_close(conn);
        return;
    }
    clear_deadline(conn);
    conn->state = TLR__CONN_SERVING;
    conn->linger = 1;
    conn->exchange->close_after = 1;
    tlr__count(status == 408 ? &loop->counters.timeouts : &loop->counters.bad_requests, 1);
    if (loop->log) {
        tlr_context_set(&conn->exchange->trace.context);
        tlr_info(&tlr__server_log_http, "request refused status=%d reason=%s client=%s", status,
                 reason, conn->client);
        tlr_context_set(NULL);
    }
    tlr__dispatch_refuse(conn->exchange, status, reason);
}

static void refuse_parsed(struct tlr__conn *conn) {
    const char *reason;
    const int status = tlr__parser_refusal(conn->buffer->parser, &reason);
    refuse(conn, status, reason);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void dispatch(struct tlr__conn *conn) {
    clear_deadline(conn);
    conn->state = TLR__CONN_SERVING;
    tlr__dispatch(conn->exchange);
}

static void send_continue(struct tlr__conn *conn) {
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const uv_buf_t part = uv_buf_init(text, sizeof text - 1);
    const int taken = uv_try_write((uv_stream_t *)&conn->tcp, &part, 1);
    if (taken != (int)sizeof text - 1) tlr__conn_close(conn);
}

static void head_complete(struct tlr__conn *conn) {
    struct tlr__buffer *buffer = conn->buffer;
    const struct tlr__head *head = tlr__parser_head(buffer->parser);

    buffer->parsed = buffer->head + head->bytes;
    if (head->has_body) tlr__buffer_compact(buffer);
    conn->exchange = tlr__exchange_begin(conn);
    if (!conn->exchange) {
        tlr__conn_close(conn);
        return;
    }
    conn->exchange->trace.bytes_in = head->bytes;
    if (!head->has_body) {
        dispatch(conn);
        return;
    }
    conn->state = TLR__CONN_BODY;
    set_deadline(conn, TLR__DEADLINE_BODY);
    if (head->expects_continue && unparsed_bytes(conn) == 0) send_continue(conn);
}

/* The functions below return nonzero if there may be more to do with the bytes at hand. */

static int input_incomplete(struct tlr__conn *conn) {
    if (!conn->input_ended) return 0;
    if (conn->exchange || tlr__parser_is_begun(conn->buffer->parser))
        refuse(conn, 400, "the request ended early");
    else
        tlr__conn_close(conn);
    return 0;
}

static int read_head(struct tlr__conn *conn) {
    struct tlr__buffer *buffer = conn->buffer;
    switch (tlr__parser_read_head(buffer->parser, buffer->bytes + buffer->head,
                                  buffer->end - buffer->head)) {
    case TLR__PARSE_DONE:
        head_complete(conn);
        return 1;
    case TLR__PARSE_REFUSED:
        refuse_parsed(conn);
        return 0;
    default:
        tlr__buffer_compact(buffer);
        if (conn->deadline.kind != TLR__DEADLINE_HEAD) set_deadline(conn, TLR__DEADLINE_HEAD);
        return input_incomplete(conn);
    }
}

/* What of the body was used makes room; what was not (part of a trailer line) stays. */
static void discard_used_body(struct tlr__buffer *buffer) {
    const size_t body = buffer->head + tlr__parser_head(buffer->parser)->bytes;
    memmove(buffer->bytes + body, buffer->bytes + buffer->parsed, buffer->end - buffer->parsed);
    buffer->end -= buffer->parsed - body;
    buffer->parsed = body;
}

static int read_body(struct tlr__conn *conn) {
    struct tlr__buffer *buffer = conn->buffer;
    size_t used = 0;
    const enum tlr__parse_result result = tlr__parser_read_body(
        buffer->parser, buffer->bytes + buffer->parsed, unparsed_bytes(conn), &used);

    buffer->parsed += used;
    conn->exchange->trace.bytes_in += used;
    switch (result) {
    case TLR__PARSE_DONE:
        dispatch(conn);
        return 1;
    case TLR__PARSE_REFUSED:
        refuse_parsed(conn);
        return 0;
    default:
        discard_used_body(buffer);
        if (buffer->end == buffer->capacity) refuse(conn, 431, "trailer fields too large");
        return conn->state == TLR__CONN_BODY ? input_incomplete(conn) : 0;
    }
}

static int begin_request(struct tlr__conn *conn) {
    if (unparsed_bytes(conn) == 0) return 0;
    tlr__parser_begin(conn->buffer->parser);
    conn->buffer->head = conn->buffer->parsed;
    conn->state = TLR__CONN_HEAD;
    return 1;
}

static int step(struct tlr__conn *conn) {
    switch (conn->state) {
    case TLR__CONN_IDLE:
        return begin_request(conn);
    case TLR__CONN_HEAD:
        return read_head(conn);
    case TLR__CONN_BODY:
        return read_body(conn);
    default:
        return 0;
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *into);

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *into) {
    struct tlr__conn *conn = handle->data;
    (void)suggested;
    tlr__loop_enter(conn->loop);
    if (conn->state == TLR__CONN_LINGERING) {
        *into = uv_buf_init(conn->loop->scratch, sizeof conn->loop->scratch);
        return;
    }
    if (!conn->buffer) conn->buffer = tlr__buffer_take(&conn->loop->buffers);
    if (!conn->buffer) {
        *into = uv_buf_init(NULL, 0); /* read as UV_ENOBUFS */
        return;
    }
    *into = uv_buf_init(conn->buffer->bytes + conn->buffer->end,
                        (unsigned)(conn->buffer->capacity - conn->buffer->end));
}

static void read_if_wanted(struct tlr__conn *conn) {
    const int full = conn->buffer && conn->buffer->end == conn->buffer->capacity;
    const int wanted = !conn->input_ended && !full;
    if (wanted == conn->reading) return;
    conn->reading = wanted;
    if (wanted)
        uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&conn->tcp);
}

static void advance(struct tlr__conn *conn) {
    conn->advancing = 1;
    while (step(conn)) {
    }
    conn->advancing = 0;

    if (conn->state == TLR__CONN_IDLE) {
        release_buffer(conn);
        if (conn->input_ended) tlr__conn_close(conn);
        if (conn->loop->retiring) tlr__conn_retire(conn);
    }
    if (conn->state != TLR__CONN_CLOSING) read_if_wanted(conn);
}

/* How long the kernel had held what was just read: worth a system call only if the loop was late.
 */
static uint64_t kernel_wait_ns(const struct tlr__conn *conn) {
    struct tcp_info info;
    socklen_t bytes = sizeof info;
    if (!conn->loop->trace) return 0;
    /* A connection's first request is always looked up: after a stall accepting takes many turns.
     */
    if (conn->read_ticks != 0 && !tlr_loop_is_late(conn->loop->trace)) return 0;
    if (getsockopt(conn->descriptor, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return 0;
    return info.tcpi_last_data_recv * TLR_NS_PER_MS;
}

static void input_came(struct tlr__conn *conn, size_t count) {
    if (conn->state == TLR__CONN_LINGERING) {
        conn->lingered_bytes += count;
        if (conn->lingered_bytes > TLR__LIMITS_LINGER_BYTES) tlr__conn_close(conn);
        return;
    }
    if (unparsed_bytes(conn) == 0) {
        conn->kernel_wait_ns = kernel_wait_ns(conn);
        conn->read_ticks = tlr_clock_ticks();
    }
    conn->buffer->end += count;
    advance(conn);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *into) {
    struct tlr__conn *conn = stream->data;
    (void)into;
    tlr__loop_enter(conn->loop);
    if (count > 0) {
        input_came(conn, (size_t)count);
    } else if (count == UV_EOF && conn->state != TLR__CONN_LINGERING) {
        /* Perhaps only the client's sending half is closed: what it asked for is answered still. */
        conn->input_ended = 1;
        advance(conn);
    } else if (count < 0) {
        tlr__conn_close(conn);
    } else if (conn->state == TLR__CONN_IDLE) {
        release_buffer(conn);
    }
}

/* ---- opening ------------------------------------------------------------------------------- */

static void print_client(const struct sockaddr_storage *peer, char *out, size_t bytes) {
    char address[INET6_ADDRSTRLEN] = "";
    if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
        uv_ip6_name(v6, address, sizeof address);
        snprintf(out, bytes, "[%s]:%u", address, ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
        uv_ip4_name(v4, address, sizeof address);
        snprintf(out, bytes, "%s:%u", address, ntohs(v4->sin_port));
    }
}

int tlr__conn_open(struct tlr__loop *loop, int descriptor, const struct sockaddr_storage *peer) {
    struct tlr__conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        close(descriptor);
        return -ENOMEM;
    }
    conn->loop = loop;
    conn->descriptor = descriptor;
    conn->write.data = conn;
    print_client(peer, conn->client, sizeof conn->client);
    uv_tcp_init(&loop->uv, &conn->tcp); /* makes no socket, cannot fail */
    conn->tcp.data = conn;
    conn->next = loop->conns;
    if (conn->next) conn->next->previous = conn;
    loop->conns = conn;
    tlr__count(&loop->counters.connections_open, 1);

    const int error = uv_tcp_open(&conn->tcp, descriptor);
    if (error) {
        close(descriptor);
        tlr__conn_close(conn);
        return error;
    }
    set_deadline(conn, TLR__DEADLINE_IDLE);
    read_if_wanted(conn);
    return 0;
}

/* ---- stopping and timeouts ----------------------------------------------------------------- */

void tlr__conn_retire(struct tlr__conn *conn) {
    char byte;
    if (conn->state != TLR__CONN_IDLE) return;
    if (recv(conn->descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) return;
    tlr__conn_close(conn);
}

static void write_expired(struct tlr__conn *conn) {
    if (uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp) < conn->write_queue) {
        set_write_deadline(conn); /* slow, but taking it */
        return;
    }
    tlr__count(&conn->loop->counters.timeouts, 1);
    tlr__conn_close(conn);
}

void tlr__conn_expired(struct tlr__deadline *deadline, enum tlr__deadline_kind kind) {
    struct tlr__conn *conn =
        (struct tlr__conn *)((char *)deadline - offsetof(struct tlr__conn, deadline));

    tlr__loop_enter(conn->loop);
    switch (kind) {
    case TLR__DEADLINE_HEAD:
        refuse(conn, 408, "the head took too long");
        break;
    case TLR__DEADLINE_BODY:
        refuse(conn, 408, "the body took too long");
        break;
    case TLR__DEADLINE_WRITE:
        write_expired(conn);
        break;
    default:
        tlr__conn_close(conn);
        break;
    }
}
