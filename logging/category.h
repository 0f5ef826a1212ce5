/* category.h - thresholds by name, inside the layer.
 */
#ifndef TLR_CATEGORY_H
#define TLR_CATEGORY_H

#include <tailrace/log.h>

struct tlr_ring;

/* Registers at first use: number, threshold, dictionaries. `otherwise` is the threshold where none
 * was set by name. 0: the table is full. Thread: any. Blocks: on a short lock, once per category.
 */
unsigned tlr__category_register(struct tlr_category *category, enum tlr_level otherwise);

/* In a forked child: the lock is free. */
void tlr__category_after_fork(void);

/* Copies every registered category into a new log's dictionary. */
void tlr__category_copy_all(struct tlr_ring *ring);

#endif
