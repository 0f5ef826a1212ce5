#include "holder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct search {
    int pid, fd;
    const struct tlr__descriptor *descriptor;
    int other_end; /* O_RDONLY or O_WRONLY: the access mode that makes a holder */
    uint64_t begin_ticks, limit_ticks;
    struct tlr__holder *holder;
};

static int out_of_time(struct search *search) {
    if (tlr_clock_ticks() - search->begin_ticks < search->limit_ticks) return 0;
    search->holder->partial = 1;
    return 1;
}

/* Nonzero if the descriptor `name` in `directory` (a process's /proc fd) is the same pipe. */
static int same_pipe(const struct tlr__descriptor *pipe, int directory, const char *name) {
    char link[TLR_TARGET_BYTES];
    ssize_t bytes = readlinkat(directory, name, link, sizeof link - 1);
    if (bytes < 0) return 0;
    link[bytes] = '\0';
    if (pipe->kind == TLR__DESCRIPTOR_PIPE) return strcmp(link, pipe->path) == 0;
    if (link[0] != '/') return 0;
    /* By identity: a process in another mount namespace knows a FIFO by another path. */
    struct statx status;
    return statx(directory, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_INO,
                 &status) == 0 &&
           S_ISFIFO(status.stx_mode) && status.stx_ino == pipe->inode &&
           status.stx_dev_major == pipe->device_major && status.stx_dev_minor == pipe->device_minor;
}

/* Nonzero if process `pid` holds the other end. */
static int holds(struct search *search, int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *directory = opendir(path);
    if (!directory) {
        if (errno == EACCES || errno == EPERM) search->holder->hidden = 1;
        return 0;
    }
    int found = 0;
    const struct dirent *entry;
    while (!found && (entry = readdir(directory)) && !out_of_time(search)) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || (pid == search->pid && fd == search->fd)) continue;
        if (!same_pipe(search->descriptor, dirfd(directory), entry->d_name)) continue;
        snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid, fd);
        int mode = tlr__descriptor_access_mode(path);
        found = mode == search->other_end || mode == O_RDWR;
    }
    closedir(directory);
    return found;
}

static int obstruction(char state) {
    switch (state) {
    case 'T':
    case 't':
        return 3;
    case 'D':
        return 2;
    default:
        return 1;
    }
}

/* Of two holders, the one that is more in the way is told. */
static void consider(struct tlr__holder *holder, int pid) {
    struct tlr__procfs_process process;
    if (tlr__procfs_process(pid, &process)) return;
    if (holder->pid) holder->others++;
    if (holder->pid && obstruction(process.state) <= obstruction(holder->process.state)) return;
    holder->pid = pid;
    holder->process = process;
}

void tlr__holder_find(int pid, int fd, const struct tlr__descriptor *descriptor, uint64_t limit_ns,
                      struct tlr__holder *holder) {
    memset(holder, 0, sizeof *holder);
    /* First, as it may calibrate the clock, and stamps from before that do not compare. */
    const uint64_t limit_ticks = tlr_clock_ticks_of_ns(limit_ns);
    struct search search = {
        .pid = pid,
        .fd = fd,
        .descriptor = descriptor,
        .other_end = descriptor->access_mode == O_RDONLY ? O_WRONLY : O_RDONLY,
        .begin_ticks = tlr_clock_ticks(),
        .limit_ticks = limit_ticks,
        .holder = holder,
    };
    DIR *processes = opendir("/proc");
    if (!processes) return;
    int itself = 0;
    const struct dirent *entry;
    while ((entry = readdir(processes)) && !out_of_time(&search)) {
        int candidate = atoi(entry->d_name);
        if (candidate <= 0 || !holds(&search, candidate)) continue;
        if (candidate == pid)
            itself = 1;
        else
            consider(holder, candidate);
    }
    closedir(processes);
    if (holder->pid == 0 && itself) {
        consider(holder, pid);
        holder->itself = 1;
    }
}
