#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "procfs.h"

/* The number behind "key:" in a file of lines "key:\tvalue"; -1 if it is not there. */
static long line_value(const char *text, const char *key, int base) {
    const char *found = strstr(text, key);
    return found ? strtol(found + strlen(key), NULL, base) : -1;
}

int tlr__descriptor_access_mode(const char *fdinfo) {
    char text[512];
    int size = tlr__procfs_read(fdinfo, text, sizeof text);
    if (size < 0) return size;
    long flags = line_value(text, "flags:", 8);
    if (flags < 0 || (flags & O_PATH)) return -EBADF; /* O_PATH: neither reads nor writes */
    return (int)(flags & O_ACCMODE);
}

/* The file system of a mount, found by the mount's number: statfs could block on a file system that
 * hangs, which may be why somebody asks. */
static void file_system_of(int pid, int fd, char *out, size_t capacity) {
    char path[64], text[512], line[1024];
    snprintf(out, capacity, "unknown file system");
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid, fd);
    if (tlr__procfs_read(path, text, sizeof text) < 0) return;
    long mount = line_value(text, "mnt_id:", 10);

    snprintf(path, sizeof path, "/proc/%d/mountinfo", pid);
    FILE *mounts = fopen(path, "re");
    if (!mounts) return;
    while (fgets(line, sizeof line, mounts)) {
        const char *type = strstr(line, " - ");
        if (strtol(line, NULL, 10) != mount || !type) continue;
        type += 3;
        snprintf(out, capacity, "%.*s", (int)strcspn(type, " \n"), type);
        break;
    }
    fclose(mounts);
}

/* A duplicate of another process's descriptor shares its open file, so it makes no new reader or
 * writer. -1 where it may not be had (permission, Linux before 5.6). */
static int borrow(int pid, int fd) {
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0) return -1;
    int borrowed = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
    close(process);
    return borrowed;
}

static void measure_pipe(int pid, int fd, struct tlr__descriptor *descriptor) {
    int own = pid == getpid() ? fd : borrow(pid, fd), used;
    if (own < 0) return;
    if (ioctl(own, FIONREAD, &used) == 0) descriptor->pipe_used_bytes = used;
    descriptor->pipe_size_bytes = fcntl(own, F_GETPIPE_SZ);
    struct pollfd writable = {.fd = own, .events = POLLOUT};
    descriptor->pipe_full = descriptor->access_mode != O_RDONLY && poll(&writable, 1, 0) == 0;
    if (own != fd || pid != getpid()) close(own);
}

static enum tlr__descriptor_kind kind_of(const struct statx *status, const char *path) {
    switch (status->stx_mode & S_IFMT) {
    case S_IFIFO:
        return strncmp(path, "pipe:[", 6) == 0 ? TLR__DESCRIPTOR_PIPE : TLR__DESCRIPTOR_FIFO;
    case S_IFREG:
        return TLR__DESCRIPTOR_FILE;
    case S_IFSOCK:
        return TLR__DESCRIPTOR_SOCKET;
    case S_IFCHR: /* majors: Documentation/admin-guide/devices.txt of Linux */
        return status->stx_rdev_major == 4 ||
                       (status->stx_rdev_major >= 136 && status->stx_rdev_major <= 143)
                   ? TLR__DESCRIPTOR_TERMINAL
                   : TLR__DESCRIPTOR_DEVICE;
    default:
        return TLR__DESCRIPTOR_OTHER;
    }
}

static void name_object(int pid, int fd, struct tlr__descriptor *descriptor) {
    char *out = descriptor->object, type[32];
    const int room = (int)sizeof descriptor->object - 48;
    switch (descriptor->kind) {
    case TLR__DESCRIPTOR_FIFO:
        snprintf(out, sizeof descriptor->object, "FIFO %.*s", room, descriptor->path);
        break;
    case TLR__DESCRIPTOR_FILE:
        file_system_of(pid, fd, type, sizeof type);
        snprintf(out, sizeof descriptor->object, "file %.*s (%s)", room, descriptor->path, type);
        break;
    case TLR__DESCRIPTOR_TERMINAL:
        snprintf(out, sizeof descriptor->object, "terminal %.*s", room, descriptor->path);
        break;
    case TLR__DESCRIPTOR_DEVICE:
        snprintf(out, sizeof descriptor->object, "device %.*s", room, descriptor->path);
        break;
    default: /* "pipe:[4711]", "socket:[4711]", "anon_inode:[eventfd]" */
        snprintf(out, sizeof descriptor->object, "%s", descriptor->path);
        break;
    }
}

int tlr__descriptor_look(int pid, int fd, struct tlr__descriptor *descriptor) {
    char path[64];
    struct statx status;
    memset(descriptor, 0, sizeof *descriptor);
    descriptor->pipe_used_bytes = descriptor->pipe_size_bytes = -1;

    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
    ssize_t bytes = readlink(path, descriptor->path, sizeof descriptor->path - 1);
    if (bytes < 0) return errno == EACCES || errno == EPERM ? -EACCES : -ESRCH;
    /* DONT_SYNC: what the kernel knows, without asking a file system that may hang. */
    if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_INO,
              &status) < 0)
        return errno == EACCES || errno == EPERM ? -EACCES : -ESRCH;
    descriptor->kind = kind_of(&status, descriptor->path);
    descriptor->device_major = status.stx_dev_major;
    descriptor->device_minor = status.stx_dev_minor;
    descriptor->inode = status.stx_ino;

    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid, fd);
    int access_mode = tlr__descriptor_access_mode(path);
    descriptor->access_mode = access_mode < 0 ? O_WRONLY : access_mode;

    if (descriptor->kind == TLR__DESCRIPTOR_PIPE || descriptor->kind == TLR__DESCRIPTOR_FIFO)
        measure_pipe(pid, fd, descriptor);
    name_object(pid, fd, descriptor);
    return 0;
}
