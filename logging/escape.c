#include "escape.h"

#include <stdint.h>
#include <string.h>

/* ---- clean text, which nearly all is ------------------------------------------------------- */

/* Sixteen bytes at once, by the compiler's own vectors: a test gives 0xff in each byte it is true
 * for. ASCII alone passes here; the rest is looked at byte by byte. */
typedef unsigned char bytes16 __attribute__((vector_size(16)));

static inline bytes16 dirty_literal(bytes16 x) {
    return (bytes16)(x < 0x20) | (bytes16)(x >= 0x7f);
}

static inline bytes16 dirty_name(bytes16 x) {
    return (bytes16)(x <= ' ') | (bytes16)(x >= 0x7f);
}

static inline bytes16 dirty_message(bytes16 x) {
    return dirty_literal(x) | (bytes16)(x == '=');
}

static inline bytes16 dirty_value(bytes16 x) {
    return dirty_name(x) | (bytes16)(x == '=') | (bytes16)(x == '"');
}

static inline bytes16 dirty_json(bytes16 x) {
    return dirty_literal(x) | (bytes16)(x == '"') | (bytes16)(x == '\\');
}

static inline bool any(bytes16 mask) {
    uint64_t halves[2];
    memcpy(halves, &mask, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

/* Up to 15 bytes as a vector: nothing outside of them is read, some of them stand in it twice. */
static inline bytes16 load_short(const char *text, size_t size) {
    uint64_t halves[2];
    if (size >= 8) {
        memcpy(&halves[0], text, 8);
        memcpy(&halves[1], text + size - 8, 8);
    } else if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, text, 4);
        memcpy(&last, text + size - 4, 4);
        halves[0] = halves[1] = first | (uint64_t)last << 32;
    } else {
        const uint64_t first = (unsigned char)text[0];
        const uint64_t middle = (unsigned char)text[size / 2];
        const uint64_t last = (unsigned char)text[size - 1];
        halves[0] = halves[1] =
            (first | middle << 8 | last << 16) * UINT64_C(0x1000001) | first << 48 | first << 56;
    }
    bytes16 x;
    memcpy(&x, halves, sizeof x);
    return x;
}

static inline void copy_short(char *out, const char *text, size_t size) {
    if (size >= 8) {
        memcpy(out, text, 8);
        memcpy(out + size - 8, text + size - 8, 8);
    } else if (size >= 4) {
        memcpy(out, text, 4);
        memcpy(out + size - 4, text + size - 4, 4);
    } else {
        const char middle = text[size / 2], last = text[size - 1];
        out[0] = text[0];
        out[size / 2] = middle;
        out[size - 1] = last;
    }
}

/* Copies text if nothing in it is dirty; else what lies at `out` does not matter. */
static inline __attribute__((always_inline)) bool
copy_clean(char *out, const char *text, size_t size, bytes16 (*dirty)(bytes16)) {
    if (size < 16) {
        if (size == 0) return true;
        if (any(dirty(load_short(text, size)))) return false;
        copy_short(out, text, size);
        return true;
    }
    for (size_t i = 0;; i += 16) {
        if (i > size - 16) i = size - 16; /* the last one overlaps */
        bytes16 x;
        memcpy(&x, text + i, sizeof x);
        if (any(dirty(x))) return false;
        memcpy(out + i, &x, sizeof x);
        if (i == size - 16) return true;
    }
}

/* ---- the rest, character by character ------------------------------------------------------- */

struct character {
    size_t bytes;        /* 1 for an invalid byte */
    uint32_t code_point; /* of a valid one */
    bool valid;
    bool safe;
};

/* Strict UTF-8 as Unicode's table 3-7 has it: no overlong forms, no surrogates. */
static struct character read_multibyte(const unsigned char *at, size_t size) {
    const struct character invalid = {.bytes = 1};
    const unsigned lead = at[0];
    const size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || bytes > size) return invalid;
    uint32_t code_point = lead & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80) return invalid;
        code_point = code_point << 6 | (at[i] & 0x3fu);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code_point < least[bytes] || code_point > 0x10ffff) return invalid;
    if (code_point >= 0xd800 && code_point <= 0xdfff) return invalid;
    const bool acts = code_point < 0xa0 || (code_point >= 0x2028 && code_point <= 0x202e) ||
                      (code_point >= 0x2066 && code_point <= 0x2069);
    return (struct character){bytes, code_point, true, !acts};
}

static inline struct character read_character(const char *text, size_t size) {
    const unsigned char first = (unsigned char)text[0];
    if (first >= 0x80) return read_multibyte((const unsigned char *)text, size);
    return (struct character){1, first, true, first >= 0x20 && first != 0x7f};
}

static const char hex_digits[] = "0123456789abcdef";

static char *put_escaped_byte(char *out, unsigned char byte) {
    *out++ = '\\';
    switch (byte) {
    case '\n':
        *out++ = 'n';
        return out;
    case '\t':
        *out++ = 't';
        return out;
    case '\r':
        *out++ = 'r';
        return out;
    default:
        *out++ = 'x';
        *out++ = hex_digits[byte >> 4];
        *out++ = hex_digits[byte & 15];
        return out;
    }
}

/* A character as text lines have it. */
static char *put_character(char *out, const char *text, const struct character *character) {
    for (size_t i = 0; i < character->bytes; i++) {
        if (character->safe)
            *out++ = text[i];
        else
            out = put_escaped_byte(out, (unsigned char)text[i]);
    }
    return out;
}

char *tlr__escape_literal(char *out, const char *text, size_t size) {
    if (copy_clean(out, text, size, dirty_literal)) return out + size;
    while (size > 0) {
        const struct character character = read_character(text, size);
        out = put_character(out, text, &character);
        text += character.bytes;
        size -= character.bytes;
    }
    return out;
}

char *tlr__escape_name(char *out, const char *text, size_t size) {
    if (size == 0) {
        *out++ = '-';
        return out;
    }
    if (copy_clean(out, text, size, dirty_name)) return out + size;
    while (size > 0) {
        struct character character = read_character(text, size);
        if (*text == ' ') character.safe = false;
        out = put_character(out, text, &character);
        text += character.bytes;
        size -= character.bytes;
    }
    return out;
}

bool tlr__escape_is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

bool tlr__escape_is_separator(char c) {
    return c == ' ' || c == '(' || c == '[' || c == '{' || c == ',' || c == ';';
}

/* True if a '=' at `at` could be read as that of a field: all that stands before it since a
 * separator, or since the string's begin, is a name. What stands before the string may be the begin
 * of one. */
static bool follows_name(const char *text, size_t at) {
    size_t begin = at;
    while (begin > 0 && tlr__escape_is_name(text[begin - 1])) begin--;
    return begin == 0 || (begin < at && tlr__escape_is_separator(text[begin - 1]));
}

static bool reads_as_field(const char *text, size_t size) {
    for (const char *at = text; (at = memchr(at, '=', size - (size_t)(at - text))) != NULL; at++)
        if (follows_name(text, (size_t)(at - text))) return true;
    return false;
}

char *tlr__escape_message(char *out, const char *text, size_t size) {
    if (copy_clean(out, text, size, dirty_message)) return out + size;
    if (copy_clean(out, text, size, dirty_literal) && !reads_as_field(text, size))
        return out + size;
    for (size_t i = 0; i < size;) {
        const struct character character = read_character(text + i, size - i);
        if (text[i] == '=' && follows_name(text, i)) *out++ = '\\';
        out = put_character(out, text + i, &character);
        i += character.bytes;
    }
    return out;
}

static bool needs_quotes(const char *text, size_t size) {
    while (size > 0) {
        const struct character character = read_character(text, size);
        if (!character.safe || *text == ' ' || *text == '"' || *text == '=') return true;
        text += character.bytes;
        size -= character.bytes;
    }
    return false;
}

static char *put_quoted(char *out, const char *text, size_t size) {
    *out++ = '"';
    if (copy_clean(out, text, size, dirty_json)) {
        out += size;
        size = 0;
    }
    while (size > 0) {
        const struct character character = read_character(text, size);
        if (*text == '"' || *text == '\\') *out++ = '\\';
        out = put_character(out, text, &character);
        text += character.bytes;
        size -= character.bytes;
    }
    return out;
}

char *tlr__escape_value(char *out, const char *text, size_t size, bool cut) {
    bool quoted = false;
    if (size > 0 && copy_clean(out, text, size, dirty_value)) {
        out += size;
    } else if (size > 0 && !needs_quotes(text, size)) {
        out = mempcpy(out, text, size);
    } else {
        out = put_quoted(out, text, size);
        quoted = true;
    }
    if (cut) out = mempcpy(out, "...", 3);
    if (quoted) *out++ = '"';
    return out;
}

static char *put_json(char *out, const char *text, const struct character *character) {
    if (!character->valid) return mempcpy(out, "\xef\xbf\xbd", 3);
    if (!character->safe) {
        const uint32_t code_point = character->code_point;
        if (code_point == '\n' || code_point == '\t' || code_point == '\r')
            return put_escaped_byte(out, (unsigned char)code_point);
        *out++ = '\\';
        *out++ = 'u';
        for (int shift = 12; shift >= 0; shift -= 4) *out++ = hex_digits[code_point >> shift & 15];
        return out;
    }
    if (*text == '"' || *text == '\\') *out++ = '\\';
    return mempcpy(out, text, character->bytes);
}

char *tlr__escape_json(char *out, const char *text, size_t size) {
    if (copy_clean(out, text, size, dirty_json)) return out + size;
    while (size > 0) {
        const struct character character = read_character(text, size);
        out = put_json(out, text, &character);
        text += character.bytes;
        size -= character.bytes;
    }
    return out;
}
