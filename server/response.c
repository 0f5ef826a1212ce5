#include "response.h"

#include "dispatch.h"
#include "exchange.h"
#include "loop.h"
#include "server_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- what is answered ---------------------------------------------------------------------- */

void tlr__response_init(struct tlr__response *response) {
    response->status = 0;
    response->header_bytes = response->body_bytes = 0;
    response->header_capacity = sizeof response->headers_inline;
    response->headers = response->headers_inline;
    response->body = response->body_inline;
}

void tlr__response_free(struct tlr__response *response) {
    if (response->headers != response->headers_inline) free(response->headers);
    if (response->body != response->body_inline) free(response->body);
    tlr__response_init(response);
}

static int headers_reserve(struct tlr__response *response, size_t more) {
    size_t capacity = response->header_capacity;
    if (response->header_bytes + more > TLR__LIMITS_HEADER_BYTES) return -ENOSPC;
    while (capacity < response->header_bytes + more) capacity *= 2;
    if (capacity == response->header_capacity) return 0;

    const int is_inline = response->headers == response->headers_inline;
    char *headers = realloc(is_inline ? NULL : response->headers, capacity);
    if (!headers) return -ENOSPC;
    if (is_inline) memcpy(headers, response->headers_inline, response->header_bytes);
    response->headers = headers;
    response->header_capacity = capacity;
    return 0;
}

static int name_is_valid(const char *name) {
    static const char others[] = "!#$%&'*+-.^_`|~0123456789"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return name[0] != '\0' && name[strspn(name, others)] == '\0';
}

static int value_is_valid(const char *value) {
    for (const unsigned char *p = (const unsigned char *)value; *p; p++)
        if ((*p < ' ' && *p != '\t') || *p == 0x7f) return 0;
    return 1;
}

/* Fields that the server sets itself; a second one would contradict it. */
static int is_ours(const char *name) {
    static const char *const names[] = {"Content-Length", "Transfer-Encoding", "Connection",
                                        "Date",           "X-Request-Id",      "traceparent",
                                        "Server-Timing",  "X-Served-By"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0) return 1;
    return 0;
}

static int header_add(struct tlr__response *response, const char *name, const char *value) {
    const size_t name_bytes = strlen(name), value_bytes = strlen(value);
    if (name_bytes > TLR__LIMITS_HEADER_BYTES || value_bytes > TLR__LIMITS_HEADER_BYTES)
        return -ENOSPC;
    if (headers_reserve(response, name_bytes + value_bytes + 4)) return -ENOSPC;

    char *out = response->headers + response->header_bytes;
    out = mempcpy(out, name, name_bytes);
    out = mempcpy(out, ": ", 2);
    out = mempcpy(out, value, value_bytes);
    memcpy(out, "\r\n", 2);
    response->header_bytes += name_bytes + value_bytes + 4;
    return 0;
}

int tlr_response_header(struct tlr_exchange *exchange, const char *name, const char *value) {
    if (!name_is_valid(name) || !value_is_valid(value) || is_ours(name)) return -EINVAL;
    return header_add(&exchange->response, name, value);
}

static int body_copy(struct tlr__response *response, const char *body, size_t bytes) {
    char *copy = response->body_inline;
    if (bytes > sizeof response->body_inline) {
        copy = malloc(bytes);
        if (!copy) return -ENOMEM;
    }
    if (bytes > 0) memcpy(copy, body, bytes);
    response->body = copy;
    response->body_bytes = bytes;
    return 0;
}

void tlr__response_set(struct tlr_exchange *exchange, int status, const char *content_type,
                       const char *body, size_t bytes) {
    struct tlr__response *response = &exchange->response;
    response->status = status;
    if (body_copy(response, body, bytes)) {
        tlr__response_free(response);
        response->status = 500;
        exchange->failed = 1;
        return;
    }
    if (content_type && value_is_valid(content_type))
        header_add(response, "Content-Type", content_type);
}

void tlr_response_text(struct tlr_exchange *exchange, int status, const char *content_type,
                       const char *body, size_t bytes) {
    assert(status >= 200 && status <= 599);
    /* acq_rel: of two threads that answer, the second must not touch what the first wrote. */
    if (atomic_exchange_explicit(&exchange->answered, 1, memory_order_acq_rel)) {
        atomic_fetch_add_explicit(&exchange->loop->server->answers_ignored, 1,
                                  memory_order_relaxed);
        return;
    }
    tlr__response_set(exchange, status, content_type, body, bytes);
    if (exchange->deferred && !exchange->moving) tlr__loop_post(exchange->loop, exchange);
}

void tlr_response_defer(struct tlr_exchange *exchange) {
    exchange->deferred = 1;
}

/* ---- its bytes ----------------------------------------------------------------------------- */

/* Printing by hand: a head is some forty appends, and snprintf would cost more than the rest of
 * what the server does for a request. */

static char *append(char *out, const char *text, size_t bytes) {
    memcpy(out, text, bytes);
    return out + bytes;
}

#define APPEND_LITERAL(out, literal) append(out, literal, sizeof(literal) - 1)

static char *append_number(char *out, uint64_t number) {
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (count) *out++ = digits[--count];
    return out;
}

/* Milliseconds with three decimals. */
static char *append_ms(char *out, uint64_t ns) {
    const uint64_t us = (ns + 500) / 1000;
    const unsigned part = (unsigned)(us % 1000);
    out = append_number(out, us / 1000);
    *out++ = '.';
    *out++ = (char)('0' + part / 100);
    *out++ = (char)('0' + part / 10 % 10);
    *out++ = (char)('0' + part % 10);
    return out;
}

static const struct {
    int status;
    const char *reason;
} status_reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

/* Empty for the unusual ones, as RFC 9112 section 4 lets it be. */
static const char *status_reason(int status) {
    for (size_t i = 0; i < sizeof status_reasons / sizeof *status_reasons; i++)
        if (status_reasons[i].status == status) return status_reasons[i].reason;
    return "";
}

static char *append_status_line(char *out, int status) {
    const char *reason;
    if (status == 200) return APPEND_LITERAL(out, "HTTP/1.1 200 OK\r\n");
    reason = status_reason(status);
    out = APPEND_LITERAL(out, "HTTP/1.1 ");
    out = append_number(out, (uint64_t)status);
    *out++ = ' ';
    out = append(out, reason, strlen(reason));
    return APPEND_LITERAL(out, "\r\n");
}

static char *append_date(char *out, struct tlr__response_date *date) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != date->second) {
        struct tm utc;
        date->second = now.tv_sec;
        gmtime_r(&now.tv_sec, &utc);
        strftime(date->text, sizeof date->text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    }
    out = APPEND_LITERAL(out, "Date: ");
    out = append(out, date->text, strlen(date->text));
    return APPEND_LITERAL(out, "\r\n");
}

static char *append_trace(char *out, const struct tlr_request *trace) {
    out = APPEND_LITERAL(out, "X-Request-Id: ");
    tlr_trace_id_print(&trace->context, out);
    out += TLR_TRACE_ID_TEXT_BYTES;
    out = APPEND_LITERAL(out, "\r\ntraceparent: ");
    tlr_traceparent_print(&trace->context, out);
    out += TLR_TRACEPARENT_BYTES;
    out = APPEND_LITERAL(out, "\r\nServer-Timing: queue;dur=");
    out = append_ms(out, tlr_request_between_ns(trace, TLR_HOP_SUBMIT, TLR_HOP_START));
    out = APPEND_LITERAL(out, ", handler;dur=");
    out = append_ms(out, tlr_request_between_ns(trace, TLR_HOP_START, TLR_HOP_END));
    out = APPEND_LITERAL(out, ", return;dur=");
    out = append_ms(out, tlr_request_between_ns(trace, TLR_HOP_END, TLR_HOP_RETURN));
    out = APPEND_LITERAL(out, ", log;dur=");
    out = append_ms(out, trace->log_blocked_ns);
    out = APPEND_LITERAL(out, "\r\nX-Served-By: ");
    out = append(out, trace->served_by, strlen(trace->served_by));
    return APPEND_LITERAL(out, "\r\n");
}

/* HTTP/1.1 keeps a connection unless told otherwise, HTTP/1.0 closes it. */
static char *append_connection(char *out, const struct tlr_exchange *exchange) {
    if (exchange->close_after) return APPEND_LITERAL(out, "Connection: close\r\n");
    if (exchange->head && exchange->head->version_minor == 0)
        return APPEND_LITERAL(out, "Connection: keep-alive\r\n");
    return out;
}

size_t tlr__response_print_head(const struct tlr_exchange *exchange,
                                struct tlr__response_date *date, char *out) {
    const struct tlr__response *response = &exchange->response;
    char *at = append_status_line(out, response->status);
    at = append_date(at, date);
    at = append(at, response->headers, response->header_bytes);
    if (response->status != 204) {
        at = APPEND_LITERAL(at, "Content-Length: ");
        at = append_number(at, response->body_bytes);
        at = APPEND_LITERAL(at, "\r\n");
    }
    at = append_trace(at, &exchange->trace);
    at = append_connection(at, exchange);
    at = APPEND_LITERAL(at, "\r\n");
    return (size_t)(at - out);
}

size_t tlr__response_body_bytes(const struct tlr_exchange *exchange) {
    const int status = exchange->response.status;
    if (status == 204 || status == 304) return 0;
    if (exchange->head && strcmp(exchange->head->method, "HEAD") == 0) return 0;
    return exchange->response.body_bytes;
}
