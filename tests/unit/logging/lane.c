#include "lane.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define LANE_BYTES 4096u

struct fixture {
    struct tlr__lane *lane;
    unsigned char *bytes;
    struct tlr__producer producer;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->lane = aligned_alloc(64, sizeof *fixture->lane);
    memset(fixture->lane, 0, sizeof *fixture->lane);
    fixture->bytes = calloc(1, LANE_BYTES);
    tlr__lane_attach(&fixture->producer, fixture->lane, fixture->bytes, LANE_BYTES);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    free(fixture->lane);
    free(fixture->bytes);
    free(fixture);
    return 0;
}

/* How many records of that level fit. */
static unsigned fill(struct fixture *fixture, enum tlr_level level) {
    unsigned count = 0;
    for (;;) {
        struct tlr__reserved reserved =
            (tlr__lane_intend(&fixture->producer, 1), tlr__lane_reserve(&fixture->producer, 64));
        if (reserved.header == NULL) {
            if (tlr__lane_extend(&fixture->producer, 64, level, NULL) != 0) return count;
            reserved = (tlr__lane_intend(&fixture->producer, 1),
                        tlr__lane_reserve(&fixture->producer, 64));
        }
        assert_non_null(reserved.header);
        tlr__lane_publish(&fixture->producer, reserved.end);
        count++;
    }
}

static void test_a_full_lane_keeps_headroom_for_warnings(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(fill(fixture, TLR_LEVEL_INFO), LANE_BYTES / 64 * 7 / 8);
    assert_int_equal(fill(fixture, TLR_LEVEL_WARN), LANE_BYTES / 64 / 8);
    assert_int_equal(fill(fixture, TLR_LEVEL_ERROR), 0);
}

static void test_released_bytes_are_used_again(void **state) {
    struct fixture *fixture = *state;
    fill(fixture, TLR_LEVEL_ERROR);
    tlr__lane_release(fixture->lane, 128);
    assert_int_equal(fill(fixture, TLR_LEVEL_ERROR), 2);
}

static void test_reserved_tells_of_a_record_in_progress(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(tlr__lane_extend(&fixture->producer, 64, TLR_LEVEL_INFO, NULL), 0);
    const struct tlr__reserved reserved =
        (tlr__lane_intend(&fixture->producer, 7), tlr__lane_reserve(&fixture->producer, 64));
    assert_int_equal(atomic_load_explicit(&fixture->lane->reserved, memory_order_acquire), 64);
    assert_int_equal(atomic_load_explicit(&fixture->lane->reserved_site, memory_order_acquire), 7);
    assert_int_equal(tlr__lane_head(fixture->lane), 0);
    tlr__lane_publish(&fixture->producer, reserved.end);
    assert_int_equal(tlr__lane_head(fixture->lane), 64);
}

static void test_a_shut_lane_takes_nothing(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(tlr__lane_extend(&fixture->producer, 64, TLR_LEVEL_INFO, NULL), 0);
    tlr__lane_shut(&fixture->producer);
    assert_null((tlr__lane_intend(&fixture->producer, 1), tlr__lane_reserve(&fixture->producer, 64))
                    .header);
    assert_int_equal(tlr__lane_extend(&fixture->producer, 64, TLR_LEVEL_ERROR, NULL), -ESHUTDOWN);
}

static void test_drops_are_counted_by_site_and_reason(void **state) {
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < 5; i++) tlr__lane_lose(&fixture->producer, 3, TLR_REASON_LANE_FULL);
    tlr__lane_lose(&fixture->producer, 3, TLR_REASON_TOO_LARGE);
    for (unsigned site = 100; site < 200; site++)
        tlr__lane_lose(&fixture->producer, site, TLR_REASON_LANE_FULL);
    assert_int_equal(atomic_load_explicit(&fixture->lane->losses[0].count, memory_order_acquire),
                     5);
    assert_int_equal(atomic_load_explicit(&fixture->lane->losses[1].count, memory_order_acquire),
                     1);
    assert_int_equal(atomic_load_explicit(&fixture->lane->losses[TLR__LOSSES_KEPT - 1].count,
                                          memory_order_acquire),
                     100 - (TLR__LOSSES_KEPT - 3));
    assert_int_equal(atomic_load_explicit(&fixture->lane->lost, memory_order_acquire), 106);
}

static void *release_all(void *user) {
    struct fixture *fixture = user;
    while (atomic_load_explicit(&fixture->lane->waiting, memory_order_acquire) == 0) sched_yield();
    tlr__lane_release(fixture->lane, tlr__lane_head(fixture->lane));
    return NULL;
}

static void test_a_waiting_producer_is_woken_by_a_release(void **state) {
    struct fixture *fixture = *state;
    fill(fixture, TLR_LEVEL_ERROR);
    pthread_t thread;
    pthread_create(&thread, NULL, release_all, fixture);
    const uint64_t deadline = tlr_clock_ticks() + tlr_clock_ticks_of_ns(20 * TLR_NS_PER_S);
    int error;
    do {
        const uint32_t seen = tlr__lane_wait_prepare(&fixture->producer);
        error = tlr__lane_extend(&fixture->producer, 64, TLR_LEVEL_INFO, NULL);
        if (error != -EAGAIN) break;
        error = tlr__lane_wait(&fixture->producer, seen, deadline);
    } while (error == 0);
    tlr__lane_wait_end(&fixture->producer);
    pthread_join(thread, NULL);
    assert_int_equal(error, 0);
}

static void test_a_wait_ends_at_its_deadline(void **state) {
    struct fixture *fixture = *state;
    fill(fixture, TLR_LEVEL_ERROR);
    const uint64_t begin = tlr_clock_ticks();
    const uint64_t deadline = begin + tlr_clock_ticks_of_ns(5 * TLR_NS_PER_MS);
    const uint32_t seen = tlr__lane_wait_prepare(&fixture->producer);
    while (tlr__lane_wait(&fixture->producer, seen, deadline) == 0) {
    }
    assert_true(tlr_clock_between_ns(begin, tlr_clock_ticks()) >= 5 * TLR_NS_PER_MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_full_lane_keeps_headroom_for_warnings, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_released_bytes_are_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reserved_tells_of_a_record_in_progress, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_shut_lane_takes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_drops_are_counted_by_site_and_reason, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_waiting_producer_is_woken_by_a_release, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_wait_ends_at_its_deadline, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
