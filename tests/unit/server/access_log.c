/* One access line for each response, and nothing else: a client's count and the log's must agree.
 */
#include "client.h"
#include "scratch.h"

#include <tailrace/server.h>

TLR_CATEGORY(application, "application");

static struct scratch scratch;
static struct tlr_log *log_;
static struct tlr_server *server;
static struct answer answer;

static void chatty(struct tlr_exchange *exchange, void *user) {
    (void)user;
    tlr_info(&application, "first");
    tlr_info(&application, "second");
    tlr_response_text(exchange, 200, "text/plain", "x", 1);
}

static void silent(struct tlr_exchange *exchange, void *user) {
    (void)exchange;
    (void)user;
}

static int start(void **state) {
    (void)state;
    scratch_make(&scratch);
    const char *directory = scratch.directory;
    assert_int_equal(
        tlr_log_open(&log_, &(struct tlr_log_options){.path = scratch_path(&scratch, "log"),
                                                      .ring_directory = directory}),
        0);
    assert_int_equal(tlr_server_open(&server, &(struct tlr_server_options){.host = "127.0.0.1",
                                                                           .port = -1,
                                                                           .loops = 2,
                                                                           .admin_port = -1,
                                                                           .log = log_}),
                     0);
    tlr_server_route(server, "GET", "/loop", TLR_ON_LOOP, chatty, NULL);
    tlr_server_route(server, "GET", "/pool", TLR_ON_POOL, chatty, NULL);
    tlr_server_route(server, "GET", "/silent", TLR_ON_POOL, silent, NULL);
    assert_int_equal(tlr_server_start(server), 0);
    return 0;
}

static int stop(void **state) {
    (void)state;
    tlr_server_close(server);
    assert_int_equal(tlr_log_close(log_, 5 * TLR_NS_PER_S), 0);
    scratch_remove(&scratch);
    return 0;
}

struct counted {
    unsigned lines, access, application, errors;
    char last_access[1024];
};

/* Counts the log's lines that hold `marker`. */
static struct counted count(const char *marker) {
    struct counted counted = {0};
    char line[4096];
    FILE *file = fopen(scratch_path(&scratch, "log"), "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (!strstr(line, marker)) continue;
        counted.lines++;
        counted.application += strstr(line, " application ") != NULL;
        counted.errors += strstr(line, " ERROR ") != NULL;
        if (!strstr(line, " server.access ")) continue;
        counted.access++;
        snprintf(counted.last_access, sizeof counted.last_access, "%.1000s", line);
    }
    fclose(file);
    return counted;
}

static void say_bad_request(void) {
    struct client *client = client_open(tlr_server_port(server));
    client_say(client, "NONSENSE\r\n\r\n");
    client_answer(client, &answer);
    assert_int_equal(answer.status, 400);
    client_close(client);
}

static void test_one_line_each(void **state) {
    char id[64], loop_id[64];
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(client_get(tlr_server_port(server), "/loop", &answer), 200);
        strcpy(loop_id, answer_field(&answer, "X-Request-Id"));
        assert_int_equal(client_get(tlr_server_port(server), "/pool?a=b", &answer), 200);
        strcpy(id, answer_field(&answer, "X-Request-Id"));
        assert_int_equal(client_get(tlr_server_port(server), "/none", &answer), 404);
        assert_int_equal(client_get(tlr_server_port(server), "/silent", &answer), 500);
        assert_int_equal(client_get(tlr_server_admin_port(server), "/healthz", &answer), 200);
        say_bad_request();
    }
    /* The line follows the response, so the client may be ahead of it; a stop is not. */
    assert_int_equal(tlr_server_stop(server, 5 * TLR_NS_PER_S), 0);
    assert_int_equal(tlr_log_flush(log_, 5 * TLR_NS_PER_S), 0);

    struct counted all = count("");
    assert_int_equal(all.access, 250);
    assert_int_equal(all.application, 200);
    assert_int_equal(all.errors, 50);

    struct counted pool = count(id);
    assert_int_equal(pool.access, 1);
    assert_int_equal(pool.application, 2);
    assert_non_null(strstr(pool.last_access, "GET /pool?a=b status=200 bytes="));
    assert_non_null(strstr(pool.last_access, " lines=2 dropped=0 client=127.0.0.1:"));
    assert_non_null(strstr(pool.last_access, " served_by=pool-"));
    assert_non_null(strstr(pool.last_access, " loop=loop-"));

    struct counted loop = count(loop_id);
    assert_int_equal(loop.lines, 3);
    assert_non_null(strstr(loop.last_access, " served_by=loop-"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_line_each)};
    return cmocka_run_group_tests(tests, start, stop);
}
