/* load_response.h - reads one HTTP/1.1 response, piece by piece, for the load generator.
 *
 * Only what a generator must know: the status, whether the connection lives on, who served it. The
 * body is counted by its Content-Length and not kept; a chunked one is refused.
 */
#ifndef TLR_LOAD_RESPONSE_H
#define TLR_LOAD_RESPONSE_H

#include <stddef.h>
#include <stdint.h>

#define TLR__LOAD_HEAD_BYTES_MAX 4096
#define TLR__LOAD_ID_BYTES 40 /* an X-Request-Id with its terminator; a longer one is cut */

/* The caller's memory; init readies it for one response. */
struct tlr__load_response {
    int status;
    int keep_alive;
    char served_by[16]; /* X-Served-By, "" if there was none */
    char id[TLR__LOAD_ID_BYTES];
    size_t head_bytes;
    int head_done;
    uint64_t body_bytes_left;
    char head[TLR__LOAD_HEAD_BYTES_MAX + 1];
};

void tlr__load_response_init(struct tlr__load_response *response);

/* Takes the bytes that came. Returns 1 when the response is whole, 0 when more must come, -EPROTO
 * for what is no response that can be read, or for bytes behind its end.
 * Thread: any. Blocks: never. */
int tlr__load_response_take(struct tlr__load_response *response, const char *bytes, size_t size);

#endif
