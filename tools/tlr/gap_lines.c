/* gap_lines.c - see gap_lines.h. A gap line is of the category `tailrace` and says
 * `dropped records=N reasons=... sites=...`; as JSON its msg is "dropped" and the rest are members.
 */
#include "gap_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "line_search.h"
#include "log_line.h"

#define CATEGORY "tailrace"

static int is_category(const struct tlr__log_line *line) {
    return line->category.size == strlen(CATEGORY) &&
           !memcmp(line->category.bytes, CATEGORY, line->category.size);
}

/* Both forms are read in the short one: only there a line begins as the logger wrote it, so that a
 * logged text cannot pass for a gap line. */
static int line_count(const char *bytes, size_t size, void *user) {
    uint64_t *records = user, more;
    struct tlr__log_line line, text;
    tlr__log_line_parse(&line, bytes, size);
    if (!is_category(&line)) return 0;
    char *copy = malloc(tlr__log_line_short_bytes_max(size) + 1);
    if (!copy) return -ENOMEM;
    size_t used = tlr__log_line_short(&line, copy);
    copy[used] = 0;
    tlr__log_line_parse(&text, copy, used);
    if (text.message.size && sscanf(text.message.bytes, "dropped records=%" SCNu64, &more) == 1)
        *records += more;
    free(copy);
    return 0;
}

int tlr__gap_lines_count(const char *path, uint64_t *records) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return -errno;
    int result = -EINVAL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        result = tlr__line_search(fd, CATEGORY, line_count, records);
    close(fd);
    return result;
}
