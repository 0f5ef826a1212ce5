/* scratch.h - a directory for one test program, removed with all that is in it. */
#ifndef TAILRACE_TESTS_SCRATCH_H
#define TAILRACE_TESTS_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scratch {
    char directory[64];
    char path[128]; /* the last one that scratch_path gave */
};

static inline void scratch_make(struct scratch *scratch) {
    const char *base = getenv("TMPDIR");
    snprintf(scratch->directory, sizeof scratch->directory, "%.40s/tlr-XXXXXX",
             base ? base : "/tmp");
    if (!mkdtemp(scratch->directory)) abort();
}

static inline const char *scratch_path(struct scratch *scratch, const char *name) {
    snprintf(scratch->path, sizeof scratch->path, "%s/%s", scratch->directory, name);
    return scratch->path;
}

static inline int scratch_remove_entry(const char *path, const struct stat *status, int kind,
                                       struct FTW *place) {
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void scratch_remove(const struct scratch *scratch) {
    nftw(scratch->directory, scratch_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
