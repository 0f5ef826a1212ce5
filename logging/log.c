#include "log_state.h"

#include "category.h"
#include "deadline.h"
#include "registry.h"
#include "ring_reap.h"
#include "site.h"
#include "stall.h"
#include "sync.h"
#include "thread.h"
#include "wakeup.h"
#include "writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LANES_DEFAULT 16u
#define LANES_MAX 256u
#define LANE_BYTES_DEFAULT (256u * 1024u)
#define LANE_BYTES_MIN 4096u
#define LANE_BYTES_MAX (64u * 1024u * 1024u)

/* ---- the call ---- */

static void count_lost(struct tlr_log *log, enum tlr_reason reason) {
    /* A trace's losses are the trace's own affair: no access line is to tell of them. */
    if (log == NULL || log->format != TLR_FORMAT_SEGMENT) tlr__thread_self.counts.dropped++;
    if (log != NULL)
        atomic_fetch_add_explicit(&log->ring.header->dropped[reason], 1, memory_order_relaxed);
}

/* Drops of threads that have no lane share one table: its entries are taken by compare-exchange. */
static void lose_laneless(struct tlr_log *log, uint32_t site, enum tlr_reason reason) {
    struct tlr__loss *losses = log->ring.header->laneless;
    const uint32_t mark = (uint32_t)reason + 1;
    unsigned i = 0;
    for (; i < TLR__LOSSES_KEPT - 1; i++) {
        uint32_t there = 0;
        if (atomic_compare_exchange_strong_explicit(&losses[i].site, &there, site + 1,
                                                    memory_order_relaxed, memory_order_relaxed)) {
            atomic_store_explicit(&losses[i].reason, mark, memory_order_relaxed);
            break;
        }
        if (there == site + 1 &&
            atomic_load_explicit(&losses[i].reason, memory_order_relaxed) == mark)
            break;
    }
    atomic_fetch_add_explicit(&losses[i].count, 1, memory_order_release);
    atomic_fetch_add_explicit(&log->ring.header->laneless_lost, 1, memory_order_release);
    count_lost(log, reason);
}

static void lose(struct tlr__producer *producer, uint32_t site, enum tlr_reason reason) {
    tlr__lane_lose(producer, site, reason);
    count_lost(producer->log, reason);
}

/* One record, if there is room before the limit. Returns 0, or -EAGAIN with the record's size.
 * Two shapes of arguments are written out here, without a table of sizes: words only, and words
 * with one string behind them. They are nearly all there are, and what a call costs is what they
 * cost. */
static inline __attribute__((always_inline)) int
write_record(struct tlr__producer *producer, const struct tlr__site_entry *entry, unsigned category,
             const union tlr_value *values, size_t *bytes) {
    const struct tlr__thread *thread = &tlr__thread_self;
    const struct tlr__plan *plan = &entry->plan;
    const unsigned word_count = plan->word_count;
    const uint32_t context_bytes = thread->context_bytes;
    uint32_t string_sizes[TLR_VALUES_MAX];
    uint32_t last_size = 0;
    size_t last_room = 0;
    tlr__lane_intend(producer, entry->number);
    const uint64_t stamp = tlr__clock_ticks();
    size_t size = sizeof(struct tlr__record_header) + context_bytes;
    if (plan->one_string_last) {
        last_size = tlr__encode_string_size(values[word_count].pointer);
        last_room = tlr__encode_string_room(last_size);
        size += (size_t)word_count * 8 + last_room;
    } else if (word_count == plan->value_count) {
        size += (size_t)word_count * 8;
    } else {
        size += tlr__encode_bytes(plan, values, string_sizes);
    }
    *bytes = size;
    const struct tlr__reserved reserved = tlr__lane_reserve(producer, size);
    struct tlr__record_header *header = reserved.header;
    if (__builtin_expect(header == NULL, 0)) {
        tlr__lane_desist(producer);
        return -EAGAIN;
    }
    header->stamp = stamp;
    header->bytes = (uint32_t)size;
    header->site = entry->number;
    header->about = tlr__record_about(category, entry->level,
                                      context_bytes / (uint32_t)sizeof(struct tlr_context));
    header->lost = producer->lost;
    unsigned char *out = (unsigned char *)(header + 1);
    if (__builtin_expect(context_bytes > 0, 0))
        memcpy(out, &thread->context, sizeof thread->context);
    out += context_bytes;
    if (plan->one_string_last) {
        out = tlr__encode_words(out, values, word_count);
        tlr__encode_string(out, values[word_count].pointer, last_size, last_room);
    } else if (word_count == plan->value_count) {
        tlr__encode_words(out, values, word_count);
    } else {
        tlr__encode_write(plan, values, string_sizes, out);
    }
    tlr__lane_publish(producer, reserved.end);
    return 0;
}

/* Waits for room as the thread asked for it. Returns 0 when there is some now. */
static int wait_for_room(struct tlr__producer *producer, const struct tlr_site *site,
                         size_t bytes) {
    const uint64_t deadline =
        tlr_clock_ticks() + tlr_clock_ticks_of_ns(tlr__thread_self.full_wait_ns);
    struct tlr_block block;
    int error;
    tlr_block_begin_at(
        &block, site, TLR_CAUSE_LANE_FULL,
        atomic_load_explicit(&producer->log->ring.header->writer_fd, memory_order_relaxed));
    do {
        const uint32_t seen = tlr__lane_wait_prepare(producer);
        error = tlr__lane_extend(producer, bytes, (enum tlr_level)site->level, NULL);
        if (error != -EAGAIN) break;
        tlr__wakeup_wake(&producer->log->ring.header->wake);
        error = tlr__lane_wait(producer, seen, deadline);
    } while (error == 0);
    tlr__lane_wait_end(producer);
    tlr_block_end(&block);
    return error;
}

/* The limit was met: more room may be free by now, or the thread waits, or the record is dropped.
 * Returns 0 unless the lane was closed. */
static int __attribute__((noinline))
write_record_slowly(struct tlr__producer *producer, const struct tlr_site *site,
                    const struct tlr__site_entry *entry, unsigned category,
                    const union tlr_value *values, size_t bytes) {
    uint64_t used = 0;
    int error = -EMSGSIZE;
    if (bytes <= (producer->mask + 1) / 4 && bytes <= TLR__PAYLOAD_BYTES_MAX)
        error = tlr__lane_extend(producer, bytes, (enum tlr_level)entry->level, &used);
    /* Half full: the writer is called from its nap. */
    if (used > producer->mask / 2) tlr__wakeup_wake(producer->wake);
    if (error == -EAGAIN && tlr__thread_self.full_wait_ns > 0)
        error = wait_for_room(producer, site, bytes);
    if (error == 0) error = write_record(producer, entry, category, values, &bytes);
    switch (error) {
    case 0:
    case -ESHUTDOWN:
        return error;
    case -EMSGSIZE:
        lose(producer, entry->number, TLR_REASON_TOO_LARGE);
        return 0;
    case -ETIMEDOUT:
        lose(producer, entry->number, TLR_REASON_DEADLINE);
        return 0;
    default:
        lose(producer, entry->number, TLR_REASON_LANE_FULL);
        return 0;
    }
}

/* A record into the thread's lane; true unless the lane was closed or the site is new. */
static inline __attribute__((always_inline)) bool call_lane(struct tlr__producer *producer,
                                                            const struct tlr_site *site,
                                                            unsigned category,
                                                            const union tlr_value *values) {
    const struct tlr__site_entry *entry = tlr__site_known(site);
    /* No lane: a forked child's, or synchronous mode. */
    if (__builtin_expect(producer->shared == NULL || entry == NULL, 0)) return false;
    if (__builtin_expect(atomic_load_explicit(&producer->busy, memory_order_relaxed) != 0, 0)) {
        /* In a signal handler, inside a call of the same thread: its lane is not to be touched. */
        lose_laneless(producer->log, entry->number, TLR_REASON_REENTRANT);
        return true;
    }
    atomic_store_explicit(&producer->busy, 1, memory_order_relaxed);
    atomic_signal_fence(
        memory_order_seq_cst); /* the rest of this order is the close's membarrier */
    size_t bytes;
    int error = write_record(producer, entry, category, values, &bytes);
    if (__builtin_expect(error != 0, 0))
        error = write_record_slowly(producer, site, entry, category, values, bytes);
    atomic_store_explicit(&producer->busy, 0, memory_order_release);
    if (__builtin_expect(error != 0, 0)) return false;
    tlr__wakeup_published(producer->wake, (enum tlr__wake)entry->wakes_from);
    return true;
}

/* Why a synchronous line was lost. */
static enum tlr_reason reason_of(int error) {
    if (error == -EMSGSIZE) return TLR_REASON_TOO_LARGE;
    return error == -EDEADLK ? TLR_REASON_REENTRANT : TLR_REASON_SINK;
}

static void call_open_log(struct tlr_log *log, const struct tlr_site *site,
                          struct tlr_category *category, const union tlr_value *values) {
    const struct tlr__site_entry *entry = tlr__site_register(site);
    const unsigned category_number = __atomic_load_n(&category->number, __ATOMIC_ACQUIRE);
    if (entry == NULL || category_number == 0) {
        lose_laneless(log, 0, TLR_REASON_NO_SITE);
        return;
    }
    struct tlr__producer *producer = tlr__thread_producer(log);
    if (atomic_load_explicit(&log->closing, memory_order_seq_cst) != 0) {
        count_lost(log, TLR_REASON_CLOSED);
    } else if (log->mode == TLR_MODE_SYNC) {
        const int error = tlr__sync_write(log, site, entry, category, values);
        if (error == 0)
            tlr__thread_self.sync_lines++;
        else
            lose_laneless(log, entry->number, reason_of(error));
    } else if (producer == NULL) {
        lose_laneless(log, entry->number, TLR_REASON_NO_LANE);
    } else if (!call_lane(producer, site, category_number, values)) {
        count_lost(log, TLR_REASON_CLOSED);
    }
}

/* The log a category goes to, with a reference; the first call of a category registers it. */
static struct tlr_log *log_of(struct tlr_category *category) {
    const unsigned index = __atomic_load_n(&category->log_index, __ATOMIC_ACQUIRE);
    struct tlr_log *log = tlr__registry_look(index < TLR_LOGS_MAX ? index : 0);
    if (log != NULL) atomic_fetch_add_explicit(&log->references, 1, memory_order_relaxed);
    tlr__registry_look_end();
    if (log != NULL) tlr__category_register(category, log->level);
    return log;
}

int tlr_category_resolve(struct tlr_category *category, enum tlr_level level) {
    struct tlr_log *log = log_of(category);
    if (log == NULL) return 1; /* no log is open: the call will be counted */
    tlr__log_state_release(log);
    return (unsigned char)level >= __atomic_load_n(&category->threshold, __ATOMIC_RELAXED);
}

/* First calls, synchronous mode, closed logs: everything that is not a record into a known lane. */
static void __attribute__((noinline))
call_slowly(const struct tlr_site *site, struct tlr_category *category,
            const union tlr_value *values) {
    struct tlr_log *log = log_of(category);
    if (log == NULL) {
        count_lost(NULL, TLR_REASON_CLOSED);
        return;
    }
    call_open_log(log, site, category, values);
    tlr__log_state_release(log);
}

void tlr_log_call(const struct tlr_site *site, struct tlr_category *category,
                  const union tlr_value *values) {
    const unsigned index = __atomic_load_n(&category->log_index, __ATOMIC_ACQUIRE);
    struct tlr__producer *producer = tlr__thread_self.producers[index];
    const unsigned category_number = __atomic_load_n(&category->number, __ATOMIC_RELAXED);
    if (__builtin_expect(producer != NULL, 1) && call_lane(producer, site, category_number, values))
        return;
    call_slowly(site, category, values);
}

/* ---- opening ---- */

static int options_fill(struct tlr_log_options *options) {
    if (options->lane_count == 0) options->lane_count = LANES_DEFAULT;
    if (options->lane_bytes == 0) options->lane_bytes = LANE_BYTES_DEFAULT;
    if (options->level == TLR_LEVEL_UNSET) options->level = TLR_LEVEL_INFO;
    if (options->name == NULL) options->name = "log";
    if (options->segment_bytes == 0) options->segment_bytes = (size_t)64 << 20;
    if (options->total_bytes == 0) options->total_bytes = UINT64_C(1) << 30;
    const bool power = (options->lane_bytes & (options->lane_bytes - 1)) == 0;
    if (options->lane_count > LANES_MAX || !power || options->lane_bytes < LANE_BYTES_MIN ||
        options->lane_bytes > LANE_BYTES_MAX || options->level > TLR_LEVEL_OFF ||
        options->mode > TLR_MODE_SYNC || options->format > TLR_FORMAT_SEGMENT ||
        strchr(options->name, '/') != NULL || strlen(options->name) > 31)
        return -EINVAL;
    return 0;
}

static int make_producers(struct tlr_log *log, unsigned count) {
    const size_t bytes = count * sizeof *log->producers;
    log->producers = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (log->producers == MAP_FAILED) {
        log->producers = NULL;
        return -ENOMEM;
    }
    return madvise(log->producers, bytes, MADV_WIPEONFORK) == 0 ? 0 : -errno;
}

static void init_locks(struct tlr_log *log) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&log->progress, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&log->progress_lock, NULL);
    pthread_mutex_init(&log->sync_lock, NULL);
}

static void publish_target(struct tlr_log *log) {
    char target[TLR_TARGET_BYTES];
    tlr__output_describe(log->output, target);
    tlr__ring_file_text_store(log->ring.header->target, TLR_TARGET_BYTES / 8, target);
    atomic_store_explicit(&log->ring.header->writer_fd, tlr__output_fd(log->output),
                          memory_order_relaxed);
}

int tlr_log_open(struct tlr_log **out, const struct tlr_log_options *given) {
    struct tlr_log_options options = *given;
    int error = options_fill(&options);
    if (error != 0) return error;
    tlr__clock_process_line();
    struct tlr_log *log = calloc(1, sizeof *log);
    if (log == NULL) return -ENOMEM;
    log->pid = getpid();
    log->mode = options.mode;
    log->format = options.format;
    log->level = options.level;
    atomic_store_explicit(&log->references, 1, memory_order_relaxed);
    init_locks(log);
    tlr__ring_reap(options.ring_directory);
    error = tlr__output_open(&log->output, &options);
    if (error != 0) goto free_log;
    error = tlr__ring_file_make(&log->ring, options.ring_directory, options.name, options.mode,
                                options.lane_count, options.lane_bytes);
    if (error != 0) goto close_output;
    error = make_producers(log, options.lane_count + 1);
    if (error != 0) goto unmake_ring;
    publish_target(log);
    if (log->mode == TLR_MODE_SYNC) error = tlr__sync_open(log);
    if (error != 0) goto unmap_producers;
    tlr__site_copy_all(&log->ring);
    tlr__category_copy_all(&log->ring);
    if (log->mode == TLR_MODE_RING) error = tlr__writer_start(log);
    if (error != 0) goto close_sync;
    /* Last: from here on other threads may use it. */
    error = tlr__registry_add(log, options.is_private ? 1 : 0, &log->index);
    if (error != 0) goto stop_writer;
    /* What was registered meanwhile did not see this log; the writer too would notice. */
    tlr__site_copy_all(&log->ring);
    tlr__category_copy_all(&log->ring);
    if (options.stall_threshold_ns != 0) tlr_stall_threshold_set(options.stall_threshold_ns);
    *out = log;
    return 0;

stop_writer:
    if (log->mode == TLR_MODE_RING) tlr__writer_stop(log, UINT64_MAX);
close_sync:
    tlr__sync_close(log);
unmap_producers:
    munmap(log->producers, (options.lane_count + 1) * sizeof *log->producers);
unmake_ring:
    tlr__ring_file_remove(&log->ring);
    tlr__ring_file_unmake(&log->ring);
close_output:
    tlr__output_close(log->output);
free_log:
    free(log);
    return error;
}

void tlr_category_bind(struct tlr_category *category, const struct tlr_log *log) {
    const unsigned index = log != NULL ? log->index : 0;
    tlr__category_register(category, log != NULL ? log->level : TLR_LEVEL_INFO);
    __atomic_store_n(&category->log_index, (unsigned char)index, __ATOMIC_RELEASE);
}

/* ---- closing ---- */

void tlr__log_state_release(struct tlr_log *log) {
    if (atomic_fetch_sub_explicit(&log->references, 1, memory_order_acq_rel) != 1) return;
    tlr__registry_forget(log);
    tlr__sync_close(log);
    tlr__output_close(log->output);
    munmap(log->producers, log->ring.slot_count * sizeof *log->producers);
    tlr__ring_file_unmake(&log->ring);
    free(log);
}

static void pause_1ms(void) {
    nanosleep(&(struct timespec){.tv_nsec = (long)TLR_NS_PER_MS}, NULL);
}

/* No call begins a record once its limit is 0; those that had passed the limit before are waited
 * for. The barrier makes each of them visible as busy. False: one was still in its call when time
 * was up. */
static bool shut_lanes(struct tlr_log *log, uint64_t deadline_ns) {
    for (unsigned i = 0; i < log->ring.lane_count; i++) tlr__lane_shut(&log->producers[i]);
    if (!tlr__wakeup_barrier()) pause_1ms();
    for (unsigned i = 0; i < log->ring.lane_count; i++) {
        while (atomic_load_explicit(&log->producers[i].busy, memory_order_acquire) != 0) {
            if (tlr__deadline_now() >= deadline_ns) return false;
            pause_1ms();
        }
    }
    return true;
}

int tlr_log_close(struct tlr_log *log, uint64_t deadline_ns) {
    if (log == NULL) return 0;
    if (log->pid != getpid()) return -EPERM;
    const uint64_t deadline = tlr__deadline_after(deadline_ns);
    bool complete = true;
    atomic_store_explicit(&log->closing, 1, memory_order_seq_cst);
    if (log->mode == TLR_MODE_RING) {
        complete = shut_lanes(log, deadline);
        complete = tlr__writer_stop(log, deadline) && complete;
    }
    /* Threads that stay attached keep the mapping, but nobody needs the file any more. */
    if (complete) tlr__ring_file_remove(&log->ring);
    tlr__registry_remove(log, log->index);
    tlr__registry_linger(log);
    tlr__thread_leave(log->index);
    tlr__log_state_release(log);
    return complete ? 0 : -ETIMEDOUT;
}

/* ---- flushing, reopening, counting ---- */

static bool reached(const struct tlr_log *log, const uint64_t *heads) {
    for (unsigned i = 0; i < log->ring.lane_count; i++) {
        const uint64_t tail = atomic_load_explicit(&log->ring.lanes[i].tail, memory_order_acquire);
        if ((int64_t)(tail - heads[i]) < 0) return false;
    }
    return true;
}

int tlr_log_flush(struct tlr_log *log, uint64_t deadline_ns) {
    uint64_t heads[LANES_MAX];
    if (log->pid != getpid()) return -EPERM;
    const struct timespec deadline = tlr__deadline_timespec(tlr__deadline_after(deadline_ns));
    for (unsigned i = 0; i < log->ring.lane_count; i++)
        heads[i] = tlr__lane_head(&log->ring.lanes[i]);
    int error = 0;
    pthread_mutex_lock(&log->progress_lock);
    while (!reached(log, heads) && error == 0) {
        tlr__wakeup_wake(&log->ring.header->wake);
        error = pthread_cond_timedwait(&log->progress, &log->progress_lock, &deadline);
    }
    const bool done = reached(log, heads);
    pthread_mutex_unlock(&log->progress_lock);
    return done ? 0 : -ETIMEDOUT;
}

int tlr_log_reopen(struct tlr_log *log) {
    if (log->pid != getpid()) return -EPERM;
    if (!tlr__output_has_path(log->output)) return -ENOTSUP;
    if (log->mode == TLR_MODE_SYNC) {
        pthread_mutex_lock(&log->sync_lock);
        const int error = tlr__output_reopen(log->output);
        pthread_mutex_unlock(&log->sync_lock);
        return error;
    }
    atomic_store_explicit(&log->reopen, 1, memory_order_release);
    tlr__wakeup_wake(&log->ring.header->wake);
    return 0;
}

void tlr_log_stats(const struct tlr_log *log, struct tlr_log_stats *stats) {
    tlr_ring_stats(&log->ring, stats);
}

const char *tlr_log_ring_path(const struct tlr_log *log) {
    return log->ring.path != NULL ? log->ring.path : "";
}

const struct tlr_ring *tlr_log_ring(const struct tlr_log *log) {
    return &log->ring;
}

const struct tlr_ring *tlr_process_ring(unsigned index) {
    if (index >= TLR_LOGS_MAX) return NULL;
    const struct tlr_log *log = tlr__registry_look(index);
    tlr__registry_look_end();
    return log != NULL ? &log->ring : NULL;
}
