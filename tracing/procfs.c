#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int tlr__procfs_read(const char *path, char *out, size_t capacity) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    size_t size = 0;
    ssize_t got = 0;
    while (size < capacity - 1 && (got = read(fd, out + size, capacity - 1 - size)) > 0)
        size += (size_t)got;
    int error = got < 0 ? -errno : 0;
    close(fd);
    out[size] = '\0';
    return error ? error : (int)size;
}

/* PID (comm) S ...: a comm may hold parentheses and spaces, so its end is the last one. */
static int parse_stat(const char *stat, struct tlr__procfs_process *process) {
    const char *open = strchr(stat, '('), *close = strrchr(stat, ')');
    if (!open || !close || close < open || close[1] != ' ') return -ESRCH;
    size_t bytes = (size_t)(close - open - 1);
    if (bytes > sizeof process->name - 1) bytes = sizeof process->name - 1;
    memcpy(process->name, open + 1, bytes);
    process->name[bytes] = '\0';
    process->state = close[2];
    return 0;
}

int tlr__procfs_process(int pid, struct tlr__procfs_process *process) {
    char path[64], stat[512];
    memset(process, 0, sizeof *process);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (tlr__procfs_read(path, stat, sizeof stat) < 0) return -ESRCH;
    int error = parse_stat(stat, process);
    if (error) return error;

    snprintf(path, sizeof path, "/proc/%d/wchan", pid);
    if (tlr__procfs_read(path, process->waits, sizeof process->waits) < 0 ||
        strcmp(process->waits, "0") == 0)
        process->waits[0] = '\0';
    return 0;
}

int tlr__procfs_sees_all(void) {
    /* The inode of the first PID namespace is fixed in the kernel (PROC_PID_INIT_INO). */
    static const char first[] = "pid:[4026531836]";
    char link[64];
    ssize_t bytes = readlink("/proc/self/ns/pid", link, sizeof link);
    return bytes == (ssize_t)sizeof first - 1 && memcmp(link, first, sizeof first - 1) == 0;
}
