/* strict_probe.c - run while building: proves that the llhttp linked here refuses what lets
 * requests be smuggled. Its strictness is decided when it is compiled, by whoever compiled it, so a
 * header's word is not enough.
 */
#include <llhttp.h>
#include <stdio.h>
#include <string.h>

struct probe {
    const char *what;
    const char *request;
    int valid;
};

static const struct probe probes[] = {
    {"a plain request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1},
    {"a header line ended by CR alone", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 0},
    {"a head ended by CR alone", "GET / HTTP/1.1\r\nHost: a\r\n\rGET", 0},
    {"a space in a header's name", "GET / HTTP/1.1\r\nHo st: a\r\n\r\n", 0},
    {"a space before a header's colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 0},
    {"chunk data not ended by CRLF",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz0\r\n\r\n", 0},
    {"Content-Length beside chunked",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n",
     0},
    {"a request after Connection: close",
     "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
};

static int parses(const char *request) {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    return llhttp_execute(&parser, request, strlen(request)) == HPE_OK;
}

int main(void) {
    int failures = 0;
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        if (parses(probes[i].request) == probes[i].valid) continue;
        fprintf(stderr, "llhttp %d.%d.%d is not strict: %s is %s\n", LLHTTP_VERSION_MAJOR,
                LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH, probes[i].what,
                probes[i].valid ? "refused" : "taken");
        failures++;
    }
    return failures != 0;
}
