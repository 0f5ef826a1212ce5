/* bench_server.c - `tlr bench server`: rounds of all rows in turn, and the table made of them.
 */
#include "bench_server.h"

#include "cli.h"
#include "json_print.h"

#include <math.h>
#include <string.h>

static const char *const no_arguments[] = {NULL};
static const char *const without_access_log[] = {"--no-access-log", NULL};
static const char *const synchronous[] = {"--sync-log", NULL};

static struct tlr__bench_server_row rows[] = {
    {.name = "no-log", .what = "no line per request", .arguments = without_access_log},
    {.name = "sync-log", .what = "a write(2) per line", .logs = 1, .arguments = synchronous},
    {.name = "ring-log", .what = "the ring log", .logs = 1, .arguments = no_arguments},
    {.name = "trace",
     .what = "tracing, no line per request",
     .traces = 1,
     .arguments = without_access_log},
    {.name = "ring-trace",
     .what = "the ring log and tracing",
     .logs = 1,
     .traces = 1,
     .arguments = no_arguments},
    {.name = "nginx-no-log", .what = "nginx, access_log off", .base = 5, .is_nginx = 1},
    {.name = "nginx", .what = "nginx, access_log on", .base = 5, .logs = 1, .is_nginx = 1},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* A row that failed once is not tried again: its figures would not be of the same rounds. */
static void measure_round(const struct tlr__bench_arguments *arguments) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        struct tlr__bench_server_row *row = &rows[i];
        if (!tlr__bench_wants(arguments, row->name) || row->error[0] != '\0') continue;
        if (tlr__bench_server_measure(arguments, row) < 0) {
            tlr__cli_notice("%s SKIPPED: %s", row->name, row->error);
            continue;
        }
        const struct tlr__bench_server_row *base = &rows[row->base];
        unsigned round = row->round_count - 1;
        row->extra_us[round] =
            base->round_count > round ? row->cpu_us[round] - base->cpu_us[round] : NAN;
    }
}

static double median(const double *values, unsigned count) {
    double sorted[TLR__BENCH_SERVER_ROUNDS_MAX];
    memcpy(sorted, values, count * sizeof *values);
    return tlr__bench_median(sorted, count);
}

static void print_table(const struct tlr__bench_arguments *arguments) {
    printf("tlr bench server: GET /quick, 64 connections, 1 loop, server and generator on a "
           "processor each;\nmedians of %u rounds of %.1f s, the rows in turn\n",
           (unsigned)arguments->rounds, (double)arguments->duration_ns / 1e9);
    tlr__bench_print_machine(stdout, 0);
    printf("\n%-13s %-29s %11s %12s %12s %8s %8s %7s\n", "row", "", "requests/s", "CPU us/req",
           "over no-log", "failed", "dropped", "lost");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct tlr__bench_server_row *row = &rows[i];
        if (row->round_count == 0) {
            if (row->error[0] != '\0')
                printf("%-13s %-29s skipped: %s\n", row->name, row->what, row->error);
            continue;
        }
        printf("%-13s %-29s %11.0f %12.2f %+12.2f %8zu %8zu %7zu\n", row->name, row->what,
               median(row->per_second, row->round_count), median(row->cpu_us, row->round_count),
               median(row->extra_us, row->round_count), row->failed, row->dropped, row->lost);
    }
    printf("\nCPU is the server's, all its threads, until its writers are done. \"over no-log\" is "
           "the median of\nthe differences in each round, nginx against nginx. Dropped lines were "
           "announced in the log, "
           "lost ones were not.\n");
}

static void write_values(const char *name, const double *values, unsigned count) {
    printf(",\"%s\":[", name);
    for (unsigned i = 0; i < count; i++)
        isnan(values[i]) ? printf("%snull", i ? "," : "")
                         : printf("%s%.3f", i ? "," : "", values[i]);
    putchar(']');
}

static void print_json(const struct tlr__bench_arguments *arguments) {
    struct tlr__json_print text = {.out = stdout};
    printf("{\"bench\":\"server\",\"rounds\":%u,\"seconds\":%.3f,", (unsigned)arguments->rounds,
           (double)arguments->duration_ns / 1e9);
    tlr__bench_print_machine(stdout, 1);
    printf(",\"rows\":[");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct tlr__bench_server_row *row = &rows[i];
        if (!tlr__bench_wants(arguments, row->name)) continue;
        tlr__json_print_object_begin(&text, NULL);
        tlr__json_print_text(&text, "name", row->name);
        tlr__json_print_text(&text, "what", row->what);
        if (row->error[0] != '\0') tlr__json_print_text(&text, "error", row->error);
        tlr__json_print_number(&text, "failed", row->failed);
        tlr__json_print_number(&text, "dropped", row->dropped);
        tlr__json_print_number(&text, "lost", row->lost);
        write_values("requests_per_second", row->per_second, row->round_count);
        write_values("cpu_us_per_request", row->cpu_us, row->round_count);
        write_values("cpu_us_over_no_log", row->extra_us, row->round_count);
        tlr__json_print_object_end(&text);
    }
    printf("]}\n");
}

int tlr__bench_server_run(const struct tlr__bench_arguments *arguments) {
    int status = TLR__CLI_FOUND;
    if (arguments->rounds > TLR__BENCH_SERVER_ROUNDS_MAX)
        return tlr__cli_error("--rounds: at most %d", TLR__BENCH_SERVER_ROUNDS_MAX);
    for (uint64_t round = 0; round < arguments->rounds; round++) measure_round(arguments);
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (rows[i].error[0] != '\0') status = TLR__CLI_PARTIAL;
    if (arguments->json)
        print_json(arguments);
    else
        print_table(arguments);
    return status;
}
