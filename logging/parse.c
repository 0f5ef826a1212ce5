#include "parse.h"

#include <limits.h>
#include <string.h>

enum length { LENGTH_NONE, LENGTH_HH, LENGTH_H, LENGTH_L, LENGTH_LL, LENGTH_WORD, LENGTH_LONG };

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static const char *read_flags(const char *at, uint8_t *flags) {
    for (;; at++) {
        switch (*at) {
        case '-':
            *flags |= TLR__FLAG_LEFT;
            break;
        case '+':
            *flags |= TLR__FLAG_SIGN;
            break;
        case ' ':
            *flags |= TLR__FLAG_SPACE;
            break;
        case '#':
            *flags |= TLR__FLAG_ALTERNATE;
            break;
        case '0':
            *flags |= TLR__FLAG_ZERO;
            break;
        case '\'': /* grouping and other digits: the C locale has neither */
        case 'I':
            break;
        default:
            return at;
        }
    }
}

static const char *read_number(const char *at, unsigned max, unsigned *number) {
    *number = 0;
    for (; is_digit(*at); at++) {
        *number = *number * 10 + (unsigned)(*at - '0');
        if (*number > max) *number = max;
    }
    return at;
}

static const char *read_length(const char *at, enum length *length) {
    *length = LENGTH_NONE;
    switch (*at) {
    case 'h':
        *length = at[1] == 'h' ? LENGTH_HH : LENGTH_H;
        return at + (at[1] == 'h' ? 2 : 1);
    case 'l':
        *length = at[1] == 'l' ? LENGTH_LL : LENGTH_L;
        return at + (at[1] == 'l' ? 2 : 1);
    case 'q':
        *length = LENGTH_LL;
        return at + 1;
    case 'L':
        *length = LENGTH_LONG;
        return at + 1;
    case 'j':
    case 'z':
    case 't':
        *length = LENGTH_WORD;
        return at + 1;
    default:
        return at;
    }
}

static unsigned bits_of(enum length length) {
    switch (length) {
    case LENGTH_HH:
        return CHAR_BIT;
    case LENGTH_H:
        return CHAR_BIT * sizeof(short);
    case LENGTH_NONE:
        return CHAR_BIT * sizeof(int);
    case LENGTH_L:
        return CHAR_BIT * sizeof(long);
    case LENGTH_WORD:
        return CHAR_BIT * sizeof(size_t);
    default:
        return 64;
    }
}

/* The tag of the next argument, which is then taken; 0: there is none left. */
static unsigned take(struct tlr__parse *parse, uint8_t *index) {
    if (parse->value_next >= parse->value_count) return 0;
    *index = (uint8_t)parse->value_next;
    return parse->tags[parse->value_next++];
}

/* Decides what an argument of that tag is copied as under this letter; 0: it does not fit. */
static unsigned kind_of(const struct tlr__conversion *conversion, enum length length, unsigned tag,
                        bool has_precision) {
    switch (conversion->letter) {
    case 'c':
        if (length != LENGTH_NONE && length != LENGTH_H && length != LENGTH_HH) return 0; /* wide */
        return tag == TLR_TAG_INTEGER ? TLR__KIND_WORD : 0;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        return tag == TLR_TAG_INTEGER ? TLR__KIND_WORD : 0;
    case 'p': /* an integer is C++'s NULL */
        return tag == TLR_TAG_POINTER || tag == TLR_TAG_STRING || tag == TLR_TAG_INTEGER
                   ? TLR__KIND_WORD
                   : 0;
    case 's': /* the compiler passes unsigned char *, tagged as a pointer, without a warning */
        if (length != LENGTH_NONE && length != LENGTH_H && length != LENGTH_HH) return 0; /* wide */
        if (tag != TLR_TAG_STRING && tag != TLR_TAG_POINTER) return 0;
        if (conversion->precision_value != TLR__NO_VALUE) return TLR__KIND_STRING_STAR;
        return has_precision ? TLR__KIND_STRING_PRECISION : TLR__KIND_STRING;
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
    case 'a':
    case 'A':
        if (length == LENGTH_LONG) return tag == TLR_TAG_LONG_DOUBLE ? TLR__KIND_LONG_DOUBLE : 0;
        return tag == TLR_TAG_DOUBLE ? TLR__KIND_REAL : 0;
    default:
        return 0; /* n among them */
    }
}

/* Reads the conversion at `parse->next`, which is a %. */
static void read_conversion(struct tlr__parse *parse, struct tlr__piece *piece) {
    struct tlr__conversion *conversion = &piece->conversion;
    *conversion = (struct tlr__conversion){
        .precision = -1, .width_value = TLR__NO_VALUE, .precision_value = TLR__NO_VALUE};
    bool fits = true, has_all = true, has_precision = false;
    unsigned number;
    const char *at = read_flags(parse->next + 1, &conversion->flags);

    if (*at == '*') {
        unsigned tag = take(parse, &conversion->width_value);
        fits = fits && tag == TLR_TAG_INTEGER;
        has_all = has_all && tag != 0;
        at++;
    } else {
        at = read_number(at, TLR__PARSE_WIDTH_MAX, &number);
        conversion->width = (int16_t)number;
    }
    if (*at == '.') {
        has_precision = true;
        if (*++at == '*') {
            unsigned tag = take(parse, &conversion->precision_value);
            fits = fits && tag == TLR_TAG_INTEGER;
            has_all = has_all && tag != 0;
            at++;
        } else {
            at = read_number(at, UINT16_MAX, &number);
            conversion->string_bytes = (uint16_t)number;
            if (number > TLR__PARSE_WIDTH_MAX) number = TLR__PARSE_WIDTH_MAX;
            conversion->precision = (int16_t)number;
        }
    }
    enum length length;
    at = read_length(at, &length);
    conversion->letter = *at;
    conversion->integer_bits = (uint8_t)bits_of(length);
    conversion->plain = conversion->flags == 0 && conversion->width == 0 && !has_precision &&
                        conversion->width_value == TLR__NO_VALUE;
    if (*at != '\0') at++;
    piece->text = parse->next;
    piece->text_bytes = (size_t)(at - parse->next);
    parse->next = at;

    if (conversion->letter == '%') {
        piece->type = TLR__PIECE_PERCENT;
        return;
    }
    if (conversion->letter == 'm' || conversion->letter == '\0') { /* these take no argument */
        piece->type = TLR__PIECE_BAD;
        return;
    }
    unsigned tag = take(parse, &conversion->value);
    conversion->kind = (uint8_t)kind_of(conversion, length, tag, has_precision);
    has_all = has_all && tag != 0;
    fits = fits && conversion->kind != 0;
    bool known = strchr("diuoxXcpsfFeEgGaA", conversion->letter) != NULL;
    if (known && !has_all)
        piece->type = TLR__PIECE_MISSING;
    else
        piece->type = fits ? TLR__PIECE_CONVERSION : TLR__PIECE_BAD;
}

bool tlr__parse_next(struct tlr__parse *parse, struct tlr__piece *piece) {
    piece->literal = parse->next;
    piece->literal_bytes = strcspn(parse->next, "%");
    parse->next += piece->literal_bytes;
    if (*parse->next == '\0') {
        piece->type = TLR__PIECE_END;
        piece->text = parse->next;
        piece->text_bytes = 0;
        return false;
    }
    read_conversion(parse, piece);
    return true;
}
