/* Text lines: what they look like, that they read back, and that nothing in them can be forged. */
#include "line_fixture.h"

#include "date.h"
#include "escape.h"

#include <time.h>

#define SEED UINT64_C(0x11fe2026)
#define PREFIX "2026-11-20T15:03:11.482913Z WARN  loop-0 server.http  "

static void test_lines(void **state) {
    (void)state;
    FIXTURE_CHECK(tlr_record_text, PREFIX "slow write dur_us=1840\n", "slow write dur_us=%d", 1840);
    FIXTURE_CHECK(tlr_record_text, PREFIX "\n", "");
    FIXTURE_CHECK(tlr_record_text, PREFIX "iteration 7 value 0.500000 name x\n",
                  "iteration %d value %f name %s", 7, 0.5, "x");
    FIXTURE_CHECK(tlr_record_text, PREFIX "100% of it, took_ms=12ms\n", "100%% of it, took_ms=%dms",
                  12);
    FIXTURE_CHECK(tlr_record_text, PREFIX "literal\\n\\ttext \\x1b[2J\n",
                  "literal\n\ttext \x1b[2J");
}

static void test_values_of_fields_are_quoted(void **state) {
    (void)state;
    static const struct {
        const char *value, *printed;
    } cases[] = {
        {"plain", "plain"},
        {"", "\"\""},
        {"a b", "\"a b\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"\"", "\"\\\"\""},
        {"C:\\new", "C:\\new"},
        {"C:\\new dir", "\"C:\\\\new dir\""},
        {"a\nb", "\"a\\nb\""},
        {"\t", "\"\\t\""},
        {"\r\n", "\"\\r\\n\""},
        {"\x1b[31m", "\"\\x1b[31m\""},
        {"\x7f", "\"\\x7f\""},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"\xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80",
         "\"\xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80\""},
        {"\xc2\x9b"
         "2J",
         "\"\\xc2\\x9b2J\""},
        {"\xff", "\"\\xff\""},
        {"\xc0\xaf", "\"\\xc0\\xaf\""},
        {"\xe0\x9f\xbf", "\"\\xe0\\x9f\\xbf\""},
        {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\""},
        {"\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\""},
        {"\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\""},
        {"\xe2\x80\xae", "\"\\xe2\\x80\\xae\""},
        {"\xe6\xbc", "\"\\xe6\\xbc\""},
        {"a,b;c)", "a,b;c)"},
        {NULL, "(null)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[128];
        snprintf(expected, sizeof expected, PREFIX "v=%s end=1\n", cases[i].printed);
        FIXTURE_CHECK(tlr_record_text, expected, "v=%s end=%d", cases[i].value, 1);
    }
    FIXTURE_CHECK(tlr_record_text, PREFIX "c=\" \" c=\"\\x00\" c=x\n", "c=%c c=%c c=%c", ' ', 0,
                  'x');
    FIXTURE_CHECK(tlr_record_text, PREFIX "a=  x b=\"y z\"   .\n", "a=%3s b=%-6s.", "x", "y z");
    FIXTURE_CHECK(tlr_record_text, PREFIX "peer=\"a b\":80 x\n", "peer=%s:%d %s", "a b", 80, "x");
    FIXTURE_CHECK(tlr_record_text, PREFIX "a=1/\"x y\", z z\n", "a=%d/%s, %s", 1, "x y", "z z");
}

static void test_cut_values_say_so(void **state) {
    (void)state;
    const size_t size = strlen(PREFIX "v=") + TLR_STRING_BYTES_MAX + 16;
    char text[TLR_STRING_BYTES_MAX + 2], *expected = malloc(size);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    snprintf(expected, size, PREFIX "v=%.*s...\n", (int)TLR_STRING_BYTES_MAX, text);
    FIXTURE_CHECK(tlr_record_text, expected, "v=%s", text);
    text[0] = ' ';
    snprintf(expected, size, PREFIX "v=\"%.*s...\"\n", (int)TLR_STRING_BYTES_MAX, text);
    FIXTURE_CHECK(tlr_record_text, expected, "v=%s", text);
    free(expected);
}

static void test_messages_read_as_no_fields(void **state) {
    (void)state;
    static const struct {
        const char *value, *printed;
    } cases[] = {
        {"x user=root", "x user\\=root"},
        {"user=root", "user\\=root"},
        {"=root", "\\=root"},
        {"GET /a?b=c&d=e HTTP/1.1", "GET /a?b=c&d=e HTTP/1.1"},
        {"a = b", "a = b"},
        {"a == b", "a == b"},
        {"(user=root", "(user\\=root"},
        {"[x,user=root", "[x,user\\=root"},
        {"x\tuser=root", "x\\tuser=root"},
        {"1 + 1 = 2", "1 + 1 = 2"},
        {"x  trace=4bf92f3577b34da6a3ce929d0e0e4736",
         "x  trace\\=4bf92f3577b34da6a3ce929d0e0e4736"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[160];
        snprintf(expected, sizeof expected, PREFIX "got %s end=1\n", cases[i].printed);
        FIXTURE_CHECK(tlr_record_text, expected, "got %s end=%d", cases[i].value, 1);
    }
}

static void test_names_stay_one_word(void **state) {
    (void)state;
    struct fixture fixture;
    FIXTURE_OPEN(&fixture, "x");
    fixture.record.thread = "GLib pool\n";
    fixture.record.category = "";
    fixture.record.level = TLR_LEVEL_ERROR;
    FIXTURE_EXPECT(&fixture, tlr_record_text,
                   "2026-11-20T15:03:11.482913Z ERROR GLib\\x20pool\\n -  x\n");
    fixture.record.thread = "caf\xc3\xa9";
    fixture.record.category = "a";
    fixture.record.level = (enum tlr_level)99;
    FIXTURE_EXPECT(&fixture, tlr_record_text,
                   "2026-11-20T15:03:11.482913Z UNSET caf\xc3\xa9 a  x\n");
    fixture_close(&fixture);
}

static void test_context(void **state) {
    (void)state;
    const struct tlr_context context = {.trace_id = {0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
                                                     0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47,
                                                     0x36},
                                        .span_id = UINT64_C(0xf067aa0ba902b7)};
    const struct tlr_context none = {.span_id = 1};
    struct fixture fixture;
    FIXTURE_OPEN(&fixture, "a=%d", 1);
    fixture.record.context = &context;
    FIXTURE_EXPECT(&fixture, tlr_record_text,
                   PREFIX "a=1  trace=4bf92f3577b34da6a3ce929d0e0e4736\n");
    FIXTURE_EXPECT(&fixture, tlr_record_message, "a=1");
    fixture.record.context = &none;
    FIXTURE_EXPECT(&fixture, tlr_record_text, PREFIX "a=1\n");
    fixture_close(&fixture);
}

static void check_date(uint64_t time_ns) {
    char own[TLR__DATE_BYTES + 1], second[32], expected[64];
    const time_t seconds = (time_t)(time_ns / TLR_NS_PER_S);
    struct tm parts;
    *tlr__date_print(own, time_ns) = '\0';
    strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &parts));
    snprintf(expected, sizeof expected, "%s.%06uZ", second,
             (unsigned)(time_ns % TLR_NS_PER_S / TLR_NS_PER_US));
    assert_string_equal(own, expected);
}

static void test_dates_are_those_of_the_c_library(void **state) {
    (void)state;
    uint64_t random = SEED;
    for (unsigned i = 0; i < 100000; i++) check_date(random_next(&random));
    for (uint64_t day = 0; day < 213503; day++) check_date(day * 86400 * TLR_NS_PER_S);
    check_date(0);
    check_date(UINT64_MAX);
    check_date(UINT64_C(951782400) * TLR_NS_PER_S - 1); /* the day before 29 February 2000 */
}

/* ---- a plain reader of lines ------------------------------------------------------------------
 */

struct read_field {
    char name[32];
    char value[512];
    size_t size;
};

static int hex_value(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Reads the value at `at`, undoing quotes; returns where it ended. */
static const char *read_value(const char *at, struct read_field *field) {
    field->size = 0;
    if (*at != '"') {
        while (*at != ' ' && *at != '\n') field->value[field->size++] = *at++;
        return at;
    }
    for (at++; *at != '"'; at++) {
        assert_int_not_equal(*at, '\n');
        char byte = *at;
        if (byte == '\\') {
            byte = *++at;
            if (byte == 'n') {
                byte = '\n';
            } else if (byte == 't') {
                byte = '\t';
            } else if (byte == 'r') {
                byte = '\r';
            } else if (byte == 'x') {
                byte = (char)(hex_value(at[1]) * 16 + hex_value(at[2]));
                at += 2;
            } else {
                assert_true(byte == '"' || byte == '\\');
            }
        }
        field->value[field->size++] = byte;
    }
    return at + 1;
}

/* Finds what looks like a field: a name behind a separator, and '='. Returns how many. */
static unsigned read_fields(const char *message, struct read_field *fields, unsigned capacity) {
    unsigned count = 0;
    const char *at = message;
    while (*at != '\n') {
        const char *end = at;
        while (tlr__escape_is_name(*end)) end++;
        const bool begins = at == message || tlr__escape_is_separator(at[-1]);
        if (begins && end > at && *end == '=') {
            assert_in_range(count, 0, capacity - 1);
            snprintf(fields[count].name, sizeof fields[count].name, "%.*s", (int)(end - at), at);
            at = read_value(end + 1, &fields[count++]);
        } else {
            at = end > at ? end : at + 1;
        }
    }
    return count;
}

static void check_safe(const char *line, size_t size) {
    assert_int_equal(line[size - 1], '\n');
    char *again = malloc(size * TLR__ESCAPE_FACTOR);
    const char *end = tlr__escape_literal(again, line, size - 1);
    /* Nothing is left that would have to be escaped. */
    assert_int_equal(end - again, size - 1);
    assert_memory_equal(again, line, size - 1);
    for (size_t i = 0; i + 1 < size; i++) assert_true((unsigned char)line[i] >= 0x20);
    free(again);
}

static char *random_string(uint64_t *random, char *out) {
    out[random_text(random, out, 200)] = '\0';
    return out;
}

static void check_value(const struct read_field *field, const char *name, const char *value) {
    assert_string_equal(field->name, name);
    if (field->size != strlen(value) || memcmp(field->value, value, field->size) != 0)
        fail_msg("%s: [%.*s] instead of [%s]", name, (int)field->size, field->value, value);
}

static void test_lines_read_back_and_forge_nothing(void **state) {
    (void)state;
    uint64_t random = SEED;
    print_message("seed %#llx\n", (unsigned long long)random);
    for (unsigned i = 0; i < 100000; i++) {
        char a[256], b[256], c[256], d[256];
        struct fixture fixture;
        FIXTURE_OPEN(&fixture, "%s%s first=%s (second=%s) n=%d", random_string(&random, a),
                     random_string(&random, b), random_string(&random, c),
                     random_string(&random, d), (int)i);
        size_t size;
        char *line = fixture_print(&fixture.record, tlr_record_text, &size);
        check_safe(line, size);
        assert_memory_equal(line, PREFIX, strlen(PREFIX));
        struct read_field fields[4] = {0};
        assert_int_equal(read_fields(line + strlen(PREFIX), fields, 4), 3);
        check_value(&fields[0], "first", c);
        /* Unquoted, it takes the bracket along: only a blank ends it. */
        if (fields[1].size == strlen(d) + 1) fields[1].size--;
        check_value(&fields[1], "second", d);
        snprintf(a, sizeof a, "%u", i);
        check_value(&fields[2], "n", a);
        free(line);
        fixture_close(&fixture);
    }
}

static void test_random_names_and_formats_are_safe(void **state) {
    (void)state;
    uint64_t random = SEED + 1;
    for (unsigned i = 0; i < 50000; i++) {
        char format[256], thread[256], category[256], value[256];
        struct fixture fixture;
        const unsigned char tag = TLR_TAG_STRING;
        const union tlr_value values[] = {{.pointer = random_string(&random, value)}};
        fixture_open_values(&fixture, random_string(&random, format), &tag, 1, values);
        fixture.record.thread = random_string(&random, thread);
        fixture.record.category = random_string(&random, category);
        size_t size;
        char *line = fixture_print(&fixture.record, tlr_record_text, &size);
        check_safe(line, size);
        free(line);
        fixture_close(&fixture);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_values_of_fields_are_quoted),
        cmocka_unit_test(test_cut_values_say_so),
        cmocka_unit_test(test_messages_read_as_no_fields),
        cmocka_unit_test(test_names_stay_one_word),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_dates_are_those_of_the_c_library),
        cmocka_unit_test(test_lines_read_back_and_forge_nothing),
        cmocka_unit_test(test_random_names_and_formats_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
