#include "sync.h"

#include "format.h"
#include "gap.h"
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
    unsigned char payload[TLR__PAYLOAD_BYTES_MAX];
    struct tlr__gap_seen seen; /* of the losses, which the log's table of laneless ones holds */
    bool torn;                 /* its last write ended inside a line */
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
    tlr__stall_block_begin(&block, site, TLR_CAUSE_SINK_LOCK,
                           atomic_load_explicit(&log->ring.header->writer_fd, memory_order_relaxed),
                           ahead);
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

/* The line that tells of lines lost before, in the same batch as the next one. */
static int put_gap(struct tlr_log *log, uint64_t *announced) {
    struct tlr__gap gap;
    *announced = 0;
    if (!tlr__gap_collect(&log->ring, log->ring.header->laneless, &log->sync->seen, &gap)) return 0;
    unsigned char payload[TLR__GAP_PAYLOAD_BYTES];
    struct tlr_record record;
    unsigned site_number;
    int error = tlr__gap_record(&gap, tlr_clock_date_ns(tlr_clock_ticks()), tlr_thread_name(),
                                payload, &record, &site_number);
    if (error == 0) error = put(log, &record);
    if (error == 0) *announced = gap.records;
    return error;
}

struct line {
    const struct tlr_site *site;
    const struct tlr__site_entry *entry;
    const struct tlr_category *category;
    size_t payload_bytes;
};

static int put_line(struct tlr_log *log, const struct line *line) {
    struct tlr_format_program **program = &log->sync->programs[line->entry->number];
    if (*program == NULL)
        *program =
            tlr__program_compile(line->site->format, line->site->tags, line->site->value_count);
    if (*program == NULL) return -ENOMEM;
    const struct tlr__thread *thread = &tlr__thread_self;
    const struct tlr_record record = {
        .time_ns = tlr_clock_date_ns(tlr_clock_ticks()),
        .kind = TLR_RECORD_MESSAGE,
        .level = (enum tlr_level)line->site->level,
        .line = line->site->line,
        .category = line->category->name,
        .thread = tlr_thread_name(),
        .file = line->site->file,
        .function = line->site->function,
        .context = thread->context_bytes > 0 ? &thread->context : NULL,
        .program = *program,
        .payload = log->sync->payload,
        .payload_bytes = line->payload_bytes,
    };
    return put(log, &record);
}

/* Copies the arguments: the same limits as in a lane. */
static int encode(struct tlr_log *log, struct line *line, const union tlr_value *values) {
    uint32_t string_sizes[TLR_VALUES_MAX];
    const struct tlr__plan *plan = &line->entry->plan;
    line->payload_bytes = tlr__encode_bytes(plan, values, string_sizes);
    if (line->payload_bytes > sizeof log->sync->payload) return -EMSGSIZE;
    tlr__encode_write(plan, values, string_sizes, log->sync->payload);
    return 0;
}

static int write_locked(struct tlr_log *log, const struct line *line) {
    const struct tlr__gap_seen seen_before = log->sync->seen;
    uint64_t announced = 0;
    if (log->sync->torn) tlr__output_end_torn_line(log->output);
    int error = put_gap(log, &announced);
    if (error == 0) error = put_line(log, line);
    if (error == -ENOBUFS) { /* the line is too long to share a batch with what stands before it */
        error = flush(log, line->site);
        if (error == 0) error = put_line(log, line);
    }
    const int flushed =
        flush(log, line->site); /* the gap line, also where the line itself failed */
    if (flushed != 0) {
        log->sync->seen = seen_before; /* not told yet */
        return flushed;
    }
    if (announced > 0) {
        tlr__ring_file_count(&log->ring, TLR__COUNT_GAPS, 1);
        tlr__ring_file_count(&log->ring, TLR__COUNT_ANNOUNCED, announced);
    }
    if (error == 0) tlr__ring_file_count(&log->ring, TLR__COUNT_WRITTEN, 1);
    return error;
}

int tlr__sync_write(struct tlr_log *log, const struct tlr_site *site,
                    const struct tlr__site_entry *entry, const struct tlr_category *category,
                    const union tlr_value *values) {
    struct line line = {.site = site, .entry = entry, .category = category};
    /* A signal handler's call, inside one of the same thread: it must not wait for itself. */
    if (tlr__thread_self.writes_sync) return -EDEADLK;
    tlr__thread_self.writes_sync = true;
    lock(log, site);
    int error = encode(log, &line, values);
    if (error == 0) error = write_locked(log, &line);
    pthread_mutex_unlock(&log->sync_lock);
    tlr__thread_self.writes_sync = false;
    return error;
}
