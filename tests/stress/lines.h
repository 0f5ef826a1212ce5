/* lines.h - numbered lines: what the stress programs log, and the judge of what arrived.
 *
 * A line carries its producer, its number and a text whose length and letter follow from them, so
 * that a torn, mixed, lost, doubled or displaced line is seen from the file alone.
 */
#ifndef STRESS_LINES_H
#define STRESS_LINES_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tailrace/log.h>
#include <unistd.h>

#define LINES_PRODUCERS_MAX 256
#define LINES_TEXT_BYTES_MAX 2000

static TLR_CATEGORY(lines_category, "stress");

/* Logs line `sequence` of `producer` with a text of `size` bytes, 1 to LINES_TEXT_BYTES_MAX. */
static inline void lines_log(unsigned producer, uint64_t sequence, unsigned size) {
    char text[LINES_TEXT_BYTES_MAX + 1];
    memset(text, 'a' + (int)((producer + sequence) % 26), size);
    text[size] = '\0';
    tlr_info(&lines_category, "record producer=%u sequence=%" PRIu64 " size=%u text=%s", producer,
             sequence, size, text);
}

/* A size below `limit`, small ones more often. `state` is the caller's, not 0. */
static inline unsigned lines_random_size(uint64_t *state, unsigned limit) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    const unsigned range = *state & 7 ? 64 : limit;
    return 1 + (unsigned)(*state >> 32) % (range < limit ? range : limit);
}

/* What arrived. Feed it the bytes in any pieces. */
struct lines_check {
    uint64_t lines;     /* whole lines of lines_log */
    uint64_t gaps;      /* lines that tell of drops */
    uint64_t announced; /* records they tell of */
    uint64_t wrong;     /* anything else: torn, mixed, foreign */
    uint64_t displaced; /* at or before their producer's last: doubled, or out of order */
    uint64_t backward;  /* dated before the line ahead of them */
    uint64_t last[LINES_PRODUCERS_MAX]; /* each producer's newest number */
    char date[28];
    char first_wrong[160];
    char partial[LINES_TEXT_BYTES_MAX + 512];
    size_t partial_bytes;
};

static inline bool lines_text_holds(const char *text, unsigned producer, uint64_t sequence,
                                    unsigned size) {
    const char letter = (char)('a' + (int)((producer + sequence) % 26));
    for (unsigned i = 0; i < size; i++)
        if (text[i] != letter) return false;
    return text[size] == '\0';
}

/* False where the line bears the name of another producer's thread ("p7"). */
static inline bool lines_thread_fits(const char *line, unsigned producer) {
    unsigned named;
    return sscanf(line, "%*s %*s p%u ", &named) != 1 || named == producer;
}

static inline void lines_check_line(struct lines_check *check, const char *line) {
    unsigned producer, size;
    uint64_t sequence;
    int text = -1;
    const char *const record = strstr(line, " stress  record ");
    const char *const gap = strstr(line, " tailrace  dropped records=");
    if (record == NULL && gap != NULL) {
        check->gaps++;
        check->announced += strtoull(strchr(gap, '=') + 1, NULL, 10);
        return;
    }
    if (record == NULL || strlen(line) < sizeof check->date ||
        sscanf(record, " stress record producer=%u sequence=%" SCNu64 " size=%u text=%n", &producer,
               &sequence, &size, &text) != 3 ||
        text < 0 || producer >= LINES_PRODUCERS_MAX || !lines_thread_fits(line, producer) ||
        !lines_text_holds(record + text, producer, sequence, size)) {
        if (check->wrong++ == 0)
            snprintf(check->first_wrong, sizeof check->first_wrong, "%.150s", line);
        return;
    }
    check->lines++;
    check->displaced += sequence <= check->last[producer];
    if (sequence > check->last[producer]) check->last[producer] = sequence;
    check->backward += memcmp(line, check->date, sizeof check->date - 1) < 0;
    memcpy(check->date, line, sizeof check->date - 1);
}

static inline void lines_check_feed(struct lines_check *check, const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        const bool room = check->partial_bytes < sizeof check->partial - 1;
        if (bytes[i] != '\n') {
            if (room) check->partial[check->partial_bytes++] = bytes[i];
            continue;
        }
        check->partial[check->partial_bytes] = '\0';
        lines_check_line(check, check->partial);
        check->partial_bytes = 0;
    }
}

/* The whole of a file. Returns 0, or -1 if it cannot be read. */
static inline int lines_check_file(struct lines_check *check, const char *path) {
    char block[65536];
    ssize_t bytes;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    memset(check, 0, sizeof *check);
    if (fd < 0) return -1;
    while ((bytes = read(fd, block, sizeof block)) > 0)
        lines_check_feed(check, block, (size_t)bytes);
    close(fd);
    return bytes < 0 ? -1 : 0;
}

/* True if all that arrived is whole and in order; says on stderr what is not. */
static inline bool lines_check_sound(const struct lines_check *check) {
    if (check->wrong == 0 && check->displaced == 0 && check->partial_bytes == 0) return true;
    fprintf(stderr,
            "%" PRIu64 " wrong (first: %s), %" PRIu64 " displaced, %zu bytes of an unended line\n",
            check->wrong, check->first_wrong, check->displaced, check->partial_bytes);
    return false;
}

static inline uint64_t lines_dropped(const struct tlr_log_stats *stats) {
    uint64_t dropped = 0;
    for (unsigned reason = 0; reason < TLR_REASON_COUNT; reason++)
        dropped += stats->dropped[reason];
    return dropped;
}

#endif
