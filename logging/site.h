/* site.h - the process's registry of call sites: a number for each, and the plan of its arguments.
 *
 * Registration takes no lock: a number is drawn, the entry filled, then published in the site's
 * state. Two threads that race over one site draw two numbers for it; both are good, one is used.
 * Numbers are never given back: an unloaded library's sites stay readable from the copies in the
 * dictionaries.
 */
#ifndef TLR_SITE_H
#define TLR_SITE_H

#include "encode.h"
#include "ring_file.h"

struct tlr__site_entry {
    uint32_t number;
    uint8_t level;
    uint8_t wakes_from;     /* enum tlr__wake: a record wakes a writer that rests this deeply */
    _Atomic uint32_t ready; /* release when filled; A: tlr__site_copy_all */
    const struct tlr_site *site; /* not to be followed after registration: its library may go */
    struct tlr__plan plan;
};

/* NULL: not registered yet. */
static inline const struct tlr__site_entry *tlr__site_known(const struct tlr_site *site) {
    return __atomic_load_n(&site->state->entry, __ATOMIC_ACQUIRE);
}

/* The site's entry, registering it at first use: into every open log's dictionary.
 * NULL: the table is full. Thread: any. Blocks: never. */
const struct tlr__site_entry *tlr__site_register(const struct tlr_site *site);

/* Its number, or 0. */
static inline uint32_t tlr__site_number(const struct tlr_site *site) {
    const struct tlr__site_entry *entry = tlr__site_register(site);
    return entry != NULL ? entry->number : 0;
}

/* Copies a registered site into a log's dictionary: one that was registered while the log opened.
 */
void tlr__site_copy(struct tlr_ring *ring, uint32_t number);

/* Copies every registered site into a new log's dictionary. */
void tlr__site_copy_all(struct tlr_ring *ring);

#endif
