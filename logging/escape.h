/* escape.h - text made safe for a line: what no string may bring into a log.
 *
 * Unsafe are control bytes (below 0x20, and 0x7f), bytes that are not valid UTF-8, and characters
 * that act as controls: C1 (U+0080..U+009F), line and paragraph separators and the overrides of
 * writing direction (U+2028..U+202E, U+2066..U+2069). Text lines write them as \n \t \r or \xHH for
 * each byte, JSON as \n \t \r or \uHHHH, invalid bytes as U+FFFD.
 *
 * Each function writes at `out`, without a terminator, and returns the end of what it wrote: at
 * most TLR__ESCAPE_FACTOR bytes for each of `size`, and the quotes. Thread: any. Blocks: never.
 */
#ifndef TLR_ESCAPE_H
#define TLR_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#define TLR__ESCAPE_FACTOR 6

/* Text of a format: as it is, but for what is unsafe. */
char *tlr__escape_literal(char *out, const char *text, size_t size);

/* A thread's or category's name: a blank is escaped too, and nothing at all becomes "-". */
char *tlr__escape_name(char *out, const char *text, size_t size);

/* A string in the message: a '=' that a reader could take for a field's is escaped too. */
char *tlr__escape_message(char *out, const char *text, size_t size);

/* A field's value: in quotes if empty or if it holds a blank, '"', '=' or anything unsafe; '"' and
 * '\' are escaped then. cut: ends with "...". */
char *tlr__escape_value(char *out, const char *text, size_t size, bool cut);

/* The inside of a JSON string. */
char *tlr__escape_json(char *out, const char *text, size_t size);

/* True for the bytes that may make up a field's name. */
bool tlr__escape_is_name(char c);

/* True for the bytes that may stand before a field's name. */
bool tlr__escape_is_separator(char c);

#endif
