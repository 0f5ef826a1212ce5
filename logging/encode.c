#include "encode.h"

uint32_t tlr__encode_limited_size(const struct tlr__plan *plan, const union tlr_value *values,
                                  unsigned index) {
    size_t limit = plan->precision[index];
    if (plan->kinds[index] == TLR__KIND_STRING_STAR) {
        const int star = (int)values[index - 1].integer;
        limit = star >= 0 ? (size_t)star : SIZE_MAX; /* a negative precision counts as none */
    }
    if (limit > TLR_STRING_BYTES_MAX) limit = TLR_STRING_BYTES_MAX + 1;
    const size_t bytes = strnlen(values[index].pointer, limit);
    return bytes > TLR_STRING_BYTES_MAX ? TLR_STRING_BYTES_MAX | TLR__STRING_CUT : (uint32_t)bytes;
}
