#include "slot.h"

#include <errno.h>
#include <string.h>

/* Data are stored with release after the odd sequence and loaded with acquire before the second
 * look at it: the sequence lock without fences, which the thread sanitizer could not see. */
static uint32_t begin_change(struct tlr__slot *slot) {
    const uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    atomic_store_explicit(&slot->sequence, sequence | 1u, memory_order_relaxed);
    return (sequence | 1u) + 1u;
}

static void end_change(struct tlr__slot *slot, uint32_t next) {
    atomic_store_explicit(&slot->sequence, next, memory_order_release);
}

void tlr__slot_take(struct tlr__slot *slot, int tid, const char *name, enum tlr_role role) {
    const uint32_t next = begin_change(slot);
    atomic_store_explicit(&slot->generation,
                          atomic_load_explicit(&slot->generation, memory_order_relaxed) + 1,
                          memory_order_release);
    atomic_store_explicit(&slot->doing, (uint32_t)role << 16, memory_order_release);
    atomic_store_explicit(&slot->fd, -1, memory_order_release);
    atomic_store_explicit(&slot->site, 0, memory_order_release);
    atomic_store_explicit(&slot->since_ticks, tlr_clock_ticks(), memory_order_release);
    atomic_store_explicit(&slot->stall_id, 0, memory_order_release);
    atomic_store_explicit(&slot->behind, 0, memory_order_release);
    tlr__ring_file_text_store(slot->name, TLR_THREAD_NAME_BYTES / 8, name);
    for (int i = 0; i < 4; i++) atomic_store_explicit(&slot->context[i], 0, memory_order_release);
    atomic_store_explicit(&slot->tid, tid, memory_order_release);
    end_change(slot, next);
}

void tlr__slot_free(struct tlr__slot *slot) {
    atomic_store_explicit(&slot->tid, 0, memory_order_release);
}

void tlr__slot_show(struct tlr__slot *slot, const struct tlr__doing *doing) {
    static const struct tlr_context none;
    uint64_t context[4];
    memcpy(context, doing->context != NULL ? doing->context : &none, sizeof context);
    const uint32_t role = atomic_load_explicit(&slot->doing, memory_order_relaxed) & 0xff0000u;
    const uint32_t next = begin_change(slot);
    atomic_store_explicit(&slot->doing, role | (uint32_t)doing->cause << 8 | (uint32_t)doing->state,
                          memory_order_release);
    atomic_store_explicit(&slot->fd, doing->fd, memory_order_release);
    atomic_store_explicit(&slot->site, doing->site, memory_order_release);
    atomic_store_explicit(&slot->since_ticks, doing->since_ticks, memory_order_release);
    atomic_store_explicit(&slot->stall_id, doing->stall_id, memory_order_release);
    atomic_store_explicit(&slot->behind, doing->behind, memory_order_release);
    for (int i = 0; i < 4; i++)
        atomic_store_explicit(&slot->context[i], context[i], memory_order_release);
    end_change(slot, next);
}

int tlr__slot_read(const struct tlr__slot *slot, struct tlr__slot_copy *copy) {
    for (int tries = 0; tries < 100; tries++) {
        const uint32_t before = atomic_load_explicit(&slot->sequence, memory_order_acquire);
        copy->tid = atomic_load_explicit(&slot->tid, memory_order_acquire);
        if (copy->tid <= 0) return -ENOENT;
        copy->fd = atomic_load_explicit(&slot->fd, memory_order_acquire);
        copy->generation = atomic_load_explicit(&slot->generation, memory_order_acquire);
        copy->doing = atomic_load_explicit(&slot->doing, memory_order_acquire);
        copy->site = atomic_load_explicit(&slot->site, memory_order_acquire);
        copy->since_ticks = atomic_load_explicit(&slot->since_ticks, memory_order_acquire);
        copy->stall_id = atomic_load_explicit(&slot->stall_id, memory_order_acquire);
        copy->behind = atomic_load_explicit(&slot->behind, memory_order_acquire);
        tlr__ring_file_text_load(slot->name, TLR_THREAD_NAME_BYTES / 8, copy->name);
        uint64_t context[4];
        for (int i = 0; i < 4; i++)
            context[i] = atomic_load_explicit(&slot->context[i], memory_order_acquire);
        memcpy(&copy->context, context, sizeof context);
        const uint32_t after = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
        if (before == after && (before & 1u) == 0) return 0;
    }
    return -EAGAIN;
}
