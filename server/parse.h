/* parse.h - one HTTP/1 request out of bytes: llhttp, strict, and the checks above it.
 *
 * What llhttp lets pass and this refuses (RFC 9112): a line feed without its carriage return,
 * folded lines, empty names, more than one empty line in front, versions other than 1.0 and 1.1,
 * both Content-Length and Transfer-Encoding, codings other than chunked, no Host or two, long chunk
 * extensions, framing fields in trailers.
 *
 *  1. llhttp is fed whole lines only, so a name or value never comes in pieces, and a line is
 * checked before llhttp sees it.
 *  2. The head stays where it was read: fields are offsets into it, so it may be moved while it is
 *     incomplete, and strings are terminated in place once it is complete.
 *  3. Any doubt is a refusal, with a status and a reason; a refused parser is begun anew or freed.
 */
#ifndef TAILRACE_SERVER_PARSE_H
#define TAILRACE_SERVER_PARSE_H

#include "limits.h"
#include "target.h"

struct tlr__field {
    uint32_t name, name_bytes; /* offset into the head, and size */
    uint32_t value, value_bytes;
};

/* A complete head. */
struct tlr__head {
    const char *method; /* static */
    uint32_t bytes;     /* of all of it, its empty line included */
    uint32_t target_at, target_bytes;
    struct tlr__target target; /* offsets into the target */
    unsigned version_minor;
    int keep_alive;        /* as version and Connection field have it */
    int expects_continue;  /* Expect: 100-continue */
    int has_body;          /* more than zero bytes, or chunked */
    int host, traceparent; /* index of the field; -1: none */
    unsigned field_count;
    struct tlr__field fields[TLR__LIMITS_FIELDS];
};

enum tlr__parse_result {
    TLR__PARSE_MORE = 0, /* all is well so far, more is needed */
    TLR__PARSE_DONE = 1, /* the head, or the body, is complete */
    TLR__PARSE_REFUSED = 2,
};

struct tlr__parser;

/* limits: kept, not copied. Thread: any. Allocates. NULL: no memory. */
struct tlr__parser *tlr__parser_open(const struct tlr__limits *limits);
void tlr__parser_close(struct tlr__parser *parser);

/* Makes the parser ready for a request; frees the body of the last one. Blocks: never. */
void tlr__parser_begin(struct tlr__parser *parser);

/* Reads the head. text: all of it that came so far, from its first byte; its place may differ from
 * call to call. DONE: tlr__parser_head tells it, and its strings are terminated in `text`, whose
 * bytes from head->bytes on are untouched. Blocks: never. */
enum tlr__parse_result tlr__parser_read_head(struct tlr__parser *parser, char *text, size_t bytes);

/* Reads the body of a head with has_body. used: how many of the bytes were taken; those that were
 * not are to come again, with more behind them. Blocks: never. Allocates. */
enum tlr__parse_result tlr__parser_read_body(struct tlr__parser *parser, const char *text,
                                             size_t bytes, size_t *used);

/* Nonzero once a byte of the request itself was seen (empty lines in front do not count). */
int tlr__parser_is_begun(const struct tlr__parser *parser);

const struct tlr__head *tlr__parser_head(const struct tlr__parser *parser);

/* The body so far, decoded and terminated. Valid until begin or close. */
const char *tlr__parser_body(const struct tlr__parser *parser, size_t *bytes);

/* Why it was refused: the reason is static, the result a 4xx or 5xx status. */
int tlr__parser_refusal(const struct tlr__parser *parser, const char **reason);

#endif
