/* human.h - durations, dates and sizes, as people read them.
 */
#ifndef TLR_HUMAN_H
#define TLR_HUMAN_H

#include <stddef.h>
#include <stdint.h>

#define TLR__HUMAN_BYTES 32 /* holds what each function here writes */

/* Three or four figures: "3.001 s", "12.30 ms", "450 us", "90 ns"; from two minutes on "2 min 5 s".
 * Returns `out`. */
const char *tlr__human_duration(uint64_t duration_ns, char out[TLR__HUMAN_BYTES]);

/* Nanoseconds since 1970 as "2026-11-20T15:03:11.482913Z"; time alone from the 11th character.
 * Returns `out`. */
const char *tlr__human_date(uint64_t date_ns, char out[TLR__HUMAN_BYTES]);

/* "64 KiB", "1.5 MiB". Returns `out`. */
const char *tlr__human_size(uint64_t bytes, char out[TLR__HUMAN_BYTES]);

#endif
