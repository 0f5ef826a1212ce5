/* line_search.c - see line_search.h. A trace id is rare: whole blocks are passed by one memmem, and
 * line ends are looked for only around a find.
 */
#include "line_search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "splitter.h"

enum { BUFFER_BYTES = TLR__LINE_BYTES_MAX + TLR__READ_BYTES };

/* Lines in [text, text + bytes), the last of which may lack its newline. */
static int lines_search(const char *text, size_t bytes, const char *needle,
                        tlr__line_search_fn *found, void *user) {
    const char *end = text + bytes, *hit;
    size_t needle_bytes = strlen(needle);
    while ((hit = memmem(text, (size_t)(end - text), needle, needle_bytes))) {
        const char *before = memrchr(text, '\n', (size_t)(hit - text));
        const char *newline = memchr(hit, '\n', (size_t)(end - hit));
        const char *begin = before ? before + 1 : text;
        size_t size = (size_t)((newline ? newline : end) - begin);
        int result = found(begin, size, user);
        if (result || !newline) return result;
        text = newline + 1;
    }
    return 0;
}

static ssize_t read_some(int fd, char *out, size_t bytes) {
    ssize_t got;
    do got = read(fd, out, bytes);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static int file_search(int fd, char *buffer, const char *needle, tlr__line_search_fn *found,
                       void *user) {
    size_t held = 0;
    for (;;) {
        ssize_t got = read_some(fd, buffer + held, TLR__READ_BYTES);
        if (got <= 0) return got < 0 ? (int)got : lines_search(buffer, held, needle, found, user);
        size_t used = held + (size_t)got;
        const char *newline = memrchr(buffer, '\n', used);
        size_t whole = newline ? (size_t)(newline + 1 - buffer) : 0;
        /* A line that is too long is taken in pieces. */
        if (used - whole > TLR__LINE_BYTES_MAX) whole = used;
        int result = lines_search(buffer, whole, needle, found, user);
        if (result) return result;
        held = used - whole;
        memmove(buffer, buffer + whole, held);
    }
}

int tlr__line_search(int fd, const char *needle, tlr__line_search_fn *found, void *user) {
    char *buffer = malloc(BUFFER_BYTES);
    if (!buffer) return -ENOMEM;
    int result = file_search(fd, buffer, needle, found, user);
    free(buffer);
    return result;
}
