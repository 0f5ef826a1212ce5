/* log_line.h - one line of a log, understood as far as it can be: ours, JSON of anyone, or just
 * text.
 *
 * Text lines are taken as ours when they have our form:
 *     2026-11-20T15:03:11.482913Z WARN  loop-0 server.http  slow write dur_us=1840  trace=4bf9...
 * Of JSON objects the members of the same meaning are found under the names that are common:
 *     ts time timestamp @timestamp · level severity lvl · thread · cat logger category name ·
 *     msg message · trace trace_id traceId
 * with levels as words or as the numbers of pino and bunyan (10 trace ... 50 error).
 */
#ifndef TLR_LOG_LINE_H
#define TLR_LOG_LINE_H

#include <stddef.h>
#include <tailrace/log.h>

enum tlr__log_line_form {
    TLR__LOG_LINE_OTHER = 0,
    TLR__LOG_LINE_TEXT = 1,
    TLR__LOG_LINE_JSON = 2,
};

/* A part of the line; size 0: missing. In JSON strings the escapes are not undone. */
struct tlr__log_line_part {
    const char *bytes;
    size_t size;
};

struct tlr__log_line {
    enum tlr__log_line_form form;
    enum tlr_level level;    /* TLR_LEVEL_UNSET: none that is known */
    const char *level_value; /* JSON: where it stands */
    struct tlr__log_line_part whole, date, thread, category, message, trace;
};

/* bytes: without the newline. Parts point into it. Never fails: what is not understood is OTHER. */
void tlr__log_line_parse(struct tlr__log_line *line, const char *bytes, size_t size);

/* Nonzero if the line belongs to the trace whose id begins with `prefix` (lower-case hex). Cheaper
 * than a parse, and right for lines of any form that say trace=ID or "trace":"ID". */
int tlr__log_line_has_trace(const char *bytes, size_t size, const char *prefix);

/* The most bytes that the two below write for a line of that size. */
size_t tlr__log_line_short_bytes_max(size_t size);

/* The line in our text form, without newline; OTHER lines as they are. Control bytes are not
 * escaped. Returns its size. */
size_t tlr__log_line_short(const struct tlr__log_line *line, char *out);

/* The line as a JSON object, without newline: TEXT with its parts, OTHER as {"msg":...}. Control
 * bytes are escaped. Returns its size. */
size_t tlr__log_line_json(const struct tlr__log_line *line, char *out);

/* The date in nanoseconds since 1970; 0: none that is understood. */
uint64_t tlr__log_line_date_ns(const struct tlr__log_line *line);

/* The same of a date by itself: "2026-11-20T15:03:11", with a fraction and a zone or without (UTC).
 */
uint64_t tlr__log_line_date_of_text(const char *text, size_t size);

#endif
