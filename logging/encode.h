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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
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
    uint8_t word_count; /* leading values that are WORD or REAL */
    uint8_t string_count;
    uint8_t strings[TLR_VALUES_MAX]; /* indexes of the values that are strings */
    bool has_long_double;
    bool one_string_last; /* words, then one terminated string: the most common shape with a string
                           */
    uint16_t fixed_bytes; /* of all values but the strings */
    uint8_t kinds[TLR_VALUES_MAX];
    uint16_t precision[TLR_VALUES_MAX]; /* of STRING_PRECISION */
};

/* A string's size and flags, as they will stand in the payload, where nothing limits the look. */
static inline uint32_t tlr__encode_string_size(const char *text) {
    if (__builtin_expect(text == NULL, 0)) return TLR__STRING_NULL;
    const size_t bytes = strlen(text);
    return __builtin_expect(bytes > TLR_STRING_BYTES_MAX, 0)
               ? TLR_STRING_BYTES_MAX | TLR__STRING_CUT
               : (uint32_t)bytes;
}

/* Room of a string with its size: a multiple of 8. */
static inline size_t tlr__encode_string_room(uint32_t size) {
    return (4 + (size_t)(size & TLR__STRING_SIZE_MASK) + 7) & ~(size_t)7;
}

/* Bytes that these values take, of any shape; notes the sizes of the strings, in their order. */
size_t tlr__encode_bytes(const struct tlr__plan *plan, const union tlr_value *values,
                         uint32_t string_sizes[TLR_VALUES_MAX]);

/* Copies up to 16 bytes without a call: most strings are short. */
static inline void tlr__encode_copy(unsigned char *out, const char *in, size_t bytes) {
    if (bytes > 16) {
        memcpy(out, in, bytes);
    } else if (bytes >= 8) {
        memcpy(out, in, 8);
        memcpy(out + bytes - 8, in + bytes - 8, 8);
    } else if (bytes >= 4) {
        memcpy(out, in, 4);
        memcpy(out + bytes - 4, in + bytes - 4, 4);
    } else {
        for (size_t i = 0; i < bytes; i++) out[i] = (unsigned char)in[i];
    }
}

/* room: tlr__encode_string_room(size). */
static inline void tlr__encode_string(unsigned char *out, const char *text, uint32_t size,
                                      size_t room) {
    memset(out + room - 8, 0, 8); /* the padding; the bytes before it are written now */
    memcpy(out, &size, 4);
    tlr__encode_copy(out + 4, text, size & TLR__STRING_SIZE_MASK);
}

static inline unsigned char *tlr__encode_words(unsigned char *out, const union tlr_value *values,
                                               unsigned count) {
    unsigned char *const end = out + (size_t)count * 8;
    for (; out != end; out += 8, values++) memcpy(out, values, 8);
    return out;
}

/* Writes the payload of any shape. */
void tlr__encode_write(const struct tlr__plan *plan, const union tlr_value *values,
                       const uint32_t string_sizes[TLR_VALUES_MAX], unsigned char *out);

#endif
