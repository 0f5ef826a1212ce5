/* slot.h - writing and reading thread slots and text words under their sequences.
 */
#ifndef TLR_SLOT_H
#define TLR_SLOT_H

#include "ring_file.h"

/* What a slot says its thread does. */
struct tlr__doing {
    enum tlr_thread_state state;
    enum tlr_cause cause;
    int fd;
    uint32_t site;
    uint64_t since_ticks;
    uint64_t stall_id;
    uint64_t behind;
    const struct tlr_context *context; /* NULL: none */
};

/* Thread: the one that takes it. Blocks: never. */
void tlr__slot_take(struct tlr__slot *slot, int tid, const char *name, enum tlr_role role);
void tlr__slot_free(struct tlr__slot *slot);

/* Thread: the slot's own. Blocks: never. */
void tlr__slot_show(struct tlr__slot *slot, const struct tlr__doing *doing);

/* A consistent copy. Errors: -ENOENT free; -EAGAIN it kept changing. Thread: any. */
struct tlr__slot_copy {
    int tid, fd;
    uint32_t generation, doing, site;
    uint64_t since_ticks, stall_id, behind;
    char name[TLR_THREAD_NAME_BYTES];
    struct tlr_context context;
};
int tlr__slot_read(const struct tlr__slot *slot, struct tlr__slot_copy *copy);

#endif
