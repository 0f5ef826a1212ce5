/* Routes: exact before prefix, the longest prefix, methods of a path. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "route.h"

static void handler(struct tlr_exchange *exchange, void *user) {
    (void)exchange;
    (void)user;
}

static int add(struct tlr__router *router, const char *method, const char *path, const char *user) {
    const struct tlr__route route = {.method = method,
                                     .path = path,
                                     .where = TLR_ON_LOOP,
                                     .handler = handler,
                                     .user = (void *)user};
    return tlr__route_add(router, &route);
}

static const char *find(const struct tlr__router *router, const char *method, const char *path) {
    const struct tlr__route *first = tlr__route_path(router, path, strlen(path));
    const struct tlr__route *route = first ? tlr__route_method(first, method) : NULL;
    return route ? route->user : first ? "405" : "404";
}

static void test_lookup(void **state) {
    (void)state;
    struct tlr__router *router = calloc(1, sizeof *router);
    char allow[64];
    assert_non_null(router);
    assert_int_equal(add(router, "GET", "/", "root"), 0);
    assert_int_equal(add(router, "GET", "/a", "a"), 0);
    assert_int_equal(add(router, "POST", "/a", "post a"), 0);
    assert_int_equal(add(router, "GET", "/a/*", "below a"), 0);
    assert_int_equal(add(router, "GET", "/a/b/*", "below b"), 0);
    assert_int_equal(add(router, "GET", "/a/b/c", "c"), 0);
    assert_int_equal(add(router, "HEAD", "/head", "head"), 0);

    assert_string_equal(find(router, "GET", "/"), "root");
    assert_string_equal(find(router, "GET", "/a"), "a");
    assert_string_equal(find(router, "HEAD", "/a"), "a");
    assert_string_equal(find(router, "POST", "/a"), "post a");
    assert_string_equal(find(router, "PUT", "/a"), "405");
    assert_string_equal(find(router, "GET", "/a/"), "below a");
    assert_string_equal(find(router, "GET", "/a/x/y"), "below a");
    assert_string_equal(find(router, "GET", "/a/b"), "below a");
    assert_string_equal(find(router, "GET", "/a/b/x"), "below b");
    assert_string_equal(find(router, "GET", "/a/b/c"), "c");
    assert_string_equal(find(router, "HEAD", "/head"), "head");
    assert_string_equal(find(router, "GET", "/head"), "405");
    assert_string_equal(find(router, "GET", "/ab"), "404");
    assert_string_equal(find(router, "GET", ""), "404");

    tlr__route_allow(tlr__route_path(router, "/a", 2), allow, sizeof allow);
    assert_string_equal(allow, "GET, POST, HEAD, OPTIONS");
    tlr__router_free(router);
    free(router);
}

static void test_refuses(void **state) {
    (void)state;
    struct tlr__router *router = calloc(1, sizeof *router);
    char path[16];
    assert_non_null(router);
    assert_int_equal(add(router, "GET", "a", NULL), -EINVAL);
    assert_int_equal(add(router, "", "/", NULL), -EINVAL);
    assert_int_equal(add(router, "GET", NULL, NULL), -EINVAL);
    assert_int_equal(add(router, "GET", "/x/*", NULL), 0);
    assert_int_equal(add(router, "GET", "/x/*", NULL), -EEXIST);
    assert_int_equal(add(router, "GET", "/x/", NULL), 0); /* exact, not the prefix */
    for (unsigned i = 2; i < TLR__LIMITS_ROUTES; i++) {
        snprintf(path, sizeof path, "/%u", i);
        assert_int_equal(add(router, "GET", path, NULL), 0);
    }
    assert_int_equal(add(router, "GET", "/last", NULL), -ENOSPC);
    assert_non_null(tlr__route_path(router, "/255", 4));
    assert_null(tlr__route_path(router, "/256", 4));
    tlr__router_free(router);
    free(router);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
