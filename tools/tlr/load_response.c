#include "load_response.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void tlr__load_response_init(struct tlr__load_response *response) {
    response->status = 0;
    response->keep_alive = 1;
    response->served_by[0] = '\0';
    response->id[0] = '\0';
    response->head_bytes = 0;
    response->head_done = 0;
    response->body_bytes_left = 0;
}

/* A header's value if `line` is that header, else NULL. */
static const char *header_value(const char *line, const char *name) {
    size_t bytes = strlen(name);
    if (strncasecmp(line, name, bytes) != 0 || line[bytes] != ':') return NULL;
    line += bytes + 1;
    return line + strspn(line, " \t");
}

static int take_header(struct tlr__load_response *response, const char *line) {
    const char *value;
    if ((value = header_value(line, "Content-Length")) != NULL) {
        char *end;
        errno = 0;
        response->body_bytes_left = strtoull(value, &end, 10);
        if (errno != 0 || end == value || *end != '\0') return -EPROTO;
    } else if ((value = header_value(line, "Connection")) != NULL) {
        if (strcasecmp(value, "close") == 0) response->keep_alive = 0;
    } else if ((value = header_value(line, "X-Served-By")) != NULL) {
        snprintf(response->served_by, sizeof response->served_by, "%s", value);
    } else if ((value = header_value(line, "X-Request-Id")) != NULL) {
        snprintf(response->id, sizeof response->id, "%s", value);
    } else if (header_value(line, "Transfer-Encoding") != NULL) {
        return -EPROTO;
    }
    return 0;
}

/* The head is whole and ends in an empty line. */
static int read_head(struct tlr__load_response *response) {
    char *line = response->head, *end;
    unsigned minor;
    if (strlen(line) != response->head_bytes) return -EPROTO;
    if (sscanf(line, "HTTP/1.%1u %3d", &minor, &response->status) != 2) return -EPROTO;
    response->keep_alive = minor >= 1;
    while ((end = strstr(line, "\r\n")) != NULL && end != line) {
        *end = '\0';
        if (line != response->head && take_header(response, line) < 0) return -EPROTO;
        line = end + 2;
    }
    return 0;
}

/* Moves bytes into the head up to the empty line. Returns how many were used. */
static size_t take_head(struct tlr__load_response *response, const char *bytes, size_t size) {
    size_t old = response->head_bytes;
    size_t room = TLR__LOAD_HEAD_BYTES_MAX - old;
    size_t count = size < room ? size : room;
    memcpy(response->head + old, bytes, count);

    size_t search = old < 3 ? 0 : old - 3;
    char *end = memmem(response->head + search, old + count - search, "\r\n\r\n", 4);
    response->head_bytes = end != NULL ? (size_t)(end + 4 - response->head) : old + count;
    response->head[response->head_bytes] = '\0';
    if (end != NULL) response->head_done = 1;
    return response->head_bytes - old;
}

int tlr__load_response_take(struct tlr__load_response *response, const char *bytes, size_t size) {
    if (!response->head_done) {
        size_t used = take_head(response, bytes, size);
        if (!response->head_done)
            return response->head_bytes == TLR__LOAD_HEAD_BYTES_MAX ? -EPROTO : 0;
        if (read_head(response) < 0) return -EPROTO;
        size -= used;
    }
    if (size > response->body_bytes_left) return -EPROTO;
    response->body_bytes_left -= size;
    return response->body_bytes_left == 0;
}
