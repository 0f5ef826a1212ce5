/* logger_sync.c - synchronous mode under many threads, and the ledger when its pipe's reader stops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "directory.h"
#include "producers.h"
#include "reader.h"

#include <tailrace/ring.h>

#define DEADLINE_NS (30 * TLR_NS_PER_S)
#define PRODUCERS 4

static void test_threads_write_whole_lines(void **state) {
    (void)state;
    struct producer producers[PRODUCERS], total, model = {.size_limit = 1000};
    struct tlr_log_stats stats;
    struct lines_check check;

    model.calls = PRODUCERS_CALLS(50000);
    assert_int_equal(tlr_log_open(&model.log, &(struct tlr_log_options){.path = directory.file,
                                                                        .mode = TLR_MODE_SYNC}),
                     0);
    assert_int_equal(producers_begin(producers, PRODUCERS, &model), 0);
    producers_end(producers, PRODUCERS, &total);
    tlr_log_stats(model.log, &stats);
    assert_int_equal(stats.written, total.attempted);
    assert_int_equal(total.counts.lines, total.attempted);
    assert_int_equal(tlr_log_close(model.log, DEADLINE_NS), 0);
    assert_int_equal(lines_check_file(&check, directory.file), 0);
    assert_true(lines_check_sound(&check));
    assert_int_equal(check.lines, total.attempted);
    assert_int_equal(check.gaps, 0);
}

/* Waits until as many threads of the log as asked for have been blocked, by this cause, for 50 ms.
 */
static bool wait_for_blocked(const struct tlr_ring *ring, enum tlr_cause cause, unsigned wanted) {
    for (unsigned turn = 0; turn < 5000; turn++) {
        const uint64_t now_ns = tlr_clock_date_ns(tlr_clock_ticks());
        unsigned blocked = 0;
        for (unsigned i = 0; i < tlr_ring_thread_count(ring); i++) {
            struct tlr_thread_view view;
            if (tlr_ring_thread(ring, i, &view) != 0) continue;
            if (view.state != TLR_THREAD_BLOCKED || view.cause != cause) continue;
            if (view.since_ns + 50 * TLR_NS_PER_MS > now_ns) continue;
            blocked++;
            assert_non_null(strstr(view.file, "lines.h"));
            assert_string_equal(view.function, "lines_log");
        }
        if (blocked >= wanted) return true;
        reader_sleep_us(1000);
    }
    return false;
}

/* The stalls that lasted as long as the reader was held: one culprit, the others behind it. */
static void assert_ledger_tells(const struct tlr_ring *ring, uint64_t held_ns) {
    static struct tlr_stall stalls[TLR_STALLS_KEPT];
    const size_t count = tlr_ring_stalls(ring, stalls, TLR_STALLS_KEPT);
    const struct tlr_stall *culprit = NULL;
    unsigned behind = 0;

    for (size_t i = 0; i < count; i++) {
        if (stalls[i].duration_ns < held_ns) continue;
        assert_non_null(strstr(stalls[i].file, "lines.h"));
        assert_string_equal(stalls[i].function, "lines_log");
        assert_true(stalls[i].line > 0);
        assert_non_null(strstr(stalls[i].thread, "producer-"));
        assert_non_null(strstr(stalls[i].target, "pipe"));
        if (stalls[i].cause == TLR_CAUSE_SINK_WRITE) {
            assert_null(culprit);
            culprit = &stalls[i];
        }
    }
    assert_non_null(culprit);
    for (size_t i = 0; i < count; i++)
        if (stalls[i].cause == TLR_CAUSE_SINK_LOCK && stalls[i].behind == culprit->id) behind++;
    assert_true(behind >= PRODUCERS - 1);
}

static void test_stopped_reader_is_told(void **state) {
    (void)state;
    enum { HELD_MS = 300 };
    struct producer producers[PRODUCERS], total, model = {.calls = UINT64_MAX, .size_limit = 100};
    atomic_bool stop = false;
    struct reader reader = {0};
    struct tlr_log_stats stats;
    int ends[2];

    model.stop = &stop;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(
        tlr_log_open(&model.log, &(struct tlr_log_options){.fd = ends[1], .mode = TLR_MODE_SYNC}),
        0);
    const struct tlr_ring *const ring = tlr_log_ring(model.log);
    assert_int_equal(reader_begin(&reader, ends[0], 0, 0), 0);
    assert_int_equal(producers_begin(producers, PRODUCERS, &model), 0);
    reader_sleep_us(50000);
    reader_hold(&reader, true);
    assert_true(wait_for_blocked(ring, TLR_CAUSE_SINK_WRITE, 1));
    assert_true(wait_for_blocked(ring, TLR_CAUSE_SINK_LOCK, PRODUCERS - 1));
    reader_sleep_us(HELD_MS * 1000);
    reader_hold(&reader, false);
    reader_sleep_us(20000);
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    producers_end(producers, PRODUCERS, &total);

    assert_ledger_tells(ring, HELD_MS * TLR_NS_PER_MS);
    assert_true(total.counts.blocked_ns >= PRODUCERS * HELD_MS * TLR_NS_PER_MS);
    tlr_log_stats(model.log, &stats);
    assert_int_equal(stats.written, total.attempted);
    assert_int_equal(tlr_log_close(model.log, DEADLINE_NS), 0);
    close(ends[1]);
    reader_end(&reader);
    close(ends[0]);
    assert_true(lines_check_sound(&reader.check));
    assert_int_equal(reader.check.lines, total.attempted);
}

static void test_failing_sink_is_counted(void **state) {
    (void)state;
    enum { CALLS = 100 };
    struct tlr_log *log;
    struct tlr_log_stats stats;
    assert_int_equal(
        tlr_log_open(&log, &(struct tlr_log_options){.path = "/dev/full", .mode = TLR_MODE_SYNC}),
        0);
    for (unsigned i = 1; i <= CALLS; i++) lines_log(0, i, 10);
    tlr_log_stats(log, &stats);
    assert_int_equal(stats.written, 0);
    assert_int_equal(stats.dropped[TLR_REASON_SINK], CALLS);
    assert_int_equal(stats.sink_error, -ENOSPC);
    tlr_log_close(log, 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_threads_write_whole_lines, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test(test_stopped_reader_is_told),
        cmocka_unit_test(test_failing_sink_is_counted),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
