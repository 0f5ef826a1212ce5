/* watch.c - see watch.h.
 */
#include "watch.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MAGIC_CIFS 0xff534d42
#define MAGIC_SMB2 0xfe534d42
#define MAGIC_CEPH 0x00c36400
#define MAGIC_LUSTRE 0x0bd00bd0

void tlr__watch_open(struct tlr__watch *watch) {
    *watch = (struct tlr__watch){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
}

void tlr__watch_close(struct tlr__watch *watch) {
    if (watch->fd >= 0) close(watch->fd);
    watch->fd = -1;
}

/* Where another machine or a daemon may write without this kernel seeing it. */
static int is_remote(const struct statfs *where) {
    switch ((unsigned long)where->f_type & 0xffffffffu) {
    case NFS_SUPER_MAGIC:
    case FUSE_SUPER_MAGIC:
    case V9FS_MAGIC:
    case SMB_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
    case CODA_SUPER_MAGIC:
    case MAGIC_CIFS:
    case MAGIC_SMB2:
    case MAGIC_CEPH:
    case MAGIC_LUSTRE:
        return 1;
    default:
        return 0;
    }
}

static int add(const struct tlr__watch *watch, const char *path, unsigned events) {
    int number = inotify_add_watch(watch->fd, path, events);
    return number < 0 ? -errno : number;
}

int tlr__watch_file(const struct tlr__watch *watch, int fd) {
    char path[32];
    struct statfs where;
    if (watch->fd < 0) return -ENOTSUP;
    if (fstatfs(fd, &where) == 0 && is_remote(&where)) return -ENOTSUP;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return add(watch, path, IN_MODIFY | IN_CLOSE_WRITE | IN_MOVE_SELF | IN_DELETE_SELF);
}

int tlr__watch_directory(const struct tlr__watch *watch, const char *path) {
    struct statfs where;
    if (watch->fd < 0) return -ENOTSUP;
    if (statfs(path, &where) == 0 && is_remote(&where)) return -ENOTSUP;
    return add(watch, path, IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR);
}

void tlr__watch_remove(const struct tlr__watch *watch, int number) {
    if (watch->fd >= 0 && number >= 0) inotify_rm_watch(watch->fd, number);
}

/* A rename is told as two events with one cookie, which two reads may part. */
static void event_take(struct tlr__watch *watch, const struct inotify_event *event,
                       tlr__watch_moved_fn *moved, void *user) {
    if (event->mask & IN_MOVED_FROM) {
        watch->from_directory = event->wd;
        watch->from_cookie = event->cookie;
        snprintf(watch->from, sizeof(watch->from), "%s", event->len ? event->name : "");
    } else if (event->mask & IN_MOVED_TO && event->cookie == watch->from_cookie &&
               event->wd == watch->from_directory) {
        moved(event->wd, watch->from, event->len ? event->name : "", user);
    }
}

int tlr__watch_drain(struct tlr__watch *watch, tlr__watch_moved_fn *moved, void *user) {
    _Alignas(struct inotify_event) char events[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    int overflowed = 0;
    ssize_t got;
    while ((got = read(watch->fd, events, sizeof(events))) > 0) {
        for (char *at = events; at < events + got;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            overflowed |= (event->mask & IN_Q_OVERFLOW) != 0;
            event_take(watch, event, moved, user);
            at += sizeof(*event) + event->len;
        }
    }
    return overflowed;
}
