/* bench_peers.c - the loggers that `tlr bench log` compares, each as its users would set it up.
 */
#include "bench_peers.h"

#include <fcntl.h>
#include <limits.h>
#include <tailrace/log.h>
#include <unistd.h>

/* ---- an empty loop: what the machine itself does to a producer ------------------------------ */

static int empty_open(const struct bench_plan *plan) {
    (void)plan;
    return 0;
}

static void empty_produce(struct bench_producer *producer) {
    bench_produce(producer, bench_empty_call);
}

static int empty_close(struct bench_counts *counts) {
    (void)counts;
    return 0;
}

static const struct bench_logger empty_loop = {empty_open, empty_produce, empty_close};

/* ---- the date and thread that plain loggers put before a message ---------------------------- */

static _Thread_local char thread_name[16];

/* Seconds are broken down once each, as any sensible program does. */
static const char *date_prefix(long *microseconds) {
    static _Thread_local char text[32];
    static _Thread_local time_t second = -1;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != second) {
        struct tm date;
        gmtime_r(&now.tv_sec, &date);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &date);
        second = now.tv_sec;
    }
    *microseconds = now.tv_nsec / 1000;
    return text;
}

#define PLAIN_FORMAT "%s.%06ldZ INFO  %s bench.log  iteration %d value %f name %s\n"

/* ---- stdio ----------------------------------------------------------------------------------- */

static FILE *stdio_file;
static char stdio_buffer[64 * 1024];

static int stdio_open(const struct bench_plan *plan) {
    stdio_file = fopen(plan->path, "ae");
    if (stdio_file == NULL) return -errno;
    setvbuf(stdio_file, stdio_buffer, _IOFBF, sizeof stdio_buffer);
    return 0;
}

BENCH_INLINE void stdio_call(int iteration, double value, const char *name) {
    long microseconds;
    const char *const date = date_prefix(&microseconds);
    fprintf(stdio_file, PLAIN_FORMAT, date, microseconds, thread_name, iteration, value, name);
}

static void stdio_produce(struct bench_producer *producer) {
    snprintf(thread_name, sizeof thread_name, "producer-%u", producer->index);
    bench_produce(producer, stdio_call);
}

static int stdio_close(struct bench_counts *counts) {
    (void)counts;
    return fclose(stdio_file) == 0 ? 0 : -errno;
}

static const struct bench_logger stdio = {stdio_open, stdio_produce, stdio_close};

/* ---- write(2) -------------------------------------------------------------------------------- */

static int write_fd;
static uint64_t write_failures;

static int write_open(const struct bench_plan *plan) {
    write_fd = open(plan->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    return write_fd < 0 ? -errno : 0;
}

BENCH_INLINE void write_call(int iteration, double value, const char *name) {
    char line[256];
    long microseconds;
    const char *const date = date_prefix(&microseconds);
    const int bytes = snprintf(line, sizeof line, PLAIN_FORMAT, date, microseconds, thread_name,
                               iteration, value, name);
    if (write(write_fd, line, (size_t)bytes) != bytes)
        __atomic_fetch_add(&write_failures, 1, __ATOMIC_RELAXED);
}

static void write_produce(struct bench_producer *producer) {
    snprintf(thread_name, sizeof thread_name, "producer-%u", producer->index);
    bench_produce(producer, write_call);
}

static int write_close(struct bench_counts *counts) {
    counts->dropped = write_failures;
    return close(write_fd) == 0 ? 0 : -errno;
}

static const struct bench_logger write_per_line = {write_open, write_produce, write_close};

/* ---- tailrace -------------------------------------------------------------------------------- */

#define CLOSE_DEADLINE_NS (60 * TLR_NS_PER_S)
#define FULL_WAIT_NS (60 * TLR_NS_PER_S)

static TLR_CATEGORY(category, "bench.log");
static struct tlr_log *tailrace_log;

static int tailrace_open(const struct bench_plan *plan, enum tlr_mode mode,
                         enum tlr_format format) {
    const struct tlr_log_options options = {.name = "bench",
                                            .path = plan->path,
                                            .mode = mode,
                                            .format = format,
                                            .lane_count = plan->producers + 1,
                                            .total_bytes = UINT64_MAX};
    return tlr_log_open(&tailrace_log, &options);
}

static int ring_text_open(const struct bench_plan *plan) {
    return tailrace_open(plan, TLR_MODE_RING, TLR_FORMAT_TEXT);
}

static int ring_json_open(const struct bench_plan *plan) {
    return tailrace_open(plan, TLR_MODE_RING, TLR_FORMAT_JSON);
}

static int ring_segment_open(const struct bench_plan *plan) {
    return tailrace_open(plan, TLR_MODE_RING, TLR_FORMAT_SEGMENT);
}

static int sync_text_open(const struct bench_plan *plan) {
    return tailrace_open(plan, TLR_MODE_SYNC, TLR_FORMAT_TEXT);
}

BENCH_INLINE void tailrace_call(int iteration, double value, const char *name) {
    tlr_info(&category, "iteration %d value %f name %s", iteration, value, name);
}

static void tailrace_produce(struct bench_producer *producer) {
    char name[TLR_THREAD_NAME_BYTES];
    snprintf(name, sizeof name, "producer-%u", producer->index);
    tlr_thread_attach(tailrace_log, name, TLR_ROLE_OTHER);
    bench_produce(producer, tailrace_call);
}

/* Waits only where nothing is paced: "written" is then what was called. */
static void tailrace_produce_waiting(struct bench_producer *producer) {
    if (producer->plan->part == BENCH_THROUGHPUT) tlr_thread_full_wait_set(FULL_WAIT_NS);
    tailrace_produce(producer);
}

static int tailrace_close(struct bench_counts *counts) {
    struct tlr_log_stats stats;
    int error = tlr_log_flush(tailrace_log, CLOSE_DEADLINE_NS);
    tlr_log_stats(tailrace_log, &stats);
    for (unsigned reason = 0; reason < TLR_REASON_COUNT; reason++)
        counts->dropped += stats.dropped[reason];
    counts->extra_lines = stats.gaps;
    const int close_error = tlr_log_close(tailrace_log, CLOSE_DEADLINE_NS);
    return error != 0 ? error : close_error;
}

static const struct bench_logger ring_text = {ring_text_open, tailrace_produce_waiting,
                                              tailrace_close};
static const struct bench_logger ring_text_drop = {ring_text_open, tailrace_produce,
                                                   tailrace_close};
static const struct bench_logger ring_json = {ring_json_open, tailrace_produce_waiting,
                                              tailrace_close};
static const struct bench_logger ring_segment = {ring_segment_open, tailrace_produce_waiting,
                                                 tailrace_close};
static const struct bench_logger sync_text = {sync_text_open, tailrace_produce, tailrace_close};

/* ---- the table ------------------------------------------------------------------------------- */

#define SPDLOG_PROGRAM "tlr-bench-spdlog"
#define BOTH (BENCH_LATENCY | BENCH_THROUGHPUT)

const struct tlr__bench_peer tlr__bench_peers[] = {
    {.name = "empty-loop",
     .settings = "no logger: what the machine does to a producer by itself",
     .parts = BENCH_LATENCY,
     .output = TLR__BENCH_NO_FILE,
     .logger = &empty_loop},
    {.name = "ring-text",
     .settings = "this logger: lane of 256 KiB, text; throughput: a full lane is waited for",
     .parts = BOTH,
     .output = TLR__BENCH_LINES,
     .logger = &ring_text},
    {.name = "ring-text-drop",
     .settings = "the same, but a full lane drops, counts and announces",
     .parts = BENCH_THROUGHPUT,
     .output = TLR__BENCH_LINES,
     .logger = &ring_text_drop},
    {.name = "ring-json",
     .settings = "as ring-text, JSON lines",
     .parts = BOTH,
     .output = TLR__BENCH_LINES,
     .logger = &ring_json},
    {.name = "ring-segment",
     .settings = "as ring-text, binary segments",
     .parts = BOTH,
     .output = TLR__BENCH_SEGMENTS,
     .logger = &ring_segment},
    {.name = "sync-text",
     .settings = "this logger's synchronous mode: one write(2) a line, under a lock, timed",
     .parts = BOTH,
     .output = TLR__BENCH_LINES,
     .logger = &sync_text},
    {.name = "stdio",
     .settings = "fprintf to a FILE with a buffer of 64 KiB; date broken down once a second",
     .parts = BOTH,
     .output = TLR__BENCH_LINES,
     .logger = &stdio},
    {.name = "write",
     .settings = "snprintf and one write(2) a line, O_APPEND; date as stdio",
     .parts = BOTH,
     .output = TLR__BENCH_LINES,
     .logger = &write_per_line},
    {.name = "spdlog-async",
     .settings = "spdlog, basic_file_sink_mt, default pattern, {} for the value; one thread, "
                 "queue of 8192, a full queue blocks (its defaults)",
     .parts = BOTH,
     .output = TLR__BENCH_LINES,
     .program = SPDLOG_PROGRAM,
     .variant = "async"},
    {.name = "spdlog-async-drop",
     .settings = "the same, but a full queue drops its oldest (overrun_oldest)",
     .parts = BENCH_THROUGHPUT,
     .output = TLR__BENCH_LINES,
     .program = SPDLOG_PROGRAM,
     .variant = "async-drop"},
    {.name = "spdlog-sync",
     .settings = "spdlog, basic_file_sink_mt, default pattern, {} for the value",
     .parts = BOTH,
     .output = TLR__BENCH_LINES,
     .program = SPDLOG_PROGRAM,
     .variant = "sync"},
};
const unsigned tlr__bench_peer_count = sizeof tlr__bench_peers / sizeof tlr__bench_peers[0];
