/* show.h - lines and records on their way to stdout: filtered, rendered, harmless.
 *
 * All output of `tlr tail` goes through here. Lines are written through stdio's buffer and leave
 * with tlr__show_flush, which is called when the input is drained.
 */
#ifndef TLR_SHOW_H
#define TLR_SHOW_H

#include <stddef.h>
#include <stdint.h>
#include <tailrace/record.h>

enum tlr__show_form {
    TLR__SHOW_SHORT = 0,
    TLR__SHOW_JSON = 1,
    TLR__SHOW_RAW = 2,
};

#define TLR__SHOW_TRACE_BYTES 33

struct tlr__show {
    /* what to show; set before use */
    enum tlr_level level;              /* at or above; UNSET: all, also what has no level */
    char trace[TLR__SHOW_TRACE_BYTES]; /* id or its beginning, lower case; "": all */
    uint64_t since_ns, until_ns;       /* dates; 0: no bound. What has no date passes */
    enum tlr__show_form form;
    int titles; /* "==> FILE <==" where the source changes */

    int is_terminal, colours;
    uint64_t shown;
    const char *title; /* of the last line's source */
    char *buffer;
    size_t capacity;
};

/* Looks at stdout and the environment (NO_COLOR, TERM); makes writing to a closed pipe an error
 * instead of a signal. */
void tlr__show_init(struct tlr__show *show);
void tlr__show_free(struct tlr__show *show);

/* Nonzero if it passes the filter. */
int tlr__show_wants_line(const struct tlr__show *show, const char *line, size_t bytes);
int tlr__show_wants_record(const struct tlr__show *show, const struct tlr_record *record);

/* Shows it if it passes. title: names the source; compared by address.
 * Errors: -ENOMEM; of writing, see flush. */
int tlr__show_line(struct tlr__show *show, const char *title, const char *line, size_t bytes);
int tlr__show_record(struct tlr__show *show, const char *title, const struct tlr_record *record);

/* Errors: -EPIPE nobody reads stdout any more; errno of write. */
int tlr__show_flush(struct tlr__show *show);

#endif
