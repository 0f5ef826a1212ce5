/* program.h - a compiled format, as those who print it see it.
 *
 * Literals are escaped once, when the program is made: a line is then little more than copies.
 */
#ifndef TLR_PROGRAM_H
#define TLR_PROGRAM_H

#include "format.h"
#include "parse.h"

/* Bytes in the program's pool. Literals are copied sixteen at a time, so the pool goes on behind
 * the last one, and a line's buffer must. */
struct tlr__literal {
    uint32_t offset;
    uint32_t bytes;
};

#define TLR__PROGRAM_SLACK 16

/* Prints a value, after the text before it. */
struct tlr__step {
    struct tlr__literal text; /* before it in a text line */
    struct tlr__literal msg;  /* before it in JSON's msg; empty for a field */
    struct tlr__literal key;  /* a field's `,"name":` */
    struct tlr__literal name; /* the same name, as it is; no bytes: not a field */
    struct tlr__conversion conversion;
    bool quoted; /* its string is quoted as a field's */
};

struct tlr_format_program {
    struct tlr__plan plan;
    size_t bytes_max; /* of a line without what strings take */
    const char *format;
    const unsigned char *tags;
    char *pool;
    struct tlr__literal text_end; /* after the last value */
    struct tlr__literal msg_end;
    unsigned step_count;
    struct tlr__step steps[]; /* one for each printed value */
};

static inline bool tlr__step_is_field(const struct tlr__step *step) {
    return step->name.bytes > 0;
}

static inline char *tlr__program_literal(const struct tlr_format_program *program,
                                         struct tlr__literal literal, char *out) {
    const char *text = program->pool + literal.offset;
    if (literal.bytes <= TLR__PROGRAM_SLACK)
        memcpy(out, text, TLR__PROGRAM_SLACK);
    else
        memcpy(out, text, literal.bytes);
    return out + literal.bytes;
}

#endif
