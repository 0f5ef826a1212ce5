/* safe.c - nothing that a terminal could act on gets through, and nothing else is touched.
 */
#include "safe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, const char *safe) {
    char out[256];
    out[tlr__safe_text(text, strlen(text), out)] = 0;
    assert_string_equal(out, safe);
}

static void harmless_text_stays(void **state) {
    (void)state;
    expect("plain\ttext ~", "plain\ttext ~");
    expect("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
           "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    assert_int_equal(tlr__safe_clean("gr\xc3\xbc\x1b", 5), 4);
}

static void harmful_text_is_shown(void **state) {
    (void)state;
    expect("\x1b[31mred", "\\x1b[31mred");
    expect("a\rb\nc\x07\x7f", "a\\x0db\\x0ac\\x07\\x7f");
    expect("csi \xc2\x9b"
           "31m",
           "csi \\xc2\\x9b31m"); /* C1, as UTF-8 */
    expect("raw \x9b"
           "31m",
           "raw \\x9b31m");                              /* C1, as a byte */
    expect("rtl \xe2\x80\xae!", "rtl \\xe2\\x80\\xae!"); /* turns the direction of writing */
    expect("long \xc0\xaf", "long \\xc0\\xaf");          /* not the shortest form */
    expect("half \xed\xa0\x80", "half \\xed\\xa0\\x80"); /* a surrogate */
    expect("cut \xe2\x82", "cut \\xe2\\x82");
}

static void any_byte_comes_out_safe(void **state) {
    (void)state;
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            char text[2] = {(char)first, (char)second}, out[8];
            size_t bytes = tlr__safe_text(text, 2, out);
            assert_true(bytes <= 8);
            assert_int_equal(tlr__safe_clean(out, bytes), bytes);
            for (size_t i = 0; i < bytes; i++)
                assert_true((unsigned char)out[i] >= 0x20 || out[i] == '\t');
        }
    }
}

static void json_stays_json(void **state) {
    const char *text = "{\"a\":\"\x1b\xc2\x9b\xff\"}";
    char out[128];
    (void)state;
    out[tlr__safe_json(text, strlen(text), out)] = 0;
    assert_string_equal(out, "{\"a\":\"\\u001b\\u009b\\ufffd\"}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(harmless_text_stays),
        cmocka_unit_test(harmful_text_is_shown),
        cmocka_unit_test(any_byte_comes_out_safe),
        cmocka_unit_test(json_stays_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
