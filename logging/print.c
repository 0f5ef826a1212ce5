#include "print.h"

#include "number.h"

#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>

/* Flags, width and precision with their stars looked up. */
struct layout {
    unsigned flags;
    unsigned width;
    int precision; /* -1: none */
};

static int star(const struct tlr__payload_values *values, unsigned index) {
    const int number = (int)tlr__payload_word(values->at[index]);
    if (number > TLR__PARSE_WIDTH_MAX) return TLR__PARSE_WIDTH_MAX;
    return number < -TLR__PARSE_WIDTH_MAX ? -TLR__PARSE_WIDTH_MAX : number;
}

static struct layout layout_of(const struct tlr__conversion *conversion,
                               const struct tlr__payload_values *values) {
    struct layout layout = {conversion->flags, (unsigned)conversion->width, conversion->precision};
    if (conversion->width_value != TLR__NO_VALUE) {
        const int width = star(values, conversion->width_value);
        if (width < 0) layout.flags |= TLR__FLAG_LEFT;
        layout.width = (unsigned)(width < 0 ? -width : width);
    }
    if (conversion->precision_value != TLR__NO_VALUE) {
        const int precision = star(values, conversion->precision_value);
        layout.precision = precision < 0 ? -1 : precision;
    }
    return layout;
}

static char *put_repeated(char *out, char c, size_t count) {
    memset(out, c, count);
    return out + count;
}

/* A number's parts: prefix (sign or 0x), zeros, digits, and the padding where the flags want it. */
static char *put_padded(char *out, const struct layout *layout, const char *prefix, size_t zeros,
                        const char *digits, size_t digit_count) {
    const size_t prefix_bytes = strlen(prefix);
    const size_t used = prefix_bytes + zeros + digit_count;
    const size_t blanks = layout->width > used ? layout->width - used : 0;
    const bool left = (layout->flags & TLR__FLAG_LEFT) != 0;
    const bool filled = !left && (layout->flags & TLR__FLAG_ZERO) != 0;
    if (!left && !filled) out = put_repeated(out, ' ', blanks);
    out = mempcpy(out, prefix, prefix_bytes);
    out = put_repeated(out, '0', filled ? zeros + blanks : zeros);
    out = mempcpy(out, digits, digit_count);
    return left ? put_repeated(out, ' ', blanks) : out;
}

static const char *sign_of(bool negative, unsigned flags) {
    if (negative) return "-";
    if ((flags & TLR__FLAG_SIGN) != 0) return "+";
    return (flags & TLR__FLAG_SPACE) != 0 ? " " : "";
}

/* ---- integers ------------------------------------------------------------------------------- */

int64_t tlr__print_integer_value(const struct tlr__conversion *conversion,
                                 const struct tlr__payload_values *values) {
    const uint64_t word = (uint64_t)tlr__payload_word(values->at[conversion->value]);
    const unsigned unused = 64u - conversion->integer_bits;
    const uint64_t shifted = word << unused;
    if (tlr__print_is_signed(conversion)) return (int64_t)shifted >> unused;
    return (int64_t)(shifted >> unused);
}

/* The digits of a value in base 8 or 16, right-aligned before `end`; returns their begin. */
static char *put_power_of_two(char *end, uint64_t value, unsigned bits, const char *digits) {
    for (; value != 0; value >>= bits) *--end = digits[value & ((1u << bits) - 1)];
    return end;
}

static char *put_integer(char *out, const struct tlr__conversion *conversion,
                         const struct tlr__payload_values *values) {
    const char letter = conversion->letter;
    const int64_t value = tlr__print_integer_value(conversion, values);
    if (conversion->plain && tlr__print_is_signed(conversion))
        return tlr__number_signed(out, value);
    if (conversion->plain && letter == 'u') return tlr__number_unsigned(out, (uint64_t)value);

    struct layout layout = layout_of(conversion, values);
    const bool negative = tlr__print_is_signed(conversion) && value < 0;
    const uint64_t magnitude = negative ? 0 - (uint64_t)value : (uint64_t)value;
    const bool alternate = (layout.flags & TLR__FLAG_ALTERNATE) != 0;
    char buffer[24];
    char *const end = buffer + sizeof buffer, *begin;
    const char *prefix = "";

    if (letter == 'x' || letter == 'X') {
        begin = put_power_of_two(end, magnitude, 4,
                                 letter == 'x' ? "0123456789abcdef" : "0123456789ABCDEF");
        if (alternate && magnitude != 0) prefix = letter == 'x' ? "0x" : "0X";
    } else if (letter == 'o') {
        begin = put_power_of_two(end, magnitude, 3, "01234567");
    } else {
        if (tlr__print_is_signed(conversion)) prefix = sign_of(negative, layout.flags);
        char *const digits_end = tlr__number_unsigned(buffer, magnitude);
        begin = end - (digits_end - buffer);
        memmove(begin, buffer, (size_t)(digits_end - buffer));
        if (magnitude == 0) begin = end;
    }
    /* Zero has no digits of its own: a precision of 0 prints none. */
    const size_t digits = (size_t)(end - begin);
    size_t least = layout.precision < 0 ? 1 : (size_t)layout.precision;
    if (letter == 'o' && alternate && least <= digits) least = digits + 1;
    if (layout.precision >= 0) layout.flags &= ~(unsigned)TLR__FLAG_ZERO;
    return put_padded(out, &layout, prefix, least > digits ? least - digits : 0, begin, digits);
}

static char *put_pointer(char *out, const struct tlr__conversion *conversion,
                         const struct tlr__payload_values *values) {
    struct layout layout = layout_of(conversion, values);
    const uint64_t value = (uint64_t)tlr__payload_word(values->at[conversion->value]);
    if (value == 0) { /* as a string */
        layout.flags &= TLR__FLAG_LEFT;
        return put_padded(out, &layout, "", 0, "(nil)", 5);
    }
    char buffer[16];
    char *const end = buffer + sizeof buffer;
    char *const begin = put_power_of_two(end, value, 4, "0123456789abcdef");
    const size_t digits = (size_t)(end - begin);
    const size_t least = layout.precision < 0 ? 1 : (size_t)layout.precision;
    if (layout.precision >= 0) layout.flags &= ~(unsigned)TLR__FLAG_ZERO;
    char prefix[4];
    *(char *)mempcpy(stpcpy(prefix, sign_of(false, layout.flags)), "0x", 2) = '\0';
    return put_padded(out, &layout, prefix, least > digits ? least - digits : 0, begin, digits);
}

/* ---- reals ---------------------------------------------------------------------------------- */

static size_t real_bytes_max(const struct tlr__conversion *conversion) {
    const bool wide = conversion->kind == TLR__KIND_LONG_DOUBLE;
    size_t precision = conversion->precision >= 0 ? (size_t)conversion->precision : 6;
    size_t width = (size_t)conversion->width;
    if (conversion->precision_value != TLR__NO_VALUE) precision = TLR__PARSE_WIDTH_MAX;
    if (conversion->width_value != TLR__NO_VALUE) width = TLR__PARSE_WIDTH_MAX;
    const bool fixed = conversion->letter == 'f' || conversion->letter == 'F';
    /* Sign, point, exponent, the zeros that %g begins with, and all hexadecimal digits of %a. */
    const size_t others = 64;
    const size_t body = others + precision + (fixed ? (wide ? 4933 : 309) : 0);
    return body > width ? body : width;
}

/* In the C locale, whatever the process's is: a decimal comma would be no JSON. */
static char *put_by_snprintf(char *out, const struct tlr__conversion *conversion,
                             const struct layout *layout, const unsigned char *at) {
    char format[16], *end = format;
    *end++ = '%';
    for (unsigned i = 0; i < 5; i++)
        if ((layout->flags & 1u << i) != 0) *end++ = "-+ #0"[i];
    end = mempcpy(end, "*.*", 3);
    const bool wide = conversion->kind == TLR__KIND_LONG_DOUBLE;
    if (wide) *end++ = 'L';
    *end++ = conversion->letter;
    *end = '\0';
    const size_t room = real_bytes_max(conversion) + 1;
    const int width = (int)layout->width, precision = layout->precision;
    const locale_t before = uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    int bytes;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (wide)
        bytes = snprintf(out, room, format, width, precision, tlr__payload_long_double(at));
    else
        bytes = snprintf(out, room, format, width, precision, tlr__payload_real(at));
#pragma GCC diagnostic pop
    uselocale(before);
    return bytes < 0 ? out : out + bytes;
}

static char *put_real(char *out, const struct tlr__conversion *conversion,
                      const struct tlr__payload_values *values) {
    const unsigned char *at = values->at[conversion->value];
    const double value = tlr__payload_real(at); /* of a long double, no more than its first bytes */
    const bool fixed = (conversion->letter == 'f' || conversion->letter == 'F') &&
                       conversion->kind == TLR__KIND_REAL;
    if (fixed && conversion->plain && tlr__number_fixed_fits(value, 6)) {
        if (signbit(value) != 0) *out++ = '-';
        return tlr__number_fixed(out, value, 6);
    }
    const struct layout layout = layout_of(conversion, values);
    const unsigned precision = layout.precision < 0 ? 6 : (unsigned)layout.precision;
    if (!fixed || (layout.flags & TLR__FLAG_ALTERNATE) != 0 ||
        !tlr__number_fixed_fits(value, precision))
        return put_by_snprintf(out, conversion, &layout, at);

    const char *sign = sign_of(signbit(value) != 0, layout.flags);
    char digits[20 + TLR__NUMBER_PRECISION_MAX];
    const size_t count = (size_t)(tlr__number_fixed(digits, value, precision) - digits);
    return put_padded(out, &layout, sign, 0, digits, count);
}

/* ---- all ------------------------------------------------------------------------------------ */

char *tlr__print_number(char *out, const struct tlr__conversion *conversion,
                        const struct tlr__payload_values *values) {
    switch (conversion->letter) {
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        return put_integer(out, conversion, values);
    case 'p':
        return put_pointer(out, conversion, values);
    default:
        return put_real(out, conversion, values);
    }
}

void tlr__print_string(const struct tlr__conversion *conversion,
                       const struct tlr__payload_values *values, struct tlr__print_string *string) {
    const struct layout layout = layout_of(conversion, values);
    const unsigned char *at = values->at[conversion->value];
    *string = (struct tlr__print_string){.size = 1};
    if (conversion->letter == 'c') {
        string->bytes = tlr__payload_char(at);
    } else {
        const struct tlr__payload_string stored = tlr__payload_string(at);
        string->bytes = stored.bytes;
        string->size = stored.size;
        string->null = stored.null;
        string->cut = stored.cut;
    }
    if (string->null) {
        /* What the C library prints for NULL: all of it or nothing. */
        unsigned precision = UINT_MAX;
        if (conversion->kind == TLR__KIND_STRING_PRECISION) precision = conversion->string_bytes;
        if (conversion->kind == TLR__KIND_STRING_STAR && layout.precision >= 0)
            precision = (unsigned)layout.precision;
        string->bytes = "(null)";
        string->size = precision >= 6 ? 6 : 0;
    }
    const unsigned blanks = layout.width > string->size ? layout.width - (unsigned)string->size : 0;
    string->left = (layout.flags & TLR__FLAG_LEFT) == 0 ? blanks : 0;
    string->right = blanks - string->left;
}

size_t tlr__print_bytes_max(const struct tlr__conversion *conversion) {
    const size_t others = 32; /* sign, prefix, 22 octal digits; quotes, dots, (null) */
    if (conversion->kind == TLR__KIND_REAL || conversion->kind == TLR__KIND_LONG_DOUBLE)
        return real_bytes_max(conversion) + others;
    size_t width = (size_t)conversion->width;
    size_t precision = conversion->precision > 0 ? (size_t)conversion->precision : 0;
    if (conversion->width_value != TLR__NO_VALUE) width = TLR__PARSE_WIDTH_MAX;
    if (conversion->precision_value != TLR__NO_VALUE) precision = TLR__PARSE_WIDTH_MAX;
    return (width > precision ? width : precision) + others;
}
