/* send.h - a response's way into the kernel: at once if it fits, else queued with libuv. */
#ifndef TAILRACE_SERVER_SEND_H
#define TAILRACE_SERVER_SEND_H

#include <uv.h>

struct tlr__conn;

/* Sends the response of the connection's exchange, whose memory is used until all is taken.
 * Returns 1 if the kernel took all of it, 0 if `written` is to be called when it has.
 * Thread: the loop's. Blocks: never. Errors: -ENOMEM, errno of write. */
int tlr__send_response(struct tlr__conn *conn, uv_write_cb written);

#endif
