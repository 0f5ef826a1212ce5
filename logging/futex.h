/* futex.h - waiting on a word. Words may lie in a mapping shared with readers, but all that wait
 * and wake are threads of one process: private futexes.
 */
#ifndef TLR_FUTEX_H
#define TLR_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <tailrace/clock.h>
#include <time.h>
#include <unistd.h>

/* Waits while *word == expected, at most timeout_ns (UINT64_MAX: for ever). May return early. */
static inline void tlr__futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns) {
    const struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / TLR_NS_PER_S),
                                     .tv_nsec = (long)(timeout_ns % TLR_NS_PER_S)};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
            timeout_ns == UINT64_MAX ? NULL : &timeout, NULL, 0);
}

/* Wakes all that wait. */
static inline void tlr__futex_wake(_Atomic uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

#endif
