/* tlr_tail_follow.c - `tlr tail` while files grow, are renamed, replaced and truncated under it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <tailrace/log.h>

enum { DEADLINE_MS = 20000 };

/* A running `tlr tail`, and a directory of its own. */
struct tail {
    char directory[64];
    pid_t pid;
    int out;
    char line[4096];
    size_t used;
};

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void pause_us(unsigned us) {
    struct timespec pause = {us / 1000000, (long)(us % 1000000) * 1000};
    nanosleep(&pause, NULL);
}

static int setup(void **state) {
    struct tail *tail = calloc(1, sizeof(*tail));
    if (!getenv("TLR") || !tail) return -1;
    strcpy(tail->directory, "/tmp/tlr_tail_XXXXXX");
    if (!mkdtemp(tail->directory) || chdir(tail->directory) < 0) return -1;
    tail->out = -1;
    *state = tail;
    return 0;
}

static int teardown(void **state) {
    struct tail *tail = *state;
    char command[128];
    if (tail->pid) {
        kill(tail->pid, SIGTERM);
        waitpid(tail->pid, NULL, 0);
    }
    if (tail->out >= 0) close(tail->out);
    if (chdir("/") < 0) return -1;
    snprintf(command, sizeof(command), "rm -rf %s", tail->directory);
    int status = system(command);
    free(tail);
    return status;
}

/* arguments: as a shell would split them at blanks. Notices go to the file "notices". */
static void tail_start(struct tail *tail, const char *arguments) {
    char copy[256];
    char *argv[16] = {getenv("TLR"), copy};
    int count = 1, ends[2];
    snprintf(copy, sizeof(copy), "tail %s", arguments);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) argv[count++] = word;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    tail->pid = fork();
    assert_true(tail->pid >= 0);
    if (tail->pid == 0) {
        int notices = open("notices", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(ends[1], STDOUT_FILENO);
        dup2(notices, STDERR_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    tail->out = ends[0];
}

/* The next line that it shows, without newline; fails after the deadline. NULL: it ended. */
static const char *tail_line(struct tail *tail) {
    uint64_t deadline = now_us() + DEADLINE_MS * 1000;
    tail->used = 0;
    while (now_us() < deadline) {
        struct pollfd ready = {.fd = tail->out, .events = POLLIN};
        if (poll(&ready, 1, 100) <= 0) continue;
        ssize_t got = read(tail->out, tail->line + tail->used, 1);
        if (got == 0) return NULL;
        assert_int_equal(got, 1);
        if (tail->line[tail->used] == '\n') {
            tail->line[tail->used] = 0;
            return tail->line;
        }
        assert_true(++tail->used < sizeof(tail->line));
    }
    fail_msg("no line within %d ms", DEADLINE_MS);
    return NULL;
}

static void expect(struct tail *tail, const char *line) {
    const char *shown = tail_line(tail);
    assert_non_null(shown);
    assert_string_equal(shown, line);
}

static int log_open(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void put(int fd, const char *text) {
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* ---- rotation ------------------------------------------------------------------------------ */

enum { ROTATIONS = 15, STAY_US = 50000 };

/* Writes numbered lines without a pause to speak of; after each rename, stays on the old file. */
static void writer_run(void) {
    unsigned number = 0;
    int fd = log_open("log");
    for (int rotation = 0; rotation < ROTATIONS; rotation++) {
        uint64_t renamed = now_us() + 30000, leave = renamed + STAY_US;
        int is_renamed = 0;
        char name[32];
        while (now_us() < leave) {
            char line[64];
            put(fd, (snprintf(line, sizeof(line), "line %u\n", number++), line));
            if (!is_renamed && now_us() > renamed) {
                snprintf(name, sizeof(name), "log.%d", rotation);
                assert_int_equal(rename("log", name), 0);
                close(log_open("log")); /* logrotate's "create": there, and empty */
                is_renamed = 1;
            }
            if (number % 16 == 0) pause_us(200);
        }
        close(fd);
        fd = log_open("log");
    }
    put(fd, "end\n");
    close(fd);
}

static void rotation_loses_no_line(void **state) {
    struct tail *tail = *state;
    int first = log_open("log");
    put(first, "begin\n");
    close(first);
    tail_start(tail, "-F -n all log");
    expect(tail, "begin");
    pid_t writer = fork();
    if (writer == 0) {
        writer_run();
        _exit(0);
    }
    unsigned number = 0;
    for (;; number++) {
        char expected[64];
        const char *line = tail_line(tail);
        assert_non_null(line);
        if (!strcmp(line, "end")) break;
        snprintf(expected, sizeof(expected), "line %u", number);
        assert_string_equal(line, expected);
    }
    int status;
    waitpid(writer, &status, 0);
    assert_int_equal(status, 0);
    assert_true(number > ROTATIONS * 100);
}

/* A writer may stay on the old file far longer than any grace: it holds it open, and that is known.
 */
static void old_file_is_followed_while_open(void **state) {
    struct tail *tail = *state;
    int old = log_open("log");
    put(old, "one\n");
    tail_start(tail, "-F log");
    expect(tail, "one");
    assert_int_equal(rename("log", "log.1"), 0);
    int new = log_open("log");
    put(new, "new one\n");
    expect(tail, "new one");
    if (geteuid() == 0) pause_us(2500000); /* longer than the grace that holds without a lease */
    put(old, "two\n");
    expect(tail, "two");
    put(old, "torn");
    close(old);
    expect(tail, "torn");
    put(new, "new two\n");
    expect(tail, "new two");
    close(new);
}

/* Versions that came and were renamed away while tail could not look are found by their renames. */
static void no_version_is_missed(void **state) {
    struct tail *tail = *state;
    int fd = log_open("log");
    put(fd, "begin\n");
    tail_start(tail, "-F log");
    expect(tail, "begin");
    kill(tail->pid, SIGSTOP);
    for (int version = 0; version < 5; version++) {
        char from[32], to[32], line[32];
        put(fd, (snprintf(line, sizeof(line), "old %d\n", version), line));
        close(fd);
        for (int number = version; number >= 0; number--) {
            snprintf(to, sizeof(to), "log.%d", number + 1);
            if (number == 0)
                strcpy(from, "log");
            else
                snprintf(from, sizeof(from), "log.%d", number);
            assert_int_equal(rename(from, to), 0);
        }
        fd = log_open("log");
        put(fd, (snprintf(line, sizeof(line), "new %d\n", version), line));
    }
    kill(tail->pid, SIGCONT);
    for (int version = 0; version < 5; version++) {
        char line[32];
        snprintf(line, sizeof(line), "old %d", version);
        expect(tail, line);
        snprintf(line, sizeof(line), "new %d", version);
        expect(tail, line);
    }
    put(fd, "end\n");
    expect(tail, "end");
    close(fd);
}

static void missing_file_is_waited_for(void **state) {
    struct tail *tail = *state;
    tail_start(tail, "-F log");
    pause_us(50000);
    int fd = log_open("log");
    put(fd, "here\n");
    expect(tail, "here");
    close(fd);
    assert_int_equal(unlink("log"), 0);
    fd = log_open("log");
    put(fd, "again\n");
    expect(tail, "again");
    close(fd);
}

/* ---- truncation ---------------------------------------------------------------------------- */

static void truncation_is_seen_by_size(void **state) {
    struct tail *tail = *state;
    int fd = log_open("log");
    put(fd, "a long line before\n");
    tail_start(tail, "-F log");
    expect(tail, "a long line before");
    assert_int_equal(ftruncate(fd, 0), 0);
    put(fd, "short\n");
    expect(tail, "short");
    close(fd);
}

/* Truncated and already longer than before when it is looked at: the size says nothing. */
static void truncation_is_seen_by_content(void **state) {
    struct tail *tail = *state;
    int fd = log_open("log");
    put(fd, "one\n");
    tail_start(tail, "-f log");
    expect(tail, "one");
    kill(tail->pid, SIGSTOP);
    assert_int_equal(ftruncate(fd, 0), 0);
    put(fd, "two\nthree\nfour\n");
    kill(tail->pid, SIGCONT);
    expect(tail, "two");
    expect(tail, "three");
    expect(tail, "four");
    close(fd);
}

/* A writer without O_APPEND goes on at its old place: what is before it reads as zeros. */
static void hole_after_truncation_is_skipped(void **state) {
    struct tail *tail = *state;
    int fd = open("log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 3000; i++) put(fd, "filler\n");
    put(fd, "last\n");
    tail_start(tail, "-F -n 1 log");
    expect(tail, "last");
    assert_int_equal(ftruncate(fd, 0), 0);
    put(fd, "after\n");
    expect(tail, "after");
    close(fd);
}

/* ---- lines --------------------------------------------------------------------------------- */

static void torn_line_waits_for_its_end(void **state) {
    struct tail *tail = *state;
    int a = log_open("a"), b = log_open("b");
    put(a, "whole\n");
    tail_start(tail, "-f a b");
    expect(tail, "==> a <==");
    expect(tail, "whole");
    put(a, "to");
    put(b, "other\n");
    expect(tail, "");
    expect(tail, "==> b <==");
    expect(tail, "other");
    put(a, "rn\n");
    expect(tail, "");
    expect(tail, "==> a <==");
    expect(tail, "torn");
    close(a);
    close(b);
}

static void fifo_writers_come_and_go(void **state) {
    struct tail *tail = *state;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    tail_start(tail, "-f fifo");
    for (int i = 0; i < 3; i++) {
        int fd = open("fifo", O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        put(fd, "through\n");
        close(fd);
        expect(tail, "through");
    }
}

/* ---- segments ------------------------------------------------------------------------------ */

enum { RECORDS = 20000 };

/* Each segment is followed to its end, and the next one found, while they are written. */
static void segments_are_chained(void **state) {
    struct tail *tail = *state;
    TLR_CATEGORY(category, "test");
    struct tlr_log *log;
    const struct tlr_log_options options = {.path = "trace",
                                            .format = TLR_FORMAT_SEGMENT,
                                            .segment_bytes = 64 * 1024,
                                            .ring_directory = tail->directory,
                                            .lane_bytes = 1024 * 1024};
    assert_int_equal(tlr_log_open(&log, &options), 0);
    tail_start(tail, "-F -n all trace");
    for (int i = 0; i < RECORDS; i++) {
        tlr_info(&category, "record=%d", i);
        if (i % 1000 == 0) assert_int_equal(tlr_log_flush(log, 5 * TLR_NS_PER_S), 0);
    }
    assert_int_equal(tlr_log_close(log, 5 * TLR_NS_PER_S), 0);
    for (int i = 0; i < RECORDS; i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "record=%d", i);
        const char *line = tail_line(tail);
        assert_non_null(line);
        assert_string_equal(strstr(line, "record="), expected);
    }
}

/* ---- manners ------------------------------------------------------------------------------- */

static unsigned long sleeps(pid_t pid) {
    char path[64], line[128];
    unsigned long count = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "voluntary_ctxt_switches: %lu", &count) == 1) break;
    fclose(file);
    return count;
}

static void idle_does_not_wake(void **state) {
    struct tail *tail = *state;
    int fd = log_open("log");
    put(fd, "one\n");
    tail_start(tail, "-F log");
    expect(tail, "one");
    pause_us(300000);
    unsigned long before = sleeps(tail->pid);
    pause_us(3000000);
    assert_true(sleeps(tail->pid) - before <= 4);
    close(fd);
}

static void ends_when_nobody_reads(void **state) {
    struct tail *tail = *state;
    int fd = log_open("log"), status = -1;
    put(fd, "one\n");
    tail_start(tail, "-F log");
    expect(tail, "one");
    close(tail->out);
    tail->out = -1;
    assert_int_equal(waitpid(tail->pid, &status, 0), tail->pid);
    tail->pid = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(rotation_loses_no_line),
        TEST(old_file_is_followed_while_open),
        TEST(no_version_is_missed),
        TEST(missing_file_is_waited_for),
        TEST(truncation_is_seen_by_size),
        TEST(truncation_is_seen_by_content),
        TEST(hole_after_truncation_is_skipped),
        TEST(torn_line_waits_for_its_end),
        TEST(fifo_writers_come_and_go),
        TEST(segments_are_chained),
        TEST(idle_does_not_wake),
        TEST(ends_when_nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
