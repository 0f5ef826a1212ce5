/* The admin interface: it answers while every loop is held, names what holds it, and answers only
 * to the loopback's names. */
#include "client.h"
#include "scratch.h"

#include <semaphore.h>
#include <tailrace/server.h>

static struct scratch scratch;
static struct tlr_log *log_;
static struct tlr_tracer *tracer;
static struct tlr_server *server;
static struct answer answer;
static sem_t entered, release;

static void hold_loop(struct tlr_exchange *exchange, void *user) {
    struct tlr_block block;
    (void)user;
    sem_post(&entered);
    tlr_block_begin(&block, TLR_CAUSE_LOCK, -1);
    while (sem_wait(&release) != 0) {
    }
    tlr_block_end(&block);
    tlr_response_text(exchange, 200, "text/plain", "held\n", 5);
}

static int start(void **state) {
    char path[128];
    (void)state;
    scratch_make(&scratch);
    const char *directory = scratch.directory;
    assert_int_equal(
        tlr_log_open(&log_, &(struct tlr_log_options){.path = scratch_path(&scratch, "log"),
                                                      .ring_directory = directory}),
        0);
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "trace"));
    assert_int_equal(
        tlr_tracer_open(
            &tracer, &(struct tlr_tracer_options){.directory = path, .ring_directory = directory}),
        0);
    assert_int_equal(tlr_server_open(&server, &(struct tlr_server_options){.host = "127.0.0.1",
                                                                           .port = -1,
                                                                           .loops = 1,
                                                                           .admin_port = -1,
                                                                           .log = log_,
                                                                           .tracer = tracer}),
                     0);
    tlr_server_route(server, "GET", "/hold", TLR_ON_LOOP, hold_loop, NULL);
    assert_int_equal(tlr_server_start(server), 0);
    return 0;
}

static int stop(void **state) {
    (void)state;
    assert_int_equal(tlr_server_stop(server, 5 * TLR_NS_PER_S), 0);
    tlr_server_close(server);
    assert_int_equal(tlr_tracer_close(tracer, 5 * TLR_NS_PER_S), 0);
    assert_int_equal(tlr_log_close(log_, 5 * TLR_NS_PER_S), 0);
    scratch_remove(&scratch);
    return 0;
}

static int admin(const char *path) {
    return client_get(tlr_server_admin_port(server), path, &answer);
}

static void assert_holds(const char *text) {
    if (!strstr(answer.body, text)) fail_msg("no '%s' in: %s", text, answer.body);
}

static void test_pages(void **state) {
    (void)state;
    assert_int_equal(admin("/healthz"), 200);
    assert_string_equal(answer.body, "ok\n");
    assert_int_equal(admin("/threads"), 200);
    assert_string_equal(answer_field(&answer, "Content-Type"), "application/json");
    assert_holds("\"name\":\"loop-0\"");
    assert_holds("\"name\":\"admin\"");
    assert_holds("\"function\":\"threads\"");
    assert_int_equal(admin("/stalls"), 200);
    assert_holds("\"stalls\":[");
    assert_int_equal(admin("/metrics"), 200);
    assert_holds("\ntailrace_requests_total 0\n");
    assert_int_equal(admin("/hold"), 404);
}

static void test_answers_while_the_loop_is_held(void **state) {
    struct client *client = client_open(tlr_server_port(server));
    (void)state;
    client_say(client, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    sem_wait(&entered);
    assert_int_equal(admin("/healthz"), 200);
    CLIENT_UNTIL(admin("/threads") == 200 && strstr(answer.body, "\"state\":\"blocked\""));
    assert_holds("\"cause\":\"lock\"");
    assert_holds("\"function\":\"hold_loop\"");
    CLIENT_UNTIL(admin("/stalls") == 200 && strstr(answer.body, "\"running\":true"));
    assert_holds("\"thread\":\"loop-0\"");

    sem_post(&release);
    client_answer(client, &answer);
    assert_int_equal(answer.status, 200);
    char id[64];
    snprintf(id, sizeof id, "\"trace\":\"%.32s\"", answer_field(&answer, "X-Request-Id"));
    CLIENT_UNTIL(admin("/stalls") == 200 && strstr(answer.body, "\"running\":false"));
    assert_holds(id);
    assert_holds("\"cause\":\"lock\"");
    client_close(client);
}

static int ask_as(const char *host) {
    struct client *client = client_open(tlr_server_admin_port(server));
    char request[256];
    snprintf(request, sizeof request, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    client_say(client, request);
    client_answer(client, &answer);
    client_close(client);
    return answer.status;
}

static void test_foreign_hosts_are_refused(void **state) {
    (void)state;
    assert_int_equal(ask_as("evil.example"), 403);
    assert_int_equal(ask_as("127.0.0.1.evil.example"), 403);
    assert_int_equal(ask_as("127.0.0.1"), 200);
    assert_int_equal(ask_as("localhost:1234"), 200);
    assert_int_equal(ask_as("[::1]:1234"), 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_answers_while_the_loop_is_held),
        cmocka_unit_test(test_foreign_hosts_are_refused),
    };
    sem_init(&entered, 0, 0);
    sem_init(&release, 0, 0);
    return cmocka_run_group_tests(tests, start, stop);
}
