/* date.h - a record's date as text, which costs a few stores: the second is kept from line to line.
 */
#ifndef TLR_DATE_H
#define TLR_DATE_H

#include <stdint.h>

#define TLR__DATE_BYTES 27

/* Writes `2026-11-20T15:03:11.482913Z` (UTC), unterminated; returns the end.
 * Thread: any. Blocks: never. */
char *tlr__date_print(char *out, uint64_t time_ns);

#endif
