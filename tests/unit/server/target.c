/* Request targets and hosts: split, checked, decoded. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "target.h"

static void assert_split(const char *text, const char *path, const char *query,
                         const char *authority) {
    struct tlr__target target;
    assert_int_equal(tlr__target_split(text, strlen(text), "GET", &target), 0);
    assert_int_equal(target.path_bytes, strlen(path));
    assert_memory_equal(text + target.path, path, strlen(path));
    assert_int_equal(target.query_bytes, strlen(query));
    assert_memory_equal(text + target.query, query, strlen(query));
    assert_int_equal(target.authority_bytes, strlen(authority));
    assert_memory_equal(text + target.authority, authority, strlen(authority));
}

static void test_split(void **state) {
    (void)state;
    assert_split("/", "/", "", "");
    assert_split("/a/b", "/a/b", "", "");
    assert_split("/a?x=1", "/a", "x=1", "");
    assert_split("/a?", "/a", "", "");
    assert_split("/?a?b", "/", "a?b", "");
    assert_split("http://h:80/a?x", "/a", "x", "h:80");
    assert_split("HTTPS://[::1]/a", "/a", "", "[::1]");
    assert_split("http://h", "", "", "h");
    assert_split("http://h?x", "", "x", "h");
    assert_split("//evil/a", "//evil/a", "", "");
}

static void test_split_refuses(void **state) {
    (void)state;
    static const char *const bad[] = {"",        "a",         "*",           "/a#b",    "/a b",
                                      "/\x7f",   "/%",        "/%1",         "/%1g",    "/%00",
                                      "http://", "http:///a", "http://u@h/", "ftp://h/"};
    struct tlr__target target = {.path = 7};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(tlr__target_split(bad[i], strlen(bad[i]), "GET", &target), -EINVAL);
    assert_int_equal(target.path, 7);
    assert_int_equal(tlr__target_split("*", 1, "OPTIONS", &target), 0);
}

static void test_decode(void **state) {
    (void)state;
    char out[32];
    assert_int_equal(tlr__target_decode("/a%20b%2Fc+d", 12, 0, out), 8);
    assert_string_equal(out, "/a b/c+d");
    assert_int_equal(tlr__target_decode("a+b%2B", 6, 1, out), 4);
    assert_string_equal(out, "a b+");
    assert_int_equal(tlr__target_decode("", 0, 1, out), 0);
    assert_string_equal(out, "");
}

static void test_loopback(void **state) {
    (void)state;
    static const char *const ours[] = {"localhost",    "LocalHost:80", "127.0.0.1",
                                       "127.8.9.10:1", "[::1]",        "[::1]:8080"};
    static const char *const others[] = {"",
                                         "example.org",
                                         "localhost.example.org",
                                         "10.0.0.1:80",
                                         "127.0.0.1.example.org",
                                         "[::2]",
                                         "[::1",
                                         "0.0.0.0",
                                         "localhost@example.org"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_true(tlr__target_host_is_loopback(ours[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(tlr__target_host_is_loopback(others[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_refuses),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
