/* output.h - the writer's end: records in, lines or segment blocks out to the sink, in batches.
 *
 * put adds a record to the batch; flush offers the batch to the sink and keeps what it did not
 * take. Thread: one at a time, the writer or whoever holds the synchronous mode's lock.
 */
#ifndef TLR_OUTPUT_H
#define TLR_OUTPUT_H

#include "sink_segment.h"

#include <stdbool.h>
#include <tailrace/stall.h>

#define TLR__OUTPUT_BATCH_BYTES (256u * 1024u) /* a batch is flushed from here on */

struct tlr__output;

/* Opens the sink that the options name. Errors: errno of opening it; -ENOMEM; -EINVAL. */
int tlr__output_open(struct tlr__output **output, const struct tlr_log_options *options);

/* Drops what is pending. NULL: no-op. */
void tlr__output_close(struct tlr__output *output);

/* Adds a record. Errors: -ENOBUFS: flush first, then put it again. */
int tlr__output_put(struct tlr__output *output, const struct tlr_record *record,
                    const struct tlr__segment_ids *ids);

/* Nonzero: that many bytes wait for a flush. */
size_t tlr__output_pending(const struct tlr__output *output);

/* Offers the batch. 0: the sink took all of it. -EAGAIN, -ENXIO: not now; other errno: it failed;
 * in each case call again, it goes on where it stopped. */
int tlr__output_flush(struct tlr__output *output);

/* The same, waiting in the kernel: synchronous mode, lines only. What was not taken when it fails
 * is dropped; `torn` tells whether the last line was cut. */
int tlr__output_flush_blocking(struct tlr__output *output, bool *torn);

/* Ends a torn line before the next one. */
void tlr__output_end_torn_line(struct tlr__output *output);

/* Waits until the sink may take more, at most timeout_ms. */
void tlr__output_wait(const struct tlr__output *output, bool full, int timeout_ms);

/* Whether there is a path to open anew. */
bool tlr__output_has_path(const struct tlr__output *output);

/* Opens the path anew. Errors: as open; the old one stays in use. */
int tlr__output_reopen(struct tlr__output *output);

/* What it waits for when it waits: the sink's descriptor, or -1. */
int tlr__output_fd(const struct tlr__output *output);
void tlr__output_describe(const struct tlr__output *output, char out[TLR_TARGET_BYTES]);

struct tlr__output_counts {
    uint64_t bytes, writes, segments_deleted;
};
void tlr__output_counts(const struct tlr__output *output, struct tlr__output_counts *counts);

#endif
