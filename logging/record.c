#include "escape.h"
#include "line.h"
#include "print.h"
#include "program.h"

#include <errno.h>

static void read_text(const struct tlr__conversion *conversion, const unsigned char *at,
                      struct tlr_field *field) {
    field->type = TLR_FIELD_STRING;
    if (conversion->letter == 'c') {
        field->as.text.bytes = tlr__payload_char(at);
        field->as.text.size = 1;
        return;
    }
    const struct tlr__payload_string string = tlr__payload_string(at);
    field->as.text.bytes = string.null ? "(null)" : string.bytes;
    field->as.text.size = string.null ? strlen("(null)") : string.size;
}

static void read_field(const struct tlr_record *record, const struct tlr__step *step,
                       struct tlr_field *field) {
    const struct tlr__conversion *conversion = &step->conversion;
    struct tlr__payload_values values;
    tlr__payload_locate(&record->program->plan, record->payload, &values);
    const unsigned char *at = values.at[conversion->value];
    field->name = record->program->pool + step->name.offset;
    field->name_bytes = step->name.bytes;
    switch (conversion->letter) {
    case 's':
    case 'c':
        read_text(conversion, at, field);
        break;
    case 'p':
        field->type = TLR_FIELD_POINTER;
        field->as.number = (uint64_t)tlr__payload_word(at);
        break;
    case 'd':
    case 'i':
        field->type = TLR_FIELD_INTEGER;
        field->as.integer = tlr__print_integer_value(conversion, &values);
        break;
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        field->type = TLR_FIELD_UNSIGNED;
        field->as.number = (uint64_t)tlr__print_integer_value(conversion, &values);
        break;
    default:
        field->type = TLR_FIELD_REAL;
        field->as.real = conversion->kind == TLR__KIND_REAL ? tlr__payload_real(at)
                                                            : (double)tlr__payload_long_double(at);
    }
}

int tlr_record_field(const struct tlr_record *record, const char *name, struct tlr_field *field) {
    const struct tlr_format_program *program = record->program;
    const size_t bytes = strlen(name);
    for (unsigned i = 0; bytes > 0 && i < program->step_count; i++) {
        const struct tlr__literal *own = &program->steps[i].name;
        if (own->bytes != bytes || memcmp(program->pool + own->offset, name, bytes) != 0) continue;
        read_field(record, &program->steps[i], field);
        return 0;
    }
    return -ENOENT;
}

int tlr_record_field_at(const struct tlr_record *record, unsigned index, struct tlr_field *field) {
    const struct tlr_format_program *program = record->program;
    for (unsigned i = 0; i < program->step_count; i++) {
        if (!tlr__step_is_field(&program->steps[i]) || index-- > 0) continue;
        read_field(record, &program->steps[i], field);
        return 0;
    }
    return -ENOENT;
}

size_t tlr_record_line_bytes_max(const struct tlr_record *record) {
    const size_t names = strlen(record->thread) + strlen(record->category) + strlen(record->file);
    return TLR__LINE_BYTES_AROUND + names * TLR__ESCAPE_FACTOR +
           tlr__program_message_bytes_max(record->program, record->payload_bytes);
}
