#include "registry.h"

#include "category.h"
#include "log_state.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

static _Atomic(struct tlr_log *) logs[TLR_LOGS_MAX];
static _Atomic uint32_t readers;

static pthread_once_t fork_watched = PTHREAD_ONCE_INIT;
static pthread_mutex_t lingering_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tlr_log *lingering;

/* What other threads of the parent held at the fork, nobody will give back in the child. */
static void after_fork(void) {
    atomic_store_explicit(&readers, 0, memory_order_seq_cst);
    pthread_mutex_init(&lingering_lock, NULL);
    tlr__category_after_fork();
    tlr__clock_after_fork();
}

static void watch_forks(void) {
    pthread_atfork(NULL, NULL, after_fork);
}

int tlr__registry_add(struct tlr_log *log, unsigned first, unsigned *index) {
    pthread_once(&fork_watched, watch_forks);
    for (unsigned i = first; i < TLR_LOGS_MAX; i++) {
        struct tlr_log *there = atomic_load_explicit(&logs[i], memory_order_seq_cst);
        /* After a fork the parent's logs are none of ours: their place is free, their memory leaks.
         */
        if (there != NULL && there->pid == getpid()) continue;
        *index = i;
        if (atomic_compare_exchange_strong_explicit(&logs[i], &there, log, memory_order_seq_cst,
                                                    memory_order_seq_cst))
            return 0;
    }
    return -EMFILE;
}

void tlr__registry_remove(struct tlr_log *log, unsigned index) {
    struct tlr_log *expected = log;
    atomic_compare_exchange_strong_explicit(&logs[index], &expected, NULL, memory_order_seq_cst,
                                            memory_order_seq_cst);
    while (atomic_load_explicit(&readers, memory_order_seq_cst) != 0) sched_yield();
}

struct tlr_log *tlr__registry_look(unsigned index) {
    atomic_fetch_add_explicit(&readers, 1, memory_order_seq_cst);
    struct tlr_log *log = atomic_load_explicit(&logs[index], memory_order_seq_cst);
    return log != NULL && log->pid == getpid() ? log : NULL;
}

void tlr__registry_look_end(void) {
    atomic_fetch_sub_explicit(&readers, 1, memory_order_seq_cst);
}

void tlr__registry_each_ring(void (*visit)(struct tlr_ring *ring, void *user), void *user) {
    for (unsigned i = 0; i < TLR_LOGS_MAX; i++) {
        struct tlr_log *log = tlr__registry_look(i);
        if (log != NULL) visit(&log->ring, user);
        tlr__registry_look_end();
    }
}

void tlr__registry_linger(struct tlr_log *log) {
    pthread_mutex_lock(&lingering_lock);
    log->next_lingering = lingering;
    lingering = log;
    pthread_mutex_unlock(&lingering_lock);
}

void tlr__registry_forget(struct tlr_log *log) {
    pthread_mutex_lock(&lingering_lock);
    struct tlr_log **at = &lingering;
    while (*at != NULL && *at != log) at = &(*at)->next_lingering;
    if (*at != NULL) *at = log->next_lingering;
    pthread_mutex_unlock(&lingering_lock);
}
