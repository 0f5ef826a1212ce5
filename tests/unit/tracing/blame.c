/* Who holds the other end, on real pipes and real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tailrace/trace.h>
#include <unistd.h>

static struct tlr_blame blame;

/* A child that holds `fd`, but not `not_fd`, and sleeps until killed. Returns when it is ready. */
static pid_t hold(int fd, int not_fd) {
    int ready[2];
    char byte;
    assert_true(fcntl(fd, F_GETFD) >= 0);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "log (reader)");
        close(not_fd);
        close(ready[0]);
        close(ready[1]);
        for (;;) pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 0);
    close(ready[0]);
    return child;
}

static void stop(pid_t child) {
    int status;
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
}

static void end(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static size_t fill(int fd) {
    static const char page[4096];
    size_t written = 0;
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
    for (ssize_t got; (got = write(fd, page, sizeof page)) > 0;) written += (size_t)got;
    return written;
}

static void assert_says(const char *part) {
    if (!strstr(blame.sentence, part)) fail_msg("\"%s\" is not in \"%s\"", part, blame.sentence);
}

static void assert_advises(const char *part) {
    if (!strstr(blame.advice, part)) fail_msg("\"%s\" is not in \"%s\"", part, blame.advice);
}

static void a_stopped_reader_of_a_pipe_is_named(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = hold(ends[0], ends[1]);
    close(ends[0]);
    size_t written = fill(ends[1]);
    stop(child);

    assert_int_equal(tlr_blame(getpid(), ends[1], TLR_CAUSE_SINK_WRITE, &blame), 0);
    if (blame.other_pid != child) fail_msg("%s", blame.sentence);
    assert_string_equal(blame.other_name, "log (reader)");
    assert_int_equal(blame.other_state, 'T');
    assert_int_equal(blame.others, 0);
    assert_int_equal(blame.pipe_used_bytes, written);
    assert_int_equal(blame.pipe_size_bytes, fcntl(ends[1], F_GETPIPE_SZ));
    assert_int_equal(strncmp(blame.object, "pipe:[", 6), 0);
    char expected[64];
    snprintf(expected, sizeof expected, "its reader log (reader) (pid %d) is stopped (T)", child);
    assert_says("writing to pipe:[");
    assert_says("(65536 of 65536 bytes full)");
    assert_says(expected);
    snprintf(expected, sizeof expected, "kill -CONT %d", child);
    assert_string_equal(blame.advice, expected);
    end(child);
    close(ends[1]);
}

static void a_pipe_can_be_full_of_pages_that_are_not(void **state) {
    (void)state;
    static const char bytes[3000];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], bytes, sizeof bytes) > 0) {
    }
    assert_int_equal(tlr_blame(getpid(), ends[1], TLR_CAUSE_SINK_WRITE, &blame), 0);
    assert_true(blame.pipe_used_bytes < blame.pipe_size_bytes);
    assert_says("bytes full, no page free)");
    close(ends[0]);
    close(ends[1]);
}

static void the_stopped_one_of_two_readers_is_named(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t first = hold(ends[0], ends[1]), second = hold(ends[0], ends[1]),
          third = hold(ends[0], ends[1]);
    close(ends[0]);
    stop(second);
    assert_int_equal(tlr_blame(getpid(), ends[1], TLR_CAUSE_SINK_LOCK, &blame), 0);
    assert_int_equal(blame.other_pid, second);
    assert_int_equal(blame.others, 2);
    assert_says("waiting for another thread's write to pipe:[");
    assert_says("2 more processes hold that end");
    end(first);
    end(second);
    end(third);
    close(ends[1]);
}

static void another_process_is_looked_into(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    size_t written = fill(ends[1]);
    pid_t writer = hold(ends[1], ends[0]);
    assert_int_equal(tlr_blame(writer, ends[1], TLR_CAUSE_SINK_WRITE, &blame), 0);
    assert_int_equal(blame.other_pid, getpid());
    assert_int_equal(blame.pipe_used_bytes, written);
    assert_says("is running but not reading");
    end(writer);
    close(ends[0]);
    close(ends[1]);
}

static void the_process_itself_is_named_if_it_is_the_only_one(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(tlr_blame(getpid(), ends[1], TLR_CAUSE_SINK_WRITE, &blame), 0);
    assert_int_equal(blame.other_pid, getpid());
    assert_says("its only reader is the waiting process itself");
    close(ends[0]);
    close(ends[1]);
}

static void a_reader_that_waits_is_told_of_its_writer(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t writer = hold(ends[1], ends[0]);
    close(ends[1]);
    stop(writer);
    assert_int_equal(tlr_blame(getpid(), ends[0], TLR_CAUSE_FILE, &blame), 0);
    assert_int_equal(blame.other_pid, writer);
    assert_says("reading from pipe:[");
    assert_says("its writer log (reader)");
    end(writer);
    close(ends[0]);
}

/* In a directory of its own, so that the path is unique. */
static void make_fifo(char *directory, char *path, size_t capacity) {
    assert_non_null(mkdtemp(directory));
    snprintf(path, capacity, "%s/log", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void a_fifo_that_nobody_reads_says_so(void **state) {
    (void)state;
    char directory[] = "/tmp/tlr-blame-XXXXXX", path[64], expected[128];
    make_fifo(directory, path, sizeof path);
    int fd = open(path, O_RDWR | O_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(tlr_blame(getpid(), fd, TLR_CAUSE_SINK_WRITE, &blame), 0);
    assert_int_equal(blame.other_pid, 0);
    snprintf(expected, sizeof expected, "writing to FIFO %s (0 of ", path);
    assert_says(expected);
    if (strstr(blame.sentence, "nobody reads this FIFO")) {
        assert_advises(path);
    } else { /* not root, or in a container */
        assert_says("is not to be seen from here");
        snprintf(expected, sizeof expected, "-inum %llu", (unsigned long long)blame.inode);
        assert_advises(expected);
    }
    close(fd);
    unlink(path);
    rmdir(directory);
}

static void a_fifos_reader_is_found_by_identity(void **state) {
    (void)state;
    char directory[] = "/tmp/tlr-blame-XXXXXX", path[64], link[80];
    make_fifo(directory, path, sizeof path);
    snprintf(link, sizeof link, "%s-link", path);
    assert_int_equal(rename(path, link), 0); /* known by another name when it was opened */
    assert_int_equal(symlink(link, path), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK), writer = open(link, O_WRONLY | O_NONBLOCK);
    assert_true(reader >= 0 && writer >= 0);
    pid_t child = hold(reader, writer);
    close(reader);
    assert_int_equal(tlr_blame(getpid(), writer, TLR_CAUSE_SINK_WRITE, &blame), 0);
    assert_int_equal(blame.other_pid, child);
    assert_int_not_equal(blame.other_state, 'T');
    end(child);
    close(writer);
    unlink(path);
    unlink(link);
    rmdir(directory);
}

static void a_file_is_told_with_its_file_system(void **state) {
    (void)state;
    char path[] = "/tmp/tlr-blame-XXXXXX", expected[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(tlr_blame(getpid(), fd, TLR_CAUSE_FSYNC, &blame), 0);
    snprintf(expected, sizeof expected, "syncing file %s (", path);
    assert_says(expected);
    assert_null(strstr(blame.object, "unknown"));
    assert_int_equal(blame.pipe_used_bytes, -1);
    assert_int_equal(blame.pipe_size_bytes, -1);
    close(fd);
    unlink(path);
}

static void a_device_is_told(void **state) {
    (void)state;
    int fd = open("/dev/null", O_WRONLY);
    assert_int_equal(tlr_blame(getpid(), fd, TLR_CAUSE_SINK_WRITE, &blame), 0);
    assert_string_equal(blame.object, "device /dev/null");
    close(fd);
}

static void what_is_not_there_is_an_error_that_says_so(void **state) {
    (void)state;
    assert_int_equal(tlr_blame(getpid(), 987654, TLR_CAUSE_SINK_WRITE, &blame), -ESRCH);
    assert_says("has no descriptor 987654");

    pid_t gone = fork();
    if (gone == 0) _exit(0);
    waitpid(gone, NULL, 0);
    assert_int_equal(tlr_blame(gone, 1, TLR_CAUSE_SINK_WRITE, &blame), -ESRCH);
    assert_says("there is no process");
}

static void a_wait_without_a_descriptor_is_explained(void **state) {
    (void)state;
    assert_int_equal(tlr_blame(getpid(), -1, TLR_CAUSE_SLEEP, &blame), 0);
    assert_says("sleeping");
    for (int cause = 0; cause < TLR_CAUSE_COUNT; cause++) {
        assert_int_equal(tlr_blame(getpid(), -1, (enum tlr_cause)cause, &blame), 0);
        assert_true(blame.sentence[0] != '\0');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_reader_of_a_pipe_is_named),
        cmocka_unit_test(a_pipe_can_be_full_of_pages_that_are_not),
        cmocka_unit_test(the_stopped_one_of_two_readers_is_named),
        cmocka_unit_test(another_process_is_looked_into),
        cmocka_unit_test(the_process_itself_is_named_if_it_is_the_only_one),
        cmocka_unit_test(a_reader_that_waits_is_told_of_its_writer),
        cmocka_unit_test(a_fifo_that_nobody_reads_says_so),
        cmocka_unit_test(a_fifos_reader_is_found_by_identity),
        cmocka_unit_test(a_file_is_told_with_its_file_system),
        cmocka_unit_test(a_device_is_told),
        cmocka_unit_test(what_is_not_there_is_an_error_that_says_so),
        cmocka_unit_test(a_wait_without_a_descriptor_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
