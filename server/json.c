#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int reserve(struct tlr__json *json, size_t more) {
    size_t capacity = json->capacity ? json->capacity : 4096;
    if (json->failed) return -1;
    while (capacity < json->bytes + more) capacity *= 2;
    if (capacity == json->capacity) return 0;
    char *text = capacity <= TLR__JSON_BYTES_MAX ? realloc(json->text, capacity) : NULL;
    if (!text) {
        json->failed = 1;
        return -1;
    }
    json->text = text;
    json->capacity = capacity;
    return 0;
}

static void put(struct tlr__json *json, const char *text, size_t bytes) {
    if (reserve(json, bytes)) return;
    memcpy(json->text + json->bytes, text, bytes);
    json->bytes += bytes;
}

static void put_quoted(struct tlr__json *json, const char *text) {
    put(json, "\"", 1);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        char escaped[8];
        if (*p == '"' || *p == '\\')
            put(json, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\%c", *p));
        else if (*p < ' ' || *p >= 0x7f) /* names of files and threads need not be UTF-8 */
            put(json, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", *p));
        else
            put(json, (const char *)p, 1);
    }
    put(json, "\"", 1);
}

static void begin_value(struct tlr__json *json, const char *name) {
    if (json->comma) put(json, ",", 1);
    json->comma = 1;
    if (!name) return;
    put_quoted(json, name);
    put(json, ":", 1);
}

void tlr__json_open(struct tlr__json *json, const char *name, char bracket) {
    begin_value(json, name);
    put(json, &bracket, 1);
    json->comma = 0;
}

void tlr__json_close(struct tlr__json *json, char bracket) {
    put(json, &bracket, 1);
    json->comma = 1;
}

void tlr__json_string(struct tlr__json *json, const char *name, const char *value) {
    begin_value(json, name);
    put_quoted(json, value);
}

void tlr__json_number(struct tlr__json *json, const char *name, uint64_t value) {
    char digits[24];
    begin_value(json, name);
    put(json, digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, value));
}

void tlr__json_ms(struct tlr__json *json, const char *name, uint64_t ns) {
    char digits[32];
    const uint64_t us = (ns + 500) / 1000;
    begin_value(json, name);
    put(json, digits,
        (size_t)snprintf(digits, sizeof digits, "%" PRIu64 ".%03u", us / 1000,
                         (unsigned)(us % 1000)));
}

void tlr__json_bool(struct tlr__json *json, const char *name, int value) {
    begin_value(json, name);
    put(json, value ? "true" : "false", value ? 4 : 5);
}
