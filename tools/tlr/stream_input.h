/* stream_input.h - lines from what cannot be read backwards: a pipe, a FIFO, a terminal, a socket.
 *
 * Followed, everything is shown as it comes, and a FIFO's next writer is waited for. Not followed,
 * the last lines are kept until the end, in at most TLR__STREAM_KEPT_BYTES.
 */
#ifndef TLR_STREAM_INPUT_H
#define TLR_STREAM_INPUT_H

#include <stdint.h>

#include "show.h"

#define TLR__STREAM_KEPT_BYTES (64u * 1024u * 1024u)

struct tlr__stream_input;

struct tlr__stream_input_options {
    const char *path; /* of a FIFO; NULL: fd is all there is */
    const char *title;
    int fd; /* taken over */
    int follow;
    uint64_t lines; /* UINT64_MAX: all */
    struct tlr__show *show;
};

/* Owns: *input until close. Errors: -ENOMEM. */
int tlr__stream_input_open(struct tlr__stream_input **input,
                           const struct tlr__stream_input_options *options);

/* The descriptor to poll for reading; -1 at the end. */
int tlr__stream_input_fd(const struct tlr__stream_input *input);

/* Reads once, to be called when the descriptor is readable or hung up, and shows what there is.
 * Errors: of tlr__show_*; -ENOMEM. Trouble in reading is a notice, and the end. */
int tlr__stream_input_read(struct tlr__stream_input *input);

/* Lines cut for being too long, and lines that did not fit into what may be kept. */
uint64_t tlr__stream_input_cut(const struct tlr__stream_input *input);

/* NULL: no-op. */
void tlr__stream_input_close(struct tlr__stream_input *input);

#endif
