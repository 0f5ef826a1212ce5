/* stall.h - waits, inside the layer.
 */
#ifndef TLR_STALL_H
#define TLR_STALL_H

#include <tailrace/stall.h>

/* Begins a wait behind another one, which the slot shows. */
void tlr__stall_block_begin(struct tlr_block *block, const struct tlr_site *site,
                            enum tlr_cause cause, int fd, uint64_t behind);

/* Ends a wait with a threshold of the caller's own. */
uint64_t tlr__stall_block_end(struct tlr_block *block, uint64_t threshold_ns);

#endif
