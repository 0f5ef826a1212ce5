/* The parser against requests that are valid and requests that must not pass, each whole, byte by
 * byte, and cut in two at every place: the verdict must not depend on how the bytes come. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parse.h"

#define TEXT_BYTES (64 * 1024)

static const struct tlr__limits limits = {
    .head_bytes = 4096, .request_line_bytes = 1024, .body_bytes = 1000};

struct reading {
    struct tlr__parser *parser;
    char text[TEXT_BYTES]; /* what came, as a connection keeps it */
    size_t bytes;
    int in_body;
    size_t body_at; /* first byte that the body reader has not taken */
};

/* Gives the parser what there is: 200 complete, 0 more is needed, else the status of a refusal. */
static int read_on(struct reading *reading) {
    const char *reason;
    if (!reading->in_body) {
        switch (tlr__parser_read_head(reading->parser, reading->text, reading->bytes)) {
        case TLR__PARSE_MORE:
            return 0;
        case TLR__PARSE_REFUSED:
            return tlr__parser_refusal(reading->parser, &reason);
        default:
            reading->in_body = 1;
            reading->body_at = tlr__parser_head(reading->parser)->bytes;
        }
    }
    if (!tlr__parser_head(reading->parser)->has_body) return 200;
    size_t used;
    const enum tlr__parse_result result =
        tlr__parser_read_body(reading->parser, reading->text + reading->body_at,
                              reading->bytes - reading->body_at, &used);
    reading->body_at += used;
    if (result == TLR__PARSE_REFUSED) return tlr__parser_refusal(reading->parser, &reason);
    return result == TLR__PARSE_DONE ? 200 : 0;
}

/* Reads `text` in pieces: the first of `first` bytes, the others of `step`. */
static int verdict(const char *text, size_t bytes, size_t first, size_t step,
                   struct reading *reading) {
    int status = 0;
    size_t at = 0;
    tlr__parser_begin(reading->parser);
    reading->bytes = reading->body_at = 0;
    reading->in_body = 0;
    while (at < bytes && status == 0) {
        size_t piece = at == 0 ? first : step;
        if (piece > bytes - at) piece = bytes - at;
        memcpy(reading->text + at, text + at, piece);
        at += piece;
        reading->bytes = at;
        status = read_on(reading);
    }
    return status;
}

static struct reading *open_reading(void) {
    struct reading *reading = calloc(1, sizeof *reading);
    assert_non_null(reading);
    reading->parser = tlr__parser_open(&limits);
    assert_non_null(reading->parser);
    return reading;
}

static void close_reading(struct reading *reading) {
    tlr__parser_close(reading->parser);
    free(reading);
}

static void assert_verdict(const char *text, size_t bytes, int status) {
    struct reading *reading = open_reading();
    const char *reason;
    int got = verdict(text, bytes, bytes, bytes, reading);
    tlr__parser_refusal(reading->parser, &reason);
    if (got != status) fail_msg("whole: got %d (%s), not %d: %s", got, reason, status, text);
    got = verdict(text, bytes, 1, 1, reading);
    if (got != status) fail_msg("byte by byte: got %d, not %d: %s", got, status, text);
    for (size_t first = 1; first < bytes && bytes < 1000; first++) {
        got = verdict(text, bytes, first, bytes, reading);
        if (got != status) fail_msg("cut at %zu: got %d, not %d: %s", first, got, status, text);
    }
    close_reading(reading);
}

#define HOST "Host: a\r\n"
#define GET_ "GET / HTTP/1.1\r\n"
#define POST_ "POST / HTTP/1.1\r\nHost: a\r\n"

static const struct {
    int status;
    const char *text;
} requests[] = {
    /* valid */
    {200, GET_ HOST "\r\n"},
    {200, "\r\n" GET_ HOST "\r\n"},
    {200, "GET / HTTP/1.0\r\n\r\n"},
    {200, "GET /a%20b?x=1&y=%26 HTTP/1.1\r\n" HOST "\r\n"},
    {200, "GET http://a:80/x HTTP/1.1\r\n" HOST "\r\n"},
    {200, "GET http://a HTTP/1.1\r\n" HOST "\r\n"},
    {200, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n"},
    {200, GET_ "Host: \r\n\r\n"},
    {200, GET_ "Host: [::1]:8080\r\n\r\n"},
    {200, GET_ HOST "X-Empty:\r\n\r\n"},
    {200, GET_ HOST "X:\t a b \t\r\n\r\n"},
    {200, GET_ HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"},
    {200, GET_ HOST "Connection: close\r\n\r\n"},
    {200, POST_ "Content-Length: 0\r\n\r\n"},
    {200, POST_ "Content-Length: 5\r\n\r\nhello"},
    {200, POST_ "Content-Length: 5\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello"},
    {200, POST_ "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
    {200, POST_ "Transfer-Encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"},
    {200, POST_ "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx"},
    /* incomplete */
    {0, GET_ HOST},
    {0, "GET"},
    {0, POST_ "Content-Length: 5\r\n\r\nhell"},
    {0, POST_ "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"},
    /* request lines */
    {400, "\r\n\r\n" GET_ HOST "\r\n"},
    {400, " " GET_ HOST "\r\n"},
    {400, "GET /\r\n\r\n"},
    {400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET / HTTP/1.1 \r\n" HOST "\r\n"},
    {400, "GET / x HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /\tx HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET / http/1.1\r\n" HOST "\r\n"},
    {400, "GET / HTTP/1.\r\n" HOST "\r\n"},
    {400, "GET / HTTP/11.1\r\n" HOST "\r\n"},
    {400, "G{T / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /\x01 HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /#x HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /%4 HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /%00 HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /?%zz HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET x HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET * HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET http:/// HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n"},
    {501, "FROB / HTTP/1.1\r\n" HOST "\r\n"},
    {501, "get / HTTP/1.1\r\n" HOST "\r\n"},
    {501, "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n"},
    {505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
    {505, "GET / HTTP/0.9\r\n\r\n"},
    {505, "GET / HTTP/1.2\r\n" HOST "\r\n"},
    {505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    {400, "OPTIONS rtsp://a RTSP/1.0\r\n\r\n"},
    {400, "SOURCE / ICE/1.0\r\n\r\n"},
    /* line ends */
    {400, "GET / HTTP/1.1\n" HOST "\n"},
    {400, GET_ "Host: a\n\r\n"},
    {400, GET_ HOST "\n"},
    {400, GET_ HOST "X: a\rb\r\n\r\n"},
    {400, GET_ HOST "\r\rGET\r\n\r\n"},
    {400, GET_ HOST "X: a\r\r\n\r\n"},
    {400, GET_ HOST "\rX\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloxx0\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\n\r\n0\r\n\n"},
    /* fields */
    {400, GET_ HOST "X: a\r\n b\r\n\r\n"},
    {400, GET_ " X: a\r\n" HOST "\r\n"},
    {400, GET_ HOST "X:\r\n\ta\r\n\r\n"},
    {400, GET_ HOST ": a\r\n\r\n"},
    {400, GET_ HOST "X : a\r\n\r\n"},
    {400, GET_ HOST "X\r\n\r\n"},
    {400, GET_ HOST "X\x01: a\r\n\r\n"},
    {400, GET_ HOST "X: a\x01\r\n\r\n"},
    {400, GET_ HOST "X: a\x7f\r\n\r\n"},
    {400, GET_ HOST "X(: a\r\n\r\n"},
    {417, GET_ HOST "Expect: miracles\r\n\r\n"},
    /* hosts */
    {400, GET_ "\r\n"},
    {400, GET_ "Host: a\r\nHost: a\r\n\r\n"},
    {400, GET_ "Host: a b\r\n\r\n"},
    {400, GET_ "Host: a/b\r\n\r\n"},
    {400, GET_ "Host: u@a\r\n\r\n"},
    {400, GET_ "Host: a:99999\r\n\r\n"},
    {400, GET_ "Host: a:b\r\n\r\n"},
    {400, GET_ "Host: [::1\r\n\r\n"},
    {400, GET_ "Host: []\r\n\r\n"},
    /* framing */
    {400, POST_ "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
    {400, POST_ "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
    {400, POST_ "Content-Length: 5, 5\r\n\r\nhello"},
    {400, POST_ "Content-Length: +5\r\n\r\nhello"},
    {400, POST_ "Content-Length: -5\r\n\r\nhello"},
    {400, POST_ "Content-Length: 0x5\r\n\r\nhello"},
    {400, POST_ "Content-Length: 5 5\r\n\r\nhello"},
    {400, POST_ "Content-Length:\r\n\r\n"},
    {400, POST_ "Content-Length: 99999999999999999999\r\n\r\n"},
    {400, POST_ "Transfer-Encoding:\r\n\r\n"},
    {400, POST_ "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"},
    {501, POST_ "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
    {501, POST_ "Transfer-Encoding: gzip\r\n\r\n"},
    {501, POST_ "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\n\r\nx\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n"},
    {400, POST_ "Transfer-Encoding: chunked\r\n\r\n0\r\n: y\r\n\r\n"},
    {413, POST_ "Content-Length: 1001\r\n\r\n"},
    {413, POST_ "Transfer-Encoding: chunked\r\n\r\n3e9\r\n"},
};

static void test_requests(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        assert_verdict(requests[i].text, strlen(requests[i].text), requests[i].status);
}

static void test_nul_bytes(void **state) {
    (void)state;
    static const char in_value[] = GET_ HOST "X: a\0b\r\n\r\n";
    static const char in_name[] = GET_ HOST "X\0: a\r\n\r\n";
    static const char in_target[] = "GET /\0 HTTP/1.1\r\n" HOST "\r\n";
    assert_verdict(in_value, sizeof in_value - 1, 400);
    assert_verdict(in_name, sizeof in_name - 1, 400);
    assert_verdict(in_target, sizeof in_target - 1, 400);
}

static size_t repeat(char *out, char c, size_t count) {
    memset(out, c, count);
    return count;
}

static void test_limits(void **state) {
    (void)state;
    static char text[TEXT_BYTES];
    size_t bytes;

    bytes = (size_t)sprintf(text, "GET /");
    bytes += repeat(text + bytes, 'x', 2000);
    assert_verdict(text, bytes, 414); /* without its end */
    bytes += (size_t)sprintf(text + bytes, " HTTP/1.1\r\n" HOST "\r\n");
    assert_verdict(text, bytes, 414);

    bytes = (size_t)sprintf(text, GET_ HOST "X: ");
    bytes += repeat(text + bytes, 'x', 5000);
    assert_verdict(text, bytes, 431);
    bytes += (size_t)sprintf(text + bytes, "\r\n\r\n");
    assert_verdict(text, bytes, 431);

    bytes = (size_t)sprintf(text, GET_ HOST);
    for (unsigned i = 0; i < TLR__LIMITS_FIELDS; i++)
        bytes += (size_t)sprintf(text + bytes, "X: %u\r\n", i);
    bytes += (size_t)sprintf(text + bytes, "\r\n");
    assert_verdict(text, bytes, 431);

    bytes = (size_t)sprintf(text, POST_ "Transfer-Encoding: chunked\r\n\r\n5;");
    bytes += repeat(text + bytes, 'x', 1000);
    bytes += (size_t)sprintf(text + bytes, "\r\nhello\r\n0\r\n\r\n");
    assert_verdict(text, bytes, 400);

    bytes = (size_t)sprintf(text, POST_ "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ");
    bytes += repeat(text + bytes, 'x', 10000);
    assert_verdict(text, bytes, 431);
    bytes = (size_t)sprintf(text, POST_ "Transfer-Encoding: chunked\r\n\r\n0\r\n");
    for (unsigned i = 0; i < 3000; i++) bytes += (size_t)sprintf(text + bytes, "X: y\r\n");
    assert_verdict(text, bytes, 431);

    bytes = (size_t)sprintf(text, POST_ "Transfer-Encoding: chunked\r\n\r\n");
    for (unsigned i = 0; i < 101; i++)
        bytes += (size_t)sprintf(text + bytes, "A\r\n0123456789\r\n");
    assert_verdict(text, bytes, 413);
}

static void test_head(void **state) {
    (void)state;
    static const char text[] = "POST /a%20b?x=1 HTTP/1.1\r\nhOST:  a \r\nX-Empty:\r\n"
                               "Traceparent: t\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"
                               "abcGET";
    struct reading *reading = open_reading();
    assert_int_equal(verdict(text, sizeof text - 1, sizeof text - 1, 1, reading), 200);

    const struct tlr__head *head = tlr__parser_head(reading->parser);
    assert_string_equal(head->method, "POST");
    assert_string_equal(reading->text + head->target_at, "/a%20b?x=1");
    assert_int_equal(head->target.path, 0);
    assert_int_equal(head->target.path_bytes, 6);
    assert_int_equal(head->target.query, 7);
    assert_int_equal(head->target.query_bytes, 3);
    assert_int_equal(head->version_minor, 1);
    assert_int_equal(head->field_count, 5);
    assert_string_equal(reading->text + head->fields[0].name, "hOST");
    assert_string_equal(reading->text + head->fields[0].value, "a");
    assert_string_equal(reading->text + head->fields[1].name, "X-Empty");
    assert_string_equal(reading->text + head->fields[1].value, "");
    assert_int_equal(head->host, 0);
    assert_int_equal(head->traceparent, 2);
    assert_true(head->keep_alive);
    assert_true(head->expects_continue);
    assert_true(head->has_body);

    size_t bytes;
    assert_string_equal(tlr__parser_body(reading->parser, &bytes), "abc");
    assert_int_equal(bytes, 3);
    assert_memory_equal(reading->text + reading->body_at, "GET", 3); /* the next one's */
    close_reading(reading);
}

static void test_chunked_body(void **state) {
    (void)state;
    static const char text[] = POST_ "Transfer-Encoding: chunked\r\n\r\n"
                                     "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nT: u\r\n\r\nrest";
    for (size_t step = 1; step < sizeof text; step++) {
        struct reading *reading = open_reading();
        size_t bytes;
        assert_int_equal(verdict(text, sizeof text - 1, step, step, reading), 200);
        assert_string_equal(tlr__parser_body(reading->parser, &bytes), "abc0123456789");
        assert_int_equal(bytes, 13);
        assert_int_equal(reading->body_at, sizeof text - 1 - 4);
        close_reading(reading);
    }
}

static void test_keep_alive(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int keep_alive;
    } cases[] = {
        {GET_ HOST "\r\n", 1},
        {GET_ HOST "Connection: close\r\n\r\n", 0},
        {GET_ HOST "Connection: keep-alive, close\r\n\r\n", 0},
        {"GET / HTTP/1.0\r\n\r\n", 0},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reading *reading = open_reading();
        const size_t bytes = strlen(cases[i].text);
        assert_int_equal(verdict(cases[i].text, bytes, bytes, 1, reading), 200);
        assert_int_equal(tlr__parser_head(reading->parser)->keep_alive, cases[i].keep_alive);
        close_reading(reading);
    }
}

/* xorshift64: the same mutations in every run. */
static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t mutate(char *text, size_t bytes, uint64_t *random) {
    static const char tempting[] = "\r\n :;,\t/0?%\0aA\x7f\xff";
    const size_t at = next_random(random) % bytes;
    const char byte = tempting[next_random(random) % (sizeof tempting - 1)];
    switch (next_random(random) % 3) {
    case 0:
        text[at] = byte;
        return bytes;
    case 1:
        memmove(text + at + 1, text + at, bytes - at);
        text[at] = byte;
        return bytes + 1;
    default:
        memmove(text + at, text + at + 1, bytes - at - 1);
        return bytes > 1 ? bytes - 1 : bytes;
    }
}

enum outcome { WANTS_MORE, TAKEN, REFUSED };

static enum outcome outcome(int status) {
    return status == 0 ? WANTS_MORE : status == 200 ? TAKEN : REFUSED;
}

/* Whether a request is taken, and how much of the bytes it is, must not depend on how they come. */
static void test_mutations(void **state) {
    (void)state;
    struct reading *whole = open_reading(), *pieces = open_reading();
    uint64_t random = 88172645463325252u;
    char text[1024];
    for (unsigned round = 0; round < 30000; round++) {
        const char *from =
            requests[next_random(&random) % (sizeof requests / sizeof *requests)].text;
        size_t bytes = strlen(from);
        memcpy(text, from, bytes);
        for (unsigned i = next_random(&random) % 3; i-- > 0;) bytes = mutate(text, bytes, &random);
        const enum outcome first = outcome(verdict(text, bytes, bytes, bytes, whole));
        const size_t step = 1 + next_random(&random) % 7;
        const enum outcome second = outcome(verdict(text, bytes, step, step, pieces));
        if (first != second)
            fail_msg("round %u: %d whole, %d in steps of %zu: %.*s", round, first, second, step,
                     (int)bytes, text);
        if (first == TAKEN) assert_int_equal(whole->body_at, pieces->body_at);
    }
    close_reading(whole);
    close_reading(pieces);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),     cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_head),
        cmocka_unit_test(test_chunked_body), cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
