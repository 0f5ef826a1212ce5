/* request.h - the request that a thread works for.
 */
#ifndef TLR_TRACING_REQUEST_H
#define TLR_TRACING_REQUEST_H

#include <tailrace/trace.h>

/* The request that the calling thread works for, if any, waited behind that stall.
 * Thread: any. Blocks: never. */
void tlr__request_hurt_current(uint64_t culprit, uint64_t duration_ns);

/* The calling thread goes on to something else: what its owner did not suspend is its own no more.
 * Does not touch the request, which may be gone. Thread: any. Blocks: never. */
void tlr__request_forget_current(void);

#endif
