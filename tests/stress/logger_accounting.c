/* logger_accounting.c - calls == written + dropped, counted by the callers and from the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "directory.h"
#include "producers.h"
#include "reader.h"

#define FLUSH_DEADLINE_NS (30 * TLR_NS_PER_S)
#define PRODUCERS 4

/* The laws, when all producers have ended and the log was flushed. */
static void assert_stats_balance(const struct producer *total, const struct tlr_log_stats *stats) {
    assert_int_equal(total->attempted, stats->written + lines_dropped(stats));
    assert_int_equal(total->attempted, total->counts.lines + total->counts.dropped);
    assert_int_equal(total->counts.dropped, lines_dropped(stats));
}

/* The same from the lines alone, when the log was closed. */
static void assert_lines_balance(const struct producer *total, const struct lines_check *check,
                                 const struct tlr_log_stats *stats) {
    assert_true(lines_check_sound(check));
    assert_int_equal(check->lines, stats->written);
    assert_int_equal(check->announced, total->attempted - check->lines);
    assert_true(check->backward <= stats->late);
}

static void run_to_file(const struct tlr_log_options *options, const struct producer *model,
                        struct tlr_log_stats *stats) {
    struct producer producers[2 * PRODUCERS], total;
    struct producer with_log = *model;
    struct lines_check check;

    assert_int_equal(tlr_log_open(&with_log.log, options), 0);
    assert_int_equal(producers_begin(producers, 2 * PRODUCERS, &with_log), 0);
    producers_end(producers, 2 * PRODUCERS, &total);
    assert_int_equal(tlr_log_flush(with_log.log, FLUSH_DEADLINE_NS), 0);
    tlr_log_stats(with_log.log, stats);
    assert_stats_balance(&total, stats);
    assert_int_equal(tlr_log_close(with_log.log, FLUSH_DEADLINE_NS), 0);
    assert_int_equal(lines_check_file(&check, options->path), 0);
    assert_lines_balance(&total, &check, stats);
}

static void test_flooded_lanes_lose_only_what_is_announced(void **state) {
    (void)state;
    struct tlr_log_stats stats;
    run_to_file(&(struct tlr_log_options){.path = directory.file, .lane_bytes = 4096},
                &(struct producer){.calls = PRODUCERS_CALLS(100000), .size_limit = 600}, &stats);
    assert_true(stats.dropped[TLR_REASON_LANE_FULL] > 0);
    assert_true(stats.gaps > 0);
}

static void test_records_too_large_are_told_apart(void **state) {
    (void)state;
    struct tlr_log_stats stats;
    run_to_file(&(struct tlr_log_options){.path = directory.file, .lane_bytes = 4096},
                &(struct producer){.calls = PRODUCERS_CALLS(20000), .size_limit = 1900}, &stats);
    assert_true(stats.dropped[TLR_REASON_TOO_LARGE] > 0);
}

static void test_threads_without_a_lane_are_counted(void **state) {
    (void)state;
    struct tlr_log_stats stats;
    run_to_file(
        &(struct tlr_log_options){.path = directory.file, .lane_count = 3},
        &(struct producer){.calls = PRODUCERS_CALLS(20000), .size_limit = 100, .burst = 100},
        &stats);
    assert_true(stats.dropped[TLR_REASON_NO_LANE] > 0);
}

static void test_roomy_lanes_lose_nothing(void **state) {
    (void)state;
    struct tlr_log_stats stats;
    run_to_file(
        &(struct tlr_log_options){.path = directory.file, .lane_bytes = 1 << 20},
        &(struct producer){.calls = PRODUCERS_CALLS(20000), .size_limit = 100, .burst = 200},
        &stats);
    assert_int_equal(lines_dropped(&stats), 0);
    assert_int_equal(stats.gaps, 0);
}

/* An inherited descriptor, a small pipe, a reader that dawdles and then is held for a while. */
static void test_slow_reader_of_a_pipe(void **state) {
    (void)state;
    struct producer producers[PRODUCERS], total, model = {.size_limit = 300, .burst = 50};
    struct reader reader = {0};
    struct tlr_log_stats stats;
    int ends[2];

    model.calls = PRODUCERS_CALLS(40000);
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
    assert_int_equal(
        tlr_log_open(&model.log, &(struct tlr_log_options){.fd = ends[1], .lane_bytes = 8192}), 0);
    assert_int_equal(reader_begin(&reader, ends[0], 1500, 200), 0);
    assert_int_equal(producers_begin(producers, PRODUCERS, &model), 0);
    reader_sleep_us(100000);
    reader_hold(&reader, true);
    reader_sleep_us(300000);
    reader_hold(&reader, false);
    producers_end(producers, PRODUCERS, &total);
    atomic_store_explicit(&reader.pause_us, 0, memory_order_relaxed);

    assert_int_equal(tlr_log_flush(model.log, FLUSH_DEADLINE_NS), 0);
    tlr_log_stats(model.log, &stats);
    assert_stats_balance(&total, &stats);
    assert_true(lines_dropped(&stats) > 0);
    assert_int_equal(tlr_log_close(model.log, FLUSH_DEADLINE_NS), 0);
    assert_int_equal(close(ends[1]), 0); /* it was left open */
    reader_end(&reader);
    close(ends[0]);
    assert_lines_balance(&total, &reader.check, &stats);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_flooded_lanes_lose_only_what_is_announced,
                                        directory_set_up, directory_tear_down),
        cmocka_unit_test_setup_teardown(test_records_too_large_are_told_apart, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test_setup_teardown(test_threads_without_a_lane_are_counted, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test_setup_teardown(test_roomy_lanes_lose_nothing, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test_setup_teardown(test_slow_reader_of_a_pipe, directory_set_up,
                                        directory_tear_down),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
