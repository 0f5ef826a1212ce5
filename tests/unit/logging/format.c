/* Formats: what printf prints is the law; then fields, refused conversions, and hostile payloads.
 */
#include "line_fixture.h"

#include "number.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>

#define SEED UINT64_C(0x7a11face2026)

/* ---- plans ----------------------------------------------------------------------------------- */

static void test_plan_decides_what_is_copied(void **state) {
    (void)state;
    static const struct {
        const char *format;
        unsigned char tags[5];
        unsigned value_count, word_count;
        unsigned char kinds[5];
    } cases[] = {
        {"none", {0}, 0, 0, {0}},
        {"%d %f", {TLR_TAG_INTEGER, TLR_TAG_DOUBLE}, 2, 2, {TLR__KIND_WORD, TLR__KIND_REAL}},
        {"%s %d", {TLR_TAG_STRING, TLR_TAG_INTEGER}, 2, 0, {TLR__KIND_STRING, TLR__KIND_WORD}},
        {"%p %s", {TLR_TAG_STRING, TLR_TAG_STRING}, 2, 1, {TLR__KIND_WORD, TLR__KIND_STRING}},
        {"%.7s", {TLR_TAG_STRING}, 1, 0, {TLR__KIND_STRING_PRECISION}},
        {"%.*s", {TLR_TAG_INTEGER, TLR_TAG_STRING}, 2, 1, {TLR__KIND_WORD, TLR__KIND_STRING_STAR}},
        {"%*.*s",
         {TLR_TAG_INTEGER, TLR_TAG_INTEGER, TLR_TAG_STRING},
         3,
         2,
         {TLR__KIND_WORD, TLR__KIND_WORD, TLR__KIND_STRING_STAR}},
        {"%Lf", {TLR_TAG_LONG_DOUBLE}, 1, 0, {TLR__KIND_LONG_DOUBLE}},
        {"%s", {TLR_TAG_POINTER}, 1, 0, {TLR__KIND_STRING}},
        {"%n %d", {TLR_TAG_POINTER, TLR_TAG_INTEGER}, 2, 2, {TLR__KIND_WORD, TLR__KIND_WORD}},
        {"100%% %hhn", {TLR_TAG_POINTER}, 1, 1, {TLR__KIND_WORD}},
        {"%m %d", {TLR_TAG_INTEGER}, 1, 1, {TLR__KIND_WORD}},
        {"%d", {TLR_TAG_STRING}, 1, 1, {TLR__KIND_WORD}},
        {"%ls", {TLR_TAG_POINTER}, 1, 1, {TLR__KIND_WORD}},
        {"%d", {TLR_TAG_INTEGER, TLR_TAG_STRING}, 2, 2, {TLR__KIND_WORD, TLR__KIND_WORD}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tlr__plan plan;
        tlr__plan_make(cases[i].format, cases[i].tags, cases[i].value_count, &plan);
        assert_int_equal(plan.value_count, cases[i].value_count);
        assert_int_equal(plan.word_count, cases[i].word_count);
        assert_memory_equal(plan.kinds, cases[i].kinds, cases[i].value_count);
    }
    struct tlr__plan plan;
    tlr__plan_make("%.3000s", (const unsigned char[]){TLR_TAG_STRING}, 1, &plan);
    assert_int_equal(plan.precision[0], 3000);
}

/* ---- as printf --------------------------------------------------------------------------------
 */

static const char text_for_strings[] = "the quick brown fox";

/* One random conversion: its text and its arguments, stars first. */
struct specimen {
    char text[64];
    unsigned char tags[3];
    union tlr_value values[3];
    unsigned value_count;
    int stars[2];
    unsigned star_count;
    char letter;
    char length[3];
    long double wide;
};

static void add_star(struct specimen *specimen, uint64_t *random) {
    const int star = (int)random_below(random, 60) - 20;
    specimen->stars[specimen->star_count++] = star;
    specimen->tags[specimen->value_count] = TLR_TAG_INTEGER;
    specimen->values[specimen->value_count++].integer = star;
}

static void add_main_value(struct specimen *specimen, uint64_t *random) {
    union tlr_value *value = &specimen->values[specimen->value_count];
    unsigned char *tag = &specimen->tags[specimen->value_count++];
    switch (specimen->letter) {
    case 's':
        *tag = TLR_TAG_STRING;
        value->pointer = random_below(random, 9) == 0
                             ? NULL
                             : text_for_strings + random_below(random, sizeof text_for_strings);
        break;
    case 'p':
        *tag = TLR_TAG_POINTER;
        value->integer = random_integer(random);
        break;
    case 'c':
        *tag = TLR_TAG_INTEGER;
        value->integer = 'a' + (int)random_below(random, 26) + 256 * (int)random_below(random, 3);
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        *tag = TLR_TAG_INTEGER;
        value->integer = random_integer(random);
        break;
    default:
        if (specimen->length[0] == 'L') {
            *tag = TLR_TAG_LONG_DOUBLE;
            specimen->wide = (long double)random_real(random);
            if (random_below(random, 2)) specimen->wide *= specimen->wide / 3;
            value->pointer = &specimen->wide;
        } else {
            *tag = TLR_TAG_DOUBLE;
            value->real = random_real(random);
        }
    }
}

static void make_specimen(struct specimen *specimen, uint64_t *random) {
    *specimen = (struct specimen){.letter = "diuoxXcspfFeEgGaA"[random_below(random, 17)]};
    char *at = specimen->text;
    *at++ = '%';
    for (unsigned i = random_below(random, 3); i > 0; i--)
        *at++ = "-+ #0'"[random_below(random, 6)];
    if (random_below(random, 3) == 0) {
        at += sprintf(at, "%u", 1 + random_below(random, random_below(random, 9) ? 30 : 1024));
    } else if (random_below(random, 6) == 0) {
        *at++ = '*';
        add_star(specimen, random);
    }
    if (random_below(random, 3) == 0) {
        at += sprintf(at, ".%u", random_below(random, random_below(random, 9) ? 20 : 1024));
    } else if (random_below(random, 6) == 0) {
        *at++ = '.';
        *at++ = '*';
        add_star(specimen, random);
    }
    if (strchr("diuoxX", specimen->letter) != NULL) {
        static const char *const lengths[] = {"", "hh", "h", "l", "ll", "j", "z", "t", "q", "L"};
        stpcpy(specimen->length, lengths[random_below(random, 10)]);
    } else if (strchr("fFeEgGaA", specimen->letter) != NULL && random_below(random, 4) == 0) {
        stpcpy(specimen->length, "L");
    }
    at = stpcpy(at, specimen->length);
    *at++ = specimen->letter;
    *at = '\0';
    add_main_value(specimen, random);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

/* Calls snprintf with the stars there are. */
#define PRINT(out_, room_, specimen_, value_)                                                     \
    ((specimen_)->star_count == 0 ? snprintf(out_, room_, (specimen_)->text, value_)              \
     : (specimen_)->star_count == 1                                                               \
         ? snprintf(out_, room_, (specimen_)->text, (specimen_)->stars[0], value_)                \
         : snprintf(out_, room_, (specimen_)->text, (specimen_)->stars[0], (specimen_)->stars[1], \
                    value_))

static void print_specimen(const struct specimen *specimen, char *out, size_t room) {
    const union tlr_value value = specimen->values[specimen->value_count - 1];
    if (strchr("fFeEgGaA", specimen->letter) != NULL) {
        if (specimen->length[0] == 'L')
            PRINT(out, room, specimen, specimen->wide);
        else
            PRINT(out, room, specimen, value.real);
    } else if (specimen->letter == 's' || specimen->letter == 'p') {
        PRINT(out, room, specimen, value.pointer);
    } else if (specimen->length[0] == '\0' || specimen->length[0] == 'h') {
        PRINT(out, room, specimen, (int)value.integer);
    } else {
        PRINT(out, room, specimen, value.integer);
    }
}
#pragma GCC diagnostic pop

static void check_specimens(uint64_t *random, unsigned count) {
    static char expected[16384];
    struct specimen specimens[4];
    char format[320];
    unsigned char tags[12];
    union tlr_value values[12];
    unsigned value_count = 0;
    size_t expected_size = 0;
    char *at = format;
    for (unsigned i = 0; i < count; i++) {
        struct specimen *specimen = &specimens[i];
        make_specimen(specimen, random);
        memcpy(tags + value_count, specimen->tags, specimen->value_count);
        memcpy(values + value_count, specimen->values, specimen->value_count * sizeof *values);
        value_count += specimen->value_count;
        const char *between = i == 0                    ? ""
                              : random_below(random, 2) ? " | "
                                                        : ", and then some text ";
        at = stpcpy(stpcpy(at, between), specimen->text);
        expected_size = (size_t)(stpcpy(expected + expected_size, between) - expected);
        print_specimen(specimen, expected + expected_size, sizeof expected - expected_size);
        expected_size += strlen(expected + expected_size);
    }
    struct fixture fixture;
    fixture_open_values(&fixture, format, tags, value_count, values);
    size_t size;
    char *message = fixture_print(&fixture.record, tlr_record_message, &size);
    if (strcmp(message, expected) != 0)
        fail_msg("%s\n printed  [%s]\n expected [%s]", format, message, expected);
    free(message);
    fixture_close(&fixture);
}

static void test_conversions_print_as_printf(void **state) {
    (void)state;
    uint64_t random = SEED;
    print_message("seed %#llx\n", (unsigned long long)random);
    for (unsigned i = 0; i < 200000; i++) check_specimens(&random, 1);
    for (unsigned i = 0; i < 20000; i++) check_specimens(&random, 2 + random_below(&random, 3));
}

static void test_fixed_point_is_exact(void **state) {
    (void)state;
    uint64_t random = SEED;
    for (unsigned i = 0; i < 300000; i++) {
        const double value = random_real(&random);
        const unsigned precision = random_below(&random, TLR__NUMBER_PRECISION_MAX + 1);
        if (!tlr__number_fixed_fits(value, precision)) continue;
        char own[64], expected[400];
        *tlr__number_fixed(own, value, precision) = '\0';
        snprintf(expected, sizeof expected, "%.*f", (int)precision, fabs(value));
        assert_string_equal(own, expected);
    }
}

static void test_extremes_of_long_double(void **state) {
    (void)state;
    static char expected[8192];
    const long double values[] = {LDBL_MAX,          -LDBL_MAX, LDBL_MIN, (long double)INFINITY,
                                  -(long double)NAN, 0.1L};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        snprintf(expected, sizeof expected, "%.1024Lf|%Lg|%La|%+.40Le", values[i], values[i],
                 values[i], values[i]);
        FIXTURE_CHECK(tlr_record_message, expected, "%.1024Lf|%Lg|%La|%+.40Le", values[i],
                      values[i], values[i], values[i]);
    }
}

static void test_widths_are_capped(void **state) {
    (void)state;
    char expected[2 * 1024 + 2];
    snprintf(expected, sizeof expected, "%1024d|%-1024d", 7, 7);
    FIXTURE_CHECK(tlr_record_message, expected, "%100000d|%*d", 7, INT32_MIN, 7);
    snprintf(expected, sizeof expected, "%.1024f", 0.1);
    FIXTURE_CHECK(tlr_record_message, expected, "%.4000f", 0.1);
    FIXTURE_CHECK(tlr_record_message, expected, "%.*f", 2000000000, 0.1);
}

static void test_the_process_locale_is_ignored(void **state) {
    (void)state;
    static const char *const with_comma[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof with_comma / sizeof *with_comma && found == NULL; i++)
        found = setlocale(LC_ALL, with_comma[i]);
    if (found == NULL) {
        print_message("SKIPPED: no locale with a decimal comma is installed\n");
        skip();
    }
    FIXTURE_CHECK(tlr_record_message, "1.5 2.500000 1e+100", "%g %f %g", 1.5, 2.5, 1e100);
    setlocale(LC_ALL, "C");
}

/* ---- strings -----------------------------------------------------------------------------------
 */

static void test_null_is_said(void **state) {
    (void)state;
    FIXTURE_CHECK(tlr_record_message, "(null) and f=(null)", "%s and f=%s", (char *)NULL,
                  (char *)NULL);
}

static void test_strings_too_long_are_marked(void **state) {
    (void)state;
    char text[TLR_STRING_BYTES_MAX + 100], expected[TLR_STRING_BYTES_MAX + 20];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memset(expected, 'x', TLR_STRING_BYTES_MAX);
    stpcpy(expected + TLR_STRING_BYTES_MAX, "... end");
    FIXTURE_CHECK(tlr_record_message, expected, "%s end", text);
    stpcpy(expected + TLR_STRING_BYTES_MAX, " end");
    text[TLR_STRING_BYTES_MAX] = '\0';
    FIXTURE_CHECK(tlr_record_message, expected, "%s end", text);
}

static void test_unterminated_strings(void **state) {
    (void)state;
    char *text = malloc(3); /* so that a sanitizer sees the fourth byte read */
    memcpy(text, "abc", 3);
    FIXTURE_CHECK(tlr_record_message, "[abc] [ab] [abc]", "[%.3s] [%.*s] [%.3s]", text, 2, text,
                  text);
    free(text);
}

/* ---- what is refused ----------------------------------------------------------------------------
 */

struct refusal {
    const char *format;
    unsigned char tags[4];
    unsigned value_count;
    const char *message;
};

static void test_refused_conversions(void **state) {
    (void)state;
    static const struct refusal cases[] = {
        {"a %n b", {TLR_TAG_POINTER}, 1, "a (bad %n) b"},
        {"a %hhn %d", {TLR_TAG_POINTER, TLR_TAG_INTEGER}, 2, "a (bad %hhn) 8"},
        {"%m %d", {TLR_TAG_INTEGER}, 1, "(bad %m) 0"},
        {"%ls %d", {TLR_TAG_POINTER, TLR_TAG_INTEGER}, 2, "(bad %ls) 8"},
        {"%lc", {TLR_TAG_INTEGER}, 1, "(bad %lc)"},
        {"%y %d", {TLR_TAG_INTEGER, TLR_TAG_INTEGER}, 2, "(bad %y) 8"},
        {"%1$d", {TLR_TAG_INTEGER}, 1, "(bad %1$)d"},
        {"%d", {TLR_TAG_DOUBLE}, 1, "(bad %d)"},
        {"%f", {TLR_TAG_INTEGER}, 1, "(bad %f)"},
        {"%Lf", {TLR_TAG_DOUBLE}, 1, "(bad %Lf)"},
        {"%f", {TLR_TAG_LONG_DOUBLE}, 1, "(bad %f)"},
        {"%s", {TLR_TAG_INTEGER}, 1, "(bad %s)"},
        {"%*d %d", {TLR_TAG_STRING, TLR_TAG_INTEGER, TLR_TAG_INTEGER}, 3, "(bad %*d) 16"},
        {"%d %d", {TLR_TAG_INTEGER}, 1, "0 (missing %d)"},
        {"%*d", {TLR_TAG_INTEGER}, 1, "(missing %*d)"},
        {"%s%n", {0}, 0, "(missing %s)(bad %n)"},
        {"100%", {0}, 0, "100(bad %)"},
        {"100%%n", {0}, 0, "100%n"},
        {"%5%|%d", {TLR_TAG_INTEGER}, 1, "%|0"},
        {"x=%n y=%d", {TLR_TAG_POINTER, TLR_TAG_INTEGER}, 2, "x=(bad %n) y=8"},
        {"more", {TLR_TAG_INTEGER, TLR_TAG_INTEGER}, 2, "more"},
        {"\x1b[%\n", {0}, 0, "\\x1b[(bad %\\n)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        /* Every value is 8 bytes, whose number is its place. */
        const uint64_t payload[] = {0, 8, 16, 24};
        struct fixture fixture;
        fixture_open_bytes(&fixture, cases[i].format, cases[i].tags, cases[i].value_count,
                           (const unsigned char *)payload, cases[i].value_count * 8);
        assert_true(tlr__payload_valid(tlr__program_plan(fixture.program), fixture.payload,
                                       cases[i].value_count * 8));
        FIXTURE_EXPECT(&fixture, tlr_record_message, cases[i].message);
        fixture_close(&fixture);
    }
}

static void test_a_program_keeps_what_it_was_given(void **state) {
    (void)state;
    char format[] = "a=%d b=%s";
    unsigned char tags[] = {TLR_TAG_INTEGER, TLR_TAG_STRING};
    struct tlr_format_program *program = tlr__program_compile(format, tags, 2);
    memset(format, 'x', sizeof format - 1);
    memset(tags, 0, sizeof tags);
    assert_string_equal(tlr__program_format(program), "a=%d b=%s");
    assert_int_equal(tlr__program_tags(program)[1], TLR_TAG_STRING);
    assert_int_equal(tlr__program_plan(program)->word_count, 1);
    tlr__program_free(program);
    tlr__program_free(NULL);
}

/* ---- fields
 * -------------------------------------------------------------------------------------- */

static void test_which_conversions_are_fields(void **state) {
    (void)state;
    static const struct {
        const char *format; /* of %d alone */
        const char *names;  /* each with a blank behind it */
    } cases[] = {
        {"a=%d", "a "},
        {"status=%d dur_us=%d", "status dur_us "},
        {"done status=%d.", "status "},
        {"took_ms=%dms", "took_ms "},
        {"cpu=%d%%", "cpu "},
        {"cpu=%d%% mem=%d%%, io=%d", "cpu mem io "},
        {"(a=%d,b=%d;c=%d)", "a b c "},
        {"[a=%d] {b=%d}", "a b "},
        {"http.status-code=%d", "http.status-code "},
        {"_a1=%d", "_a1 "},
        {"a = %d", ""},
        {"a= %d", ""},
        {"1a=%d", ""},
        {"-a=%d", ""},
        {".a=%d", ""},
        {"=%d", ""},
        {" =%d", ""},
        {"a==%d", ""},
        {"x/a=%d", ""},
        {"x:a=%d", ""},
        {"\"a=%d", ""},
        {"\ta=%d", ""},
        {"%da=%d", ""},
        {"%d a=%d", "a "},
        {"%%a=%d", ""},
        {"size=%dx%d", ""},
        {"peer=%d:%d", ""},
        {"peer=%d:%d a=%d", "a "},
        {"range=%d-%d, a=%d", "a "},
        {"at=%d:%d:%d a=%d", "a "},
        {"a=%5d b=%-5d", "a b "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned count = 0;
        for (const char *at = cases[i].format; *at != '\0'; at++)
            if (*at == '%' && *++at != '%') count++;
        static const unsigned char tags[] = {TLR_TAG_INTEGER, TLR_TAG_INTEGER, TLR_TAG_INTEGER,
                                             TLR_TAG_INTEGER};
        static const union tlr_value values[4] = {{1}, {2}, {3}, {4}};
        struct fixture fixture;
        fixture_open_values(&fixture, cases[i].format, tags, count, values);
        char names[64] = "", *end = names;
        struct tlr_field field;
        for (unsigned j = 0; tlr_record_field_at(&fixture.record, j, &field) == 0; j++) {
            assert_int_equal(field.type, TLR_FIELD_INTEGER);
            assert_true(field.name_bytes + 2 <= (size_t)(names + sizeof names - end));
            end = mempcpy(end, field.name, field.name_bytes);
            end = stpcpy(end, " ");
        }
        if (strcmp(names, cases[i].names) != 0)
            fail_msg("%s has [%s], not [%s]", cases[i].format, names, cases[i].names);
        fixture_close(&fixture);
    }
}

static void test_fields_are_typed(void **state) {
    (void)state;
    struct fixture fixture;
    struct tlr_field field;
    FIXTURE_OPEN(&fixture, "a=%d b=%u c=%f d=%s e=%p f=%c g=%hhd h=%Lf i=%.*s j=%s k=%#x plain %d",
                 -1, -1, 0.25, "x\ny", (void *)4096, 'z', 511, 0.5L, 2, "abc", (char *)NULL, 255,
                 9);
    assert_int_equal(tlr_record_field(&fixture.record, "a", &field), 0);
    assert_true(field.type == TLR_FIELD_INTEGER && field.as.integer == -1);
    assert_int_equal(tlr_record_field(&fixture.record, "b", &field), 0);
    assert_true(field.type == TLR_FIELD_UNSIGNED && field.as.number == UINT32_MAX);
    assert_int_equal(tlr_record_field(&fixture.record, "c", &field), 0);
    assert_true(field.type == TLR_FIELD_REAL && field.as.real == 0.25);
    assert_int_equal(tlr_record_field(&fixture.record, "d", &field), 0);
    assert_true(field.type == TLR_FIELD_STRING && field.as.text.size == 3);
    assert_memory_equal(field.as.text.bytes, "x\ny", 3);
    assert_int_equal(tlr_record_field(&fixture.record, "e", &field), 0);
    assert_true(field.type == TLR_FIELD_POINTER && field.as.number == 4096);
    assert_int_equal(tlr_record_field(&fixture.record, "f", &field), 0);
    assert_true(field.type == TLR_FIELD_STRING && field.as.text.size == 1);
    assert_int_equal(*field.as.text.bytes, 'z');
    assert_int_equal(tlr_record_field(&fixture.record, "g", &field), 0);
    assert_true(field.type == TLR_FIELD_INTEGER && field.as.integer == -1);
    assert_int_equal(tlr_record_field(&fixture.record, "h", &field), 0);
    assert_true(field.type == TLR_FIELD_REAL && field.as.real == 0.5);
    assert_int_equal(tlr_record_field(&fixture.record, "i", &field), 0);
    assert_true(field.type == TLR_FIELD_STRING && field.as.text.size == 2);
    assert_int_equal(tlr_record_field(&fixture.record, "j", &field), 0);
    assert_memory_equal(field.as.text.bytes, "(null)", 6);
    assert_int_equal(tlr_record_field(&fixture.record, "k", &field), 0);
    assert_true(field.type == TLR_FIELD_UNSIGNED && field.as.number == 255);
    assert_int_equal(tlr_record_field(&fixture.record, "plain", &field), -ENOENT);
    assert_int_equal(tlr_record_field(&fixture.record, "", &field), -ENOENT);
    assert_int_equal(tlr_record_field_at(&fixture.record, 10, &field), 0);
    assert_int_equal(tlr_record_field_at(&fixture.record, 11, &field), -ENOENT);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_decides_what_is_copied),
        cmocka_unit_test(test_conversions_print_as_printf),
        cmocka_unit_test(test_fixed_point_is_exact),
        cmocka_unit_test(test_extremes_of_long_double),
        cmocka_unit_test(test_widths_are_capped),
        cmocka_unit_test(test_the_process_locale_is_ignored),
        cmocka_unit_test(test_null_is_said),
        cmocka_unit_test(test_strings_too_long_are_marked),
        cmocka_unit_test(test_unterminated_strings),
        cmocka_unit_test(test_refused_conversions),
        cmocka_unit_test(test_a_program_keeps_what_it_was_given),
        cmocka_unit_test(test_which_conversions_are_fields),
        cmocka_unit_test(test_fields_are_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
