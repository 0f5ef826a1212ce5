/* print.h - one conversion of a value, byte for byte as printf does it in the C locale.
 *
 * Differs from printf only in that widths and precisions above TLR__PARSE_WIDTH_MAX are taken as
 * that. What is printed here needs no escaping.
 * Thread: any. Blocks: never.
 */
#ifndef TLR_PRINT_H
#define TLR_PRINT_H

#include "parse.h"
#include "payload.h"

/* The integer as its conversion's length cuts it, sign- or zero-extended. */
int64_t tlr__print_integer_value(const struct tlr__conversion *conversion,
                                 const struct tlr__payload_values *values);

/* True for d and i. */
static inline bool tlr__print_is_signed(const struct tlr__conversion *conversion) {
    return conversion->letter == 'd' || conversion->letter == 'i';
}

/* Prints a number or a pointer; returns the end. May write a terminator behind it. */
char *tlr__print_number(char *out, const struct tlr__conversion *conversion,
                        const struct tlr__payload_values *values);

/* A string or char as it is to be padded; `left` goes before it, `right` behind. */
struct tlr__print_string {
    const char *bytes;
    size_t size;
    unsigned left, right; /* blanks */
    bool null, cut;
};

void tlr__print_string(const struct tlr__conversion *conversion,
                       const struct tlr__payload_values *values, struct tlr__print_string *string);

/* The most bytes that the conversion can print, a string's own bytes left out. */
size_t tlr__print_bytes_max(const struct tlr__conversion *conversion);

#endif
