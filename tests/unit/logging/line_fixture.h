/* line_fixture.h - records made as a call makes them, buffers that notice an overrun, and random
 * formats and values to try them with.
 */
#ifndef TLR_LINE_FIXTURE_H
#define TLR_LINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tailrace/record.h>

/* ---- records -------------------------------------------------------------------------------- */

/* 2026-11-20T15:03:11.482913Z */
#define FIXTURE_TIME_NS UINT64_C(1795186991482913000)

struct fixture {
    struct tlr_record record;
    struct tlr_format_program *program;
    unsigned char *payload;
};

static inline void fixture_open_bytes(struct fixture *fixture, const char *format,
                                      const unsigned char *tags, unsigned value_count,
                                      const unsigned char *payload, size_t bytes) {
    fixture->program = tlr__program_compile(format, tags, value_count);
    assert_non_null(fixture->program);
    fixture->payload = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(fixture->payload);
    if (bytes > 0) memcpy(fixture->payload, payload, bytes);
    fixture->record = (struct tlr_record){.time_ns = FIXTURE_TIME_NS,
                                          .level = TLR_LEVEL_WARN,
                                          .line = 120,
                                          .category = "server.http",
                                          .thread = "loop-0",
                                          .file = "server/conn.c",
                                          .function = "serve",
                                          .program = fixture->program,
                                          .payload = fixture->payload,
                                          .payload_bytes = bytes};
}

static inline void fixture_open_values(struct fixture *fixture, const char *format,
                                       const unsigned char *tags, unsigned value_count,
                                       const union tlr_value *values) {
    struct tlr__plan plan;
    uint32_t sizes[TLR_VALUES_MAX];
    tlr__plan_make(format, tags, value_count, &plan);
    const size_t bytes = tlr__encode_bytes(&plan, values, sizes);
    unsigned char *payload = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(payload);
    tlr__encode_write(&plan, values, sizes, payload);
    assert_true(tlr__payload_valid(&plan, payload, bytes));
    fixture_open_bytes(fixture, format, tags, value_count, payload, bytes);
    free(payload);
}

static inline void fixture_close(struct fixture *fixture) {
    tlr__program_free(fixture->program);
    free(fixture->payload);
}

/* A record as tlr_info(&category, format, ...) makes it. */
#define FIXTURE_OPEN(fixture_, ...)                                                           \
    do {                                                                                      \
        static const unsigned char tags_[] = {0 TLR_EACH(TLR_TAG_OF, __VA_ARGS__)};           \
        const union tlr_value values_[] = {{0} TLR_EACH(TLR_VALUE_OF, __VA_ARGS__)};          \
        fixture_open_values(fixture_, TLR_FIRST(__VA_ARGS__, 0), tags_ + 1, sizeof tags_ - 1, \
                            values_ + 1);                                                     \
    } while (0)

/* ---- printing with canaries ------------------------------------------------------------------ */

typedef size_t fixture_print_fn(const struct tlr_record *record, char *out);

/* Prints; the text is terminated and the caller's to free. Fails where the bound was a lie. */
static inline char *fixture_print(const struct tlr_record *record, fixture_print_fn *print,
                                  size_t *size) {
    enum { CANARIES = 64 };
    const size_t room = tlr_record_line_bytes_max(record);
    char *out = malloc(room + CANARIES);
    assert_non_null(out);
    memset(out, 0x5a, room + CANARIES);
    *size = print(record, out);
    assert_true(*size <= room);
    for (size_t i = room; i < room + CANARIES; i++) assert_int_equal(out[i], 0x5a);
    out[*size] = '\0';
    return out;
}

/* Checks that a record prints as that text. */
#define FIXTURE_EXPECT(fixture_, print_, expected_)                       \
    do {                                                                  \
        size_t size_;                                                     \
        char *text_ = fixture_print(&(fixture_)->record, print_, &size_); \
        assert_string_equal(text_, expected_);                            \
        assert_int_equal(size_, strlen(expected_));                       \
        free(text_);                                                      \
    } while (0)

/* Makes a record, checks its line, and lets it go: the line first, then what a call has. */
#define FIXTURE_CHECK(print_, expected_, ...)      \
    do {                                           \
        struct fixture made_;                      \
        FIXTURE_OPEN(&made_, __VA_ARGS__);         \
        FIXTURE_EXPECT(&made_, print_, expected_); \
        fixture_close(&made_);                     \
    } while (0)

/* ---- random ---------------------------------------------------------------------------------- */

/* xorshift64*: the same on every machine. */
static inline uint64_t random_next(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static inline unsigned random_below(uint64_t *state, unsigned bound) {
    return (unsigned)((random_next(state) >> 32) * bound >> 32);
}

/* Integers of every size, and those next to the limits of the types. */
static inline int64_t random_integer(uint64_t *state) {
    const unsigned bits = random_below(state, 65);
    const uint64_t value = bits == 0 ? 0 : random_next(state) >> (64 - bits);
    switch (random_below(state, 4)) {
    case 0:
        return (int64_t)(0 - value);
    case 1:
        return (int64_t)((UINT64_C(1) << random_below(state, 64)) + random_below(state, 3) - 1);
    default:
        return (int64_t)value;
    }
}

/* Doubles: any bit pattern, exact halves, short decimals, and round numbers. */
static inline double random_real(uint64_t *state) {
    double real;
    uint64_t bits;
    switch (random_below(state, 5)) {
    case 0:
        bits = random_next(state);
        memcpy(&real, &bits, sizeof real);
        return real;
    case 1:
        return (double)(int64_t)(random_next(state) >> random_below(state, 64)) /
               (double)(UINT64_C(1) << random_below(state, 63));
    case 2:
        return (double)random_integer(state);
    case 3: {
        static const double edges[] = {
            0.0,  -0.0,  0.5,     1.5,    2.5,    0.05,   0.125,
            9.5,  99.5,  999.999, 1e-300, 5e-324, 1e15,   1e22,
            1e23, 1e308, -1e308,  0x1p62, 0x1p63, 0x1p64, 9007199254740993.0};
        return edges[random_below(state, sizeof edges / sizeof *edges)];
    }
    default:
        real = (double)(int)random_next(state) / 1000.0;
        return random_below(state, 2) ? real / 1e6 : real;
    }
}

/* Bytes out of all that makes trouble in lines. Returns the size. */
static inline size_t random_text(uint64_t *state, char *out, size_t size_max) {
    static const char *const bits[] = {"a",
                                       "user",
                                       "=",
                                       " ",
                                       "\"",
                                       "\\",
                                       "\n",
                                       "\t",
                                       "\r",
                                       "\x1b[2J",
                                       "\x7f",
                                       "\xc2\x85",
                                       "\xff",
                                       "\xe2\x80\xa8",
                                       "\xed\xa0\x80",
                                       "\xc3\xa9",
                                       "\xe6\xbc\xa2",
                                       "\xf0\x9f\x98\x80",
                                       "\xf0\x9f",
                                       "user=root",
                                       "  trace=00",
                                       ",",
                                       ";",
                                       "(",
                                       "[",
                                       "{",
                                       "}",
                                       ":",
                                       "/a?b=c",
                                       "...",
                                       "%s",
                                       "\\n",
                                       "\\x41",
                                       "\x01",
                                       "status=500",
                                       "-",
                                       ".",
                                       "1",
                                       "plain words are most of it"};
    size_t size = 0;
    for (unsigned count = random_below(state, 9); count > 0; count--) {
        const char *bit = bits[random_below(state, sizeof bits / sizeof *bits)];
        if (size + strlen(bit) > size_max) break;
        memcpy(out + size, bit, strlen(bit));
        size += strlen(bit);
    }
    if (random_below(state, 8) == 0)
        for (size_t i = 0; i < size; i++) out[i] = (char)(1 + random_below(state, 255));
    return size;
}

#endif
