/* lab_task_and_quick.c - a task waits in one of four ways, and /quick is asked beside it: only the
 * wait that blocks the loop is felt there; a full pool is felt by the next pool call.
 */
#include "child_server.h"
#include "cli.h"
#include "json_print.h"
#include "lab.h"
#include "load.h"

#include <stdio.h>
#include <string.h>
#include <tailrace/clock.h>

#define TASK_AT_NS (500 * TLR_NS_PER_MS)
#define POOL_CALL_AFTER_NS (100 * TLR_NS_PER_MS)
#define QUICK_INTERVAL_NS (10 * TLR_NS_PER_MS)
#define POOL_THREADS 40

/* The peer's figures, recorded once and not measured here: uvicorn and Starlette, `/quick` asked
 * 150 ms after a task that waited PEER_SLEEP_MS. They say nothing about other waits. */
#define PEER_SLEEP_MS 2000
static const struct row {
    const char *name, *mode, *does;
    size_t tasks;
    double peer_quick_ms, peer_pool_ms; /* below 0: not measured */
} rows[] = {
    {"await", "await", "a timer", 1, 1.2, -1},
    {"block", "block", "sleeps on the loop", 1, 1852, -1},
    {"pool", "pool", "sleeps in the pool", 1, 1.0, -1},
    {"pool-full", "pool", "40 sleep in a pool of 40", POOL_THREADS, 0.9, 1843},
};
enum { AWAIT, BLOCK, POOL, POOL_FULL, ROW_COUNT };

struct outcome {
    struct tlr__load_summary task, quick, pool_call;
    char served_by[16]; /* the thread that ran the (first) task */
};

static int measure(int port, const struct row *row, uint64_t sleep_ms, struct outcome *outcome) {
    char path[64];
    snprintf(path, sizeof path, "/task?mode=%s&ms=%llu", row->mode, (unsigned long long)sleep_ms);
    const struct tlr__load_stream streams[] = {
        {.path = path, .first_ns = TASK_AT_NS, .count = row->tasks},
        {.path = "/quick", .interval_ns = QUICK_INTERVAL_NS},
        {.path = "/pool/async", .first_ns = TASK_AT_NS + POOL_CALL_AFTER_NS, .count = 1},
    };
    struct tlr__load *load;
    int error = tlr__load_start(
        &load, &(struct tlr__load_options){.port = port,
                                           .streams = streams,
                                           .stream_count = 3,
                                           .duration_ns = 2 * TASK_AT_NS + sleep_ms * TLR_NS_PER_MS,
                                           .drain_ns = (sleep_ms + 5000) * TLR_NS_PER_MS});
    if (error < 0) return error;
    tlr__load_finish(load);

    size_t count;
    const struct tlr__load_request *task = tlr__load_requests(load, 0, &count);
    memcpy(outcome->served_by, task->served_by, sizeof outcome->served_by);
    error = tlr__load_summarize(load, 0, &outcome->task);
    if (error == 0) error = tlr__load_summarize(load, 1, &outcome->quick);
    if (error == 0) error = tlr__load_summarize(load, 2, &outcome->pool_call);
    tlr__load_close(load);
    return error;
}

/* A fresh server for each row. */
static int run_row(const struct row *row, const struct tlr__lab_arguments *lab,
                   struct outcome *outcome) {
    char directory[TLR__SCRATCH_BYTES], log[TLR__SCRATCH_BYTES], trace[TLR__SCRATCH_BYTES];
    int error = tlr__scratch_make(directory, lab->directory, "tlr-lab-task-and-quick");
    if (error < 0) return tlr__cli_error("%s: %s", directory, strerror(-error));
    const char *const arguments[] = {"--log",   tlr__scratch_path(log, directory, "log"),
                                     "--trace", tlr__scratch_path(trace, directory, "trace"),
                                     "--loops", "1",
                                     "--pool",  "40",
                                     NULL};
    struct tlr__child_server server;
    error = tlr__child_server_start(&server, &(struct tlr__child_server_options){
                                                 .directory = directory, .arguments = arguments});
    if (error == 0) {
        error = measure(server.port, row, lab->sleep_ms, outcome);
        if (error < 0) tlr__cli_notice("load: %s", strerror(-error));
        if (tlr__child_server_stop(&server, 10 * TLR_NS_PER_S) < 0) error = -1;
    }
    if (lab->directory == NULL)
        tlr__scratch_remove(directory);
    else
        tlr__cli_notice("%s: kept in %s", row->name, directory);
    return error < 0 ? TLR__CLI_ERROR : 0;
}

/* What the row is about: nothing failed, and just those waited that had to. */
static int shown(const struct outcome *outcomes, uint64_t sleep_ms) {
    double long_ms = (double)sleep_ms / 2;
    int ok = outcomes[AWAIT].quick.max_ms < long_ms && outcomes[BLOCK].quick.max_ms > long_ms &&
             outcomes[POOL].quick.max_ms < long_ms && outcomes[POOL].pool_call.max_ms < long_ms &&
             outcomes[POOL_FULL].quick.max_ms < long_ms &&
             outcomes[POOL_FULL].pool_call.max_ms > long_ms;
    for (unsigned i = 0; i < ROW_COUNT; i++)
        ok = ok && outcomes[i].task.ok == rows[i].tasks && outcomes[i].quick.failed == 0 &&
             outcomes[i].pool_call.failed == 0;
    return ok;
}

/* ---- what is printed ----------------------------------------------------------------------- */

static const char *peer_text(double ms, char text[16]) {
    if (ms < 0) return "-";
    snprintf(text, 16, ms < 100 ? "%.1f" : "%.0f", ms);
    return text;
}

static void print_head(uint64_t sleep_ms) {
    int with_peer = sleep_ms == PEER_SLEEP_MS;
    printf("task-and-quick: /task waits %llu ms, a fresh server for each row, 1 loop and %d pool "
           "threads;\n/quick is asked every 10 ms (open loop), /pool/async once, 100 ms after the "
           "task began.\n%s\n",
           (unsigned long long)sleep_ms, POOL_THREADS,
           with_peer ? "uvicorn: figures recorded once, in ms, not measured now.\n" : "");
    printf("%-10s %-25s %-8s %9s %9s %9s %10s%s\n", "", "", "task", "task", "/quick", "/quick",
           "next pool", with_peer ? " | uvicorn   uvicorn" : "");
    printf("%-10s %-25s %-8s %9s %9s %9s %10s%s\n", "row", "the task", "ran on", "ms", "slowest",
           "p50 ms", "call ms", with_peer ? " | /quick    pool call" : "");
}

static void print_row(const struct row *row, const struct outcome *outcome, uint64_t sleep_ms) {
    char quick[16], pool[16];
    printf("%-10s %-25s %-8s %9.1f %9.1f %9.2f %10.1f", row->name, row->does, outcome->served_by,
           outcome->task.max_ms, outcome->quick.max_ms, outcome->quick.p50_ms,
           outcome->pool_call.max_ms);
    if (sleep_ms == PEER_SLEEP_MS)
        printf(" | %-9s %s", peer_text(row->peer_quick_ms, quick),
               peer_text(row->peer_pool_ms, pool));
    putchar('\n');
    fflush(stdout);
}

static void print_sentence(const struct outcome *outcomes) {
    printf(
        "\nOnly the task that slept on the loop kept /quick waiting (%.0f ms; awaited %.1f ms, in "
        "the pool %.1f ms);\nwith every pool thread asleep the next pool call waited %.0f ms, "
        "while calls on the loop took at most %.1f ms.\n",
        outcomes[BLOCK].quick.max_ms, outcomes[AWAIT].quick.max_ms, outcomes[POOL].quick.max_ms,
        outcomes[POOL_FULL].pool_call.max_ms, outcomes[POOL_FULL].quick.max_ms);
}

static void write_us(struct tlr__json_print *json, const char *name, double ms) {
    if (ms >= 0) tlr__json_print_number(json, name, (uint64_t)(ms * 1000));
}

static void write_row(struct tlr__json_print *json, const struct row *row,
                      const struct outcome *outcome, uint64_t sleep_ms) {
    tlr__json_print_object_begin(json, NULL);
    tlr__json_print_text(json, "row", row->name);
    tlr__json_print_text(json, "task_on", outcome->served_by);
    tlr__json_print_number(json, "tasks", outcome->task.scheduled);
    tlr__json_print_number(json, "tasks_ok", outcome->task.ok);
    tlr__json_print_number(json, "failed", outcome->quick.failed + outcome->pool_call.failed);
    write_us(json, "task_slowest_us", outcome->task.max_ms);
    write_us(json, "quick_slowest_us", outcome->quick.max_ms);
    write_us(json, "quick_p50_us", outcome->quick.p50_ms);
    write_us(json, "pool_call_us", outcome->pool_call.max_ms);
    if (sleep_ms == PEER_SLEEP_MS) {
        write_us(json, "uvicorn_recorded_quick_us", row->peer_quick_ms);
        write_us(json, "uvicorn_recorded_pool_call_us", row->peer_pool_ms);
    }
    tlr__json_print_object_end(json);
}

static void write_all(const struct outcome *outcomes, uint64_t sleep_ms, int ok) {
    struct tlr__json_print json = {.out = stdout};
    tlr__json_print_object_begin(&json, NULL);
    tlr__json_print_text(&json, "scenario", "task-and-quick");
    tlr__json_print_number(&json, "task_us", sleep_ms * 1000);
    tlr__json_print_bool(&json, "shown", ok);
    tlr__json_print_array_begin(&json, "rows");
    for (unsigned i = 0; i < ROW_COUNT; i++) write_row(&json, &rows[i], &outcomes[i], sleep_ms);
    tlr__json_print_array_end(&json);
    tlr__json_print_object_end(&json);
    putchar('\n');
}

int tlr__lab_task_and_quick_run(const struct tlr__lab_arguments *lab) {
    struct outcome outcomes[ROW_COUNT] = {0};
    if (!lab->json) print_head(lab->sleep_ms);
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        int status = run_row(&rows[i], lab, &outcomes[i]);
        if (status != 0) return status;
        if (!lab->json) print_row(&rows[i], &outcomes[i], lab->sleep_ms);
    }
    int ok = shown(outcomes, lab->sleep_ms);
    if (lab->json)
        write_all(outcomes, lab->sleep_ms, ok);
    else
        print_sentence(outcomes);
    if (!ok) tlr__cli_notice("task-and-quick: not shown this time; see the figures");
    return ok ? TLR__CLI_FOUND : TLR__CLI_NOTHING;
}
