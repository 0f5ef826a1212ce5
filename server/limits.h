/* limits.h - every bound of the server, in one place: what the options say, checked and completed.
 */
#ifndef TAILRACE_SERVER_LIMITS_H
#define TAILRACE_SERVER_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct tlr_server_options;

#define TLR__LIMITS_LOOPS 64u
#define TLR__LIMITS_POOL 1024u
#define TLR__LIMITS_ROUTES 256u
#define TLR__LIMITS_FIELDS 100u             /* header fields of one request */
#define TLR__LIMITS_TRAILER_BYTES 8192u     /* trailer fields of one chunked body */
#define TLR__LIMITS_EXTENSION_BYTES 256u    /* chunk extensions of one chunked body */
#define TLR__LIMITS_HEADER_BYTES 8192u      /* header fields that a handler adds */
#define TLR__LIMITS_QUERY_PARAMETERS 64u    /* those after them are not seen */
#define TLR__LIMITS_BACKLOG 1024            /* connections that wait to be accepted, per loop */
#define TLR__LIMITS_KEPT_BUFFERS 64u        /* free read buffers that a loop keeps, and exchanges */
#define TLR__LIMITS_LINGER_BYTES (1u << 20) /* read and discarded after a refusal */
#define TLR__LIMITS_LINGER_MS 2000u

struct tlr__limits {
    unsigned loops;
    unsigned pool;
    unsigned pool_queue;
    unsigned connections; /* per loop */
    size_t head_bytes;
    size_t request_line_bytes;
    size_t body_bytes;
    uint64_t head_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t body_timeout_ms;
    uint64_t write_timeout_ms;
};

/* Thread: setup. Errors: -EINVAL an option out of range, `limits` untouched. */
int tlr__limits_read(struct tlr__limits *limits, const struct tlr_server_options *options);

#endif
