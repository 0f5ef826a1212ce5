/* log.h - the asynchronous logger: a call never waits for the log, and nothing accepted is lost.
 *
 *     TLR_CATEGORY(http, "server.http");
 *
 *     struct tlr_log *log;
 *     int error = tlr_log_open(&log, &(struct tlr_log_options){.path = "/var/log/service.log"});
 *     tlr_thread_attach(log, "loop-0", TLR_ROLE_LOOP);
 *     tlr_info(&http, "request done status=%d dur_us=%" PRIu64, status, duration);
 *     tlr_log_close(log, 2 * TLR_NS_PER_S);
 *
 * Invariants
 *  1. A call copies its arguments into the calling thread's own lane. It makes no system call,
 *     takes no lock and allocates nothing, save the first call of a thread or a site (which is
 *     bounded) and the waking of a writer that sleeps after a long idle.
 *  2. When the lane is full the record is dropped and counted (by site and reason), and the gap is
 *     announced in the stream where it happened. A thread may ask to wait with a deadline instead;
 *     a loop thread may not.
 *  3. calls == written + dropped, once a flush or close has succeeded.
 *  4. Bytes leave a lane only after the sink took them.
 *  5. Arguments are evaluated once, and only if the level is on.
 *
 * Formats are printf's, checked by the compiler. `%n` is refused. Strings are copied in the call,
 * up to TLR_STRING_BYTES_MAX bytes, and marked "..." where cut; a NULL `%s` prints `(null)`.
 *
 * Fields: `key=` directly before a conversion makes a typed field of it. The grammar, exactly:
 *     field := name '=' conversion unit?   followed by the end, a blank or one of  ) ] } , ;
 *     name  := [A-Za-z_][A-Za-z0-9_.-]*   at the format's start or after one of  space ( [ { , ;
 *     unit  := literal text without those  (`took_ms=%dms`, `cpu=%d%%`); stays in the text only
 * `peer=%s:%d` is thus no typed field; it stays in the message, its strings quoted like a field's.
 * In text lines a `%s` or `%c` of a field is quoted when it is empty or holds a space, '"', '=' or
 * anything unsafe; in quotes '"' and '\' are escaped, without them nothing is. Unsafe, and escaped
 * in every string and literal as \n \t \r or \xHH: control bytes, C1, bytes that are not UTF-8,
 * line separators and direction overrides. In a string that is no field's, a '=' that would read as
 * a field's (behind a name that stands at the string's start or after one of those separators) is
 * written `\=`; URLs stay as they are. So no string can end its line, forge a field, or forge the
 * "  trace=" at its end. In JSON the fields leave `msg` and follow it, typed as logged; a name that
 * the line has already gets a "_".
 */
#ifndef TAILRACE_LOG_H
#define TAILRACE_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <tailrace/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TLR_VALUES_MAX 32          /* arguments of one call */
#define TLR_STRING_BYTES_MAX 4096u /* bytes kept of one string argument */
#define TLR_THREAD_NAME_BYTES                                                           \
    16                 /* a thread's name with its terminator, as in pthread_setname_np \
                        */
#define TLR_LOGS_MAX 8 /* open logs of a process */

/* ---- levels and categories ---------------------------------------------------------------- */

enum tlr_level {
    TLR_LEVEL_UNSET = 0, /* zero means default: TLR_LEVEL_INFO */
    TLR_LEVEL_DEBUG = 1,
    TLR_LEVEL_INFO = 2,
    TLR_LEVEL_WARN = 3,
    TLR_LEVEL_ERROR = 4,
    TLR_LEVEL_OFF = 5,
};

/* "debug", "info", "warn", "error", "off"; "unset" for anything else. Thread: any. Blocks: never.
 */
const char *tlr_level_name(enum tlr_level level);

/* Reads a level's name, in any case. Errors: -EINVAL, `level` untouched. */
int tlr_level_parse(const char *name, enum tlr_level *level);

/* A named level threshold. Define with TLR_CATEGORY; lives as long as the program or library.
 * Members are the library's own: threshold and number are read and written atomically. */
struct tlr_category {
    const char *name;
    struct tlr_category *next; /* all categories that were used, newest first */
    unsigned number;           /* 0 until first used */
    unsigned char
        threshold; /* enum tlr_level; UNSET until first used: lets the first call through */
    unsigned char log_index; /* which of the process's logs; TLR_LOGS_MAX until first used */
};

#define TLR_CATEGORY(identifier, name_) \
    struct tlr_category identifier = {name_, NULL, 0, 0, TLR_LOGS_MAX}

/* Sets a category's threshold. Thread: any. Blocks: never. */
void tlr_category_level_set(struct tlr_category *category, enum tlr_level level);

/* Sets the threshold of every category of that name, those used later included.
 * Thread: any. Blocks: on a short lock. Errors: -EINVAL for a level out of range, -ENOSPC when 64
 * names are set already. */
int tlr_category_level_set_by_name(const char *name, enum tlr_level level);

/* Sends a category's records to `log` (NULL: the process's first log). Setup time.
 * Thread: any. Blocks: on a short lock. */
struct tlr_log;
void tlr_category_bind(struct tlr_category *category, const struct tlr_log *log);

/* ---- call sites --------------------------------------------------------------------------- */

enum tlr_tag { /* what C type an argument has */
               TLR_TAG_INTEGER = 1,
               TLR_TAG_DOUBLE = 2,
               TLR_TAG_LONG_DOUBLE = 3,
               TLR_TAG_STRING = 4, /* char *: a string or, under %p, a pointer */
               TLR_TAG_POINTER = 5,
};

struct tlr__site_entry;
struct tlr_site_state {
    const struct tlr__site_entry *entry; /* NULL until first used */
};

/* One call site. Static and const, but for its state. */
struct tlr_site {
    const char *file;
    const char *function;
    const char *format;
    const unsigned char *tags; /* enum tlr_tag, value_count of them */
    struct tlr_site_state *state;
    unsigned line;
    unsigned char level; /* enum tlr_level */
    unsigned char value_count;
};

union tlr_value {
    int64_t integer;
    double real;
    const void *pointer; /* a string, any pointer, or where a long double lies */
};

/* Writes one record; what the macros below call.
 * values: site->value_count of them. Strings are copied before it returns.
 * Thread: any. Blocks: never in ring mode unless the thread asked to wait; in synchronous mode on
 * the sink. Losses are counted and announced. */
void tlr_log_call(const struct tlr_site *site, struct tlr_category *category,
                  const union tlr_value *values);

/* What tlr_category_enabled asks at a category's first use, when its threshold is not known yet:
 * registers it. Thread: any. Blocks: on a short lock, once per category. */
int tlr_category_resolve(struct tlr_category *category, enum tlr_level level);

/* Nonzero if a call of that level is to be made. Thread: any. Blocks: never, but for the first. */
static inline int tlr_category_enabled(struct tlr_category *category, enum tlr_level level) {
    const unsigned char threshold = __atomic_load_n(&category->threshold, __ATOMIC_RELAXED);
    if ((unsigned char)level < threshold) return 0;
    return threshold != TLR_LEVEL_UNSET || tlr_category_resolve(category, level);
}

#define tlr_error(category, ...) TLR_CALL(TLR_LEVEL_ERROR, category, __VA_ARGS__)
#define tlr_warn(category, ...) TLR_CALL(TLR_LEVEL_WARN, category, __VA_ARGS__)
#define tlr_info(category, ...) TLR_CALL(TLR_LEVEL_INFO, category, __VA_ARGS__)
#define tlr_debug(category, ...) TLR_CALL(TLR_LEVEL_DEBUG, category, __VA_ARGS__)

/* ---- context ------------------------------------------------------------------------------ */

/* Which request the work at hand belongs to: a value, to be kept in the caller's request. All
 * zeros in trace_id means none. */
struct tlr_context {
    unsigned char trace_id[16];
    uint64_t span_id;
    uint32_t flags; /* W3C trace flags */
    uint32_t reserved;
};

/* Attaches a context to the calling thread's next records, until set again; NULL clears. To be set
 * at the start of each loop callback or pool job. Thread: any. Blocks: never. */
void tlr_context_set(const struct tlr_context *context);

/* The calling thread's context, as set. Thread: any. Blocks: never. */
const struct tlr_context *tlr_context_get(void);

/* ---- a log's life ------------------------------------------------------------------------- */

enum tlr_mode {
    TLR_MODE_RING = 0, /* lanes and a writer thread */
    /* Format and write in the calling thread, under a lock, timed. As with write(2), a pipe whose
     * reader has gone raises SIGPIPE there, unless the program ignores it. */
    TLR_MODE_SYNC = 1,
};

enum tlr_format {
    TLR_FORMAT_TEXT = 0,
    TLR_FORMAT_JSON = 1,
    TLR_FORMAT_SEGMENT = 2, /* binary; `path` is then a directory */
};

enum tlr_reason { /* why a record was dropped */
                  TLR_REASON_LANE_FULL = 0,
                  TLR_REASON_DEADLINE =
                      1, /* lane full, and the wait that the thread asked for ran out */
                  TLR_REASON_NO_LANE = 2,   /* more threads than lanes */
                  TLR_REASON_TOO_LARGE = 3, /* larger than a quarter of the lane */
                  TLR_REASON_REENTRANT = 4, /* from a signal handler inside a call */
                  TLR_REASON_CLOSED = 5,    /* the log was closing or not open */
                  TLR_REASON_NO_SITE = 6,   /* more call sites than the dictionary holds */
                  TLR_REASON_SINK =
                      7, /* synchronous mode: the sink failed; else the writer had no memory */
                  TLR_REASON_COUNT = 8,
};

/* "lane_full", ... Thread: any. Blocks: never. */
const char *tlr_reason_name(enum tlr_reason reason);

struct tlr_log_options { /* zero means default */
    const char *name;    /* of the ring file; default "log" */
    int is_private;      /* nonzero: never the process's log; only categories bound to it use it */
    const char *path;    /* file, FIFO, or directory of segments; NULL: use fd */
    int fd;              /* inherited descriptor to write to, left open; used if path is NULL */
    enum tlr_mode mode;
    enum tlr_format format;
    enum tlr_level level;       /* threshold of categories not set by name; default INFO */
    const char *ring_directory; /* default /dev/shm/tailrace-UID; made with mode 0700 */
    unsigned lane_count;        /* default 16, at most 256 */
    size_t lane_bytes;          /* a power of two, 4 KiB to 64 MiB; default 256 KiB */
    size_t segment_bytes;       /* segments: size at which a new one begins; default 64 MiB */
    uint64_t total_bytes; /* segments: oldest are deleted (and counted) above it; default 1 GiB */
    uint64_t stall_threshold_ns; /* waits from here on are stalls; default 1 ms */
};

/* Opens a log: ring file, lanes, sink, writer thread. The first one opened is the process's log,
 * which categories use unless bound to another.
 * A FIFO without a reader is no error: the writer waits for one, and callers do not.
 * Owns: *log until tlr_log_close; strings are copied.
 * Thread: setup. Blocks: about 1 ms per MiB of lanes. Allocates.
 * Errors: -EINVAL options out of range; -EMFILE TLR_LOGS_MAX logs are open; -ENOMEM; errno of
 * opening the sink. No usable ring directory is no error: lanes are private then, and
 * stats.ring_private says so. */
int tlr_log_open(struct tlr_log **log, const struct tlr_log_options *options);

/* Stops taking records, writes those accepted, and frees the log. Records accepted but not written
 * by the deadline stay in the ring file.
 * NULL log: no-op, 0. deadline_ns: how long it may take; 0: do not wait.
 * Thread: setup; threads still logging are safe, their calls count as closed.
 * Blocks: up to the deadline (and 100 ms when the sink is stuck). Errors: -ETIMEDOUT: something is
 * left in the ring file, whose path tlr_log_ring_path gave; -EPERM: it is the parent process's. */
int tlr_log_close(struct tlr_log *log, uint64_t deadline_ns);

/* Waits until everything accepted before the call is in the sink.
 * Thread: any but a loop. Blocks: up to the deadline. Errors: -ETIMEDOUT. */
int tlr_log_flush(struct tlr_log *log, uint64_t deadline_ns);

/* Asks the writer to reopen its path, as after logrotate's rename; what was accepted before goes to
 * the old file. Thread: any. Blocks: never. Errors: -ENOTSUP on an inherited descriptor. */
int tlr_log_reopen(struct tlr_log *log);

struct tlr_log_stats {
    uint64_t written;                   /* records the sink took */
    uint64_t dropped[TLR_REASON_COUNT]; /* records lost, by reason */
    uint64_t gaps;                      /* gap lines written */
    uint64_t announced;                 /* records that gap lines told of */
    uint64_t bytes;                     /* bytes the sink took */
    uint64_t writes;                    /* write calls that took bytes */
    uint64_t sink_errors;               /* failed writes and opens, retried ones included */
    uint64_t segments_deleted;          /* segments removed to keep total_bytes */
    uint64_t late;                      /* records written out of order after a bounded wait */
    uint64_t wakeups;                   /* times the writer woke */
    int sink_error;                     /* last one, negative errno; 0 while it works */
    int ring_private;                   /* negative errno: why there is no ring file; 0: there is */
    unsigned lane_count, lanes_used;
    uint64_t ring_bytes;
};

/* Thread: any. Blocks: never. */
void tlr_log_stats(const struct tlr_log *log, struct tlr_log_stats *stats);

/* Path of the ring file; "" if private. Valid until close. Thread: any. Blocks: never. */
const char *tlr_log_ring_path(const struct tlr_log *log);

/* ---- threads ------------------------------------------------------------------------------ */

enum tlr_role {
    TLR_ROLE_OTHER = 0,
    TLR_ROLE_LOOP = 1,
    TLR_ROLE_POOL = 2,
    TLR_ROLE_WRITER = 3,
    TLR_ROLE_ADMIN = 4,
};

/* "other", "loop", "pool", "writer", "admin". Thread: any. Blocks: never. */
const char *tlr_role_name(enum tlr_role role);

/* Names the calling thread and gives it a lane of `log` now rather than at its first call. Name
 * and role hold for all logs of the process. Detaches by itself when the thread ends.
 * name: cut to 15 bytes. Thread: the one to attach. Blocks: never.
 * Errors: -EAGAIN no lane is free (calls are then counted as no_lane and try again). */
int tlr_thread_attach(struct tlr_log *log, const char *name, enum tlr_role role);

/* Lets the calling thread wait for a full lane, at most `wait_ns` a call, in every log; 0 turns
 * that off. Errors: -EPERM for a loop thread. */
int tlr_thread_full_wait_set(uint64_t wait_ns);

/* The calling thread's name: as attached, or the system's. Valid while the thread lives. */
const char *tlr_thread_name(void);
enum tlr_role tlr_thread_role(void);

/* What the calling thread has done since it began, for charging to a request by difference. */
struct tlr_thread_counts {
    uint64_t lines;      /* records accepted, all logs but segments */
    uint64_t dropped;    /* records dropped, likewise */
    uint64_t blocked_ns; /* time in waits for a log that were at or above the stall threshold */
};
void tlr_thread_counts(struct tlr_thread_counts *counts);

/* ---- what the macros are made of ----------------------------------------------------------- */

#ifdef __GNUC__
__attribute__((format(printf, 1, 2)))
#endif
static inline void
tlr_format_check(const char *format, ...) {
    (void)format;
}

#ifdef __cplusplus
}
#endif
#include <tailrace/call.h>
#endif
