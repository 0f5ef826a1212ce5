/* log_state.h - what an open log consists of. Shared by the files that make up its life: log.c
 * opens and closes, thread.c gives lanes out, writer.c drains them, sync.c writes in the caller's
 * thread.
 */
#ifndef TLR_LOG_STATE_H
#define TLR_LOG_STATE_H

#include "lane.h"
#include "output.h"

#include <pthread.h>
#include <sys/types.h>

struct tlr__sync;

struct tlr_log {
    struct tlr_ring ring;
    struct tlr__producer *producers; /* one a lane; zeros in a forked child */
    unsigned index;                  /* in the registry */
    pid_t pid;
    enum tlr_mode mode;
    enum tlr_format format;
    enum tlr_level level;
    struct tlr__output *output;

    /* The log's own reference and one per attached thread; the last one frees. */
    struct tlr_log *next_lingering; /* closed, but referenced: registry.c */
    _Atomic uint32_t references;
    _Atomic uint32_t closing; /* no new lanes, no new records */

    /* writer.c */
    pthread_t writer;
    _Atomic uint32_t stop;    /* drain what is there, then end */
    _Atomic uint32_t abandon; /* end now, whatever is left */
    _Atomic uint32_t reopen;  /* asked for by tlr_log_reopen */
    bool may_sleep;
    pthread_mutex_t progress_lock; /* flush and close wait for the writer's progress */
    pthread_cond_t progress;
    bool writer_runs, writer_ended;

    /* sync.c */
    pthread_mutex_t sync_lock;
    struct tlr__sync *sync;         /* under the lock */
    _Atomic uint64_t sync_write_id; /* stall id of the write under way, or of the last one */
};

/* Gives up a reference; the last one unmaps the ring and frees the log. */
void tlr__log_state_release(struct tlr_log *log);

#endif
