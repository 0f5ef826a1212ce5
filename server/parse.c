#include "parse.h"

#include "head_check.h"

#include <errno.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES_FIRST 1024u

enum section { IN_HEAD, IN_BODY, IN_TRAILER };

/* The lines of a head or of trailers, as far as they were looked at. */
struct lines {
    size_t next;     /* offset of the first line that is not complete */
    size_t searched; /* up to here there is no end of that line */
    unsigned count;  /* complete ones that were not empty */
    unsigned empty;  /* empty ones in front */
};

struct tlr__parser {
    llhttp_t http;
    const struct tlr__limits *limits;
    enum section section;
    struct lines lines;
    const char *base; /* of the head, during a call */
    struct tlr__head head;
    uint32_t extension_bytes, trailer_bytes;
    char *body;
    size_t body_bytes, body_capacity;
    int status; /* 0: not refused */
    const char *reason;
};

static int refuse(struct tlr__parser *parser, int status, const char *reason) {
    if (parser->status == 0) {
        parser->status = status;
        parser->reason = reason;
    }
    return -1;
}

/* ---- what llhttp tells --------------------------------------------------------------------- */

static int on_url(llhttp_t *http, const char *at, size_t length) {
    struct tlr__parser *parser = http->data;
    parser->head.target_at = (uint32_t)(at - parser->base);
    parser->head.target_bytes = (uint32_t)length;
    return 0;
}

static int on_header_field(llhttp_t *http, const char *at, size_t length) {
    struct tlr__parser *parser = http->data;
    struct tlr__head *head = &parser->head;

    if (parser->section != IN_HEAD) {
        if (tlr__head_field_frames(at, length))
            return refuse(parser, 400, "framing field in the trailers");
        return 0;
    }
    if (head->field_count == TLR__LIMITS_FIELDS)
        return refuse(parser, 431, "too many header fields");
    struct tlr__field *field = &head->fields[head->field_count++];
    field->name = (uint32_t)(at - parser->base);
    field->name_bytes = (uint32_t)length;
    field->value = field->name + field->name_bytes; /* stays so if the value is empty */
    field->value_bytes = 0;
    return 0;
}

static int on_header_value(llhttp_t *http, const char *at, size_t length) {
    struct tlr__parser *parser = http->data;
    /* An empty value may be told with a place on the next line, where nothing is to be written. */
    if (parser->section != IN_HEAD || length == 0) return 0;
    struct tlr__field *field = &parser->head.fields[parser->head.field_count - 1];
    while (length > 0 && (at[length - 1] == ' ' || at[length - 1] == '\t')) length--;
    field->value = (uint32_t)(at - parser->base);
    field->value_bytes = (uint32_t)length;
    return 0;
}

static int on_headers_complete(llhttp_t *http) {
    struct tlr__parser *parser = http->data;
    parser->head.method = llhttp_method_name((llhttp_method_t)http->method);
    parser->head.version_minor = http->http_minor;
    http->upgrade = 0; /* an Upgrade that is not taken up changes nothing (RFC 9110, 7.8) */
    return HPE_PAUSED;
}

static int body_reserve(struct tlr__parser *parser, size_t length) {
    size_t capacity = parser->body_capacity ? parser->body_capacity : BODY_BYTES_FIRST;
    while (capacity < parser->body_bytes + length + 1) capacity *= 2;
    if (capacity == parser->body_capacity) return 0;
    char *body = realloc(parser->body, capacity);
    if (!body) return -ENOMEM;
    parser->body = body;
    parser->body_capacity = capacity;
    return 0;
}

static int on_body(llhttp_t *http, const char *at, size_t length) {
    struct tlr__parser *parser = http->data;
    if (length > parser->limits->body_bytes - parser->body_bytes)
        return refuse(parser, 413, "body too large");
    if (body_reserve(parser, length)) return refuse(parser, 503, "no memory for the body");
    memcpy(parser->body + parser->body_bytes, at, length);
    parser->body_bytes += length;
    parser->body[parser->body_bytes] = '\0';
    return 0;
}

static int on_chunk_header(llhttp_t *http) {
    struct tlr__parser *parser = http->data;
    if (http->content_length > parser->limits->body_bytes - parser->body_bytes)
        return refuse(parser, 413, "body too large");
    if (http->content_length > 0) return 0;
    parser->section = IN_TRAILER;
    parser->lines = (struct lines){0};
    return HPE_PAUSED;
}

static int on_chunk_extension(llhttp_t *http, const char *at, size_t length) {
    struct tlr__parser *parser = http->data;
    (void)at;
    parser->extension_bytes += (uint32_t)length;
    if (parser->extension_bytes > TLR__LIMITS_EXTENSION_BYTES)
        return refuse(parser, 400, "chunk extensions too long");
    return 0;
}

static int on_message_complete(llhttp_t *http) {
    (void)http;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_header = on_chunk_header,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_message_complete = on_message_complete,
};

/* What llhttp found wrong, unless a callback has said it better. */
static int refuse_by_llhttp(struct tlr__parser *parser) {
    switch (llhttp_get_errno(&parser->http)) {
    case HPE_INVALID_METHOD:
        return refuse(parser, 501, "method not implemented");
    case HPE_INVALID_VERSION:
        return refuse(parser, 505, "HTTP version not supported");
    case HPE_INVALID_URL:
        return refuse(parser, 400, "malformed request target");
    case HPE_INVALID_HEADER_TOKEN:
        return refuse(parser, 400, "malformed header field");
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return refuse(parser, 400, "bad Content-Length");
    case HPE_INVALID_TRANSFER_ENCODING:
        return refuse(parser, 400, "bad Transfer-Encoding");
    case HPE_INVALID_CHUNK_SIZE:
        return refuse(parser, 400, "bad chunk size");
    default:
        return refuse(parser, 400, "malformed request");
    }
}

/* Feeds llhttp; 1 if it paused, having used `used` bytes, 0 if it took all, -1 refused. */
static int feed(struct tlr__parser *parser, const char *text, size_t bytes, size_t *used) {
    const enum llhttp_errno result = llhttp_execute(&parser->http, text, bytes);
    if (result == HPE_OK) {
        *used = bytes;
        return 0;
    }
    if (result != HPE_PAUSED) return refuse_by_llhttp(parser);
    *used = (size_t)(llhttp_get_error_pos(&parser->http) - text);
    llhttp_resume(&parser->http);
    return 1;
}

/* ---- lines --------------------------------------------------------------------------------- */

enum line { LINE_NONE, LINE_TEXT, LINE_EMPTY, LINE_REFUSED };

/* Looks for the end of the next line in text[0, bytes), and checks how it is framed. */
static enum line next_line(struct tlr__parser *parser, const char *text, size_t bytes,
                           size_t *line_bytes) {
    struct lines *lines = &parser->lines;
    const char *line = text + lines->next;
    const char *feed_at = memchr(text + lines->searched, '\n', bytes - lines->searched);

    if (lines->next < bytes && (*line == ' ' || *line == '\t')) {
        refuse(parser, 400,
               lines->count > 0 ? "folded header line" : "white space before the request");
        return LINE_REFUSED;
    }
    if (!feed_at) {
        lines->searched = bytes;
        return LINE_NONE;
    }
    if (feed_at == line || feed_at[-1] != '\r') {
        refuse(parser, 400, "line feed without carriage return");
        return LINE_REFUSED;
    }
    *line_bytes = (size_t)(feed_at - line) - 1;
    lines->next = lines->searched = (size_t)(feed_at - text) + 1;
    if (*line_bytes == 0) return LINE_EMPTY;
    if (*line == ':') {
        refuse(parser, 400, "header field without a name");
        return LINE_REFUSED;
    }
    lines->count++;
    return LINE_TEXT;
}

static int head_too_large(struct tlr__parser *parser, size_t bytes) {
    const struct tlr__limits *limits = parser->limits;
    if (parser->lines.count == 0) {
        if (bytes <= limits->request_line_bytes) return 0;
        return refuse(parser, 414, "request line too long");
    }
    return bytes > limits->head_bytes ? refuse(parser, 431, "header fields too large") : 0;
}

/* One pass over the complete lines: 1 at the head's empty line, 0 if that has not come. */
static int scan_head(struct tlr__parser *parser, const char *text, size_t bytes) {
    size_t line_bytes = 0;
    for (;;) {
        const size_t line = parser->lines.next;
        switch (next_line(parser, text, bytes, &line_bytes)) {
        case LINE_REFUSED:
            return -1;
        case LINE_NONE:
            return head_too_large(parser, bytes);
        case LINE_EMPTY:
            if (parser->lines.count > 0) return head_too_large(parser, parser->lines.next) ? -1 : 1;
            if (++parser->lines.empty > 1)
                return refuse(parser, 400, "empty lines before the request");
            break;
        case LINE_TEXT:
            if (parser->lines.count > 1) break;
            if (line_bytes > parser->limits->request_line_bytes)
                return refuse(parser, 414, "request line too long");
            if (tlr__head_check_request_line(text + line, line_bytes, &parser->status,
                                             &parser->reason))
                return -1;
            break;
        }
    }
}

/* ---- the parser ---------------------------------------------------------------------------- */

struct tlr__parser *tlr__parser_open(const struct tlr__limits *limits) {
    struct tlr__parser *parser = calloc(1, sizeof *parser);
    if (!parser) return NULL;
    parser->limits = limits;
    llhttp_init(&parser->http, HTTP_REQUEST, &settings);
    parser->http.data = parser;
    tlr__parser_begin(parser);
    return parser;
}

void tlr__parser_close(struct tlr__parser *parser) {
    if (!parser) return;
    free(parser->body);
    free(parser);
}

void tlr__parser_begin(struct tlr__parser *parser) {
    llhttp_reset(&parser->http);
    parser->section = IN_HEAD;
    parser->lines = (struct lines){0};
    parser->head.bytes = 0;
    parser->head.method = NULL;
    parser->head.target_bytes = 0;
    parser->head.field_count = 0;
    parser->head.has_body = 0;
    parser->extension_bytes = 0;
    parser->trailer_bytes = 0;
    free(parser->body);
    parser->body = NULL;
    parser->body_bytes = parser->body_capacity = 0;
    parser->status = 0;
    parser->reason = "";
}

static void terminate_strings(const struct tlr__head *head, char *text) {
    text[head->target_at + head->target_bytes] = '\0';
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct tlr__field *field = &head->fields[i];
        text[field->name + field->name_bytes] = '\0';
        text[field->value + field->value_bytes] = '\0';
    }
}

static enum tlr__parse_result finish_head(struct tlr__parser *parser, char *text, size_t bytes) {
    struct tlr__head *head = &parser->head;
    head->bytes = (uint32_t)bytes;
    terminate_strings(head, text);
    if (tlr__head_check(head, text, &parser->status, &parser->reason)) return TLR__PARSE_REFUSED;
    head->keep_alive = llhttp_should_keep_alive(&parser->http);
    head->has_body = (parser->http.flags & F_CHUNKED) != 0 || parser->http.content_length > 0;
    if (!(parser->http.flags & F_CHUNKED) &&
        parser->http.content_length > parser->limits->body_bytes) {
        refuse(parser, 413, "body too large");
        return TLR__PARSE_REFUSED;
    }
    parser->section = IN_BODY;
    return TLR__PARSE_DONE;
}

enum tlr__parse_result tlr__parser_read_head(struct tlr__parser *parser, char *text, size_t bytes) {
    const size_t from = parser->lines.next;
    const int complete = parser->status ? -1 : scan_head(parser, text, bytes);
    const size_t size = parser->lines.next - from;
    size_t used = 0;

    if (complete < 0) return TLR__PARSE_REFUSED;
    if (size == 0) return TLR__PARSE_MORE;
    parser->base = text;
    const int paused = feed(parser, text + from, size, &used);
    if (paused < 0) return TLR__PARSE_REFUSED;
    if (complete != paused || used != size) {
        /* llhttp and the scan must agree about where the head ends. */
        refuse(parser, 400, "malformed request");
        return TLR__PARSE_REFUSED;
    }
    return paused ? finish_head(parser, text, parser->lines.next) : TLR__PARSE_MORE;
}

static enum tlr__parse_result read_trailer(struct tlr__parser *parser, const char *text,
                                           size_t bytes, size_t *used) {
    size_t line_bytes = 0;
    enum line line;

    parser->lines.next = parser->lines.searched = 0;
    do {
        line = next_line(parser, text, bytes, &line_bytes);
        if (line == LINE_REFUSED) return TLR__PARSE_REFUSED;
    } while (line == LINE_TEXT);

    const size_t size = parser->lines.next;
    parser->trailer_bytes += (uint32_t)size;
    if (parser->trailer_bytes + (bytes - size) > TLR__LIMITS_TRAILER_BYTES && line == LINE_NONE) {
        refuse(parser, 431, "trailer fields too large");
        return TLR__PARSE_REFUSED;
    }
    const int paused = feed(parser, text, size, used);
    if (paused < 0) return TLR__PARSE_REFUSED;
    return paused ? TLR__PARSE_DONE : TLR__PARSE_MORE;
}

enum tlr__parse_result tlr__parser_read_body(struct tlr__parser *parser, const char *text,
                                             size_t bytes, size_t *used) {
    size_t part = 0;
    int paused = 0;

    *used = 0;
    if (parser->status) return TLR__PARSE_REFUSED;
    if (parser->section == IN_BODY) {
        paused = feed(parser, text, bytes, &part);
        if (paused < 0) return TLR__PARSE_REFUSED;
        *used = part;
        if (parser->section == IN_BODY) return paused ? TLR__PARSE_DONE : TLR__PARSE_MORE;
    }
    const enum tlr__parse_result result = read_trailer(parser, text + *used, bytes - *used, &part);
    *used += part;
    return result;
}

int tlr__parser_is_begun(const struct tlr__parser *parser) {
    return parser->lines.count > 0 || parser->lines.searched > parser->lines.next;
}

const struct tlr__head *tlr__parser_head(const struct tlr__parser *parser) {
    return &parser->head;
}

const char *tlr__parser_body(const struct tlr__parser *parser, size_t *bytes) {
    *bytes = parser->body_bytes;
    return parser->body ? parser->body : "";
}

int tlr__parser_refusal(const struct tlr__parser *parser, const char **reason) {
    *reason = parser->reason;
    return parser->status;
}
