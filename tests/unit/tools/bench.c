/* bench.c - what `tlr bench` computes beside measuring: rows asked for, medians, quantiles,
 * processors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bench.h"
#include "bench_measure.h"

static void test_rows_asked_for(void **state) {
    (void)state;
    const struct tlr__bench_arguments all = {0};
    const struct tlr__bench_arguments some = {.only = "stdio,ring-text"};
    assert_true(tlr__bench_wants(&all, "stdio"));
    assert_true(tlr__bench_wants(&some, "stdio"));
    assert_true(tlr__bench_wants(&some, "ring-text"));
    assert_false(tlr__bench_wants(&some, "ring-text-drop"));
    assert_false(tlr__bench_wants(&some, "ring"));
}

static void test_median(void **state) {
    (void)state;
    double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2};
    assert_true(tlr__bench_median(odd, 3) == 2);
    assert_true(tlr__bench_median(even, 4) == 2.5);
    assert_true(isnan(tlr__bench_median(odd, 0)));
}

static void test_quantiles(void **state) {
    (void)state;
    uint32_t sorted[1000];
    for (unsigned i = 0; i < 1000; i++) sorted[i] = i;
    assert_true(bench_quantile(sorted, 1000, 0.5) == 500);
    assert_true(bench_quantile(sorted, 1000, 0.999) == 999);
    assert_true(bench_quantile(sorted, 1, 0.999) == 0);
}

static void test_producers_leave_the_backend_its_processor(void **state) {
    (void)state;
    const int cpus[] = {4, 5, 6, 7};
    for (unsigned count = 2; count <= 4; count++)
        for (unsigned i = 0; i < 8; i++)
            assert_int_not_equal(bench_producer_cpu(i, cpus, count), cpus[1]);
    assert_int_equal(bench_producer_cpu(0, cpus, 4), 4);
    assert_int_equal(bench_producer_cpu(1, cpus, 4), 6);
    assert_int_equal(bench_producer_cpu(2, cpus, 4), 7);
    assert_int_equal(bench_producer_cpu(3, cpus, 4), 4);
    assert_int_equal(bench_producer_cpu(3, cpus, 1), 4);
    assert_int_equal(bench_producer_cpu(0, cpus, 0), -1);
}

static int open_nothing(const struct bench_plan *plan) {
    return plan->seconds > 1000 ? -ENOSPC : 0;
}

static uint64_t calls_made;

static inline __attribute__((always_inline)) void count_call(int iteration, double value,
                                                             const char *name) {
    bench_empty_call(iteration, value, name);
    calls_made++;
}

static void produce(struct bench_producer *producer) {
    bench_produce(producer, count_call);
}

static int close_nothing(struct bench_counts *counts) {
    counts->dropped = 7;
    return 0;
}

static const struct bench_logger counting = {open_nothing, produce, close_nothing};

static void test_a_run_counts_its_calls(void **state) {
    (void)state;
    struct bench_result result;
    const enum bench_part parts[] = {BENCH_LATENCY, BENCH_THROUGHPUT};
    for (unsigned i = 0; i < 2; i++) {
        const struct bench_plan plan = {
            .part = parts[i], .path = "", .seconds = 0.05, .producers = 1, .rate = 100000};
        calls_made = 0;
        assert_int_equal(bench_run(&plan, &counting, &result), 0);
        assert_true(calls_made > 0);
        assert_true(result.values[BENCH_CALLS] == (double)calls_made);
        assert_true(result.values[BENCH_TOLD_DROPPED] == 7);
        assert_true(isnan(result.values[BENCH_SECONDS]) == (parts[i] == BENCH_LATENCY));
        assert_true(isnan(result.values[BENCH_CALL_P99_NS]) == (parts[i] == BENCH_THROUGHPUT));
    }
    const struct bench_plan refused = {
        .part = BENCH_LATENCY, .seconds = 1e4, .producers = 1, .rate = 1};
    assert_int_equal(bench_run(&refused, &counting, &result), -ENOSPC);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_asked_for),
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_producers_leave_the_backend_its_processor),
        cmocka_unit_test(test_a_run_counts_its_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
