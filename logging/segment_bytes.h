/* segment_bytes.h - how numbers lie in a segment's sections, and the constants they are read with.
 * What they mean stands in segment.h.
 */
#ifndef TLR_SEGMENT_BYTES_H
#define TLR_SEGMENT_BYTES_H

#include "encode.h"

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum tlr__segment_entry_kind {
    TLR__SEGMENT_ENTRY_SITE = 1,
    TLR__SEGMENT_ENTRY_CATEGORY = 2,
    TLR__SEGMENT_ENTRY_THREAD = 3,
};

enum tlr__segment_flag {
    TLR__SEGMENT_FLAG_CONTEXT = 0x01,
    TLR__SEGMENT_FLAG_CONTEXT_AGAIN = 0x02,
    TLR__SEGMENT_FLAG_CATEGORY = 0x04,
    TLR__SEGMENT_FLAG_LEVEL = 0x08,
    TLR__SEGMENT_FLAG_GAP = 0x10,
    TLR__SEGMENT_FLAGS_KNOWN = 0x1f,
};

#define TLR__SEGMENT_CONTEXT_BYTES 32

/* The kind of a value as a segment knows it: one for all strings. */
static inline unsigned char tlr__segment_kind(unsigned char kind) {
    return kind > TLR__KIND_STRING ? (unsigned char)TLR__KIND_STRING : kind;
}

/* What a string of that size takes in a payload (encode.h). */
static inline size_t tlr__segment_string_bytes(size_t size) {
    return (4 + size + 7) & ~(size_t)7;
}

static inline void tlr__segment_store32(unsigned char *out, uint32_t value) {
    value = htole32(value);
    memcpy(out, &value, sizeof value);
}

static inline void tlr__segment_store64(unsigned char *out, uint64_t value) {
    value = htole64(value);
    memcpy(out, &value, sizeof value);
}

static inline uint32_t tlr__segment_load32(const unsigned char *in) {
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return le32toh(value);
}

static inline uint64_t tlr__segment_load64(const unsigned char *in) {
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return le64toh(value);
}

static inline uint64_t tlr__segment_zigzag(uint64_t value) {
    return value << 1 ^ (0 - (value >> 63));
}

static inline uint64_t tlr__segment_unzigzag(uint64_t value) {
    return value >> 1 ^ (0 - (value & 1));
}

/* Returns the place behind it. */
static inline unsigned char *tlr__segment_varint_store(unsigned char *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) *out++ = (unsigned char)(value | 0x80);
    *out++ = (unsigned char)value;
    return out;
}

/* What is left to read of some bytes. Reading past their end, or a malformed number, sets `failed`
 * and gives zeros from then on, so one check after several reads is enough. */
struct tlr__segment_scan {
    const unsigned char *next, *end;
    bool failed;
};

static inline size_t tlr__segment_scan_left(const struct tlr__segment_scan *scan) {
    return (size_t)(scan->end - scan->next);
}

/* The next `count` bytes; NULL if there are fewer. */
static inline const unsigned char *tlr__segment_scan_bytes(struct tlr__segment_scan *scan,
                                                           uint64_t count) {
    if (count > tlr__segment_scan_left(scan)) {
        scan->failed = true;
        scan->next = scan->end;
        return NULL;
    }
    const unsigned char *bytes = scan->next;
    scan->next += count;
    return bytes;
}

static inline unsigned tlr__segment_scan_byte(struct tlr__segment_scan *scan) {
    const unsigned char *byte = tlr__segment_scan_bytes(scan, 1);
    return byte ? *byte : 0;
}

static inline uint64_t tlr__segment_scan_varint(struct tlr__segment_scan *scan) {
    const unsigned char *next = scan->next;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && next < scan->end; shift += 7) {
        uint64_t byte = *next++;
        value |= (byte & 0x7f) << shift;
        if (byte >= 0x80) continue;
        if (shift == 63 && byte > 1) break;
        scan->next = next;
        return value;
    }
    scan->failed = true;
    scan->next = scan->end;
    return 0;
}

#endif
