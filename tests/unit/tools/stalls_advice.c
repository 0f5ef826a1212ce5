/* stalls_advice.c - the next step fits the thread that stalled and what it waited for.
 */
#include "stalls_advice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int speaks_of_reader(enum tlr_cause cause, const char *target) {
    return strstr(tlr__stalls_advice(cause, TLR_ROLE_WRITER, target), "reader") != NULL;
}

static void only_a_pipe_has_a_reader(void **state) {
    (void)state;
    assert_true(speaks_of_reader(TLR_CAUSE_SINK_WRITE, "pipe:[4711]"));
    assert_true(speaks_of_reader(TLR_CAUSE_OPEN, ""));
    assert_false(speaks_of_reader(TLR_CAUSE_SINK_WRITE, "/dev/full"));
    assert_false(speaks_of_reader(TLR_CAUSE_OPEN, "/dev/full"));
}

static void a_loop_without_a_processor_is_explained(void **state) {
    (void)state;
    assert_non_null(
        strstr(tlr__stalls_advice(TLR_CAUSE_OTHER, TLR_ROLE_LOOP, ""), "gave the processor"));
    assert_non_null(
        strstr(tlr__stalls_advice_activity(TLR_CAUSE_OTHER, TLR_ROLE_LOOP), "processor"));
    assert_string_equal(tlr__stalls_advice_activity(TLR_CAUSE_OTHER, TLR_ROLE_POOL),
                        "for a reason not known");
}

static void every_wait_has_a_next_step(void **state) {
    static const enum tlr_role roles[] = {TLR_ROLE_OTHER, TLR_ROLE_LOOP, TLR_ROLE_POOL,
                                          TLR_ROLE_WRITER, TLR_ROLE_ADMIN};
    (void)state;
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        for (int cause = 0; cause < TLR_CAUSE_COUNT; cause++) {
            assert_true(strlen(tlr__stalls_advice((enum tlr_cause)cause, roles[i], "")) > 10);
            assert_true(strlen(tlr__stalls_advice_activity((enum tlr_cause)cause, roles[i])) > 5);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_pipe_has_a_reader),
        cmocka_unit_test(a_loop_without_a_processor_is_explained),
        cmocka_unit_test(every_wait_has_a_next_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
