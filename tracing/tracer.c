#include "tracer.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tailrace/ring.h>

TLR_CATEGORY(tlr__tracer_requests, "trace.request");
TLR_CATEGORY(tlr__tracer_spans, "trace.span");
TLR_CATEGORY(tlr__tracer_stalls, "trace.stall");

/* The process's tracer. Written by open and close; read by enter.
 * T0: close takes it away, then reads `entered`. Pairs with T1: enter counts itself, then reads it.
 * Both are sequentially consistent, so one of the two sees the other. */
static struct tlr_tracer *_Atomic process_tracer;
static atomic_uint entered;

struct tlr_tracer *tlr__tracer_enter(void) {
    atomic_fetch_add_explicit(&entered, 1, memory_order_seq_cst);       /* T1 */
    return atomic_load_explicit(&process_tracer, memory_order_seq_cst); /* T1 */
}

void tlr__tracer_leave(void) {
    atomic_fetch_sub_explicit(&entered, 1, memory_order_release);
}

/* Takes the tracer away from the threads that tell stalls; waits until none of them uses it. */
static void withdraw(void) {
    atomic_store_explicit(&process_tracer, NULL, memory_order_seq_cst); /* T0 */
    while (atomic_load_explicit(&entered, memory_order_seq_cst) != 0) sched_yield();
}

/* 0 if the directory is there, made now or before. */
static int make_directory(const char *path) {
    struct stat status;
    if (mkdir(path, 0700) == 0) return 0;
    if (errno != EEXIST) return -errno;
    if (stat(path, &status) < 0) return -errno;
    return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

static int open_log(struct tlr_log **log, const struct tlr_tracer_options *options) {
    const struct tlr_log_options log_options = {
        .name = options->name ? options->name : "trace",
        .is_private = 1,
        .path = options->directory,
        .format = TLR_FORMAT_SEGMENT,
        .ring_directory = options->ring_directory,
        .lane_count = options->lane_count ? options->lane_count : 32,
        .lane_bytes = options->lane_bytes ? options->lane_bytes : 128 * 1024,
        .segment_bytes = options->segment_bytes,
        .total_bytes = options->total_bytes,
    };
    return tlr_log_open(log, &log_options);
}

static void bind_categories(const struct tlr_log *log) {
    tlr_category_bind(&tlr__tracer_requests, log);
    tlr_category_bind(&tlr__tracer_spans, log);
    tlr_category_bind(&tlr__tracer_stalls, log);
}

static int writer_tid_of(const struct tlr_log *log) {
    struct tlr_ring_info info;
    tlr_ring_info(tlr_log_ring(log), &info);
    return info.writer_tid;
}

int tlr_tracer_open(struct tlr_tracer **tracer, const struct tlr_tracer_options *options) {
    if (!options || !options->directory || !options->directory[0]) return -EINVAL;
    if (atomic_load_explicit(&process_tracer, memory_order_relaxed)) return -EBUSY;
    int error = make_directory(options->directory);
    if (error) return error;

    struct tlr_tracer *opened = calloc(1, sizeof *opened);
    if (!opened) return -ENOMEM;
    pthread_mutex_init(&opened->pool.lock, NULL);
    pthread_mutex_init(&opened->loops_lock, NULL);

    error = open_log(&opened->log, options);
    if (error) goto free_tracer;
    bind_categories(opened->log);
    opened->writer_tid = writer_tid_of(opened->log);

    error = tlr__watchdog_start(&opened->watchdog, opened);
    if (error) goto close_log;
    error = tlr_stall_listen(tlr__attribution_listen, NULL);
    if (error) goto stop_watchdog;

    atomic_store_explicit(&process_tracer, opened, memory_order_seq_cst);
    *tracer = opened;
    return 0;

stop_watchdog:
    tlr__watchdog_stop(&opened->watchdog);
close_log:
    tlr_log_close(opened->log, 0);
free_tracer:
    pthread_mutex_destroy(&opened->loops_lock);
    pthread_mutex_destroy(&opened->pool.lock);
    free(opened);
    return error;
}

int tlr_tracer_close(struct tlr_tracer *tracer, uint64_t deadline_ns) {
    if (!tracer) return 0;
    tlr_stall_listen(NULL, NULL);
    withdraw();
    tlr__watchdog_stop(&tracer->watchdog);
    int error = tlr_log_close(tracer->log, deadline_ns);
    pthread_mutex_destroy(&tracer->loops_lock);
    pthread_mutex_destroy(&tracer->pool.lock);
    free(tracer);
    return error;
}

struct tlr_log *tlr_tracer_log(struct tlr_tracer *tracer) {
    return tracer->log;
}

int tlr_tracer_blame(struct tlr_tracer *tracer, uint64_t stall_id, struct tlr_blame *blame) {
    return tlr__watchdog_blame(&tracer->watchdog, stall_id, blame);
}

const char *tlr__tracer_id_text(uint64_t id, char *text) {
    if (id == 0) return memcpy(text, "0", 2);
    tlr_span_id_print(id, text);
    text[TLR_SPAN_ID_TEXT_BYTES] = '\0';
    return text;
}

const char *tlr__tracer_trace_text(const struct tlr_context *context, char *text) {
    static const unsigned char none[sizeof context->trace_id];
    if (memcmp(context->trace_id, none, sizeof none) == 0) return memcpy(text, "0", 2);
    tlr_trace_id_print(context, text);
    text[TLR_TRACE_ID_TEXT_BYTES] = '\0';
    return text;
}
