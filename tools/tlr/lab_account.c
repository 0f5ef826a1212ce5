/* lab_account.c - see lab_account.h.
 */
#include "lab_account.h"

#include "log_line.h"
#include "splitter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int part_is(const struct tlr__log_line_part *part, const char *text) {
    return part->size == strlen(text) && memcmp(part->bytes, text, part->size) == 0;
}

static int part_begins(const struct tlr__log_line_part *part, const char *text) {
    return part->size >= strlen(text) && memcmp(part->bytes, text, strlen(text)) == 0;
}

/* The number in "dropped records=12 reasons=..."; the part is not terminated, but no digit ends it.
 */
static uint64_t dropped_records(const struct tlr__log_line_part *message) {
    static const char before[] = "dropped records=";
    uint64_t number = 0;
    for (size_t i = sizeof before - 1; i < message->size; i++) {
        if (message->bytes[i] < '0' || message->bytes[i] > '9') break;
        number = number * 10 + (uint64_t)(message->bytes[i] - '0');
    }
    return number;
}

static void count_line(struct tlr__lab_account *account, const char *bytes, size_t size) {
    struct tlr__log_line line;
    tlr__log_line_parse(&line, bytes, size);
    if (line.form != TLR__LOG_LINE_TEXT) {
        account->torn_lines++;
    } else if (part_is(&line.category, "lab.sync") || part_is(&line.category, "lab.async")) {
        account->lab_lines++;
    } else if (part_is(&line.category, "server.access")) {
        account->access_lines++;
    } else if (part_is(&line.category, "tailrace") &&
               part_begins(&line.message, "dropped records=")) {
        account->gaps++;
        account->dropped += dropped_records(&line.message);
    } else {
        account->other_lines++;
    }
}

static int count_file(int fd, struct tlr__splitter *splitter, struct tlr__lab_account *account) {
    const char *line;
    size_t bytes;
    for (;;) {
        char *room = tlr__splitter_room(splitter, &bytes);
        if (room == NULL) return -ENOMEM;
        ssize_t got = read(fd, room, bytes);
        if (got < 0) return -errno;
        if (got == 0) break;
        tlr__splitter_add(splitter, (size_t)got);
        while (tlr__splitter_next(splitter, &line, &bytes)) count_line(account, line, bytes);
    }
    if (tlr__splitter_rest(splitter, &line, &bytes)) account->torn_lines++;
    return 0;
}

int tlr__lab_account_read(const char *path, struct tlr__lab_account *account) {
    struct tlr__splitter splitter = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    *account = (struct tlr__lab_account){0};
    int error = count_file(fd, &splitter, account);
    tlr__splitter_free(&splitter);
    close(fd);
    return error;
}
