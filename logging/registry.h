/* registry.h - the open logs of the process, by index.
 *
 * Any thread may look while another opens or closes: who looks holds a reader's mark, and a close
 * waits for marks to go before it frees.
 */
#ifndef TLR_REGISTRY_H
#define TLR_REGISTRY_H

#include "ring_file.h"

struct tlr_log;

/* Enters a log at the first free index from `first` on. Errors: -EMFILE. */
int tlr__registry_add(struct tlr_log *log, unsigned first, unsigned *index);

/* Takes it out; when it returns, no reader looks at it any more. Blocks: for readers, microseconds.
 */
void tlr__registry_remove(struct tlr_log *log, unsigned index);

/* Keeps a closed log that attached threads still hold within sight of leak checkers, until it is
 * freed. */
void tlr__registry_linger(struct tlr_log *log);
void tlr__registry_forget(struct tlr_log *log);

/* Marks, and the log at that index or NULL; each look is ended once. */
struct tlr_log *tlr__registry_look(unsigned index);
void tlr__registry_look_end(void);

/* Calls `visit` for the ring of each open log. Blocks: never. */
void tlr__registry_each_ring(void (*visit)(struct tlr_ring *ring, void *user), void *user);

#endif
