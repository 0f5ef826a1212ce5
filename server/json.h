/* json.h - JSON text, appended piece by piece to a growing piece of memory.
 *
 * Commas are put by the writer; the caller opens and closes. After a failure (no memory, or larger
 * than TLR__JSON_BYTES_MAX) everything is a no-op and `failed` is set.
 */
#ifndef TAILRACE_SERVER_JSON_H
#define TAILRACE_SERVER_JSON_H

#include <stddef.h>
#include <stdint.h>

#define TLR__JSON_BYTES_MAX (4u << 20)

/* Zeroed before first use; `text` is the caller's to free. */
struct tlr__json {
    char *text;
    size_t bytes, capacity;
    int comma; /* the next value needs one before it */
    int failed;
};

/* name: of the member, or NULL in an array. bracket: '{' or '['. */
void tlr__json_open(struct tlr__json *json, const char *name, char bracket);
void tlr__json_close(struct tlr__json *json, char bracket);
void tlr__json_string(struct tlr__json *json, const char *name, const char *value);
void tlr__json_number(struct tlr__json *json, const char *name, uint64_t value);
/* Milliseconds with three decimals. */
void tlr__json_ms(struct tlr__json *json, const char *name, uint64_t ns);
void tlr__json_bool(struct tlr__json *json, const char *name, int value);

#endif
