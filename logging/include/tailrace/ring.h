/* ring.h - looking into a ring file: this process's own, a live one's, or a dead one's.
 *
 * Reading never disturbs the writer or the producers and needs no cooperation of theirs. The file
 * is taken as hostile: every offset and count is checked, and what does not hold reads as missing.
 */
#ifndef TAILRACE_RING_H
#define TAILRACE_RING_H

#include <tailrace/stall.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tlr_ring;

/* Maps a ring file for reading. Owns: *ring until tlr_ring_close.
 * Thread: any. Blocks: on I/O. Errors: errno of open or mmap; -EBADMSG not a ring file;
 * -EPROTONOSUPPORT of another version. */
int tlr_ring_open(struct tlr_ring **ring, const char *path);
void tlr_ring_close(struct tlr_ring *ring);

/* The ring of an open log. Owned by the log, valid until its close. */
const struct tlr_ring *tlr_log_ring(const struct tlr_log *log);

/* The ring of the index-th open log of this process, or NULL; 0 <= index < TLR_LOGS_MAX. Valid
 * until that log closes, which the caller sees to. Thread: any. Blocks: never. */
const struct tlr_ring *tlr_process_ring(unsigned index);

/* Calls `visit` with the path of each ring file in `directory` (NULL: the default one of every user
 * that may be read) that belongs to process `pid` (0: all); stops when it returns nonzero and
 * returns that. Errors: errno of reading the directory (-ENOENT: none). */
typedef int tlr_ring_visit_fn(const char *path, void *user);
int tlr_ring_find(const char *directory, int pid, tlr_ring_visit_fn *visit, void *user);

struct tlr_ring_info {
    int pid;
    int alive; /* the process that made it is running (pid and start time agree) */
    char name[32];
    enum tlr_mode mode;
    uint64_t opened_ns; /* date */
    unsigned lane_count;
    size_t lane_bytes;
    enum tlr_thread_state writer_state; /* IDLE while it naps or sleeps, BLOCKED in its sink */
    enum tlr_cause writer_cause;        /* what it is blocked in */
    uint64_t writer_since_ns;           /* date */
    char target[TLR_TARGET_BYTES];      /* the sink: path or "pipe:[4711]" */
    int writer_tid;
    int writer_fd; /* the sink's descriptor in that process, or -1 */
};
void tlr_ring_info(const struct tlr_ring *ring, struct tlr_ring_info *info);

/* Counters as tlr_log_stats gives them. */
void tlr_ring_stats(const struct tlr_ring *ring, struct tlr_log_stats *stats);

/* One thread as its slot tells it. Plain values. */
struct tlr_thread_view {
    int tid;
    enum tlr_role role;
    enum tlr_thread_state state;
    enum tlr_cause cause; /* of the innermost wait, if blocked */
    int fd;
    unsigned line;
    uint64_t since_ns; /* date from which on it has been in this state */
    uint64_t stall_id; /* of the wait under way, if blocked; else 0 */
    uint64_t behind;   /* id of the stall it waits behind, or 0 */
    uint64_t records;  /* written into its lane so far */
    uint64_t dropped;
    size_t lane_used_bytes;
    char name[TLR_THREAD_NAME_BYTES];
    char file[TLR_FILE_BYTES];
    char function[TLR_FUNCTION_BYTES];
    struct tlr_context context;
};

/* Slots are 0 .. tlr_ring_thread_count - 1. Errors: -ENOENT the slot is free; -EAGAIN it kept
 * changing while it was read. */
unsigned tlr_ring_thread_count(const struct tlr_ring *ring);
int tlr_ring_thread(const struct tlr_ring *ring, unsigned index, struct tlr_thread_view *view);

/* Copies the newest stalls, oldest first, at most `capacity`; returns how many. */
size_t tlr_ring_stalls(const struct tlr_ring *ring, struct tlr_stall *stalls, size_t capacity);

/* Stalls told since the log was opened, those no longer kept included. */
uint64_t tlr_ring_stall_count(const struct tlr_ring *ring);

#ifdef __cplusplus
}
#endif
#endif
