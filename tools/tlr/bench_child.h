/* bench_child.h - one measurement of one logger, in a fresh process.
 */
#ifndef TLR_BENCH_CHILD_H
#define TLR_BENCH_CHILD_H

#include "bench_peers.h"

#include <signal.h>

#define TLR__BENCH_ERROR_BYTES 96

/* Runs it and waits for it.
 * deadline_ns: after which it is killed. stopped: nonzero ends it early.
 * Thread: main (it forks: no other thread may run). Blocks: until the deadline.
 * Errors: -ENOENT its program was not built; -ETIMEDOUT; -EINTR stopped; -EPROTO it failed: `error`
 * says how, in every case. */
int tlr__bench_child_run(const struct tlr__bench_peer *peer, const struct bench_plan *plan,
                         uint64_t deadline_ns, const volatile sig_atomic_t *stopped,
                         struct bench_result *result, char error[TLR__BENCH_ERROR_BYTES]);

/* Nonzero if the peer can be run: it is part of this program, or its program is there. */
bool tlr__bench_child_available(const struct tlr__bench_peer *peer);

/* Records in what a measurement wrote, and its bytes, counted from the files.
 * Blocks: on reading all of it. Errors: errno of reading. */
int tlr__bench_child_output(const struct tlr__bench_peer *peer, const char *path, uint64_t *records,
                            uint64_t *bytes);

#endif
