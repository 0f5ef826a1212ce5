#include "stall.h"

#include "site.h"
#include "slot.h"
#include "thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static _Atomic uint64_t threshold_ns_now = TLR_NS_PER_MS;
static _Atomic(tlr_stall_fn *) listener_now;
static void *_Atomic listener_user;

static const char *const cause_names[TLR_CAUSE_COUNT] = {
    "none",   "lane_full", "sink_write",  "sink_lock",     "fsync",
    "rotate", "open",      "handler_cpu", "handler_sleep", "pool_queue",
    "sleep",  "lock",      "socket",      "file",          "other"};

const char *tlr_cause_name(enum tlr_cause cause) {
    return (unsigned)cause < TLR_CAUSE_COUNT ? cause_names[cause] : "other";
}

int tlr_cause_parse(const char *name, enum tlr_cause *cause) {
    for (unsigned i = 0; i < TLR_CAUSE_COUNT; i++) {
        if (strcasecmp(name, cause_names[i]) != 0) continue;
        *cause = (enum tlr_cause)i;
        return 0;
    }
    return -EINVAL;
}

const char *tlr_thread_state_name(enum tlr_thread_state state) {
    static const char *const names[] = {"idle", "polling", "running", "blocked"};
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "idle";
}

int tlr_stall_listen(tlr_stall_fn *listener, void *user) {
    if (listener == NULL) {
        atomic_store_explicit(&listener_now, NULL, memory_order_release);
        return 0;
    }
    if (atomic_load_explicit(&listener_now, memory_order_acquire) != NULL) return -EBUSY;
    atomic_store_explicit(&listener_user, user, memory_order_relaxed);
    atomic_store_explicit(&listener_now, listener, memory_order_release);
    return 0;
}

void tlr_stall_threshold_set(uint64_t threshold_ns) {
    atomic_store_explicit(&threshold_ns_now, threshold_ns, memory_order_relaxed);
}

uint64_t tlr_stall_threshold(void) {
    return atomic_load_explicit(&threshold_ns_now, memory_order_relaxed);
}

/* ---- the slot ---- */

/* Shows the innermost wait or, outside of any, the state that was set. */
static void show(const struct tlr__thread *thread) {
    unsigned index;
    struct tlr__slot *slot = tlr__thread_slot(&index);
    if (slot == NULL) return;
    const struct tlr_block *block = thread->block;
    const struct tlr__doing blocked = {
        .state = TLR_THREAD_BLOCKED,
        .cause = block != NULL ? block->cause : TLR_CAUSE_NONE,
        .fd = block != NULL ? block->fd : -1,
        .site = block != NULL ? tlr__site_number(block->site) : 0,
        .since_ticks = block != NULL ? block->begin_ticks : 0,
        .stall_id = block != NULL ? block->id : 0,
        .behind = block != NULL ? block->behind : 0,
        .context = thread->context_bytes > 0 ? &thread->context : NULL,
    };
    const struct tlr__doing otherwise = {
        .state = thread->state,
        .fd = -1,
        .site = thread->state_site,
        .since_ticks = thread->state_since,
        .context = &thread->state_context,
    };
    tlr__slot_show(slot, block != NULL ? &blocked : &otherwise);
}

void tlr_thread_state_set(enum tlr_thread_state state, const struct tlr_site *site,
                          const struct tlr_context *context) {
    static const struct tlr_context none;
    struct tlr__thread *thread = &tlr__thread_self;
    thread->state = state;
    thread->state_site = site != NULL ? tlr__site_number(site) : 0;
    thread->state_since = tlr_clock_ticks();
    thread->state_context = context != NULL ? *context : none;
    if (thread->block == NULL) show(thread);
}

/* ---- the ledger ---- */

static void ledger_add(struct tlr_ring *ring, const struct tlr_stall *stall, uint32_t site) {
    const uint64_t number = atomic_fetch_add_explicit(&ring->header->counters[TLR__COUNT_STALLS], 1,
                                                      memory_order_relaxed);
    struct tlr__ledger_entry *entry = &ring->ledger[number % TLR_STALLS_KEPT];
    const uint32_t sequence = atomic_load_explicit(&entry->sequence, memory_order_relaxed) | 1u;
    uint64_t context[4];
    memcpy(context, &stall->context, sizeof context);
    atomic_store_explicit(&entry->sequence, sequence, memory_order_relaxed);
    atomic_store_explicit(&entry->site, site, memory_order_release);
    atomic_store_explicit(&entry->kind, (uint32_t)stall->cause | (uint32_t)stall->role << 8,
                          memory_order_release);
    atomic_store_explicit(&entry->tid, stall->tid, memory_order_release);
    atomic_store_explicit(&entry->fd, stall->fd, memory_order_release);
    atomic_store_explicit(&entry->id, stall->id, memory_order_release);
    atomic_store_explicit(&entry->behind, stall->behind, memory_order_release);
    atomic_store_explicit(&entry->begin_ns, stall->begin_ns, memory_order_release);
    atomic_store_explicit(&entry->duration_ns, stall->duration_ns, memory_order_release);
    tlr__ring_file_text_store(entry->name, TLR_THREAD_NAME_BYTES / 8, stall->thread);
    tlr__ring_file_text_store(entry->target, TLR_TARGET_BYTES / 8, stall->target);
    for (int i = 0; i < 4; i++)
        atomic_store_explicit(&entry->context[i], context[i], memory_order_release);
    atomic_store_explicit(&entry->sequence, sequence + 1u, memory_order_release);
}

/* What a descriptor is, as the kernel names it: "pipe:[4711]", a path, "socket:[12]". */
static void describe(int fd, char target[TLR_TARGET_BYTES]) {
    char path[40];
    target[0] = '\0';
    if (fd < 0) return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const ssize_t bytes = readlink(path, target, TLR_TARGET_BYTES - 1);
    target[bytes > 0 ? bytes : 0] = '\0';
}

static void copy_end(char *out, size_t size, const char *text) {
    const size_t bytes = strlen(text);
    snprintf(out, size, "%s", bytes < size ? text : text + bytes - (size - 1));
}

static void tell(const struct tlr_block *block, uint64_t end_ticks) {
    struct tlr__thread *thread = &tlr__thread_self;
    struct tlr_stall stall = {
        .id = block->id,
        .behind = block->behind,
        .begin_ns = tlr_clock_date_ns(block->begin_ticks),
        .duration_ns = tlr_clock_between_ns(block->begin_ticks, end_ticks),
        .begin_ticks = block->begin_ticks,
        .end_ticks = end_ticks,
        .cause = block->cause,
        .role = thread->role,
        .fd = block->fd,
        .line = block->site->line,
    };
    tlr__thread_identify(thread);
    stall.tid = thread->tid;
    if (thread->context_bytes > 0) stall.context = thread->context;
    memcpy(stall.thread, thread->name, sizeof stall.thread);
    snprintf(stall.function, sizeof stall.function, "%s", block->site->function);
    copy_end(stall.file, sizeof stall.file, block->site->file);
    describe(block->fd, stall.target);
    if (thread->home != NULL && thread->home->log != NULL)
        ledger_add(&thread->home->log->ring, &stall, tlr__site_number(block->site));
    tlr_stall_fn *listener = atomic_load_explicit(&listener_now, memory_order_acquire);
    if (listener != NULL)
        listener(&stall, atomic_load_explicit(&listener_user, memory_order_relaxed));
}

/* ---- waits ---- */

static uint64_t id_of(uint64_t begin_ticks) {
    unsigned index = 0xfff;
    tlr__thread_slot(&index);
    return tlr_stall_id(tlr_clock_date_ns(begin_ticks), index);
}

void tlr__stall_block_begin(struct tlr_block *block, const struct tlr_site *site,
                            enum tlr_cause cause, int fd, uint64_t behind) {
    struct tlr__thread *thread = &tlr__thread_self;
    block->begin_ticks = tlr_clock_ticks();
    block->id = id_of(block->begin_ticks);
    block->site = site;
    block->behind = behind;
    block->cause = cause;
    block->fd = fd;
    block->outer = thread->block;
    thread->block = block;
    show(thread);
}

void tlr_block_begin_at(struct tlr_block *block, const struct tlr_site *site, enum tlr_cause cause,
                        int fd) {
    tlr__stall_block_begin(block, site, cause, fd, 0);
}

static bool is_log_cause(enum tlr_cause cause) {
    return cause >= TLR_CAUSE_LANE_FULL && cause <= TLR_CAUSE_OPEN;
}

uint64_t tlr__stall_block_end(struct tlr_block *block, uint64_t threshold_ns) {
    struct tlr__thread *thread = &tlr__thread_self;
    const uint64_t end_ticks = tlr_clock_ticks();
    const uint64_t duration_ns = tlr_clock_between_ns(block->begin_ticks, end_ticks);
    thread->block = block->outer;
    show(thread);
    if (duration_ns < threshold_ns) return duration_ns;
    if (is_log_cause(block->cause)) thread->counts.blocked_ns += duration_ns;
    tell(block, end_ticks);
    return duration_ns;
}

uint64_t tlr_block_end(struct tlr_block *block) {
    return tlr__stall_block_end(block, tlr_stall_threshold());
}

uint64_t tlr_stall_report(const struct tlr_site *site, enum tlr_cause cause, uint64_t begin_ticks,
                          uint64_t end_ticks, uint64_t behind) {
    if (tlr_clock_between_ns(begin_ticks, end_ticks) < tlr_stall_threshold()) return 0;
    const struct tlr_block block = {.begin_ticks = begin_ticks,
                                    .id = id_of(begin_ticks),
                                    .site = site,
                                    .behind = behind,
                                    .cause = cause,
                                    .fd = -1};
    tell(&block, end_ticks);
    return block.id;
}
