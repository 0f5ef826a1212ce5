/* stalls_live.c - see stalls_live.h.
 */
#include "stalls_live.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* What is younger has not been looked at by anyone, and will most likely end before a reader sees
 * it. */
#define YOUNG_NS (10 * TLR_NS_PER_MS)

/* A handler may run for a while; from here on others notice. */
#define LONG_HANDLER_NS (100 * TLR_NS_PER_MS)

struct look {
    struct tlr__stalls_live *live;
    struct tlr__culprit_list *list;
    uint64_t min_ns, now_ns;
    /* Stalls of all rings: added after the trace's, which know more of each. */
    struct tlr_stall *stalls;
    size_t stall_count;
};

static uint64_t date_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * TLR_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void process_name(int pid, char *out, size_t size) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(out, (int)size, file)) out[0] = 0;
    if (file) fclose(file);
    out[strcspn(out, "\n")] = 0;
}

/* ---- what blocks now ----------------------------------------------------------------------- */

/* A thread may have a slot in several rings; its wait is one. */
static int is_known(const struct tlr__stalls_live *live, const struct tlr_thread_view *view) {
    for (unsigned i = 0; i < live->blocked_count; i++)
        if (live->blocked[i].view.tid == view->tid) return 1;
    return 0;
}

/* target: of the ring that shows it. */
static void blocked_add(struct look *look, const struct tlr_thread_view *view, const char *target) {
    struct tlr__stalls_live *live = look->live;
    uint64_t so_far_ns = look->now_ns > view->since_ns ? look->now_ns - view->since_ns : 0;
    uint64_t least_ns = view->state == TLR_THREAD_RUNNING ? LONG_HANDLER_NS : YOUNG_NS;
    if (look->min_ns > least_ns) least_ns = look->min_ns;
    if (so_far_ns < least_ns || is_known(live, view)) return;
    unsigned place = live->blocked_count;
    if (place == TLR__STALLS_LIVE_BLOCKED)
        place--;
    else
        live->blocked_count++;
    while (place > 0 && live->blocked[place - 1].so_far_ns < so_far_ns) {
        live->blocked[place] = live->blocked[place - 1];
        place--;
    }
    live->blocked[place] = (struct tlr__stalls_live_block){.view = *view, .so_far_ns = so_far_ns};
    if (view->role == TLR_ROLE_WRITER)
        snprintf(live->blocked[place].target, TLR_TARGET_BYTES, "%s", target);
}

/* A writer whose wait no slot shows is told by the ring's own word on it. */
static void writer_add(struct look *look, const struct tlr_ring_info *info) {
    struct tlr_thread_view view = {.tid = info->writer_tid,
                                   .role = TLR_ROLE_WRITER,
                                   .state = info->writer_state,
                                   .cause = info->writer_cause,
                                   .fd = info->writer_fd,
                                   .since_ns = info->writer_since_ns};
    if (info->mode != TLR_MODE_RING || info->writer_state != TLR_THREAD_BLOCKED) return;
    snprintf(view.name, sizeof(view.name), "%.8s writer", info->name);
    blocked_add(look, &view, info->target);
}

static int is_held_up(const struct tlr_thread_view *view) {
    return view->state == TLR_THREAD_BLOCKED ||
           (view->state == TLR_THREAD_RUNNING && view->role == TLR_ROLE_LOOP && view->file[0]);
}

static void threads_add(struct look *look, const struct tlr_ring *ring,
                        const struct tlr_ring_info *info) {
    for (unsigned i = 0; i < tlr_ring_thread_count(ring); i++) {
        struct tlr_thread_view view;
        int error;
        int tries = 3;
        do error = tlr_ring_thread(ring, i, &view);
        while (error == -EAGAIN && --tries);
        if (error < 0 || !is_held_up(&view)) continue;
        blocked_add(look, &view, info->target);
    }
}

static void blame_all(struct tlr__stalls_live *live) {
    for (unsigned i = 0; i < live->blocked_count; i++) {
        struct tlr__stalls_live_block *block = &live->blocked[i];
        if (block->view.state == TLR_THREAD_RUNNING)
            snprintf(block->blame.sentence, sizeof(block->blame.sentence),
                     "this handler has not returned: it computes, or waits in a call that does "
                     "not tell of its waits");
        else if (live->alive)
            tlr_blame(live->pid, block->view.fd, block->view.cause, &block->blame);
    }
}

/* ---- what was -------------------------------------------------------------------------------- */

static int stalls_take(struct look *look, const struct tlr_ring *ring) {
    struct tlr_stall *stalls =
        realloc(look->stalls, (look->stall_count + TLR_STALLS_KEPT) * sizeof(*stalls));
    if (!stalls) return -ENOMEM;
    look->stalls = stalls;
    look->stall_count += tlr_ring_stalls(ring, stalls + look->stall_count, TLR_STALLS_KEPT);
    return 0;
}

static int stalls_add(const struct look *look) {
    for (size_t i = 0; i < look->stall_count; i++) {
        struct tlr__trace_stall stall = {.stall = look->stalls[i]};
        tlr__trace_record_id_text(&stall.stall.context, stall.trace);
        int error = tlr__culprit_add_stall(look->list, &stall);
        if (error < 0) return error;
    }
    return 0;
}

/* A ring whose target is a segment or a directory of segments is a trace's. */
static int trace_find(struct tlr__stalls_live *live, const struct tlr_ring_info *info) {
    char path[PATH_MAX];
    struct stat st;
    if (!info->target[0]) return 0;
    if (info->target[0] == '/')
        snprintf(path, sizeof(path), "%s", info->target);
    else
        snprintf(path, sizeof(path), "/proc/%d/cwd/%s", live->pid, info->target);
    size_t length = strlen(path);
    int is_segment = length > 4 && !strcmp(path + length - 4, ".tlr");
    if (is_segment) dirname(path);
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) return is_segment;
    if (strlen(path) < sizeof(live->trace)) strcpy(live->trace, path);
    return 1;
}

/* ---- ring files ---------------------------------------------------------------------------- */

static int ring_look(const char *path, void *user) {
    struct look *look = user;
    struct tlr__stalls_live *live = look->live;
    struct tlr_ring *ring;
    if (live->log_count == TLR__STALLS_LIVE_LOGS) return 0;
    if (tlr_ring_open(&ring, path) < 0) {
        live->damaged++;
        return 0;
    }
    unsigned log = live->log_count++;
    struct tlr_ring_info *info = &live->logs[log].info;
    tlr_ring_info(ring, info);
    tlr_ring_stats(ring, &live->logs[log].stats);
    live->alive |= info->alive;
    if (info->alive) {
        threads_add(look, ring, info);
        writer_add(look, info);
    }
    live->logs[log].is_trace = trace_find(live, info);
    int error = stalls_take(look, ring);
    tlr_ring_close(ring);
    return error;
}

int tlr__stalls_live_look(struct tlr__stalls_live *live, const char *directory, int pid,
                          uint64_t min_ns, struct tlr__culprit_list *list) {
    struct look look = {.live = live, .list = list, .min_ns = min_ns, .now_ns = date_now_ns()};
    *live = (struct tlr__stalls_live){.pid = pid};
    process_name(pid, live->name, sizeof(live->name));
    int error = tlr_ring_find(directory, pid, ring_look, &look);
    if (error >= 0 && !live->log_count) error = -ENOENT;
    if (error >= 0) {
        blame_all(live);
        struct tlr__stalls_trace trace = {0};
        if (live->trace[0]) error = tlr__stalls_trace_add(live->trace, pid, &trace, list);
        if (error < 0) live->trace[0] = 0; /* another user's, or gone: the rings are enough */
        live->damaged += trace.damaged;
        if (error != -ENOMEM) error = stalls_add(&look);
    }
    free(look.stalls);
    return error < 0 ? error : 0;
}
