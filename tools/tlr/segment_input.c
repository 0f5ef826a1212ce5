/* segment_input.c - see segment_input.h.
 */
#include "segment_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

enum {
    POLL_MS_MIN = 10, /* without a watch: after growth; doubles while idle */
    POLL_MS_MAX = 1000,
    DAMAGE_MAX = 65536, /* errors in a row, after which a segment is given up */
};

struct segment {
    char *path;
    struct tlr_segment_reader *reader; /* NULL: not opened yet, or done with */
    int done;
    int damage_told;
    int watch_fd, watch;
};

struct tlr__segment_input {
    struct tlr__segment_input_options options;
    struct segment *segments; /* oldest first; those done with are kept to be known again */
    size_t count, capacity;
    size_t open_count;
    size_t begin;  /* the first segment to show from */
    uint64_t skip; /* records there that pass the filter but are too old */
    uint64_t damaged;
    int is_directory, directory_watch;
    int poll_ms;
    uint64_t shown_before; /* of show: to see growth */
};

/* ---- the list of segments ------------------------------------------------------------------ */

static int is_known(const struct tlr__segment_input *input, const char *path) {
    for (size_t i = input->count; i-- > 0;)
        if (!strcmp(input->segments[i].path, path)) return 1;
    return 0;
}

static int segment_note(const char *path, void *user) {
    struct tlr__segment_input *input = user;
    if (is_known(input, path)) return 0;
    if (input->count == input->capacity) {
        size_t capacity = input->capacity ? 2 * input->capacity : 16;
        struct segment *segments = realloc(input->segments, capacity * sizeof(*segments));
        if (!segments) return -ENOMEM;
        input->segments = segments;
        input->capacity = capacity;
    }
    char *copy = strdup(path);
    if (!copy) return -ENOMEM;
    input->segments[input->count++] = (struct segment){.path = copy, .watch_fd = -1, .watch = -1};
    return 0;
}

static int segments_find(struct tlr__segment_input *input) {
    if (!input->is_directory) return 0;
    return tlr_segment_find(input->options.path, segment_note, input);
}

/* ---- one segment --------------------------------------------------------------------------- */

static void segment_close(struct tlr__segment_input *input, struct segment *segment) {
    if (!segment->reader) return;
    tlr_segment_close(segment->reader);
    segment->reader = NULL;
    tlr__watch_remove(input->options.watch, segment->watch);
    if (segment->watch_fd >= 0) close(segment->watch_fd);
    segment->watch_fd = segment->watch = -1;
    input->open_count--;
}

static void segment_end(struct tlr__segment_input *input, struct segment *segment) {
    segment_close(input, segment);
    segment->done = 1;
}

static void damage_note(struct tlr__segment_input *input, struct segment *segment, int error) {
    input->damaged++;
    if (segment->damage_told) return;
    segment->damage_told = 1;
    tlr__cli_notice("%s: %s", segment->path,
                    error == -EBADMSG ? "damaged; what could not be read is missing"
                                      : strerror(-error));
}

static int segment_open(struct tlr__segment_input *input, struct segment *segment) {
    int error = tlr_segment_open(&segment->reader, segment->path);
    if (error < 0) {
        segment->reader = NULL;
        segment->done = 1;
        /* Deleted by retention since it was listed: no damage. */
        if (error != -ENOENT) damage_note(input, segment, error);
        return error;
    }
    input->open_count++;
    if (!input->options.follow) return 0;
    segment->watch_fd = open(segment->path, O_RDONLY | O_CLOEXEC);
    if (segment->watch_fd >= 0)
        segment->watch = tlr__watch_file(input->options.watch, segment->watch_fd);
    return 0;
}

/* The next record: 1; 0 none at present, or the segment is given up. */
static int segment_next(struct tlr__segment_input *input, struct segment *segment,
                        struct tlr_record *record) {
    for (int errors = 0; errors < DAMAGE_MAX; errors++) {
        int result = tlr_segment_next(segment->reader, record);
        if (result >= 0) return result;
        damage_note(input, segment, result);
        if (result != -EBADMSG) break;
    }
    segment_end(input, segment);
    return 0;
}

static int segment_drain(struct tlr__segment_input *input, struct segment *segment) {
    const struct tlr__show *show = input->options.show;
    struct tlr_record record;
    if (!segment->reader && segment_open(input, segment) < 0) return 0;
    tlr_segment_skip(segment->reader, show->since_ns, show->until_ns, show->level);
    while (segment->reader && segment_next(input, segment, &record)) {
        if (input->skip && tlr__show_wants_record(show, &record)) {
            input->skip--;
            continue;
        }
        int error = tlr__show_record(input->options.show, input->options.title, &record);
        if (error < 0) return error;
    }
    if (segment->reader && (tlr_segment_ended(segment->reader) || !input->options.follow))
        segment_end(input, segment);
    return 0;
}

/* ---- where to begin ------------------------------------------------------------------------ */

static uint64_t segment_count(struct tlr__segment_input *input, struct segment *segment) {
    const struct tlr__show *show = input->options.show;
    struct tlr_record record;
    uint64_t count = 0, damaged = input->damaged;
    if (segment_open(input, segment) < 0) return 0;
    tlr_segment_skip(segment->reader, show->since_ns, show->until_ns, show->level);
    while (segment->reader && segment_next(input, segment, &record))
        count += (uint64_t)tlr__show_wants_record(show, &record);
    segment_close(input, segment);
    input->damaged = damaged; /* what is shown will be counted then */
    return count;
}

/* Goes to the present end without looking at records. */
static void segment_forward(struct tlr__segment_input *input, struct segment *segment) {
    struct tlr_record record;
    if (segment_open(input, segment) < 0) return;
    tlr_segment_skip(segment->reader, UINT64_MAX, 0, TLR_LEVEL_UNSET);
    while (segment->reader && segment_next(input, segment, &record)) continue;
    if (segment->reader && tlr_segment_ended(segment->reader)) segment_end(input, segment);
}

/* Counts back from the newest segment, and only as far as needed. */
static void begin_find(struct tlr__segment_input *input) {
    uint64_t wanted = input->options.lines, found = 0;
    if (wanted == UINT64_MAX) return;
    input->begin = input->count;
    while (input->begin > 0 && found < wanted)
        found += segment_count(input, &input->segments[--input->begin]);
    input->skip = found > wanted ? found - wanted : 0;
    for (size_t i = 0; i < input->begin; i++) {
        if (input->options.follow)
            segment_forward(input, &input->segments[i]);
        else
            input->segments[i].done = 1;
    }
}

/* ---- an input's life ----------------------------------------------------------------------- */

static int first_find(struct tlr__segment_input *input) {
    struct stat st;
    if (stat(input->options.path, &st) < 0) return -errno;
    input->is_directory = S_ISDIR(st.st_mode);
    if (!input->is_directory) {
        struct tlr_segment_reader *reader;
        int error = tlr_segment_open(&reader, input->options.path);
        if (error < 0) return error;
        tlr_segment_close(reader);
        return segment_note(input->options.path, input);
    }
    if (input->options.follow)
        input->directory_watch = tlr__watch_directory(input->options.watch, input->options.path);
    int error = segments_find(input);
    if (error < 0) return error;
    return input->count || input->options.follow ? 0 : -ENOENT;
}

int tlr__segment_input_open(struct tlr__segment_input **out,
                            const struct tlr__segment_input_options *options) {
    struct tlr__segment_input *input = calloc(1, sizeof(*input));
    if (!input) return -ENOMEM;
    input->options = *options;
    input->directory_watch = -1;
    input->poll_ms = POLL_MS_MIN;
    int error = first_find(input);
    if (error < 0) {
        tlr__segment_input_close(input);
        return error;
    }
    begin_find(input);
    *out = input;
    return 0;
}

static int wait_choose(struct tlr__segment_input *input) {
    int watched = !input->is_directory || input->directory_watch >= 0;
    for (size_t i = 0; i < input->count; i++)
        if (input->segments[i].reader) watched &= input->segments[i].watch >= 0;
    if (watched) return -1;
    int wait_ms = input->poll_ms;
    input->poll_ms = 2 * wait_ms < POLL_MS_MAX ? 2 * wait_ms : POLL_MS_MAX;
    return wait_ms;
}

/* A process that died leaves a segment without an end: the oldest of too many is let go. */
static void open_limit(struct tlr__segment_input *input) {
    for (size_t i = 0; i < input->count && input->open_count > TLR__SEGMENTS_OPEN_MAX; i++)
        segment_end(input, &input->segments[i]);
}

int tlr__segment_input_drain(struct tlr__segment_input *input, int *wait_ms) {
    int error = input->options.follow ? segments_find(input) : 0;
    if (error < 0) tlr__cli_notice("%s: %s", input->options.title, strerror(-error));
    error = 0;
    for (size_t i = 0; i < input->count && error >= 0; i++)
        if (!input->segments[i].done) error = segment_drain(input, &input->segments[i]);
    open_limit(input);
    if (input->options.show->shown != input->shown_before) input->poll_ms = POLL_MS_MIN;
    input->shown_before = input->options.show->shown;
    *wait_ms = input->options.follow ? wait_choose(input) : -1;
    return error;
}

uint64_t tlr__segment_input_damaged(const struct tlr__segment_input *input) {
    return input->damaged;
}

void tlr__segment_input_close(struct tlr__segment_input *input) {
    if (!input) return;
    for (size_t i = 0; i < input->count; i++) {
        segment_close(input, &input->segments[i]);
        free(input->segments[i].path);
    }
    tlr__watch_remove(input->options.watch, input->directory_watch);
    free(input->segments);
    free(input);
}
