/* logger_threads.c - ten thousand short threads: lanes and slots go round, memory does not grow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "directory.h"
#include "producers.h"

#define DEADLINE_NS (30 * TLR_NS_PER_S)
#define AT_ONCE 8

static long resident_kib(void) {
    char line[128];
    long kib = 0;
    FILE *const status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0) kib = strtol(line + 6, NULL, 10);
    if (status != NULL) fclose(status);
    return kib;
}

/* Half of the threads attach, the others take their lane at the first call. Each bears its number,
 * so that a line under another's name is seen. */
static void *short_thread(void *argument) {
    struct producer *const producer = argument;
    char name[TLR_THREAD_NAME_BYTES];
    snprintf(name, sizeof name, "p%u", producer->number);
    if (producer->number % 2 == 0) {
        tlr_thread_attach(producer->log, name, TLR_ROLE_OTHER);
    } else {
        pthread_setname_np(pthread_self(), name);
    }
    for (unsigned i = 0; i < 3; i++) lines_log(producer->number, ++producer->attempted, 20);
    return NULL;
}

/* True once at most `count` lanes are in use: those of ended threads came free. */
static bool wait_for_lanes(struct tlr_log *log, unsigned count) {
    struct tlr_log_stats stats;
    for (unsigned turn = 0; turn < 5000; turn++) {
        tlr_log_stats(log, &stats);
        if (stats.lanes_used <= count) return true;
        usleep(500);
    }
    return false;
}

static void churn(struct tlr_log *log, struct producer *producers, unsigned turns, bool patient) {
    for (unsigned turn = 0; turn < turns; turn++) {
        for (unsigned i = 0; i < AT_ONCE; i++) {
            producers[i].log = log;
            producers[i].number = i;
            assert_int_equal(
                pthread_create(&producers[i].thread, NULL, short_thread, &producers[i]), 0);
        }
        for (unsigned i = 0; i < AT_ONCE; i++) pthread_join(producers[i].thread, NULL);
        if (patient) assert_true(wait_for_lanes(log, AT_ONCE));
    }
}

/* Flushes, closes, and holds the file against the calls made. Returns the lines that arrived. */
static uint64_t settle(struct tlr_log *log, const struct producer *producers) {
    struct tlr_log_stats stats;
    struct lines_check check;
    uint64_t attempted = 0;
    for (unsigned i = 0; i < AT_ONCE; i++) attempted += producers[i].attempted;
    assert_int_equal(tlr_log_flush(log, DEADLINE_NS), 0);
    tlr_log_stats(log, &stats);
    assert_int_equal(attempted, stats.written + lines_dropped(&stats));
    assert_int_equal(tlr_log_close(log, DEADLINE_NS), 0);
    assert_int_equal(lines_check_file(&check, directory.file), 0);
    assert_true(lines_check_sound(&check));
    assert_int_equal(check.lines + check.announced, attempted);
    assert_int_equal(check.lines, stats.written);
    return check.lines;
}

/* Faster than lanes come back: what finds none is counted. */
static void test_short_threads(void **state) {
    (void)state;
    struct producer producers[AT_ONCE] = {0};
    struct tlr_log *log;

    assert_int_equal(tlr_log_open(&log, &(struct tlr_log_options){.path = directory.file}), 0);
    churn(log, producers, 50, false);
    const long before_kib = resident_kib();
    churn(log, producers, PRODUCERS_CALLS(10000) / AT_ONCE, false);
    const long grown_kib = resident_kib() - before_kib;
    if (PRODUCERS_CALLS(10) == 10) assert_true(grown_kib < 8192); /* sanitizers keep what ended */
    assert_true(settle(log, producers) > 0);
}

/* Never more threads than lanes: each one finds a lane, and nothing is lost. */
static void test_lanes_go_round(void **state) {
    (void)state;
    enum { TURNS = 60 };
    struct producer producers[AT_ONCE] = {0};
    struct tlr_log *log;

    assert_int_equal(tlr_log_open(&log, &(struct tlr_log_options){.path = directory.file,
                                                                  .lane_count = 2 * AT_ONCE}),
                     0);
    churn(log, producers, TURNS, true);
    assert_int_equal(settle(log, producers), TURNS * AT_ONCE * 3);
}

/* More than lanes at once: those without one are counted, and lanes come back to the others. */
static void test_lanes_return_after_a_crowd(void **state) {
    (void)state;
    enum { CROWD = 32 };
    struct producer producers[CROWD], total, model = {.size_limit = 50};
    struct tlr_log_stats stats;
    struct lines_check check;

    model.calls = PRODUCERS_CALLS(2000);
    assert_int_equal(tlr_log_open(&model.log, &(struct tlr_log_options){.path = directory.file,
                                                                        .lane_count = 4}),
                     0);
    assert_int_equal(producers_begin(producers, CROWD, &model), 0);
    producers_end(producers, CROWD, &total);
    assert_int_equal(tlr_log_flush(model.log, DEADLINE_NS), 0);
    assert_true(wait_for_lanes(model.log, 3));
    assert_int_equal(tlr_thread_attach(model.log, "late", TLR_ROLE_OTHER), 0);
    lines_log(CROWD, 1, 10);
    total.attempted++;
    assert_int_equal(tlr_log_flush(model.log, DEADLINE_NS), 0);
    tlr_log_stats(model.log, &stats);
    assert_int_equal(total.attempted, stats.written + lines_dropped(&stats));
    assert_int_equal(tlr_log_close(model.log, DEADLINE_NS), 0);
    assert_int_equal(lines_check_file(&check, directory.file), 0);
    assert_true(lines_check_sound(&check));
    assert_int_equal(check.lines + check.announced, total.attempted);
    assert_int_equal(check.last[CROWD], 1);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_short_threads, directory_set_up, directory_tear_down),
        cmocka_unit_test_setup_teardown(test_lanes_go_round, directory_set_up, directory_tear_down),
        cmocka_unit_test_setup_teardown(test_lanes_return_after_a_crowd, directory_set_up,
                                        directory_tear_down),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
