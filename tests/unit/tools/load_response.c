/* load_response.c - a response is read the same however it is cut into pieces.
 */
#include "load_response.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int take(struct tlr__load_response *response, const char *text, size_t piece) {
    size_t bytes = strlen(text);
    int whole = 0;
    tlr__load_response_init(response);
    for (size_t at = 0; at < bytes && whole == 0; at += piece)
        whole =
            tlr__load_response_take(response, text + at, bytes - at < piece ? bytes - at : piece);
    return whole;
}

static void test_any_pieces(void **state) {
    (void)state;
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Served-By: pool-3\r\n"
        "x-request-id: 4bf92f35\r\nContent-Length: 5\r\n\r\nhello";
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        struct tlr__load_response response;
        assert_int_equal(take(&response, text, piece), 1);
        assert_int_equal(response.status, 200);
        assert_true(response.keep_alive);
        assert_string_equal(response.served_by, "pool-3");
        assert_string_equal(response.id, "4bf92f35");
    }
}

static void test_ends(void **state) {
    (void)state;
    struct tlr__load_response response;
    assert_int_equal(take(&response, "HTTP/1.1 204 No Content\r\n\r\n", 100), 1);
    assert_int_equal(take(&response, "HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n", 7), 1);
    assert_false(response.keep_alive);
    assert_int_equal(take(&response, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 100), 1);
    assert_false(response.keep_alive);
    assert_int_equal(take(&response, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx", 100), 0);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
        "HTTP/1.1 200 OK\r\n\r\nunasked",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct tlr__load_response response;
        assert_int_equal(take(&response, texts[i], 100), -EPROTO);
    }
}

static void test_head_too_large(void **state) {
    (void)state;
    struct tlr__load_response response;
    char piece[1000];
    memset(piece, 'x', sizeof piece);
    tlr__load_response_init(&response);
    int whole = 0;
    for (int i = 0; i < 10 && whole == 0; i++)
        whole = tlr__load_response_take(&response, piece, sizeof piece);
    assert_int_equal(whole, -EPROTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_pieces),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_head_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
