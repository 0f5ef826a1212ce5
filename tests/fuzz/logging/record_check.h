/* record_check.h - what holds for every record, however it came about.
 */
#ifndef FUZZ_RECORD_CHECK_H
#define FUZZ_RECORD_CHECK_H

#include <stdlib.h>
#include <string.h>
#include <tailrace/record.h>

/* One newline, at its end, within the bound. */
static inline void line_check(const char *line, size_t bytes, size_t bytes_max) {
    if (bytes == 0 || bytes > bytes_max) abort();
    if (memchr(line, '\n', bytes) != line + bytes - 1) abort();
}

/* Prints it in each form and looks at each field. */
static inline void record_check(const struct tlr_record *record) {
    const size_t bytes_max = tlr_record_line_bytes_max(record);
    char *out = malloc(bytes_max);
    if (out == NULL) abort();
    line_check(out, tlr_record_text(record, out), bytes_max);
    line_check(out, tlr_record_json(record, out), bytes_max);
    const size_t used = tlr_record_message(record, out);
    if (used > bytes_max || memchr(out, '\n', used) != NULL) abort();
    struct tlr_field field;
    for (unsigned i = 0; tlr_record_field_at(record, i, &field) == 0; i++) {
        struct tlr_field same;
        char *name = strndup(field.name, field.name_bytes);
        if (field.name_bytes == 0 || name == NULL) abort();
        if (tlr_record_field(record, name, &same) != 0) abort();
        free(name);
    }
    free(out);
}

#endif
