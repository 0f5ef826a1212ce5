/* trace.h - requests, spans, loops and stalls: who served each call, who blocked, who was hurt.
 *
 *     struct tlr_tracer *tracer;
 *     tlr_tracer_open(&tracer, &(struct tlr_tracer_options){.directory = "trace"});
 *     tlr_loop_attach(tracer, "loop-0", &loop);              // in the loop's thread
 *     ...
 *     tlr_loop_wait_begin(loop); epoll_wait(...); tlr_loop_wait_end(loop);
 *     tlr_request_begin(tracer, &request, &(struct tlr_request_start){...});
 *     tlr_request_hop(&request, TLR_HOP_START); handler(); tlr_request_hop(&request, TLR_HOP_END);
 *     tlr_request_end(tracer, &request, 200, bytes);
 *
 * Invariants
 *  1. A trace is a private log: records are carried by lanes and a writer of the tracer's own, so a
 *     blocked log cannot hide the trace that shows it. A call here waits for nothing.
 *  2. One record per request, at its end; one per stall, at its end; one per user span.
 *  3. A victim is proven: by the kernel's receive time (a loop that read late), by stamps (a pool
 *     queue, a return to the loop), or by the lock's holder.
 *
 * Records, by category and field (all durations in nanoseconds, ids as hex text):
 *  trace.request  method path status trace span parent served_by loop begin_ns wait queue handler
 *                 return write total log_blocked lines dropped bytes_in bytes_out victim_of victim
 *                 - wait: in the kernel before the loop read it, where that was looked up
 *                 - victim_of: id of the stall it waited behind longest, "0" if none; victim: how
 *                   long that was
 *  trace.span     trace span parent name thread begin_ns duration
 *  trace.stall    id behind thread tid role cause file line function begin_ns duration target fd
 *                 trace span blame
 *                 - trace: the request in which it happened: the culprit; "0" if none
 *                 - blame: the sentence of tlr_blame, taken while it lasted; "" where it was too
 *                   short for that (see TLR_BLAME_AFTER_MS)
 */
#ifndef TAILRACE_TRACE_H
#define TAILRACE_TRACE_H

#include <tailrace/stall.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tlr_tracer;
struct tlr_loop;

struct tlr_tracer_options {     /* zero means default */
    const char *directory;      /* of the trace's segments; made (mode 0700) if missing; required */
    const char *name;           /* of ring file and segments; default "trace" */
    const char *ring_directory; /* as in tlr_log_options */
    unsigned lane_count;        /* default 32 */
    size_t lane_bytes;          /* default 128 KiB */
    size_t segment_bytes;       /* default 64 MiB */
    uint64_t total_bytes;       /* default 1 GiB: the oldest segments go, counted */
};

/* Opens a tracer: its private log, its watchdog thread, and the process's stall listener.
 * Owns: *tracer until tlr_tracer_close. Thread: setup. Blocks: about 5 ms, and on I/O.
 * Errors: -EINVAL; -EBUSY the process has one; errno of making or opening the directory. */
int tlr_tracer_open(struct tlr_tracer **tracer, const struct tlr_tracer_options *options);

/* NULL: no-op. All loops are detached and requests ended before. The tracer looks into the rings of
 * all logs of the process: it is closed before any of them.
 * Blocks: up to the deadline. Errors: -ETIMEDOUT as tlr_log_close. */
int tlr_tracer_close(struct tlr_tracer *tracer, uint64_t deadline_ns);

/* The private log, for its counters and its ring. */
struct tlr_log *tlr_tracer_log(struct tlr_tracer *tracer);

/* ---- loops and pool threads ---------------------------------------------------------------- */

/* Makes the calling thread a loop of the tracer: attaches it to the private log under that name
 * with TLR_ROLE_LOOP. A NULL tracer gives a NULL loop, which all calls below take as "tracing is
 * off"; the thread is then the caller's to attach. Owns: *loop until tlr_loop_detach. Thread: the
 * loop's own. Errors: -EAGAIN no lane; -ENOMEM. */
int tlr_loop_attach(struct tlr_tracer *tracer, const char *name, struct tlr_loop **loop);
void tlr_loop_detach(struct tlr_loop *loop);

/* Around the loop's wait for events. wait_end is idempotent: with libuv, whose callbacks run inside
 * poll, call wait_begin in a prepare callback and wait_end at the start of every I/O callback.
 * Thread: the loop's own. Blocks: never. */
void tlr_loop_wait_begin(struct tlr_loop *loop);
void tlr_loop_wait_end(struct tlr_loop *loop);

/* Nonzero if the loop was stalled in this iteration or one of the two before (a connection accepted
 * late is read one iteration later still), so that what is read now may have waited in the kernel:
 * look TCP_INFO up then, and only then. Thread: the loop's own. */
int tlr_loop_is_late(const struct tlr_loop *loop);

struct tlr_loop_stats {
    char name[TLR_THREAD_NAME_BYTES];
    uint64_t iterations;
    uint64_t busy_ns, waited_ns; /* since attach */
    uint64_t busy_ns_max;        /* longest iteration */
    uint64_t stalls;
    uint64_t stalled_ns;
};
/* Thread: any. Blocks: never. */
void tlr_loop_stats(const struct tlr_loop *loop, struct tlr_loop_stats *stats);

/* ---- requests ------------------------------------------------------------------------------ */

enum tlr_hop {
    TLR_HOP_ARRIVE = 0,  /* the kernel had it (known only after a late iteration), else = READ */
    TLR_HOP_READ = 1,    /* its first byte was read */
    TLR_HOP_SUBMIT = 2,  /* given to the pool; on a loop = START */
    TLR_HOP_START = 3,   /* the handler began */
    TLR_HOP_END = 4,     /* the handler ended; for a deferred response, when it was sent */
    TLR_HOP_RETURN = 5,  /* back on its loop; on a loop = END */
    TLR_HOP_WRITTEN = 6, /* the kernel took the last byte of the response */
    TLR_HOP_COUNT = 7,
};

/* A request's trace: the caller's memory, from begin to end; no undo needed. Members are to be
 * read, not written. At any time one thread uses it. */
struct tlr_request {
    struct tlr_context context; /* set it in each callback or job: tlr_request_resume */
    uint64_t parent_span;
    uint64_t stamps[TLR_HOP_COUNT]; /* ticks */
    uint64_t log_blocked_ns;        /* what its handler waited for logs, in stalls */
    uint64_t lines, dropped;        /* what its handler logged and lost */
    uint64_t victim_of;             /* id of the stall that hurt it most */
    uint64_t victim_ns;
    struct tlr_thread_counts counts_at_start;
    const struct tlr_site *site; /* of the route */
    struct tlr_tracer *tracer;   /* NULL: tracing is off */
    struct tlr_loop *loop;
    char served_by[TLR_THREAD_NAME_BYTES]; /* the thread that ran the handler */
    char method[12];
    char path[96]; /* cut */
    uint64_t bytes_in;
};

struct tlr_request_start {
    struct tlr_loop *loop; /* that read it, or NULL */
    const char *method, *path;
    size_t method_bytes, path_bytes;
    const char *traceparent; /* W3C header value, or NULL; an invalid one is ignored */
    size_t traceparent_bytes;
    uint64_t read_ticks; /* when its first byte was read; 0: now */
    uint64_t
        kernel_wait_ns; /* how long it had lain in the kernel before that; 0: unknown or none */
};

/* Begins a request: ids (new, or taken from traceparent), first stamps, and, where it arrived
 * during a stall of its loop, which one. Thread: the loop's. Blocks: never. */
void tlr_request_begin(struct tlr_tracer *tracer, struct tlr_request *request,
                       const struct tlr_request_start *start);

/* Which handler serves it; before TLR_HOP_SUBMIT or TLR_HOP_START. */
void tlr_request_route(struct tlr_request *request, const struct tlr_site *site);

/* Stamps a hop. START also makes the request the calling thread's own (context, slot, counts, name)
 * and, after a pool queue, finds the stall it waited behind; END undoes that, charges to it what
 * the thread logged, and reports a handler that held a loop as a stall; RETURN after a pool finds
 * whether the loop was stalled meanwhile. Thread: the one where the hop happens. Blocks: never. */
void tlr_request_hop(struct tlr_request *request, enum tlr_hop hop);

/* Makes the request the calling thread's own again (a timer, a completion), until suspend. */
void tlr_request_resume(struct tlr_request *request);
void tlr_request_suspend(struct tlr_request *request);

/* Writes the request's record; stamps WRITTEN if that was not done. `tracer` may be NULL: tracing
 * is off, and the call does nothing. Thread: the loop's. Blocks: never. */
void tlr_request_end(struct tlr_tracer *tracer, struct tlr_request *request, int status,
                     uint64_t bytes_out);

/* Nanoseconds between two hops; 0 if either is missing. */
uint64_t tlr_request_between_ns(const struct tlr_request *request, enum tlr_hop begin,
                                enum tlr_hop end);

/* ---- user spans ----------------------------------------------------------------------------- */

struct tlr_span {
    struct tlr_context context; /* as it was before */
    uint64_t begin_ticks;
    uint64_t span_id;
    const char *name;
};

/* A timed part of the current request of the calling thread. name: a literal. The span is the
 * parent of spans begun inside. Thread: any attached. Blocks: never. */
void tlr_span_begin(struct tlr_span *span, const char *name);
void tlr_span_end(struct tlr_tracer *tracer, struct tlr_span *span);

/* ---- traceparent ---------------------------------------------------------------------------- */

#define TLR_TRACEPARENT_BYTES 55 /* without a terminator */
#define TLR_TRACE_ID_TEXT_BYTES 32
#define TLR_SPAN_ID_TEXT_BYTES 16

/* Reads a W3C traceparent (version 00; later ones by their rule): `context` gets its trace id, its
 * parent's span id and flags. Errors: -EINVAL, context untouched. */
int tlr_traceparent_parse(const char *text, size_t bytes, struct tlr_context *context);

/* Writes TLR_TRACEPARENT_BYTES bytes, and the ids alone as lower-case hex, unterminated. */
void tlr_traceparent_print(const struct tlr_context *context, char *out);
void tlr_trace_id_print(const struct tlr_context *context, char *out);
void tlr_span_id_print(uint64_t span_id, char *out);

/* ---- blame ---------------------------------------------------------------------------------- */

#define TLR_BLAME_AFTER_MS \
    50 /* a wait is looked into once it has lasted this long (or up to 5 x) */

/* What a waiting thread waits for, and who is at the other end. Plain values. */
struct tlr_blame {
    char object[TLR_TARGET_BYTES]; /* "FIFO /run/log", "pipe:[4711]", "file /x (ext4)", ... */
    uint64_t inode;
    int64_t pipe_used_bytes, pipe_size_bytes; /* -1: no pipe */
    int other_pid;                            /* process at the other end; 0: none found */
    char other_name[TLR_THREAD_NAME_BYTES];
    char other_state;     /* as in /proc/PID/stat: R S D T Z ... ; 0: unknown */
    char other_waits[64]; /* what that one waits for (its kernel wait channel), or "" */
    unsigned others;      /* how many more processes hold the other end */
    char sentence[384];   /* all of it, for people */
    char advice[160];     /* one next step */
};

/* Follows descriptor `fd` of process `pid` to whoever must act for a wait of that cause to end.
 * Thread: any but a loop. Blocks: on reading /proc, 1 to 50 ms. Errors: -ESRCH no such process or
 * descriptor; -EACCES. On error the sentence still says what could be found and why not more. */
int tlr_blame(int pid, int fd, enum tlr_cause cause, struct tlr_blame *blame);

/* What the tracer's watchdog found out about a stall, running or just ended, by the stall's id. The
 * last 64 are kept; a running one is looked into again each second.
 * Thread: any. Blocks: never longer than a copy. Errors: -ENOENT: not looked into (yet). */
int tlr_tracer_blame(struct tlr_tracer *tracer, uint64_t stall_id, struct tlr_blame *blame);

#ifdef __cplusplus
}
#endif
#endif
