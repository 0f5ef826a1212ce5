/* stalls_advice.c - see stalls_advice.h.
 */
#include "stalls_advice.h"

#include <sys/stat.h>

static int is_loop(enum tlr_role role) {
    return role == TLR_ROLE_LOOP || role == TLR_ROLE_ADMIN;
}

const char *tlr__stalls_advice_activity(enum tlr_cause cause, enum tlr_role role) {
    static const char *const activities[TLR_CAUSE_COUNT] = {
        [TLR_CAUSE_NONE] = "for a reason not known",
        [TLR_CAUSE_LANE_FULL] = "for room in its lane",
        [TLR_CAUSE_SINK_WRITE] = "writing to the log",
        [TLR_CAUSE_SINK_LOCK] = "behind another thread's write to the log",
        [TLR_CAUSE_FSYNC] = "syncing a file",
        [TLR_CAUSE_ROTATE] = "rotating the log",
        [TLR_CAUSE_OPEN] = "opening a file",
        [TLR_CAUSE_HANDLER_CPU] = "computing in a handler",
        [TLR_CAUSE_HANDLER_SLEEP] = "sleeping or waiting in a handler",
        [TLR_CAUSE_POOL_QUEUE] = "for a free pool thread",
        [TLR_CAUSE_SLEEP] = "sleeping",
        [TLR_CAUSE_LOCK] = "for a lock",
        [TLR_CAUSE_SOCKET] = "for a socket",
        [TLR_CAUSE_FILE] = "for a file",
        [TLR_CAUSE_OTHER] = "for a reason not known",
    };
    if (cause == TLR_CAUSE_OTHER && is_loop(role)) return "for a processor while in a handler";
    return activities[cause < TLR_CAUSE_COUNT ? cause : TLR_CAUSE_NONE];
}

/* A file, a disk, a terminal: nobody reads at its other end. */
static int has_no_reader(const char *target) {
    struct stat st;
    return target[0] == '/' && stat(target, &st) == 0 && !S_ISFIFO(st.st_mode) &&
           !S_ISSOCK(st.st_mode);
}

static const char *advice_writer(enum tlr_cause cause, const char *target) {
    if ((cause == TLR_CAUSE_OPEN || cause == TLR_CAUSE_SINK_WRITE) && has_no_reader(target))
        return "nothing for the callers' sake: they did not wait. See that the log's target can "
               "take what is written (a full disk, a slow one); lines wait in the lanes, and are "
               "dropped and counted when those are full";
    switch (cause) {
    case TLR_CAUSE_OPEN:
        return "start the log's reader; until then lines wait in the lanes, and are dropped and "
               "counted when those are full";
    default:
        return "nothing for the callers' sake: they did not wait. If lines were dropped, make the "
               "reader faster or the lanes larger";
    }
}

static const char *advice_loop(enum tlr_cause cause) {
    switch (cause) {
    case TLR_CAUSE_SINK_WRITE:
    case TLR_CAUSE_SINK_LOCK:
    case TLR_CAUSE_FSYNC:
    case TLR_CAUSE_ROTATE:
    case TLR_CAUSE_OPEN:
        return "log this site through the ring (tlr_info to a log in ring mode): the loop never "
               "waits then. Moving the handler to the pool frees the loop, not the pool";
    case TLR_CAUSE_HANDLER_CPU:
        return "run this handler in the pool, or cut its work into pieces that return to the loop";
    case TLR_CAUSE_HANDLER_SLEEP:
    case TLR_CAUSE_SLEEP:
        return "wait with a timer (tlr_exchange_after), or run this handler in the pool";
    case TLR_CAUSE_LOCK:
        return "never take a lock on a loop that other threads hold for long: hand the work to its "
               "owner, or run this handler in the pool";
    case TLR_CAUSE_OTHER:
        return "the handler held the loop, but neither computed nor slept for most of it: the "
               "kernel gave the processor to others. Give the process more processors, or run "
               "fewer busy threads and processes beside it";
    default:
        return "run this handler in the pool, or make the wait an event of the loop";
    }
}

static const char *advice_pool(enum tlr_cause cause) {
    switch (cause) {
    case TLR_CAUSE_SINK_WRITE:
    case TLR_CAUSE_SINK_LOCK:
    case TLR_CAUSE_FSYNC:
    case TLR_CAUSE_ROTATE:
    case TLR_CAUSE_OPEN:
        return "log this site through the ring (tlr_info to a log in ring mode): a pool thread "
               "that "
               "waits for the log is missing for everyone";
    case TLR_CAUSE_LANE_FULL:
        return "the wait was asked for (tlr_thread_full_wait_set): shorten it, make the lanes "
               "larger, or let lines be dropped and counted";
    case TLR_CAUSE_POOL_QUEUE:
        return "every pool thread was busy: make the pool larger, or its jobs shorter";
    case TLR_CAUSE_HANDLER_SLEEP:
    case TLR_CAUSE_SLEEP:
        return "a pool thread that sleeps is missing for others: wait with a timer on the loop, or "
               "make the pool larger";
    case TLR_CAUSE_LOCK:
        return "hold that lock for a shorter time, or split what it guards";
    default:
        return "the pool is there for such waits; make it larger if requests queue behind them";
    }
}

const char *tlr__stalls_advice(enum tlr_cause cause, enum tlr_role role, const char *target) {
    if (role == TLR_ROLE_WRITER) return advice_writer(cause, target);
    if (cause == TLR_CAUSE_POOL_QUEUE || cause == TLR_CAUSE_LANE_FULL) return advice_pool(cause);
    return is_loop(role) ? advice_loop(cause) : advice_pool(cause);
}
