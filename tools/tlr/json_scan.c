/* json_scan.c - see json_scan.h. The grammar is RFC 8259's; a nested value is skipped by its
 * brackets and strings alone.
 */
#include "json_scan.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

enum { FIRST, FURTHER, DONE };

enum { DEPTH_MAX = 64 };

static void blanks_skip(struct tlr__json_scan *scan) {
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t')) scan->at++;
}

static int byte_take(struct tlr__json_scan *scan, char byte) {
    blanks_skip(scan);
    if (scan->at == scan->end || *scan->at != byte) return -EINVAL;
    scan->at++;
    return 0;
}

/* At the opening quote. */
static int string_take(struct tlr__json_scan *scan, const char **text, size_t *bytes) {
    const char *begin = ++scan->at;
    for (; scan->at < scan->end; scan->at++) {
        if (*scan->at == '\\') {
            if (++scan->at == scan->end) return -EINVAL;
        } else if (*scan->at == '"') {
            *text = begin;
            *bytes = (size_t)(scan->at++ - begin);
            return 0;
        }
    }
    return -EINVAL;
}

/* At the opening bracket. */
static int nested_skip(struct tlr__json_scan *scan) {
    char closing[DEPTH_MAX];
    unsigned depth = 0;
    const char *text;
    size_t bytes;
    while (scan->at < scan->end) {
        char byte = *scan->at;
        if (byte == '"') {
            if (string_take(scan, &text, &bytes) < 0) return -EINVAL;
            continue;
        }
        if (byte == '{' || byte == '[') {
            if (depth == DEPTH_MAX) return -EINVAL;
            closing[depth++] = byte == '{' ? '}' : ']';
        } else if (byte == '}' || byte == ']') {
            if (closing[--depth] != byte) return -EINVAL;
            if (depth == 0) {
                scan->at++;
                return 0;
            }
        }
        scan->at++;
    }
    return -EINVAL;
}

static int is_plain_end(char byte) {
    return byte == ',' || byte == '}' || byte == ' ' || byte == '\t';
}

static int plain_take(struct tlr__json_scan *scan, struct tlr__json_scan_member *member) {
    static const char *const words[] = {"true", "false", "null"};
    const char *begin = scan->at;
    while (scan->at < scan->end && !is_plain_end(*scan->at)) scan->at++;
    member->value = begin;
    member->value_bytes = (size_t)(scan->at - begin);
    for (unsigned i = 0; i < 3; i++) {
        if (member->value_bytes != strlen(words[i]) ||
            memcmp(begin, words[i], member->value_bytes) != 0)
            continue;
        member->type = TLR__JSON_WORD;
        return 0;
    }
    member->type = TLR__JSON_NUMBER;
    for (const char *at = begin; at < scan->at; at++)
        if (!*at || !strchr("0123456789+-.eE", *at)) return -EINVAL;
    return member->value_bytes ? 0 : -EINVAL;
}

static int value_take(struct tlr__json_scan *scan, struct tlr__json_scan_member *member) {
    blanks_skip(scan);
    if (scan->at == scan->end) return -EINVAL;
    member->value = scan->at;
    if (*scan->at == '"') {
        member->type = TLR__JSON_STRING;
        return string_take(scan, &member->value, &member->value_bytes);
    }
    if (*scan->at != '{' && *scan->at != '[') return plain_take(scan, member);
    member->type = TLR__JSON_NESTED;
    if (nested_skip(scan) < 0) return -EINVAL;
    member->value_bytes = (size_t)(scan->at - member->value);
    return 0;
}

int tlr__json_scan_begin(struct tlr__json_scan *scan, const char *line, size_t bytes) {
    *scan = (struct tlr__json_scan){.at = line, .end = line + bytes, .state = FIRST};
    return byte_take(scan, '{');
}

int tlr__json_scan_next(struct tlr__json_scan *scan, struct tlr__json_scan_member *member) {
    blanks_skip(scan);
    if (scan->state == DONE) return scan->at == scan->end ? 0 : -EINVAL;
    if (byte_take(scan, '}') == 0) {
        scan->state = DONE;
        blanks_skip(scan);
        return scan->at == scan->end ? 0 : -EINVAL;
    }
    if (scan->state == FURTHER && byte_take(scan, ',') < 0) return -EINVAL;
    scan->state = FURTHER;
    blanks_skip(scan);
    if (scan->at == scan->end || *scan->at != '"') return -EINVAL;
    if (string_take(scan, &member->name, &member->name_bytes) < 0) return -EINVAL;
    if (byte_take(scan, ':') < 0 || value_take(scan, member) < 0) return -EINVAL;
    return 1;
}

/* ---- escapes ------------------------------------------------------------------------------- */

/* Four hex digits, or -1. */
static int32_t unit_read(const char *at, const char *end) {
    int32_t unit = 0;
    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char byte = at[i];
        int digit = byte >= '0' && byte <= '9'                 ? byte - '0'
                    : (byte | 32) >= 'a' && (byte | 32) <= 'f' ? (byte | 32) - 'a' + 10
                                                               : -1;
        if (digit < 0) return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* At most 4 bytes for the 6 or 12 that an escape takes. */
static size_t utf8_write(uint32_t code, char *out) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(first[size] | code);
    return size;
}

size_t tlr__json_scan_unescape(const char *text, size_t bytes, char *out) {
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *end = text + bytes;
    size_t used = 0;
    while (text < end) {
        if (*text != '\\' || text + 1 == end) {
            out[used++] = *text++;
            continue;
        }
        const char *letter = strchr(letters, text[1]);
        int32_t unit = text[1] == 'u' ? unit_read(text + 2, end) : -1;
        if (text[1] && letter) {
            out[used++] = meant[letter - letters];
            text += 2;
        } else if (unit < 0) {
            out[used++] = *text++;
        } else {
            text += 6;
            uint32_t code = (uint32_t)unit;
            if (code >= 0xd800 && code < 0xdc00 && end - text >= 6 && text[0] == '\\' &&
                text[1] == 'u') {
                int32_t low = unit_read(text + 2, end);
                if (low >= 0xdc00 && low < 0xe000) {
                    code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
                    text += 6;
                }
            }
            used += utf8_write(code, out + used);
        }
    }
    return used;
}
