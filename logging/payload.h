/* payload.h - reading a record's payload back; encode.h says how it lies, encode.c writes it.
 */
#ifndef TLR_PAYLOAD_H
#define TLR_PAYLOAD_H

#include "encode.h"

#include <stdbool.h>
#include <string.h>

/* True if the payload is whole and holds exactly what the plan says: to be asked before anything
 * below, and before printing, for bytes that may be damaged (segments, other processes' rings).
 * Thread: any. Blocks: never. */
bool tlr__payload_valid(const struct tlr__plan *plan, const unsigned char *payload, size_t bytes);

/* Where each value of a valid payload lies. */
struct tlr__payload_values {
    const unsigned char *at[TLR_VALUES_MAX];
};

/* Finds the values of a valid payload. Thread: any. Blocks: never. */
void tlr__payload_locate(const struct tlr__plan *plan, const unsigned char *payload,
                         struct tlr__payload_values *values);

static inline int64_t tlr__payload_word(const unsigned char *at) {
    int64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline double tlr__payload_real(const unsigned char *at) {
    double real;
    memcpy(&real, at, sizeof real);
    return real;
}

static inline long double tlr__payload_long_double(const unsigned char *at) {
    long double real;
    memcpy(&real, at, sizeof real);
    return real;
}

/* The byte that %c prints: the low one of a WORD. */
static inline const char *tlr__payload_char(const unsigned char *at) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (const char *)at + 7;
#else
    return (const char *)at;
#endif
}

struct tlr__payload_string {
    const char *bytes; /* not terminated */
    size_t size;
    bool null; /* the pointer was NULL; size is 0 */
    bool cut;  /* more followed */
};

static inline struct tlr__payload_string tlr__payload_string(const unsigned char *at) {
    uint32_t header;
    memcpy(&header, at, sizeof header);
    return (struct tlr__payload_string){.bytes = (const char *)at + sizeof header,
                                        .size = header & TLR__STRING_SIZE_MASK,
                                        .null = (header & TLR__STRING_NULL) != 0,
                                        .cut = (header & TLR__STRING_CUT) != 0};
}

#endif
