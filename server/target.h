/* target.h - request targets and hosts (RFC 9112 section 3, RFC 3986): split, checked, decoded. */
#ifndef TAILRACE_SERVER_TARGET_H
#define TAILRACE_SERVER_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* Where the parts of a target lie, as offsets into it. */
struct tlr__target {
    uint32_t path, path_bytes;           /* "/" for an absolute form without a path: path_bytes 0 */
    uint32_t query, query_bytes;         /* without the question mark; query_bytes 0: none */
    uint32_t authority, authority_bytes; /* of the absolute form; authority_bytes 0: origin form */
};

/* Splits a target in origin form, absolute form (http, https) or, for OPTIONS, asterisk form.
 * Bytes outside visible ASCII, fragments and broken percent-encoding (also of NUL) are refused.
 * Thread: any. Blocks: never. Errors: -EINVAL, `target` untouched. */
int tlr__target_split(const char *text, size_t bytes, const char *method,
                      struct tlr__target *target);

/* Decodes percent-encoding of text that tlr__target_split let pass, and, where `plus_is_space`,
 * plus signs. out: room for `bytes` bytes and a terminator. Returns the decoded size. Thread: any.
 * Blocks: never. */
size_t tlr__target_decode(const char *text, size_t bytes, int plus_is_space, char *out);

/* Nonzero for a host with an optional port, as a Host header or an authority may hold it; empty is
 * allowed, as RFC 9110 section 7.2 has it. Thread: any. Blocks: never. */
int tlr__target_host_valid(const char *host, size_t bytes);

/* Nonzero for a name or address of this machine's loopback, with or without a port.
 * Thread: any. Blocks: never. */
int tlr__target_host_is_loopback(const char *host);

#endif
