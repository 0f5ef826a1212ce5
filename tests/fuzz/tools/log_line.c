/* log_line.c - any bytes as a line of a log: its short form keeps to its bound, its JSON form is
 * JSON.
 */
#include "log_line.h"
#include "json_scan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must_be_json(const char *text, size_t size) {
    struct tlr__json_scan scan;
    struct tlr__json_scan_member member;
    int result = tlr__json_scan_begin(&scan, text, size);
    if (result == 0) {
        do result = tlr__json_scan_next(&scan, &member);
        while (result == 1);
    }
    if (result != 0 || memchr(text, '\n', size) != NULL) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const char *text = (const char *)bytes;
    if (memchr(text, '\n', size) != NULL) return 0;
    struct tlr__log_line line;
    tlr__log_line_parse(&line, text, size);
    (void)tlr__log_line_date_ns(&line);
    (void)tlr__log_line_has_trace(text, size, "4bf92f");

    const size_t bytes_max = tlr__log_line_short_bytes_max(size);
    char *out = malloc(bytes_max);
    if (out == NULL) abort();
    if (tlr__log_line_short(&line, out) > bytes_max) abort();
    const size_t used = tlr__log_line_json(&line, out);
    if (used > bytes_max) abort();
    must_be_json(out, used);
    free(out);
    return 0;
}
