/* show.c - see show.h.
 */
#include "show.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log_line.h"
#include "safe.h"

enum { OUTPUT_BUFFER_BYTES = 128 * 1024 };

void tlr__show_init(struct tlr__show *show) {
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    show->is_terminal = isatty(STDOUT_FILENO);
    show->colours =
        show->is_terminal && !(no_colour && *no_colour) && !(terminal && !strcmp(terminal, "dumb"));
    setvbuf(stdout, NULL, _IOFBF, OUTPUT_BUFFER_BYTES);
    signal(SIGPIPE, SIG_IGN);
}

void tlr__show_free(struct tlr__show *show) {
    free(show->buffer);
    show->buffer = NULL;
    show->capacity = 0;
}

/* ---- filters ------------------------------------------------------------------------------- */

static int date_passes(const struct tlr__show *show, uint64_t date_ns) {
    return !date_ns || ((!show->since_ns || date_ns >= show->since_ns) &&
                        (!show->until_ns || date_ns <= show->until_ns));
}

int tlr__show_wants_line(const struct tlr__show *show, const char *line, size_t bytes) {
    if (show->trace[0] && !tlr__log_line_has_trace(line, bytes, show->trace)) return 0;
    if (!show->level && !show->since_ns && !show->until_ns) return 1;
    struct tlr__log_line parsed;
    tlr__log_line_parse(&parsed, line, bytes);
    if (show->level && parsed.level < show->level) return 0;
    return date_passes(show, tlr__log_line_date_ns(&parsed));
}

static int id_begins(const unsigned char *id, const char *prefix) {
    for (unsigned i = 0; prefix[i]; i++) {
        unsigned digit = i % 2 ? id[i / 2] & 15u : id[i / 2] >> 4;
        if ("0123456789abcdef"[digit] != prefix[i]) return 0;
    }
    return 1;
}

/* A record of a trace names its request in a field instead of its context. */
static int record_has_trace(const struct tlr_record *record, const char *prefix) {
    struct tlr_field field;
    if (record->context && id_begins(record->context->trace_id, prefix)) return 1;
    size_t size = strlen(prefix);
    return tlr_record_field(record, "trace", &field) == 0 && field.type == TLR_FIELD_STRING &&
           field.as.text.size >= size && !memcmp(field.as.text.bytes, prefix, size);
}

int tlr__show_wants_record(const struct tlr__show *show, const struct tlr_record *record) {
    if (show->level && record->level < show->level) return 0;
    if (show->trace[0] && !record_has_trace(record, show->trace)) return 0;
    return date_passes(show, record->time_ns);
}

/* ---- output -------------------------------------------------------------------------------- */

static int room(struct tlr__show *show, size_t bytes) {
    if (show->capacity >= bytes) return 0;
    char *buffer = realloc(show->buffer, bytes);
    if (!buffer) return -ENOMEM;
    show->buffer = buffer;
    show->capacity = bytes;
    return 0;
}

static void safe_write(const char *text, size_t bytes) {
    while (bytes) {
        size_t clean = tlr__safe_clean(text, bytes);
        fwrite_unlocked(text, 1, clean, stdout);
        text += clean;
        bytes -= clean;
        if (!bytes) return;
        /* Escape as little as possible: a character that is cut short ends at the next clean byte.
         */
        char escaped[4 * 4];
        size_t bad = 1;
        while (bad < bytes && bad < 4 && ((unsigned char)text[bad] & 0xc0) == 0x80) bad++;
        fwrite_unlocked(escaped, 1, tlr__safe_text(text, bad, escaped), stdout);
        text += bad;
        bytes -= bad;
    }
}

static void title_write(struct tlr__show *show, const char *title) {
    if (show->titles && show->title != title) {
        fputs(show->shown ? "\n==> " : "==> ", stdout);
        safe_write(title, strlen(title));
        fputs(" <==\n", stdout);
    }
    show->title = title;
    show->shown++;
}

/* Colours the date and, by level, the word of the level; the rest stays the reader's own. */
static void coloured_write(const char *text, size_t bytes, const struct tlr__log_line *line) {
    static const char *const colours[] = {"", "\x1b[2m", "", "\x1b[33m", "\x1b[31m", ""};
    size_t date_size = line->date.size + 1, level_size = 5;
    if (line->form != TLR__LOG_LINE_TEXT || bytes < date_size + level_size) {
        safe_write(text, bytes);
        return;
    }
    fputs("\x1b[2m", stdout);
    safe_write(text, date_size);
    fputs("\x1b[0m", stdout);
    fputs(colours[line->level], stdout);
    safe_write(text + date_size, level_size);
    fputs("\x1b[0m", stdout);
    safe_write(text + date_size + level_size, bytes - date_size - level_size);
}

static void line_write(struct tlr__show *show, const char *text, size_t bytes) {
    if (show->form == TLR__SHOW_RAW && !show->is_terminal) {
        fwrite_unlocked(text, 1, bytes, stdout);
    } else if (show->colours && show->form == TLR__SHOW_SHORT) {
        struct tlr__log_line line;
        tlr__log_line_parse(&line, text, bytes);
        coloured_write(text, bytes, &line);
    } else {
        safe_write(text, bytes);
    }
    putc_unlocked('\n', stdout);
}

int tlr__show_line(struct tlr__show *show, const char *title, const char *line, size_t bytes) {
    if (!tlr__show_wants_line(show, line, bytes)) return 0;
    int is_json = bytes && line[0] == '{';
    size_t size = bytes;
    if (show->form == TLR__SHOW_JSON || (show->form == TLR__SHOW_SHORT && is_json)) {
        struct tlr__log_line parsed;
        tlr__log_line_parse(&parsed, line, bytes);
        if (room(show, tlr__log_line_short_bytes_max(bytes)) < 0) return -ENOMEM;
        size = show->form == TLR__SHOW_JSON ? tlr__log_line_json(&parsed, show->buffer)
                                            : tlr__log_line_short(&parsed, show->buffer);
        line = show->buffer;
    }
    title_write(show, title);
    line_write(show, line, size);
    return 0;
}

int tlr__show_record(struct tlr__show *show, const char *title, const struct tlr_record *record) {
    if (!tlr__show_wants_record(show, record)) return 0;
    if (room(show, tlr_record_line_bytes_max(record)) < 0) return -ENOMEM;
    size_t size = show->form == TLR__SHOW_JSON ? tlr_record_json(record, show->buffer)
                                               : tlr_record_text(record, show->buffer);
    title_write(show, title);
    line_write(show, show->buffer, size - 1);
    return 0;
}

int tlr__show_flush(struct tlr__show *show) {
    (void)show;
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    return errno ? -errno : -EIO;
}
