/* merge.h - the lanes' records in order of their stamps.
 *
 * Up to a watermark, the date at which the look began, order is certain: a record stamped before it
 * is either visible or in progress (reserved > head), since producers reserve before they stamp. A
 * lane that has a record in progress and nothing else holds the others up at its last stamp. The
 * wait for it is the writer's to bound: tlr__merge_ignore_held goes on without it, and what comes
 * of it later is out of order, and counted as late.
 */
#ifndef TLR_MERGE_H
#define TLR_MERGE_H

#include "lane.h"

struct tlr__merge_cursor {
    uint64_t read;       /* handed out up to here */
    uint64_t end;        /* visible up to here, this look */
    uint64_t last_stamp; /* of the last record handed out */
    bool in_progress;    /* something is being written behind `end` */
};

struct tlr__merge {
    struct tlr_ring *ring;
    struct tlr__merge_cursor *cursors; /* one a lane */
    uint64_t watermark;
    uint64_t last_stamp; /* of all that was handed out */
    unsigned current;    /* lane that may go on without comparing... */
    uint64_t run_until;  /* ...up to this stamp */
    int held;            /* lane that holds the others up, or -1 */
    bool ignore_held;
};

/* Errors: -ENOMEM. */
int tlr__merge_init(struct tlr__merge *merge, struct tlr_ring *ring);
void tlr__merge_free(struct tlr__merge *merge);

/* Looks at all lanes. */
void tlr__merge_begin(struct tlr__merge *merge);

/* The next record, and its lane; NULL: none this look. `held` then tells whether a lane holds
 * others up. The same again until it is taken; it stays where it is until its lane is released. */
const struct tlr__record_header *tlr__merge_next(struct tlr__merge *merge, unsigned *lane);

/* Goes on behind that record. */
void tlr__merge_take(struct tlr__merge *merge, unsigned lane,
                     const struct tlr__record_header *header);

/* Until the next look, does not wait for records in progress. */
void tlr__merge_ignore_held(struct tlr__merge *merge);

#endif
