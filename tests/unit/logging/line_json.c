/* JSON lines: exact examples, and that each line is strict JSON with the values that were logged.
 */
#include "line_fixture.h"

#include <math.h>

#define SEED UINT64_C(0x75082026)
#define HEAD                                                                            \
    "{\"ts\":\"2026-11-20T15:03:11.482913Z\",\"level\":\"warn\",\"thread\":\"loop-0\"," \
    "\"cat\":\"server.http\",\"msg\":"
#define TAIL ",\"site\":\"server/conn.c:120\"}\n"

/* Checks what stands from msg's value to the site. */
#define CHECK(expected_, ...) FIXTURE_CHECK(tlr_record_json, HEAD expected_ TAIL, __VA_ARGS__)

static void test_lines(void **state) {
    (void)state;
    CHECK("\"slow write\",\"dur_us\":1840", "slow write dur_us=%d", 1840);
    CHECK("\"\"", "");
    CHECK("\"iteration 7 value 0.500000 name x\"", "iteration %d value %f name %s", 7, 0.5, "x");
    CHECK("\"got   7 and x  .\"", "got %3d and %-3s.", 7, "x");
    CHECK("\"a\\nb\\t\\u001b\\\"\\\\\"", "a\nb\t\x1b\"\\");
}

static void test_values_are_typed(void **state) {
    (void)state;
    CHECK("\"\",\"a\":-5,\"b\":18446744073709551615,\"c\":255,\"d\":8", "a=%05d b=%lu c=%#x d=%o",
          -5, UINT64_MAX, 255, 8);
    CHECK("\"\",\"a\":0.500000,\"b\":1e+20,\"c\":2,\"d\":1.50", "a=%+10f b=%g c=%#.0f d=%-9.2f",
          0.5, 1e20, 2.0, 1.5);
    CHECK("\"\",\"a\":0.10000000000000001,\"b\":0.5", "a=%a b=%La", 0.1, 0.5L);
    CHECK("\"\",\"a\":\"nan\",\"b\":\"-inf\",\"c\":\"INF\",\"d\":\"inf\"", "a=%f b=%.1f c=%E d=%Lg",
          NAN, -INFINITY, INFINITY, (long double)INFINITY);
    CHECK("\"\",\"a\":\"0x1000\",\"b\":\"0x0\"", "a=%p b=%20p", (void *)4096, (void *)0);
    CHECK("\"\",\"a\":\"x y\",\"b\":null,\"c\":\"z\",\"d\":\"\"", "a=%9s b=%s c=%c d=%s", "x y",
          (char *)NULL, 'z', "");
    CHECK("\"(null)\"", "%s", (char *)NULL);
}

static void test_strings(void **state) {
    (void)state;
    CHECK("\"\",\"v\":\"\\\"\\\\/\\n\\r\\t\\u0008\\u007f\"", "v=%s", "\"\\/\n\r\t\b\x7f");
    CHECK("\"\",\"v\":\"caf\xc3\xa9 \xf0\x9f\x98\x80\"", "v=%s", "caf\xc3\xa9 \xf0\x9f\x98\x80");
    CHECK("\"\",\"v\":\"\\u0085\\u2028\\u202e\"", "v=%s", "\xc2\x85\xe2\x80\xa8\xe2\x80\xae");
    CHECK("\"\",\"v\":\"a\xef\xbf\xbd"
          "b\xef\xbf\xbd\"",
          "v=%s",
          "a\xff"
          "b\xc3");
    CHECK("\"\",\"v\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", "v=%s", "\xed\xa0\x80");
    CHECK("\"\",\"v\":\"\\u0000\"", "v=%c", 0);
}

static void test_names_are_unique(void **state) {
    (void)state;
    CHECK("\"\",\"ts_\":1,\"level_\":2,\"msg_\":3,\"trace_\":4", "ts=%d level=%d msg=%d trace=%d",
          1, 2, 3, 4);
    CHECK("\"\",\"a\":1,\"a_\":2,\"a__\":3,\"site_\":4", "a=%d a=%d a_=%d site=%d", 1, 2, 3, 4);
}

static void test_msg_leaves_fields_out(void **state) {
    (void)state;
    CHECK("\"request done\",\"status\":1,\"dur\":2", "request done status=%d dur=%dms", 1, 2);
    CHECK("\"before after\",\"a\":1", "before a=%d after", 1);
    CHECK("\"done\",\"a\":1,\"b\":2", "done (a=%d, b=%d)", 1, 2);
    CHECK("\"done (fast)\",\"a\":1,\"b\":2", "done (fast, a=%d; b=%d)", 1, 2);
    CHECK("\"done\",\"a\":1", "done, a=%d", 1);
    CHECK("\"done, but why\",\"a\":1", "done, a=%d but why", 1);
    CHECK("\"(x) y [5]\",\"a\":1", "(x a=%d) y [%d]", 1, 5);
    CHECK("\"done then\",\"a\":1", "done (a=%d) then", 1);
    CHECK("\"\",\"a\":1,\"b\":2", "a=%d, b=%d", 1, 2);
    CHECK("\"cpu high\",\"cpu\":97,\"io\":3", "cpu=%d%%, io=%d%% cpu high", 97, 3);
    CHECK("\"peer=x:80 said hi\",\"n\":1", "peer=%s:%d n=%d said %s", "x", 80, 1, "hi");
    CHECK("\"x 5 y\",\"a\":1,\"b\":2", "x a=%d %d b=%d y", 1, 5, 2);
    CHECK("\"trimmed\"", "  trimmed  ");
    CHECK("\"ended.\",\"a\":1", "ended. a=%d.", 1);
}

static void test_context(void **state) {
    (void)state;
    const struct tlr_context context = {.trace_id = {0x4b, [15] = 0x36}, .span_id = 0x2b7};
    struct fixture fixture;
    FIXTURE_OPEN(&fixture, "x a=%d", 1);
    fixture.record.context = &context;
    FIXTURE_EXPECT(&fixture, tlr_record_json,
                   HEAD "\"x\",\"a\":1,\"trace\":\"4b000000000000000000000000000036\","
                        "\"span\":\"00000000000002b7\"" TAIL);
    fixture_close(&fixture);
}

/* ---- a strict reader ---------------------------------------------------------------------------
 */

enum { MEMBERS_MAX = 48, TEXT_MAX = 2048 };

struct member {
    char name[128];
    char kind;           /* s string, n number, 0 null */
    char text[TEXT_MAX]; /* decoded, or the number as it stands */
    size_t size;
};

struct reader {
    const char *at, *end;
    struct member members[MEMBERS_MAX];
    unsigned count;
};

static void expect(struct reader *reader, char c) {
    assert_true(reader->at < reader->end);
    assert_int_equal(*reader->at, c);
    reader->at++;
}

static unsigned read_hex(struct reader *reader) {
    unsigned value = 0;
    for (unsigned i = 0; i < 4; i++) {
        const char c = *reader->at++;
        assert_true((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
        value = value * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return value;
}

static char *put_utf8(char *out, unsigned code_point) {
    assert_false(code_point >= 0xd800 && code_point <= 0xdfff);
    if (code_point < 0x80) {
        *out++ = (char)code_point;
    } else if (code_point < 0x800) {
        *out++ = (char)(0xc0 | code_point >> 6);
        *out++ = (char)(0x80 | (code_point & 0x3f));
    } else {
        *out++ = (char)(0xe0 | code_point >> 12);
        *out++ = (char)(0x80 | (code_point >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code_point & 0x3f));
    }
    return out;
}

/* How many bytes the UTF-8 character at `at` has; fails where there is none. */
static size_t utf8_bytes(const unsigned char *at) {
    if (at[0] < 0x80) return 1;
    const size_t bytes = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    assert_in_range(at[0], 0xc2, 0xf4);
    for (size_t i = 1; i < bytes; i++) assert_int_equal(at[i] & 0xc0, 0x80);
    if (at[0] == 0xe0) assert_true(at[1] >= 0xa0);
    if (at[0] == 0xed) assert_true(at[1] < 0xa0);
    if (at[0] == 0xf0) assert_true(at[1] >= 0x90);
    if (at[0] == 0xf4) assert_true(at[1] < 0x90);
    return bytes;
}

static size_t read_string(struct reader *reader, char *out, size_t room) {
    char *const begin = out;
    expect(reader, '"');
    while (*reader->at != '"') {
        assert_true((size_t)(out - begin) + 8 < room);
        assert_true((unsigned char)*reader->at >= 0x20 && *reader->at != 0x7f);
        if (*reader->at == '\\') {
            const char c = reader->at[1];
            reader->at += 2;
            switch (c) {
            case 'n':
                *out++ = '\n';
                break;
            case 't':
                *out++ = '\t';
                break;
            case 'r':
                *out++ = '\r';
                break;
            case 'u':
                out = put_utf8(out, read_hex(reader));
                break;
            default:
                assert_true(c == '"' || c == '\\');
                *out++ = c;
            }
            continue;
        }
        const size_t bytes = utf8_bytes((const unsigned char *)reader->at);
        out = mempcpy(out, reader->at, bytes);
        reader->at += bytes;
    }
    reader->at++;
    assert_true(reader->at < reader->end);
    *out = '\0';
    return (size_t)(out - begin);
}

static const char *skip_digits(const char *at) {
    assert_true(*at >= '0' && *at <= '9');
    while (*at >= '0' && *at <= '9') at++;
    return at;
}

static void read_number(struct reader *reader, struct member *member) {
    const char *at = reader->at;
    if (*at == '-') at++;
    at = *at == '0' ? at + 1 : skip_digits(at);
    if (*at == '.') at = skip_digits(at + 1);
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '+' || *at == '-') at++;
        at = skip_digits(at);
    }
    member->size = (size_t)(at - reader->at);
    assert_in_range(member->size, 1, TEXT_MAX - 1);
    memcpy(member->text, reader->at, member->size);
    member->text[member->size] = '\0';
    reader->at = at;
}

static void read_member(struct reader *reader) {
    assert_in_range(reader->count, 0, MEMBERS_MAX - 1);
    struct member *member = &reader->members[reader->count];
    read_string(reader, member->name, sizeof member->name);
    for (unsigned i = 0; i < reader->count; i++)
        assert_string_not_equal(reader->members[i].name, member->name);
    reader->count++;
    expect(reader, ':');
    if (*reader->at == '"') {
        member->kind = 's';
        member->size = read_string(reader, member->text, sizeof member->text);
    } else if (strncmp(reader->at, "null", 4) == 0) {
        member->kind = '0';
        reader->at += 4;
    } else {
        member->kind = 'n';
        read_number(reader, member);
    }
}

/* Reads one line; fails unless it is one JSON object, with a newline behind it and no other. */
static void read_line(struct reader *reader, const char *line, size_t size) {
    reader->at = line;
    reader->end = line + size;
    reader->count = 0;
    expect(reader, '{');
    for (;;) {
        read_member(reader);
        if (*reader->at == '}') break;
        expect(reader, ',');
    }
    expect(reader, '}');
    expect(reader, '\n');
    assert_ptr_equal(reader->at, reader->end);
}

static const struct member *find(const struct reader *reader, const char *name) {
    for (unsigned i = 0; i < reader->count; i++)
        if (strcmp(reader->members[i].name, name) == 0) return &reader->members[i];
    fail_msg("no member %s", name);
    return NULL;
}

/* What a reader gets of bytes that need not be UTF-8. */
static size_t as_utf8(const char *text, size_t size, char *out) {
    char *const begin = out;
    for (size_t i = 0; i < size;) {
        const unsigned char lead = (unsigned char)text[i];
        size_t bytes = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        bool valid = lead < 0x80 || (lead >= 0xc2 && lead <= 0xf4 && i + bytes <= size);
        for (size_t j = 1; valid && j < bytes; j++)
            valid = ((unsigned char)text[i + j] & 0xc0) == 0x80;
        const unsigned char second = valid && bytes > 1 ? (unsigned char)text[i + 1] : 0x90;
        if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
            (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90))
            valid = false;
        out = valid ? mempcpy(out, text + i, bytes) : mempcpy(out, "\xef\xbf\xbd", 3);
        i += valid ? bytes : 1;
    }
    return (size_t)(out - begin);
}

static void check_text(const struct member *member, const char *text, size_t size) {
    char expected[TEXT_MAX];
    const size_t expected_size = as_utf8(text, size, expected);
    assert_int_equal(member->kind, 's');
    assert_int_equal(member->size, expected_size);
    assert_memory_equal(member->text, expected, expected_size);
}

static void test_random_values_read_back(void **state) {
    (void)state;
    uint64_t random = SEED;
    print_message("seed %#llx\n", (unsigned long long)random);
    static struct reader reader;
    for (unsigned i = 0; i < 50000; i++) {
        char text[256], said[256], thread[256], expected[64];
        const size_t size = random_text(&random, text, sizeof text - 1);
        const size_t said_size = random_text(&random, said, sizeof said - 1);
        text[size] = said[said_size] = '\0';
        thread[random_text(&random, thread, sizeof thread - 1)] = '\0';
        const int64_t integer = random_integer(&random);
        const double real = random_real(&random);
        struct fixture fixture;
        FIXTURE_OPEN(&fixture, "%.*s text=%.*s u=%lu, d=%ld g=%.17g f=%f x=%hx", (int)said_size,
                     said, (int)size, text, (unsigned long)integer, (long)integer, real, real,
                     (unsigned)integer);
        fixture.record.thread = thread;
        size_t line_size;
        char *line = fixture_print(&fixture.record, tlr_record_json, &line_size);
        read_line(&reader, line, line_size);
        free(line);
        fixture_close(&fixture);

        check_text(find(&reader, "thread"), thread, strlen(thread));
        check_text(find(&reader, "text"), text, strlen(text));
        check_text(find(&reader, "msg"), said, strlen(said));
        snprintf(expected, sizeof expected, "%lu", (unsigned long)integer);
        assert_string_equal(find(&reader, "u")->text, expected);
        snprintf(expected, sizeof expected, "%ld", (long)integer);
        assert_string_equal(find(&reader, "d")->text, expected);
        snprintf(expected, sizeof expected, "%u", (unsigned)(uint16_t)integer);
        assert_string_equal(find(&reader, "x")->text, expected);
        const struct member *member = find(&reader, "g");
        assert_int_equal(member->kind, isfinite(real) ? 'n' : 's');
        if (isfinite(real)) assert_true(strtod(member->text, NULL) == real);
    }
}

static void test_any_format_makes_strict_json(void **state) {
    (void)state;
    static const char *const bits[] = {"a=", "%d", "%s", "%-9.3f", "%+e",  "% a", "%#.0Lf", " ",
                                       "(",  ")",  ",",  "ts=",    "\"",   "\\",  "\n",     "\xc3",
                                       "%p", "%c", "x",  "b.c-d=", "%#lx", "%La", "%n",     "%%"};
    uint64_t random = SEED + 1;
    static struct reader reader;
    for (unsigned i = 0; i < 50000; i++) {
        char format[256] = "", *at = format;
        unsigned char tags[24], count = 0;
        union tlr_value values[24];
        long double wide[24];
        char texts[24][64];
        for (unsigned j = 0; j < 24; j++) {
            const char *bit = bits[random_below(&random, sizeof bits / sizeof *bits)];
            at = stpcpy(at, bit);
            if (bit[0] != '%' || bit[1] == '%') continue;
            const char letter = bit[strlen(bit) - 1];
            const bool is_long_double = strchr(bit, 'L') != NULL;
            if (letter == 's') {
                texts[count][random_text(&random, texts[count], 60)] = '\0';
                values[count].pointer = texts[count];
                tags[count] = TLR_TAG_STRING;
            } else if (is_long_double) {
                wide[count] = (long double)random_real(&random);
                values[count].pointer = &wide[count];
                tags[count] = TLR_TAG_LONG_DOUBLE;
            } else if (strchr("fea", letter) != NULL) {
                values[count].real = random_real(&random);
                tags[count] = TLR_TAG_DOUBLE;
            } else {
                values[count].integer = random_integer(&random);
                tags[count] = letter == 'p' || letter == 'n' ? TLR_TAG_POINTER : TLR_TAG_INTEGER;
            }
            count++;
        }
        struct fixture fixture;
        fixture_open_values(&fixture, format, tags, count, values);
        size_t size;
        char *line = fixture_print(&fixture.record, tlr_record_json, &size);
        read_line(&reader, line, size);
        struct tlr_field field;
        unsigned fields = 0;
        while (tlr_record_field_at(&fixture.record, fields, &field) == 0) fields++;
        assert_int_equal(reader.count, 6 + fields); /* ts level thread cat msg site */
        free(line);
        fixture_close(&fixture);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_values_are_typed),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_msg_leaves_fields_out),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_random_values_read_back),
        cmocka_unit_test(test_any_format_makes_strict_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
