/* format.c - any format with any argument types: what was encoded is valid, and prints as one line
 * within its bound; any payload that is called valid prints too.
 *
 * Input: the number of arguments, their tags, the format, a zero, bytes to take arguments from.
 */
#include "format.h"
#include "encode.h"
#include "payload.h"

#include <stdlib.h>
#include <string.h>
#include <tailrace/record.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct input {
    unsigned value_count;
    unsigned char tags[TLR_VALUES_MAX];
    char *format;
    const uint8_t *rest;
    size_t rest_bytes;
};

static int input_read(struct input *input, const uint8_t *bytes, size_t size) {
    if (size == 0) return -1;
    input->value_count = bytes[0] % (TLR_VALUES_MAX + 1);
    bytes++;
    size--;
    if (size < input->value_count) return -1;
    for (unsigned i = 0; i < input->value_count; i++)
        input->tags[i] = (unsigned char)(bytes[i] % TLR_TAG_POINTER + 1);
    bytes += input->value_count;
    size -= input->value_count;
    input->format = strndup((const char *)bytes, size);
    if (input->format == NULL) abort();
    const size_t used = strlen(input->format);
    input->rest = bytes + used;
    input->rest_bytes = size - used;
    return 0;
}

/* Arguments of these types, of what bytes there are. */
static void values_make(const struct input *input, const char *text, const long double *wide,
                        union tlr_value *values) {
    for (unsigned i = 0; i < input->value_count; i++) {
        uint64_t word = 0;
        if (input->rest_bytes >= 8 * (i + 1)) memcpy(&word, input->rest + 8 * i, 8);
        values[i].integer = (int64_t)word;
        if (input->tags[i] == TLR_TAG_STRING || input->tags[i] == TLR_TAG_POINTER)
            values[i].pointer = word % 7 == 0 ? NULL : text;
        if (input->tags[i] == TLR_TAG_LONG_DOUBLE) values[i].pointer = wide;
    }
}

/* One newline, at its end, within the bound. */
static void line_check(const char *line, size_t bytes, size_t bytes_max) {
    if (bytes == 0 || bytes > bytes_max) abort();
    if (memchr(line, '\n', bytes) != line + bytes - 1) abort();
}

/* Prints it in each form and looks at each field. */
static void record_check(const struct tlr_record *record) {
    const size_t bytes_max = tlr_record_line_bytes_max(record);
    char *out = malloc(bytes_max);
    if (out == NULL) abort();
    line_check(out, tlr_record_text(record, out), bytes_max);
    line_check(out, tlr_record_json(record, out), bytes_max);
    const size_t used = tlr_record_message(record, out);
    if (used > bytes_max || memchr(out, '\n', used) != NULL) abort();
    struct tlr_field field;
    for (unsigned i = 0; tlr_record_field_at(record, i, &field) == 0; i++) {
        struct tlr_field same;
        char *name = strndup(field.name, field.name_bytes);
        if (field.name_bytes == 0 || name == NULL) abort();
        if (tlr_record_field(record, name, &same) != 0) abort();
        free(name);
    }
    free(out);
}

static void print(const struct tlr_format_program *program, const unsigned char *payload,
                  size_t payload_bytes) {
    static const struct tlr_context context = {.trace_id = {1}, .span_id = 2};
    const struct tlr_record record = {.time_ns = 1,
                                      .level = TLR_LEVEL_INFO,
                                      .category = "fuzz",
                                      .thread = "main",
                                      .file = "format.c",
                                      .function = "print",
                                      .context = &context,
                                      .program = program,
                                      .payload = payload,
                                      .payload_bytes = payload_bytes};
    record_check(&record);
}

static void print_encoded(const struct input *input, const struct tlr_format_program *program) {
    const struct tlr__plan *plan = tlr__program_plan(program);
    union tlr_value values[TLR_VALUES_MAX];
    uint32_t string_sizes[TLR_VALUES_MAX];
    const long double wide = 1.5L;
    char *text = strndup((const char *)input->rest, input->rest_bytes);
    if (text == NULL) abort();
    values_make(input, text, &wide, values);
    const size_t payload_bytes = tlr__encode_bytes(plan, values, string_sizes);
    unsigned char *payload = aligned_alloc(16, (payload_bytes + 31) / 16 * 16);
    if (payload == NULL) abort();
    tlr__encode_write(plan, values, string_sizes, payload);
    if (!tlr__payload_valid(plan, payload, payload_bytes)) abort();
    print(program, payload, payload_bytes);
    free(payload);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct input input;
    if (input_read(&input, bytes, size) < 0) return 0;
    struct tlr_format_program *program =
        tlr__program_compile(input.format, input.tags, input.value_count);
    if (program == NULL) abort();
    print_encoded(&input, program);
    if (tlr__payload_valid(tlr__program_plan(program), input.rest, input.rest_bytes))
        print(program, input.rest, input.rest_bytes);
    tlr__program_free(program);
    free(input.format);
    return 0;
}
