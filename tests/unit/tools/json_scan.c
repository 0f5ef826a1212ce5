/* json_scan.c - objects are read as JSON has it, and nothing else passes for one.
 */
#include "json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "name:type:value;" for each member, or "bad". */
static void scan_is(const char *text, const char *expected) {
    struct tlr__json_scan scan;
    struct tlr__json_scan_member member;
    char out[512] = "";
    size_t used = 0;
    int more = tlr__json_scan_begin(&scan, text, strlen(text));
    if (more == 0)
        while ((more = tlr__json_scan_next(&scan, &member)) > 0)
            used +=
                (size_t)sprintf(out + used, "%.*s:%d:%.*s;", (int)member.name_bytes, member.name,
                                (int)member.type, (int)member.value_bytes, member.value);
    assert_string_equal(more < 0 ? "bad" : out, expected);
}

static void objects_are_read(void **state) {
    (void)state;
    scan_is("{}", "");
    scan_is("  { } ", "");
    scan_is("{\"a\":1,\"b\" : \"x\\\"y\" ,\"c\":true}", "a:2:1;b:1:x\\\"y;c:3:true;");
    scan_is("{\"a\":{\"b\":[1,{\"c\":\"]}\"}]},\"d\":-1.5e+3}",
            "a:4:{\"b\":[1,{\"c\":\"]}\"}]};d:2:-1.5e+3;");
}

static void others_are_refused(void **state) {
    static const char *const bad[] = {
        "",           "[]",         "{",           "{\"a\"}",           "{\"a\":}",    "{\"a\":1",
        "{\"a\":1}x", "{a:1}",      "{\"a\":nil}", "{\"a\":1 \"b\":2}", "{\"a\":\"x}", "{\"a\":[1}",
        "{\"a\":{]}", "{\"a\":1,}", "{,}"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) scan_is(bad[i], "bad");
}

static void escapes_are_undone(void **state) {
    static const struct {
        const char *text, *plain;
    } cases[] = {
        {"plain", "plain"},
        {"a\\n\\t\\\\\"\\/", "a\n\t\\\"/"},
        {"\\u0041\\u00e9\\u20ac", "A\xc3\xa9\xe2\x82\xac"},
        {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
        {"\\u00", "\\u00"},
        {"end\\", "end\\"},
    };
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        out[tlr__json_scan_unescape(cases[i].text, strlen(cases[i].text), out)] = 0;
        assert_string_equal(out, cases[i].plain);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_read),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(escapes_are_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
