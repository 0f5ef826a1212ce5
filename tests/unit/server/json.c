/* JSON text: commas, nesting, escapes, the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

static void test_document(void **state) {
    (void)state;
    static const char expected[] =
        "{\"a\":1,\"b\":[\"x\",{},{\"c\":true}],\"d\":1.235,\"e\":\"\\\"\\\\\\u000a\\u00ff\"}";
    struct tlr__json json = {0};
    tlr__json_open(&json, NULL, '{');
    tlr__json_number(&json, "a", 1);
    tlr__json_open(&json, "b", '[');
    tlr__json_string(&json, NULL, "x");
    tlr__json_open(&json, NULL, '{');
    tlr__json_close(&json, '}');
    tlr__json_open(&json, NULL, '{');
    tlr__json_bool(&json, "c", 1);
    tlr__json_close(&json, '}');
    tlr__json_close(&json, ']');
    tlr__json_ms(&json, "d", 1234567);
    tlr__json_string(&json, "e", "\"\\\n\xff");
    tlr__json_close(&json, '}');
    assert_false(json.failed);
    assert_int_equal(json.bytes, sizeof expected - 1);
    assert_memory_equal(json.text, expected, sizeof expected - 1);
    free(json.text);
}

static void test_limit(void **state) {
    (void)state;
    struct tlr__json json = {0};
    char text[1025];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    tlr__json_open(&json, NULL, '[');
    for (unsigned i = 0; i < TLR__JSON_BYTES_MAX / 1024 + 1; i++)
        tlr__json_string(&json, NULL, text);
    assert_true(json.failed);
    assert_true(json.bytes <= TLR__JSON_BYTES_MAX);
    free(json.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
