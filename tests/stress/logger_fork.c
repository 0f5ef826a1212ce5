/* logger_fork.c - forks while other threads log: a child hangs on none of its parent's locks, is
 * kept out of its lanes, and logs through a log of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "directory.h"
#include "producers.h"
#include "reader.h"

#include <signal.h>
#include <sys/wait.h>

#define DEADLINE_NS (30 * TLR_NS_PER_S)
#define PRODUCERS 3
#define CHILDREN 60
#define CHILD_LINES 5

/* In the child: dropped calls of the parent's log, then a log of its own in the same file. */
static int child_logs(unsigned number) {
    struct tlr_log *own;
    lines_log(number, 1, 10); /* dropped: the parent's */
    if (tlr_log_open(&own, &(struct tlr_log_options){.name = "child", .path = directory.file}) != 0)
        return 1;
    tlr_category_bind(&lines_category, own);
    for (uint64_t i = 2; i < 2 + CHILD_LINES; i++) lines_log(number, i, 10);
    return tlr_log_close(own, DEADLINE_NS) == 0 ? 0 : 2;
}

/* A child that hangs would hang the test: it has ten seconds. */
static int end_of(pid_t child) {
    int status;
    for (unsigned turn = 0; turn < 1000; turn++) {
        if (waitpid(child, &status, WNOHANG) == child) return status;
        usleep(10000);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return status;
}

static void fork_under_producers(enum tlr_mode mode) {
    struct producer producers[PRODUCERS], total;
    atomic_bool stop = false;
    struct producer model = {.calls = UINT64_MAX, .size_limit = 60, .stop = &stop, .burst = 50};
    struct lines_check check;

#ifdef __SANITIZE_THREAD__
    print_message("skipped: the thread sanitizer allows no thread in a forked child\n");
    skip();
#endif
    const struct tlr_log_options options = {.path = directory.file, .mode = mode};
    assert_int_equal(tlr_log_open(&model.log, &options), 0);
    tlr_category_bind(&lines_category, model.log);
    assert_int_equal(producers_begin(producers, PRODUCERS, &model), 0);
    for (unsigned i = 0; i < CHILDREN; i++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) _exit(child_logs(PRODUCERS + i));
        assert_int_equal(end_of(child), 0);
    }
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    producers_end(producers, PRODUCERS, &total);
    assert_int_equal(tlr_log_close(model.log, DEADLINE_NS), 0);

    assert_int_equal(lines_check_file(&check, directory.file), 0);
    assert_int_equal(check.wrong, 0);
    assert_int_equal(check.displaced, 0);
    assert_int_equal(total.attempted, total.counts.lines + total.counts.dropped);
    assert_int_equal(check.lines, total.counts.lines + CHILDREN * CHILD_LINES);
}

static void test_forks_beside_lanes(void **state) {
    (void)state;
    fork_under_producers(TLR_MODE_RING);
}

static void test_forks_beside_synchronous_writes(void **state) {
    (void)state;
    fork_under_producers(TLR_MODE_SYNC);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_forks_beside_lanes, directory_set_up,
                                        directory_tear_down),
        cmocka_unit_test_setup_teardown(test_forks_beside_synchronous_writes, directory_set_up,
                                        directory_tear_down),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
