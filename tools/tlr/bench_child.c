/* bench_child.c - starts a measurement, reads its report, counts what it wrote.
 */
#include "bench_child.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tailrace/record.h>
#include <unistd.h>

static int program_path(const char *program, char path[PATH_MAX]) {
    char self[PATH_MAX];
    const ssize_t bytes = readlink("/proc/self/exe", self, sizeof self - 1);
    if (bytes < 0) return -errno;
    self[bytes] = '\0';
    char *const slash = strrchr(self, '/');
    if (slash != NULL) *slash = '\0';
    return snprintf(path, PATH_MAX, "%s/%s", self, program) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

bool tlr__bench_child_available(const struct tlr__bench_peer *peer) {
    char path[PATH_MAX];
    if (peer->program == NULL) return true;
    return program_path(peer->program, path) == 0 && access(path, X_OK) == 0;
}

static void exec_program(const struct tlr__bench_peer *peer, const struct bench_plan *plan,
                         int report_fd) {
    char path[PATH_MAX], part[16], seconds[32], producers[16], rate[16];
    if (program_path(peer->program, path) != 0) return;
    snprintf(part, sizeof part, "%d", (int)plan->part);
    snprintf(seconds, sizeof seconds, "%.9f", plan->seconds);
    snprintf(producers, sizeof producers, "%u", plan->producers);
    snprintf(rate, sizeof rate, "%u", plan->rate);
    if (dup2(report_fd, STDOUT_FILENO) < 0) return;
    execl(path, peer->program, peer->variant, part, plan->path, seconds, producers, rate,
          (char *)NULL);
}

static _Noreturn void child_main(const struct tlr__bench_peer *peer, const struct bench_plan *plan,
                                 int report_fd) {
    int status = 1;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (peer->program != NULL) {
        exec_program(peer, plan, report_fd);
        dprintf(report_fd, "error %s: %s\n", peer->program, strerror(errno));
    } else {
        FILE *report = fdopen(report_fd, "w");
        if (report != NULL) status = bench_run_and_report(plan, peer->logger, report);
    }
    _exit(status);
}

static void take_line(const char *line, struct bench_result *result, char *error) {
    const size_t name_bytes = strcspn(line, " ");
    if (strncmp(line, "error ", 6) == 0) {
        snprintf(error, TLR__BENCH_ERROR_BYTES, "%s", line + 6);
        return;
    }
    for (int i = 0; i < BENCH_METRIC_COUNT; i++)
        if (strlen(bench_metric_names[i]) == name_bytes &&
            memcmp(line, bench_metric_names[i], name_bytes) == 0)
            result->values[i] = strtod(line + name_bytes, NULL);
}

/* Until the end of the report: 0, -ETIMEDOUT or -EINTR. */
static int read_report(int fd, uint64_t deadline_ns, const volatile sig_atomic_t *stopped,
                       char *report, size_t capacity) {
    size_t used = 0;
    for (;;) {
        const uint64_t now = bench_clock_ns();
        if (*stopped) return -EINTR;
        if (now >= deadline_ns) return -ETIMEDOUT;
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        /* A signal may arrive before poll begins: look again ten times a second. */
        if (poll(&ready, 1, 100) <= 0) continue;
        const ssize_t bytes = read(fd, report + used, capacity - 1 - used);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes <= 0) break;
        used += (size_t)bytes;
    }
    report[used] = '\0';
    return 0;
}

int tlr__bench_child_run(const struct tlr__bench_peer *peer, const struct bench_plan *plan,
                         uint64_t deadline_ns, const volatile sig_atomic_t *stopped,
                         struct bench_result *result, char error[TLR__BENCH_ERROR_BYTES]) {
    char report[4096];
    int ends[2], status = 0;

    for (int i = 0; i < BENCH_METRIC_COUNT; i++) result->values[i] = NAN;
    error[0] = '\0';
    if (!tlr__bench_child_available(peer)) {
        snprintf(error, TLR__BENCH_ERROR_BYTES, "%s was not built", peer->program);
        return -ENOENT;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) child_main(peer, plan, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -errno;
    }
    const int outcome = read_report(ends[0], deadline_ns, stopped, report, sizeof report);
    close(ends[0]);
    if (outcome != 0) kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (outcome != 0) {
        snprintf(error, TLR__BENCH_ERROR_BYTES, "%s",
                 outcome == -EINTR ? "stopped" : "did not end in time and was killed");
        return outcome;
    }
    char *rest = report;
    for (char *line = strtok_r(report, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest))
        take_line(line, result, error);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    if (WIFSIGNALED(status))
        snprintf(error, TLR__BENCH_ERROR_BYTES, "killed by signal %d", WTERMSIG(status));
    else if (error[0] == '\0')
        snprintf(error, TLR__BENCH_ERROR_BYTES, "exit status %d", WEXITSTATUS(status));
    return -EPROTO;
}

/* ---- what was written ------------------------------------------------------------------------ */

static int count_lines(const char *path, uint64_t *lines, uint64_t *bytes) {
    static char block[1 << 20];
    ssize_t size;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    while ((size = read(fd, block, sizeof block)) > 0) {
        const char *at = block, *const end = block + size;
        *bytes += (uint64_t)size;
        while ((at = (const char *)memchr(at, '\n', (size_t)(end - at))) != NULL) {
            ++*lines;
            ++at;
        }
    }
    const int error = size < 0 ? -errno : 0;
    close(fd);
    return error;
}

struct segment_count {
    uint64_t *records, *bytes;
};

static int count_segment(const char *path, void *user) {
    const struct segment_count *count = (const struct segment_count *)user;
    struct tlr_segment_reader *reader;
    struct tlr_record record;
    struct stat file;
    int outcome = stat(path, &file) == 0 ? 0 : -errno;
    if (outcome == 0) outcome = tlr_segment_open(&reader, path);
    if (outcome != 0) return outcome;
    *count->bytes += (uint64_t)file.st_size;
    while ((outcome = tlr_segment_next(reader, &record)) > 0) ++*count->records;
    tlr_segment_close(reader);
    return outcome;
}

int tlr__bench_child_output(const struct tlr__bench_peer *peer, const char *path, uint64_t *records,
                            uint64_t *bytes) {
    struct segment_count count = {records, bytes};
    *records = *bytes = 0;
    if (peer->output == TLR__BENCH_NO_FILE) return 0;
    if (peer->output == TLR__BENCH_LINES) return count_lines(path, records, bytes);
    return tlr_segment_find(path, count_segment, &count);
}
