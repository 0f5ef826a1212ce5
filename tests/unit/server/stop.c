/* Starting and stopping: the port's errors are real, a stop lets requests end, or cuts them off. */
#include "client.h"

#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <tailrace/server.h>

static struct answer answer;
static sem_t entered, release;

static void quick(struct tlr_exchange *exchange, void *user) {
    (void)user;
    tlr_response_text(exchange, 200, "text/plain", "quick\n", 6);
}

static void hold(struct tlr_exchange *exchange, void *user) {
    (void)user;
    sem_post(&entered);
    while (sem_wait(&release) != 0) {
    }
    tlr_response_text(exchange, 200, "text/plain", "held\n", 5);
}

static void await_long(struct tlr_exchange *exchange, void *user) {
    (void)user;
    tlr_exchange_after(exchange, 3600 * TLR_NS_PER_S, quick, NULL);
    sem_post(&entered);
}

static struct tlr_exchange *kept;

static void keep(struct tlr_exchange *exchange, void *user) {
    (void)user;
    tlr_response_defer(exchange);
    kept = exchange;
    sem_post(&entered);
}

static struct tlr_server *opened(int port, unsigned loops) {
    const struct tlr_server_options options = {.host = "127.0.0.1", .port = port, .loops = loops};
    struct tlr_server *server;
    assert_int_equal(tlr_server_open(&server, &options), 0);
    tlr_server_route(server, "GET", "/quick", TLR_ON_LOOP, quick, NULL);
    tlr_server_route(server, "GET", "/hold", TLR_ON_POOL, hold, NULL);
    tlr_server_route(server, "GET", "/await", TLR_ON_LOOP, await_long, NULL);
    tlr_server_route(server, "GET", "/keep", TLR_ON_LOOP, keep, NULL);
    return server;
}

static struct client *asking(struct tlr_server *server, const char *path) {
    struct client *client = client_open(tlr_server_port(server));
    char request[128];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    client_say(client, request);
    return client;
}

static void test_port_in_use(void **state) {
    struct tlr_server *first = opened(-1, 2), *second;
    char expected[64];
    (void)state;
    assert_int_equal(tlr_server_start(first), 0);
    for (unsigned loops = 1; loops <= 2; loops++) {
        second = opened(tlr_server_port(first), loops);
        assert_int_equal(tlr_server_start(second), -EADDRINUSE);
        snprintf(expected, sizeof expected, "listen on 127.0.0.1:%d", tlr_server_port(first));
        assert_string_equal(tlr_server_error(second), expected);
        tlr_server_close(second);
    }
    assert_int_equal(client_get(tlr_server_port(first), "/quick", &answer), 200);
    assert_int_equal(tlr_server_stop(first, TLR_NS_PER_S), 0);

    /* Free again, and the server starts again, on the same port. */
    second = opened(tlr_server_port(first), 2);
    assert_int_equal(tlr_server_start(second), 0);
    assert_int_equal(tlr_server_start(first), 0);
    assert_int_equal(client_get(tlr_server_port(first), "/quick", &answer), 200);
    assert_int_equal(tlr_server_stop(first, TLR_NS_PER_S), 0);
    assert_int_equal(tlr_server_stop(second, TLR_NS_PER_S), 0);
    assert_int_equal(tlr_server_stop(second, TLR_NS_PER_S), 0);
    tlr_server_close(first);
    tlr_server_close(second);
    tlr_server_close(NULL);
}

static void test_admin_port_in_use(void **state) {
    struct tlr_server *first = opened(-1, 1), *second;
    struct tlr_server_options options = {.host = "127.0.0.1", .port = -1};
    char expected[64];
    (void)state;
    assert_int_equal(tlr_server_start(first), 0);
    options.admin_port = tlr_server_port(first);
    assert_int_equal(tlr_server_open(&second, &options), 0);
    assert_int_equal(tlr_server_start(second), -EADDRINUSE);
    snprintf(expected, sizeof expected, "listen on 127.0.0.1:%d", options.admin_port);
    assert_string_equal(tlr_server_error(second), expected);
    tlr_server_close(second);
    assert_int_equal(tlr_server_stop(first, TLR_NS_PER_S), 0);
    tlr_server_close(first);
}

static void test_bad_address(void **state) {
    struct tlr_server *server;
    (void)state;
    assert_int_equal(tlr_server_open(&server, &(struct tlr_server_options){.host = "nowhere"}), 0);
    assert_int_equal(tlr_server_start(server), -EINVAL);
    assert_string_equal(tlr_server_error(server), "listen on nowhere:8080");
    tlr_server_close(server);
}

static void test_loops_share_the_port(void **state) {
    enum { CLIENTS = 64 };
    struct tlr_server *server = opened(-1, 4);
    struct client *clients[CLIENTS];
    unsigned served[4] = {0}, idle = 0;
    (void)state;
    assert_int_equal(tlr_server_start(server), 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = asking(server, "/quick");
        client_answer(clients[i], &answer);
        served[(answer_field(&answer, "X-Served-By")[5] - '0') & 3]++;
        client_close(clients[i]);
    }
    for (unsigned i = 0; i < 4; i++) idle += served[i] == 0;
    assert_true(idle < 3); /* by the kernel's hash: all on one is as likely as 4^-63 */
    assert_int_equal(tlr_server_stop(server, TLR_NS_PER_S), 0);
    tlr_server_close(server);
}

struct stopping {
    struct tlr_server *server;
    uint64_t deadline_ns;
    int result;
};

static void *stop_server(void *argument) {
    struct stopping *stopping = argument;
    stopping->result = tlr_server_stop(stopping->server, stopping->deadline_ns);
    return NULL;
}

/* Nobody can connect any more. */
static int is_refused(int port) {
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    const int refused = connect(descriptor, (const struct sockaddr *)&address, sizeof address) != 0;
    close(descriptor);
    return refused;
}

static void test_stop_lets_requests_end(void **state) {
    struct tlr_server *server = opened(-1, 2);
    struct stopping stopping = {.deadline_ns = 20 * TLR_NS_PER_S, .result = 1};
    struct tlr_server_stats stats;
    pthread_t thread;
    (void)state;

    assert_int_equal(tlr_server_start(server), 0);
    struct client *idle = asking(server, "/quick");
    client_answer(idle, &answer);
    struct client *holding = asking(server, "/hold");
    sem_wait(&entered);
    stopping.server = server;
    assert_int_equal(pthread_create(&thread, NULL, stop_server, &stopping), 0);
    assert_true(client_is_closed(idle));
    CLIENT_UNTIL(is_refused(tlr_server_port(server)));
    sem_post(&release);
    client_answer(holding, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer_field(&answer, "Connection"), "close");
    assert_true(client_is_closed(holding));
    pthread_join(thread, NULL);
    assert_int_equal(stopping.result, 0);
    tlr_server_stats(server, &stats);
    assert_int_equal(stats.responses, 2);
    client_close(idle);
    client_close(holding);
    tlr_server_close(server);
}

static void test_stop_cuts_off_at_the_deadline(void **state) {
    struct tlr_server *server = opened(-1, 1);
    (void)state;
    assert_int_equal(tlr_server_start(server), 0);
    struct client *waiting = asking(server, "/await");
    sem_wait(&entered);
    assert_int_equal(tlr_server_stop(server, 50 * TLR_NS_PER_MS), -ETIMEDOUT);
    assert_true(client_is_closed(waiting));
    client_close(waiting);
    tlr_server_close(server);
}

/* A pool thread that does not come back, and an answer that nobody has given yet: the stop returns
 * all the same, and what comes later finds its memory. */
static void test_stop_gives_up_on_what_is_stuck(void **state) {
    struct tlr_server *server = opened(-1, 1);
    (void)state;
    assert_int_equal(tlr_server_start(server), 0);
    struct client *holding = asking(server, "/hold");
    sem_wait(&entered);
    struct client *keeping = asking(server, "/keep");
    sem_wait(&entered);
    assert_int_equal(tlr_server_stop(server, 50 * TLR_NS_PER_MS), -EBUSY);
    assert_int_equal(tlr_server_start(server), -EBUSY);
    tlr_server_close(server);
    assert_true(client_is_closed(holding));
    assert_true(client_is_closed(keeping));
    client_close(holding);
    client_close(keeping);
    sem_post(&release);
    tlr_response_text(kept, 200, NULL, "late", 4);
    poll(NULL, 0, 50); /* lets the loop end, so that a leak would show */
}

/* Every request that the server took is answered, however the stop falls among them. */
static void test_stop_under_load_loses_nothing(void **state) {
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct tlr_server *server = opened(-1, 2);
        struct stopping stopping = {.deadline_ns = 20 * TLR_NS_PER_S};
        struct client *clients[16];
        pthread_t thread;
        assert_int_equal(tlr_server_start(server), 0);
        stopping.server = server;
        for (unsigned i = 0; i < 16; i++) clients[i] = asking(server, "/quick");
        assert_int_equal(pthread_create(&thread, NULL, stop_server, &stopping), 0);
        for (unsigned i = 0; i < 16; i++) {
            client_answer(clients[i], &answer);
            assert_int_equal(answer.status, 200);
            client_close(clients[i]);
        }
        pthread_join(thread, NULL);
        assert_int_equal(stopping.result, 0);
        tlr_server_close(server);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_admin_port_in_use),
        cmocka_unit_test(test_bad_address),
        cmocka_unit_test(test_loops_share_the_port),
        cmocka_unit_test(test_stop_lets_requests_end),
        cmocka_unit_test(test_stop_cuts_off_at_the_deadline),
        cmocka_unit_test(test_stop_gives_up_on_what_is_stuck),
        cmocka_unit_test(test_stop_under_load_loses_nothing),
    };
    sem_init(&entered, 0, 0);
    sem_init(&release, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
