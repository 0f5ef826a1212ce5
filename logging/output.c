#include "output.h"

#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tlr__output {
    struct tlr__sink_segment *segments; /* NULL: lines */
    struct tlr__sink sink;
    size_t (*line)(const struct tlr_record *record, char *out);
    bool blocking;
    bool has_path; /* constant: the sink's own path is the writer's */
    char *batch;
    size_t capacity, used, taken; /* [taken, used) has yet to go */
    uint64_t bytes, writes;
};

int tlr__output_open(struct tlr__output **output, const struct tlr_log_options *options) {
    struct tlr__output *made = calloc(1, sizeof *made);
    if (made == NULL) return -ENOMEM;
    made->sink.fd = -1; /* of segments: waiting is then just time */
    int error = 0;
    if (options->format == TLR_FORMAT_SEGMENT) {
        const char *name = options->name != NULL ? options->name : "log";
        error = options->path == NULL || options->mode == TLR_MODE_SYNC
                    ? -EINVAL
                    : tlr__sink_segment_open(&made->segments, options->path, name,
                                             options->segment_bytes, options->total_bytes);
    } else {
        made->line = options->format == TLR_FORMAT_JSON ? tlr_record_json : tlr_record_text;
        made->blocking = options->mode == TLR_MODE_SYNC;
        made->has_path = options->path != NULL;
        made->capacity = TLR__OUTPUT_BATCH_BYTES;
        made->batch = malloc(made->capacity);
        error = made->batch == NULL
                    ? -ENOMEM
                    : tlr__sink_open(&made->sink, options->path, options->fd, made->blocking);
    }
    if (error != 0) {
        free(made->batch);
        free(made);
        return error;
    }
    *output = made;
    return 0;
}

void tlr__output_close(struct tlr__output *output) {
    if (output == NULL) return;
    if (output->segments != NULL) {
        tlr__sink_segment_close(output->segments);
    } else {
        tlr__sink_close(&output->sink);
    }
    free(output->batch);
    free(output);
}

/* Room for one more line. An empty batch grows to the longest line there can be (a bound that
 * record.h states); a batch with lines in it is flushed instead. */
static int make_room(struct tlr__output *output, size_t bytes) {
    if (output->capacity - output->used >= bytes) return 0;
    if (output->used > 0) return -ENOBUFS;
    char *larger = realloc(output->batch, bytes);
    if (larger == NULL) return -ENOMEM;
    output->batch = larger;
    output->capacity = bytes;
    return 0;
}

int tlr__output_put(struct tlr__output *output, const struct tlr_record *record,
                    const struct tlr__segment_ids *ids) {
    if (output->segments != NULL) return tlr__sink_segment_put(output->segments, record, ids);
    const int error = make_room(output, tlr_record_line_bytes_max(record));
    if (error != 0) return error;
    output->used += output->line(record, output->batch + output->used);
    return 0;
}

size_t tlr__output_pending(const struct tlr__output *output) {
    if (output->segments != NULL) return tlr__sink_segment_pending(output->segments);
    return output->used - output->taken;
}

static void advance(struct tlr__output *output, size_t taken) {
    if (taken > 0) output->writes++;
    output->bytes += taken;
    output->taken += taken;
    if (output->taken < output->used) return;
    output->taken = 0;
    output->used = 0;
}

int tlr__output_flush(struct tlr__output *output) {
    if (output->segments != NULL) return tlr__sink_segment_flush(output->segments);
    size_t taken = 0;
    const int error = tlr__sink_write(&output->sink, output->batch + output->taken,
                                      output->used - output->taken, &taken);
    advance(output, taken);
    return error;
}

int tlr__output_flush_blocking(struct tlr__output *output, bool *torn) {
    size_t taken = 0;
    const int error = tlr__sink_write_blocking(&output->sink, output->batch + output->taken,
                                               output->used - output->taken, &taken);
    *torn = error != 0 && taken > 0 && output->batch[output->taken + taken - 1] != '\n';
    advance(output, taken);
    output->taken = 0;
    output->used = 0;
    return error;
}

void tlr__output_end_torn_line(struct tlr__output *output) {
    if (output->used < output->capacity) output->batch[output->used++] = '\n';
}

void tlr__output_wait(const struct tlr__output *output, bool full, int timeout_ms) {
    tlr__sink_wait(&output->sink, full, timeout_ms);
}

bool tlr__output_has_path(const struct tlr__output *output) {
    return output->has_path;
}

int tlr__output_reopen(struct tlr__output *output) {
    if (output->segments != NULL) return -ENOTSUP;
    return tlr__sink_reopen(&output->sink, output->blocking);
}

int tlr__output_fd(const struct tlr__output *output) {
    return output->segments != NULL ? tlr__sink_segment_fd(output->segments) : output->sink.fd;
}

void tlr__output_describe(const struct tlr__output *output, char out[TLR_TARGET_BYTES]) {
    if (output->segments == NULL) {
        tlr__sink_describe(&output->sink, out);
        return;
    }
    const char *path = tlr__sink_segment_path(output->segments);
    const size_t bytes = strnlen(path, TLR_TARGET_BYTES - 1);
    memcpy(out, path, bytes);
    out[bytes] = '\0';
}

void tlr__output_counts(const struct tlr__output *output, struct tlr__output_counts *counts) {
    if (output->segments == NULL) {
        *counts = (struct tlr__output_counts){.bytes = output->bytes, .writes = output->writes};
        return;
    }
    struct tlr__sink_segment_counts segments;
    tlr__sink_segment_counts(output->segments, &segments);
    *counts = (struct tlr__output_counts){.bytes = segments.bytes,
                                          .writes = segments.writes,
                                          .segments_deleted = segments.segments_deleted};
}
