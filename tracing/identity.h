/* identity.h - new trace and span ids.
 */
#ifndef TLR_TRACING_IDENTITY_H
#define TLR_TRACING_IDENTITY_H

#include <stdint.h>

/* A new id: random, never zero, of the calling thread's own generator, so that no two threads or
 * processes (a forked child included) share a sequence. Not for secrets.
 * Thread: any. Blocks: never; one system call in a thread's first use. */
uint64_t tlr__identity_new(void);

#endif
