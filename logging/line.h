/* line.h - what text and JSON lines have in common.
 */
#ifndef TLR_LINE_H
#define TLR_LINE_H

#include <stdbool.h>
#include <string.h>
#include <tailrace/record.h>

/* More than all that a line has around its message, names and file: date, level, keys, context,
 * line number, newline. */
#define TLR__LINE_BYTES_AROUND 256

/* False too where the trace id is all zeros, which means none. */
static inline bool tlr__line_has_context(const struct tlr_record *record) {
    static const unsigned char none[sizeof record->context->trace_id];
    return record->context != NULL && memcmp(record->context->trace_id, none, sizeof none) != 0;
}

static inline char *tlr__line_blanks(char *out, size_t count) {
    memset(out, ' ', count);
    return out + count;
}

#endif
