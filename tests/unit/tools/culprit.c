/* culprit.c - stalls and requests in any order give the same culprits and victims.
 */
#include "culprit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tlr__trace_stall stall(uint64_t id, unsigned line, enum tlr_cause cause, uint64_t ms,
                                     uint64_t behind) {
    struct tlr__trace_stall made = {.stall = {.id = id,
                                              .behind = behind,
                                              .begin_ns = id * TLR_NS_PER_S,
                                              .duration_ns = ms * TLR_NS_PER_MS,
                                              .cause = cause,
                                              .role = TLR_ROLE_LOOP,
                                              .line = line,
                                              .thread = "loop-0",
                                              .file = "a.c"}};
    return made;
}

static struct tlr__culprit_victim victim(unsigned number, uint64_t ms) {
    struct tlr__culprit_victim made = {.method = "GET", .waited_ns = ms * TLR_NS_PER_MS};
    snprintf(made.trace, sizeof(made.trace), "%032u", number);
    snprintf(made.path, sizeof(made.path), "/%u", number);
    return made;
}

/* 1: three stalls at line 10, two victims; 2: a lock behind stall 2; 3: a writer's long one. */
static void check(struct tlr__culprit_list *list) {
    tlr__culprit_rank(list);
    assert_int_equal(list->stalls, 5);
    assert_int_equal(list->count, 3);
    const struct tlr__culprit *first = &list->culprits[0], *lock = &list->culprits[1];
    assert_int_equal(first->longest.stall.line, 10);
    assert_int_equal(first->longest.stall.id, 2);
    assert_int_equal(first->count, 3);
    assert_int_equal(first->total_ns, 350 * TLR_NS_PER_MS);
    assert_int_equal(first->victims, 2);
    assert_int_equal(first->victim_ns, 270 * TLR_NS_PER_MS);
    assert_string_equal(first->worst[0].path, "/8");
    assert_string_equal(first->worst[1].path, "/7");
    assert_int_equal(first->worst[2].waited_ns, 0);
    assert_int_equal(first->waiters, 1);
    assert_string_equal(first->request.path, "/9");
    assert_int_equal(first->blocked_requests, 1);
    assert_int_equal(lock->longest.stall.cause, TLR_CAUSE_SINK_LOCK);
    assert_ptr_equal(tlr__culprit_of(list, lock->longest.stall.behind), first);
    assert_int_equal(list->culprits[2].longest.stall.role, TLR_ROLE_WRITER);
    assert_int_equal(list->unknown_victims, 1);
}

enum { STEPS = 9 };

static void add(struct tlr__culprit_list *list, int step) {
    struct tlr__trace_stall made;
    struct tlr__culprit_victim hurt;
    int error;
    switch (step) {
    case 0:
    case 1:
    case 2:
        made = stall((uint64_t)step + 1, 10, TLR_CAUSE_SINK_WRITE, step == 1 ? 200 : 75, 0);
        if (step == 1) strcpy(made.trace, victim(9, 0).trace);
        error = tlr__culprit_add_stall(list, &made);
        break;
    case 3:
        made = stall(4, 20, TLR_CAUSE_SINK_LOCK, 900, 2);
        error = tlr__culprit_add_stall(list, &made);
        break;
    case 4:
        made = stall(5, 30, TLR_CAUSE_SINK_WRITE, 5000, 0);
        made.stall.role = TLR_ROLE_WRITER;
        error = tlr__culprit_add_stall(list, &made);
        break;
    case 5:
        made = stall(1, 10, TLR_CAUSE_SINK_WRITE, 75, 0); /* seen before */
        error = tlr__culprit_add_stall(list, &made);
        break;
    case 6:
        hurt = victim(7, 70);
        error = tlr__culprit_add_request(list, 1, &hurt);
        break;
    case 7:
        hurt = victim(8, 200);
        error = tlr__culprit_add_request(list, 2, &hurt);
        break;
    default:
        hurt = victim(6, 100);
        error = tlr__culprit_add_request(list, 99, &hurt);
    }
    assert_int_equal(error, 0);
}

static void any_order_gives_the_same(void **state) {
    static const int orders[][STEPS] = {{0, 1, 2, 3, 4, 5, 6, 7, 8},
                                        {8, 7, 6, 5, 4, 3, 2, 1, 0},
                                        {3, 7, 1, 6, 8, 0, 5, 4, 2},
                                        {6, 0, 7, 4, 3, 1, 2, 8, 5}};
    (void)state;
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct tlr__culprit_list list;
        assert_int_equal(tlr__culprit_init(&list, 0), 0);
        for (int step = 0; step < STEPS; step++) add(&list, orders[i][step]);
        struct tlr__culprit_victim own = victim(9, 0); /* a request's record follows its stalls' */
        assert_int_equal(tlr__culprit_add_request(&list, 0, &own), 0);
        check(&list);
        tlr__culprit_free(&list);
    }
}

static void short_stalls_are_left_out(void **state) {
    struct tlr__culprit_list list;
    struct tlr__trace_stall one = stall(1, 10, TLR_CAUSE_FSYNC, 99, 0);
    struct tlr__trace_stall other = stall(2, 10, TLR_CAUSE_FSYNC, 100, 0);
    struct tlr__culprit_victim hurt = victim(1, 50);
    (void)state;
    assert_int_equal(tlr__culprit_init(&list, 100 * TLR_NS_PER_MS), 0);
    assert_int_equal(tlr__culprit_add_stall(&list, &one), 0);
    assert_int_equal(tlr__culprit_add_request(&list, 1, &hurt), 0);
    assert_int_equal(tlr__culprit_add_stall(&list, &other), 0);
    tlr__culprit_rank(&list);
    assert_int_equal(list.stalls, 1);
    assert_int_equal(list.culprits[0].victims, 0);
    assert_int_equal(list.unknown_victims, 0);
    tlr__culprit_free(&list);
}

static void many_stalls_keep_their_victims(void **state) {
    enum { MANY = 20000 };
    struct tlr__culprit_list list;
    (void)state;
    assert_int_equal(tlr__culprit_init(&list, 0), 0);
    for (uint64_t id = 1; id <= MANY; id++) {
        struct tlr__trace_stall made =
            stall(id << 12, 10 + (unsigned)(id % 7), TLR_CAUSE_FILE, 2, 0);
        struct tlr__culprit_victim hurt = victim((unsigned)id, id % 1000);
        assert_int_equal(tlr__culprit_add_stall(&list, &made), 0);
        assert_int_equal(tlr__culprit_add_request(&list, id << 12, &hurt), 0);
    }
    tlr__culprit_rank(&list);
    uint64_t victims = 0;
    assert_int_equal(list.count, 7);
    for (size_t i = 0; i < list.count; i++) {
        victims += list.culprits[i].victims;
        assert_int_equal(list.culprits[i].count, list.culprits[i].victims);
    }
    assert_int_equal(victims, MANY);
    tlr__culprit_free(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_gives_the_same),
        cmocka_unit_test(short_stalls_are_left_out),
        cmocka_unit_test(many_stalls_keep_their_victims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
