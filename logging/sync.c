#include "sync.h"

#include "format.h"
#include "site.h"
#include "stall.h"
#include "thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STALLS_KEPT 16u

struct write_stall {
    uint64_t id, begin_ticks, end_ticks;
};

/* Compiled formats, by site; under the log's lock. */
struct tlr__sync {
    struct tlr_format_program *programs[TLR__SITES_MAX];
    struct tlr_format_program *gap_program;
    unsigned char payload[TLR__PAYLOAD_BYTES_MAX];
    uint64_t lost; /* lines the sink did not take since the last announcement */
    bool torn;     /* its last write ended inside a line */
    /* The last writes that were stalls: one of them is what those at the lock were behind. */
    struct write_stall stalls[STALLS_KEPT];
    unsigned stall_count;
};

int tlr__sync_open(struct tlr_log *log) {
    log->sync = calloc(1, sizeof *log->sync);
    return log->sync == NULL ? -ENOMEM : 0;
}

void tlr__sync_close(struct tlr_log *log) {
    if (log->sync == NULL) return;
    for (unsigned i = 0; i < TLR__SITES_MAX; i++) tlr__program_free(log->sync->programs[i]);
    tlr__program_free(log->sync->gap_program);
    free(log->sync);
    log->sync = NULL;
}

/* The stall that took most of the time since then, or 0. */
static uint64_t longest_stall_since(const struct tlr__sync *sync, uint64_t begin_ticks) {
    uint64_t id = 0, longest = 0;
    for (unsigned i = 0; i < STALLS_KEPT; i++) {
        const struct write_stall *stall = &sync->stalls[i];
        if (stall->end_ticks <= begin_ticks) continue;
        const uint64_t from = stall->begin_ticks > begin_ticks ? stall->begin_ticks : begin_ticks;
        if (stall->end_ticks - from <= longest) continue;
        longest = stall->end_ticks - from;
        id = stall->id;
    }
    return id;
}

static void lock(struct tlr_log *log, const struct tlr_site *site) {
    if (pthread_mutex_trylock(&log->sync_lock) == 0) return;
    struct tlr_block block;
    const uint64_t ahead = atomic_load_explicit(&log->sync_write_id, memory_order_relaxed);
    tlr__stall_block_begin(&block, site, TLR_CAUSE_SINK_LOCK, tlr__output_fd(log->output), ahead);
    pthread_mutex_lock(&log->sync_lock);
    block.behind = longest_stall_since(log->sync, block.begin_ticks);
    tlr_block_end(&block);
}

/* Offers what is pending, timed as a wait of the call site. */
static int flush(struct tlr_log *log, const struct tlr_site *site) {
    const int fd = tlr__output_fd(log->output);
    struct tlr_block block;
    tlr_block_begin_at(&block, site, fd < 0 ? TLR_CAUSE_OPEN : TLR_CAUSE_SINK_WRITE, fd);
    atomic_store_explicit(&log->sync_write_id, block.id, memory_order_relaxed);
    atomic_store_explicit(&log->ring.header->writer_fd, fd, memory_order_relaxed);
    const int error = tlr__output_flush_blocking(log->output, &log->sync->torn);
    if (fd < 0) block.fd = tlr__output_fd(log->output);
    if (tlr_block_end(&block) >= tlr_stall_threshold()) {
        log->sync->stalls[log->sync->stall_count++ % STALLS_KEPT] = (struct write_stall){
            .id = block.id, .begin_ticks = block.begin_ticks, .end_ticks = tlr_clock_ticks()};
    }
    struct tlr__output_counts counts;
    tlr__output_counts(log->output, &counts);
    atomic_store_explicit(&log->ring.header->counters[TLR__COUNT_BYTES], counts.bytes,
                          memory_order_relaxed);
    atomic_store_explicit(&log->ring.header->counters[TLR__COUNT_WRITES], counts.writes,
                          memory_order_relaxed);
    atomic_store_explicit(&log->ring.header->sink_error, error, memory_order_relaxed);
    if (error != 0) tlr__ring_file_count(&log->ring, TLR__COUNT_SINK_ERRORS, 1);
    return error;
}

static int put(struct tlr_log *log, const struct tlr_record *record) {
    return tlr__output_put(log->output, record, &(struct tlr__segment_ids){0});
}

static size_t encode(struct tlr_log *log, const struct tlr__plan *plan,
                     const union tlr_value *values) {
    uint32_t string_sizes[TLR_VALUES_MAX];
    const size_t bytes = tlr__encode_bytes(plan, values, string_sizes);
    if (bytes > sizeof log->sync->payload) return SIZE_MAX;
    tlr__encode_write(plan, values, string_sizes, log->sync->payload);
    return bytes;
}

/* The line that tells of lines lost before, in the same batch as the next one. */
static int put_gap(struct tlr_log *log) {
    static const unsigned char tags[] = {TLR_TAG_INTEGER};
    struct tlr__sync *sync = log->sync;
    if (sync->gap_program == NULL)
        sync->gap_program = tlr__program_compile("dropped records=%lu reasons=sink", tags, 1);
    if (sync->gap_program == NULL) return -ENOMEM;
    const union tlr_value value = {.integer = (int64_t)sync->lost};
    const struct tlr_record record = {
        .time_ns = tlr_clock_date_ns(tlr_clock_ticks()),
        .kind = TLR_RECORD_GAP,
        .level = TLR_LEVEL_WARN,
        .line = __LINE__,
        .category = "tailrace",
        .thread = tlr_thread_name(),
        .file = "logging/sync.c",
        .function = "tailrace",
        .program = sync->gap_program,
        .payload = sync->payload,
        .payload_bytes = encode(log, tlr__program_plan(sync->gap_program), &value),
    };
    return put(log, &record);
}

static int put_line(struct tlr_log *log, const struct tlr_site *site,
                    const struct tlr__site_entry *entry, const struct tlr_category *category,
                    const union tlr_value *values) {
    struct tlr_format_program **program = &log->sync->programs[entry->number];
    if (*program == NULL)
        *program = tlr__program_compile(site->format, site->tags, site->value_count);
    if (*program == NULL) return -ENOMEM;
    const size_t bytes = encode(log, &entry->plan, values);
    if (bytes == SIZE_MAX) return -EMSGSIZE;
    const struct tlr__thread *thread = &tlr__thread_self;
    const struct tlr_record record = {
        .time_ns = tlr_clock_date_ns(tlr_clock_ticks()),
        .kind = TLR_RECORD_MESSAGE,
        .level = (enum tlr_level)site->level,
        .line = site->line,
        .category = category->name,
        .thread = tlr_thread_name(),
        .file = site->file,
        .function = site->function,
        .context = thread->context_bytes > 0 ? &thread->context : NULL,
        .program = *program,
        .payload = log->sync->payload,
        .payload_bytes = bytes,
    };
    return put(log, &record);
}

static int write_locked(struct tlr_log *log, const struct tlr_site *site,
                        const struct tlr__site_entry *entry, const struct tlr_category *category,
                        const union tlr_value *values) {
    const uint64_t announcing = log->sync->lost;
    int error = 0;
    if (log->sync->torn) tlr__output_end_torn_line(log->output);
    if (announcing > 0) error = put_gap(log);
    if (error == 0) error = put_line(log, site, entry, category, values);
    if (error == -ENOBUFS) { /* the line is too long to share a batch with what stands before it */
        error = flush(log, site);
        if (error == 0) error = put_line(log, site, entry, category, values);
    }
    if (error == 0) error = flush(log, site);
    if (error != 0) {
        log->sync->lost++;
        return error;
    }
    tlr__ring_file_count(&log->ring, TLR__COUNT_WRITTEN, 1);
    if (announcing == 0) return 0;
    log->sync->lost -= announcing;
    tlr__ring_file_count(&log->ring, TLR__COUNT_GAPS, 1);
    tlr__ring_file_count(&log->ring, TLR__COUNT_ANNOUNCED, announcing);
    return 0;
}

int tlr__sync_write(struct tlr_log *log, const struct tlr_site *site,
                    const struct tlr__site_entry *entry, const struct tlr_category *category,
                    const union tlr_value *values) {
    lock(log, site);
    const int error = write_locked(log, site, entry, category, values);
    pthread_mutex_unlock(&log->sync_lock);
    return error;
}
