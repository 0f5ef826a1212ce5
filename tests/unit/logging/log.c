/* A log's life through its public face: calls, levels, gaps, contexts, forks, closing. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tailrace/ring.h>
#include <unistd.h>

#include <cmocka.h>

static TLR_CATEGORY(unit, "unit.log");
static TLR_CATEGORY(other, "unit.other");

static char path[64];
static char text[1 << 20];

static int set_up(void **state) {
    (void)state;
    snprintf(path, sizeof path, "unit-log-%d", (int)getpid());
    unlink(path);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return unlink(path) == 0 || errno == ENOENT ? 0 : -1;
}

static struct tlr_log *open_log(const struct tlr_log_options *given) {
    struct tlr_log_options options = *given;
    options.name = "unit";
    if (options.path == NULL && options.fd == 0) options.path = path;
    struct tlr_log *log;
    assert_int_equal(tlr_log_open(&log, &options), 0);
    return log;
}

static const char *read_all(void) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    const ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    text[bytes > 0 ? bytes : 0] = '\0';
    return text;
}

static unsigned lines_with(const char *what) {
    unsigned count = 0;
    for (const char *at = read_all(); (at = strstr(at, what)) != NULL; at++) count++;
    return count;
}

static uint64_t dropped_of(const struct tlr_log_stats *stats) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < TLR_REASON_COUNT; i++) sum += stats->dropped[i];
    return sum;
}

static void test_a_line_is_written(void **state) {
    (void)state;
    struct tlr_log *log = open_log(&(struct tlr_log_options){0});
    assert_int_equal(tlr_thread_attach(log, "main", TLR_ROLE_LOOP), 0);
    tlr_info(&unit, "request done status=%d name=%s", 200, "a b");
    assert_int_equal(tlr_log_flush(log, TLR_NS_PER_S), 0);
    assert_non_null(
        strstr(read_all(), " INFO  main unit.log  request done status=200 name=\"a b\"\n"));
    assert_int_equal(tlr_log_close(log, TLR_NS_PER_S), 0);
}

static int evaluated;

static int evaluate(void) {
    return ++evaluated;
}

static void test_levels_decide_and_arguments_are_evaluated_once(void **state) {
    (void)state;
    struct tlr_log *log = open_log(&(struct tlr_log_options){.level = TLR_LEVEL_WARN});
    evaluated = 0;
    tlr_category_level_set(&unit, TLR_LEVEL_WARN);
    tlr_info(&unit, "off %d", evaluate());
    tlr_warn(&unit, "on %d", evaluate());
    tlr_category_level_set(&unit, TLR_LEVEL_DEBUG);
    tlr_debug(&unit, "on %d", evaluate());
    assert_int_equal(tlr_category_level_set_by_name("unit.other", TLR_LEVEL_ERROR), 0);
    tlr_warn(&other, "off %d", evaluate());
    tlr_error(&other, "on %d", evaluate());
    assert_int_equal(tlr_category_level_set_by_name("unit.other", TLR_LEVEL_INFO), 0);
    tlr_info(&other, "on %d", evaluate());
    assert_int_equal(tlr_category_level_set_by_name("unit.other", TLR_LEVEL_UNSET), -EINVAL);
    assert_int_equal(tlr_log_close(log, TLR_NS_PER_S), 0);
    assert_int_equal(evaluated, 4);
    assert_int_equal(lines_with("on "), 4);
    assert_int_equal(lines_with("off "), 0);
}

static void test_a_context_is_attached_until_cleared(void **state) {
    (void)state;
    struct tlr_log *log = open_log(&(struct tlr_log_options){.format = TLR_FORMAT_JSON});
    const struct tlr_context context = {.trace_id = {0xab, 1}, .span_id = 0x1234};
    tlr_context_set(&context);
    tlr_info(&unit, "inside n=%d", 1);
    tlr_context_set(NULL);
    tlr_info(&unit, "outside");
    assert_int_equal(tlr_log_close(log, TLR_NS_PER_S), 0);
    assert_int_equal(lines_with("\"trace\":\"ab01"), 1);
    assert_int_equal(lines_with("\"n\":1"), 1);
    assert_int_equal(lines_with("\"msg\":\"outside\""), 1);
}

/* The reader of the pipe does not read: lanes fill, calls are dropped, and nothing is untold. */
static void test_calls_are_written_or_dropped_and_told(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
    struct tlr_log *log = open_log(&(struct tlr_log_options){.fd = ends[1], .lane_bytes = 4096});
    const unsigned calls = 2000;
    for (unsigned i = 0; i < calls; i++) tlr_info(&unit, "call i=%u", i);
    assert_int_equal(tlr_log_flush(log, TLR_NS_PER_MS), -ETIMEDOUT);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    size_t used = 0;
    for (int tries = 0; tries < 5000; tries++) {
        const ssize_t bytes = read(ends[0], text + used, sizeof text - 1 - used);
        if (bytes > 0) used += (size_t)bytes;
        struct tlr_log_stats now;
        tlr_log_stats(log, &now);
        if (bytes < 0 && now.written + now.announced == calls) break;
        if (bytes < 0) usleep(1000);
    }
    text[used] = '\0';
    struct tlr_log_stats stats;
    tlr_log_stats(log, &stats);
    assert_int_equal(stats.written + dropped_of(&stats), calls);
    assert_int_equal(stats.announced, dropped_of(&stats));
    assert_true(stats.announced > 0);
    unsigned lines = 0, told = 0;
    for (const char *at = text; (at = strstr(at, " call i=")) != NULL; at++) lines++;
    for (const char *at = text; (at = strstr(at, "dropped records=")) != NULL; at++)
        told += (unsigned)strtoul(at + strlen("dropped records="), NULL, 10);
    assert_int_equal(lines, stats.written);
    assert_int_equal(told, stats.announced);
    assert_non_null(strstr(text, "reasons=lane_full:"));
    assert_non_null(strstr(text, "log.c:"));
    assert_int_equal(tlr_log_close(log, TLR_NS_PER_S), 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_a_stuck_close_keeps_its_deadline_and_its_ring(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
    struct tlr_log *log = open_log(&(struct tlr_log_options){.fd = ends[1]});
    for (unsigned i = 0; i < 200; i++) tlr_info(&unit, "call i=%u", i);
    char ring_path[256];
    snprintf(ring_path, sizeof ring_path, "%s", tlr_log_ring_path(log));
    const uint64_t begin = tlr_clock_ticks();
    assert_int_equal(tlr_log_close(log, 20 * TLR_NS_PER_MS), -ETIMEDOUT);
    assert_true(tlr_clock_between_ns(begin, tlr_clock_ticks()) < 2 * TLR_NS_PER_S);
    if (ring_path[0] != '\0') {
        struct tlr_ring *ring;
        assert_int_equal(tlr_ring_open(&ring, ring_path), 0);
        struct tlr_log_stats stats;
        tlr_ring_stats(ring, &stats);
        assert_true(stats.written < 200);
        tlr_ring_close(ring);
        unlink(ring_path);
    }
    close(ends[0]);
    close(ends[1]);
}

static void test_a_child_is_kept_out_of_its_parents_lanes(void **state) {
    (void)state;
#ifdef __SANITIZE_THREAD__
    print_message("skipped: the thread sanitizer allows no thread in a forked child\n");
    skip();
#endif
    struct tlr_log *log = open_log(&(struct tlr_log_options){0});
    tlr_info(&unit, "parent before");
    const pid_t child = fork();
    if (child == 0) {
        struct tlr_thread_counts before, after;
        tlr_thread_counts(&before);
        for (int i = 0; i < 100; i++) tlr_info(&unit, "child, lost");
        tlr_thread_counts(&after);
        struct tlr_log *own;
        const int error =
            tlr_log_open(&own, &(struct tlr_log_options){.name = "own", .path = path});
        if (error != 0) _exit(1);
        tlr_category_bind(&unit, own);
        tlr_info(&unit, "child, own log");
        if (tlr_log_close(own, TLR_NS_PER_S) != 0) _exit(2);
        _exit(after.dropped - before.dropped == 100 ? 0 : 3);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    tlr_info(&unit, "parent after");
    assert_int_equal(tlr_log_close(log, TLR_NS_PER_S), 0);
    assert_int_equal(lines_with("child, lost"), 0);
    assert_int_equal(lines_with("child, own log"), 1);
    assert_int_equal(lines_with("parent "), 2);
}

static void test_a_child_leaves_its_parents_log_alone(void **state) {
    (void)state;
    struct tlr_log *log = open_log(&(struct tlr_log_options){.mode = TLR_MODE_SYNC});
    const pid_t child = fork();
    if (child == 0) {
        const int refused = tlr_log_close(log, TLR_NS_PER_S) == -EPERM &&
                            tlr_log_flush(log, TLR_NS_PER_S) == -EPERM &&
                            tlr_log_reopen(log) == -EPERM;
        _exit(refused ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(access(tlr_log_ring_path(log), R_OK), 0);
    assert_int_equal(tlr_log_close(log, TLR_NS_PER_S), 0);
}

static void test_no_deadline_is_too_far(void **state) {
    (void)state;
    struct tlr_log *log = open_log(&(struct tlr_log_options){0});
    tlr_info(&unit, "one line");
    assert_int_equal(tlr_log_flush(log, UINT64_MAX), 0);
    assert_int_equal(tlr_log_close(log, UINT64_MAX), 0);
    assert_int_equal(lines_with("one line"), 1);
}

static void test_an_inherited_descriptor_is_not_reopened(void **state) {
    (void)state;
    struct tlr_log *log = open_log(&(struct tlr_log_options){.fd = STDERR_FILENO});
    assert_int_equal(tlr_log_reopen(log), -ENOTSUP);
    struct tlr_log_stats stats;
    tlr_log_stats(log, &stats);
    assert_int_equal(stats.sink_error, 0);
    assert_int_equal(tlr_log_close(log, TLR_NS_PER_S), 0);
}

/* The sink of a synchronous log fails, then works: what was lost is told once, by site and reason.
 */
static void test_synchronous_losses_are_told_once(void **state) {
    (void)state;
    struct tlr_log *log = open_log(&(struct tlr_log_options){.path = path, .mode = TLR_MODE_SYNC});
    tlr_category_bind(&other, log);
    struct rlimit before, tiny = {.rlim_cur = 40};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tiny.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    tlr_warn(&other,
             "a line that ends beyond the limit of the file's size"); /* torn at the limit */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    for (int i = 0; i < 3; i++) tlr_warn(&other, "lost i=%d", i);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    tlr_warn(&other, "works again");
    struct tlr_log_stats stats;
    tlr_log_stats(log, &stats);
    assert_int_equal(stats.dropped[TLR_REASON_SINK], 3);
    assert_int_equal(stats.announced, 3);
    assert_int_equal(tlr_log_close(log, TLR_NS_PER_S), 0);
    assert_int_equal(lines_with("dropped records=3 reasons=sink:3 sites=log.c:"), 1);
    assert_int_equal(lines_with("dropped records="), 1);
    assert_int_equal(lines_with("lost i="), 0);
    tlr_category_bind(&other, NULL);
}

static void test_a_loop_may_not_wait(void **state) {
    (void)state;
    struct tlr_log *log = open_log(&(struct tlr_log_options){0});
    assert_int_equal(tlr_thread_attach(log, "loop", TLR_ROLE_LOOP), 0);
    assert_int_equal(tlr_thread_full_wait_set(TLR_NS_PER_S), -EPERM);
    assert_int_equal(tlr_thread_attach(log, "pool", TLR_ROLE_POOL), 0);
    assert_int_equal(tlr_thread_full_wait_set(TLR_NS_PER_S), 0);
    assert_int_equal(tlr_thread_full_wait_set(0), 0);
    assert_int_equal(tlr_log_close(log, TLR_NS_PER_S), 0);
}

static void test_a_reopen_follows_a_rename(void **state) {
    (void)state;
    char moved[80];
    snprintf(moved, sizeof moved, "%s.1", path);
    struct tlr_log *log = open_log(&(struct tlr_log_options){0});
    tlr_info(&unit, "old file");
    assert_int_equal(tlr_log_flush(log, TLR_NS_PER_S), 0);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(tlr_log_reopen(log), 0);
    struct stat status;
    for (int tries = 0; stat(path, &status) != 0 && tries < 5000; tries++) usleep(1000);
    tlr_info(&unit, "new file");
    assert_int_equal(tlr_log_close(log, TLR_NS_PER_S), 0);
    assert_int_equal(lines_with("new file"), 1);
    assert_int_equal(lines_with("old file"), 0);
    unlink(moved);
}

static void test_bad_options_are_refused(void **state) {
    (void)state;
    struct tlr_log *log = NULL;
    const struct tlr_log_options bad[] = {
        {.path = path, .lane_bytes = 5000},   {.path = path, .lane_bytes = 1024},
        {.path = path, .lane_count = 100000}, {.path = path, .name = "a/b"},
        {.format = TLR_FORMAT_SEGMENT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(tlr_log_open(&log, &bad[i]), -EINVAL);
    assert_int_equal(tlr_log_open(&log, &(struct tlr_log_options){.path = "."}), -EISDIR);
    assert_int_equal(tlr_log_open(&log, &(struct tlr_log_options){.path = "missing/file"}),
                     -ENOENT);
    assert_null(log);
    assert_int_equal(tlr_log_close(NULL, 0), 0);
}

static void test_ring_directory_trouble_is_told_and_survived(void **state) {
    (void)state;
    char open_to_all[64];
    snprintf(open_to_all, sizeof open_to_all, "unit-rings-%d", (int)getpid());
    assert_int_equal(mkdir(open_to_all, 0700), 0);
    assert_int_equal(chmod(open_to_all, 0777), 0);
    struct tlr_log *log = open_log(&(struct tlr_log_options){.ring_directory = open_to_all});
    struct tlr_log_stats stats;
    tlr_log_stats(log, &stats);
    assert_int_equal(stats.ring_private, -EPERM);
    tlr_info(&unit, "written all the same");
    assert_int_equal(tlr_log_close(log, TLR_NS_PER_S), 0);
    assert_int_equal(lines_with("written all the same"), 1);
    assert_int_equal(rmdir(open_to_all), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_line_is_written),
        TEST(test_levels_decide_and_arguments_are_evaluated_once),
        TEST(test_a_context_is_attached_until_cleared),
        TEST(test_calls_are_written_or_dropped_and_told),
        TEST(test_a_stuck_close_keeps_its_deadline_and_its_ring),
        TEST(test_a_child_is_kept_out_of_its_parents_lanes),
        TEST(test_a_child_leaves_its_parents_log_alone),
        TEST(test_no_deadline_is_too_far),
        TEST(test_an_inherited_descriptor_is_not_reopened),
        TEST(test_synchronous_losses_are_told_once),
        TEST(test_a_loop_may_not_wait),
        TEST(test_a_reopen_follows_a_rename),
        TEST(test_bad_options_are_refused),
        TEST(test_ring_directory_trouble_is_told_and_survived),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
