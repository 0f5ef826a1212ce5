/* A server on real sockets: what is answered, in which order, on which thread. */
#include "client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <tailrace/server.h>

#define BIG_BYTES (5u << 20)

static struct tlr_server *server;
static struct answer answer;

/* ---- handlers ------------------------------------------------------------------------------ */

static void hello(struct tlr_exchange *exchange, void *user) {
    (void)user;
    assert_int_equal(tlr_response_header(exchange, "X-Own", "yes"), 0);
    tlr_response_text(exchange, 200, "text/plain", "hello\n", 6);
}

static void echo(struct tlr_exchange *exchange, void *user) {
    size_t bytes;
    const char *body = tlr_exchange_body(exchange, &bytes);
    (void)user;
    tlr_response_text(exchange, 200, "text/plain", body, bytes);
}

static const char *or_dash(const char *text) {
    return text ? text : "-";
}

static void scope(struct tlr_exchange *exchange, void *user) {
    char text[1024];
    const char *name = "", *value = "";
    (void)user;
    assert_int_equal(tlr_exchange_header_at(exchange, 0, &name, &value), 0);
    assert_int_equal(tlr_exchange_header_at(exchange, 1000, &name, &value), -ENOENT);
    assert_ptr_equal(tlr_exchange_server(exchange), server);
    snprintf(text, sizeof text, "%s|%s|%s|%s|%s|%s|%s|%d|%s", tlr_exchange_method(exchange),
             tlr_exchange_path(exchange), tlr_exchange_target(exchange),
             or_dash(tlr_exchange_query(exchange, "a")), or_dash(tlr_exchange_query(exchange, "b")),
             or_dash(tlr_exchange_header(exchange, "x-own")), name,
             tlr_exchange_version_minor(exchange), tlr_exchange_client(exchange));
    tlr_response_text(exchange, 200, "text/plain", text, strlen(text));
}

static void big(struct tlr_exchange *exchange, void *user) {
    char *body = malloc(BIG_BYTES);
    (void)user;
    assert_non_null(body);
    memset(body, 'b', BIG_BYTES);
    tlr_response_text(exchange, 200, "text/plain", body, BIG_BYTES);
    free(body);
}

static void silent(struct tlr_exchange *exchange, void *user) {
    (void)exchange;
    (void)user;
}

static void twice(struct tlr_exchange *exchange, void *user) {
    (void)user;
    tlr_response_text(exchange, 200, NULL, "first", 5);
    tlr_response_text(exchange, 500, NULL, "second", 6);
}

static void awaken(struct tlr_exchange *exchange, void *user) {
    tlr_response_text(exchange, 200, "text/plain", user, strlen(user));
}

static void await(struct tlr_exchange *exchange, void *user) {
    assert_int_equal(tlr_exchange_after(exchange, 20 * TLR_NS_PER_MS, awaken, user), 0);
}

static void await_in_pool(struct tlr_exchange *exchange, void *user) {
    assert_int_equal(tlr_exchange_after(exchange, 1, awaken, user), -EINVAL);
    tlr_response_text(exchange, 200, NULL, "", 0);
}

static void *answer_elsewhere(void *argument) {
    tlr_response_text(argument, 200, "text/plain", "from elsewhere", 14);
    return NULL;
}

static void deferred(struct tlr_exchange *exchange, void *user) {
    pthread_t thread;
    (void)user;
    tlr_response_defer(exchange);
    assert_int_equal(pthread_create(&thread, NULL, answer_elsewhere, exchange), 0);
    pthread_detach(thread);
}

static void hello_after_all(struct tlr_exchange *exchange, void *user) {
    assert_int_equal(tlr_exchange_to_pool(exchange, hello, NULL), -EINVAL);
    hello(exchange, user);
}

static void hand_on(struct tlr_exchange *exchange, void *user) {
    assert_int_equal(tlr_exchange_to_pool(exchange, hello_after_all, user), 0);
}

static void hand_on_later(struct tlr_exchange *exchange, void *user) {
    assert_int_equal(tlr_exchange_after(exchange, 1, hand_on, user), 0);
}

static void answer_and_hand_on(struct tlr_exchange *exchange, void *user) {
    assert_int_equal(tlr_exchange_to_pool(exchange, hello, user), 0);
    tlr_response_text(exchange, 200, "text/plain", "first", 5);
}

static void bad_headers(struct tlr_exchange *exchange, void *user) {
    char value[9000];
    (void)user;
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = '\0';
    assert_int_equal(tlr_response_header(exchange, "X", "a\r\nSet-Cookie: b"), -EINVAL);
    assert_int_equal(tlr_response_header(exchange, "X: y", "a"), -EINVAL);
    assert_int_equal(tlr_response_header(exchange, "", "a"), -EINVAL);
    assert_int_equal(tlr_response_header(exchange, "content-length", "5"), -EINVAL);
    assert_int_equal(tlr_response_header(exchange, "X", value), -ENOSPC);
    value[1000] = '\0';
    assert_int_equal(tlr_response_header(exchange, "X-Long", value), 0);
    tlr_response_text(exchange, 202, NULL, "", 0);
}

/* ---- helpers ------------------------------------------------------------------------------- */

static int start(void **state) {
    static const struct tlr_server_options options = {.host = "127.0.0.1", .port = -1, .loops = 2};
    (void)state;
    assert_int_equal(tlr_server_open(&server, &options), 0);
    tlr_server_route(server, "GET", "/hello", TLR_ON_LOOP, hello, NULL);
    tlr_server_route(server, "GET", "/pool/hello", TLR_ON_POOL, hello, NULL);
    tlr_server_route(server, "POST", "/echo", TLR_ON_LOOP, echo, NULL);
    tlr_server_route(server, "POST", "/pool/echo", TLR_ON_POOL, echo, NULL);
    tlr_server_route(server, "GET", "/scope/*", TLR_ON_LOOP, scope, NULL);
    tlr_server_route(server, "GET", "/big", TLR_ON_LOOP, big, NULL);
    tlr_server_route(server, "GET", "/silent", TLR_ON_LOOP, silent, NULL);
    tlr_server_route(server, "GET", "/pool/silent", TLR_ON_POOL, silent, NULL);
    tlr_server_route(server, "GET", "/twice", TLR_ON_LOOP, twice, NULL);
    tlr_server_route(server, "GET", "/await", TLR_ON_LOOP, await, (char *)"awoken");
    tlr_server_route(server, "GET", "/pool/await", TLR_ON_POOL, await_in_pool, NULL);
    tlr_server_route(server, "GET", "/deferred", TLR_ON_LOOP, deferred, NULL);
    tlr_server_route(server, "GET", "/pool/deferred", TLR_ON_POOL, deferred, NULL);
    tlr_server_route(server, "GET", "/on", TLR_ON_LOOP, hand_on, NULL);
    tlr_server_route(server, "GET", "/later/on", TLR_ON_LOOP, hand_on_later, NULL);
    tlr_server_route(server, "GET", "/both", TLR_ON_LOOP, answer_and_hand_on, NULL);
    tlr_server_route(server, "GET", "/headers", TLR_ON_LOOP, bad_headers, NULL);
    assert_int_equal(tlr_server_start(server), 0);
    return 0;
}

static int stop(void **state) {
    struct tlr_server_stats stats;
    (void)state;
    assert_int_equal(tlr_server_stop(server, 5 * TLR_NS_PER_S), 0);
    tlr_server_stats(server, &stats);
    assert_int_equal(stats.requests, stats.responses + stats.abandoned);
    assert_int_equal(stats.connections_open, 0);
    assert_int_equal(stats.pool_running + stats.pool_queued, 0);
    tlr_server_close(server);
    return 0;
}

static struct tlr_server_stats stats_now(void) {
    struct tlr_server_stats stats;
    tlr_server_stats(server, &stats);
    return stats;
}

static int get(const char *path) {
    return client_get(tlr_server_port(server), path, &answer);
}

static struct client *connected(void) {
    return client_open(tlr_server_port(server));
}

static void expect(struct client *client, int status, const char *body) {
    client_answer(client, &answer);
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.body, body);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void test_fields_of_every_response(void **state) {
    static const char *const paths[] = {"/hello",       "/pool/hello", "/none",    "/silent",
                                        "/pool/silent", "/await",      "/deferred"};
    char id[64];
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const int pooled = strncmp(paths[i], "/pool", 5) == 0;
        get(paths[i]);
        assert_int_equal(strlen(answer_field(&answer, "X-Request-Id")), 32);
        strcpy(id, answer_field(&answer, "X-Request-Id"));
        assert_memory_equal(answer_field(&answer, "traceparent") + 3, id, 32);
        assert_non_null(answer_field(&answer, "Date"));
        assert_memory_equal(answer_field(&answer, "X-Served-By"), pooled ? "pool-" : "loop-", 5);
        double queue, handler, back, log;
        assert_int_equal(sscanf(answer_field(&answer, "Server-Timing"),
                                "queue;dur=%lf, handler;dur=%lf, return;dur=%lf, log;dur=%lf",
                                &queue, &handler, &back, &log),
                         4);
        if (strcmp(paths[i], "/await") == 0) assert_true(handler >= 20.0 && handler < 5000.0);
    }
}

static void test_traceparent_is_taken_over(void **state) {
    struct client *client = connected();
    (void)state;
    client_say(client, "GET /hello HTTP/1.1\r\nHost: a\r\ntraceparent: "
                       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n");
    expect(client, 200, "hello\n");
    assert_string_equal(answer_field(&answer, "X-Request-Id"), "0af7651916cd43dd8448eb211c80319c");
    client_close(client);
}

static void test_statuses(void **state) {
    (void)state;
    assert_int_equal(get("/hello"), 200);
    assert_string_equal(answer_field(&answer, "X-Own"), "yes");
    assert_int_equal(get("/none"), 404);
    assert_int_equal(get("/silent"), 500);
    assert_int_equal(get("/pool/silent"), 500);
    assert_int_equal(get("/pool/await"), 200);
    assert_int_equal(get("/echo"), 405);
    assert_string_equal(answer_field(&answer, "Allow"), "POST, OPTIONS");
    assert_int_equal(get("/await"), 200);
    assert_string_equal(answer.body, "awoken");
    assert_int_equal(get("/deferred"), 200);
    assert_string_equal(answer.body, "from elsewhere");
    assert_int_equal(get("/pool/deferred"), 200);
    assert_int_equal(get("/headers"), 202);
    assert_int_equal(strlen(answer_field(&answer, "X-Long")), 1000);
    assert_int_equal(get("/big"), 200);
    assert_int_equal(answer.body_bytes, BIG_BYTES);
}

static void test_handler_hands_on_to_the_pool(void **state) {
    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        assert_int_equal(get(round % 2 ? "/on" : "/later/on"), 200);
        assert_string_equal(answer.body, "hello\n");
        assert_memory_equal(answer_field(&answer, "X-Served-By"), "pool-", 5);
    }
    assert_int_equal(get("/both"), 200);
    assert_string_equal(answer.body, "first");
}

static void test_second_answer_is_ignored(void **state) {
    const uint64_t before = stats_now().answers_ignored;
    (void)state;
    assert_int_equal(get("/twice"), 200);
    assert_string_equal(answer.body, "first");
    assert_int_equal(stats_now().answers_ignored, before + 1);
}

static void test_view_of_the_request(void **state) {
    struct client *client = connected();
    (void)state;
    client_say(client,
               "GET /scope/x%20y?b=2%2B3+4&a&c=%41 HTTP/1.1\r\nHost: a\r\nX-Own: z\r\n\r\n");
    client_answer(client, &answer);
    char *last = strrchr(answer.body, '|');
    assert_memory_equal(last, "|127.0.0.1:", 11);
    *last = '\0';
    assert_string_equal(answer.body,
                        "GET|/scope/x y|/scope/x%20y?b=2%2B3+4&a&c=%41||2+3 4|z|Host|1");
    client_close(client);

    /* A path too long for the exchange's own memory. */
    char path[400], request[512];
    memset(path, 'p', sizeof path);
    memcpy(path, "/scope/", 7);
    path[sizeof path - 1] = '\0';
    client = connected();
    snprintf(request, sizeof request, "GET http://h%s HTTP/1.0\r\nA: b\r\n\r\n", path);
    client_say(client, request);
    client_answer(client, &answer);
    assert_memory_equal(answer.body + 4, path, sizeof path - 1);
    client_close(client);
}

static void test_head_and_options(void **state) {
    struct client *client = connected();
    (void)state;
    client_say(client, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    client_answer_to(client, &answer, 0);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer_field(&answer, "Content-Length"), "6");
    client_say(client, "OPTIONS /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                       "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"
                       "HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n");
    client_answer(client, &answer);
    assert_int_equal(answer.status, 204);
    assert_null(answer_field(&answer, "Content-Length"));
    assert_string_equal(answer_field(&answer, "Allow"), "GET, HEAD, OPTIONS");
    expect(client, 204, "");
    client_answer_to(client, &answer, 0);
    assert_int_equal(answer.status, 404);
    client_say(client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(client, 200, "hello\n");
    client_close(client);
}

/* Slow and quick, loop and pool: answers leave in the order of the requests. */
static void test_pipelining_keeps_order(void **state) {
    struct client *client = connected();
    char request[256];
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        snprintf(request, sizeof request,
                 "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n%03u%s",
                 round % 3 ? "/echo" : "/pool/echo", round,
                 round % 50 ? "" : "GET /await HTTP/1.1\r\nHost: a\r\n\r\n");
        client_say(client, request);
    }
    for (unsigned round = 0; round < 200; round++) {
        snprintf(request, sizeof request, "%03u", round);
        expect(client, 200, request);
        if (round % 50 == 0) expect(client, 200, "awoken");
    }
    client_close(client);
}

static void test_bytes_one_by_one(void **state) {
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n"
        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    struct client *client = connected();
    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        client_send(client, text + i, 1);
        if (i % 8 == 0) poll(NULL, 0, 1); /* so that they are read in pieces */
    }
    expect(client, 200, "abcde");
    expect(client, 200, "hello\n");
    client_close(client);
}

static void test_large_body(void **state) {
    static const size_t bytes = 900 * 1000;
    struct client *client = connected();
    char *body = malloc(bytes + 1);
    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i < bytes; i++) body[i] = (char)('a' + i % 26);
    body[bytes] = '\0';
    client_say(client, "POST /pool/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n");
    client_send(client, body, bytes);
    client_answer(client, &answer);
    assert_int_equal(answer.body_bytes, bytes);
    assert_memory_equal(answer.body, body, bytes);
    free(body);
    client_close(client);
}

static void test_continue(void **state) {
    struct client *client = connected();
    (void)state;
    client_say(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                       "Expect: 100-continue\r\n\r\n");
    client_answer(client, &answer);
    assert_int_equal(answer.status, 100);
    client_say(client, "ok");
    expect(client, 200, "ok");
    client_say(client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n"
                       "Expect: 100-continue\r\n\r\n");
    client_answer(client, &answer);
    assert_int_equal(answer.status, 413); /* refused before the body is asked for */
    client_close(client);
}

static void test_connection_field(void **state) {
    struct client *client = connected();
    (void)state;
    client_say(client, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(client, 200, "hello\n");
    assert_string_equal(answer_field(&answer, "Connection"), "close");
    assert_true(client_is_closed(client));
    client_close(client);

    client = connected();
    client_say(client, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(client, 200, "hello\n");
    assert_string_equal(answer_field(&answer, "Connection"), "keep-alive");
    client_say(client, "GET /hello HTTP/1.0\r\n\r\n");
    expect(client, 200, "hello\n");
    assert_true(client_is_closed(client));
    client_close(client);
}

/* A client that closes only its sending half, as `nc` does, gets all it asked for. */
static void test_half_closed_client_is_answered(void **state) {
    struct client *client = connected();
    (void)state;
    client_say(client,
               "GET /await HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(client->descriptor, SHUT_WR);
    expect(client, 200, "awoken");
    expect(client, 200, "hello\n");
    assert_true(client_is_closed(client));
    client_close(client);

    client = connected();
    client_say(client, "GET /hello HTT");
    shutdown(client->descriptor, SHUT_WR);
    client_answer(client, &answer);
    assert_int_equal(answer.status, 400);
    assert_true(client_is_closed(client));
    client_close(client);
}

/* The answer arrives although the client goes on sending, and then the connection ends. */
static void test_refusal_reaches_the_client(void **state) {
    char more[4096];
    (void)state;
    memset(more, 'x', sizeof more);
    for (unsigned round = 0; round < 20; round++) {
        struct client *client = connected();
        client_say(client, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
        for (unsigned i = 0; i < 20; i++) client_send(client, more, sizeof more);
        client_answer(client, &answer);
        assert_int_equal(answer.status, 400);
        assert_string_equal(answer_field(&answer, "Connection"), "close");
        assert_string_equal(answer.body, "two Host fields\n");
        assert_int_equal(strlen(answer_field(&answer, "X-Request-Id")), 32);
        shutdown(client->descriptor, SHUT_WR);
        assert_true(client_is_closed(client));
        assert_false(client->reset);
        client_close(client);
    }
}

static void test_client_that_goes_is_survived(void **state) {
    const uint64_t before = stats_now().abandoned;
    static const struct linger abort_it = {.l_onoff = 1, .l_linger = 0};
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct client *client = connected();
        const uint64_t begun = stats_now().requests;
        client_say(client, "GET /await HTTP/1.1\r\nHost: a\r\n\r\n");
        CLIENT_UNTIL(stats_now().requests > begun);
        setsockopt(client->descriptor, SOL_SOCKET, SO_LINGER, &abort_it, sizeof abort_it);
        client_close(client);
    }
    CLIENT_UNTIL(stats_now().abandoned == before + 5);
    assert_int_equal(get("/hello"), 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_every_response),
        cmocka_unit_test(test_traceparent_is_taken_over),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_handler_hands_on_to_the_pool),
        cmocka_unit_test(test_second_answer_is_ignored),
        cmocka_unit_test(test_view_of_the_request),
        cmocka_unit_test(test_head_and_options),
        cmocka_unit_test(test_pipelining_keeps_order),
        cmocka_unit_test(test_bytes_one_by_one),
        cmocka_unit_test(test_large_body),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_connection_field),
        cmocka_unit_test(test_half_closed_client_is_answered),
        cmocka_unit_test(test_refusal_reaches_the_client),
        cmocka_unit_test(test_client_that_goes_is_survived),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
