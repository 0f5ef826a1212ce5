/* segment_input.h - records from a segment file, or from a directory of segments as it grows.
 *
 * In a directory each segment is read to its end-of-file entry and the next ones are found as they
 * appear. A segment without that entry (its process died, or writes it still) stays open and is
 * looked at again, so several processes may write segments into one directory.
 */
#ifndef TLR_SEGMENT_INPUT_H
#define TLR_SEGMENT_INPUT_H

#include <stdint.h>

#include "show.h"
#include "watch.h"

#define TLR__SEGMENTS_OPEN_MAX 64 /* segments without an end that are watched at a time */

struct tlr__segment_input;

struct tlr__segment_input_options {
    const char *path; /* a segment or a directory */
    const char *title;
    int follow;
    uint64_t lines; /* to begin with, of those that pass; UINT64_MAX: all */
    struct tlr__watch *watch;
    struct tlr__show *show;
};

/* Owns: *input until close.
 * Errors: errno of open; -EBADMSG not a segment; -ENOENT a directory without segments, unless it is
 * followed; -ENOMEM. */
int tlr__segment_input_open(struct tlr__segment_input **input,
                            const struct tlr__segment_input_options *options);

/* Shows what there is; wait_ms as in tlr__text_input_drain. Errors: of tlr__show_*. */
int tlr__segment_input_drain(struct tlr__segment_input *input, int *wait_ms);

/* Damaged places met so far. */
uint64_t tlr__segment_input_damaged(const struct tlr__segment_input *input);

/* NULL: no-op. */
void tlr__segment_input_close(struct tlr__segment_input *input);

#endif
