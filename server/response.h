/* response.h - what a handler answers, and its bytes on the wire. */
#ifndef TAILRACE_SERVER_RESPONSE_H
#define TAILRACE_SERVER_RESPONSE_H

#include <stddef.h>
#include <time.h>

struct tlr_exchange;

#define TLR__RESPONSE_HEADERS_INLINE 256
#define TLR__RESPONSE_BODY_INLINE 1024

/* Small ones need no memory of their own. */
struct tlr__response {
    int status;
    size_t header_bytes, header_capacity;
    size_t body_bytes;
    char *headers, *body; /* inline, or allocated */
    char headers_inline[TLR__RESPONSE_HEADERS_INLINE];
    char body_inline[TLR__RESPONSE_BODY_INLINE];
};

/* The Date field, printed once a second. Zeroed before first use. */
struct tlr__response_date {
    time_t second;
    char text[32];
};

/* The most bytes of a response without its body. */
#define TLR__RESPONSE_HEAD_BYTES_MAX (8192 + 1024)

void tlr__response_init(struct tlr__response *response);
void tlr__response_free(struct tlr__response *response);

/* Puts an answer in place of whatever the exchange holds. Thread: the one that serves it. */
void tlr__response_set(struct tlr_exchange *exchange, int status, const char *content_type,
                       const char *body, size_t bytes);

/* Prints the head, with the hop times so far. out: TLR__RESPONSE_HEAD_BYTES_MAX bytes. Returns its
 * size. Thread: the loop's. Blocks: never. */
size_t tlr__response_print_head(const struct tlr_exchange *exchange,
                                struct tlr__response_date *date, char *out);

/* Bytes of body that follow the head: none for HEAD, 204, 304. */
size_t tlr__response_body_bytes(const struct tlr_exchange *exchange);

#endif
