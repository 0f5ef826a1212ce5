/* child.c - see child.h.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <tailrace/clock.h>
#include <time.h>
#include <unistd.h>

static int redirect(int fd, const char *path) {
    int file =
        open(path != NULL ? path : "/dev/null", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return file >= 0 && dup2(file, fd) >= 0 ? 0 : -1;
}

static int set_up(const struct tlr__child_options *options) {
    sigset_t none;
    cpu_set_t processors;
    sigemptyset(&none);
    CPU_ZERO(&processors);
    CPU_SET(options->processor, &processors);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0) return -1;
    if (options->pinned && sched_setaffinity(0, sizeof processors, &processors) < 0) return -1;
    if (redirect(STDIN_FILENO, NULL) < 0) return -1;
    if (redirect(STDOUT_FILENO, options->output) < 0) return -1;
    return redirect(STDERR_FILENO, options->errors);
}

/* In the child. What fails is told through the pipe, which a successful exec closes. */
static void execute(const struct tlr__child_options *options, pid_t parent, int report) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127); /* it ended before the line above */
    if (set_up(options) == 0) execvp(options->arguments[0], (char *const *)options->arguments);
    int error = errno;
    if (write(report, &error, sizeof error) < 0) _exit(126);
    _exit(127);
}

int tlr__child_start(struct tlr__child *child, const struct tlr__child_options *options) {
    int report[2], error = 0;
    if (pipe2(report, O_CLOEXEC) < 0) return -errno;
    pid_t parent = getpid();
    *child = (struct tlr__child){.pid = fork()};
    if (child->pid == 0) execute(options, parent, report[1]);
    if (child->pid < 0) error = errno;
    close(report[1]);
    child->running = child->pid > 0;
    if (child->running && read(report[0], &error, sizeof error) > 0) tlr__child_end(child);
    close(report[0]);
    return -error;
}

void tlr__child_signal(struct tlr__child *child, int number) {
    if (child->running) kill(child->pid, number);
}

static int reap(struct tlr__child *child, int flags) {
    pid_t pid;
    while ((pid = waitpid(child->pid, &child->status, flags)) < 0 && errno == EINTR) continue;
    if (pid != 0) child->running = 0;
    return pid != 0;
}

static uint64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TLR_NS_PER_S + (uint64_t)now.tv_nsec;
}

int tlr__child_wait(struct tlr__child *child, uint64_t deadline_ns) {
    const struct timespec pause = {.tv_nsec = 2 * (long)TLR_NS_PER_MS};
    uint64_t begin_ns = monotonic_ns();
    if (!child->running) return -ECHILD;
    while (!reap(child, WNOHANG)) {
        if (monotonic_ns() - begin_ns > deadline_ns) return -ETIMEDOUT;
        nanosleep(&pause, NULL);
    }
    return 0;
}

void tlr__child_end(struct tlr__child *child) {
    if (!child->running) return;
    kill(child->pid, SIGKILL);
    reap(child, 0);
}

const char *tlr__child_ending(const struct tlr__child *child) {
    static _Thread_local char text[64];
    if (WIFSIGNALED(child->status))
        snprintf(text, sizeof text, "signal %d (%s)", WTERMSIG(child->status),
                 strsignal(WTERMSIG(child->status)));
    else
        snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(child->status));
    return text;
}

uint64_t tlr__child_cpu_ns(const struct tlr__child *child) {
    /* Of all its threads: a process's CPU clock counts nanoseconds, /proc/PID/stat ticks of 10 ms.
     */
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(child->pid, &clock) != 0 || clock_gettime(clock, &used) < 0) return 0;
    return (uint64_t)used.tv_sec * TLR_NS_PER_S + (uint64_t)used.tv_nsec;
}
