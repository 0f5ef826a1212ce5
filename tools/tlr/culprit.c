/* culprit.c - see culprit.h.
 */
#include "culprit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LEFT_OUT = -1 }; /* in place of a culprit's index: shorter than asked for */

/* ---- a map of numbers ---------------------------------------------------------------------- */

/* Open addressing; key 0 is free. */
struct tlr__culprit_map {
    struct {
        uint64_t key;
        int64_t value;
    } * places;
    size_t size, used; /* size: a power of two */
};

static struct tlr__culprit_map *map_make(size_t size) {
    struct tlr__culprit_map *map = calloc(1, sizeof(*map));
    if (!map) return NULL;
    map->size = size;
    map->places = calloc(size, sizeof(*map->places));
    if (map->places) return map;
    free(map);
    return NULL;
}

static void map_free(struct tlr__culprit_map *map) {
    if (!map) return;
    free(map->places);
    free(map);
}

static size_t map_place(const struct tlr__culprit_map *map, uint64_t key) {
    size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (map->size - 1);
    while (map->places[at].key && map->places[at].key != key) at = (at + 1) & (map->size - 1);
    return at;
}

static int map_grow(struct tlr__culprit_map *map) {
    struct tlr__culprit_map *larger = map_make(2 * map->size);
    if (!larger) return -ENOMEM;
    for (size_t i = 0; i < map->size; i++)
        if (map->places[i].key)
            larger->places[map_place(larger, map->places[i].key)] = map->places[i];
    larger->used = map->used;
    free(map->places);
    *map = *larger;
    free(larger);
    return 0;
}

/* 1 added; 0 it was there, with whatever value; -ENOMEM. */
static int map_add(struct tlr__culprit_map *map, uint64_t key, int64_t value) {
    if (!key) return 0;
    if (2 * map->used >= map->size && map_grow(map) < 0) return -ENOMEM;
    size_t at = map_place(map, key);
    if (map->places[at].key) return 0;
    map->places[at].key = key;
    map->places[at].value = value;
    map->used++;
    return 1;
}

static int map_find(const struct tlr__culprit_map *map, uint64_t key, int64_t *value) {
    size_t at = map_place(map, key);
    if (!key || !map->places[at].key) return 0;
    *value = map->places[at].value;
    return 1;
}

/* ---- life ---------------------------------------------------------------------------------- */

/* What was said of a stall that was not seen yet: a victim, or (waiter) another stall. */
struct tlr__culprit_pending {
    uint64_t stall_id;
    int is_waiter;
    struct tlr__culprit_victim victim;
};

int tlr__culprit_init(struct tlr__culprit_list *list, uint64_t min_ns) {
    *list = (struct tlr__culprit_list){.min_ns = min_ns, .ids = map_make(1024)};
    list->requests = map_make(1024);
    if (list->ids && list->requests) return 0;
    tlr__culprit_free(list);
    return -ENOMEM;
}

void tlr__culprit_free(struct tlr__culprit_list *list) {
    map_free(list->ids);
    map_free(list->requests);
    free(list->culprits);
    free(list->pending);
    *list = (struct tlr__culprit_list){0};
}

/* ---- stalls -------------------------------------------------------------------------------- */

static int is_same(const struct tlr_stall *a, const struct tlr_stall *b) {
    return a->line == b->line && a->cause == b->cause && !strcmp(a->file, b->file) &&
           (a->role == TLR_ROLE_WRITER) == (b->role == TLR_ROLE_WRITER);
}

/* The culprit of that stall's site and cause, new if need be; -ENOMEM. */
static int64_t culprit_index(struct tlr__culprit_list *list, const struct tlr_stall *stall) {
    for (size_t i = 0; i < list->count; i++)
        if (is_same(&list->culprits[i].longest.stall, stall)) return (int64_t)i;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        struct tlr__culprit *culprits = realloc(list->culprits, capacity * sizeof(*culprits));
        if (!culprits) return -ENOMEM;
        list->culprits = culprits;
        list->capacity = capacity;
    }
    list->culprits[list->count] = (struct tlr__culprit){.index = (int64_t)list->count};
    return (int64_t)list->count++;
}

static void thread_note(struct tlr__culprit *culprit, const char *name) {
    for (unsigned i = 0; i < culprit->thread_count; i++)
        if (!strcmp(culprit->threads[i], name)) return;
    if (culprit->thread_count == TLR__CULPRIT_THREADS) return;
    memcpy(culprit->threads[culprit->thread_count++], name, TLR_THREAD_NAME_BYTES);
}

/* A trace id and a culprit as one number that is not 0. */
static uint64_t request_key(const char *trace, int64_t index) {
    char half[17] = "";
    memcpy(half, trace, 16);
    uint64_t key = strtoull(half, NULL, 16) * UINT64_C(0xd6e8feb86659fd93);
    key = (key ^ strtoull(trace + 16, NULL, 16)) + (uint64_t)index * UINT64_C(0x9e3779b97f4a7c15);
    return key ? key : 1;
}

static void waiter_add(struct tlr__culprit *culprit, uint64_t waited_ns) {
    culprit->waiters++;
    culprit->waiter_ns += waited_ns;
}

static int pending_add(struct tlr__culprit_list *list, uint64_t stall_id, int is_waiter,
                       const struct tlr__culprit_victim *victim) {
    if (list->pending_count == list->pending_capacity) {
        size_t capacity = list->pending_capacity ? 2 * list->pending_capacity : 64;
        struct tlr__culprit_pending *pending = realloc(list->pending, capacity * sizeof(*pending));
        if (!pending) return -ENOMEM;
        list->pending = pending;
        list->pending_capacity = capacity;
    }
    list->pending[list->pending_count++] = (struct tlr__culprit_pending){
        .stall_id = stall_id, .is_waiter = is_waiter, .victim = *victim};
    return 0;
}

/* Says of the stall that this one waited behind that it made it wait. */
static int behind_add(struct tlr__culprit_list *list, const struct tlr_stall *stall) {
    int64_t index;
    if (map_find(list->ids, stall->behind, &index)) {
        if (index != LEFT_OUT) waiter_add(&list->culprits[index], stall->duration_ns);
        return 0;
    }
    struct tlr__culprit_victim waiter = {.waited_ns = stall->duration_ns};
    return pending_add(list, stall->behind, 1, &waiter);
}

int tlr__culprit_add_stall(struct tlr__culprit_list *list, const struct tlr__trace_stall *added) {
    const struct tlr_stall *stall = &added->stall;
    int64_t index = LEFT_OUT;
    if (stall->duration_ns >= list->min_ns && (index = culprit_index(list, stall)) < 0)
        return -ENOMEM;
    int is_new = stall->id ? map_add(list->ids, stall->id, index) : 1;
    if (is_new <= 0 || index == LEFT_OUT) return is_new < 0 ? -ENOMEM : 0;

    struct tlr__culprit *culprit = &list->culprits[index];
    uint64_t end_ns = stall->begin_ns + stall->duration_ns;
    if (!list->stalls++ || stall->begin_ns < list->first_ns) list->first_ns = stall->begin_ns;
    if (end_ns > list->last_ns) list->last_ns = end_ns;
    if (!culprit->count++ || stall->duration_ns > culprit->longest.stall.duration_ns) {
        culprit->longest = *added;
        culprit->request = (struct tlr__culprit_victim){0};
    }
    culprit->total_ns += stall->duration_ns;
    thread_note(culprit, stall->thread);
    if (added->trace[0] && map_add(list->requests, request_key(added->trace, index), 0) > 0)
        culprit->blocked_requests++;
    if (!stall->behind) return 0;
    culprit->behind++;
    return behind_add(list, stall);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void victim_add(struct tlr__culprit *culprit, const struct tlr__culprit_victim *victim) {
    struct tlr__culprit_victim *worst = culprit->worst;
    culprit->victims++;
    culprit->victim_ns += victim->waited_ns;
    int place = TLR__CULPRIT_VICTIMS;
    while (place > 0 && worst[place - 1].waited_ns < victim->waited_ns) place--;
    if (place == TLR__CULPRIT_VICTIMS) return;
    memmove(&worst[place + 1], &worst[place],
            (size_t)(TLR__CULPRIT_VICTIMS - 1 - place) * sizeof(*worst));
    worst[place] = *victim;
}

int tlr__culprit_add_request(struct tlr__culprit_list *list, uint64_t victim_of,
                             const struct tlr__culprit_victim *request) {
    int64_t index;
    for (size_t i = 0; i < list->count; i++) {
        struct tlr__culprit *culprit = &list->culprits[i];
        if (request->trace[0] && !strcmp(culprit->longest.trace, request->trace))
            culprit->request = *request;
    }
    if (!victim_of) return 0;
    if (!map_find(list->ids, victim_of, &index)) return pending_add(list, victim_of, 0, request);
    if (index != LEFT_OUT) victim_add(&list->culprits[index], request);
    return 0;
}

/* ---- ranking ------------------------------------------------------------------------------- */

static void pending_settle(struct tlr__culprit_list *list) {
    for (size_t i = 0; i < list->pending_count; i++) {
        const struct tlr__culprit_pending *pending = &list->pending[i];
        int64_t index;
        if (!map_find(list->ids, pending->stall_id, &index))
            list->unknown_victims += !pending->is_waiter;
        else if (index == LEFT_OUT)
            continue;
        else if (pending->is_waiter)
            waiter_add(&list->culprits[index], pending->victim.waited_ns);
        else
            victim_add(&list->culprits[index], &pending->victim);
    }
    list->pending_count = 0;
}

int tlr__culprit_is_behind(const struct tlr__culprit *culprit) {
    return 2 * culprit->behind > culprit->count;
}

static int rank_class(const struct tlr__culprit *culprit) {
    if (culprit->longest.stall.role == TLR_ROLE_WRITER) return 2;
    return tlr__culprit_is_behind(culprit);
}

static int worse_first(const void *a, const void *b) {
    const struct tlr__culprit *one = a, *other = b;
    int class_difference = rank_class(one) - rank_class(other);
    if (class_difference) return class_difference;
    uint64_t lost = one->total_ns + one->victim_ns + one->waiter_ns;
    uint64_t other_lost = other->total_ns + other->victim_ns + other->waiter_ns;
    return lost < other_lost ? 1 : lost > other_lost ? -1 : 0;
}

void tlr__culprit_rank(struct tlr__culprit_list *list) {
    pending_settle(list);
    if (list->count) qsort(list->culprits, list->count, sizeof(*list->culprits), worse_first);
}

const struct tlr__culprit *tlr__culprit_of(const struct tlr__culprit_list *list,
                                           uint64_t stall_id) {
    int64_t index;
    if (!map_find(list->ids, stall_id, &index)) return NULL;
    for (size_t i = 0; i < list->count; i++)
        if (list->culprits[i].index == index) return &list->culprits[i];
    return NULL;
}
