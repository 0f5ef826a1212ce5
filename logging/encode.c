#include "encode.h"

#include <stdbool.h>
#include <string.h>

static uint32_t string_bytes(const struct tlr__plan *plan, const union tlr_value *values,
                             unsigned index) {
    const char *text = values[index].pointer;
    if (text == NULL) return TLR__STRING_NULL;
    size_t limit = TLR_STRING_BYTES_MAX + 1;
    bool limited = false;
    size_t precision = 0;
    if (plan->kinds[index] == TLR__KIND_STRING_PRECISION) {
        precision = plan->precision[index];
        limited = true;
    } else if (plan->kinds[index] == TLR__KIND_STRING_STAR) {
        const int star = (int)values[index - 1].integer;
        limited = star >= 0; /* a negative precision counts as none */
        precision = limited ? (size_t)star : 0;
    }
    if (limited && precision < limit) limit = precision;
    const size_t bytes = strnlen(text, limit);
    return bytes > TLR_STRING_BYTES_MAX ? TLR_STRING_BYTES_MAX | TLR__STRING_CUT : (uint32_t)bytes;
}

size_t tlr__encode_bytes(const struct tlr__plan *plan, const union tlr_value *values,
                         uint32_t string_sizes[TLR_VALUES_MAX]) {
    size_t bytes = (size_t)plan->word_count * 8;
    for (unsigned i = plan->word_count; i < plan->value_count; i++) {
        switch (plan->kinds[i]) {
        case TLR__KIND_WORD:
        case TLR__KIND_REAL:
            bytes += 8;
            break;
        case TLR__KIND_LONG_DOUBLE:
            bytes += 16;
            break;
        default:
            string_sizes[i] = string_bytes(plan, values, i);
            bytes += (4 + (string_sizes[i] & TLR__STRING_SIZE_MASK) + 7) & ~(size_t)7;
        }
    }
    return bytes;
}

void tlr__encode_write(const struct tlr__plan *plan, const union tlr_value *values,
                       const uint32_t string_sizes[TLR_VALUES_MAX], unsigned char *out) {
    for (unsigned i = 0; i < plan->word_count; i++, out += 8) memcpy(out, &values[i], 8);
    for (unsigned i = plan->word_count; i < plan->value_count; i++) {
        switch (plan->kinds[i]) {
        case TLR__KIND_WORD:
        case TLR__KIND_REAL:
            memcpy(out, &values[i], 8);
            out += 8;
            break;
        case TLR__KIND_LONG_DOUBLE:
            memset(out, 0, 16); /* a long double is shorter on some machines */
            memcpy(out, values[i].pointer, sizeof(long double));
            out += 16;
            break;
        default: {
            const size_t bytes = string_sizes[i] & TLR__STRING_SIZE_MASK;
            const size_t padded = (4 + bytes + 7) & ~(size_t)7;
            memset(out + padded - 8, 0, 8);
            memcpy(out, &string_sizes[i], 4);
            if (bytes > 0) memcpy(out + 4, values[i].pointer, bytes);
            out += padded;
        }
        }
    }
}
