#include "clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define FOLLOW_NS TLR_NS_PER_S
#define CALIBRATION_NS (5 * TLR_NS_PER_MS)
#define SLOPE_ONE (UINT64_C(1) << 32)

static struct tlr__clock_line process_line;
static pthread_once_t calibrated = PTHREAD_ONCE_INIT;
bool tlr__clock_tsc_trusted;
static atomic_bool ready;

/* The last pair that the rate was measured from; the follower's alone. */
static pthread_mutex_t follower = PTHREAD_MUTEX_INITIALIZER;
static uint64_t followed_ticks, followed_ns;
static _Atomic uint64_t follow_due_ticks;

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * TLR_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The kernel's own verdict counts: it leaves tsc for hpet or acpi_pm when it found it unstable. */
static bool kernel_trusts_tsc(void) {
    char name[32] = "";
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
    if (file == NULL) return false;
    const bool read = fgets(name, sizeof name, file) != NULL;
    fclose(file);
    return read && (strncmp(name, "tsc", 3) == 0 || strncmp(name, "kvm-clock", 9) == 0 ||
                    strncmp(name, "hyperv", 6) == 0);
}

static bool tsc_is_invariant(void) {
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d & (1u << 8)) != 0 && kernel_trusts_tsc();
#else
    return false;
#endif
}

uint64_t tlr__clock_kernel_ticks(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

/* A tick and a date of the same moment: the tightest of a few tries, since a preemption between the
 * two readings would be taken for drift. */
static void read_pair(uint64_t *ticks, uint64_t *date_ns) {
    uint64_t tightest = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        const uint64_t before = tlr__clock_ticks();
        const uint64_t date = clock_ns(CLOCK_REALTIME);
        const uint64_t after = tlr__clock_ticks();
        if (after - before >= tightest) continue;
        tightest = after - before;
        *ticks = before + tightest / 2;
        *date_ns = date;
    }
}

/* Release stores keep the odd sequence before the data: no fence, which sanitizers cannot see. */
static void line_write(struct tlr__clock_line *line, uint64_t ticks, uint64_t date_ns,
                       uint64_t slope) {
    const uint32_t sequence = atomic_load_explicit(&line->sequence, memory_order_relaxed);
    atomic_store_explicit(&line->sequence, sequence + 1, memory_order_relaxed);
    atomic_store_explicit(&line->base_ticks, ticks, memory_order_release);
    atomic_store_explicit(&line->base_ns, date_ns, memory_order_release);
    atomic_store_explicit(&line->slope, slope, memory_order_release);
    atomic_store_explicit(&line->sequence, sequence + 2, memory_order_release);
}

/* Bounded: a writer that died in the middle leaves an odd sequence for good. */
static void line_read(const struct tlr__clock_line *line, uint64_t *ticks, uint64_t *date_ns,
                      uint64_t *slope) {
    for (int tries = 0; tries < 1000; tries++) {
        const uint32_t before = atomic_load_explicit(&line->sequence, memory_order_acquire);
        *ticks = atomic_load_explicit(&line->base_ticks, memory_order_acquire);
        *date_ns = atomic_load_explicit(&line->base_ns, memory_order_acquire);
        *slope = atomic_load_explicit(&line->slope, memory_order_acquire);
        const uint32_t after = atomic_load_explicit(&line->sequence, memory_order_relaxed);
        if (before == after && (before & 1) == 0) return;
    }
}

static uint64_t scale(uint64_t ticks, uint64_t slope) {
    return (uint64_t)(((unsigned __int128)ticks * slope) >> 32);
}

static void calibrate(void) {
    tlr__clock_tsc_trusted = tsc_is_invariant();
    uint64_t begin_ticks = 0, begin_ns = 0, end_ticks = 0, end_ns = 0;
    read_pair(&begin_ticks, &begin_ns);
    uint64_t slope = SLOPE_ONE;
    if (tlr__clock_tsc_trusted) {
        const struct timespec pause = {.tv_nsec = (long)CALIBRATION_NS};
        nanosleep(&pause, NULL);
        read_pair(&end_ticks, &end_ns);
        if (end_ticks > begin_ticks && end_ns > begin_ns) {
            slope = (uint64_t)(((unsigned __int128)(end_ns - begin_ns) << 32) /
                               (end_ticks - begin_ticks));
        }
    } else {
        end_ticks = begin_ticks;
        end_ns = begin_ns;
    }
    followed_ticks = end_ticks;
    followed_ns = end_ns;
    line_write(&process_line, end_ticks, end_ns, slope);
    atomic_store_explicit(&follow_due_ticks, end_ticks + FOLLOW_NS * SLOPE_ONE / slope / 10,
                          memory_order_relaxed);
    atomic_store_explicit(&ready, true, memory_order_release);
}

const struct tlr__clock_line *tlr__clock_process_line(void) {
    pthread_once(&calibrated, calibrate);
    return &process_line;
}

/* Chooses the slope that meets CLOCK_REALTIME one period from now. */
static void follow(uint64_t ticks, uint64_t date_ns) {
    uint64_t base_ticks, base_ns, slope;
    line_read(&process_line, &base_ticks, &base_ns, &slope);
    const uint64_t shown_ns = base_ns + scale(ticks - base_ticks, slope);
    const int64_t error_ns = (int64_t)(date_ns - shown_ns);
    if (error_ns > (int64_t)TLR_NS_PER_S || error_ns < -(int64_t)TLR_NS_PER_S) {
        line_write(&process_line, ticks, date_ns, slope);
    } else {
        const double rate = (double)(date_ns - followed_ns) / (double)(ticks - followed_ticks);
        double correction = (double)error_ns / (double)FOLLOW_NS;
        if (correction > 0.01) correction = 0.01;
        if (correction < -0.01) correction = -0.01;
        const double present = (double)slope / (double)SLOPE_ONE;
        const bool plausible = rate > present * 0.99 && rate < present * 1.01;
        const double next = (plausible ? rate : present) * (1.0 + correction);
        line_write(&process_line, ticks, shown_ns, (uint64_t)(next * (double)SLOPE_ONE));
    }
    followed_ticks = ticks;
    followed_ns = date_ns;
}

void tlr__clock_follow(void) {
    if (tlr__clock_ticks() < atomic_load_explicit(&follow_due_ticks, memory_order_relaxed)) return;
    if (pthread_mutex_trylock(&follower) != 0) return;
    uint64_t ticks = 0, date_ns = 0;
    read_pair(&ticks, &date_ns);
    if (ticks > followed_ticks && date_ns != followed_ns) follow(ticks, date_ns);
    atomic_store_explicit(&follow_due_ticks, ticks + tlr_clock_ticks_of_ns(FOLLOW_NS),
                          memory_order_relaxed);
    pthread_mutex_unlock(&follower);
}

void tlr__clock_after_fork(void) {
    pthread_mutex_init(&follower, NULL);
}

uint64_t tlr__clock_line_date_ns(const struct tlr__clock_line *line, uint64_t ticks) {
    uint64_t base_ticks = 0, base_ns = 0, slope = 0;
    line_read(line, &base_ticks, &base_ns, &slope);
    return ticks >= base_ticks ? base_ns + scale(ticks - base_ticks, slope)
                               : base_ns - scale(base_ticks - ticks, slope);
}

void tlr__clock_line_copy(struct tlr__clock_line *to, const struct tlr__clock_line *from) {
    uint64_t ticks = 0, date_ns = 0, slope = 0;
    line_read(from, &ticks, &date_ns, &slope);
    line_write(to, ticks, date_ns, slope);
}

uint64_t tlr_clock_ticks(void) {
    /* A stamp from before the calibration would be of another unit than those after it. */
    if (__builtin_expect(!atomic_load_explicit(&ready, memory_order_acquire), 0))
        tlr__clock_process_line();
    return tlr__clock_ticks();
}

uint64_t tlr_clock_date_ns(uint64_t ticks) {
    return tlr__clock_line_date_ns(tlr__clock_process_line(), ticks);
}

uint64_t tlr_clock_between_ns(uint64_t begin_ticks, uint64_t end_ticks) {
    if (end_ticks <= begin_ticks) return 0;
    const uint64_t slope =
        atomic_load_explicit(&tlr__clock_process_line()->slope, memory_order_relaxed);
    return scale(end_ticks - begin_ticks, slope);
}

uint64_t tlr_clock_ticks_of_ns(uint64_t duration_ns) {
    const uint64_t slope =
        atomic_load_explicit(&tlr__clock_process_line()->slope, memory_order_relaxed);
    return (uint64_t)(((unsigned __int128)duration_ns << 32) / slope);
}
