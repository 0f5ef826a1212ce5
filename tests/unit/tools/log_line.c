/* log_line.c - lines of any origin: what is understood of them, and their other forms.
 */
#include "log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define TEXT \
    "2026-11-20T15:03:11.482913Z WARN  loop-0 server.http  slow write dur_us=1840  trace=" TRACE

static struct tlr__log_line parse(const char *text) {
    struct tlr__log_line line;
    tlr__log_line_parse(&line, text, strlen(text));
    return line;
}

static void part_is(struct tlr__log_line_part part, const char *text) {
    assert_int_equal(part.size, strlen(text));
    assert_memory_equal(part.bytes, text, part.size);
}

static void short_is(const char *text, const char *expected) {
    struct tlr__log_line line = parse(text);
    char out[2048];
    assert_true(tlr__log_line_short_bytes_max(strlen(text)) < sizeof(out));
    out[tlr__log_line_short(&line, out)] = 0;
    assert_string_equal(out, expected);
}

static void json_is(const char *text, const char *expected) {
    struct tlr__log_line line = parse(text);
    char out[2048];
    out[tlr__log_line_json(&line, out)] = 0;
    assert_string_equal(out, expected);
}

static void our_text_is_understood(void **state) {
    struct tlr__log_line line = parse(TEXT);
    (void)state;
    assert_int_equal(line.form, TLR__LOG_LINE_TEXT);
    assert_int_equal(line.level, TLR_LEVEL_WARN);
    part_is(line.thread, "loop-0");
    part_is(line.category, "server.http");
    part_is(line.message, "slow write dur_us=1840");
    part_is(line.trace, TRACE);
    assert_true(tlr__log_line_date_ns(&line) == UINT64_C(1795186991482913000));
    short_is(TEXT, TEXT);
    json_is(TEXT,
            "{\"ts\":\"2026-11-20T15:03:11.482913Z\",\"level\":\"warn\",\"thread\":\"loop-0\","
            "\"cat\":\"server.http\",\"msg\":\"slow write dur_us=1840\",\"trace\":\"" TRACE "\"}");
}

static void our_json_becomes_our_text(void **state) {
    (void)state;
    short_is("{\"ts\":\"2026-11-20T15:03:11.482913Z\",\"level\":\"warn\",\"thread\":\"loop-0\","
             "\"cat\":\"server.http\",\"msg\":\"slow write\",\"dur_us\":1840,\"who\":\"a b\","
             "\"trace\":\"" TRACE "\",\"span\":\"00f067aa0ba902b7\",\"site\":\"conn.c:120\"}",
             "2026-11-20T15:03:11.482913Z WARN  loop-0 server.http  slow write dur_us=1840 "
             "who=\"a b\"  trace=" TRACE);
}

/* A field that has the name of a part is a field still. */
static void fields_named_as_parts_stay(void **state) {
    (void)state;
    short_is(
        "{\"ts\":\"2026-11-20T15:03:11.482913Z\",\"level\":\"info\",\"thread\":\"t\",\"cat\":\"c\","
        "\"msg\":\"m\",\"name\":\"n\",\"level\":\"x\",\"time\":3}",
        "2026-11-20T15:03:11.482913Z INFO  t c  m name=n level=x time=3");
}

static void levels_of_others_are_known(void **state) {
    static const struct {
        const char *line;
        enum tlr_level level;
    } cases[] = {
        {"{\"level\":30,\"msg\":\"pino\"}", TLR_LEVEL_INFO},
        {"{\"level\":60,\"msg\":\"pino\"}", TLR_LEVEL_ERROR},
        {"{\"severity\":\"CRITICAL\"}", TLR_LEVEL_ERROR},
        {"{\"lvl\":\"Warning\"}", TLR_LEVEL_WARN},
        {"{\"nested\":{\"level\":\"error\"}}", TLR_LEVEL_UNSET},
        {"{\"level\":\"error\"} and more", TLR_LEVEL_UNSET},
        {"ERROR but no date", TLR_LEVEL_UNSET},
        {"", TLR_LEVEL_UNSET},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(parse(cases[i].line).level, cases[i].level);
}

static void dates_of_others_are_known(void **state) {
    static const struct {
        const char *line;
        uint64_t date_ns;
    } cases[] = {
        {"{\"time\":1700000000123}", UINT64_C(1700000000123000000)},
        {"{\"timestamp\":1700000000}", UINT64_C(1700000000000000000)},
        {"{\"ts\":\"2023-11-14T23:13:20.5+01:00\"}", UINT64_C(1700000000500000000)},
        {"{\"ts\":\"2023-11-14 22:13:20,25Z\"}", UINT64_C(1700000000250000000)},
        {"{\"ts\":\"yesterday\"}", 0},
        {"no date", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tlr__log_line line = parse(cases[i].line);
        assert_true(tlr__log_line_date_ns(&line) == cases[i].date_ns);
    }
}

static void other_lines_stay_text(void **state) {
    (void)state;
    short_is("Traceback (most recent call last):", "Traceback (most recent call last):");
    json_is("say \"hi\" \\ \x1b", "{\"msg\":\"say \\\"hi\\\" \\\\ \\u001b\"}");
}

static void a_trace_is_found_in_any_form(void **state) {
    static const char *const with[] = {TEXT, "{\"trace\":\"" TRACE "\"}",
                                       "{\"trace_id\": \"" TRACE "\"}", "x trace=" TRACE " y"};
    static const char *const without[] = {"path=/" TRACE, TRACE, "{\"span\":\"" TRACE "\"}", ""};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(tlr__log_line_has_trace(with[i], strlen(with[i]), TRACE));
        assert_true(tlr__log_line_has_trace(with[i], strlen(with[i]), "4bf92f35"));
        assert_false(tlr__log_line_has_trace(with[i], strlen(with[i]), "bf92f357"));
        assert_false(tlr__log_line_has_trace(without[i], strlen(without[i]), TRACE));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_text_is_understood),
        cmocka_unit_test(our_json_becomes_our_text),
        cmocka_unit_test(fields_named_as_parts_stay),
        cmocka_unit_test(levels_of_others_are_known),
        cmocka_unit_test(dates_of_others_are_known),
        cmocka_unit_test(other_lines_stay_text),
        cmocka_unit_test(a_trace_is_found_in_any_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
