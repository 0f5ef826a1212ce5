/* client.h - a plain HTTP client on a blocking socket, for tests that look at every byte. */
#ifndef TAILRACE_TESTS_CLIENT_H
#define TAILRACE_TESTS_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENT_PATIENCE_MS 10000
#define CLIENT_BYTES (1u << 20)

/* What came and was not looked at yet. */
struct client {
    int descriptor;
    size_t bytes;
    int ended; /* the server closed */
    int reset; /* the server closed with a reset */
    char text[CLIENT_BYTES + 1];
};

struct answer {
    int status;
    size_t body_bytes;
    char head[8192];
    char body[CLIENT_BYTES];
};

static inline struct client *client_open(int port) {
    struct client *client = calloc(1, sizeof *client);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_non_null(client);
    client->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client->descriptor >= 0);
    assert_int_equal(connect(client->descriptor, (const struct sockaddr *)&address, sizeof address),
                     0);
    return client;
}

static inline void client_close(struct client *client) {
    close(client->descriptor);
    free(client);
}

static inline void client_send(struct client *client, const char *text, size_t bytes) {
    while (bytes > 0) {
        const ssize_t sent = send(client->descriptor, text, bytes, MSG_NOSIGNAL);
        if (sent < 0) return; /* closed already: what it said before is what counts */
        text += sent;
        bytes -= (size_t)sent;
    }
}

static inline void client_say(struct client *client, const char *text) {
    client_send(client, text, strlen(text));
}

/* Reads what comes next; 0 at the end. */
static inline int client_read(struct client *client) {
    struct pollfd poll_for = {.fd = client->descriptor, .events = POLLIN};
    assert_true(client->bytes < CLIENT_BYTES);
    if (client->ended) return 0;
    if (poll(&poll_for, 1, CLIENT_PATIENCE_MS) != 1) fail_msg("the server does not answer");
    const ssize_t got =
        recv(client->descriptor, client->text + client->bytes, CLIENT_BYTES - client->bytes, 0);
    if (got <= 0) {
        client->ended = 1;
        client->reset = got < 0;
        return 0;
    }
    client->bytes += (size_t)got;
    client->text[client->bytes] = '\0';
    return 1;
}

/* Nonzero if the server closes, having sent nothing more, within the time. */
static inline int client_is_closed(struct client *client) {
    if (client->bytes > 0) return 0;
    return client_read(client) == 0;
}

/* A field of the answer's head, or NULL; valid until the next call. */
static inline const char *answer_field(const struct answer *answer, const char *name) {
    static char value[1024];
    const char *line = strstr(answer->head, "\r\n");
    for (; line && line[2]; line = strstr(line + 2, "\r\n")) {
        const size_t bytes = strlen(name);
        if (strncasecmp(line + 2, name, bytes) != 0 || line[2 + bytes] != ':') continue;
        const char *begin = line + 2 + bytes + 1 + strspn(line + 3 + bytes, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(begin, "\r"), begin);
        return value;
    }
    return NULL;
}

static inline void client_drop(struct client *client, size_t bytes) {
    memmove(client->text, client->text + bytes, client->bytes - bytes + 1);
    client->bytes -= bytes;
}

/* Reads one answer whole. has_body: zero for an answer to HEAD. */
static inline void client_answer_to(struct client *client, struct answer *answer, int has_body) {
    const char *end;
    answer->status = 0;
    answer->body_bytes = 0;
    while (!(end = strstr(client->text, "\r\n\r\n")))
        if (!client_read(client)) fail_msg("closed before an answer: '%s'", client->text);
    const size_t head = (size_t)(end - client->text) + 4;
    assert_true(head < sizeof answer->head);
    memcpy(answer->head, client->text, head - 2);
    answer->head[head - 2] = '\0';
    client_drop(client, head);
    assert_int_equal(sscanf(answer->head, "HTTP/1.1 %d", &answer->status), 1);

    const char *length = answer_field(answer, "Content-Length");
    const size_t bytes = has_body && length ? strtoul(length, NULL, 10) : 0;
    while (answer->body_bytes < bytes) {
        if (client->bytes == 0 && !client_read(client)) fail_msg("closed within a body");
        size_t part = bytes - answer->body_bytes;
        if (part > client->bytes) part = client->bytes;
        if (answer->body_bytes + part < sizeof answer->body)
            memcpy(answer->body + answer->body_bytes, client->text, part);
        answer->body_bytes += part;
        client_drop(client, part);
    }
    if (bytes < sizeof answer->body) answer->body[bytes] = '\0';
}

static inline void client_answer(struct client *client, struct answer *answer) {
    client_answer_to(client, answer, 1);
}

/* One request on a connection of its own. */
static inline int client_get(int port, const char *path, struct answer *answer) {
    char request[512];
    struct client *client = client_open(port);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    client_say(client, request);
    client_answer(client, answer);
    client_close(client);
    return answer->status;
}

static inline uint64_t client_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits until a condition that another thread brings about holds. */
#define CLIENT_UNTIL(condition)                                                        \
    do {                                                                               \
        const uint64_t until_ = client_now_ms() + CLIENT_PATIENCE_MS;                  \
        while (!(condition)) {                                                         \
            if (client_now_ms() > until_) fail_msg("never came true: %s", #condition); \
            poll(NULL, 0, 1);                                                          \
        }                                                                              \
    } while (0)

#endif
