/* text_input.h - a log file of lines: its end, and what follows, through renames and truncation.
 *
 * Followed by name, a file has versions: the one that the name means now, and older ones that were
 * renamed away or deleted. An older version is kept, and its new lines are shown, until it is
 * certain that nobody writes to it any more:
 *  - a read lease is granted only for a file that no process has open for writing; where this
 * process may ask for one (its own file, or CAP_LEASE), that is the proof, and the version ends
 * only then;
 *  - elsewhere it ends when the new version has data and the old one has not grown for 2 s.
 * At most TLR__TEXT_VERSIONS are kept; the oldest is given up, with a notice, above that.
 *
 * A version that came and went between two looks (stdout was blocked, say) is found by its rename.
 *
 * Versions are drained oldest first, each up to a size taken before any is read, newest first: so
 * the lines of one writer that moves from file to file keep their order.
 *
 * Truncation is noticed by size, and by the bytes before the present place, which are read again
 * with every read and compared: also when the file has grown past that place meanwhile.
 */
#ifndef TLR_TEXT_INPUT_H
#define TLR_TEXT_INPUT_H

#include <stdint.h>

#include "show.h"
#include "watch.h"

#define TLR__TEXT_VERSIONS 8

struct tlr__text_input;

struct tlr__text_input_options {
    const char *path;
    const char *title; /* for headers and notices */
    int fd;            /* an open file to use instead of path; taken over; -1: none */
    int follow;
    int by_name;    /* follow what the path means, not the file that it meant first */
    uint64_t lines; /* to begin with; UINT64_MAX: all */
    struct tlr__watch *watch;
    struct tlr__show *show;
};

/* Opens the file and finds where to begin. By name, a missing file is waited for.
 * Owns: *input until close; strings are the caller's and stay.
 * Errors: errno of open; -EINVAL not a regular file; -ENOMEM. */
int tlr__text_input_open(struct tlr__text_input **input,
                         const struct tlr__text_input_options *options);

/* Shows what there is. When following, a last line without newline is kept until it is whole.
 * wait_ms: after how long to call again if nothing is told by the watch; -1: not needed.
 * Errors: of tlr__show_*. Trouble with the file is a notice, not an error. */
int tlr__text_input_drain(struct tlr__text_input *input, int *wait_ms);

/* To be told of each rename in a watched directory, before the next drain: a version that came and
 * was renamed away while nobody looked is found by it. */
void tlr__text_input_moved(struct tlr__text_input *input, int directory, const char *from,
                           const char *to);

/* Lines cut for being too long. */
uint64_t tlr__text_input_cut(const struct tlr__text_input *input);

/* NULL: no-op. */
void tlr__text_input_close(struct tlr__text_input *input);

#endif
