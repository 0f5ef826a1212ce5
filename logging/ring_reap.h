/* ring_reap.h - ring files that dead processes left behind.
 *
 * One that was drained is removed. One that still holds records is kept for recovery: the newest 16
 * of a directory, and of 16 MiB together at most, but the newest in any case.
 */
#ifndef TLR_RING_REAP_H
#define TLR_RING_REAP_H

/* directory NULL: the default one. Thread: setup. Blocks: on reading the directory. */
void tlr__ring_reap(const char *directory);

#endif
