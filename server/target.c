#include "target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* A NUL is refused although it is well encoded: what follows it would be lost to C strings, and two
 * readers of the same path could then disagree about it. */
static int bytes_valid(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '#') return 0;
        if (c != '%') continue;
        if (bytes - i < 3) return 0;
        const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0 || high + low == 0) return 0;
        i += 2;
    }
    return 1;
}

static size_t scheme_bytes(const char *text, size_t bytes) {
    if (bytes > 7 && strncasecmp(text, "http://", 7) == 0) return 7;
    if (bytes > 8 && strncasecmp(text, "https://", 8) == 0) return 8;
    return 0;
}

int tlr__target_split(const char *text, size_t bytes, const char *method,
                      struct tlr__target *target) {
    struct tlr__target split = {0};
    size_t at = 0;

    if (bytes == 0 || !bytes_valid(text, bytes)) return -EINVAL;
    if (bytes == 1 && text[0] == '*') {
        if (strcmp(method, "OPTIONS") != 0) return -EINVAL;
        split.path_bytes = 1;
        *target = split;
        return 0;
    }
    if (text[0] != '/') {
        at = scheme_bytes(text, bytes);
        if (at == 0) return -EINVAL;
        split.authority = (uint32_t)at;
        while (at < bytes && text[at] != '/' && text[at] != '?') at++;
        split.authority_bytes = (uint32_t)at - split.authority;
        if (split.authority_bytes == 0) return -EINVAL;
        if (!tlr__target_host_valid(text + split.authority, split.authority_bytes)) return -EINVAL;
    }

    const char *question = memchr(text + at, '?', bytes - at);
    const size_t path_end = question ? (size_t)(question - text) : bytes;
    split.path = (uint32_t)at;
    split.path_bytes = (uint32_t)(path_end - at);
    if (question) {
        split.query = (uint32_t)path_end + 1;
        split.query_bytes = (uint32_t)(bytes - path_end - 1);
    }
    *target = split;
    return 0;
}

size_t tlr__target_decode(const char *text, size_t bytes, int plus_is_space, char *out) {
    size_t size = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (c == '%') {
            c = (char)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[size++] = c;
    }
    out[size] = '\0';
    return size;
}

/* ":8080", ":" or nothing. */
static int port_valid(const char *text, size_t bytes) {
    unsigned port = 0;
    if (bytes == 0) return 1;
    if (text[0] != ':' || bytes > 6) return 0;
    for (size_t i = 1; i < bytes; i++) {
        if (!isdigit((unsigned char)text[i])) return 0;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port <= 65535;
}

static int bracketed_valid(const char *host, size_t bytes) {
    const char *close = memchr(host, ']', bytes);
    if (!close || close == host + 1) return 0;
    for (const char *p = host + 1; p < close; p++)
        if (!isxdigit((unsigned char)*p) && *p != ':' && *p != '.') return 0;
    return port_valid(close + 1, bytes - (size_t)(close + 1 - host));
}

int tlr__target_host_valid(const char *host, size_t bytes) {
    size_t name = 0;
    if (bytes > 0 && host[0] == '[') return bracketed_valid(host, bytes);
    while (name < bytes && host[name] != ':') {
        const unsigned char c = (unsigned char)host[name];
        /* The unreserved characters and sub-delims of RFC 3986, and percent-encoding. */
        if (!isalnum(c) && (c == 0 || !strchr("-._~!$&'()*+,;=%", c))) return 0;
        name++;
    }
    return port_valid(host + name, bytes - name);
}

int tlr__target_host_is_loopback(const char *host) {
    char name[64];
    struct in_addr v4;
    size_t bytes;

    if (host[0] == '[') {
        bytes = strcspn(host, "]");
        return bytes == 4 && strncmp(host, "[::1]", 5) == 0;
    }
    bytes = strcspn(host, ":");
    if (bytes >= sizeof name) return 0;
    memcpy(name, host, bytes);
    name[bytes] = '\0';
    if (strcasecmp(name, "localhost") == 0) return 1;
    return inet_pton(AF_INET, name, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}
