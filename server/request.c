/* request.c - a handler's view of its request. */
#include "exchange.h"
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A refused request may have no head to look at, but then it has no handler either. */
const char *tlr_exchange_method(const struct tlr_exchange *exchange) {
    return exchange->head->method;
}

const char *tlr_exchange_path(const struct tlr_exchange *exchange) {
    return exchange->path;
}

const char *tlr_exchange_target(const struct tlr_exchange *exchange) {
    return exchange->text + exchange->head->target_at;
}

/* ---- query --------------------------------------------------------------------------------- */

/* Decodes "a=1&b=2" into `out`, as strings one after another. */
static void read_parameters(struct tlr_exchange *exchange, const char *query, size_t bytes,
                            char *out) {
    const char *const end = query + bytes;
    while (query < end && exchange->parameter_count < TLR__LIMITS_QUERY_PARAMETERS) {
        const char *ampersand = memchr(query, '&', (size_t)(end - query));
        const char *stop = ampersand ? ampersand : end;
        const char *equals = memchr(query, '=', (size_t)(stop - query));
        const char *name_end = equals ? equals : stop;
        const char *value = equals ? equals + 1 : stop;
        if (name_end > query) {
            struct tlr__parameter *parameter = &exchange->parameters[exchange->parameter_count++];
            parameter->name = out;
            out += tlr__target_decode(query, (size_t)(name_end - query), 1, out) + 1;
            parameter->value = out;
            out += tlr__target_decode(value, (size_t)(stop - value), 1, out) + 1;
        }
        query = stop + 1;
    }
}

const char *tlr_exchange_query(const struct tlr_exchange *const_exchange, const char *name) {
    /* The decoded parameters are a cache that the first question fills. */
    struct tlr_exchange *exchange = (struct tlr_exchange *)const_exchange;
    const struct tlr__head *head = exchange->head;
    const size_t bytes = head->target.query_bytes;

    if (!exchange->query) {
        if (bytes == 0) return NULL;
        /* "a&b" becomes a, "", b, "": at most two bytes for each of the text, and two more. */
        exchange->query = malloc(2 * bytes + 2);
        if (!exchange->query) return NULL;
        read_parameters(exchange, tlr_exchange_target(exchange) + head->target.query, bytes,
                        exchange->query);
    }
    for (unsigned i = 0; i < exchange->parameter_count; i++)
        if (strcmp(exchange->parameters[i].name, name) == 0) return exchange->parameters[i].value;
    return NULL;
}

/* ---- headers ------------------------------------------------------------------------------- */

const char *tlr_exchange_header(const struct tlr_exchange *exchange, const char *name) {
    const size_t bytes = strlen(name);
    for (unsigned i = 0; i < exchange->head->field_count; i++) {
        const struct tlr__field *field = &exchange->head->fields[i];
        if (field->name_bytes == bytes &&
            strncasecmp(exchange->text + field->name, name, bytes) == 0)
            return exchange->text + field->value;
    }
    return NULL;
}

int tlr_exchange_header_at(const struct tlr_exchange *exchange, unsigned index, const char **name,
                           const char **value) {
    if (index >= exchange->head->field_count) return -ENOENT;
    const struct tlr__field *field = &exchange->head->fields[index];
    *name = exchange->text + field->name;
    *value = exchange->text + field->value;
    return 0;
}

/* ---- the rest ------------------------------------------------------------------------------ */

const char *tlr_exchange_body(const struct tlr_exchange *exchange, size_t *bytes) {
    return tlr__parser_body(exchange->buffer->parser, bytes);
}

const char *tlr_exchange_client(const struct tlr_exchange *exchange) {
    return exchange->client;
}

int tlr_exchange_version_minor(const struct tlr_exchange *exchange) {
    return (int)exchange->head->version_minor;
}

struct tlr_request *tlr_exchange_trace(struct tlr_exchange *exchange) {
    return &exchange->trace;
}

struct tlr_server *tlr_exchange_server(const struct tlr_exchange *exchange) {
    return exchange->loop->server;
}
