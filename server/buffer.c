#include "buffer.h"

#include <stdlib.h>
#include <string.h>

#define BODY_ROOM_BYTES 2048u /* behind the largest head, so that its body can be read at all */

static struct tlr__buffer *buffer_open(const struct tlr__limits *limits) {
    const size_t capacity = limits->head_bytes + BODY_ROOM_BYTES;
    struct tlr__buffer *buffer = malloc(sizeof *buffer + capacity);
    if (!buffer) return NULL;
    buffer->parser = tlr__parser_open(limits);
    if (!buffer->parser) {
        free(buffer);
        return NULL;
    }
    buffer->capacity = capacity;
    return buffer;
}

static void buffer_close(struct tlr__buffer *buffer) {
    tlr__parser_close(buffer->parser);
    free(buffer);
}

struct tlr__buffer *tlr__buffer_take(struct tlr__buffers *buffers) {
    struct tlr__buffer *buffer = buffers->spare;
    if (buffer) {
        buffers->spare = buffer->next;
        buffers->spare_count--;
        tlr__parser_begin(buffer->parser);
    } else {
        buffer = buffer_open(buffers->limits);
        if (!buffer) return NULL;
    }
    buffer->next = NULL;
    buffer->head = buffer->parsed = buffer->end = 0;
    return buffer;
}

void tlr__buffer_release(struct tlr__buffers *buffers, struct tlr__buffer *buffer) {
    if (!buffer) return;
    if (buffers->spare_count == TLR__LIMITS_KEPT_BUFFERS) {
        buffer_close(buffer);
        return;
    }
    buffer->next = buffers->spare;
    buffers->spare = buffer;
    buffers->spare_count++;
}

void tlr__buffers_free(struct tlr__buffers *buffers) {
    while (buffers->spare) {
        struct tlr__buffer *buffer = buffers->spare;
        buffers->spare = buffer->next;
        buffer_close(buffer);
    }
    buffers->spare_count = 0;
}

void tlr__buffer_compact(struct tlr__buffer *buffer) {
    const size_t shift = buffer->head;
    if (shift == 0) return;
    memmove(buffer->bytes, buffer->bytes + shift, buffer->end - shift);
    buffer->head = 0;
    buffer->parsed -= shift;
    buffer->end -= shift;
}
