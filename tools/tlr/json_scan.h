/* json_scan.h - the members of one JSON object that stands on a line, without building a tree.
 */
#ifndef TLR_JSON_SCAN_H
#define TLR_JSON_SCAN_H

#include <stddef.h>

enum tlr__json_scan_type {
    TLR__JSON_STRING = 1,
    TLR__JSON_NUMBER = 2,
    TLR__JSON_WORD = 3,   /* true, false, null */
    TLR__JSON_NESTED = 4, /* an object or array, as it stands */
};

/* Pointers lead into the line. */
struct tlr__json_scan_member {
    const char *name; /* as it stands, escapes not undone */
    size_t name_bytes;
    enum tlr__json_scan_type type;
    const char *value; /* of a string: without its quotes, escapes not undone */
    size_t value_bytes;
};

struct tlr__json_scan {
    const char *at, *end;
    int state;
};

/* Begins at a line that may be an object. Errors: -EINVAL it does not begin with a brace. */
int tlr__json_scan_begin(struct tlr__json_scan *scan, const char *line, size_t bytes);

/* The next member: 1; 0 after the closing brace with nothing behind it; -EINVAL not JSON. */
int tlr__json_scan_next(struct tlr__json_scan *scan, struct tlr__json_scan_member *member);

/* Undoes a string's escapes; `out` has room for `bytes`. Returns the size written. */
size_t tlr__json_scan_unescape(const char *text, size_t bytes, char *out);

#endif
