/* encode.h - how a call's arguments lie in a record's payload, and the plan that says so.
 *
 * Payload: the arguments in order, each starting at a multiple of 8 bytes, native byte order:
 *     WORD         8 bytes: an integer widened to 64 bits, or a pointer
 *     REAL         8 bytes: a double
 *     LONG_DOUBLE  16 bytes: a long double
 *     STRING       4 bytes size and flags, then the bytes without a terminator, zero-padded to 8
 * `*` widths and precisions are WORDs like any other argument.
 *
 * The plan is made once per site, from its format and tags, by the one parser of formats
 * (format.c). Tags alone cannot decide: under %p a char * is a pointer, and under %.*s it need not
 * be terminated.
 */
#ifndef TLR_ENCODE_H
#define TLR_ENCODE_H

#include <stddef.h>
#include <stdint.h>
#include <tailrace/log.h>

enum tlr__kind {
    TLR__KIND_WORD = 1,
    TLR__KIND_REAL = 2,
    TLR__KIND_LONG_DOUBLE = 3,
    TLR__KIND_STRING = 4,           /* terminated */
    TLR__KIND_STRING_PRECISION = 5, /* at most `precision` bytes are looked at */
    TLR__KIND_STRING_STAR = 6,      /* the same, with the WORD before it as precision */
};

/* A string's first 4 bytes in the payload. */
#define TLR__STRING_SIZE_MASK 0x00ffffffu
#define TLR__STRING_NULL 0x40000000u /* the pointer was NULL */
#define TLR__STRING_CUT 0x80000000u  /* longer than TLR_STRING_BYTES_MAX */

#define TLR__PAYLOAD_BYTES_MAX (64u * 1024u)

struct tlr__plan {
    uint8_t value_count;
    uint8_t word_count; /* leading values that are WORD or REAL: copied as they are */
    uint8_t kinds[TLR_VALUES_MAX];
    uint16_t precision[TLR_VALUES_MAX]; /* of STRING_PRECISION */
};

/* Bytes that these values take, and writes them. In encode.c; the writer's side is format.c. */
size_t tlr__encode_bytes(const struct tlr__plan *plan, const union tlr_value *values,
                         uint32_t string_sizes[TLR_VALUES_MAX]);
void tlr__encode_write(const struct tlr__plan *plan, const union tlr_value *values,
                       const uint32_t string_sizes[TLR_VALUES_MAX], unsigned char *out);

#endif
