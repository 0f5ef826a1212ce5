#include "identity.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <tailrace/clock.h>
#include <unistd.h>

/* xoshiro256++ (Blackman, Vigna: "Scrambled linear pseudorandom number generators", 2019): 2 ns an
 * id, against 200 for getrandom each time. */
struct generator {
    uint64_t words[4];
    unsigned generation; /* of the process, see below; 0: not seeded */
};

static _Thread_local struct generator generator;

/* Counts forks on the child's side: a child must not continue its parent's sequence. */
static atomic_uint process_generation = 1;
static pthread_once_t fork_watched = PTHREAD_ONCE_INIT;

static void count_fork(void) {
    atomic_fetch_add_explicit(&process_generation, 1, memory_order_relaxed);
}

static void watch_fork(void) {
    pthread_atfork(NULL, NULL, count_fork);
}

/* splitmix64: spreads a weak seed over all bits. */
static uint64_t mix(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void seed(struct generator *own, unsigned generation) {
    if (getrandom(own->words, sizeof own->words, GRND_NONBLOCK) != (ssize_t)sizeof own->words) {
        uint64_t state = tlr_clock_ticks() ^ (uint64_t)(uintptr_t)own ^ (uint64_t)getpid() << 40;
        for (unsigned i = 0; i < 4; i++) own->words[i] = mix(&state);
    }
    own->words[0] |= 1; /* all zeros would stay so for ever */
    own->generation = generation;
}

static uint64_t rotate(uint64_t x, unsigned bits) {
    return x << bits | x >> (64 - bits);
}

static uint64_t next(uint64_t words[4]) {
    uint64_t result = rotate(words[0] + words[3], 23) + words[0];
    uint64_t shifted = words[1] << 17;
    words[2] ^= words[0];
    words[3] ^= words[1];
    words[1] ^= words[2];
    words[0] ^= words[3];
    words[2] ^= shifted;
    words[3] = rotate(words[3], 45);
    return result;
}

uint64_t tlr__identity_new(void) {
    unsigned generation = atomic_load_explicit(&process_generation, memory_order_relaxed);
    if (generator.generation != generation) {
        pthread_once(&fork_watched, watch_fork);
        seed(&generator, generation);
    }
    uint64_t id;
    do id = next(generator.words);
    while (id == 0);
    return id;
}
