#include "writer.h"

#include "category.h"
#include "deadline.h"
#include "format.h"
#include "gap.h"
#include "merge.h"
#include "site.h"
#include "slot.h"
#include "stall.h"
#include "thread.h"
#include "wakeup.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define FLUSH_BYTES (64u * 1024u)        /* lanes get room back this often under load */
#define HELD_NS_MAX (20 * TLR_NS_PER_MS) /* how long a record in progress holds the others up */
#define HELD_REST_NS (50 * TLR_NS_PER_US)
#define NAP_NS TLR_NS_PER_MS
#define NAPS_BEFORE_LONG 20u /* idle naps before they get longer, */
#define LONG_NAP_NS (20 * TLR_NS_PER_MS)
#define NAPS_BEFORE_SLEEP 45u /* and before the writer sleeps until woken */
#define RETRY_MS_MIN 5
#define RETRY_MS_MAX 50 /* also how late an abandoned writer may notice */
#define STALL_NS                                                                    \
    (10 * TLR_NS_PER_MS) /* nobody waits for the writer: shorter waits are its work \
                          */
#define ABANDON_NS (100 * TLR_NS_PER_MS)  /* for it to notice */
#define LANELESS_NS (100 * TLR_NS_PER_MS) /* between gap lines of threads without a lane */

struct lane_state {
    uint64_t released;
    uint32_t generation; /* of the slot, whose name is cached */
    struct tlr__gap_seen seen;
    char name[TLR_THREAD_NAME_BYTES];
};

struct site_cache {
    struct tlr_format_program *program;
    struct tlr__site_text text;
};

struct writer {
    struct tlr_log *log;
    struct tlr_ring *ring;
    struct tlr__merge merge;
    struct lane_state *lanes;
    struct site_cache *sites;
    struct tlr__gap_seen laneless_seen;
    uint64_t laneless_ticks;
    uint64_t held_since; /* ticks; 0: nothing is held up */
    uint64_t batch_records, batch_gaps, batch_announced;
    uint64_t counted_bytes, counted_writes, counted_deleted;
};

/* ---- to the sink ---- */

static void count_output(struct writer *writer) {
    struct tlr__output_counts counts;
    tlr__output_counts(writer->log->output, &counts);
    tlr__ring_file_count(writer->ring, TLR__COUNT_BYTES, counts.bytes - writer->counted_bytes);
    tlr__ring_file_count(writer->ring, TLR__COUNT_WRITES, counts.writes - writer->counted_writes);
    tlr__ring_file_count(writer->ring, TLR__COUNT_SEGMENTS_DELETED,
                         counts.segments_deleted - writer->counted_deleted);
    writer->counted_bytes = counts.bytes;
    writer->counted_writes = counts.writes;
    writer->counted_deleted = counts.segments_deleted;
}

/* A pipe that is full is no error of the sink's. */
static void sink_error_set(struct writer *writer, int error) {
    if (error == -EAGAIN) return;
    atomic_store_explicit(&writer->ring->header->sink_error, error, memory_order_relaxed);
    if (error != 0) tlr__ring_file_count(writer->ring, TLR__COUNT_SINK_ERRORS, 1);
}

/* Tries until the sink has taken the batch. Nothing is given up but by a close whose deadline
 * passed: then -ETIMEDOUT, and the records stay in their lanes. */
static int offer_until_taken(struct writer *writer) {
    struct tlr_log *log = writer->log;
    int retry_ms = RETRY_MS_MIN;
    int error;
    while ((error = tlr__output_flush(log->output)) != 0) {
        sink_error_set(writer, error);
        if (atomic_load_explicit(&log->abandon, memory_order_acquire) != 0) return -ETIMEDOUT;
        const bool full = error == -EAGAIN;
        tlr__output_wait(log->output, full, full ? RETRY_MS_MAX : retry_ms);
        if (retry_ms < RETRY_MS_MAX) retry_ms *= 2;
    }
    if (atomic_load_explicit(&writer->ring->header->sink_error, memory_order_relaxed) != 0)
        sink_error_set(writer, 0);
    return 0;
}

static void release_lanes(struct writer *writer) {
    for (unsigned i = 0; i < writer->ring->lane_count; i++) {
        const uint64_t read = writer->merge.cursors[i].read;
        if (read == writer->lanes[i].released) continue;
        writer->lanes[i].released = read;
        tlr__lane_release(&writer->ring->lanes[i], read);
    }
}

static void tell_progress(struct tlr_log *log) {
    pthread_mutex_lock(&log->progress_lock);
    pthread_cond_broadcast(&log->progress);
    pthread_mutex_unlock(&log->progress_lock);
}

static int flush(struct writer *writer) {
    struct tlr_log *log = writer->log;
    if (tlr__output_pending(log->output) > 0) {
        const int fd = tlr__output_fd(log->output);
        TLR_SITE_DEFINE(site, TLR_LEVEL_DEBUG, 0, NULL, "");
        struct tlr_block block;
        tlr_block_begin_at(&block, &site, fd < 0 ? TLR_CAUSE_OPEN : TLR_CAUSE_SINK_WRITE, fd);
        const int error = offer_until_taken(writer);
        tlr__stall_block_end(&block, STALL_NS);
        atomic_store_explicit(&writer->ring->header->writer_fd, tlr__output_fd(log->output),
                              memory_order_relaxed);
        count_output(writer);
        if (error != 0) return error;
    }
    tlr__ring_file_count(writer->ring, TLR__COUNT_WRITTEN, writer->batch_records);
    tlr__ring_file_count(writer->ring, TLR__COUNT_GAPS, writer->batch_gaps);
    tlr__ring_file_count(writer->ring, TLR__COUNT_ANNOUNCED, writer->batch_announced);
    writer->batch_records = 0;
    writer->batch_gaps = 0;
    writer->batch_announced = 0;
    release_lanes(writer);
    tell_progress(log);
    return 0;
}

static int put(struct writer *writer, const struct tlr_record *record,
               const struct tlr__segment_ids *ids) {
    int error = tlr__output_put(writer->log->output, record, ids);
    if (error == -ENOBUFS) {
        error = flush(writer);
        if (error == 0) error = tlr__output_put(writer->log->output, record, ids);
    }
    return error;
}

/* ---- records ---- */

static const struct site_cache *site_of(struct writer *writer, uint32_t number) {
    struct site_cache *cache = &writer->sites[number < TLR__SITES_MAX ? number : 0];
    if (cache->program != NULL) return cache;
    int error = tlr__ring_file_site(writer->ring, number, &cache->text);
    if (error != 0) {
        tlr__site_copy(writer->ring, number);
        error = tlr__ring_file_site(writer->ring, number, &cache->text);
    }
    if (error != 0) {
        /* The dictionary was full: the record is kept, its text is not known. */
        static const char unknown[] = "(call site not in the dictionary)";
        cache->text = (struct tlr__site_text){
            .file = "?", .function = "?", .format = unknown, .level = TLR_LEVEL_INFO};
    }
    cache->program =
        tlr__program_compile(cache->text.format, cache->text.tags, cache->text.value_count);
    return cache->program != NULL ? cache : NULL;
}

static const char *category_of(struct writer *writer, unsigned number) {
    const char *name = tlr__ring_file_category(writer->ring, number);
    if (name == NULL) { /* registered while the log opened */
        tlr__category_copy_all(writer->ring);
        name = tlr__ring_file_category(writer->ring, number);
    }
    return name != NULL ? name : "?";
}

static void refresh_name(struct writer *writer, unsigned lane) {
    struct lane_state *state = &writer->lanes[lane];
    struct tlr__slot_copy copy;
    if (atomic_load_explicit(&writer->ring->slots[lane].generation, memory_order_acquire) ==
        state->generation)
        return;
    if (tlr__slot_read(&writer->ring->slots[lane], &copy) != 0) return;
    state->generation = copy.generation;
    memcpy(state->name, copy.name, sizeof state->name);
}

static int put_gap(struct writer *writer, const struct tlr__loss *losses,
                   struct tlr__gap_seen *seen, uint64_t time_ns, const char *thread,
                   unsigned thread_number) {
    struct tlr__gap gap;
    if (!tlr__gap_collect(writer->ring, losses, seen, &gap)) return 0;
    unsigned char payload[TLR__GAP_PAYLOAD_BYTES];
    struct tlr_record record;
    struct tlr__segment_ids ids = {.thread = thread_number};
    int error = tlr__gap_record(&gap, time_ns, thread, payload, &record, &ids.site);
    if (error == 0) error = put(writer, &record, &ids);
    if (error != 0) return error;
    writer->batch_gaps++;
    writer->batch_announced += gap.records;
    return 0;
}

/* A thread in a lane that another one had before is a new thread to a segment. */
static unsigned thread_number(const struct writer *writer, unsigned lane) {
    return writer->lanes[lane].generation * writer->ring->slot_count + lane + 1;
}

static int put_message(struct writer *writer, unsigned lane,
                       const struct tlr__record_header *header) {
    struct lane_state *state = &writer->lanes[lane];
    const uint64_t time_ns = tlr_clock_date_ns(header->stamp);
    if (header->lost != state->seen.lost) {
        state->seen.lost = header->lost;
        const int error = put_gap(writer, writer->ring->lanes[lane].losses, &state->seen, time_ns,
                                  state->name, thread_number(writer, lane));
        if (error != 0) return error;
    }
    const struct site_cache *site = site_of(writer, header->site);
    if (site == NULL) return -ENOMEM;
    const unsigned char *after = (const unsigned char *)(header + 1);
    const bool has_context = tlr__record_has_context(header);
    const size_t before_payload = sizeof *header + (has_context ? sizeof(struct tlr_context) : 0);
    const struct tlr_record record = {
        .time_ns = time_ns,
        .kind = TLR_RECORD_MESSAGE,
        .level = tlr__record_level(header),
        .line = site->text.line,
        .category = category_of(writer, tlr__record_category(header)),
        .thread = state->name,
        .file = site->text.file,
        .function = site->text.function,
        .context = has_context ? (const struct tlr_context *)after : NULL,
        .program = site->program,
        .payload = (const unsigned char *)header + before_payload,
        .payload_bytes = header->bytes - before_payload,
    };
    const struct tlr__segment_ids ids = {.site = header->site,
                                         .category = tlr__record_category(header),
                                         .thread = thread_number(writer, lane)};
    return put(writer, &record, &ids);
}

/* ---- a look at all lanes ---- */

/* The bounded wait for a record in progress: true while it is to be waited for. */
static bool wait_for_held(struct writer *writer) {
    const uint64_t now = tlr_clock_ticks();
    if (writer->held_since == 0) writer->held_since = now;
    if (tlr_clock_between_ns(writer->held_since, now) > HELD_NS_MAX) return false;
    for (unsigned i = 0; i < writer->ring->lane_count; i++) {
        const struct tlr__merge_cursor *cursor = &writer->merge.cursors[i];
        if (cursor->end - writer->lanes[i].released > writer->ring->lane_bytes / 2) return false;
    }
    return true;
}

/* A record is taken from the merge once it is in the batch: until then a flush that makes room for
 * it must not free it. */
static int drain(struct writer *writer, uint64_t *records) {
    for (;;) {
        unsigned lane;
        const uint64_t before = writer->merge.last_stamp;
        const struct tlr__record_header *header = tlr__merge_next(&writer->merge, &lane);
        if (header == NULL) {
            if (writer->merge.held < 0) {
                writer->held_since = 0;
                return 0;
            }
            if (wait_for_held(writer)) return 0;
            tlr__merge_ignore_held(&writer->merge);
            continue;
        }
        if (header->stamp < before) tlr__ring_file_count(writer->ring, TLR__COUNT_LATE, 1);
        const int error = put_message(writer, lane, header);
        if (error == -ETIMEDOUT) return error;
        tlr__merge_take(&writer->merge, lane, header);
        ++*records;
        if (error == 0) {
            writer->batch_records++;
        } else {
            atomic_fetch_add_explicit(&writer->ring->header->dropped[TLR_REASON_SINK], 1,
                                      memory_order_relaxed);
        }
        if (tlr__output_pending(writer->log->output) >= FLUSH_BYTES) {
            const int flushed = flush(writer);
            if (flushed != 0) return flushed;
        }
    }
}

/* Gaps that no later record told of; and lanes whose thread has gone become free. */
static int settle_lanes(struct writer *writer) {
    for (unsigned i = 0; i < writer->ring->lane_count; i++) {
        struct tlr__lane *lane = &writer->ring->lanes[i];
        struct lane_state *state = &writer->lanes[i];
        const bool retired =
            atomic_load_explicit(&lane->state, memory_order_acquire) == TLR__LANE_RETIRED;
        if (writer->merge.cursors[i].read != tlr__lane_head(lane)) continue;
        const uint32_t lost = atomic_load_explicit(&lane->lost, memory_order_acquire);
        if (lost != state->seen.lost) {
            state->seen.lost = lost;
            const int error =
                put_gap(writer, lane->losses, &state->seen, tlr_clock_date_ns(tlr_clock_ticks()),
                        state->name, thread_number(writer, i));
            if (error != 0) return error;
        }
        if (!retired) continue;
        const int error = flush(writer);
        if (error != 0) return error;
        tlr__slot_free(&writer->ring->slots[i]);
        atomic_store_explicit(&lane->state, TLR__LANE_FREE, memory_order_release);
    }
    return 0;
}

static int settle_laneless(struct writer *writer, bool stopping) {
    const uint64_t now = tlr_clock_ticks();
    const uint32_t lost =
        atomic_load_explicit(&writer->ring->header->laneless_lost, memory_order_acquire);
    if (lost == writer->laneless_seen.lost) return 0;
    if (!stopping && tlr_clock_between_ns(writer->laneless_ticks, now) < LANELESS_NS) return 0;
    writer->laneless_ticks = now;
    writer->laneless_seen.lost = lost;
    return put_gap(writer, writer->ring->header->laneless, &writer->laneless_seen,
                   tlr_clock_date_ns(now), "?", 0);
}

static int look(struct writer *writer, bool stopping, uint64_t *records) {
    *records = 0;
    tlr__clock_follow();
    tlr__clock_line_copy(&writer->ring->header->clock, tlr__clock_process_line());
    tlr__merge_begin(&writer->merge);
    /* After the look: whoever wrote what it found has its name in the slot by now. */
    for (unsigned i = 0; i < writer->ring->lane_count; i++) refresh_name(writer, i);
    int error = drain(writer, records);
    if (error == 0) error = settle_lanes(writer);
    if (error == 0) error = settle_laneless(writer, stopping);
    if (error == 0) error = flush(writer);
    return error;
}

/* ---- the thread ---- */

static bool nothing_to_do(void *user) {
    const struct writer *writer = user;
    struct tlr_log *log = writer->log;
    if (atomic_load_explicit(&log->stop, memory_order_acquire) != 0) return false;
    if (atomic_load_explicit(&log->reopen, memory_order_acquire) != 0) return false;
    for (unsigned i = 0; i < writer->ring->lane_count; i++) {
        const struct tlr__lane *lane = &writer->ring->lanes[i];
        if (tlr__lane_head(lane) != writer->merge.cursors[i].read) return false;
        if (atomic_load_explicit(&lane->state, memory_order_acquire) == TLR__LANE_RETIRED)
            return false;
        if (atomic_load_explicit(&lane->lost, memory_order_acquire) != writer->lanes[i].seen.lost)
            return false;
    }
    return atomic_load_explicit(&writer->ring->header->laneless_lost, memory_order_acquire) ==
           writer->laneless_seen.lost;
}

/* What is held up is visible, and yet nothing to be done about: spinning would only take the core
 * from the thread that is waited for. */
static bool always(void *user) {
    (void)user;
    return true;
}

static void rest(struct writer *writer, unsigned idle) {
    _Atomic uint32_t *wake = &writer->ring->header->wake;
    if (writer->held_since != 0) {
        tlr__wakeup_rest(wake, TLR__NAP, HELD_REST_NS, always, NULL);
    } else if (idle < NAPS_BEFORE_LONG) {
        tlr__wakeup_rest(wake, TLR__NAP, NAP_NS, nothing_to_do, writer);
    } else if (idle < NAPS_BEFORE_SLEEP || !writer->log->may_sleep) {
        tlr__wakeup_rest(wake, TLR__NAP, LONG_NAP_NS, nothing_to_do, writer);
    } else {
        tlr__wakeup_rest(wake, TLR__ASLEEP, UINT64_MAX, nothing_to_do, writer);
    }
    tlr__ring_file_count(writer->ring, TLR__COUNT_WAKEUPS, 1);
}

static void reopen_if_asked(struct writer *writer) {
    if (atomic_exchange_explicit(&writer->log->reopen, 0, memory_order_acq_rel) == 0) return;
    const int error = tlr__output_reopen(writer->log->output);
    if (error != 0) sink_error_set(writer, error);
}

static void run(struct writer *writer) {
    struct tlr_log *log = writer->log;
    unsigned idle = 0;
    for (;;) {
        const bool stopping = atomic_load_explicit(&log->stop, memory_order_acquire) != 0;
        uint64_t records = 0;
        /* Out of memory is no reason to end: the next look may find some. */
        if (look(writer, stopping, &records) == -ETIMEDOUT) return;
        reopen_if_asked(writer);
        if (stopping && records == 0 && writer->held_since == 0) return;
        idle = records > 0 ? 0 : idle + 1;
        if (records == 0) rest(writer, idle);
    }
}

static void free_writer(struct writer *writer) {
    for (unsigned i = 0; writer->sites != NULL && i < TLR__SITES_MAX; i++)
        tlr__program_free(writer->sites[i].program);
    free(writer->sites);
    free(writer->lanes);
    tlr__merge_free(&writer->merge);
    free(writer);
}

static void *writer_main(void *user) {
    struct writer *writer = user;
    struct tlr_log *log = writer->log;
    char name[TLR_THREAD_NAME_BYTES];
    snprintf(name, sizeof name, "%.8s-writer", log->ring.header->name);
    prctl(PR_SET_NAME, name, 0, 0, 0);
    tlr_thread_attach(NULL, name, TLR_ROLE_WRITER);
    tlr__thread_take_slot(log, log->ring.slot_count - 1);
    pthread_mutex_lock(&log->progress_lock);
    log->writer_runs = true;
    pthread_cond_broadcast(&log->progress);
    pthread_mutex_unlock(&log->progress_lock);
    run(writer);
    tlr__thread_self.home = NULL;
    tlr__thread_self.block = NULL;
    pthread_mutex_lock(&log->progress_lock);
    log->writer_ended = true;
    pthread_cond_broadcast(&log->progress);
    pthread_mutex_unlock(&log->progress_lock);
    free_writer(writer);
    tlr__log_state_release(log);
    return NULL;
}

static int make_writer(struct tlr_log *log, struct writer **out) {
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) return -ENOMEM;
    writer->log = log;
    writer->ring = &log->ring;
    writer->lanes = calloc(log->ring.lane_count, sizeof *writer->lanes);
    writer->sites = calloc(TLR__SITES_MAX, sizeof *writer->sites);
    if (tlr__merge_init(&writer->merge, &log->ring) != 0 || writer->lanes == NULL ||
        writer->sites == NULL) {
        free_writer(writer);
        return -ENOMEM;
    }
    *out = writer;
    return 0;
}

int tlr__writer_start(struct tlr_log *log) {
    struct writer *writer;
    int error = make_writer(log, &writer);
    if (error != 0) return error;
    log->may_sleep = tlr__wakeup_prepare();
    /* The program's signals are its own threads' business; and EPIPE is wanted as an error. */
    atomic_fetch_add_explicit(&log->references, 1, memory_order_relaxed);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = -pthread_create(&log->writer, NULL, writer_main, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        free_writer(writer);
        tlr__log_state_release(log);
        return error;
    }
    pthread_mutex_lock(&log->progress_lock);
    while (!log->writer_runs) pthread_cond_wait(&log->progress, &log->progress_lock);
    pthread_mutex_unlock(&log->progress_lock);
    return 0;
}

static bool wait_for_end(struct tlr_log *log, uint64_t deadline_ns) {
    const struct timespec deadline = tlr__deadline_timespec(deadline_ns);
    pthread_mutex_lock(&log->progress_lock);
    int error = 0;
    while (!log->writer_ended && error == 0)
        error = pthread_cond_timedwait(&log->progress, &log->progress_lock, &deadline);
    const bool ended = log->writer_ended;
    pthread_mutex_unlock(&log->progress_lock);
    return ended;
}

bool tlr__writer_stop(struct tlr_log *log, uint64_t deadline_ns) {
    atomic_store_explicit(&log->stop, 1, memory_order_release);
    tlr__wakeup_wake(&log->ring.header->wake);
    if (!wait_for_end(log, deadline_ns)) {
        atomic_store_explicit(&log->abandon, 1, memory_order_release);
        if (!wait_for_end(log, tlr__deadline_after(ABANDON_NS))) {
            /* Stuck in the kernel (a frozen disk): it keeps its reference, and so its memory. */
            pthread_detach(log->writer);
            return false;
        }
    }
    pthread_join(log->writer, NULL);
    for (unsigned i = 0; i < log->ring.lane_count; i++) {
        const struct tlr__lane *lane = &log->ring.lanes[i];
        if (atomic_load_explicit(&lane->tail, memory_order_acquire) != tlr__lane_head(lane))
            return false;
    }
    return true;
}
