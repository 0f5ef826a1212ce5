#include "ring_reap.h"

#include "lane.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A small container's /dev/shm has 64 MB: the dead must leave room for the living. */
#define ORPHANS_KEPT 16u
#define ORPHAN_BYTES_KEPT (16u << 20)

struct orphan {
    uint64_t opened_ns;
    uint64_t bytes;
    char *path;
};

/* The newest ones that were seen, newest first. */
struct orphans {
    unsigned count;
    struct orphan kept[ORPHANS_KEPT + 1];
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

static void discard(struct orphan *orphan) {
    unlink(orphan->path);
    free(orphan->path);
}

/* Takes it in by age; the oldest one too many is discarded. */
static void keep(struct orphans *orphans, const struct orphan *orphan) {
    unsigned at = orphans->count++;
    for (; at > 0 && orphans->kept[at - 1].opened_ns < orphan->opened_ns; at--)
        orphans->kept[at] = orphans->kept[at - 1];
    orphans->kept[at] = *orphan;
    if (orphans->count > ORPHANS_KEPT) discard(&orphans->kept[--orphans->count]);
}

static int visit(const char *path, void *user) {
    struct tlr_ring *ring;
    if (tlr_ring_open(&ring, path) != 0) return 0; /* not ours to judge, or being made right now */
    struct tlr_ring_info info;
    tlr_ring_info(ring, &info);
    const bool drained = is_drained(ring);
    const uint64_t bytes = ring->total_bytes;
    tlr_ring_close(ring);
    if (info.alive) return 0;
    char *copy = drained ? NULL : strdup(path);
    if (copy != NULL) {
        keep(user, &(struct orphan){.opened_ns = info.opened_ns, .bytes = bytes, .path = copy});
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
    uint64_t bytes = 0;
    for (unsigned i = 0; i < orphans.count; i++) {
        bytes += orphans.kept[i].bytes;
        if (bytes > ORPHAN_BYTES_KEPT && i > 0)
            discard(&orphans.kept[i]);
        else
            free(orphans.kept[i].path);
    }
}
