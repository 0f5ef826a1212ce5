#include "ring_reap.h"

#include "lane.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ORPHANS_KEPT 16u

struct orphans {
    unsigned count;
    struct {
        uint64_t opened_ns;
        char *path;
    } kept[ORPHANS_KEPT];
};

/* Nothing in it that was not written: no one will miss it. */
static bool is_drained(const struct tlr_ring *ring) {
    for (unsigned i = 0; i < ring->lane_count; i++) {
        const struct tlr__lane *lane = &ring->lanes[i];
        if (tlr__lane_head(lane) != atomic_load_explicit(&lane->tail, memory_order_acquire))
            return false;
    }
    return true;
}

/* Keeps the newest: an older one that it displaces is removed. */
static void keep(struct orphans *orphans, uint64_t opened_ns, char *path) {
    if (orphans->count < ORPHANS_KEPT) {
        orphans->kept[orphans->count].opened_ns = opened_ns;
        orphans->kept[orphans->count++].path = path;
        return;
    }
    unsigned oldest = 0;
    for (unsigned i = 1; i < ORPHANS_KEPT; i++)
        if (orphans->kept[i].opened_ns < orphans->kept[oldest].opened_ns) oldest = i;
    if (opened_ns > orphans->kept[oldest].opened_ns) {
        unlink(orphans->kept[oldest].path);
        free(orphans->kept[oldest].path);
        orphans->kept[oldest].opened_ns = opened_ns;
        orphans->kept[oldest].path = path;
    } else {
        unlink(path);
        free(path);
    }
}

static int visit(const char *path, void *user) {
    struct tlr_ring *ring;
    if (tlr_ring_open(&ring, path) != 0) return 0; /* not ours to judge, or being made right now */
    struct tlr_ring_info info;
    tlr_ring_info(ring, &info);
    const bool drained = is_drained(ring);
    tlr_ring_close(ring);
    if (info.alive) return 0;
    char *copy = drained ? NULL : strdup(path);
    if (copy != NULL) {
        keep(user, info.opened_ns, copy);
    } else if (drained) {
        unlink(path);
    }
    return 0;
}

void tlr__ring_reap(const char *directory) {
    struct orphans orphans = {0};
    char given[64];
    if (directory == NULL) {
        tlr__ring_file_default_directory(given);
        directory = given;
    }
    tlr_ring_find(directory, 0, visit, &orphans);
    for (unsigned i = 0; i < orphans.count; i++) free(orphans.kept[i].path);
}
