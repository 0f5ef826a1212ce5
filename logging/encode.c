#include "encode.h"

static uint32_t limited_size(const struct tlr__plan *plan, const union tlr_value *values,
                             unsigned index) {
    size_t limit = plan->precision[index];
    if (plan->kinds[index] == TLR__KIND_STRING_STAR) {
        const int star = (int)values[index - 1].integer;
        limit = star >= 0 ? (size_t)star : SIZE_MAX; /* a negative precision counts as none */
    }
    if (values[index].pointer == NULL) return TLR__STRING_NULL;
    if (limit > TLR_STRING_BYTES_MAX) limit = TLR_STRING_BYTES_MAX + 1;
    const size_t bytes = strnlen(values[index].pointer, limit);
    return bytes > TLR_STRING_BYTES_MAX ? TLR_STRING_BYTES_MAX | TLR__STRING_CUT : (uint32_t)bytes;
}

size_t tlr__encode_bytes(const struct tlr__plan *plan, const union tlr_value *values,
                         uint32_t string_sizes[TLR_VALUES_MAX]) {
    size_t bytes = plan->fixed_bytes;
    for (unsigned i = 0; i < plan->string_count; i++) {
        const unsigned index = plan->strings[i];
        string_sizes[i] = plan->kinds[index] == TLR__KIND_STRING
                              ? tlr__encode_string_size(values[index].pointer)
                              : limited_size(plan, values, index);
        bytes += tlr__encode_string_room(string_sizes[i]);
    }
    return bytes;
}

static unsigned char *long_doubles(const struct tlr__plan *plan, const union tlr_value *values,
                                   unsigned begin, unsigned end, unsigned char *out) {
    for (unsigned i = begin; i < end; i++) {
        if (plan->kinds[i] != TLR__KIND_LONG_DOUBLE) {
            out = tlr__encode_words(out, &values[i], 1);
            continue;
        }
        memset(out, 0, 16); /* a long double is shorter on some machines */
        memcpy(out, values[i].pointer, sizeof(long double));
        out += 16;
    }
    return out;
}

void tlr__encode_write(const struct tlr__plan *plan, const union tlr_value *values,
                       const uint32_t string_sizes[TLR_VALUES_MAX], unsigned char *out) {
    unsigned at = 0;
    for (unsigned i = 0; i <= plan->string_count; i++) {
        const unsigned end = i < plan->string_count ? plan->strings[i] : plan->value_count;
        out = plan->has_long_double ? long_doubles(plan, values, at, end, out)
                                    : tlr__encode_words(out, &values[at], end - at);
        if (i == plan->string_count) return;
        const size_t room = tlr__encode_string_room(string_sizes[i]);
        tlr__encode_string(out, values[end].pointer, string_sizes[i], room);
        out += room;
        at = end + 1;
    }
}
