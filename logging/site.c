#include "site.h"

#include "format.h"
#include "registry.h"
#include "wakeup.h"

/* Entry 0 is none. What a site's state points to is constant. */
static struct tlr__site_entry entries[TLR__SITES_MAX];
static _Atomic uint32_t drawn;

struct addition {
    uint32_t number;
    const struct tlr_site *site;
};

static void add_to_ring(struct tlr_ring *ring, void *user) {
    const struct addition *addition = user;
    tlr__ring_file_add_site(ring, addition->number, addition->site);
}

const struct tlr__site_entry *tlr__site_register(const struct tlr_site *site) {
    const struct tlr__site_entry *known = tlr__site_known(site);
    if (known != NULL) return known;
    if (atomic_load_explicit(&drawn, memory_order_relaxed) >= TLR__SITES_MAX - 1) return NULL;
    const uint32_t number = atomic_fetch_add_explicit(&drawn, 1, memory_order_relaxed) + 1;
    if (number >= TLR__SITES_MAX) return NULL;
    struct tlr__site_entry *entry = &entries[number];
    entry->number = number;
    entry->site = site;
    entry->level = site->level;
    entry->wakes_from = site->level >= TLR_LEVEL_ERROR ? TLR__NAP : TLR__ASLEEP;
    tlr__plan_make(site->format, site->tags, site->value_count, &entry->plan);
    atomic_store_explicit(&entry->ready, 1, memory_order_seq_cst);
    tlr__registry_each_ring(add_to_ring, &(struct addition){number, site});
    __atomic_compare_exchange_n(&site->state->entry, &known, entry, 0, __ATOMIC_ACQ_REL,
                                __ATOMIC_ACQUIRE);
    return known == NULL ? entry : known;
}

void tlr__site_copy(struct tlr_ring *ring, uint32_t number) {
    if (number == 0 || number >= TLR__SITES_MAX) return;
    const struct tlr__site_entry *entry = &entries[number];
    if (atomic_load_explicit(&entry->ready, memory_order_seq_cst) != 0)
        tlr__ring_file_add_site(ring, number, entry->site);
}

void tlr__site_copy_all(struct tlr_ring *ring) {
    const uint32_t count = atomic_load_explicit(&drawn, memory_order_seq_cst);
    for (uint32_t number = 1; number <= count && number < TLR__SITES_MAX; number++)
        tlr__site_copy(ring, number);
}
