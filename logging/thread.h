/* thread.h - the calling thread: its name, context, lanes and slot.
 */
#ifndef TLR_THREAD_H
#define TLR_THREAD_H

#include "log_state.h"

struct tlr__thread {
    /* By the log's index; NULL: no lane yet. The last is never set: categories not used before. */
    struct tlr__producer *producers[TLR_LOGS_MAX + 1];
    struct tlr__producer *home; /* the log whose slot tells what this thread does; NULL: none */
    struct tlr_context context;
    uint32_t context_bytes; /* 0: none is set */
    bool registered;        /* its end is noticed */
    bool ended;             /* its destructor has run */
    enum tlr_role role;
    int tid;
    char name[TLR_THREAD_NAME_BYTES];
    uint64_t full_wait_ns;
    bool writes_sync; /* holds a synchronous log's lock */
    uint64_t sync_lines;
    struct tlr_thread_counts counts; /* `lines` is computed */
    /* What the slot shows. */
    struct tlr_block *block; /* innermost wait */
    enum tlr_thread_state state;
    uint32_t state_site;
    uint64_t state_since;
    struct tlr_context state_context;
};

extern _Thread_local struct tlr__thread tlr__thread_self
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* A lane of `log` for the calling thread, its own or a free one. NULL: none is free.
 * Thread: any. Blocks: never. */
struct tlr__producer *tlr__thread_producer(struct tlr_log *log);

/* Gives the lane of that index back, if the thread has one there. */
void tlr__thread_leave(unsigned index);

/* The slot that shows the calling thread, or NULL; and its number. */
struct tlr__slot *tlr__thread_slot(unsigned *index);

/* Takes a slot for the calling thread: the writer's own. */
void tlr__thread_take_slot(struct tlr_log *log, unsigned index);

/* Fills the name and tid in, from the system if the thread was never attached. */
void tlr__thread_identify(struct tlr__thread *thread);

#endif
