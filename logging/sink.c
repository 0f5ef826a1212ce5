#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A disk write beyond this gains nothing and keeps a stuck writer from noticing a deadline. */
#define FILE_WRITE_BYTES_MAX (1u << 20)

static int open_path(const char *path, bool blocking, int *fd, struct stat *status) {
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;
    *fd = open(path, flags | O_NONBLOCK, 0640);
    if (*fd < 0 && errno == ENXIO && stat(path, status) == 0 && S_ISFIFO(status->st_mode)) return 0;
    if (*fd < 0) return -errno;
    int error = fstat(*fd, status) != 0 ? -errno : S_ISDIR(status->st_mode) ? -EISDIR : 0;
    if (error == 0 && (blocking || S_ISREG(status->st_mode)) &&
        fcntl(*fd, F_SETFL, O_WRONLY | O_APPEND) != 0)
        error = -errno;
    if (error != 0) close(*fd);
    return error;
}

int tlr__sink_open(struct tlr__sink *sink, const char *path, int fd, bool blocking) {
    struct stat status = {0};
    int error = 0;
    memset(sink, 0, sizeof *sink);
    sink->fd = fd;
    if (path != NULL) {
        error = open_path(path, blocking, &sink->fd, &status);
    } else if (fstat(fd, &status) != 0) {
        error = -errno;
    }
    if (error != 0) return error;
    if (path != NULL) {
        sink->path = strdup(path);
        if (sink->path == NULL) {
            if (sink->fd >= 0) close(sink->fd);
            return -ENOMEM;
        }
    }
    sink->is_fifo = S_ISFIFO(status.st_mode) && path != NULL;
    sink->paced = !S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode);
    sink->nonblocking = path != NULL && sink->paced && !blocking;
    return 0;
}

void tlr__sink_close(struct tlr__sink *sink) {
    if (sink->path != NULL && sink->fd >= 0) close(sink->fd);
    free(sink->path);
    sink->path = NULL;
    sink->fd = -1;
}

int tlr__sink_reopen(struct tlr__sink *sink, bool blocking) {
    if (sink->path == NULL) return -ENOTSUP;
    struct tlr__sink fresh;
    const int error = tlr__sink_open(&fresh, sink->path, -1, blocking);
    if (error != 0) return error;
    tlr__sink_close(sink);
    *sink = fresh;
    return 0;
}

static bool takes_bytes(int fd, int timeout_ms) {
    struct pollfd want = {.fd = fd, .events = POLLOUT};
    /* POLLERR and POLLHUP count as taking: the write tells what is wrong. */
    return poll(&want, 1, timeout_ms) != 0;
}

/* The longest run of whole lines that a pipe takes in one piece; a longer line goes in pieces. */
static size_t paced_piece(const char *bytes, size_t size) {
    if (size <= PIPE_BUF) return size;
    const char *end = memrchr(bytes, '\n', PIPE_BUF);
    return end != NULL ? (size_t)(end - bytes) + 1 : PIPE_BUF;
}

/* The reader went away. The descriptor stays open: what the pipe holds waits in it for the next. */
static int fifo_without_reader(const struct tlr__sink *sink) {
    return sink->is_fifo ? -ENXIO : -EPIPE;
}

static int open_fifo(struct tlr__sink *sink, int more_flags) {
    sink->fd = open(sink->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | more_flags);
    return sink->fd < 0 ? -errno : 0;
}

static int write_some(struct tlr__sink *sink, const char *bytes, size_t size, size_t *taken) {
    const ssize_t wrote = write(sink->fd, bytes, size);
    if (wrote >= 0) {
        *taken += (size_t)wrote;
        return 0;
    }
    if (errno == EINTR) return 0;
    return errno == EPIPE ? fifo_without_reader(sink) : -errno;
}

int tlr__sink_write(struct tlr__sink *sink, const char *bytes, size_t size, size_t *taken) {
    *taken = 0;
    if (sink->fd < 0) {
        const int error = open_fifo(sink, O_NONBLOCK);
        if (error != 0) return error;
    }
    while (*taken < size) {
        const char *at = bytes + *taken;
        size_t piece = size - *taken;
        if (sink->paced) {
            /* An inherited description may block: ask first. */
            if (!sink->nonblocking && !takes_bytes(sink->fd, 0)) return -EAGAIN;
            piece = paced_piece(at, piece);
        } else if (piece > FILE_WRITE_BYTES_MAX) {
            piece = FILE_WRITE_BYTES_MAX;
        }
        const int error = write_some(sink, at, piece, taken);
        if (error != 0) return error;
    }
    return 0;
}

void tlr__sink_wait(const struct tlr__sink *sink, bool full, int timeout_ms) {
    if (full && sink->fd >= 0 && sink->paced) {
        takes_bytes(sink->fd, timeout_ms);
    } else {
        poll(NULL, 0, timeout_ms);
    }
}

int tlr__sink_write_blocking(struct tlr__sink *sink, const char *bytes, size_t size,
                             size_t *taken) {
    *taken = 0;
    if (sink->fd < 0) {
        const int error = open_fifo(sink, 0);
        if (error != 0) return error;
    }
    while (*taken < size) {
        const int error = write_some(sink, bytes + *taken, size - *taken, taken);
        if (error == -EAGAIN) {
            takes_bytes(sink->fd, -1); /* an inherited description that others made nonblocking */
        } else if (error != 0) {
            return error;
        }
    }
    return 0;
}

void tlr__sink_describe(const struct tlr__sink *sink, char out[TLR_TARGET_BYTES]) {
    if (sink->path != NULL) {
        snprintf(out, TLR_TARGET_BYTES, "%s", sink->path);
        return;
    }
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", sink->fd);
    const ssize_t bytes = readlink(path, out, TLR_TARGET_BYTES - 1);
    out[bytes > 0 ? bytes : 0] = '\0';
}
