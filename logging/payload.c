#include "payload.h"

static uint32_t string_header(const unsigned char *at) {
    uint32_t header;
    memcpy(&header, at, sizeof header);
    return header;
}

static bool string_header_valid(uint32_t header) {
    const uint32_t size = header & TLR__STRING_SIZE_MASK;
    const uint32_t flags = header & ~TLR__STRING_SIZE_MASK;
    if (size > TLR_STRING_BYTES_MAX) return false;
    return flags == 0 || flags == TLR__STRING_CUT || (flags == TLR__STRING_NULL && size == 0);
}

bool tlr__payload_valid(const struct tlr__plan *plan, const unsigned char *payload, size_t bytes) {
    size_t used = 0;
    for (unsigned i = 0; i < plan->value_count; i++) {
        size_t size = plan->kinds[i] == TLR__KIND_LONG_DOUBLE ? 16 : 8;
        if (bytes - used < size) return false;
        if (plan->kinds[i] >= TLR__KIND_STRING) {
            const uint32_t header = string_header(payload + used);
            if (!string_header_valid(header)) return false;
            size = tlr__encode_string_room(header);
            if (bytes - used < size) return false;
        }
        used += size;
    }
    return used == bytes;
}

void tlr__payload_locate(const struct tlr__plan *plan, const unsigned char *payload,
                         struct tlr__payload_values *values) {
    unsigned i = 0;
    for (; i < plan->word_count; i++) values->at[i] = payload + (size_t)i * 8;
    payload += (size_t)i * 8;
    for (; i < plan->value_count; i++) {
        values->at[i] = payload;
        if (plan->kinds[i] >= TLR__KIND_STRING)
            payload += tlr__encode_string_room(string_header(payload));
        else
            payload += plan->kinds[i] == TLR__KIND_LONG_DOUBLE ? 16 : 8;
    }
}
