#include "category.h"

#include "registry.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SETTINGS_MAX 64
#define NAME_BYTES 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tlr_category *newest;
static unsigned count;
static struct {
    char name[NAME_BYTES];
    enum tlr_level level;
} settings[SETTINGS_MAX];
static unsigned setting_count;

static const char *const level_names[] = {"unset", "debug", "info", "warn", "error", "off"};

const char *tlr_level_name(enum tlr_level level) {
    return (unsigned)level < sizeof level_names / sizeof *level_names ? level_names[level]
                                                                      : "unset";
}

int tlr_level_parse(const char *name, enum tlr_level *level) {
    for (unsigned i = TLR_LEVEL_DEBUG; i <= TLR_LEVEL_OFF; i++) {
        if (strcasecmp(name, level_names[i]) != 0) continue;
        *level = (enum tlr_level)i;
        return 0;
    }
    return -EINVAL;
}

const char *tlr_reason_name(enum tlr_reason reason) {
    static const char *const names[TLR_REASON_COUNT] = {
        "lane_full", "deadline", "no_lane", "too_large", "reentrant", "closed", "no_site", "sink"};
    return (unsigned)reason < TLR_REASON_COUNT ? names[reason] : "unknown";
}

static void threshold_store(struct tlr_category *category, enum tlr_level level) {
    __atomic_store_n(&category->threshold, (unsigned char)level, __ATOMIC_RELAXED);
}

void tlr_category_level_set(struct tlr_category *category, enum tlr_level level) {
    threshold_store(category, level);
}

int tlr_category_level_set_by_name(const char *name, enum tlr_level level) {
    if (level < TLR_LEVEL_DEBUG || level > TLR_LEVEL_OFF || strlen(name) >= NAME_BYTES)
        return -EINVAL;
    pthread_mutex_lock(&lock);
    unsigned i = 0;
    while (i < setting_count && strcmp(settings[i].name, name) != 0) i++;
    const int error = i == SETTINGS_MAX ? -ENOSPC : 0;
    if (error == 0) {
        if (i == setting_count) setting_count++;
        snprintf(settings[i].name, sizeof settings[i].name, "%s", name);
        settings[i].level = level;
        for (struct tlr_category *at = newest; at != NULL; at = at->next)
            if (strcmp(at->name, name) == 0) threshold_store(at, level);
    }
    pthread_mutex_unlock(&lock);
    return error;
}

static enum tlr_level threshold_of(const char *name, enum tlr_level otherwise) {
    for (unsigned i = 0; i < setting_count; i++)
        if (strcmp(settings[i].name, name) == 0) return settings[i].level;
    return otherwise;
}

struct addition {
    unsigned number;
    const char *name;
};

static void add_to_ring(struct tlr_ring *ring, void *user) {
    const struct addition *addition = user;
    tlr__ring_file_add_category(ring, addition->number, addition->name);
}

unsigned tlr__category_register(struct tlr_category *category, enum tlr_level otherwise) {
    unsigned number = __atomic_load_n(&category->number, __ATOMIC_ACQUIRE);
    if (number != 0) return number;
    pthread_mutex_lock(&lock);
    number = __atomic_load_n(&category->number, __ATOMIC_RELAXED);
    if (number == 0 && count < TLR__CATEGORIES_MAX - 1) {
        number = ++count;
        category->next = newest;
        newest = category;
        if (__atomic_load_n(&category->threshold, __ATOMIC_RELAXED) == TLR_LEVEL_UNSET)
            threshold_store(category, threshold_of(category->name, otherwise));
        tlr__registry_each_ring(add_to_ring, &(struct addition){number, category->name});
        __atomic_store_n(&category->number, number, __ATOMIC_RELEASE);
        /* The index last: with it, calls take the short path and use the number. */
        if (__atomic_load_n(&category->log_index, __ATOMIC_RELAXED) == TLR_LOGS_MAX)
            __atomic_store_n(&category->log_index, 0, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&lock);
    return number;
}

void tlr__category_after_fork(void) {
    pthread_mutex_init(&lock, NULL);
}

void tlr__category_copy_all(struct tlr_ring *ring) {
    pthread_mutex_lock(&lock);
    for (const struct tlr_category *at = newest; at != NULL; at = at->next)
        tlr__ring_file_add_category(ring, at->number, at->name);
    pthread_mutex_unlock(&lock);
}
