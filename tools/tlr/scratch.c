/* scratch.c - see scratch.h.
 */
#include "scratch.h"

#include <errno.h>
#include <ftw.h>
#include <paths.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tlr__scratch_path(char out[TLR__SCRATCH_BYTES], const char *directory,
                              const char *name) {
    const char *slash = directory[0] != '\0' && directory[strlen(directory) - 1] == '/' ? "" : "/";
    snprintf(out, TLR__SCRATCH_BYTES, "%s%s%s", directory, slash, name);
    return out;
}

int tlr__scratch_make(char path[TLR__SCRATCH_BYTES], const char *parent, const char *name) {
    char pattern[64];
    if (parent == NULL) parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] == '\0') parent = _PATH_TMP;
    snprintf(pattern, sizeof pattern, "%s-XXXXXX", name);
    if (strlen(parent) + strlen(pattern) + 2 > TLR__SCRATCH_BYTES) return -ENAMETOOLONG;
    tlr__scratch_path(path, parent, pattern);
    return mkdtemp(path) == NULL ? -errno : 0;
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *position) {
    (void)stat;
    (void)kind;
    (void)position;
    remove(path);
    return 0;
}

void tlr__scratch_remove(const char *path) {
    if (path[0] != '\0') nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
