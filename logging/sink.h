/* sink.h - where lines go: a descriptor, made from a path or inherited.
 *
 * Pipes, FIFOs, sockets and terminals are paced: bytes are offered only when the descriptor takes
 * them, in whole lines of at most PIPE_BUF, so that other writers of the same pipe tear none. Files
 * get large O_APPEND writes. O_NONBLOCK is set only on descriptions that this sink opened itself.
 */
#ifndef TLR_SINK_H
#define TLR_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <tailrace/stall.h>

struct tlr__sink {
    char *path; /* NULL: inherited */
    int fd;     /* -1: a FIFO that nobody reads, yet */
    bool paced;
    bool nonblocking;
    bool is_fifo;
};

/* Opens `path`, or takes `fd` over (it stays open at close). blocking: writes may wait in the
 * kernel, as the synchronous mode wants it. A FIFO without a reader is no error. Errors: errno of
 * open or fstat; -EISDIR; -ENOMEM. */
int tlr__sink_open(struct tlr__sink *sink, const char *path, int fd, bool blocking);
void tlr__sink_close(struct tlr__sink *sink);

/* Opens the path anew and closes the old descriptor; on failure the old one stays. */
int tlr__sink_reopen(struct tlr__sink *sink, bool blocking);

/* Offers whole lines; `taken` tells how many bytes went, also on failure.
 * Returns 0 all; -EAGAIN not now; -ENXIO nobody reads the FIFO; other errno.
 * Blocks: never when paced; on the file system otherwise. */
int tlr__sink_write(struct tlr__sink *sink, const char *bytes, size_t size, size_t *taken);

/* Waits until it may take more, at most timeout_ms; all of that if it was not `full` but failed: a
 * failing device, or a pipe that nobody reads, polls as ready. */
void tlr__sink_wait(const struct tlr__sink *sink, bool full, int timeout_ms);

/* Writes all, waiting in the kernel if need be: the synchronous mode. A FIFO without a reader is
 * opened first, which waits too. */
int tlr__sink_write_blocking(struct tlr__sink *sink, const char *bytes, size_t size, size_t *taken);

/* The path, or what the descriptor is: "pipe:[4711]". */
void tlr__sink_describe(const struct tlr__sink *sink, char out[TLR_TARGET_BYTES]);

#endif
