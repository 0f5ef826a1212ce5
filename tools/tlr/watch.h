/* watch.h - being woken when a file changes: inotify, and knowing where it cannot be relied on.
 */
#ifndef TLR_WATCH_H
#define TLR_WATCH_H

#include <limits.h>
#include <stdint.h>

struct tlr__watch {
    int fd; /* to poll for reading; negative: no watch can be had */
    /* private: the first half of a rename that was told */
    int from_directory;
    uint32_t from_cookie;
    char from[NAME_MAX + 1];
};

/* Without inotify every watch below is refused, and files have to be looked at from time to time.
 * Owns: the descriptor until close. */
void tlr__watch_open(struct tlr__watch *watch);
void tlr__watch_close(struct tlr__watch *watch);

/* Watches the very file behind `fd`, whatever its name becomes: growth, truncation, the last
 * writer's close. Returns the watch's number.
 * Errors: -ENOTSUP a file system that does not tell of changes made elsewhere; errno of inotify.
 * The file has to be looked at from time to time then. */
int tlr__watch_file(const struct tlr__watch *watch, int fd);

/* Watches what appears in or leaves a directory, and what is renamed there. Errors: as above. */
int tlr__watch_directory(const struct tlr__watch *watch, const char *path);

void tlr__watch_remove(const struct tlr__watch *watch, int number);

/* Takes all events off. Most only say "look"; `moved` is called for each rename within a watched
 * directory, in order. Returns nonzero if the kernel had no room for some events. */
typedef void tlr__watch_moved_fn(int directory, const char *from, const char *to, void *user);
int tlr__watch_drain(struct tlr__watch *watch, tlr__watch_moved_fn *moved, void *user);

#endif
