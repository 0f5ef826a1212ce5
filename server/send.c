#include "send.h"

#include "conn.h"
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Queues what follows the first `taken` bytes. The head lies in the loop's scratch memory and is
 * copied; a body that does not stays where it is. */
static int queue_rest(struct tlr__conn *conn, uv_buf_t *parts, unsigned count, size_t taken,
                      uv_write_cb written) {
    if (taken < parts[0].len) {
        const size_t rest = parts[0].len - taken;
        conn->unwritten = malloc(rest);
        if (!conn->unwritten) return -ENOMEM;
        memcpy(conn->unwritten, parts[0].base + taken, rest);
        parts[0] = uv_buf_init(conn->unwritten, (unsigned)rest);
    } else {
        taken -= parts[0].len;
        parts++;
        count--;
        parts[0].base += taken;
        parts[0].len -= taken;
    }
    return uv_write(&conn->write, (uv_stream_t *)&conn->tcp, parts, count, written);
}

int tlr__send_response(struct tlr__conn *conn, uv_write_cb written) {
    struct tlr__loop *loop = conn->loop;
    struct tlr_exchange *exchange = conn->exchange;
    const size_t body_bytes = tlr__response_body_bytes(exchange);
    size_t head_bytes = tlr__response_print_head(exchange, &loop->date, loop->scratch);
    uv_buf_t parts[2];
    unsigned count = 1;

    conn->write_bytes = head_bytes + body_bytes;
    if (conn->write_bytes <= sizeof loop->scratch) {
        memcpy(loop->scratch + head_bytes, exchange->response.body, body_bytes);
        head_bytes += body_bytes;
    } else {
        parts[count++] = uv_buf_init(exchange->response.body, (unsigned)body_bytes);
    }
    parts[0] = uv_buf_init(loop->scratch, (unsigned)head_bytes);

    int taken = uv_try_write((uv_stream_t *)&conn->tcp, parts, count);
    if (taken == UV_EAGAIN) taken = 0;
    if (taken < 0) return taken;
    if ((size_t)taken == conn->write_bytes) return 1;
    return queue_rest(conn, parts, count, (size_t)taken, written);
}
