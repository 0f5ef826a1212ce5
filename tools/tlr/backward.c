/* backward.c - see backward.h.
 */
#include "backward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "splitter.h"

enum { BLOCK = TLR__READ_BYTES };

/* The buffer: a block, then the beginning of the line that the block before ended in. That
 * beginning is cut as the line will be when it is shown, so that the filter decides alike. */
struct scan {
    const struct tlr__backward *search;
    char *buffer; /* BLOCK + TLR__LINE_BYTES_MAX */
    size_t held;  /* behind the block */
    off_t block_at;
    off_t begin; /* of the first line counted so far */
    uint64_t count;
    int at_rest; /* the line at hand is the one behind the last newline */
};

static int block_read(int fd, char *out, size_t bytes, off_t at) {
    while (bytes) {
        ssize_t got = pread(fd, out, bytes, at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) return -EIO; /* truncated meanwhile */
        out += got;
        at += got;
        bytes -= (size_t)got;
    }
    return 0;
}

/* Counts a line if it counts. Returns 1 when that was the last one needed. */
static int line_count(struct scan *scan, const char *line, size_t bytes, off_t at) {
    int is_rest = scan->at_rest;
    scan->at_rest = 0;
    if (is_rest && (!bytes || !scan->search->torn_counts)) {
        scan->begin = at;
        return scan->count == scan->search->lines;
    }
    if (bytes > TLR__LINE_BYTES_MAX) bytes = TLR__LINE_BYTES_MAX;
    if (!tlr__show_wants_line(scan->search->show, line, bytes)) return 0;
    scan->begin = at;
    return ++scan->count == scan->search->lines;
}

/* Counts the lines that begin in the block. Returns 1 when there are enough. */
static int block_count(struct scan *scan, size_t bytes) {
    char *block = scan->buffer + BLOCK - bytes;
    char *end = scan->buffer + BLOCK + scan->held;
    size_t search = bytes;
    char *newline;
    while ((newline = memrchr(block, '\n', search))) {
        off_t at = scan->block_at + (newline + 1 - block);
        if (line_count(scan, newline + 1, (size_t)(end - newline - 1), at)) return 1;
        end = newline;
        search = (size_t)(newline - block);
    }
    scan->held = (size_t)(end - block);
    if (scan->held > TLR__LINE_BYTES_MAX) scan->held = TLR__LINE_BYTES_MAX;
    memmove(scan->buffer + BLOCK, block, scan->held);
    return 0;
}

int tlr__backward_find(const struct tlr__backward *search, off_t *begin) {
    if (search->lines == UINT64_MAX || search->end == 0) {
        *begin = 0;
        return 0;
    }
    struct scan scan = {
        .search = search, .block_at = search->end, .begin = search->end, .at_rest = 1};
    if (search->lines == 0 && search->torn_counts) {
        *begin = search->end;
        return 0;
    }
    scan.buffer = malloc(BLOCK + TLR__LINE_BYTES_MAX);
    if (!scan.buffer) return -ENOMEM;
    int error = 0, enough = 0;
    while (!enough && scan.block_at > 0) {
        size_t bytes = scan.block_at < BLOCK ? (size_t)scan.block_at : BLOCK;
        scan.block_at -= (off_t)bytes;
        error = block_read(search->fd, scan.buffer + BLOCK - bytes, bytes, scan.block_at);
        if (error < 0) break;
        enough = block_count(&scan, bytes);
        if (!enough && scan.block_at == 0) line_count(&scan, scan.buffer + BLOCK, scan.held, 0);
    }
    free(scan.buffer);
    if (error == 0) *begin = scan.begin;
    return error;
}
