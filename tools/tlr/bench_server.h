/* bench_server.h - `tlr bench server`: what a log and a trace cost a server, beside nginx.
 *
 * One endpoint (/quick), one loop, a closed loop of connections; the server with all its threads,
 * writers included, on one processor and the generator on another. Processor time is the server's
 * own, until its writers are done. Declared in bench.h: tlr__bench_server_run.
 */
#ifndef TLR_BENCH_SERVER_H
#define TLR_BENCH_SERVER_H

#include "bench.h"

#include <stddef.h>

#define TLR__BENCH_SERVER_ROUNDS_MAX 99

/* One server under measurement, and what was measured. */
struct tlr__bench_server_row {
    const char *name, *what;
    int is_nginx, logs, traces;   /* logs: a line per request */
    unsigned base;                /* row that differs from this one by log and trace only */
    const char *const *arguments; /* of `tlr serve`, beside --log and --trace; ended by NULL */
    unsigned round_count;
    double per_second[TLR__BENCH_SERVER_ROUNDS_MAX];
    double cpu_us[TLR__BENCH_SERVER_ROUNDS_MAX];   /* per request */
    double extra_us[TLR__BENCH_SERVER_ROUNDS_MAX]; /* over the base, in the same round */
    size_t failed, lost;                           /* requests; lines, not even announced */
    size_t dropped;                                /* lines that the log announced as dropped */
    char error[96];                                /* "": every round was measured */
};

/* Measures a row once. Errors: negative errno, `row->error` says what. */
int tlr__bench_server_measure(const struct tlr__bench_arguments *arguments,
                              struct tlr__bench_server_row *row);

#endif
