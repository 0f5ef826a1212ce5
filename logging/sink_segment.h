/* sink_segment.h - records to a directory of segment files, in blocks; rotation and retention.
 *
 * Used by the writer alone: put adds to the block under construction, flush writes it. A block that
 * could not be written is kept; flush goes on where it stopped.
 */
#ifndef TLR_SINK_SEGMENT_H
#define TLR_SINK_SEGMENT_H

#include "segment.h"

struct tlr__sink_segment;

/* Makes the directory (0700) if it is missing and begins a segment.
 * name: of the log; it begins the files' names. At most 47 bytes, without a slash.
 * segment_bytes: size from which on the next block goes to a new segment; taken as a quarter of
 * total_bytes where it is more.
 * total_bytes: before a segment is begun, the oldest of that name in the directory are deleted
 * until there is room for a whole one. One that another process is writing is left alone. Errors:
 * -EINVAL name or sizes; errno of mkdir, open, write, getrandom; -ENOMEM. */
int tlr__sink_segment_open(struct tlr__sink_segment **sink, const char *directory, const char *name,
                           size_t segment_bytes, uint64_t total_bytes);

/* Adds a record. Errors: -ENOBUFS the block is full: flush first, then put again. -EMSGSIZE the
 * payload is above TLR__PAYLOAD_BYTES_MAX or the format above 64 KiB, -EINVAL the payload holds
 * less than its plan says: putting it again does not help. */
int tlr__sink_segment_put(struct tlr__sink_segment *sink, const struct tlr_record *record,
                          const struct tlr__segment_ids *ids);

/* Bytes in the block under construction; 0: nothing to flush. */
size_t tlr__sink_segment_pending(const struct tlr__sink_segment *sink);

/* Writes the block, beginning a new segment first where it is due. Blocks: on the disk.
 * Errors: negative errno; nothing is lost, call again: it goes on at the byte where it stopped. */
int tlr__sink_segment_flush(struct tlr__sink_segment *sink);

struct tlr__sink_segment_counts {
    uint64_t bytes, writes, segments_begun, segments_deleted;
};
void tlr__sink_segment_counts(const struct tlr__sink_segment *sink,
                              struct tlr__sink_segment_counts *counts);

/* The present segment's path and descriptor, for stalls. Valid until the next flush. */
const char *tlr__sink_segment_path(const struct tlr__sink_segment *sink);
int tlr__sink_segment_fd(const struct tlr__sink_segment *sink);

/* Writes the end-of-file entry (if nothing is pending) and frees. NULL: no-op. */
void tlr__sink_segment_close(struct tlr__sink_segment *sink);

#endif
