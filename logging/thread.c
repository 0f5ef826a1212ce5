#include "thread.h"

#include "registry.h"
#include "slot.h"
#include "wakeup.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local struct tlr__thread tlr__thread_self __attribute__((tls_model("initial-exec")));

#define FULL_WAIT_NS_MAX (86400 * TLR_NS_PER_S) /* what fits into ticks of any rate */

static pthread_key_t end_key;
static pthread_once_t end_key_made = PTHREAD_ONCE_INIT;

static void thread_ended(void *user) {
    (void)user;
    for (unsigned i = 0; i < TLR_LOGS_MAX; i++) tlr__thread_leave(i);
    tlr__thread_self.ended = true;
}

static void end_key_make(void) {
    pthread_key_create(&end_key, thread_ended);
}

void tlr__thread_identify(struct tlr__thread *thread) {
    if (thread->tid == 0) thread->tid = (int)syscall(SYS_gettid);
    if (thread->name[0] == '\0') prctl(PR_GET_NAME, thread->name, 0, 0, 0);
    if (thread->registered) return;
    pthread_once(&end_key_made, end_key_make);
    pthread_setspecific(end_key, thread);
    thread->registered = true;
}

/* A child has its parent's thread-local memory, but another tid and none of its lanes. */
static void forget_after_fork(struct tlr__thread *thread) {
    const int tid = (int)syscall(SYS_gettid);
    if (thread->tid == tid) return;
    thread->tid = tid;
    thread->home = NULL;
    memset(thread->producers, 0, sizeof thread->producers);
}

static struct tlr__producer *take_lane(struct tlr_log *log) {
    for (unsigned i = 0; i < log->ring.lane_count; i++) {
        uint32_t expected = TLR__LANE_FREE;
        if (atomic_compare_exchange_strong_explicit(&log->ring.lanes[i].state, &expected,
                                                    TLR__LANE_TAKEN, memory_order_acq_rel,
                                                    memory_order_relaxed)) {
            struct tlr__producer *producer = &log->producers[i];
            producer->log = log;
            producer->index = i;
            producer->wake = &log->ring.header->wake;
            tlr__lane_attach(producer, &log->ring.lanes[i],
                             log->ring.bytes + i * log->ring.lane_bytes, log->ring.lane_bytes);
            return producer;
        }
    }
    return NULL;
}

/* In synchronous mode there are no lanes: a producer is just a place for the thread's slot. */
static struct tlr__producer *take_place(struct tlr_log *log) {
    for (unsigned i = 0; i + 1 < log->ring.slot_count; i++) {
        int32_t expected = 0;
        if (atomic_compare_exchange_strong_explicit(&log->ring.slots[i].tid, &expected, -1,
                                                    memory_order_acq_rel, memory_order_relaxed)) {
            struct tlr__producer *producer = &log->producers[i];
            producer->log = log;
            producer->index = i;
            return producer;
        }
    }
    return NULL;
}

/* From here on that log's slot shows what the thread does. */
static void make_home(struct tlr__thread *thread, struct tlr__producer *producer) {
    thread->home = producer;
    if (thread->state_since == 0) thread->state_since = tlr__clock_ticks();
}

struct tlr__producer *tlr__thread_producer(struct tlr_log *log) {
    struct tlr__thread *thread = &tlr__thread_self;
    if (thread->ended) return NULL; /* nobody would give the lane back */
    if (thread->tid != 0) forget_after_fork(thread);
    struct tlr__producer *producer = thread->producers[log->index];
    if (producer != NULL && producer->log == log) return producer;
    if (producer != NULL) tlr__thread_leave(log->index);
    if (atomic_load_explicit(&log->closing, memory_order_seq_cst) != 0) return NULL;
    producer = log->mode == TLR_MODE_RING ? take_lane(log) : take_place(log);
    if (producer == NULL) {
        /* A retired lane comes free when the writer has looked at it. */
        tlr__wakeup_wake(&log->ring.header->wake);
        return NULL;
    }
    atomic_fetch_add_explicit(&log->references, 1, memory_order_relaxed);
    tlr__thread_identify(thread);
    thread->producers[log->index] = producer;
    /* `lines` adds what stands in the lane, and others may have written there before. */
    if (log->format != TLR_FORMAT_SEGMENT) thread->counts.lines -= producer->records;
    struct tlr__slot *slot = &log->ring.slots[producer->index];
    tlr__slot_take(slot, thread->tid, thread->name, thread->role);
    if (thread->home == NULL) make_home(thread, producer);
    /* A close that shut all lanes before this one was taken is seen here, or sees this one. */
    if (log->mode == TLR_MODE_RING &&
        atomic_load_explicit(&log->closing, memory_order_seq_cst) != 0)
        tlr__lane_shut(producer);
    return producer;
}

void tlr__thread_leave(unsigned index) {
    struct tlr__thread *thread = &tlr__thread_self;
    struct tlr__producer *producer = thread->producers[index];
    thread->producers[index] = NULL;
    if (thread->home == producer) {
        thread->home = NULL;
        for (unsigned i = 0; i < TLR_LOGS_MAX && thread->home == NULL; i++)
            thread->home = thread->producers[i];
    }
    if (producer == NULL || producer->log == NULL) return; /* none, or a parent's */
    struct tlr_log *log = producer->log;
    if (log->format != TLR_FORMAT_SEGMENT) thread->counts.lines += producer->records;
    if (log->mode == TLR_MODE_RING) {
        tlr__lane_shut(producer);
        /* The slot is freed with the lane: records still to be written bear its name. */
        atomic_store_explicit(&producer->shared->state, TLR__LANE_RETIRED, memory_order_release);
        tlr__wakeup_published(&log->ring.header->wake, TLR__ASLEEP);
    } else {
        tlr__slot_free(&log->ring.slots[producer->index]);
    }
    tlr__log_state_release(log);
}

struct tlr__slot *tlr__thread_slot(unsigned *index) {
    struct tlr__producer *home = tlr__thread_self.home;
    if (home == NULL || home->log == NULL) return NULL;
    *index = home->index;
    return &home->log->ring.slots[home->index];
}

void tlr__thread_take_slot(struct tlr_log *log, unsigned index) {
    struct tlr__thread *thread = &tlr__thread_self;
    tlr__thread_identify(thread);
    struct tlr__producer *place = &log->producers[index];
    place->log = log;
    place->index = index;
    make_home(thread, place);
    tlr__slot_take(&log->ring.slots[index], thread->tid, thread->name, thread->role);
}

int tlr_thread_attach(struct tlr_log *log, const char *name, enum tlr_role role) {
    struct tlr__thread *thread = &tlr__thread_self;
    snprintf(thread->name, sizeof thread->name, "%s", name);
    thread->role = role;
    if (role == TLR_ROLE_LOOP) thread->full_wait_ns = 0;
    if (log == NULL) return 0;
    struct tlr__producer *had = thread->producers[log->index];
    struct tlr__producer *producer = tlr__thread_producer(log);
    if (producer == NULL) return -EAGAIN;
    if (producer == had)
        tlr__slot_take(&log->ring.slots[producer->index], thread->tid, thread->name, thread->role);
    return 0;
}

int tlr_thread_full_wait_set(uint64_t wait_ns) {
    if (tlr__thread_self.role == TLR_ROLE_LOOP && wait_ns != 0) return -EPERM;
    tlr__thread_self.full_wait_ns = wait_ns < FULL_WAIT_NS_MAX ? wait_ns : FULL_WAIT_NS_MAX;
    return 0;
}

const char *tlr_thread_name(void) {
    tlr__thread_identify(&tlr__thread_self);
    return tlr__thread_self.name;
}

enum tlr_role tlr_thread_role(void) {
    return tlr__thread_self.role;
}

const char *tlr_role_name(enum tlr_role role) {
    static const char *const names[] = {"other", "loop", "pool", "writer", "admin"};
    return (unsigned)role < sizeof names / sizeof *names ? names[role] : "other";
}

void tlr_thread_counts(struct tlr_thread_counts *counts) {
    const struct tlr__thread *thread = &tlr__thread_self;
    *counts = thread->counts;
    counts->lines = thread->counts.lines + thread->sync_lines;
    for (unsigned i = 0; i < TLR_LOGS_MAX; i++) {
        const struct tlr__producer *producer = thread->producers[i];
        if (producer == NULL || producer->log == NULL) continue;
        if (producer->log->format != TLR_FORMAT_SEGMENT) counts->lines += producer->records;
    }
}

void tlr_context_set(const struct tlr_context *context) {
    struct tlr__thread *thread = &tlr__thread_self;
    thread->context_bytes = context != NULL ? sizeof thread->context : 0;
    if (context != NULL) thread->context = *context;
}

const struct tlr_context *tlr_context_get(void) {
    static const struct tlr_context none;
    return tlr__thread_self.context_bytes > 0 ? &tlr__thread_self.context : &none;
}
