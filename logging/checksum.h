/* checksum.h - CRC-32C, the checksum of segments.
 *
 * Castagnoli's polynomial, as in RFC 3720 (appendix B.4 has test values). Computed by the
 * processor's own instruction on x86-64 with SSE 4.2; elsewhere from tables, eight bytes at a time
 * (Kounavis and Berry, "A Systematic Approach to Building High Performance Software-based CRC
 * Generators", 2005).
 */
#ifndef TLR_CHECKSUM_H
#define TLR_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Thread: any. Blocks: never. */
uint32_t tlr__checksum(const void *bytes, size_t size);

/* The same from tables, whatever the processor offers. */
uint32_t tlr__checksum_portable(const void *bytes, size_t size);

#endif
