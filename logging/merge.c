#include "merge.h"

#include <errno.h>
#include <stdlib.h>

/* A reserve may still be on its way out of its core when its stamp is already taken: the watermark
 * stays this far behind the present. */
#define MARGIN_NS 1000u

int tlr__merge_init(struct tlr__merge *merge, struct tlr_ring *ring) {
    *merge = (struct tlr__merge){.ring = ring, .held = -1};
    merge->cursors = calloc(ring->lane_count, sizeof *merge->cursors);
    return merge->cursors == NULL ? -ENOMEM : 0;
}

void tlr__merge_free(struct tlr__merge *merge) {
    free(merge->cursors);
}

void tlr__merge_begin(struct tlr__merge *merge) {
    merge->watermark = tlr_clock_ticks() - tlr_clock_ticks_of_ns(MARGIN_NS);
    for (unsigned i = 0; i < merge->ring->lane_count; i++) {
        struct tlr__merge_cursor *cursor = &merge->cursors[i];
        const struct tlr__lane *lane = &merge->ring->lanes[i];
        /* Reserved first: what is reserved after this load is stamped after the watermark. */
        const uint64_t reserved = atomic_load_explicit(&lane->reserved, memory_order_acquire);
        cursor->end = tlr__lane_head(lane);
        cursor->in_progress = (int64_t)(reserved - cursor->end) > 0;
    }
    merge->run_until = 0;
    merge->held = -1;
    merge->ignore_held = false;
}

void tlr__merge_ignore_held(struct tlr__merge *merge) {
    merge->ignore_held = true;
    merge->held = -1;
}

static const struct tlr__record_header *peek(const struct tlr__merge *merge, unsigned lane) {
    struct tlr__merge_cursor *cursor = &merge->cursors[lane];
    const unsigned char *bytes = merge->ring->bytes + lane * merge->ring->lane_bytes;
    while (cursor->read != cursor->end) {
        const struct tlr__record_header *header =
            (const struct tlr__record_header *)(bytes +
                                                (cursor->read & (merge->ring->lane_bytes - 1)));
        if (header->site != TLR__SITE_SKIP) return header;
        cursor->read += header->bytes;
    }
    return NULL;
}

void tlr__merge_take(struct tlr__merge *merge, unsigned lane,
                     const struct tlr__record_header *header) {
    merge->cursors[lane].read += header->bytes;
    merge->cursors[lane].last_stamp = header->stamp;
    merge->last_stamp = header->stamp;
}

/* Compares all lanes; sets the run of the earliest one: as far as no other lane comes before. */
static const struct tlr__record_header *choose(struct tlr__merge *merge, unsigned *lane) {
    const struct tlr__record_header *best = NULL;
    uint64_t until = merge->watermark;
    uint64_t floor = UINT64_MAX;
    int holder = -1;
    for (unsigned i = 0; i < merge->ring->lane_count; i++) {
        const struct tlr__record_header *header = peek(merge, i);
        const struct tlr__merge_cursor *cursor = &merge->cursors[i];
        if (header == NULL) {
            if (cursor->in_progress && !merge->ignore_held && cursor->last_stamp < floor) {
                floor = cursor->last_stamp;
                holder = (int)i;
            }
        } else if (best == NULL || header->stamp < best->stamp) {
            if (best != NULL && best->stamp < until) until = best->stamp;
            best = header;
            *lane = i;
        } else if (header->stamp < until) {
            until = header->stamp;
        }
    }
    if (best == NULL || best->stamp > merge->watermark) return NULL;
    if (best->stamp > floor) {
        merge->held = holder;
        return NULL;
    }
    merge->current = *lane;
    merge->run_until = until < floor ? until : floor;
    return best;
}

const struct tlr__record_header *tlr__merge_next(struct tlr__merge *merge, unsigned *lane) {
    const struct tlr__record_header *header = NULL;
    if (merge->run_until != 0) {
        header = peek(merge, merge->current);
        *lane = merge->current;
        if (header == NULL || header->stamp > merge->run_until) header = NULL;
    }
    return header != NULL ? header : choose(merge, lane);
}
