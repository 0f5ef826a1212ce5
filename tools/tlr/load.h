/* load.h - an open-loop HTTP load generator: requests leave on a schedule, whatever the server
 * does.
 *
 * A closed loop (send, wait, send) asks little of a server that has stopped, and so hides the stop:
 * coordinated omission. Here each stream has its times fixed beforehand, latency counts from the
 * *scheduled* time, and a request that finds every connection busy opens another one.
 *
 * Invariants
 *  1. Each scheduled request is recorded once: answered, failed, or unanswered at the end.
 *  2. The schedule is held back only when `connections_max` are open; that is counted (`capped`),
 *     and latency still counts from the scheduled time.
 *  3. The generator has a thread and a loop of its own; nothing of it runs in the caller's.
 *
 * A stream with `outstanding` is the one exception: a closed loop, for measuring throughput.
 */
#ifndef TLR_LOAD_H
#define TLR_LOAD_H

#include "load_response.h"

struct tlr__load;

/* GET requests to one path. */
struct tlr__load_stream {
    const char *path;
    uint64_t first_ns;    /* when the first one is due, from the start */
    uint64_t interval_ns; /* between two; 0: all at once */
    size_t count;         /* how many; 0: until the duration is over (interval_ns is then not 0) */
    unsigned outstanding; /* not 0: keep so many under way instead; the three above are ignored */
};

struct tlr__load_options {                  /* zero means default */
    const char *host;                       /* numeric IPv4; default "127.0.0.1" */
    int port;                               /* required */
    const struct tlr__load_stream *streams; /* copied, paths not: they outlive the load */
    unsigned stream_count;
    uint64_t duration_ns;     /* nothing is scheduled from here on; required */
    uint64_t drain_ns;        /* how long answers are then waited for; default 5 s */
    unsigned connections_max; /* default 4000 */
};

/* Starts the generator's thread. Owns: *load until tlr__load_close.
 * Thread: any. Blocks: never. Errors: -EINVAL; -ENOMEM; errno of thread or descriptors. */
int tlr__load_start(struct tlr__load **load, const struct tlr__load_options *options);

/* Waits until the schedule is over and answered. Thread: the one that started it.
 * Blocks: up to duration and drain. Errors: -ETIMEDOUT: some requests stayed unanswered. */
int tlr__load_finish(struct tlr__load *load);

/* NULL: no-op. Finishes first if that was not done. */
void tlr__load_close(struct tlr__load *load);

/* Times are nanoseconds from the start of the load. */
struct tlr__load_request {
    uint64_t scheduled_ns;
    uint64_t sent_ns; /* 0: never sent */
    uint64_t done_ns; /* answered or failed; the load's end if neither */
    int status;       /* of HTTP; 0: unanswered; negative errno: the connection failed */
    char served_by[16];
    char id[TLR__LOAD_ID_BYTES];
};

/* The requests of a stream in the order of their schedule. Owned by the load. After finish only. */
const struct tlr__load_request *tlr__load_requests(const struct tlr__load *load, unsigned stream,
                                                   size_t *count);

struct tlr__load_summary {
    size_t scheduled;
    size_t answered; /* with any status */
    size_t ok;       /* with status 200 */
    size_t failed;   /* connection failed, or unanswered */
    size_t over_100ms;
    double p50_ms, p90_ms, p99_ms, max_ms; /* of all, failed ones with the time until they failed */
};

/* Sums up a stream. After finish only. Errors: -ENOMEM. */
int tlr__load_summarize(const struct tlr__load *load, unsigned stream,
                        struct tlr__load_summary *summary);

/* How many requests found `connections_max` reached. After finish only. */
size_t tlr__load_capped(const struct tlr__load *load);

#endif
