/* directory.h - a temporary directory of a test, below the working directory: on a disk.
 */
#ifndef STRESS_DIRECTORY_H
#define STRESS_DIRECTORY_H

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct directory {
    char path[32];
    char file[64]; /* "log" in it */
};

static inline int directory_make(struct directory *directory) {
    snprintf(directory->path, sizeof directory->path, "stress-XXXXXX");
    if (mkdtemp(directory->path) == NULL) return -1;
    snprintf(directory->file, sizeof directory->file, "%s/log", directory->path);
    return 0;
}

static inline void directory_remove(const struct directory *directory) {
    DIR *const entries = opendir(directory->path);
    if (entries == NULL) return;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
        unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
    rmdir(directory->path);
}

/* The directory of the test that runs: cmocka's set-up and tear-down. */
static struct directory directory;

static inline int directory_set_up(void **state) {
    (void)state;
    return directory_make(&directory);
}

static inline int directory_tear_down(void **state) {
    (void)state;
    directory_remove(&directory);
    return 0;
}

#endif
