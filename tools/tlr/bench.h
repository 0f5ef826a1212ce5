/* bench.h - `tlr bench`: what its benchmarks are asked for.
 *
 * A benchmark prints distributions, the machine, the load and the peers' rows; it never passes or
 * fails on a time. Exit status: 0 done, 2 could not begin, 3 some row could not be had.
 */
#ifndef TLR_BENCH_H
#define TLR_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct tlr__bench_arguments {
    int json;              /* print one JSON object in place of tables */
    uint64_t rounds;       /* each row is measured once a round; results are medians */
    uint64_t duration_ns;  /* of one measurement */
    const char *only;      /* rows to measure, separated by commas; NULL: all */
    const char *directory; /* where logs are written; NULL: /var/tmp */
    uint64_t producers;    /* log: producing threads */
    uint64_t rate;         /* log: calls a second of each producer, while calls are timed */
};

/* Loggers beside each other. Thread: main. Blocks: rounds x rows x duration. */
int tlr__bench_log_run(const struct tlr__bench_arguments *arguments);

/* The server with no log, logs and tracing, beside nginx. Thread: main. */
int tlr__bench_server_run(const struct tlr__bench_arguments *arguments);

/* True if a row of that name was asked for. */
bool tlr__bench_wants(const struct tlr__bench_arguments *arguments, const char *name);

/* The machine, kernel, compiler and load average, as one line or as JSON members. */
void tlr__bench_print_machine(FILE *out, int json);

/* Sorts; NaN if there are none. */
double tlr__bench_median(double *values, unsigned count);

#endif
