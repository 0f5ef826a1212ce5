/* lab_bad_logging.c - the talk's experiment, told apart: a handler runs on the loop or in the pool,
 * logs synchronously or through the ring; then the log's reader, a foreign `cat`, is stopped.
 */
#include "child_server.h"
#include "cli.h"
#include "json_print.h"
#include "lab.h"
#include "lab_account.h"
#include "lab_trace.h"
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tailrace/clock.h>
#include <unistd.h>

#define PIPE_BYTES 4096
#define BEFORE_NS TLR_NS_PER_S /* of load before the reader stops, and after it goes on */
#define QUICK_RATE 100

static const struct cell {
    const char *endpoint, *where, *log;
} cells[] = {
    {"/sync", "pool", "sync"},      {"/async", "loop", "ring"},
    {"/loop/sync", "loop", "sync"}, {"/loop/async", "loop", "ring"},
    {"/pool/sync", "pool", "sync"}, {"/pool/async", "pool", "ring"},
};
enum { LOOP_SYNC = 2, LOOP_RING = 3, POOL_SYNC = 4, POOL_RING = 5, CELL_COUNT = 6 };

struct outcome {
    struct tlr__load_summary endpoint, quick;
    struct tlr__lab_trace trace;
    struct tlr__lab_account account;
    uint64_t calls; /* of the log, by the generator's count: handlers and access lines */
};

struct rig {
    char directory[TLR__SCRATCH_BYTES], fifo[TLR__SCRATCH_BYTES];
    char lines[TLR__SCRATCH_BYTES], trace[TLR__SCRATCH_BYTES];
    struct tlr__child reader;
    struct tlr__child_server server;
};

/* ---- one cell ------------------------------------------------------------------------------ */

static int start_reader(struct rig *rig) {
    if (mkfifo(rig->fifo, 0600) < 0) return -errno;
    const char *const arguments[] = {"cat", rig->fifo, NULL};
    return tlr__child_start(
        &rig->reader, &(struct tlr__child_options){.arguments = arguments, .output = rig->lines});
}

static int start_server(struct rig *rig, const struct tlr__lab_arguments *lab) {
    char lane_bytes[24];
    const char *arguments[12] = {"--log",   rig->fifo, "--trace", rig->trace,
                                 "--loops", "1",       "--pool",  "4"};
    snprintf(lane_bytes, sizeof lane_bytes, "%llu", (unsigned long long)lab->lane_bytes);
    if (lab->lane_bytes != 0) {
        arguments[8] = "--lane-bytes";
        arguments[9] = lane_bytes;
    }
    return tlr__child_server_start(
        &rig->server,
        &(struct tlr__child_server_options){.directory = rig->directory, .arguments = arguments});
}

/* A pipe holds 64 KiB by default, which this load fills in seconds. The size belongs to the pipe,
 * so it can be set through a descriptor that is closed at once, and the reader stays the only one.
 */
static int shrink_pipe(const char *fifo) {
    int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int error = fd < 0 || fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES) < 0 ? -errno : 0;
    if (fd >= 0) close(fd);
    return error;
}

static int load_and_stop_reader(struct rig *rig, const struct cell *cell,
                                const struct tlr__lab_arguments *lab, struct outcome *outcome) {
    struct tlr__load *load;
    const struct tlr__load_stream streams[] = {
        {.path = cell->endpoint, .interval_ns = TLR_NS_PER_S / lab->rate},
        {.path = "/quick", .first_ns = TLR_NS_PER_MS, .interval_ns = TLR_NS_PER_S / QUICK_RATE},
    };
    int error = tlr__load_start(
        &load, &(struct tlr__load_options){.port = rig->server.port,
                                           .streams = streams,
                                           .stream_count = 2,
                                           .duration_ns = lab->stop_ns + 2 * BEFORE_NS,
                                           .drain_ns = lab->stop_ns + 5 * TLR_NS_PER_S});
    if (error < 0) return error;
    tlr__lab_wait(BEFORE_NS);
    tlr__child_signal(&rig->reader, SIGSTOP);
    tlr__lab_wait(lab->stop_ns);
    tlr__child_signal(&rig->reader, SIGCONT);
    tlr__load_finish(load);

    error = tlr__load_summarize(load, 0, &outcome->endpoint);
    if (error == 0) error = tlr__load_summarize(load, 1, &outcome->quick);
    outcome->calls = 2 * outcome->endpoint.answered + outcome->quick.answered;
    tlr__load_close(load);
    return error;
}

/* Says what failed; the message of a server that failed stands already. */
static int complain(const struct cell *cell, const char *what, int error) {
    tlr__cli_notice("%s: %s: %s", cell->endpoint, what, strerror(-error));
    return error;
}

static int run_rig(struct rig *rig, const struct cell *cell, const struct tlr__lab_arguments *lab,
                   struct outcome *outcome) {
    int error = start_reader(rig);
    if (error < 0) return complain(cell, "start of `cat`", error);
    if ((error = start_server(rig, lab)) < 0) return error;
    if ((error = shrink_pipe(rig->fifo)) < 0) return complain(cell, "size of the pipe", error);
    error = load_and_stop_reader(rig, cell, lab, outcome);
    if (error < 0) return complain(cell, "load", error);
    if ((error = tlr__child_server_stop(&rig->server, 15 * TLR_NS_PER_S)) < 0) return error;
    error = tlr__child_wait(&rig->reader, 5 * TLR_NS_PER_S);
    if (error < 0) return complain(cell, "end of `cat`", error);
    error = tlr__lab_account_read(rig->lines, &outcome->account);
    if (error < 0) return complain(cell, "captured lines", error);
    error = tlr__lab_trace_read(rig->trace, "/quick", &outcome->trace);
    return error < 0 ? complain(cell, "trace", error) : 0;
}

static int run_cell(const struct cell *cell, const struct tlr__lab_arguments *lab,
                    struct outcome *outcome) {
    struct rig rig = {0};
    int error = tlr__scratch_make(rig.directory, lab->directory, "tlr-lab-bad-logging");
    if (error < 0) return complain(cell, rig.directory, error);
    tlr__scratch_path(rig.fifo, rig.directory, "log");
    tlr__scratch_path(rig.lines, rig.directory, "lines");
    tlr__scratch_path(rig.trace, rig.directory, "trace");

    error = run_rig(&rig, cell, lab, outcome);
    tlr__child_end(&rig.server.child);
    tlr__child_end(&rig.reader);
    if (lab->directory == NULL)
        tlr__scratch_remove(rig.directory);
    else
        tlr__cli_notice("%s: kept in %s", cell->endpoint, rig.directory);
    return error;
}

/* ---- the account --------------------------------------------------------------------------- */

static uint64_t lines_of(const struct outcome *outcome) {
    return outcome->account.lab_lines + outcome->account.access_lines;
}

static int adds_up(const struct outcome *outcome) {
    return outcome->calls == lines_of(outcome) + outcome->account.dropped &&
           outcome->account.torn_lines == 0;
}

/* The longest one of a thread that serves, unless the writer's dwarfs it. */
static const struct tlr__trace_stall *worst_stall(const struct outcome *outcome) {
    const struct tlr__trace_stall *caller = &outcome->trace.of_caller;
    const struct tlr__trace_stall *writer = &outcome->trace.of_writer;
    return caller->stall.duration_ns >= writer->stall.duration_ns / 2 ? caller : writer;
}

/* Nonzero if the cells show what the experiment is about. */
static int shown(const struct outcome *outcomes, uint64_t stop_ns) {
    double froze_ms = (double)stop_ns / 1e6 / 2;
    int ok = outcomes[LOOP_SYNC].endpoint.max_ms > froze_ms &&
             outcomes[LOOP_SYNC].quick.max_ms > froze_ms &&
             outcomes[POOL_SYNC].endpoint.max_ms > froze_ms &&
             outcomes[POOL_SYNC].quick.max_ms < froze_ms &&
             outcomes[LOOP_RING].endpoint.max_ms < froze_ms &&
             outcomes[POOL_RING].endpoint.max_ms < froze_ms;
    for (unsigned i = 0; i < CELL_COUNT; i++) ok = ok && adds_up(&outcomes[i]);
    return ok;
}

/* ---- what is printed ----------------------------------------------------------------------- */

static void print_head(const struct tlr__lab_arguments *lab) {
    printf("bad-logging: the log is a FIFO of %d bytes that `cat` reads; `cat` is stopped for %.1f "
           "s.\n"
           "A server with 1 loop and 4 pool threads, fresh for each row; %llu requests a second to "
           "the\nendpoint, %d to /quick, at fixed times (open loop), counted from when they were "
           "due.\n\n",
           PIPE_BYTES, (double)lab->stop_ns / 1e9, (unsigned long long)lab->rate, QUICK_RATE);
    printf("%-12s %-7s %-4s %9s %9s %11s %8s %8s %6s %6s %7s\n", "", "handler", "", "slowest",
           "p99", "/quick", "/quick", "/quick", "log", "lines", "lines");
    printf("%-12s %-7s %-4s %9s %9s %11s %8s %8s %6s %6s %7s\n", "endpoint", "runs on", "log", "ms",
           "ms", "slowest ms", ">100 ms", "victims", "calls", "read", "dropped");
}

static void print_row(const struct cell *cell, const struct outcome *outcome) {
    printf("%-12s %-7s %-4s %9.1f %9.1f %11.1f %8zu %8llu %6llu %6llu %7llu%s\n", cell->endpoint,
           cell->where, cell->log, outcome->endpoint.max_ms, outcome->endpoint.p99_ms,
           outcome->quick.max_ms, outcome->quick.over_100ms,
           (unsigned long long)outcome->trace.victims_on_path, (unsigned long long)outcome->calls,
           (unsigned long long)lines_of(outcome), (unsigned long long)outcome->account.dropped,
           adds_up(outcome) ? "" : "  DOES NOT ADD UP");
    fflush(stdout);
}

static void print_culprit(const struct cell *cell, const struct outcome *outcome) {
    const struct tlr__trace_stall *worst = worst_stall(outcome);
    const struct tlr_stall *stall = &worst->stall;
    if (stall->duration_ns == 0) {
        printf("%-12s no stall\n", cell->endpoint);
        return;
    }
    int hurts = worst == &outcome->trace.of_caller;
    printf("%-12s %s waited %.0f ms, cause %s%s\n", cell->endpoint, stall->thread,
           (double)stall->duration_ns / 1e6, tlr_cause_name(stall->cause),
           hurts ? "" : "; only the log's writer: nobody behind it");
    if (hurts) printf("%-12s at %s:%u %s\n", "", stall->file, stall->line, stall->function);
    if (worst->blame[0] != '\0') printf("%-12s %s\n", "", worst->blame);
}

static void print_sentence(const struct outcome *outcomes, uint64_t stop_ns) {
    const struct outcome *loop = &outcomes[LOOP_SYNC], *pool = &outcomes[POOL_SYNC];
    double ring_ms = outcomes[LOOP_RING].endpoint.max_ms, quick_ms = 0;
    uint64_t calls = 0, dropped = 0;
    if (outcomes[POOL_RING].endpoint.max_ms > ring_ms)
        ring_ms = outcomes[POOL_RING].endpoint.max_ms;
    for (unsigned i = LOOP_RING; i < CELL_COUNT; i += POOL_RING - LOOP_RING) {
        calls += outcomes[i].calls;
        dropped += outcomes[i].account.dropped;
        if (outcomes[i].quick.max_ms > quick_ms) quick_ms = outcomes[i].quick.max_ms;
    }
    printf("\nWhile the reader was stopped for %.1f s, a synchronous line on the loop held "
           "/loop/sync for %.0f ms\nand with it the loop, so that /quick, which logs nothing, took "
           "%.0f ms (%llu victims); in the pool it held\n/pool/sync for %.0f ms and left /quick at "
           "%.1f ms; through the ring nobody waited: slowest %.1f ms,\n/quick %.1f ms, and %llu of "
           "%llu lines were dropped%s.\n",
           (double)stop_ns / 1e9, loop->endpoint.max_ms, loop->quick.max_ms,
           (unsigned long long)loop->trace.victims_on_path, pool->endpoint.max_ms,
           pool->quick.max_ms, ring_ms, quick_ms, (unsigned long long)dropped,
           (unsigned long long)calls, dropped > 0 ? ", each of them announced" : "");
}

static uint64_t us_of_ms(double ms) {
    return (uint64_t)(ms * 1000);
}

static void write_row(struct tlr__json_print *json, const struct cell *cell,
                      const struct outcome *outcome) {
    const struct tlr__trace_stall *worst = worst_stall(outcome);
    const struct tlr_stall *stall = &worst->stall;
    tlr__json_print_object_begin(json, NULL);
    tlr__json_print_text(json, "endpoint", cell->endpoint);
    tlr__json_print_text(json, "handler_on", cell->where);
    tlr__json_print_text(json, "log", cell->log);
    tlr__json_print_number(json, "requests", outcome->endpoint.scheduled);
    tlr__json_print_number(json, "failed", outcome->endpoint.failed + outcome->quick.failed);
    tlr__json_print_number(json, "slowest_us", us_of_ms(outcome->endpoint.max_ms));
    tlr__json_print_number(json, "p99_us", us_of_ms(outcome->endpoint.p99_ms));
    tlr__json_print_number(json, "quick_slowest_us", us_of_ms(outcome->quick.max_ms));
    tlr__json_print_number(json, "quick_over_100ms", outcome->quick.over_100ms);
    tlr__json_print_number(json, "quick_victims", outcome->trace.victims_on_path);
    tlr__json_print_number(json, "victims", outcome->trace.victims);
    tlr__json_print_number(json, "log_calls", outcome->calls);
    tlr__json_print_number(json, "lines", lines_of(outcome));
    tlr__json_print_number(json, "dropped", outcome->account.dropped);
    tlr__json_print_bool(json, "adds_up", adds_up(outcome));
    tlr__json_print_object_begin(json, "stall");
    tlr__json_print_number(json, "duration_us", stall->duration_ns / 1000);
    tlr__json_print_text(json, "thread", stall->thread);
    tlr__json_print_number(json, "tid", (uint64_t)stall->tid);
    tlr__json_print_text(json, "cause", tlr_cause_name(stall->cause));
    tlr__json_print_text(json, "file", stall->file);
    tlr__json_print_number(json, "line", stall->line);
    tlr__json_print_text(json, "function", stall->function);
    tlr__json_print_text(json, "blame", worst->blame);
    tlr__json_print_object_end(json);
    tlr__json_print_object_end(json);
}

int tlr__lab_bad_logging_run(const struct tlr__lab_arguments *lab) {
    struct outcome outcomes[CELL_COUNT] = {0};
    struct tlr__json_print json = {.out = stdout};
    if (!lab->json) print_head(lab);
    for (unsigned i = 0; i < CELL_COUNT; i++) {
        if (run_cell(&cells[i], lab, &outcomes[i]) < 0) return TLR__CLI_ERROR;
        if (!lab->json) print_row(&cells[i], &outcomes[i]);
    }
    int ok = shown(outcomes, lab->stop_ns);
    if (!lab->json) {
        printf("\nThe longest stall of each:\n");
        for (unsigned i = 0; i < CELL_COUNT; i++) print_culprit(&cells[i], &outcomes[i]);
        print_sentence(outcomes, lab->stop_ns);
    } else {
        tlr__json_print_object_begin(&json, NULL);
        tlr__json_print_text(&json, "scenario", "bad-logging");
        tlr__json_print_number(&json, "stopped_us", lab->stop_ns / 1000);
        tlr__json_print_bool(&json, "shown", ok);
        tlr__json_print_array_begin(&json, "rows");
        for (unsigned i = 0; i < CELL_COUNT; i++) write_row(&json, &cells[i], &outcomes[i]);
        tlr__json_print_array_end(&json);
        tlr__json_print_object_end(&json);
        putchar('\n');
    }
    if (!ok) tlr__cli_notice("bad-logging: not shown this time; see the figures");
    return ok ? TLR__CLI_FOUND : TLR__CLI_NOTHING;
}
