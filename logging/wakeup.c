#include "wakeup.h"

#include "futex.h"

#include <linux/membarrier.h>
#include <pthread.h>

static pthread_once_t prepared = PTHREAD_ONCE_INIT;
static bool available;

static void prepare(void) {
    available = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

bool tlr__wakeup_prepare(void) {
    pthread_once(&prepared, prepare);
    return available;
}

bool tlr__wakeup_barrier(void) {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void tlr__wakeup_wake(_Atomic uint32_t *word) {
    if (atomic_exchange_explicit(word, TLR__AWAKE, memory_order_seq_cst) != TLR__AWAKE)
        tlr__futex_wake(word);
}

void tlr__wakeup_rest(_Atomic uint32_t *word, enum tlr__wake depth, uint64_t timeout_ns,
                      bool (*idle)(void *user), void *user) {
    atomic_store_explicit(word, (uint32_t)depth, memory_order_seq_cst);
    const bool seen = depth != TLR__ASLEEP || tlr__wakeup_barrier();
    if (seen && idle(user)) tlr__futex_wait(word, (uint32_t)depth, timeout_ns);
    atomic_store_explicit(word, TLR__AWAKE, memory_order_relaxed);
}
