#include "head_check.h"

#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static int refused(int *status, const char **reason, int why, const char *words) {
    *status = why;
    *reason = words;
    return -EBADMSG;
}

static int is_token_byte(unsigned char c) {
    return isalnum(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

int tlr__head_check_request_line(const char *line, size_t bytes, int *status, const char **reason) {
    static const char version[] = " HTTP/1.1";
    const size_t version_bytes = sizeof version - 1;
    size_t method_bytes = 0;

    while (method_bytes < bytes && is_token_byte((unsigned char)line[method_bytes])) method_bytes++;
    if (method_bytes == 0 || method_bytes == bytes || line[method_bytes] != ' ')
        return refused(status, reason, 400, "malformed method");
    if (bytes < method_bytes + 2 + version_bytes)
        return refused(status, reason, 400, "malformed request line");

    const char *end = line + bytes - version_bytes;
    if (memcmp(end, version, 6) != 0 || !isdigit((unsigned char)end[6]) || end[7] != '.' ||
        !isdigit((unsigned char)end[8]))
        return refused(status, reason, 400, "malformed HTTP version");
    if (memchr(line + method_bytes + 1, ' ', (size_t)(end - line) - method_bytes - 1))
        return refused(status, reason, 400, "space in the request target");
    if (end[6] != '1' || end[8] > '1')
        return refused(status, reason, 505, "HTTP version not supported");
    if (method_bytes == 7 && memcmp(line, "CONNECT", 7) == 0)
        return refused(status, reason, 501, "CONNECT is not implemented");
    return 0;
}

static int name_is(const char *name, size_t bytes, const char *wanted) {
    return strlen(wanted) == bytes && strncasecmp(name, wanted, bytes) == 0;
}

int tlr__head_field_frames(const char *name, size_t bytes) {
    return name_is(name, bytes, "content-length") || name_is(name, bytes, "transfer-encoding") ||
           name_is(name, bytes, "host") || name_is(name, bytes, "connection") ||
           name_is(name, bytes, "trailer");
}

/* What the fields that matter here say, taken together. */
struct findings {
    unsigned hosts, lengths, encodings;
    const char *encoding;
};

static void find_field(struct tlr__head *head, const char *text, unsigned index,
                       struct findings *found) {
    const struct tlr__field *field = &head->fields[index];
    const char *name = text + field->name;

    switch (field->name_bytes) { /* most fields are told apart by their size alone */
    case 4:
        if (strncasecmp(name, "host", 4) != 0) return;
        found->hosts++;
        head->host = (int)index;
        return;
    case 11:
        if (strncasecmp(name, "traceparent", 11) == 0) head->traceparent = (int)index;
        return;
    case 14:
        if (strncasecmp(name, "content-length", 14) == 0) found->lengths++;
        return;
    case 17:
        if (strncasecmp(name, "transfer-encoding", 17) != 0) return;
        found->encodings++;
        found->encoding = text + field->value;
        return;
    default:
        return;
    }
}

/* Chunked alone is what every client sends; any other list is unknown, or ambiguous. */
static int check_encoding(const struct tlr__head *head, const struct findings *found, int *status,
                          const char **reason) {
    if (found->encodings == 0) return 0;
    if (found->lengths > 0)
        return refused(status, reason, 400, "both Content-Length and Transfer-Encoding");
    if (head->version_minor == 0)
        return refused(status, reason, 400, "Transfer-Encoding in HTTP/1.0");
    if (found->encodings > 1) return refused(status, reason, 400, "two Transfer-Encoding fields");
    if (strcasecmp(found->encoding, "chunked") == 0) return 0;
    if (found->encoding[0] == '\0') return refused(status, reason, 400, "empty Transfer-Encoding");
    if (strncasecmp(found->encoding, "chunked", 7) == 0)
        return refused(status, reason, 400, "bad Transfer-Encoding");
    return refused(status, reason, 501, "transfer coding not implemented");
}

static int check_host(const struct tlr__head *head, const char *text, const struct findings *found,
                      int *status, const char **reason) {
    if (found->hosts > 1) return refused(status, reason, 400, "two Host fields");
    if (found->hosts == 0)
        return head->version_minor == 0 ? 0 : refused(status, reason, 400, "no Host field");
    const struct tlr__field *field = &head->fields[head->host];
    if (!tlr__target_host_valid(text + field->value, field->value_bytes))
        return refused(status, reason, 400, "malformed Host field");
    return 0;
}

static int check_expect(struct tlr__head *head, const char *text, int *status,
                        const char **reason) {
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct tlr__field *field = &head->fields[i];
        if (field->name_bytes != 6 || strncasecmp(text + field->name, "expect", 6) != 0) continue;
        if (strcasecmp(text + field->value, "100-continue") != 0)
            return refused(status, reason, 417, "unknown expectation");
        head->expects_continue = head->version_minor > 0;
    }
    return 0;
}

int tlr__head_check(struct tlr__head *head, const char *text, int *status, const char **reason) {
    struct findings found = {0};

    head->expects_continue = 0;
    head->host = head->traceparent = -1;
    if (tlr__target_split(text + head->target_at, head->target_bytes, head->method, &head->target))
        return refused(status, reason, 400, "malformed request target");
    for (unsigned i = 0; i < head->field_count; i++) find_field(head, text, i, &found);
    if (check_encoding(head, &found, status, reason)) return -EBADMSG;
    if (check_host(head, text, &found, status, reason)) return -EBADMSG;
    return check_expect(head, text, status, reason);
}
