#include "number.h"

#include <string.h>

static const char pairs[] = "0001020304050607080910111213141516171819"
                            "2021222324252627282930313233343536373839"
                            "4041424344454647484950515253545556575859"
                            "6061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

static const char hex_digits[] = "0123456789abcdef";

static const uint64_t powers_of_ten[] = {UINT64_C(1),
                                         UINT64_C(10),
                                         UINT64_C(100),
                                         UINT64_C(1000),
                                         UINT64_C(10000),
                                         UINT64_C(100000),
                                         UINT64_C(1000000),
                                         UINT64_C(10000000),
                                         UINT64_C(100000000),
                                         UINT64_C(1000000000),
                                         UINT64_C(10000000000),
                                         UINT64_C(100000000000),
                                         UINT64_C(1000000000000),
                                         UINT64_C(10000000000000),
                                         UINT64_C(100000000000000),
                                         UINT64_C(1000000000000000),
                                         UINT64_C(10000000000000000),
                                         UINT64_C(100000000000000000),
                                         UINT64_C(1000000000000000000),
                                         UINT64_C(10000000000000000000)};

static unsigned digit_count(uint64_t value) {
    /* 1233 / 4096 is just above log10(2): the guess is right or one too small. */
    const unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    const unsigned guess = bits * 1233 >> 12;
    return guess + (value >= powers_of_ten[guess] || guess == 0);
}

static inline char *put_digits(char *out, uint64_t value, unsigned digits) {
    char *at = out + digits;
    for (; value > UINT32_MAX && at - out >= 2; value /= 100)
        memcpy(at -= 2, pairs + value % 100 * 2, 2);
    uint32_t rest = (uint32_t)value; /* which divides faster */
    for (; at - out >= 2; rest /= 100) memcpy(at -= 2, pairs + rest % 100 * 2, 2);
    if (at > out) *out = (char)('0' + rest % 10);
    return out + digits;
}

char *tlr__number_digits(char *out, uint64_t value, unsigned digits) {
    return put_digits(out, value, digits);
}

char *tlr__number_unsigned(char *out, uint64_t value) {
    return put_digits(out, value, digit_count(value));
}

char *tlr__number_signed(char *out, int64_t value) {
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        *out++ = '-';
        magnitude = 0 - magnitude;
    }
    return tlr__number_unsigned(out, magnitude);
}

char *tlr__number_hex(char *out, const unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        *out++ = hex_digits[bytes[i] >> 4];
        *out++ = hex_digits[bytes[i] & 15];
    }
    return out;
}

char *tlr__number_hex64(char *out, uint64_t value) {
    for (int shift = 60; shift >= 0; shift -= 4) *out++ = hex_digits[value >> shift & 15];
    return out;
}

static unsigned exponent_of(uint64_t bits) {
    return (unsigned)(bits >> 52) & 0x7ff;
}

bool tlr__number_fixed_fits(double value, unsigned precision) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return exponent_of(bits) < 1023 + 63 && precision <= TLR__NUMBER_PRECISION_MAX;
}

__extension__ typedef unsigned __int128 wide;

static int compare(wide a, wide b) {
    return (a > b) - (a < b);
}

/* The digits of fraction * power / 2^shift, and how the rest compares with a half. The fraction is
 * below 2^shift and 2^53, the power below 2^60. */
static uint64_t fraction_digits(uint64_t fraction, int shift, uint64_t power, int *rest_to_half) {
    if (shift < 64) { /* make it 64, so that the digits are the upper word */
        const wide scaled = (wide)(fraction << (64 - shift)) * power;
        *rest_to_half = compare((uint64_t)scaled, UINT64_C(1) << 63);
        return (uint64_t)(scaled >> 64);
    }
    if (shift >= 128) { /* 2^53 * 2^60 is less than half of that */
        *rest_to_half = -1;
        return 0;
    }
    const wide scaled = (wide)fraction * power;
    *rest_to_half = compare(scaled & (((wide)1 << shift) - 1), (wide)1 << (shift - 1));
    return (uint64_t)(scaled >> shift);
}

char *tlr__number_fixed(char *out, double value, unsigned precision) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const unsigned exponent = exponent_of(bits);
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent != 0) mantissa |= UINT64_C(1) << 52;

    /* The value is mantissa / 2^shift; split it into its integer and its fraction (over 2^shift).
     */
    const int shift = 1075 - (exponent != 0 ? (int)exponent : 1);
    uint64_t integer, digits = 0;
    if (shift <= 0) {
        integer = mantissa << -shift;
    } else {
        integer = shift < 64 ? mantissa >> shift : 0;
        const uint64_t fraction = shift < 64 ? mantissa & ((UINT64_C(1) << shift) - 1) : mantissa;
        int rest_to_half;
        digits = fraction_digits(fraction, shift, powers_of_ten[precision], &rest_to_half);
        const uint64_t last = precision > 0 ? digits : integer;
        if (rest_to_half > 0 || (rest_to_half == 0 && (last & 1) != 0)) digits++;
        if (digits == powers_of_ten[precision]) {
            digits = 0;
            integer++;
        }
    }
    out = tlr__number_unsigned(out, integer);
    if (precision == 0) return out;
    *out++ = '.';
    return put_digits(out, digits, precision);
}
