/* bench_peers.h - the loggers of `tlr bench log`: one row of a table each.
 *
 * To add a logger: a struct bench_logger of three functions in bench_peers.c, or a program beside
 * tlr that takes the arguments of bench_arguments_read and reports by bench_run_and_report; and a
 * row.
 */
#ifndef TLR_BENCH_PEERS_H
#define TLR_BENCH_PEERS_H

#include "bench_measure.h"

#include <stdbool.h>

enum tlr__bench_output {
    TLR__BENCH_NO_FILE,
    TLR__BENCH_LINES,    /* plan->path is a file of lines */
    TLR__BENCH_SEGMENTS, /* plan->path is a directory of segments */
};

struct tlr__bench_peer {
    const char *name;
    const char *settings; /* how it is set up, for people */
    unsigned parts;       /* enum bench_part, or-ed: those that say something */
    enum tlr__bench_output output;
    const struct bench_logger *logger; /* in this program; or */
    const char *program;               /* a program in tlr's own directory, which gets */
    const char *variant;               /* this as its first argument */
};

extern const struct tlr__bench_peer tlr__bench_peers[];
extern const unsigned tlr__bench_peer_count;

#endif
