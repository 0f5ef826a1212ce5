/* splitter.c - see splitter.h.
 */
#include "splitter.h"

#include <stdlib.h>
#include <string.h>

void tlr__splitter_free(struct tlr__splitter *splitter) {
    free(splitter->buffer);
    *splitter = (struct tlr__splitter){.cut = splitter->cut};
}

char *tlr__splitter_room(struct tlr__splitter *splitter, size_t *bytes) {
    size_t held = splitter->end - splitter->begin;
    if (splitter->begin) {
        memmove(splitter->buffer, splitter->buffer + splitter->begin, held);
        splitter->begin = 0;
        splitter->end = held;
    }
    if (splitter->capacity - held < TLR__READ_BYTES) {
        size_t capacity = held + TLR__READ_BYTES;
        if (held) capacity = 2 * capacity; /* a long line: few moves while it grows */
        char *buffer = realloc(splitter->buffer, capacity);
        if (!buffer) return NULL;
        splitter->buffer = buffer;
        splitter->capacity = capacity;
    }
    *bytes = TLR__READ_BYTES;
    return splitter->buffer + held;
}

void tlr__splitter_add(struct tlr__splitter *splitter, size_t bytes) {
    splitter->end += bytes;
}

static void forget(struct tlr__splitter *splitter) {
    splitter->begin = splitter->end = splitter->searched = 0;
}

int tlr__splitter_next(struct tlr__splitter *splitter, const char **line, size_t *bytes) {
    while (splitter->begin < splitter->end) {
        char *begin = splitter->buffer + splitter->begin;
        size_t held = splitter->end - splitter->begin;
        char *newline = memchr(begin + splitter->searched, '\n', held - splitter->searched);
        size_t size = newline ? (size_t)(newline - begin) : held;
        int was_skipping = splitter->skipping;
        splitter->searched = newline ? 0 : held;
        if (!newline && !was_skipping && held <= TLR__LINE_BYTES_MAX) return 0;
        splitter->skipping = !newline;
        if (newline)
            splitter->begin += size + 1;
        else
            forget(splitter);
        if (was_skipping) continue;
        *line = begin;
        *bytes = size;
        if (size > TLR__LINE_BYTES_MAX) {
            *bytes = TLR__LINE_BYTES_MAX;
            splitter->cut++;
        }
        return 1;
    }
    if (splitter->begin == splitter->end) splitter->begin = splitter->end = 0;
    return 0;
}

int tlr__splitter_rest(struct tlr__splitter *splitter, const char **line, size_t *bytes) {
    int was_skipping = splitter->skipping;
    *line = splitter->buffer + splitter->begin;
    *bytes = splitter->end - splitter->begin;
    splitter->skipping = 0;
    forget(splitter);
    return *bytes && !was_skipping;
}
