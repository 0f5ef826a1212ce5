/* stream_input.c - see stream_input.h.
 */
#include "stream_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "splitter.h"

/* A line that is kept: newest last. */
struct kept {
    struct kept *next;
    size_t bytes;
    char line[];
};

struct tlr__stream_input {
    struct tlr__stream_input_options options;
    struct tlr__splitter splitter;
    struct kept *first, **last;
    uint64_t kept_lines;
    size_t kept_bytes;
    uint64_t dropped; /* lines that would have been shown if there had been room */
};

int tlr__stream_input_open(struct tlr__stream_input **out,
                           const struct tlr__stream_input_options *options) {
    struct tlr__stream_input *input = calloc(1, sizeof(*input));
    if (!input) return -ENOMEM;
    input->options = *options;
    input->last = &input->first;
    *out = input;
    return 0;
}

int tlr__stream_input_fd(const struct tlr__stream_input *input) {
    return input->options.fd;
}

/* ---- the last lines ------------------------------------------------------------------------ */

static void oldest_forget(struct tlr__stream_input *input) {
    struct kept *kept = input->first;
    input->first = kept->next;
    if (!input->first) input->last = &input->first;
    input->kept_lines--;
    input->kept_bytes -= kept->bytes;
    free(kept);
}

static int keep(struct tlr__stream_input *input, const char *line, size_t bytes) {
    if (!input->options.lines || !tlr__show_wants_line(input->options.show, line, bytes)) return 0;
    if (input->kept_lines == input->options.lines) oldest_forget(input);
    while (input->first && input->kept_bytes + bytes > TLR__STREAM_KEPT_BYTES) {
        oldest_forget(input);
        input->dropped++;
    }
    struct kept *kept = malloc(sizeof(*kept) + bytes);
    if (!kept) return -ENOMEM;
    kept->next = NULL;
    kept->bytes = bytes;
    memcpy(kept->line, line, bytes);
    *input->last = kept;
    input->last = &kept->next;
    input->kept_lines++;
    input->kept_bytes += bytes;
    return 0;
}

static int kept_show(struct tlr__stream_input *input) {
    int error = 0;
    for (struct kept *kept = input->first; kept && error >= 0; kept = kept->next)
        error = tlr__show_line(input->options.show, input->options.title, kept->line, kept->bytes);
    if (input->dropped)
        tlr__cli_notice("%s: the last lines do not fit into 64 MiB; %llu of them are missing",
                        input->options.title, (unsigned long long)input->dropped);
    return error;
}

/* ---- reading ------------------------------------------------------------------------------- */

static int line_take(struct tlr__stream_input *input, const char *line, size_t bytes) {
    const struct tlr__stream_input_options *options = &input->options;
    if (options->follow || options->lines == UINT64_MAX)
        return tlr__show_line(options->show, options->title, line, bytes);
    return keep(input, line, bytes);
}

/* A FIFO is opened anew before the old descriptor goes, so that its next writer finds a reader; the
 * new one is not hung up until that writer has come and gone. */
static int fifo_reopen(struct tlr__stream_input *input) {
    int fd = open(input->options.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return -errno;
    close(input->options.fd);
    input->options.fd = fd;
    return 0;
}

static int end(struct tlr__stream_input *input) {
    const char *line;
    size_t bytes;
    int error = 0;
    if (tlr__splitter_rest(&input->splitter, &line, &bytes)) error = line_take(input, line, bytes);
    if (error < 0) return error;
    if (input->options.follow && input->options.path && fifo_reopen(input) == 0) return 0;
    close(input->options.fd);
    input->options.fd = -1;
    return kept_show(input);
}

int tlr__stream_input_read(struct tlr__stream_input *input) {
    size_t room, bytes;
    const char *line;
    char *out = tlr__splitter_room(&input->splitter, &room);
    if (!out) return -ENOMEM;
    ssize_t got = read(input->options.fd, out, room);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
    if (got < 0) tlr__cli_notice("%s: %s", input->options.title, strerror(errno));
    if (got <= 0) return end(input);
    tlr__splitter_add(&input->splitter, (size_t)got);
    while (tlr__splitter_next(&input->splitter, &line, &bytes)) {
        int error = line_take(input, line, bytes);
        if (error < 0) return error;
    }
    return 0;
}

uint64_t tlr__stream_input_cut(const struct tlr__stream_input *input) {
    return input->splitter.cut + input->dropped;
}

void tlr__stream_input_close(struct tlr__stream_input *input) {
    if (!input) return;
    while (input->first) oldest_forget(input);
    if (input->options.fd >= 0) close(input->options.fd);
    tlr__splitter_free(&input->splitter);
    free(input);
}
