/* logger_wait.c - threads that asked to wait for a full lane: nothing is lost, or only at the
 * deadline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "directory.h"
#include "producers.h"
#include "reader.h"

#define DEADLINE_NS (60 * TLR_NS_PER_S)
#define PRODUCERS 4

static void test_waiting_producers_lose_nothing(void **state) {
    (void)state;
    struct producer producers[PRODUCERS], total;
    struct producer model = {.size_limit = 600, .full_wait_ns = DEADLINE_NS};
    struct tlr_log_stats stats;
    struct lines_check check;

    model.calls = PRODUCERS_CALLS(100000);
    assert_int_equal(tlr_log_open(&model.log, &(struct tlr_log_options){.path = directory.file,
                                                                        .lane_bytes = 4096}),
                     0);
    assert_int_equal(producers_begin(producers, PRODUCERS, &model), 0);
    producers_end(producers, PRODUCERS, &total);
    assert_int_equal(tlr_log_flush(model.log, DEADLINE_NS), 0);
    tlr_log_stats(model.log, &stats);
    assert_int_equal(lines_dropped(&stats), 0);
    assert_int_equal(stats.written, total.attempted);
    assert_int_equal(tlr_log_close(model.log, DEADLINE_NS), 0);
    assert_int_equal(lines_check_file(&check, directory.file), 0);
    assert_true(lines_check_sound(&check));
    assert_int_equal(check.lines, total.attempted);
    assert_int_equal(check.gaps, 0);
    for (unsigned i = 0; i < PRODUCERS; i++) assert_int_equal(check.last[i], model.calls);
}

/* Behind a reader that dawdles every wait is a real one. */
static void test_waiting_behind_a_slow_pipe_loses_nothing(void **state) {
    (void)state;
    struct producer producers[PRODUCERS], total;
    struct producer model = {.size_limit = 200, .full_wait_ns = DEADLINE_NS};
    struct reader reader = {0};
    int ends[2];

    model.calls = PRODUCERS_CALLS(4000);
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
    assert_int_equal(
        tlr_log_open(&model.log, &(struct tlr_log_options){.fd = ends[1], .lane_bytes = 4096}), 0);
    assert_int_equal(reader_begin(&reader, ends[0], 4096, 500), 0);
    assert_int_equal(producers_begin(producers, PRODUCERS, &model), 0);
    reader_sleep_us(100000);
    reader_hold(&reader, true);
    reader_sleep_us(300000);
    reader_hold(&reader, false);
    producers_end(producers, PRODUCERS, &total);
    assert_int_equal(tlr_log_close(model.log, DEADLINE_NS), 0);
    close(ends[1]);
    reader_end(&reader);
    close(ends[0]);
    assert_true(lines_check_sound(&reader.check));
    assert_int_equal(reader.check.lines, total.attempted);
    assert_int_equal(total.counts.dropped, 0);
    assert_true(total.counts.blocked_ns >=
                100 * TLR_NS_PER_MS); /* the hold was felt, and charged */
}

static void test_deadline_ends_the_wait(void **state) {
    (void)state;
    enum { WAIT_MS = 30, DROPS = 5 };
    struct tlr_log *log;
    struct tlr_log_stats stats;
    uint64_t calls = 0;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
    assert_int_equal(
        tlr_log_open(&log, &(struct tlr_log_options){.fd = ends[1], .lane_bytes = 4096}), 0);
    assert_int_equal(tlr_thread_attach(log, "waiter", TLR_ROLE_POOL), 0);
    assert_int_equal(tlr_thread_full_wait_set(WAIT_MS * TLR_NS_PER_MS), 0);
    do {
        const uint64_t begin = tlr_clock_ticks();
        tlr_log_stats(log, &stats);
        const uint64_t before = lines_dropped(&stats);
        lines_log(0, ++calls, 100);
        tlr_log_stats(log, &stats);
        const uint64_t took_ns = tlr_clock_between_ns(begin, tlr_clock_ticks());
        if (lines_dropped(&stats) > before) assert_true(took_ns >= WAIT_MS * TLR_NS_PER_MS);
        assert_true(took_ns < TLR_NS_PER_S);
    } while (lines_dropped(&stats) < DROPS);
    assert_int_equal(stats.dropped[TLR_REASON_DEADLINE], DROPS);

    struct reader reader = {0};
    assert_int_equal(reader_begin(&reader, ends[0], 0, 0), 0);
    assert_int_equal(tlr_log_close(log, DEADLINE_NS), 0);
    close(ends[1]);
    reader_end(&reader);
    close(ends[0]);
    assert_true(lines_check_sound(&reader.check));
    assert_int_equal(reader.check.lines, calls - DROPS);
    assert_int_equal(reader.check.announced, DROPS);
    tlr_thread_full_wait_set(0);
}

static void *loop_thread(void *log) {
    if (tlr_thread_attach(log, "loop-0", TLR_ROLE_LOOP) != 0) return (void *)1;
    return tlr_thread_full_wait_set(TLR_NS_PER_S) == -EPERM ? NULL : (void *)2;
}

static void test_loops_may_not_wait(void **state) {
    (void)state;
    struct tlr_log *log;
    pthread_t thread;
    void *outcome;
    assert_int_equal(tlr_log_open(&log, &(struct tlr_log_options){.path = directory.file}), 0);
    assert_int_equal(pthread_create(&thread, NULL, loop_thread, log), 0);
    assert_int_equal(pthread_join(thread, &outcome), 0);
    assert_null(outcome);
    assert_int_equal(tlr_log_close(log, DEADLINE_NS), 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_waiting_producers_lose_nothing, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test(test_waiting_behind_a_slow_pipe_loses_nothing),
        cmocka_unit_test(test_deadline_ends_the_wait),
        cmocka_unit_test_setup_teardown(test_loops_may_not_wait, directory_set_up,
                                        directory_tear_down),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
