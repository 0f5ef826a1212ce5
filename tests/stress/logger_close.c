/* logger_close.c - closing: while producers log, and while the sink is stuck.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "directory.h"
#include "producers.h"
#include "reader.h"

#include <sys/stat.h>
#include <tailrace/ring.h>

#define DEADLINE_NS (30 * TLR_NS_PER_S)
#define PRODUCERS 4

static off_t file_size(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 ? file.st_size : -1;
}

/* What the producers' own counts say was accepted is in the file; nothing comes after the close. */
static void close_under_producers(uint64_t full_wait_ns) {
    struct producer producers[PRODUCERS], total;
    atomic_bool stop = false;
    struct producer model = {.calls = UINT64_MAX,
                             .size_limit = 200,
                             .stop = &stop,
                             .full_wait_ns = full_wait_ns,
                             .burst = 20};
    struct lines_check check;

    assert_int_equal(tlr_log_open(&model.log, &(struct tlr_log_options){.path = directory.file,
                                                                        .lane_bytes = 16384}),
                     0);
    assert_int_equal(producers_begin(producers, PRODUCERS, &model), 0);
    reader_sleep_us(50000);
    assert_int_equal(tlr_log_close(model.log, DEADLINE_NS), 0);
    const off_t closed_bytes = file_size(directory.file);
    reader_sleep_us(50000);
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    producers_end(producers, PRODUCERS, &total);

    assert_int_equal(file_size(directory.file), closed_bytes);
    assert_int_equal(lines_check_file(&check, directory.file), 0);
    assert_true(lines_check_sound(&check));
    assert_true(check.lines > 0);
    assert_int_equal(total.attempted, total.counts.lines + total.counts.dropped);
    assert_int_equal(check.lines, total.counts.lines);
    assert_int_equal(unlink(directory.file), 0);
}

static void test_closing_under_producers(void **state) {
    (void)state;
    for (unsigned turn = 0; turn < 10; turn++) close_under_producers(0);
}

static void test_closing_under_waiting_producers(void **state) {
    (void)state;
    for (unsigned turn = 0; turn < 5; turn++) close_under_producers(DEADLINE_NS);
}

/* With next to no time the close may leave records behind, but then it says so and keeps the ring;
 * if it says 0, every accepted line is in the file. */
static void test_closing_at_once_under_producers(void **state) {
    (void)state;
    for (unsigned turn = 0; turn < 40; turn++) {
        struct producer producers[PRODUCERS], total;
        atomic_bool stop = false;
        struct producer model = {.calls = UINT64_MAX, .size_limit = 60, .stop = &stop};
        struct lines_check check;
        struct tlr_log_stats stats;
        char ring_path[PATH_MAX];

        assert_int_equal(tlr_log_open(&model.log, &(struct tlr_log_options){.path = directory.file,
                                                                            .lane_bytes = 16384}),
                         0);
        snprintf(ring_path, sizeof ring_path, "%s", tlr_log_ring_path(model.log));
        assert_int_equal(producers_begin(producers, PRODUCERS, &model), 0);
        do { /* a thread may not attach to a log that was closed */
            reader_sleep_us(1000);
            tlr_log_stats(model.log, &stats);
        } while (stats.lanes_used < PRODUCERS);
        const int closed = tlr_log_close(model.log, turn % 3 * TLR_NS_PER_MS);
        atomic_store_explicit(&stop, true, memory_order_relaxed);
        producers_end(producers, PRODUCERS, &total);

        assert_int_equal(lines_check_file(&check, directory.file), 0);
        assert_int_equal(total.attempted, total.counts.lines + total.counts.dropped);
        if (closed == 0) {
            assert_true(lines_check_sound(&check));
            assert_int_equal(check.lines, total.counts.lines);
        } else {
            assert_int_equal(closed, -ETIMEDOUT);
            assert_true(check.lines <= total.counts.lines);
            if (ring_path[0] != '\0') assert_int_equal(unlink(ring_path), 0);
        }
        assert_int_equal(unlink(directory.file), 0);
    }
}

struct waiter {
    struct tlr_log *log;
    atomic_bool stop;
};

static void *wait_for_room(void *argument) {
    struct waiter *const waiter = argument;
    tlr_thread_attach(waiter->log, "waiter", TLR_ROLE_POOL);
    tlr_thread_full_wait_set(DEADLINE_NS);
    for (uint64_t sequence = 1; !atomic_load_explicit(&waiter->stop, memory_order_relaxed);)
        lines_log(1, sequence++, 500);
    return NULL;
}

/* A call that waits for room in a log that is closed goes on at once, not at its own deadline. */
static void test_closing_ends_waits(void **state) {
    (void)state;
    struct waiter waiter = {.stop = false};
    pthread_t thread;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(
        tlr_log_open(&waiter.log, &(struct tlr_log_options){.fd = ends[1], .lane_bytes = 8192}), 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_room, &waiter), 0);
    reader_sleep_us(200000); /* the pipe and the lane are full by then */
    char ring_path[PATH_MAX];
    snprintf(ring_path, sizeof ring_path, "%s", tlr_log_ring_path(waiter.log));
    const uint64_t begin = tlr_clock_ticks();
    assert_int_equal(tlr_log_close(waiter.log, 300 * TLR_NS_PER_MS), -ETIMEDOUT);
    atomic_store_explicit(&waiter.stop, true, memory_order_relaxed);
    pthread_join(thread, NULL);
    assert_true(tlr_clock_between_ns(begin, tlr_clock_ticks()) < TLR_NS_PER_S);
    if (ring_path[0] != '\0') unlink(ring_path);
    close(ends[0]);
    close(ends[1]);
}

/* A new log takes the calls of threads that knew the old one. */
static void test_reopening_under_producers(void **state) {
    (void)state;
    struct producer producers[PRODUCERS], total;
    atomic_bool stop = false;
    struct producer model = {.calls = UINT64_MAX, .size_limit = 200, .stop = &stop, .burst = 20};
    const struct tlr_log_options options = {.path = directory.file, .lane_bytes = 16384};
    struct lines_check check;

    assert_int_equal(tlr_log_open(&model.log, &options), 0);
    assert_int_equal(producers_begin(producers, PRODUCERS, &model), 0);
    struct tlr_log *log = model.log;
    for (unsigned turn = 0; turn < 20; turn++) {
        reader_sleep_us(10000);
        assert_int_equal(tlr_log_close(log, DEADLINE_NS), 0);
        assert_int_equal(tlr_log_open(&log, &options), 0);
    }
    reader_sleep_us(20000);
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    producers_end(producers, PRODUCERS, &total);
    assert_int_equal(tlr_log_close(log, DEADLINE_NS), 0);
    assert_int_equal(lines_check_file(&check, directory.file), 0);
    assert_true(lines_check_sound(&check));
    assert_int_equal(total.attempted, total.counts.lines + total.counts.dropped);
    assert_int_equal(check.lines, total.counts.lines);
}

/* Fills the sink and the lane, closes, and sees that the close kept its deadline and left the ring
 * file for recovery. */
static void close_stuck(struct tlr_log *log, uint64_t deadline_ns) {
    struct tlr_log_stats stats;
    struct tlr_ring_info info;
    uint64_t sequence = 0;
    char ring_path[PATH_MAX];

    /* Full, and not only for a moment. */
    do {
        lines_log(0, ++sequence, 500);
        tlr_log_stats(log, &stats);
        tlr_ring_info(tlr_log_ring(log), &info);
    } while (lines_dropped(&stats) == 0 || info.writer_state != TLR_THREAD_BLOCKED ||
             tlr_clock_date_ns(tlr_clock_ticks()) < info.writer_since_ns + 20 * TLR_NS_PER_MS);
    snprintf(ring_path, sizeof ring_path, "%s", tlr_log_ring_path(log));

    const uint64_t begin = tlr_clock_ticks();
    assert_int_equal(tlr_log_close(log, deadline_ns), -ETIMEDOUT);
    const uint64_t took_ns = tlr_clock_between_ns(begin, tlr_clock_ticks());
    assert_true(took_ns >= deadline_ns);
    assert_true(took_ns < deadline_ns + 100 * TLR_NS_PER_MS);
    if (ring_path[0] != '\0') assert_int_equal(unlink(ring_path), 0);
    lines_log(0, ++sequence, 10); /* safe, and counted nowhere that a caller could see */
}

static void test_stuck_fifo(void **state) {
    (void)state;
    const uint64_t deadlines_ns[] = {0, 50 * TLR_NS_PER_MS, 300 * TLR_NS_PER_MS};
    struct tlr_log *log;

    assert_int_equal(mkfifo(directory.file, 0600), 0);
    const int reader = open(directory.file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_true(fcntl(reader, F_SETPIPE_SZ, 4096) >= 4096);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tlr_log_open(&log, &(struct tlr_log_options){.path = directory.file,
                                                                      .lane_bytes = 8192}),
                         0);
        close_stuck(log, deadlines_ns[i]);
    }
    close(reader);
}

static void test_fifo_without_reader(void **state) {
    (void)state;
    struct tlr_log *log;
    assert_int_equal(mkfifo(directory.file, 0600), 0);
    assert_int_equal(
        tlr_log_open(&log, &(struct tlr_log_options){.path = directory.file, .lane_bytes = 8192}),
        0);
    close_stuck(log, 100 * TLR_NS_PER_MS);
}

static void test_stuck_inherited_pipe(void **state) {
    (void)state;
    struct tlr_log *log;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(
        tlr_log_open(&log, &(struct tlr_log_options){.fd = ends[1], .lane_bytes = 8192}), 0);
    close_stuck(log, 100 * TLR_NS_PER_MS);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); /* others share the description */
    close(ends[0]);
    close(ends[1]);
}

static unsigned open_descriptors(void) {
    unsigned count = 0;
    DIR *const entries = opendir("/proc/self/fd");
    assert_non_null(entries);
    while (readdir(entries) != NULL) count++;
    closedir(entries);
    return count;
}

static void test_many_lives(void **state) {
    (void)state;
    enum { LIVES = 200 };
    const unsigned before = open_descriptors();
    struct lines_check check;
    for (unsigned life = 1; life <= LIVES; life++) {
        struct tlr_log *log;
        assert_int_equal(tlr_log_open(&log, &(struct tlr_log_options){.path = directory.file,
                                                                      .lane_count = 2,
                                                                      .lane_bytes = 4096}),
                         0);
        lines_log(0, life, 10);
        assert_int_equal(tlr_log_close(log, DEADLINE_NS), 0);
    }
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(lines_check_file(&check, directory.file), 0);
    assert_true(lines_check_sound(&check));
    assert_int_equal(check.lines, LIVES);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_closing_at_once_under_producers, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test_setup_teardown(test_closing_under_producers, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test_setup_teardown(test_closing_under_waiting_producers, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test(test_closing_ends_waits),
        cmocka_unit_test_setup_teardown(test_reopening_under_producers, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test_setup_teardown(test_stuck_fifo, directory_set_up, directory_tear_down),
        cmocka_unit_test_setup_teardown(test_fifo_without_reader, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test(test_stuck_inherited_pipe),
        cmocka_unit_test_setup_teardown(test_many_lives, directory_set_up, directory_tear_down),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
