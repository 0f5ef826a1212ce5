/* A loop's times, when it counts as late, and handlers that hold it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <tailrace/ring.h>
#include <tailrace/trace.h>
#include <time.h>
#include <unistd.h>

#include "loop_lag.h"
#include "scratch.h"

static struct tlr_tracer *tracer;
static struct tlr_loop *loop;
static struct tlr_site_state route_state;
static const struct tlr_site route = {"routes.c", "hello",        "", NULL, &route_state,
                                      42,         TLR_LEVEL_INFO, 0};

static int open_all(void **state) {
    (void)state;
    tracer = scratch_tracer_open();
    assert_int_equal(tlr_loop_attach(tracer, "loop-0", &loop), 0);
    return 0;
}

static int close_all(void **state) {
    (void)state;
    tlr_loop_detach(loop);
    int error = tlr_tracer_close(tracer, 5 * TLR_NS_PER_S);
    scratch_remove();
    return error;
}

static void sleep_ms(long milliseconds) {
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

/* Uses that much of a CPU, however long it takes. */
static void compute_ms(long milliseconds) {
    struct timespec begin, now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 <
           milliseconds);
}

static void iterate(void) {
    tlr_loop_wait_begin(loop);
    tlr_loop_wait_end(loop);
}

/* The stalls of the process so far, as its ledger has them. */
static size_t stalls(struct tlr_stall *out, size_t capacity) {
    return tlr_ring_stalls(tlr_log_ring(tlr_tracer_log(tracer)), out, capacity);
}

static void waiting_and_being_busy_are_told_apart(void **state) {
    (void)state;
    struct tlr_loop_stats before, stats;
    iterate();
    tlr_loop_stats(loop, &before);
    tlr_loop_wait_begin(loop);
    sleep_ms(20);
    tlr_loop_wait_end(loop);
    tlr_loop_wait_end(loop); /* idempotent */
    compute_ms(10);
    tlr_loop_wait_begin(loop);
    tlr_loop_wait_begin(loop); /* a loop that found nothing to do */
    tlr_loop_stats(loop, &stats);
    assert_string_equal(stats.name, "loop-0");
    assert_true(stats.iterations == before.iterations + 3);
    assert_true(stats.waited_ns - before.waited_ns >= 20 * TLR_NS_PER_MS);
    assert_true(stats.busy_ns - before.busy_ns >= 9 * TLR_NS_PER_MS);
    assert_true(stats.busy_ns_max >= 9 * TLR_NS_PER_MS);
    assert_true(stats.stalls == 0);
}

static void a_stall_makes_three_iterations_late(void **state) {
    (void)state;
    uint64_t now = tlr_clock_ticks();
    assert_false(tlr_loop_is_late(loop));
    iterate();
    assert_true(tlr_stall_report(&route, TLR_CAUSE_LOCK,
                                 now - tlr_clock_ticks_of_ns(5 * TLR_NS_PER_MS), now, 0) != 0);
    assert_true(tlr_loop_is_late(loop)); /* the one it was in */
    iterate();
    assert_true(tlr_loop_is_late(loop)); /* reads what came, accepts connections */
    iterate();
    assert_true(tlr_loop_is_late(loop)); /* reads those */
    iterate();
    assert_false(tlr_loop_is_late(loop));
    struct tlr_loop_stats stats;
    tlr_loop_stats(loop, &stats);
    assert_true(stats.stalls == 1);
    assert_in_range(stats.stalled_ns, 4990000, 5010000);
}

static void a_loop_that_never_stalled_is_never_late(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        iterate();
        assert_false(tlr_loop_is_late(loop));
    }
}

static void run_handler(void (*handler)(long), long milliseconds) {
    iterate();
    tlr__loop_lag_handler_begin(loop, &route, tlr_clock_ticks());
    handler(milliseconds);
    tlr__loop_lag_handler_end(loop, tlr_clock_ticks());
}

static void a_handler_that_sleeps_is_a_stall(void **state) {
    (void)state;
    struct tlr_stall stall[4];
    run_handler(sleep_ms, 30);
    assert_int_equal(stalls(stall, 4), 1);
    assert_int_equal(stall[0].cause, TLR_CAUSE_HANDLER_SLEEP);
    assert_int_equal(stall[0].line, route.line);
    assert_int_equal(stall[0].role, TLR_ROLE_LOOP);
    assert_true(stall[0].duration_ns >= 30 * TLR_NS_PER_MS);
    assert_true(tlr_loop_is_late(loop));
}

static void a_handler_that_computes_is_a_stall(void **state) {
    (void)state;
    struct tlr_stall stall[4];
    run_handler(compute_ms, 30);
    assert_int_equal(stalls(stall, 4), 1);
    /* On a machine with many others on it, it may have been waiting for a CPU most of the time. */
    assert_true(stall[0].cause == TLR_CAUSE_HANDLER_CPU || stall[0].cause == TLR_CAUSE_OTHER);
}

static void block_ms(long milliseconds) {
    struct tlr_block block;
    tlr_block_begin(&block, TLR_CAUSE_SLEEP, -1);
    sleep_ms(milliseconds);
    tlr_block_end(&block);
}

static void a_wait_that_was_told_is_not_told_again(void **state) {
    (void)state;
    struct tlr_stall stall[4];
    tlr_stall_threshold_set(200 * TLR_NS_PER_MS);
    run_handler(block_ms, 300);
    assert_int_equal(stalls(stall, 4), 1);
    assert_int_equal(stall[0].cause, TLR_CAUSE_SLEEP);
    tlr_stall_threshold_set(TLR_NS_PER_MS);
}

static void block_and_sleep_ms(long milliseconds) {
    block_ms(milliseconds);
    sleep_ms(milliseconds);
}

static void what_a_handler_did_besides_is_told(void **state) {
    (void)state;
    struct tlr_stall stall[4];
    run_handler(block_and_sleep_ms, 30);
    assert_int_equal(stalls(stall, 4), 2);
    assert_int_equal(stall[0].cause, TLR_CAUSE_SLEEP);
    assert_int_equal(stall[1].cause, TLR_CAUSE_HANDLER_SLEEP);
    assert_true(stall[1].duration_ns >= 30 * TLR_NS_PER_MS);
    assert_true(stall[1].begin_ns > stall[0].begin_ns);
}

static void a_handler_that_was_not_ended_ends_with_the_iteration(void **state) {
    (void)state;
    struct tlr_stall stall[4];
    tlr__loop_lag_handler_begin(loop, &route, tlr_clock_ticks());
    sleep_ms(20);
    tlr_loop_wait_begin(loop);
    assert_int_equal(stalls(stall, 4), 1);
    sleep_ms(20); /* waiting for events is no stall */
    tlr_loop_wait_end(loop);
    tlr__loop_lag_handler_end(loop, tlr_clock_ticks());
    assert_int_equal(stalls(stall, 4), 1);
}

static void without_a_tracer_nothing_happens(void **state) {
    (void)state;
    struct tlr_loop *none = loop;
    struct tlr_loop_stats stats;
    assert_int_equal(tlr_loop_attach(NULL, "loop-0", &none), 0);
    assert_null(none);
    tlr_loop_wait_begin(none);
    tlr_loop_wait_end(none);
    assert_false(tlr_loop_is_late(none));
    tlr_loop_stats(none, &stats);
    assert_true(stats.iterations == 0);
    tlr_loop_detach(none);
    assert_int_equal(tlr_tracer_close(NULL, 0), 0);
}

static void there_is_one_tracer(void **state) {
    (void)state;
    struct tlr_tracer *second = NULL;
    assert_int_equal(
        tlr_tracer_open(&second, &(struct tlr_tracer_options){.directory = scratch_directory}),
        -EBUSY);
    assert_null(second);
}

static void what_cannot_be_opened_says_why(void **state) {
    (void)state;
    struct tlr_tracer *none = NULL;
    assert_int_equal(tlr_tracer_open(&none, &(struct tlr_tracer_options){.directory = NULL}),
                     -EINVAL);
    assert_int_equal(
        tlr_tracer_open(&none, &(struct tlr_tracer_options){.directory = "/nonexistent/trace"}),
        -ENOENT);
    assert_int_equal(tlr_tracer_open(&none, &(struct tlr_tracer_options){.directory = "/dev/null"}),
                     -ENOTDIR);
    assert_null(none);
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_LOOP(waiting_and_being_busy_are_told_apart),
        WITH_LOOP(a_stall_makes_three_iterations_late),
        WITH_LOOP(a_loop_that_never_stalled_is_never_late),
        WITH_LOOP(a_handler_that_sleeps_is_a_stall),
        WITH_LOOP(a_handler_that_computes_is_a_stall),
        WITH_LOOP(a_wait_that_was_told_is_not_told_again),
        WITH_LOOP(what_a_handler_did_besides_is_told),
        WITH_LOOP(a_handler_that_was_not_ended_ends_with_the_iteration),
        cmocka_unit_test(without_a_tracer_nothing_happens),
        WITH_LOOP(there_is_one_tracer),
        cmocka_unit_test(what_cannot_be_opened_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
