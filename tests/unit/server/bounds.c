/* Everything has a limit: the pool and its queue, connections, time. Each refusal is counted. */
#include "client.h"

#include <semaphore.h>
#include <tailrace/server.h>

static struct answer answer;
static sem_t release;

static void quick(struct tlr_exchange *exchange, void *user) {
    (void)user;
    tlr_response_text(exchange, 200, "text/plain", "quick\n", 6);
}

static void hold(struct tlr_exchange *exchange, void *user) {
    (void)user;
    while (sem_wait(&release) != 0) {
    }
    tlr_response_text(exchange, 200, "text/plain", "held\n", 5);
}

static void big(struct tlr_exchange *exchange, void *user) {
    static char body[16u << 20]; /* more than any socket buffer takes */
    (void)user;
    tlr_response_text(exchange, 200, "text/plain", body, sizeof body);
}

static struct tlr_server *start(struct tlr_server_options options) {
    struct tlr_server *server;
    options.host = "127.0.0.1";
    options.port = -1;
    options.loops = 1;
    assert_int_equal(tlr_server_open(&server, &options), 0);
    tlr_server_route(server, "GET", "/quick", TLR_ON_LOOP, quick, NULL);
    tlr_server_route(server, "POST", "/quick", TLR_ON_LOOP, quick, NULL);
    tlr_server_route(server, "GET", "/hold", TLR_ON_POOL, hold, NULL);
    tlr_server_route(server, "GET", "/big", TLR_ON_LOOP, big, NULL);
    assert_int_equal(tlr_server_start(server), 0);
    return server;
}

static void stop(struct tlr_server *server) {
    assert_int_equal(tlr_server_stop(server, 5 * TLR_NS_PER_S), 0);
    tlr_server_close(server);
}

static struct tlr_server_stats stats_of(const struct tlr_server *server) {
    struct tlr_server_stats stats;
    tlr_server_stats(server, &stats);
    return stats;
}

static void test_full_pool_is_refused(void **state) {
    enum { ADMITTED = 5 };
    struct tlr_server *server = start((struct tlr_server_options){.pool = 4, .pool_queue_max = 1});
    struct client *clients[ADMITTED];
    (void)state;

    for (unsigned i = 0; i < ADMITTED; i++) {
        clients[i] = client_open(tlr_server_port(server));
        client_say(clients[i], "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    CLIENT_UNTIL(stats_of(server).pool_running == 4 && stats_of(server).pool_queued == 1);

    assert_int_equal(client_get(tlr_server_port(server), "/hold", &answer), 503);
    assert_string_equal(answer_field(&answer, "Retry-After"), "1");
    assert_memory_equal(answer_field(&answer, "X-Served-By"), "loop-0", 6);
    assert_int_equal(client_get(tlr_server_port(server), "/quick", &answer), 200);
    assert_int_equal(stats_of(server).refused_pool_full, 1);

    for (unsigned i = 0; i < ADMITTED; i++) sem_post(&release);
    for (unsigned i = 0; i < ADMITTED; i++) {
        client_answer(clients[i], &answer);
        assert_int_equal(answer.status, 200);
        client_close(clients[i]);
    }
    sem_post(&release);
    assert_int_equal(client_get(tlr_server_port(server), "/hold", &answer), 200);
    stop(server);
}

static void test_connections_above_the_limit_are_closed(void **state) {
    struct tlr_server *server = start((struct tlr_server_options){.connections_max = 2});
    struct client *first = client_open(tlr_server_port(server));
    struct client *second = client_open(tlr_server_port(server));
    (void)state;
    CLIENT_UNTIL(stats_of(server).connections_open == 2);
    struct client *third = client_open(tlr_server_port(server));
    assert_true(client_is_closed(third));
    assert_int_equal(stats_of(server).connections_refused, 1);
    client_say(first, "GET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
    client_answer(first, &answer);
    assert_int_equal(answer.status, 200);
    client_close(second);
    CLIENT_UNTIL(stats_of(server).connections_open == 1);
    assert_int_equal(client_get(tlr_server_port(server), "/quick", &answer), 200);
    client_close(first);
    client_close(third);
    stop(server);
}

/* A request whose client went holds memory until it is answered, so it keeps its place. */
static void test_hanging_up_makes_no_room(void **state) {
    struct tlr_server *server = start((struct tlr_server_options){.connections_max = 1});
    static const struct linger abort_it = {.l_onoff = 1, .l_linger = 0};
    struct client *client = client_open(tlr_server_port(server));
    (void)state;
    client_say(client, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    CLIENT_UNTIL(stats_of(server).pool_running == 1);
    setsockopt(client->descriptor, SOL_SOCKET, SO_LINGER, &abort_it, sizeof abort_it);
    client_close(client);
    CLIENT_UNTIL(stats_of(server).connections_open == 0);

    client = client_open(tlr_server_port(server));
    assert_true(client_is_closed(client));
    client_close(client);
    sem_post(&release);
    CLIENT_UNTIL(stats_of(server).abandoned == 1);
    assert_int_equal(client_get(tlr_server_port(server), "/quick", &answer), 200);
    stop(server);
}

static void test_slow_head_and_body_time_out(void **state) {
    struct tlr_server *server = start((struct tlr_server_options){
        .head_timeout_ns = 50 * TLR_NS_PER_MS, .body_timeout_ns = 50 * TLR_NS_PER_MS});
    struct client *head = client_open(tlr_server_port(server));
    struct client *body = client_open(tlr_server_port(server));
    (void)state;
    client_say(head, "GET /quick HTTP/1.1\r\n");
    client_say(body, "POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx");
    client_answer(head, &answer);
    assert_int_equal(answer.status, 408);
    assert_true(client_is_closed(head));
    client_answer(body, &answer);
    assert_int_equal(answer.status, 408);
    assert_true(client_is_closed(body));
    assert_int_equal(stats_of(server).timeouts, 2);
    client_close(head);
    client_close(body);
    stop(server);
}

static void test_idle_connection_times_out(void **state) {
    struct tlr_server *server =
        start((struct tlr_server_options){.idle_timeout_ns = 50 * TLR_NS_PER_MS});
    struct client *never = client_open(tlr_server_port(server));
    struct client *once = client_open(tlr_server_port(server));
    (void)state;
    client_say(once, "GET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
    client_answer(once, &answer);
    assert_true(client_is_closed(once));
    assert_true(client_is_closed(never));
    client_close(once);
    client_close(never);
    stop(server);
}

static void test_client_that_does_not_read_times_out(void **state) {
    struct tlr_server *server =
        start((struct tlr_server_options){.write_timeout_ns = 50 * TLR_NS_PER_MS});
    struct client *client = client_open(tlr_server_port(server));
    (void)state;
    client_say(client, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    CLIENT_UNTIL(stats_of(server).timeouts == 1);
    CLIENT_UNTIL(stats_of(server).connections_open == 0);
    assert_int_equal(stats_of(server).abandoned, 1);
    client_close(client);
    stop(server);
}

static void test_response_beyond_the_socket_buffer(void **state) {
    struct tlr_server *server = start((struct tlr_server_options){0});
    struct client *client = client_open(tlr_server_port(server));
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        client_say(client, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        client_answer(client, &answer);
        assert_int_equal(answer.status, 200);
        assert_int_equal(answer.body_bytes, 16u << 20);
    }
    client_close(client);
    stop(server);
}

static void test_options_out_of_range(void **state) {
    static const struct tlr_server_options bad[] = {
        {.port = 65536},
        {.port = -2},
        {.admin_port = 70000},
        {.loops = 65},
        {.pool = 5000},
        {.head_bytes_max = 10},
        {.head_bytes_max = 2u << 20},
        {.body_bytes_max = 2u << 30},
    };
    struct tlr_server *server = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(tlr_server_open(&server, &bad[i]), -EINVAL);
    assert_null(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_pool_is_refused),
        cmocka_unit_test(test_connections_above_the_limit_are_closed),
        cmocka_unit_test(test_hanging_up_makes_no_room),
        cmocka_unit_test(test_slow_head_and_body_time_out),
        cmocka_unit_test(test_idle_connection_times_out),
        cmocka_unit_test(test_client_that_does_not_read_times_out),
        cmocka_unit_test(test_response_beyond_the_socket_buffer),
        cmocka_unit_test(test_options_out_of_range),
    };
    sem_init(&release, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
