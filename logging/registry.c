#include "registry.h"

#include "log_state.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

static _Atomic(struct tlr_log *) logs[TLR_LOGS_MAX];
static _Atomic uint32_t readers;

int tlr__registry_add(struct tlr_log *log, unsigned *index) {
    for (unsigned i = 0; i < TLR_LOGS_MAX; i++) {
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
