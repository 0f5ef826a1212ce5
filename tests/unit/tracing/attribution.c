/* Which stall hurt a request, with intervals made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "attribution.h"

static struct tlr__attribution_recent recent;

static int empty(void **state) {
    (void)state;
    memset(&recent, 0, sizeof recent);
    return 0;
}

static struct tlr__attribution_best weigh(uint64_t begin, uint64_t end) {
    struct tlr__attribution_best best = {0, 0};
    tlr__attribution_weigh_recent(&best, &recent, begin, end);
    return best;
}

static void nothing_overlaps_where_nothing_stalled(void **state) {
    (void)state;
    assert_true(weigh(0, 1000).culprit == 0);
    tlr__attribution_add(&recent, 1, 100, 200);
    assert_true(weigh(0, 100).culprit == 0);
    assert_true(weigh(200, 300).culprit == 0);
}

static void only_the_common_part_counts(void **state) {
    (void)state;
    tlr__attribution_add(&recent, 7, 100, 200);
    assert_true(weigh(150, 500).length == 50);
    assert_true(weigh(0, 120).length == 20);
    assert_true(weigh(0, 500).length == 100);
    assert_true(weigh(120, 130).length == 10);
    assert_true(weigh(120, 130).culprit == 7);
}

static void the_longest_overlap_wins(void **state) {
    (void)state;
    tlr__attribution_add(&recent, 1, 100, 1000);
    tlr__attribution_add(&recent, 2, 1000, 1300);
    tlr__attribution_add(&recent, 3, 1300, 1350);
    assert_true(weigh(0, 2000).culprit == 1);
    assert_true(weigh(900, 2000).culprit == 2); /* the first one's end only */
    assert_true(weigh(1290, 2000).culprit == 3);
}

static void of_two_equal_ones_the_first_weighed_stays(void **state) {
    (void)state;
    struct tlr__attribution_best best = {0, 0};
    tlr__attribution_weigh(&best, 1, 0, 100, 0, 100);
    tlr__attribution_weigh(&best, 2, 0, 100, 0, 100);
    assert_true(best.culprit == 1);
}

static void old_stalls_give_way(void **state) {
    (void)state;
    for (uint64_t i = 0; i <= TLR__ATTRIBUTION_KEPT; i++)
        tlr__attribution_add(&recent, i + 1, i * 10, i * 10 + 5);
    assert_true(weigh(0, 10).culprit == 0);
    assert_true(weigh(10, 20).culprit == 2);
    assert_true(weigh(TLR__ATTRIBUTION_KEPT * 10, UINT64_MAX).culprit == TLR__ATTRIBUTION_KEPT + 1);
}

static void nested_waits_are_counted_once(void **state) {
    (void)state;
    assert_true(tlr__attribution_add(&recent, 1, 0, 50) == 50);
    assert_true(tlr__attribution_add(&recent, 2, 100, 200) == 100);
    assert_true(tlr__attribution_add(&recent, 3, 300, 310) == 10);
    assert_true(tlr__attribution_add(&recent, 4, 90, 400) == 310 - 110); /* holds 2 and 3 */
    assert_true(tlr__attribution_add(&recent, 5, 80, 500) == 420 - 310); /* holds 4 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_overlaps_where_nothing_stalled, empty),
        cmocka_unit_test_setup(only_the_common_part_counts, empty),
        cmocka_unit_test_setup(the_longest_overlap_wins, empty),
        cmocka_unit_test_setup(of_two_equal_ones_the_first_weighed_stays, empty),
        cmocka_unit_test_setup(old_stalls_give_way, empty),
        cmocka_unit_test_setup(nested_waits_are_counted_once, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
