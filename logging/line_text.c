/* Text lines: 2026-11-20T15:03:11.482913Z WARN  loop-0 server.http  slow write dur_us=1840 */
#include "date.h"
#include "escape.h"
#include "line.h"
#include "number.h"
#include "print.h"
#include "program.h"

static char *put_string(char *out, const struct tlr__step *step,
                        const struct tlr__payload_values *values) {
    struct tlr__print_string string;
    tlr__print_string(&step->conversion, values, &string);
    if (string.left > 0) out = tlr__line_blanks(out, string.left);
    if (string.null)
        out = mempcpy(out, string.bytes, string.size);
    else if (step->quoted)
        out = tlr__escape_value(out, string.bytes, string.size, string.cut);
    else
        out = tlr__escape_message(out, string.bytes, string.size);
    if (string.cut && !step->quoted) out = mempcpy(out, "...", 3);
    return string.right > 0 ? tlr__line_blanks(out, string.right) : out;
}

static char *put_message(char *out, const struct tlr_format_program *program,
                         const unsigned char *payload) {
    struct tlr__payload_values values;
    tlr__payload_locate(&program->plan, payload, &values);
    for (unsigned i = 0; i < program->step_count; i++) {
        const struct tlr__step *step = &program->steps[i];
        out = tlr__program_literal(program, step->text, out);
        if (step->conversion.letter == 's' || step->conversion.letter == 'c')
            out = put_string(out, step, &values);
        else
            out = tlr__print_number(out, &step->conversion, &values);
    }
    return tlr__program_literal(program, program->text_end, out);
}

/* With the blank behind it; padded to the longest. */
static char *put_level(char *out, enum tlr_level level) {
    static const char names[][7] = {"UNSET ", "DEBUG ", "INFO  ", "WARN  ", "ERROR "};
    const unsigned index = (unsigned)level <= TLR_LEVEL_ERROR ? (unsigned)level : TLR_LEVEL_UNSET;
    return mempcpy(out, names[index], 6);
}

static char *put_trace(char *out, const struct tlr_context *context) {
    out = mempcpy(out, "  trace=", 8);
    return tlr__number_hex(out, context->trace_id, sizeof context->trace_id);
}

size_t tlr_record_text(const struct tlr_record *record, char *out) {
    char *at = tlr__date_print(out, record->time_ns);
    *at++ = ' ';
    at = put_level(at, record->level);
    at = tlr__escape_name(at, record->thread, strlen(record->thread));
    *at++ = ' ';
    at = tlr__escape_name(at, record->category, strlen(record->category));
    at = tlr__line_blanks(at, 2);
    at = put_message(at, record->program, record->payload);
    if (tlr__line_has_context(record)) at = put_trace(at, record->context);
    *at++ = '\n';
    return (size_t)(at - out);
}

size_t tlr_record_message(const struct tlr_record *record, char *out) {
    return (size_t)(put_message(out, record->program, record->payload) - out);
}
