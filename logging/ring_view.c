/* ring_view.c - what ring.h reads out of a mapping, this process's own or another's. */
#include "lane.h"
#include "slot.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t date_of(const struct tlr_ring *ring, uint64_t ticks) {
    return tlr__clock_line_date_ns(&ring->header->clock, ticks);
}

static void site_of(const struct tlr_ring *ring, uint32_t number, char file[TLR_FILE_BYTES],
                    char function[TLR_FUNCTION_BYTES], unsigned *line) {
    struct tlr__site_text text;
    file[0] = '\0';
    function[0] = '\0';
    *line = 0;
    if (tlr__ring_file_site(ring, number, &text) != 0) return;
    /* Bounded: a hostile owner may take the terminators away after they were looked for. */
    snprintf(file, TLR_FILE_BYTES, "%.*s", TLR_FILE_BYTES - 1, text.file);
    snprintf(function, TLR_FUNCTION_BYTES, "%.*s", TLR_FUNCTION_BYTES - 1, text.function);
    *line = text.line;
}

static bool is_alive(const struct tlr__ring_header *header) {
    return header->pid > 0 && tlr__ring_file_process_start(header->pid) == header->process_start;
}

void tlr_ring_info(const struct tlr_ring *ring, struct tlr_ring_info *info) {
    const struct tlr__ring_header *header = ring->header;
    memset(info, 0, sizeof *info);
    info->pid = header->pid;
    info->alive = is_alive(header);
    memcpy(info->name, header->name, sizeof info->name - 1);
    info->mode = (enum tlr_mode)header->mode;
    info->opened_ns = header->opened_ns;
    info->lane_count = ring->lane_count;
    info->lane_bytes = ring->lane_bytes;
    info->writer_fd = atomic_load_explicit(&header->writer_fd, memory_order_relaxed);
    tlr__ring_file_text_load(header->target, TLR_TARGET_BYTES / 8, info->target);
    struct tlr_thread_view writer;
    if (tlr_ring_thread(ring, ring->slot_count - 1, &writer) != 0) return;
    info->writer_tid = writer.tid;
    info->writer_state = writer.state;
    info->writer_cause = writer.cause;
    info->writer_since_ns = writer.since_ns;
}

void tlr_ring_stats(const struct tlr_ring *ring, struct tlr_log_stats *stats) {
    const struct tlr__ring_header *header = ring->header;
    uint64_t counters[TLR__COUNTER_COUNT];
    memset(stats, 0, sizeof *stats);
    for (unsigned i = 0; i < TLR__COUNTER_COUNT; i++)
        counters[i] = atomic_load_explicit(&header->counters[i], memory_order_relaxed);
    for (unsigned i = 0; i < TLR_REASON_COUNT; i++)
        stats->dropped[i] = atomic_load_explicit(&header->dropped[i], memory_order_relaxed);
    stats->written = counters[TLR__COUNT_WRITTEN];
    stats->gaps = counters[TLR__COUNT_GAPS];
    stats->announced = counters[TLR__COUNT_ANNOUNCED];
    stats->bytes = counters[TLR__COUNT_BYTES];
    stats->writes = counters[TLR__COUNT_WRITES];
    stats->sink_errors = counters[TLR__COUNT_SINK_ERRORS];
    stats->segments_deleted = counters[TLR__COUNT_SEGMENTS_DELETED];
    stats->late = counters[TLR__COUNT_LATE];
    stats->wakeups = counters[TLR__COUNT_WAKEUPS];
    stats->sink_error = atomic_load_explicit(&header->sink_error, memory_order_relaxed);
    stats->ring_private = atomic_load_explicit(&header->ring_private, memory_order_relaxed);
    stats->lane_count = ring->lane_count;
    for (unsigned i = 0; i < ring->lane_count; i++) {
        if (atomic_load_explicit(&ring->lanes[i].state, memory_order_relaxed) != TLR__LANE_FREE)
            stats->lanes_used++;
    }
    stats->ring_bytes = ring->total_bytes;
}

unsigned tlr_ring_thread_count(const struct tlr_ring *ring) {
    return ring->slot_count;
}

static void lane_view(const struct tlr_ring *ring, unsigned index, struct tlr_thread_view *view) {
    if (index >= ring->lane_count) return;
    const struct tlr__lane *lane = &ring->lanes[index];
    const uint64_t tail = atomic_load_explicit(&lane->tail, memory_order_acquire);
    const uint64_t used = tlr__lane_head(lane) - tail;
    view->records = atomic_load_explicit(&lane->records, memory_order_relaxed);
    view->dropped = atomic_load_explicit(&lane->lost, memory_order_relaxed);
    view->lane_used_bytes = used <= ring->lane_bytes ? (size_t)used : 0;
}

int tlr_ring_thread(const struct tlr_ring *ring, unsigned index, struct tlr_thread_view *view) {
    if (index >= ring->slot_count) return -ENOENT;
    struct tlr__slot_copy copy;
    const int error = tlr__slot_read(&ring->slots[index], &copy);
    if (error != 0) return error;
    memset(view, 0, sizeof *view);
    view->tid = copy.tid;
    view->state = (enum tlr_thread_state)(copy.doing & 0xffu);
    view->cause = (enum tlr_cause)(copy.doing >> 8 & 0xffu);
    view->role = (enum tlr_role)(copy.doing >> 16 & 0xffu);
    view->fd = copy.fd;
    view->since_ns = date_of(ring, copy.since_ticks);
    view->stall_id = copy.stall_id;
    view->behind = copy.behind;
    view->context = copy.context;
    memcpy(view->name, copy.name, sizeof view->name);
    site_of(ring, copy.site, view->file, view->function, &view->line);
    lane_view(ring, index, view);
    return 0;
}

static int ledger_read(const struct tlr_ring *ring, uint64_t number, struct tlr_stall *stall) {
    const struct tlr__ledger_entry *entry = &ring->ledger[number % TLR_STALLS_KEPT];
    const uint32_t before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    uint64_t context[4];
    memset(stall, 0, sizeof *stall);
    const uint32_t site = atomic_load_explicit(&entry->site, memory_order_acquire);
    const uint32_t kind = atomic_load_explicit(&entry->kind, memory_order_acquire);
    stall->tid = atomic_load_explicit(&entry->tid, memory_order_acquire);
    stall->fd = atomic_load_explicit(&entry->fd, memory_order_acquire);
    stall->id = atomic_load_explicit(&entry->id, memory_order_acquire);
    stall->behind = atomic_load_explicit(&entry->behind, memory_order_acquire);
    stall->begin_ns = atomic_load_explicit(&entry->begin_ns, memory_order_acquire);
    stall->duration_ns = atomic_load_explicit(&entry->duration_ns, memory_order_acquire);
    tlr__ring_file_text_load(entry->name, TLR_THREAD_NAME_BYTES / 8, stall->thread);
    tlr__ring_file_text_load(entry->target, TLR_TARGET_BYTES / 8, stall->target);
    for (int i = 0; i < 4; i++)
        context[i] = atomic_load_explicit(&entry->context[i], memory_order_acquire);
    memcpy(&stall->context, context, sizeof context);
    if (atomic_load_explicit(&entry->sequence, memory_order_relaxed) != before ||
        (before & 1u) != 0 || stall->id == 0)
        return -EAGAIN;
    stall->cause = (enum tlr_cause)(kind & 0xffu);
    stall->role = (enum tlr_role)(kind >> 8 & 0xffu);
    site_of(ring, site, stall->file, stall->function, &stall->line);
    return 0;
}

uint64_t tlr_ring_stall_count(const struct tlr_ring *ring) {
    return atomic_load_explicit(&ring->header->counters[TLR__COUNT_STALLS], memory_order_relaxed);
}

size_t tlr_ring_stalls(const struct tlr_ring *ring, struct tlr_stall *stalls, size_t capacity) {
    const uint64_t count = tlr_ring_stall_count(ring);
    uint64_t kept = count < TLR_STALLS_KEPT ? count : TLR_STALLS_KEPT;
    if (kept > capacity) kept = capacity;
    size_t copied = 0;
    for (uint64_t number = count - kept; number < count; number++)
        if (ledger_read(ring, number, &stalls[copied]) == 0) copied++;
    return copied;
}

/* ---- finding ---- */

/* The number between the last dot before `end` and `end`; -1: there is none. Moves `end` to the
 * dot. */
static long last_number(const char *name, const char **end) {
    const char *digits = *end;
    while (digits > name && digits[-1] >= '0' && digits[-1] <= '9') digits--;
    if (digits == *end || digits == name || digits[-1] != '.' || *end - digits > 9) return -1;
    *end = digits - 1;
    return strtol(digits, NULL, 10);
}

/* NAME.PID.ring, or NAME.PID.COPY.ring with COPY below TLR_LOGS_MAX. */
static bool belongs_to(const char *name, int pid) {
    const size_t bytes = strlen(name);
    if (bytes < 6 || strcmp(name + bytes - 5, ".ring") != 0) return false;
    if (pid == 0) return true;
    const char *end = name + bytes - 5;
    const long last = last_number(name, &end);
    return last == pid || (last >= 0 && last < TLR_LOGS_MAX && last_number(name, &end) == pid);
}

/* A directory that someone else than its name says made, or may write to, could hold anything. */
static bool is_trustworthy(const char *directory, const char *name) {
    struct stat status;
    if (lstat(directory, &status) != 0 || !S_ISDIR(status.st_mode)) return false;
    char *end;
    const unsigned long uid = strtoul(name, &end, 10);
    return *end == '\0' && end != name && status.st_uid == uid && (status.st_mode & 022) == 0;
}

/* The owner of a process, or -1. */
static long owner_of(int pid) {
    char path[40];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d", pid);
    return stat(path, &status) == 0 ? (long)status.st_uid : -1;
}

static int visit_directory(const char *directory, int pid, tlr_ring_visit_fn *visit, void *user) {
    DIR *stream = opendir(directory);
    if (stream == NULL) return -errno;
    int result = 0;
    const struct dirent *entry;
    while (result == 0 && (entry = readdir(stream)) != NULL) {
        if (!belongs_to(entry->d_name, pid)) continue;
        char *path;
        if (asprintf(&path, "%s/%s", directory, entry->d_name) < 0) {
            result = -ENOMEM;
            break;
        }
        result = visit(path, user);
        free(path);
    }
    closedir(stream);
    return result;
}

/* The directories of all users, or of the process's own; those that may not be read or trusted are
 * passed over. */
static int visit_all_users(int pid, tlr_ring_visit_fn *visit, void *user) {
    const long owner = pid != 0 ? owner_of(pid) : -1;
    DIR *stream = opendir("/dev/shm");
    if (stream == NULL) return -errno;
    int result = -ENOENT;
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        if (strncmp(entry->d_name, "tailrace-", strlen("tailrace-")) != 0) continue;
        char *path;
        if (asprintf(&path, "/dev/shm/%s", entry->d_name) < 0) continue;
        const char *uid = entry->d_name + strlen("tailrace-");
        const bool other = owner >= 0 && strtol(uid, NULL, 10) != owner;
        const int visited =
            other || !is_trustworthy(path, uid) ? -ENOENT : visit_directory(path, pid, visit, user);
        free(path);
        if (visited >= 0) result = visited;
        if (visited > 0) break;
    }
    closedir(stream);
    return result;
}

int tlr_ring_find(const char *directory, int pid, tlr_ring_visit_fn *visit, void *user) {
    return directory != NULL ? visit_directory(directory, pid, visit, user)
                             : visit_all_users(pid, visit, user);
}
