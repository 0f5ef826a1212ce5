/* number.h - numbers as decimal text, as fast as they can be written exactly.
 *
 * Each function writes at `out`, without a terminator, and returns the end of what it wrote.
 * Thread: any. Blocks: never.
 */
#ifndef TLR_NUMBER_H
#define TLR_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLR__NUMBER_BYTES_MAX 20 /* of an integer */
#define TLR__NUMBER_PRECISION_MAX 18

char *tlr__number_unsigned(char *out, uint64_t value);
char *tlr__number_signed(char *out, int64_t value);

/* A value below 10^digits, with leading zeros. */
char *tlr__number_digits(char *out, uint64_t value, unsigned digits);

/* Lower-case hexadecimal of these bytes, two digits each. */
char *tlr__number_hex(char *out, const unsigned char *bytes, size_t count);

/* Sixteen lower-case hexadecimal digits. */
char *tlr__number_hex64(char *out, uint64_t value);

/* True if tlr__number_fixed can print it: |value| < 2^63, precision in range. */
bool tlr__number_fixed_fits(double value, unsigned precision);

/* The magnitude (no sign) as %.*f prints it: the exact binary value, halves rounded to even. At
 * most 20 + TLR__NUMBER_PRECISION_MAX bytes. */
char *tlr__number_fixed(char *out, double value, unsigned precision);

#endif
