/* parse.h - the one parser of printf formats: literal text, then a conversion, and so on.
 *
 * Each conversion is given the arguments it takes, in order, so that the plan (what a call copies)
 * and the program (how a writer prints) cannot disagree.
 */
#ifndef TLR_PARSE_H
#define TLR_PARSE_H

#include "encode.h"

#include <stdbool.h>

/* Widths and precisions above this are taken as this, so that a line has a bound. */
#define TLR__PARSE_WIDTH_MAX 1024

enum tlr__flag {
    TLR__FLAG_LEFT = 1,      /* - */
    TLR__FLAG_SIGN = 2,      /* + */
    TLR__FLAG_SPACE = 4,     /* blank */
    TLR__FLAG_ALTERNATE = 8, /* # */
    TLR__FLAG_ZERO = 16,     /* 0 */
};

#define TLR__NO_VALUE 0xffu /* instead of an argument's index */

/* One conversion that has all its arguments, of the right types. */
struct tlr__conversion {
    char letter;             /* d i u o x X c p s f F e E g G a A */
    uint8_t flags;           /* enum tlr__flag */
    uint8_t integer_bits;    /* d i u o x X: how many of the value's low bits count */
    uint8_t kind;            /* enum tlr__kind, of its value */
    uint8_t value;           /* index of its argument */
    uint8_t width_value;     /* index of the argument that a `*` takes, or TLR__NO_VALUE */
    uint8_t precision_value; /* likewise */
    int16_t width;           /* 0: none */
    int16_t precision;       /* -1: none */
    uint16_t string_bytes;   /* s: its precision, not cut to TLR__PARSE_WIDTH_MAX */
    bool plain;              /* neither flags nor width nor precision */
};

enum tlr__piece_type {
    TLR__PIECE_END = 0,        /* the format ended; the literal may hold its last text */
    TLR__PIECE_PERCENT = 1,    /* %% */
    TLR__PIECE_CONVERSION = 2, /* to be printed */
    TLR__PIECE_BAD = 3,        /* refused, unknown, or unfit for its argument's type */
    TLR__PIECE_MISSING = 4,    /* more conversions than arguments */
};

struct tlr__piece {
    const char *literal; /* text before it, as it stands in the format */
    size_t literal_bytes;
    const char *text; /* the conversion's own, from its % on */
    size_t text_bytes;
    enum tlr__piece_type type;
    struct tlr__conversion conversion; /* if the type says so */
};

/* Where the parser stands. Set all but value_next, which begins as 0. */
struct tlr__parse {
    const char *next;
    const unsigned char *tags; /* enum tlr_tag, value_count of them */
    unsigned value_count;
    unsigned value_next;
};

/* Reads up to and including the next conversion. False: that was the end.
 * Thread: any. Blocks: never. */
bool tlr__parse_next(struct tlr__parse *parse, struct tlr__piece *piece);

#endif
