/* culprit.h - who made whom wait: stalls grouped by call site and cause, with their victims.
 *
 * Fed with stalls and requests in any order: a request may end, and be known as a victim, before
 * the stall that it waited behind. Memory grows with the number of stalls (16 bytes each), not of
 * requests.
 */
#ifndef TLR_CULPRIT_H
#define TLR_CULPRIT_H

#include "trace_record.h"

#define TLR__CULPRIT_VICTIMS 5
#define TLR__CULPRIT_THREADS 8

struct tlr__culprit_victim {
    char trace[TLR__ID_TEXT_BYTES];
    char method[16], path[128];
    uint64_t waited_ns;
};

/* All stalls of one (file, line, cause). */
struct tlr__culprit {
    struct tlr__trace_stall longest;    /* file, line, function, cause, target: of this one */
    struct tlr__culprit_victim request; /* in which the longest happened; trace "" none */
    char threads[TLR__CULPRIT_THREADS][TLR_THREAD_NAME_BYTES];
    unsigned thread_count; /* of the first eight, by name */
    uint64_t count, total_ns;
    uint64_t behind;             /* of these, how many waited behind another stall themselves */
    uint64_t waiters, waiter_ns; /* stalls that waited behind one of these */
    uint64_t blocked_requests;   /* in which one of these happened */
    uint64_t victims, victim_ns; /* requests that waited behind one of these, and how long in all */
    struct tlr__culprit_victim worst[TLR__CULPRIT_VICTIMS]; /* longest first; trace "" none */
    int64_t index; /* private: what the list's maps call it */
};

struct tlr__culprit_list {
    struct tlr__culprit *culprits; /* after rank(): worst first */
    size_t count;
    uint64_t stalls;
    uint64_t first_ns, last_ns; /* dates of the first begin and the last end */
    uint64_t unknown_victims;   /* after rank(): victims of stalls that were not seen */
    /* private */
    size_t capacity;
    uint64_t min_ns;
    struct tlr__culprit_map *ids;      /* stall id -> index of culprit */
    struct tlr__culprit_map *requests; /* (request, culprit), to count each once */
    struct tlr__culprit_pending *pending;
    size_t pending_count, pending_capacity;
};

/* Begins empty. Stalls below min_ns are left out, and so are their victims. Owns: until free.
 * Errors: -ENOMEM. */
int tlr__culprit_init(struct tlr__culprit_list *list, uint64_t min_ns);
void tlr__culprit_free(struct tlr__culprit_list *list);

/* Adds a stall; one with an id that was seen is ignored. Errors: -ENOMEM. */
int tlr__culprit_add_stall(struct tlr__culprit_list *list, const struct tlr__trace_stall *stall);

/* Adds a request that waited behind stall `victim_of` (0: none; it may still be the one in which
 * the longest stall happened). Errors: -ENOMEM. */
int tlr__culprit_add_request(struct tlr__culprit_list *list, uint64_t victim_of,
                             const struct tlr__culprit_victim *request);

/* Sums up and sorts: those that made others wait first, by the time lost; then those that waited
 * behind others themselves; then the writers', which hurt no caller. */
void tlr__culprit_rank(struct tlr__culprit_list *list);

/* The culprit that stall belongs to, or NULL. After rank(). */
const struct tlr__culprit *tlr__culprit_of(const struct tlr__culprit_list *list, uint64_t stall_id);

/* Nonzero where most of its stalls waited behind another's. */
int tlr__culprit_is_behind(const struct tlr__culprit *culprit);

#endif
