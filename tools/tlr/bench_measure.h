/* bench_measure.h - how each logger of `tlr bench log` is measured; one code for all, C and C++.
 *
 * A logger gives three functions (struct bench_logger). Its `produce` does what a thread needs
 * first and ends with bench_produce(producer, call), where `call` is one log call: it is inlined
 * into the loops below, so that no logger pays for an indirect call that another one does not.
 *
 * Two parts, each in a process of its own:
 *  latency     a paced producer, so that no queue fills. First batches of BENCH_BATCH calls between
 * two serialised readings of the time stamp counter, for percentiles of the mean call; the cost of
 * an empty batch is subtracted and reported. Then single calls, for those that take over a
 * microsecond. throughput  calls as fast as they go for some seconds, timed until `close` returned:
 * until the last line is in the file.
 *
 * Results travel as lines `name value`, so that a logger in another language can be a program of
 * its own.
 */
#ifndef TLR_BENCH_MEASURE_H
#define TLR_BENCH_MEASURE_H

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#define BENCH_BATCH 20
#define BENCH_CPUS_MAX 64
#define BENCH_PRODUCERS_MAX 64
#define BENCH_WARM_UP_BATCHES 500 /* before anything is noted: sites, lanes, buffers, caches */
#define BENCH_NAME "tailrace"     /* what `name %s` is given */

enum bench_part {
    BENCH_LATENCY = 1,
    BENCH_THROUGHPUT = 2,
};

struct bench_plan {
    enum bench_part part;
    const char *path; /* file to log to; a directory for binary formats */
    double seconds;
    unsigned producers;
    unsigned rate; /* latency: calls a second, of each producer */
};

enum bench_metric {
    /* latency */
    BENCH_CALL_P50_NS,
    BENCH_CALL_P99_NS,
    BENCH_CALL_P999_NS,
    BENCH_BATCH_MAX_US,
    BENCH_SLOW_PER_MILLION, /* single calls over 1 us */
    BENCH_CALL_MAX_US,
    BENCH_EMPTY_BATCH_NS,
    /* both */
    BENCH_CALLS,
    BENCH_TOLD_DROPPED, /* by the logger itself; the truth is counted from the file */
    BENCH_EXTRA_LINES,  /* lines that are no calls: announced gaps */
    /* throughput */
    BENCH_SECONDS,
    BENCH_CPU_SECONDS,
    BENCH_RSS_GROWTH_MIB,
    BENCH_METRIC_COUNT,
};

static const char *const bench_metric_names[BENCH_METRIC_COUNT] = {
    "call_p50_ns", "call_p99_ns",    "call_p999_ns",   "batch_max_us", "slow_per_million",
    "call_max_us", "empty_batch_ns", "calls",          "told_dropped", "extra_lines",
    "seconds",     "cpu_seconds",    "rss_growth_mib",
};

struct bench_result {
    double values[BENCH_METRIC_COUNT]; /* NaN: not measured */
};

struct bench_counts {
    uint64_t dropped;
    uint64_t extra_lines;
};

struct bench_producer;

struct bench_logger {
    /* In the thread whose processor the backend shall have. 0 or negative errno. */
    int (*open)(const struct bench_plan *plan);
    /* In a producer's thread. */
    void (*produce)(struct bench_producer *producer);
    /* Returns when the last line is in the file. 0 or negative errno. */
    int (*close)(struct bench_counts *counts);
};

/* A producing thread: what it shall do, what it found. */
struct bench_producer {
    const struct bench_plan *plan;
    const struct bench_logger *logger;
    pthread_barrier_t *start;
    pthread_t thread;
    unsigned index;
    int cpu;        /* -1: any */
    int shares_cpu; /* with another producer: waits yield */
    double ticks_per_ns;
    uint64_t empty_batch_ticks;
    uint64_t empty_call_ticks;
    uint32_t *samples; /* ticks of each batch */
    size_t sample_count, sample_capacity;
    uint64_t calls, single_calls, slow_calls;
    uint64_t call_ticks_max;
    uint64_t begin_ns;
};

/* ---- time ----------------------------------------------------------------------------------- */

static inline uint64_t bench_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A reading that neither what was before nor what comes after can cross. */
static inline uint64_t bench_ticks(void) {
#ifdef __x86_64__
    unsigned processor;
    const uint64_t ticks = __rdtscp(&processor);
    _mm_lfence();
    return ticks;
#else
    return bench_clock_ns();
#endif
}

static inline void bench_relax(const struct bench_producer *producer) {
    if (producer->shares_cpu) sched_yield();
#ifdef __x86_64__
    _mm_pause();
#endif
}

static inline double bench_ticks_per_ns(void) {
    const uint64_t begin_ns = bench_clock_ns(), begin_ticks = bench_ticks();
    uint64_t end_ns = begin_ns;
    while (end_ns - begin_ns < 20000000) end_ns = bench_clock_ns();
    return (double)(bench_ticks() - begin_ticks) / (double)(end_ns - begin_ns);
}

/* ---- what a producer does ------------------------------------------------------------------- */

typedef void bench_call_fn(int iteration, double value, const char *name);

#define BENCH_INLINE static inline __attribute__((always_inline))

BENCH_INLINE void bench_empty_call(int iteration, double value, const char *name) {
    __asm__ volatile("" : : "r"(iteration), "m"(value), "r"(name) : "memory");
}

BENCH_INLINE uint64_t bench_batch(bench_call_fn *call, uint64_t first) {
    const uint64_t begin = bench_ticks();
    for (unsigned i = 0; i < BENCH_BATCH; i++) {
        const uint64_t iteration = first + i;
        call((int)iteration, (double)iteration * 0.5, BENCH_NAME);
    }
    return bench_ticks() - begin;
}

static inline int bench_compare_ticks(const void *left, const void *right) {
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Medians, so that an interruption does not count as the cost of reading the clock. */
static inline void bench_measure_empty(struct bench_producer *producer) {
    enum { TURNS = 1001 };
    uint32_t batches[TURNS], calls[TURNS];
    for (unsigned turn = 0; turn < TURNS; turn++) {
        batches[turn] = (uint32_t)bench_batch(bench_empty_call, turn);
        const uint64_t begin = bench_ticks();
        bench_empty_call((int)turn, 0.5, BENCH_NAME);
        calls[turn] = (uint32_t)(bench_ticks() - begin);
    }
    qsort(batches, TURNS, sizeof *batches, bench_compare_ticks);
    qsort(calls, TURNS, sizeof *calls, bench_compare_ticks);
    producer->empty_batch_ticks = batches[TURNS / 2];
    producer->empty_call_ticks = calls[TURNS / 2];
}

static inline uint64_t bench_pace(const struct bench_producer *producer, uint64_t next,
                                  uint64_t interval) {
    uint64_t now = bench_ticks();
    while ((int64_t)(now - next) < 0) {
        bench_relax(producer);
        now = bench_ticks();
    }
    /* After a gap of the machine's the pace goes on from now: catching up would be a burst. */
    return (int64_t)(now - next) > (int64_t)interval ? now + interval : next + interval;
}

BENCH_INLINE void bench_produce_paced(struct bench_producer *producer, bench_call_fn *call) {
    const struct bench_plan *plan = producer->plan;
    const double tick = producer->ticks_per_ns * 1e9;
    const uint64_t interval = (uint64_t)(tick * BENCH_BATCH / plan->rate);
    const uint64_t slow_ticks =
        producer->empty_call_ticks + (uint64_t)(producer->ticks_per_ns * 1e3);
    uint64_t next = bench_ticks();

    for (unsigned batch = 0; batch < BENCH_WARM_UP_BATCHES; batch++) {
        next = bench_pace(producer, next, interval);
        bench_batch(call, producer->calls);
        producer->calls += BENCH_BATCH;
    }
    for (size_t i = 0; i < producer->sample_capacity; i++) {
        next = bench_pace(producer, next, interval);
        const uint64_t ticks = bench_batch(call, producer->calls);
        producer->samples[i] = ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
        producer->calls += BENCH_BATCH;
    }
    producer->sample_count = producer->sample_capacity;
    for (size_t batch = 0; batch < producer->sample_capacity; batch++) {
        next = bench_pace(producer, next, interval);
        for (unsigned i = 0; i < BENCH_BATCH; i++) {
            const uint64_t begin = bench_ticks();
            call((int)producer->calls, (double)producer->calls * 0.5, BENCH_NAME);
            const uint64_t ticks = bench_ticks() - begin;
            producer->calls++;
            producer->single_calls++;
            producer->slow_calls += ticks > slow_ticks;
            if (ticks > producer->call_ticks_max) producer->call_ticks_max = ticks;
        }
    }
}

BENCH_INLINE void bench_produce_flood(struct bench_producer *producer, bench_call_fn *call) {
    const uint64_t end = producer->begin_ns + (uint64_t)(producer->plan->seconds * 1e9);
    do {
        for (unsigned i = 0; i < 1000; i++, producer->calls++)
            call((int)producer->calls, (double)producer->calls * 0.5, BENCH_NAME);
    } while (bench_clock_ns() < end);
}

BENCH_INLINE void bench_produce(struct bench_producer *producer, bench_call_fn *call) {
    bench_measure_empty(producer);
    pthread_barrier_wait(producer->start);
    producer->begin_ns = bench_clock_ns();
    if (producer->plan->part == BENCH_LATENCY)
        bench_produce_paced(producer, call);
    else
        bench_produce_flood(producer, call);
}

/* ---- processors ------------------------------------------------------------------------------ */

static inline unsigned bench_cpus(int cpus[BENCH_CPUS_MAX]) {
    cpu_set_t set;
    unsigned count = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && count < BENCH_CPUS_MAX; cpu++)
        if (CPU_ISSET(cpu, &set)) cpus[count++] = cpu;
    return count;
}

static inline void bench_pin(int cpu) {
    cpu_set_t set;
    if (cpu < 0) return;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* The second processor is the backend's; producers go round the others. */
static inline int bench_producer_cpu(unsigned index, const int *cpus, unsigned count) {
    if (count == 0) return -1;
    if (count < 3) return cpus[0];
    const unsigned turn = index % (count - 1);
    return cpus[turn == 0 ? 0 : turn + 1];
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* A value of /proc/self/status, in MiB: VmRSS, VmHWM. (rusage's maximum outlives an exec.) */
static inline double bench_memory_mib(const char *name) {
    char line[128];
    double kib = NAN;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL) return kib;
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) kib = strtod(line + strlen(name) + 1, NULL);
    fclose(status);
    return kib / 1024;
}

static inline double bench_cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static inline void *bench_producer_thread(void *argument) {
    struct bench_producer *producer = (struct bench_producer *)argument;
    bench_pin(producer->cpu);
    producer->logger->produce(producer);
    return NULL;
}

static inline double bench_quantile(const uint32_t *sorted, size_t count, double quantile) {
    const size_t index = (size_t)((double)count * quantile);
    return sorted[index < count ? index : count - 1];
}

static inline void bench_result_of_latency(const struct bench_producer *producers, unsigned count,
                                           uint32_t *samples, size_t sample_count,
                                           struct bench_result *result) {
    const double ticks_per_ns = producers[0].ticks_per_ns;
    const double empty = (double)producers[0].empty_batch_ticks;
    uint64_t single_calls = 0, slow_calls = 0, ticks_max = 0;
    for (unsigned i = 0; i < count; i++) {
        single_calls += producers[i].single_calls;
        slow_calls += producers[i].slow_calls;
        if (producers[i].call_ticks_max > ticks_max) ticks_max = producers[i].call_ticks_max;
    }
    qsort(samples, sample_count, sizeof *samples, bench_compare_ticks);
    const double quantiles[] = {0.5, 0.99, 0.999};
    for (unsigned i = 0; i < 3; i++) {
        const double ticks = bench_quantile(samples, sample_count, quantiles[i]) - empty;
        result->values[BENCH_CALL_P50_NS + i] = fmax(ticks, 0) / ticks_per_ns / BENCH_BATCH;
    }
    result->values[BENCH_BATCH_MAX_US] = samples[sample_count - 1] / ticks_per_ns / 1e3;
    result->values[BENCH_SLOW_PER_MILLION] = 1e6 * (double)slow_calls / (double)single_calls;
    result->values[BENCH_CALL_MAX_US] = (double)ticks_max / ticks_per_ns / 1e3;
    result->values[BENCH_EMPTY_BATCH_NS] = empty / ticks_per_ns;
}

/* Measures one logger. Errors: what its open or close returned; -ENOMEM; errno of thread creation.
 */
static inline int bench_run(const struct bench_plan *plan, const struct bench_logger *logger,
                            struct bench_result *result) {
    struct bench_producer producers[BENCH_PRODUCERS_MAX];
    int cpus[BENCH_CPUS_MAX];
    const unsigned cpu_count = bench_cpus(cpus);
    const double ticks_per_ns = bench_ticks_per_ns();
    const size_t batches = plan->part == BENCH_LATENCY
                               ? (size_t)(plan->seconds / 2 * plan->rate / BENCH_BATCH) + 1
                               : 0;
    uint32_t *samples = (uint32_t *)malloc((batches * plan->producers + 1) * sizeof *samples);
    pthread_barrier_t start;
    struct bench_counts counts = {0, 0};

    for (int i = 0; i < BENCH_METRIC_COUNT; i++) result->values[i] = NAN;
    if (samples == NULL) return -ENOMEM;
    memset(samples, 1, batches * plan->producers * sizeof *samples);
    const double rss_before = bench_memory_mib("VmRSS");
    const double cpu_before = bench_cpu_seconds();

    if (cpu_count > 1) bench_pin(cpus[1]);
    int error = logger->open(plan);
    if (error != 0) {
        free(samples);
        return error;
    }
    pthread_barrier_init(&start, NULL, plan->producers);
    for (unsigned i = 0; i < plan->producers; i++) {
        struct bench_producer *producer = &producers[i];
        memset(producer, 0, sizeof *producer);
        producer->plan = plan;
        producer->logger = logger;
        producer->start = &start;
        producer->index = i;
        producer->cpu = bench_producer_cpu(i, cpus, cpu_count);
        producer->shares_cpu = cpu_count < 2 || plan->producers > cpu_count - 1;
        producer->ticks_per_ns = ticks_per_ns;
        producer->samples = samples + i * batches;
        producer->sample_capacity = batches;
        error = pthread_create(&producer->thread, NULL, bench_producer_thread, producer);
        if (error != 0) return -error; /* the others wait at the barrier: the process must end */
    }
    for (unsigned i = 0; i < plan->producers; i++) pthread_join(producers[i].thread, NULL);
    error = logger->close(&counts);
    const uint64_t end_ns = bench_clock_ns();
    const double cpu_after = bench_cpu_seconds();

    uint64_t calls = 0, begin_ns = UINT64_MAX;
    for (unsigned i = 0; i < plan->producers; i++) {
        calls += producers[i].calls;
        if (producers[i].begin_ns < begin_ns) begin_ns = producers[i].begin_ns;
    }
    result->values[BENCH_CALLS] = (double)calls;
    result->values[BENCH_TOLD_DROPPED] = (double)counts.dropped;
    result->values[BENCH_EXTRA_LINES] = (double)counts.extra_lines;
    if (plan->part == BENCH_LATENCY) {
        bench_result_of_latency(producers, plan->producers, samples, batches * plan->producers,
                                result);
    } else {
        result->values[BENCH_SECONDS] = (double)(end_ns - begin_ns) * 1e-9;
        result->values[BENCH_CPU_SECONDS] = cpu_after - cpu_before;
        result->values[BENCH_RSS_GROWTH_MIB] = bench_memory_mib("VmHWM") - rss_before;
    }
    pthread_barrier_destroy(&start);
    free(samples);
    return error;
}

/* Runs and prints `name value` lines, or `error TEXT`. Returns a program's exit status. */
static inline int bench_run_and_report(const struct bench_plan *plan,
                                       const struct bench_logger *logger, FILE *out) {
    struct bench_result result;
    const int error = bench_run(plan, logger, &result);
    if (error != 0) {
        fprintf(out, "error %s\n", strerror(-error));
    } else {
        for (int i = 0; i < BENCH_METRIC_COUNT; i++)
            if (!isnan(result.values[i]))
                fprintf(out, "%s %.17g\n", bench_metric_names[i], result.values[i]);
    }
    return fflush(out) == 0 && error == 0 ? 0 : 1;
}

#endif
