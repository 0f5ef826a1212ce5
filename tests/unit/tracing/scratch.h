/* scratch.h - a directory of a test's own, and a tracer in it.
 */
#ifndef TLR_TESTS_TRACING_SCRATCH_H
#define TLR_TESTS_TRACING_SCRATCH_H

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <tailrace/trace.h>
#include <unistd.h>

static char scratch_directory[32];

static inline void scratch_make(void) {
    strcpy(scratch_directory, "/tmp/tlr-tracing-XXXXXX");
    assert_non_null(mkdtemp(scratch_directory));
}

static inline void scratch_remove(void) {
    DIR *directory = opendir(scratch_directory);
    for (const struct dirent *entry; directory && (entry = readdir(directory));)
        unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory) closedir(directory);
    rmdir(scratch_directory);
}

/* Small, with its ring and its segments in the scratch directory, which is made for it. */
static inline struct tlr_tracer *scratch_tracer_open(void) {
    struct tlr_tracer *tracer;
    scratch_make();
    struct tlr_tracer_options options = {.directory = scratch_directory,
                                         .ring_directory = scratch_directory,
                                         .lane_count = 8,
                                         .lane_bytes = 16384};
    assert_int_equal(tlr_tracer_open(&tracer, &options), 0);
    return tracer;
}

#endif
