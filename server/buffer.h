/* buffer.h - where a connection's bytes are read to and parsed in place, and each loop's spare
 * ones.
 *
 *     bytes:  [ head | body, if any | pipelined requests | free ]
 *              ^head  ^parsed                            ^end    ^capacity
 *
 * A connection holds one only while it has bytes or a request under way, so an idle one costs none.
 */
#ifndef TAILRACE_SERVER_BUFFER_H
#define TAILRACE_SERVER_BUFFER_H

#include "parse.h"

struct tlr__buffer {
    struct tlr__buffer *next; /* while spare */
    struct tlr__parser *parser;
    size_t head;   /* where the present request begins */
    size_t parsed; /* up to here bytes were used */
    size_t end;    /* up to here there are bytes */
    size_t capacity;
    char bytes[];
};

struct tlr__buffers {
    struct tlr__buffer *spare;
    unsigned spare_count;
    const struct tlr__limits *limits;
};

/* An empty buffer with its parser begun, or NULL: no memory. Thread: the loop's, as all here. */
struct tlr__buffer *tlr__buffer_take(struct tlr__buffers *buffers);
/* NULL: no-op. */
void tlr__buffer_release(struct tlr__buffers *buffers, struct tlr__buffer *buffer);
void tlr__buffers_free(struct tlr__buffers *buffers);

/* Moves the present request and what follows it to the front, to make room behind.
 * While a request is being served its head must not be moved. */
void tlr__buffer_compact(struct tlr__buffer *buffer);

#endif
