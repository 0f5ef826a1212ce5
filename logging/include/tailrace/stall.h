/* stall.h - waits: saying what a thread is doing, timing its waits, and the ledger of the long
 * ones.
 *
 * Each attached thread has a slot in the ring file that tells what it does now and since when. Any
 * process that may read the ring file can read it, also while the thread is stuck. A wait is put
 * between tlr_block_begin and tlr_block_end; one at or above the threshold is a stall: it goes into
 * the ledger (the last TLR_STALLS_KEPT in the ring file) and to the listener.
 */
#ifndef TAILRACE_STALL_H
#define TAILRACE_STALL_H

#include <tailrace/log.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TLR_STALLS_KEPT 1024
#define TLR_FILE_BYTES 96     /* of a source file's path, the end is kept */
#define TLR_FUNCTION_BYTES 48 /* of a function's name */
#define TLR_TARGET_BYTES 128  /* of what was waited for */

enum tlr_cause {
    TLR_CAUSE_NONE = 0,
    TLR_CAUSE_LANE_FULL = 1,  /* waited, as asked, for room in its lane */
    TLR_CAUSE_SINK_WRITE = 2, /* a write to the log's sink */
    TLR_CAUSE_SINK_LOCK = 3,  /* behind another thread's write to the log's sink */
    TLR_CAUSE_FSYNC = 4,
    TLR_CAUSE_ROTATE = 5,
    TLR_CAUSE_OPEN = 6,          /* opening a file; a FIFO that nobody reads */
    TLR_CAUSE_HANDLER_CPU = 7,   /* a handler that computed on a loop */
    TLR_CAUSE_HANDLER_SLEEP = 8, /* a handler that slept or waited on a loop */
    TLR_CAUSE_POOL_QUEUE = 9,    /* every pool thread was taken */
    TLR_CAUSE_SLEEP = 10,
    TLR_CAUSE_LOCK = 11,
    TLR_CAUSE_SOCKET = 12,
    TLR_CAUSE_FILE = 13, /* reading or writing a file that is no log */
    TLR_CAUSE_OTHER = 14,
    TLR_CAUSE_COUNT = 15,
};

/* "lane_full", "sink_write", ... Thread: any. Blocks: never. */
const char *tlr_cause_name(enum tlr_cause cause);
/* Errors: -EINVAL, `cause` untouched. */
int tlr_cause_parse(const char *name, enum tlr_cause *cause);

/* A stall that has ended. Plain values: may be kept. */
struct tlr_stall {
    uint64_t id;       /* tlr_stall_id of its begin and slot; the same while it lasted */
    uint64_t behind;   /* id of the stall that it waited behind, or 0 */
    uint64_t begin_ns; /* date, nanoseconds since 1970 */
    uint64_t duration_ns;
    uint64_t begin_ticks, end_ticks; /* the same in stamps; 0 when read from another process */
    enum tlr_cause cause;
    enum tlr_role role;
    int tid;
    int fd; /* -1: none */
    unsigned line;
    char thread[TLR_THREAD_NAME_BYTES];
    char file[TLR_FILE_BYTES];
    char function[TLR_FUNCTION_BYTES];
    char target[TLR_TARGET_BYTES]; /* "pipe:[4711]", a path, ...; "" unknown */
    struct tlr_context context;    /* the request it happened in; all zeros: none */
};

/* Names a stall, running or ended, by when it began and whose it is. */
static inline uint64_t tlr_stall_id(uint64_t begin_ns, unsigned slot_index) {
    return (begin_ns / 1000) << 12 | (slot_index & 0xfffu);
}

/* Called in the thread that stalled, right after it went on. Must not block; may log.
 * stall: valid during the call. */
typedef void tlr_stall_fn(const struct tlr_stall *stall, void *user);

/* Sets the process's one listener; NULL removes it. The caller sees to it that `user` outlives
 * calls under way. Thread: setup. Blocks: never. Errors: -EBUSY there is another. */
int tlr_stall_listen(tlr_stall_fn *listener, void *user);

/* The duration from which on a wait is a stall, for the whole process; default 1 ms.
 * Thread: any. Blocks: never. */
void tlr_stall_threshold_set(uint64_t threshold_ns);
uint64_t tlr_stall_threshold(void);

/* ---- waits -------------------------------------------------------------------------------- */

/* A wait under way: the caller's memory, from begin to end. Waits nest. */
struct tlr_block {
    uint64_t begin_ticks;
    uint64_t id; /* of the stall that it is, should it last */
    const struct tlr_site *site;
    uint64_t behind; /* may be set before the end, when it is known only then */
    enum tlr_cause cause;
    int fd;
    struct tlr_block *outer;
};

/* Begins a wait of the calling thread: shown in its slot until the end.
 * fd: what is waited for, or -1. Thread: any. Blocks: never; no system call. */
void tlr_block_begin_at(struct tlr_block *block, const struct tlr_site *site, enum tlr_cause cause,
                        int fd);

/* Ends it; tells a stall if it was one. Returns how long it took, in nanoseconds.
 * Thread: the one that began it. Blocks: never for a wait below the threshold. */
uint64_t tlr_block_end(struct tlr_block *block);

/* The same with the present line as the site. */
#define tlr_block_begin(block, cause, fd)                         \
    do {                                                          \
        TLR_SITE_DEFINE(tlr_site_, TLR_LEVEL_DEBUG, 0, NULL, ""); \
        tlr_block_begin_at(block, &tlr_site_, cause, fd);         \
    } while (0)

/* Tells a stall that was not timed by a block (a handler's own computing, a queue's wait): ledger
 * and listener, if at or above the threshold. It is the calling thread's. Returns its id, or 0 if
 * it was below the threshold. Thread: any. Blocks: never. */
uint64_t tlr_stall_report(const struct tlr_site *site, enum tlr_cause cause, uint64_t begin_ticks,
                          uint64_t end_ticks, uint64_t behind);

/* ---- what a thread is doing ---------------------------------------------------------------- */

enum tlr_thread_state {
    TLR_THREAD_IDLE = 0,    /* a pool thread without a job */
    TLR_THREAD_POLLING = 1, /* a loop waiting for events */
    TLR_THREAD_RUNNING = 2, /* in a callback, handler or job */
    TLR_THREAD_BLOCKED = 3, /* between tlr_block_begin and _end */
};

/* "idle", "polling", "running", "blocked". */
const char *tlr_thread_state_name(enum tlr_thread_state state);

/* Says what the calling thread does from now on.
 * site: of the handler or job, or NULL. context: its request, or NULL.
 * Thread: attached; no effect elsewhere. Blocks: never (a few stores and a stamp). */
void tlr_thread_state_set(enum tlr_thread_state state, const struct tlr_site *site,
                          const struct tlr_context *context);

#ifdef __cplusplus
}
#endif
#endif
