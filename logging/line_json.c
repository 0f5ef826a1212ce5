/* JSON lines: {"ts":"…","level":"warn","thread":"loop-0","cat":"server.http","msg":"slow write",
 *              "dur_us":1840,"trace":"4bf9…","span":"…","site":"server/conn.c:120"} */
#include "date.h"
#include "escape.h"
#include "line.h"
#include "number.h"
#include "print.h"
#include "program.h"

/* A literal of the program text, without its terminator. */
#define PUT(out, literal) ((char *)mempcpy(out, literal, sizeof literal - 1))

static bool is_string(const struct tlr__step *step) {
    return step->conversion.letter == 's' || step->conversion.letter == 'c';
}

static char *put_text(char *out, const struct tlr__print_string *string) {
    out = tlr__escape_json(out, string->bytes, string->size);
    return string->cut ? PUT(out, "...") : out;
}

/* The message without its fields, padding included. */
static char *put_msg(char *out, const struct tlr_format_program *program,
                     const struct tlr__payload_values *values) {
    for (unsigned i = 0; i < program->step_count; i++) {
        const struct tlr__step *step = &program->steps[i];
        if (tlr__step_is_field(step)) continue;
        out = tlr__program_literal(program, step->msg, out);
        if (is_string(step)) {
            struct tlr__print_string string;
            tlr__print_string(&step->conversion, values, &string);
            if (string.left > 0) out = tlr__line_blanks(out, string.left);
            out = put_text(out, &string);
            if (string.right > 0) out = tlr__line_blanks(out, string.right);
        } else {
            out = tlr__print_number(out, &step->conversion, values);
        }
    }
    return tlr__program_literal(program, program->msg_end, out);
}

static char *put_string(char *out, const struct tlr__step *step,
                        const struct tlr__payload_values *values) {
    struct tlr__print_string string;
    tlr__print_string(&step->conversion, values, &string);
    if (string.null) return PUT(out, "null");
    *out++ = '"';
    out = put_text(out, &string);
    *out++ = '"';
    return out;
}

static char *put_pointer(char *out, uint64_t value) {
    out = PUT(out, "\"0x");
    /* All sixteen digits would be noise: leading zeros go, but for the last. */
    char digits[16];
    tlr__number_hex64(digits, value);
    size_t zeros = 0;
    while (zeros < sizeof digits - 1 && digits[zeros] == '0') zeros++;
    out = mempcpy(out, digits + zeros, sizeof digits - zeros);
    *out++ = '"';
    return out;
}

/* As its conversion prints it, but for flags and padding, which JSON's numbers know nothing of, and
 * for %a. Infinities and what is no number become strings. */
static char *put_real(char *out, const struct tlr__step *step,
                      const struct tlr__payload_values *values) {
    struct tlr__conversion conversion = step->conversion;
    conversion.flags = 0;
    conversion.width = 0;
    conversion.width_value = TLR__NO_VALUE;
    if (conversion.letter == 'a' || conversion.letter == 'A') {
        conversion.letter = 'g';
        conversion.precision = conversion.kind == TLR__KIND_REAL ? 17 : 21;
        conversion.precision_value = TLR__NO_VALUE;
    }
    char *const end = tlr__print_number(out, &conversion, values);
    const char first = out[*out == '-'];
    if (first >= '0' && first <= '9') return end;
    memmove(out + 1, out, (size_t)(end - out));
    out[0] = end[1] = '"';
    return end + 2;
}

static char *put_field(char *out, const struct tlr__step *step,
                       const struct tlr__payload_values *values) {
    switch (step->conversion.letter) {
    case 's':
    case 'c':
        return put_string(out, step, values);
    case 'p':
        return put_pointer(out, (uint64_t)tlr__payload_word(values->at[step->conversion.value]));
    case 'd':
    case 'i':
        return tlr__number_signed(out, tlr__print_integer_value(&step->conversion, values));
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        return tlr__number_unsigned(out,
                                    (uint64_t)tlr__print_integer_value(&step->conversion, values));
    default:
        return put_real(out, step, values);
    }
}

static char *put_fields(char *out, const struct tlr_format_program *program,
                        const struct tlr__payload_values *values) {
    for (unsigned i = 0; i < program->step_count; i++) {
        const struct tlr__step *step = &program->steps[i];
        if (!tlr__step_is_field(step)) continue;
        out = tlr__program_literal(program, step->key, out);
        out = put_field(out, step, values);
    }
    return out;
}

static char *put_level(char *out, enum tlr_level level) {
    switch (level) {
    case TLR_LEVEL_DEBUG:
        return PUT(out, "\"debug\"");
    case TLR_LEVEL_INFO:
        return PUT(out, "\"info\"");
    case TLR_LEVEL_WARN:
        return PUT(out, "\"warn\"");
    case TLR_LEVEL_ERROR:
        return PUT(out, "\"error\"");
    default:
        return PUT(out, "\"unset\"");
    }
}

static char *put_context(char *out, const struct tlr_context *context) {
    out = PUT(out, ",\"trace\":\"");
    out = tlr__number_hex(out, context->trace_id, sizeof context->trace_id);
    out = PUT(out, "\",\"span\":\"");
    out = tlr__number_hex64(out, context->span_id);
    *out++ = '"';
    return out;
}

static char *put_site(char *out, const struct tlr_record *record) {
    out = PUT(out, ",\"site\":\"");
    out = tlr__escape_json(out, record->file, strlen(record->file));
    *out++ = ':';
    out = tlr__number_unsigned(out, record->line);
    *out++ = '"';
    return out;
}

size_t tlr_record_json(const struct tlr_record *record, char *out) {
    struct tlr__payload_values values;
    tlr__payload_locate(&record->program->plan, record->payload, &values);
    char *at = PUT(out, "{\"ts\":\"");
    at = tlr__date_print(at, record->time_ns);
    at = PUT(at, "\",\"level\":");
    at = put_level(at, record->level);
    at = PUT(at, ",\"thread\":\"");
    at = tlr__escape_json(at, record->thread, strlen(record->thread));
    at = PUT(at, "\",\"cat\":\"");
    at = tlr__escape_json(at, record->category, strlen(record->category));
    at = PUT(at, "\",\"msg\":\"");
    at = put_msg(at, record->program, &values);
    *at++ = '"';
    at = put_fields(at, record->program, &values);
    if (tlr__line_has_context(record)) at = put_context(at, record->context);
    at = put_site(at, record);
    at = PUT(at, "}\n");
    return (size_t)(at - out);
}
