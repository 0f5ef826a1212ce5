/* Payloads: what is not whole is noticed, and anything that is called valid prints within bounds.
 */
#include "line_fixture.h"

#define SEED UINT64_C(0x9a710ad2026)

static void test_payloads_that_are_not_whole(void **state) {
    (void)state;
    struct fixture fixture;
    FIXTURE_OPEN(&fixture, "%d %s %Lf %.3s", 1, "four bytes and more", 1.5L, "abcdef");
    const struct tlr__plan *plan = tlr__program_plan(fixture.program);
    const size_t bytes = fixture.record.payload_bytes;
    for (size_t size = 0; size < bytes; size++) {
        unsigned char *part = malloc(size > 0 ? size : 1);
        memcpy(part, fixture.payload, size);
        assert_false(tlr__payload_valid(plan, part, size));
        free(part);
    }
    unsigned char *longer = calloc(1, bytes + 8);
    memcpy(longer, fixture.payload, bytes);
    assert_true(tlr__payload_valid(plan, longer, bytes));
    assert_false(tlr__payload_valid(plan, longer, bytes + 8));
    const uint32_t headers[] = {TLR_STRING_BYTES_MAX + 1,   TLR__STRING_SIZE_MASK,
                                TLR__STRING_NULL | 1,       TLR__STRING_NULL | TLR__STRING_CUT,
                                UINT32_C(0x01000000) | 19u, UINT32_MAX};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        memcpy(longer + 8, &headers[i], 4);
        assert_false(tlr__payload_valid(plan, longer, bytes));
    }
    free(longer);
    fixture_close(&fixture);
}

static void test_strings_have_a_limit(void **state) {
    (void)state;
    struct tlr__plan plan;
    tlr__plan_make("%s", (const unsigned char[]){TLR_TAG_STRING}, 1, &plan);
    unsigned char *payload = calloc(1, TLR_STRING_BYTES_MAX + 16);
    for (uint32_t size = TLR_STRING_BYTES_MAX; size <= TLR_STRING_BYTES_MAX + 1; size++) {
        memcpy(payload, &size, sizeof size);
        assert_int_equal(tlr__payload_valid(&plan, payload, tlr__encode_string_room(size)),
                         size == TLR_STRING_BYTES_MAX);
    }
    free(payload);
}

static size_t random_format(uint64_t *random, char *out) {
    static const char *const bits[] = {
        "%",   "%d", "%s",    "%.*s",     "%f",    "%Lf",   "%*.*f", "%c",      "%p",   "%n",
        "%m",  "%%", "a=",    " b=",      ",c=",   "(",     ")",     " ",       "ms",   ";",
        "=",   "\n", "\xff",  "%.5s",     "%5.1f", "%lu",   "%hhx",  "%#o",     "%e",   "%La",
        "%ls", "%y", "text ", "\xc2\x9b", "ts=",   "site=", "%300s", "%.1024f", "%-9c", "%1000d"};
    char *at = out;
    for (unsigned i = random_below(random, 24); i > 0; i--)
        at = stpcpy(at, bits[random_below(random, sizeof bits / sizeof *bits)]);
    *at = '\0';
    return (size_t)(at - out);
}

/* A payload that is whole for the plan, of random bytes otherwise. */
static size_t random_payload(uint64_t *random, const struct tlr__plan *plan, unsigned char *out) {
    size_t used = 0;
    for (unsigned i = 0; i < plan->value_count; i++) {
        size_t size = plan->kinds[i] == TLR__KIND_LONG_DOUBLE ? 16 : 8;
        if (plan->kinds[i] >= TLR__KIND_STRING) {
            const bool null = random_below(random, 6) == 0;
            const uint32_t text_size = null ? 0 : random_below(random, 60);
            const uint32_t header = text_size | (null                           ? TLR__STRING_NULL
                                                 : random_below(random, 6) == 0 ? TLR__STRING_CUT
                                                                                : 0);
            size = (4 + text_size + 7) & ~(size_t)7;
            for (size_t j = 0; j < size; j++) out[used + j] = (unsigned char)random_next(random);
            memcpy(out + used, &header, sizeof header);
        } else {
            for (size_t j = 0; j < size; j++) out[used + j] = (unsigned char)random_next(random);
        }
        used += size;
    }
    return used;
}

static void check_line(const struct tlr_record *record, fixture_print_fn *print) {
    size_t size;
    char *line = fixture_print(record, print, &size);
    size_t text = size;
    if (print != tlr_record_message) {
        assert_true(size > 0 && line[size - 1] == '\n');
        text--;
    }
    for (size_t i = 0; i < text; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            fail_msg("a control byte is in a line of [%s]", tlr__program_format(record->program));
    free(line);
}

/* Copies what each field points to, for a sanitizer to see. */
static void check_fields(const struct tlr_record *record) {
    char copy[TLR_STRING_BYTES_MAX];
    struct tlr_field field;
    for (unsigned i = 0; tlr_record_field_at(record, i, &field) == 0; i++) {
        assert_in_range(field.name_bytes, 1, sizeof copy);
        memcpy(copy, field.name, field.name_bytes);
        if (field.type != TLR_FIELD_STRING) continue;
        assert_in_range(field.as.text.size, 0, sizeof copy);
        memcpy(copy, field.as.text.bytes, field.as.text.size);
    }
}

static void test_anything_valid_prints_within_bounds(void **state) {
    (void)state;
    uint64_t random = SEED;
    print_message("seed %#llx\n", (unsigned long long)random);
    static unsigned char payload[TLR_VALUES_MAX * 72];
    char format[512];
    unsigned char tags[TLR_VALUES_MAX];
    for (unsigned i = 0; i < 60000; i++) {
        random_format(&random, format);
        const unsigned count = random_below(&random, TLR_VALUES_MAX + 1);
        for (unsigned j = 0; j < count; j++) tags[j] = (unsigned char)random_below(&random, 6);
        struct tlr__plan plan;
        tlr__plan_make(format, tags, count, &plan);
        const size_t bytes = random_payload(&random, &plan, payload);
        assert_true(tlr__payload_valid(&plan, payload, bytes));
        for (unsigned j = random_below(&random, 4); bytes > 0 && j > 0; j--)
            payload[random_below(&random, (unsigned)bytes)] ^= 1u << random_below(&random, 8);
        if (!tlr__payload_valid(&plan, payload, bytes)) continue;

        struct fixture fixture;
        fixture_open_bytes(&fixture, format, tags, count, payload, bytes);
        check_line(&fixture.record, tlr_record_text);
        check_line(&fixture.record, tlr_record_json);
        check_line(&fixture.record, tlr_record_message);
        check_fields(&fixture.record);
        fixture_close(&fixture);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payloads_that_are_not_whole),
        cmocka_unit_test(test_strings_have_a_limit),
        cmocka_unit_test(test_anything_valid_prints_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
