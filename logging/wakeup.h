/* wakeup.h - waking the writer, so that producers make a system call only when it truly sleeps.
 *
 *     AWAKE   draining; looks at all lanes again before it rests
 *     NAP     resting for about a millisecond; nobody needs to wake it, unless a lane fills
 *     ASLEEP  resting until woken, after a long idle
 *
 * A producer publishes, then looks at the word; the writer stores ASLEEP, then looks at the lanes.
 * Either side must not pass the other: the producer pays nothing for that, since the writer calls
 * membarrier between its store and its look. Where the kernel refuses membarrier the writer never
 * goes beyond NAP.
 */
#ifndef TLR_WAKEUP_H
#define TLR_WAKEUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum tlr__wake { TLR__AWAKE = 0, TLR__NAP = 1, TLR__ASLEEP = 2 };

/* True if the writer may sleep and a close may rely on tlr__wakeup_barrier. Once per process,
 * before threads run where possible (it takes 12 ms once they do). */
bool tlr__wakeup_prepare(void);

/* All threads of the process pass a full barrier. False: the kernel refused. */
bool tlr__wakeup_barrier(void);

/* Out of rest, if it rests. Thread: any. A system call if it did. */
void tlr__wakeup_wake(_Atomic uint32_t *word);

/* For producers, after publishing: wakes a writer that rests at that depth or deeper. Blocks:
 * never. */
static inline void tlr__wakeup_published(_Atomic uint32_t *word, enum tlr__wake from) {
    atomic_signal_fence(memory_order_seq_cst); /* the compiler's part; the writer's is membarrier */
    if (__builtin_expect(atomic_load_explicit(word, memory_order_relaxed) >= (uint32_t)from, 0))
        tlr__wakeup_wake(word);
}

/* Rests at most timeout_ns; `idle` is asked again, after rest was announced, whether there is still
 * nothing to do. Thread: the writer. */
void tlr__wakeup_rest(_Atomic uint32_t *word, enum tlr__wake depth, uint64_t timeout_ns,
                      bool (*idle)(void *user), void *user);

#endif
