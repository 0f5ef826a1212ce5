/* logger_faults.c - sinks that fail and come back: what was accepted arrives, the rest is
 * announced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "directory.h"
#include "producers.h"
#include "reader.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define DEADLINE_NS (30 * TLR_NS_PER_S)

static struct tlr_log *open_log(const char *path, size_t lane_bytes) {
    struct tlr_log *log;
    const struct tlr_log_options options = {.path = path, .lane_bytes = lane_bytes};
    assert_int_equal(tlr_log_open(&log, &options), 0);
    return log;
}

/* Logs until the sink has failed with `error` and `count` more records were dropped; no call may
 * wait. Returns the number of calls. */
static uint64_t log_until_stuck(struct tlr_log *log, uint64_t sequence, int error, uint64_t count) {
    struct tlr_log_stats stats;
    do {
        lines_log(0, ++sequence, 400);
        tlr_log_stats(log, &stats);
    } while (stats.sink_error != error);
    const uint64_t enough = lines_dropped(&stats) + count;
    do {
        lines_log(0, ++sequence, 400);
        tlr_log_stats(log, &stats);
    } while (lines_dropped(&stats) < enough);
    return sequence;
}

/* Flushes, closes, and holds the file against the calls made. */
static void assert_all_told(struct tlr_log *log, const char *path, uint64_t calls) {
    struct tlr_log_stats stats;
    struct lines_check check;
    assert_int_equal(tlr_log_flush(log, DEADLINE_NS), 0);
    tlr_log_stats(log, &stats);
    assert_int_equal(stats.sink_error, 0); /* it works again */
    assert_int_equal(calls, stats.written + lines_dropped(&stats));
    assert_int_equal(tlr_log_close(log, DEADLINE_NS), 0);
    assert_int_equal(lines_check_file(&check, path), 0);
    assert_true(lines_check_sound(&check));
    assert_int_equal(check.lines, stats.written);
    assert_int_equal(check.announced, calls - check.lines);
}

static void test_full_device_never_harms_callers(void **state) {
    (void)state;
    struct tlr_log_stats stats;
    struct tlr_log *const log = open_log("/dev/full", 8192);
    const uint64_t calls = log_until_stuck(log, 0, -ENOSPC, 100);

    tlr_log_stats(log, &stats);
    assert_true(stats.sink_errors > 0);
    assert_int_equal(stats.written, 0);
    assert_int_equal(stats.bytes, 0);
    assert_true(calls > lines_dropped(&stats)); /* the others wait in the lane */

    char ring_path[PATH_MAX];
    snprintf(ring_path, sizeof ring_path, "%s", tlr_log_ring_path(log));
    assert_int_equal(tlr_log_flush(log, 50 * TLR_NS_PER_MS), -ETIMEDOUT);
    assert_int_equal(tlr_log_close(log, 50 * TLR_NS_PER_MS), -ETIMEDOUT);
    if (ring_path[0] != '\0') unlink(ring_path);
}

static void test_retries_back_off(void **state) {
    (void)state;
    struct tlr_log_stats before, after;
    struct tlr_log *const log = open_log("/dev/full", 8192);
    char ring_path[PATH_MAX];
    snprintf(ring_path, sizeof ring_path, "%s", tlr_log_ring_path(log));
    log_until_stuck(log, 0, -ENOSPC, 1);
    reader_sleep_us(300000);
    tlr_log_stats(log, &before);
    reader_sleep_us(500000);
    tlr_log_stats(log, &after);
    assert_true(after.sink_errors - before.sink_errors < 50);
    assert_int_equal(tlr_log_close(log, 0), -ETIMEDOUT);
    if (ring_path[0] != '\0') unlink(ring_path);
}

/* EFBIG in the middle of a line, then room again. */
static void test_file_size_limit_lifted(void **state) {
    (void)state;
    struct rlimit limit, lifted;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &lifted), 0);
    limit = lifted;
    limit.rlim_cur = 10000;
    struct tlr_log *const log = open_log(directory.file, 8192);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    uint64_t calls = log_until_stuck(log, 0, -EFBIG, 100);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &lifted), 0);
    for (unsigned i = 0; i < 20; i++) {
        lines_log(0, ++calls, 50);
        reader_sleep_us(1000);
    }
    assert_all_told(log, directory.file, calls);
    signal(SIGXFSZ, SIG_DFL);
}

/* A real full file system, and room made by deleting another file. */
static void test_full_file_system_freed(void **state) {
    (void)state;
    char ballast_path[96], block[16384] = {0};
    if (mount("stress", directory.path, "tmpfs", 0, "size=64k") != 0) {
        print_message("SKIPPED: a tmpfs cannot be mounted: %s\n", strerror(errno));
        skip();
    }
    snprintf(ballast_path, sizeof ballast_path, "%s/ballast", directory.path);
    const int ballast = open(ballast_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(ballast, block, sizeof block), sizeof block);
    close(ballast);

    struct tlr_log *const log = open_log(directory.file, 16384);
    uint64_t calls = log_until_stuck(log, 0, -ENOSPC, 50);
    assert_int_equal(unlink(ballast_path), 0);
    /* 16 KiB are free: as much as the lane holds, but not what the writer had in hand besides. */
    const struct timespec enough = {0, 300000000};
    nanosleep(&enough, NULL);
    assert_int_equal(mount("stress", directory.path, "tmpfs", MS_REMOUNT, "size=1m"), 0);
    lines_log(0, ++calls, 50);
    assert_all_told(log, directory.file, calls);
    assert_int_equal(umount2(directory.path, MNT_DETACH), 0);
}

static void test_fifo_waits_for_its_reader(void **state) {
    (void)state;
    struct reader reader = {0};
    struct tlr_log_stats stats;
    assert_int_equal(mkfifo(directory.file, 0600), 0);
    struct tlr_log *const log = open_log(directory.file, 8192);
    const uint64_t calls = log_until_stuck(log, 0, -ENXIO, 30);
    const int fd = open(directory.file, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(reader_begin(&reader, fd, 0, 0), 0);
    assert_int_equal(tlr_log_flush(log, DEADLINE_NS), 0);
    tlr_log_stats(log, &stats);
    assert_int_equal(tlr_log_close(log, DEADLINE_NS), 0);
    reader_end(&reader);
    close(fd);
    assert_true(lines_check_sound(&reader.check));
    assert_int_equal(reader.check.lines, stats.written);
    assert_int_equal(reader.check.lines + reader.check.announced, calls);
}

/* One reader goes and another comes, again and again. What the pipe held passes to the next one;
 * a write that found no reader is made again. SIGPIPE has its default action: it would kill us. */
static void test_readers_come_and_go(void **state) {
    (void)state;
    enum { READERS = 20 };
    struct reader reader = {0};
    struct tlr_log_stats stats;
    char block[3000];
    uint64_t calls = 0;

    assert_int_equal(mkfifo(directory.file, 0600), 0);
    struct tlr_log *const log = open_log(directory.file, 65536);
    for (unsigned turn = 0; turn < READERS; turn++) {
        lines_log(0, ++calls, 100); /* the writer comes when it has something to write */
        const int fd = open(directory.file, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        for (unsigned i = 0; i < 50; i++) lines_log(0, ++calls, 100);
        const ssize_t bytes = read(fd, block, sizeof block);
        assert_true(bytes > 0);
        lines_check_feed(&reader.check, block, (size_t)bytes);
        close(fd);
        for (unsigned i = 0; i < 10; i++) lines_log(0, ++calls, 100);
        reader_sleep_us(5000); /* so that some turns find the pipe without a reader */
    }
    const int fd = open(directory.file, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(reader_begin(&reader, fd, 0, 0), 0);
    assert_int_equal(tlr_log_flush(log, DEADLINE_NS), 0);
    tlr_log_stats(log, &stats);
    assert_int_equal(calls, stats.written + lines_dropped(&stats));
    assert_int_equal(tlr_log_close(log, DEADLINE_NS), 0);
    reader_end(&reader);
    close(fd);
    assert_true(lines_check_sound(&reader.check));
    assert_int_equal(reader.check.lines, stats.written);
    assert_int_equal(reader.check.announced, lines_dropped(&stats));
}

/* logrotate's way: rename, then reopen. */
static void test_reopen_splits_and_loses_nothing(void **state) {
    (void)state;
    enum { ROTATIONS = 10, CALLS = 200 };
    char rotated[96];
    uint64_t calls = 0, lines = 0;
    struct lines_check check;
    struct tlr_log *const log = open_log(directory.file, 1 << 20);
    for (unsigned turn = 0; turn < ROTATIONS; turn++) {
        for (unsigned i = 0; i < CALLS; i++) lines_log(0, ++calls, 100);
        snprintf(rotated, sizeof rotated, "%s/rotated.%u", directory.path, turn);
        while (rename(directory.file, rotated) != 0) reader_sleep_us(1000);
        assert_int_equal(tlr_log_reopen(log), 0);
        for (unsigned i = 0; i < CALLS; i++) lines_log(0, ++calls, 100);
        for (unsigned wait = 0; access(directory.file, F_OK) != 0 && wait < 5000; wait++)
            reader_sleep_us(1000);
    }
    assert_int_equal(tlr_log_close(log, DEADLINE_NS), 0);
    for (unsigned turn = 0; turn < ROTATIONS; turn++) {
        snprintf(rotated, sizeof rotated, "%s/rotated.%u", directory.path, turn);
        assert_int_equal(lines_check_file(&check, rotated), 0);
        assert_true(lines_check_sound(&check));
        lines += check.lines;
    }
    assert_int_equal(lines_check_file(&check, directory.file), 0);
    assert_true(lines_check_sound(&check));
    assert_int_equal(lines + check.lines, calls);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_device_never_harms_callers),
        cmocka_unit_test(test_retries_back_off),
        cmocka_unit_test_setup_teardown(test_file_size_limit_lifted, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test_setup_teardown(test_full_file_system_freed, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test_setup_teardown(test_fifo_waits_for_its_reader, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test_setup_teardown(test_readers_come_and_go, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test_setup_teardown(test_reopen_splits_and_loses_nothing, directory_set_up,
                                        directory_tear_down),
    };
    /* Mounts are this process's own, and go with it. */
    if (unshare(CLONE_NEWNS) == 0) mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
