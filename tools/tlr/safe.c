/* safe.c - see safe.h.
 */
#include "safe.h"

#include <stdint.h>

/* One UTF-8 character. Returns its size, or 0 if these bytes are none (RFC 3629: shortest form, no
 * surrogates, nothing above U+10FFFF). */
static size_t character_read(const unsigned char *at, size_t bytes, uint32_t *code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : 4;
    if (size == 1) {
        *code = at[0];
        return 1;
    }
    if ((size == 4 && at[0] >> 3 != 30) || size > bytes) return 0;
    uint32_t value = at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (at[i] >> 6 != 2) return 0;
        value = value << 6 | (at[i] & 0x3fu);
    }
    if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return 0;
    *code = value;
    return size;
}

static int is_harmful(uint32_t code) {
    if (code < 0x20) return code != '\t';
    if (code >= 0x7f && code <= 0x9f) return 1;
    /* Line and paragraph separators, and all that changes the direction of writing. */
    return code == 0x61c || (code >= 0x200e && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0xfeff;
}

static int is_plain(unsigned char byte) {
    return byte >= 0x20 && byte < 0x7f;
}

size_t tlr__safe_clean(const char *text, size_t bytes) {
    const unsigned char *at = (const unsigned char *)text;
    size_t done = 0;
    while (done < bytes) {
        uint32_t code;
        size_t size = 1;
        if (!is_plain(at[done])) {
            size = character_read(at + done, bytes - done, &code);
            if (!size || is_harmful(code)) break;
        }
        done += size;
    }
    return done;
}

/* "\x1b", without a terminator. */
static size_t byte_print(unsigned char byte, char *out) {
    static const char digits[] = "0123456789abcdef";
    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[byte >> 4];
    out[3] = digits[byte & 15];
    return 4;
}

/* "\u001b", likewise; of a character below U+10000, as all harmful ones are. */
static size_t unit_print(uint32_t code, char *out) {
    static const char digits[] = "0123456789abcdef";
    out[0] = '\\';
    out[1] = 'u';
    for (int i = 0; i < 4; i++) out[2 + i] = digits[code >> (12 - 4 * i) & 15];
    return 6;
}

size_t tlr__safe_text(const char *text, size_t bytes, char *out) {
    const unsigned char *at = (const unsigned char *)text;
    size_t used = 0;
    for (size_t done = 0; done < bytes;) {
        uint32_t code;
        size_t size = character_read(at + done, bytes - done, &code);
        int keep = size && !is_harmful(code);
        if (!size) size = 1;
        for (size_t i = 0; i < size; i++, done++) {
            if (keep)
                out[used++] = (char)at[done];
            else
                used += byte_print(at[done], out + used);
        }
    }
    return used;
}

size_t tlr__safe_json(const char *text, size_t bytes, char *out) {
    const unsigned char *at = (const unsigned char *)text;
    size_t used = 0;
    for (size_t done = 0; done < bytes;) {
        uint32_t code;
        size_t size = character_read(at + done, bytes - done, &code);
        if (!size) {
            used += unit_print(0xfffd, out + used);
            done++;
        } else if (is_harmful(code)) {
            used += unit_print(code, out + used);
            done += size;
        } else {
            while (size--) out[used++] = (char)at[done++];
        }
    }
    return used;
}
