#include "clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static uint64_t realtime_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * TLR_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void test_dates_agree_with_the_kernel(void **state) {
    (void)state;
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 1000;
         i++) { /* the best of many: a preemption between the two is no error */
        const uint64_t before = realtime_ns();
        const uint64_t date = tlr_clock_date_ns(tlr_clock_ticks());
        const uint64_t error = date > before ? date - before : before - date;
        if (error < best) best = error;
    }
    assert_true(best < TLR_NS_PER_MS);
}

static void test_dates_never_run_backwards(void **state) {
    (void)state;
    uint64_t last = 0;
    for (int i = 0; i < 200000; i++) {
        if (i % 1000 == 0) tlr__clock_follow();
        const uint64_t date = tlr_clock_date_ns(tlr_clock_ticks());
        assert_true(date >= last);
        last = date;
    }
}

static void test_a_duration_and_its_ticks_are_inverse(void **state) {
    (void)state;
    for (uint64_t ns = 1000; ns < 100 * TLR_NS_PER_S; ns *= 7) {
        const uint64_t begin = tlr_clock_ticks();
        const uint64_t back = tlr_clock_between_ns(begin, begin + tlr_clock_ticks_of_ns(ns));
        assert_in_range(back, ns - ns / 100 - 2, ns + ns / 100 + 2);
    }
    assert_int_equal(tlr_clock_between_ns(10, 10), 0);
    assert_int_equal(tlr_clock_between_ns(10, 9), 0);
}

static void test_a_sleep_is_as_long_as_the_kernel_says(void **state) {
    (void)state;
    const uint64_t begin = tlr_clock_ticks();
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    const uint64_t ours = tlr_clock_between_ns(begin, tlr_clock_ticks());
    const uint64_t theirs = (uint64_t)(to.tv_sec - from.tv_sec) * TLR_NS_PER_S +
                            (uint64_t)to.tv_nsec - (uint64_t)from.tv_nsec;
    assert_true(ours >= theirs - theirs / 100); /* ours has theirs inside */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates_agree_with_the_kernel),
        cmocka_unit_test(test_dates_never_run_backwards),
        cmocka_unit_test(test_a_duration_and_its_ticks_are_inverse),
        cmocka_unit_test(test_a_sleep_is_as_long_as_the_kernel_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
