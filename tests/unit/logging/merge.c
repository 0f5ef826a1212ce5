/* Lanes filled by hand, so that every order and every record in progress can be had at will. */
#include "merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define LANES 4u
#define LANE_BYTES 4096u

struct lanes {
    struct tlr_ring ring;
    struct tlr__producer producers[LANES];
    struct tlr__merge merge;
};

static int set_up(void **state) {
    struct lanes *lanes = calloc(1, sizeof *lanes);
    assert_int_equal(
        tlr__ring_file_make(&lanes->ring, NULL, "merge", TLR_MODE_RING, LANES, LANE_BYTES), 0);
    for (unsigned i = 0; i < LANES; i++)
        tlr__lane_attach(&lanes->producers[i], &lanes->ring.lanes[i],
                         lanes->ring.bytes + i * LANE_BYTES, LANE_BYTES);
    assert_int_equal(tlr__merge_init(&lanes->merge, &lanes->ring), 0);
    *state = lanes;
    return 0;
}

static int tear_down(void **state) {
    struct lanes *lanes = *state;
    tlr__merge_free(&lanes->merge);
    tlr__ring_file_remove(&lanes->ring);
    tlr__ring_file_unmake(&lanes->ring);
    free(lanes);
    return 0;
}

static uint64_t reserve(struct lanes *lanes, unsigned lane, uint64_t stamp, size_t bytes) {
    struct tlr__producer *producer = &lanes->producers[lane];
    struct tlr__reserved reserved =
        (tlr__lane_intend(producer, 1), tlr__lane_reserve(producer, bytes));
    if (reserved.header == NULL) {
        assert_int_equal(tlr__lane_extend(producer, bytes, TLR_LEVEL_ERROR, NULL), 0);
        reserved = (tlr__lane_intend(producer, 1), tlr__lane_reserve(producer, bytes));
    }
    assert_non_null(reserved.header);
    *reserved.header =
        (struct tlr__record_header){.bytes = (uint32_t)bytes, .site = 1, .stamp = stamp};
    return reserved.end;
}

static void add(struct lanes *lanes, unsigned lane, uint64_t stamp) {
    tlr__lane_publish(&lanes->producers[lane], reserve(lanes, lane, stamp, 32));
}

static void assert_next(struct lanes *lanes, uint64_t stamp, unsigned lane) {
    unsigned from = LANES;
    const struct tlr__record_header *header = tlr__merge_next(&lanes->merge, &from);
    assert_non_null(header);
    assert_int_equal(header->stamp, stamp);
    assert_int_equal(from, lane);
    tlr__merge_take(&lanes->merge, from, header);
}

static void assert_none(struct lanes *lanes, int held) {
    unsigned from;
    assert_null(tlr__merge_next(&lanes->merge, &from));
    assert_int_equal(lanes->merge.held, held);
}

static void test_records_come_by_stamp(void **state) {
    struct lanes *lanes = *state;
    add(lanes, 0, 10), add(lanes, 0, 40), add(lanes, 1, 20), add(lanes, 1, 50), add(lanes, 2, 30);
    tlr__merge_begin(&lanes->merge);
    assert_next(lanes, 10, 0);
    assert_next(lanes, 20, 1);
    assert_next(lanes, 30, 2);
    assert_next(lanes, 40, 0);
    assert_next(lanes, 50, 1);
    assert_none(lanes, -1);
}

static void test_what_is_newer_than_the_look_waits_for_the_next(void **state) {
    struct lanes *lanes = *state;
    add(lanes, 0, 10);
    add(lanes, 1, tlr_clock_ticks() + tlr_clock_ticks_of_ns(20 * TLR_NS_PER_MS));
    tlr__merge_begin(&lanes->merge);
    assert_next(lanes, 10, 0);
    assert_none(lanes, -1);
}

static void test_a_record_in_progress_holds_later_ones_up(void **state) {
    struct lanes *lanes = *state;
    add(lanes, 0, 10), add(lanes, 1, 5), add(lanes, 1, 20);
    const uint64_t end = reserve(lanes, 0, 15, 32); /* stamped, not published */
    tlr__merge_begin(&lanes->merge);
    assert_next(lanes, 5, 1);
    assert_next(lanes, 10, 0);
    assert_none(lanes, 0);
    tlr__lane_publish(&lanes->producers[0], end);
    tlr__merge_begin(&lanes->merge);
    assert_next(lanes, 15, 0);
    assert_next(lanes, 20, 1);
    assert_none(lanes, -1);
}

static void test_the_wait_can_be_given_up(void **state) {
    struct lanes *lanes = *state;
    add(lanes, 1, 20);
    const uint64_t end = reserve(lanes, 0, 15, 32);
    tlr__merge_begin(&lanes->merge);
    assert_none(lanes, 0);
    tlr__merge_ignore_held(&lanes->merge);
    assert_next(lanes, 20, 1);
    assert_none(lanes, -1);
    tlr__lane_publish(&lanes->producers[0], end);
    tlr__merge_begin(&lanes->merge);
    assert_next(lanes, 15, 0); /* late, and not lost */
}

static void test_records_go_round_the_end_of_a_lane(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t stamp = 1; stamp < 500; stamp++) {
        const size_t bytes = 32 + 8 * (stamp % 37);
        tlr__lane_publish(&lanes->producers[3], reserve(lanes, 3, stamp, bytes));
        tlr__merge_begin(&lanes->merge);
        assert_next(lanes, stamp, 3);
        assert_none(lanes, -1);
        tlr__lane_release(&lanes->ring.lanes[3], lanes->merge.cursors[3].read);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_records_come_by_stamp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_newer_than_the_look_waits_for_the_next, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_record_in_progress_holds_later_ones_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_wait_can_be_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_records_go_round_the_end_of_a_lane, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
