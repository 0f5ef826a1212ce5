#include "limits.h"

#include <errno.h>
#include <tailrace/server.h>
#include <unistd.h>

#define HEAD_BYTES_LEAST 1024u
#define HEAD_BYTES_MOST (1u << 20)
#define BODY_BYTES_MOST (1u << 30)
#define REQUEST_LINE_BYTES_MOST 8192u

static unsigned loops_by_default(void) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 4 ? 1 : (unsigned)(cores / 2);
}

static uint64_t or_default(uint64_t value, uint64_t fallback) {
    return value ? value : fallback;
}

/* Rounded up, so that a timeout below a millisecond is not none. */
static uint64_t milliseconds(uint64_t ns, uint64_t default_ms) {
    return ns ? ns / TLR_NS_PER_MS + (ns % TLR_NS_PER_MS != 0) : default_ms;
}

int tlr__limits_read(struct tlr__limits *limits, const struct tlr_server_options *options) {
    struct tlr__limits read = {
        .loops = (unsigned)or_default(options->loops, loops_by_default()),
        .pool = (unsigned)or_default(options->pool, 4),
        .pool_queue = (unsigned)or_default(options->pool_queue_max, 1024),
        .connections = (unsigned)or_default(options->connections_max, 10000),
        .head_bytes = or_default(options->head_bytes_max, 16 * 1024),
        .body_bytes = or_default(options->body_bytes_max, 1024 * 1024),
        .head_timeout_ms = milliseconds(options->head_timeout_ns, 10 * 1000),
        .idle_timeout_ms = milliseconds(options->idle_timeout_ns, 60 * 1000),
        .body_timeout_ms = milliseconds(options->body_timeout_ns, 30 * 1000),
        .write_timeout_ms = milliseconds(options->write_timeout_ns, 30 * 1000),
    };

    if (options->port < -1 || options->port > 65535) return -EINVAL;
    if (options->admin_port < -1 || options->admin_port > 65535) return -EINVAL;
    if (options->loops == 0 && read.loops > TLR__LIMITS_LOOPS) read.loops = TLR__LIMITS_LOOPS;
    if (read.loops > TLR__LIMITS_LOOPS || read.pool > TLR__LIMITS_POOL) return -EINVAL;
    if (read.head_bytes < HEAD_BYTES_LEAST || read.head_bytes > HEAD_BYTES_MOST) return -EINVAL;
    if (read.body_bytes > BODY_BYTES_MOST) return -EINVAL;

    read.request_line_bytes = read.head_bytes / 2;
    if (read.request_line_bytes > REQUEST_LINE_BYTES_MOST)
        read.request_line_bytes = REQUEST_LINE_BYTES_MOST;
    *limits = read;
    return 0;
}
