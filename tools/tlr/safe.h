/* safe.h - bytes from a record, made harmless for a terminal.
 *
 * A byte that a terminal could act on never reaches it: control bytes (C0, DEL, C1 also in their
 * UTF-8 form), bytes that are not UTF-8, and the characters that turn the direction of writing
 * become visible escapes. A tab stays. Printable UTF-8 stays.
 */
#ifndef TLR_SAFE_H
#define TLR_SAFE_H

#include <stddef.h>

/* How many bytes of `text` can stay as they are from its start. */
size_t tlr__safe_clean(const char *text, size_t bytes);

/* Writes `text` with \xNN for what cannot stay; `out` has room for 4 times as much. Returns the
 * size written. */
size_t tlr__safe_text(const char *text, size_t bytes, char *out);

/* The same for a whole JSON text: control characters become \u00NN, so that it stays JSON; `out`
 * has room for 6 times as much. */
size_t tlr__safe_json(const char *text, size_t bytes, char *out);

#endif
