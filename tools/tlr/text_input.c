/* text_input.c - see text_input.h.
 */
#include "text_input.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "backward.h"
#include "cli.h"
#include "splitter.h"

enum {
    NAME_CHECK_MS = 1000, /* symbolic links and directories may be switched without an event */
    GRACE_MS = 2000,      /* of an old version where no lease can be had */
    POLL_MS_MIN = 10,     /* without a watch: after growth; doubles while idle */
    POLL_MS_MAX = 1000,
    REMEMBERED_BYTES = 64,
    ENDED_KEPT = 64,
};

/* A file, also told from a later one that got its inode number. */
struct identity {
    uint64_t device, inode, born_ns;
};

struct version {
    int fd;
    int watch; /* its number; negative: changes are not told */
    struct identity identity;
    off_t offset, limit; /* read so far; to read in this round */
    off_t size;
    char remembered[REMEMBERED_BYTES]; /* what stood before offset */
    size_t remembered_size;
    int skip_zeros;      /* a writer that kept its place across a truncation leaves a hole */
    uint64_t changed_ms; /* when it last grew or was replaced */
    int replaced;
    struct tlr__splitter splitter;
};

struct tlr__text_input {
    struct tlr__text_input_options options;
    struct version versions[TLR__TEXT_VERSIONS]; /* oldest first */
    unsigned count;
    struct identity ended[ENDED_KEPT]; /* versions that are done with */
    unsigned ended_count;
    char moved[TLR__TEXT_VERSIONS][NAME_MAX + 1]; /* what files of our name are called now */
    unsigned moved_count;
    char *directory, *name; /* of the path */
    int directory_watch;
    uint64_t missing_ms; /* since when the name means nothing; 0: it does */
    int missing_told;
    int poll_ms;
    uint64_t cut; /* of versions that are gone */
};

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Errors: errno of statx; -EINVAL no regular file. */
static int identity_read(int directory, const char *path, int flags, struct identity *identity) {
    struct statx st;
    if (statx(directory, path, flags, STATX_TYPE | STATX_INO | STATX_BTIME, &st) < 0) return -errno;
    if (!S_ISREG(st.stx_mode)) return -EINVAL;
    *identity = (struct identity){.device = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor,
                                  .inode = st.stx_ino};
    if (st.stx_mask & STATX_BTIME)
        identity->born_ns = (uint64_t)st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec;
    return 0;
}

static int is_same(const struct identity *a, const struct identity *b) {
    return a->inode == b->inode && a->device == b->device && a->born_ns == b->born_ns;
}

/* ---- versions ------------------------------------------------------------------------------ */

static struct version *newest(struct tlr__text_input *input) {
    return input->count ? &input->versions[input->count - 1] : NULL;
}

static int line_show(struct tlr__text_input *input, struct version *version, const char *line,
                     size_t bytes) {
    if (version->skip_zeros) {
        while (bytes && !*line) line++, bytes--;
        version->skip_zeros = 0;
    }
    return tlr__show_line(input->options.show, input->options.title, line, bytes);
}

static int lines_show(struct tlr__text_input *input, struct version *version) {
    const char *line;
    size_t bytes;
    while (tlr__splitter_next(&version->splitter, &line, &bytes)) {
        int error = line_show(input, version, line, bytes);
        if (error < 0) return error;
    }
    return 0;
}

static int rest_show(struct tlr__text_input *input, struct version *version) {
    const char *line;
    size_t bytes;
    if (!tlr__splitter_rest(&version->splitter, &line, &bytes)) return 0;
    return line_show(input, version, line, bytes);
}

static void version_release(struct tlr__text_input *input, unsigned index) {
    struct version *version = &input->versions[index];
    tlr__watch_remove(input->options.watch, version->watch);
    close(version->fd);
    input->cut += version->splitter.cut;
    input->ended[input->ended_count++ % ENDED_KEPT] = version->identity;
    tlr__splitter_free(&version->splitter);
    input->count--;
    memmove(version, version + 1, (input->count - index) * sizeof(*version));
}

static void version_give_up(struct tlr__text_input *input) {
    tlr__cli_notice("%s: more than %d older versions are still being written; the oldest is no "
                    "longer followed",
                    input->options.title, TLR__TEXT_VERSIONS - 1);
    rest_show(input, &input->versions[0]);
    version_release(input, 0);
}

/* Takes `fd` over as the newest version. Errors: -EINVAL it is no regular file, and closed. */
static int version_add(struct tlr__text_input *input, int fd) {
    struct identity identity;
    int error = identity_read(fd, "", AT_EMPTY_PATH, &identity);
    if (error < 0) {
        close(fd);
        return error;
    }
    if (input->count == TLR__TEXT_VERSIONS) version_give_up(input);
    struct version *version = &input->versions[input->count++];
    *version =
        (struct version){.fd = fd, .watch = -1, .identity = identity, .changed_ms = now_ms()};
    if (input->options.follow) version->watch = tlr__watch_file(input->options.watch, fd);
    return 0;
}

static int version_open(struct tlr__text_input *input, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -errno : version_add(input, fd);
}

static void replaced_by_newer(struct tlr__text_input *input) {
    struct version *version = newest(input);
    if (!version) return;
    version->replaced = 1;
    version->changed_ms = now_ms();
}

/* ---- what the name means ------------------------------------------------------------------- */

static void name_missing(struct tlr__text_input *input, int error) {
    uint64_t now = now_ms();
    if (!input->missing_ms) input->missing_ms = now;
    /* A rotation leaves the name empty for a moment: worth a word only when it lasts. */
    if (input->missing_told || (input->count && now - input->missing_ms < NAME_CHECK_MS)) return;
    input->missing_told = 1;
    tlr__cli_notice("%s: %s; waiting for it", input->options.title, strerror(error));
}

/* The name means a version that was renamed away before: it is the newest again. */
static int version_return(struct tlr__text_input *input, const struct identity *identity) {
    for (unsigned i = 0; i < input->count; i++) {
        if (!is_same(&input->versions[i].identity, identity)) continue;
        struct version version = input->versions[i];
        memmove(&input->versions[i], &input->versions[i + 1],
                (input->count - i - 1) * sizeof(version));
        input->versions[input->count - 1] = version;
        newest(input)->replaced = 0;
        return 1;
    }
    return 0;
}

static int was_seen(const struct tlr__text_input *input, const struct identity *identity) {
    for (unsigned i = 0; i < input->count; i++)
        if (is_same(&input->versions[i].identity, identity)) return 1;
    for (unsigned i = 0; i < input->ended_count && i < ENDED_KEPT; i++)
        if (is_same(&input->ended[i], identity)) return 1;
    return 0;
}

/* Files that had our name and were renamed: one that was never looked at is a version, older than
 * what the name means now. */
static void moved_check(struct tlr__text_input *input) {
    for (unsigned i = 0; i < input->moved_count; i++) {
        char path[PATH_MAX];
        struct identity identity;
        int used = snprintf(path, sizeof(path), "%s/%s", input->directory, input->moved[i]);
        if (used >= (int)sizeof(path) || identity_read(AT_FDCWD, path, 0, &identity) < 0) continue;
        if (was_seen(input, &identity)) continue;
        replaced_by_newer(input);
        if (version_open(input, path) == 0) newest(input)->replaced = 1;
    }
    input->moved_count = 0;
}

static void name_check(struct tlr__text_input *input) {
    struct identity identity;
    struct version *version = newest(input);
    int had = version != NULL;
    int error = identity_read(AT_FDCWD, input->options.path, 0, &identity);
    if (error == 0 && version && is_same(&version->identity, &identity)) {
        version->replaced = 0;
        input->missing_ms = 0;
        return;
    }
    if (error == 0) {
        replaced_by_newer(input);
        if (!version_return(input, &identity)) error = version_open(input, input->options.path);
    }
    if (error < 0) {
        name_missing(input, -error);
        return;
    }
    if (had || input->missing_told)
        tlr__cli_notice("%s: %s", input->options.title,
                        had ? "replaced; following the new file" : "there now");
    input->missing_ms = 0;
    input->missing_told = 0;
}

static int moved_find(const struct tlr__text_input *input, const char *name) {
    for (unsigned i = 0; i < input->moved_count; i++)
        if (!strcmp(input->moved[i], name)) return (int)i;
    return -1;
}

static void moved_forget(struct tlr__text_input *input, unsigned index) {
    input->moved_count--;
    memmove(input->moved[index], input->moved[index + 1],
            (input->moved_count - index) * sizeof(input->moved[0]));
}

/* A chain of renames (log.1 to log.2, log to log.1) is followed to the name that each file has. */
void tlr__text_input_moved(struct tlr__text_input *input, int directory, const char *from,
                           const char *to) {
    if (!input->name || directory != input->directory_watch) return;
    int overwritten = moved_find(input, to);
    if (overwritten >= 0) moved_forget(input, (unsigned)overwritten);
    int known = moved_find(input, from);
    if (known < 0) {
        if (strcmp(from, input->name) != 0) return;
        if (input->moved_count == TLR__TEXT_VERSIONS) moved_forget(input, 0);
        known = (int)input->moved_count++;
    }
    snprintf(input->moved[known], sizeof(input->moved[known]), "%s", to);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void remember(struct version *version, const char *bytes, size_t size) {
    size_t keep = size < REMEMBERED_BYTES ? REMEMBERED_BYTES - size : 0;
    if (keep > version->remembered_size) keep = version->remembered_size;
    if (size > REMEMBERED_BYTES) {
        bytes += size - REMEMBERED_BYTES;
        size = REMEMBERED_BYTES;
    }
    memmove(version->remembered, version->remembered + version->remembered_size - keep, keep);
    memcpy(version->remembered + keep, bytes, size);
    version->remembered_size = keep + size;
}

/* To be called before the first read at an offset that was not reached by reading. */
static void remember_at(struct version *version) {
    size_t size = version->offset < REMEMBERED_BYTES ? (size_t)version->offset : REMEMBERED_BYTES;
    ssize_t got = pread(version->fd, version->remembered, size, version->offset - (off_t)size);
    version->remembered_size = got == (ssize_t)size ? size : 0;
}

static int restart(struct tlr__text_input *input, struct version *version) {
    tlr__cli_notice("%s: truncated; reading it from its start", input->options.title);
    int error = rest_show(input, version);
    off_t data = lseek(version->fd, 0, SEEK_DATA);
    version->offset = data > 0 ? data : 0;
    version->skip_zeros = 1;
    version->remembered_size = 0;
    version->changed_ms = now_ms();
    struct stat st;
    version->limit = fstat(version->fd, &st) == 0 ? st.st_size : 0;
    return error;
}

/* Reads once. Returns bytes read, 0 at the end, -ESTALE where the file is no longer what was read.
 */
static ssize_t read_on(struct version *version) {
    char check[REMEMBERED_BYTES];
    size_t room, before = version->remembered_size;
    char *out = tlr__splitter_room(&version->splitter, &room);
    if (!out) return -ENOMEM;
    off_t left = version->limit - version->offset;
    if ((off_t)room > left) room = (size_t)left;
    struct iovec parts[] = {{check, before}, {out, room}};
    ssize_t got;
    do {
        got = preadv(version->fd, parts, 2, version->offset - (off_t)before);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return -errno;
    if ((size_t)got < before || memcmp(check, version->remembered, before) != 0) return -ESTALE;
    size_t bytes = (size_t)got - before;
    remember(version, out, bytes);
    tlr__splitter_add(&version->splitter, bytes);
    version->offset += (off_t)bytes;
    return (ssize_t)bytes;
}

static int version_drain(struct tlr__text_input *input, struct version *version) {
    if (version->size < version->offset) {
        int error = restart(input, version);
        if (error < 0) return error;
    }
    while (version->offset < version->limit) {
        ssize_t got = read_on(version);
        int error = got == -ESTALE ? restart(input, version) : lines_show(input, version);
        if (error < 0) return error;
        if (got == -ESTALE) continue;
        if (got < 0) tlr__cli_notice("%s: %s", input->options.title, strerror((int)-got));
        if (got <= 0) break;
        version->changed_ms = now_ms();
        input->poll_ms = POLL_MS_MIN;
    }
    return 0;
}

/* Sizes are taken newest first, so that what an older version holds when its turn comes was written
 * before. */
static int all_drain(struct tlr__text_input *input) {
    struct stat st;
    for (unsigned i = input->count; i-- > 0;) {
        struct version *version = &input->versions[i];
        version->size = fstat(version->fd, &st) == 0 ? st.st_size : version->offset;
        version->limit = version->size;
    }
    for (unsigned i = 0; i < input->count; i++) {
        int error = version_drain(input, &input->versions[i]);
        if (error < 0) return error;
    }
    return 0;
}

/* ---- the end of a version ------------------------------------------------------------------ */

enum writers { WRITERS_UNKNOWN, WRITERS_NONE, WRITERS_SOME };

/* The lease is given back at once: it would make an opener wait. */
static enum writers writers_ask(int fd) {
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        fcntl(fd, F_SETLEASE, F_UNLCK);
        return WRITERS_NONE;
    }
    return errno == EAGAIN ? WRITERS_SOME : WRITERS_UNKNOWN;
}

static int is_over(struct tlr__text_input *input, const struct version *version) {
    switch (writers_ask(version->fd)) {
    case WRITERS_NONE:
        return 1;
    case WRITERS_SOME:
        return 0;
    default:
        return now_ms() - version->changed_ms >= GRACE_MS && newest(input)->offset > 0;
    }
}

/* Lets go of old versions that nobody writes any more, oldest first. */
static int old_end(struct tlr__text_input *input) {
    while (input->count > 1 && input->versions[0].replaced) {
        struct version *version = &input->versions[0];
        if (!is_over(input, version)) break;
        /* What came between the last read and the proof. */
        struct stat st;
        if (fstat(version->fd, &st) == 0) version->size = version->limit = st.st_size;
        int error = version_drain(input, version);
        if (error >= 0) error = rest_show(input, version);
        version_release(input, 0);
        if (error < 0) return error;
    }
    return 0;
}

/* ---- an input's life ----------------------------------------------------------------------- */

static int begin_find(struct tlr__text_input *input, struct version *version, off_t size) {
    struct tlr__backward search = {.fd = version->fd,
                                   .end = size,
                                   .lines = input->options.lines,
                                   .torn_counts = !input->options.follow,
                                   .show = input->options.show};
    int error = tlr__backward_find(&search, &version->offset);
    if (error < 0) return error;
    remember_at(version);
    return 0;
}

static int directory_watch(struct tlr__text_input *input) {
    const char *path = input->options.path, *slash = strrchr(path, '/');
    input->name = strdup(slash ? slash + 1 : path);
    input->directory = slash == path ? strdup("/")
                       : slash       ? strndup(path, (size_t)(slash - path))
                                     : strdup(".");
    if (!input->name || !input->directory) return -ENOMEM;
    input->directory_watch = tlr__watch_directory(input->options.watch, input->directory);
    return 0;
}

static int first_open(struct tlr__text_input *input) {
    const struct tlr__text_input_options *options = &input->options;
    int error =
        options->fd >= 0 ? version_add(input, options->fd) : version_open(input, options->path);
    if (error < 0) {
        if (!options->by_name) return error;
        name_missing(input, -error);
        return 0;
    }
    struct stat st;
    struct version *version = newest(input);
    return fstat(version->fd, &st) < 0 ? -errno : begin_find(input, version, st.st_size);
}

int tlr__text_input_open(struct tlr__text_input **out,
                         const struct tlr__text_input_options *options) {
    struct tlr__text_input *input = calloc(1, sizeof(*input));
    if (!input) return -ENOMEM;
    input->options = *options;
    input->directory_watch = -1;
    input->poll_ms = POLL_MS_MIN;
    int error = 0;
    if (options->by_name) {
        signal(SIGIO, SIG_IGN); /* sent when somebody opens a file in the moment of its lease */
        error = directory_watch(input);
    }
    if (error >= 0) error = first_open(input);
    if (error < 0) {
        tlr__text_input_close(input);
        return error;
    }
    *out = input;
    return 0;
}

/* Without a watch the file is looked at: often after it grew, once a second when idle. */
static int wait_choose(struct tlr__text_input *input) {
    int watched = !input->options.by_name || input->directory_watch >= 0;
    for (unsigned i = 0; i < input->count; i++) watched &= input->versions[i].watch >= 0;
    if (watched) return input->options.by_name ? NAME_CHECK_MS : -1;
    int wait_ms = input->poll_ms;
    input->poll_ms = 2 * wait_ms < POLL_MS_MAX ? 2 * wait_ms : POLL_MS_MAX;
    return wait_ms;
}

int tlr__text_input_drain(struct tlr__text_input *input, int *wait_ms) {
    if (input->options.by_name) {
        moved_check(input);
        name_check(input);
    }
    int error = all_drain(input);
    if (error >= 0 && input->options.by_name) error = old_end(input);
    if (error >= 0 && !input->options.follow) error = rest_show(input, newest(input));
    *wait_ms = input->options.follow ? wait_choose(input) : -1;
    return error;
}

uint64_t tlr__text_input_cut(const struct tlr__text_input *input) {
    uint64_t cut = input->cut;
    for (unsigned i = 0; i < input->count; i++) cut += input->versions[i].splitter.cut;
    return cut;
}

void tlr__text_input_close(struct tlr__text_input *input) {
    if (!input) return;
    while (input->count) version_release(input, 0);
    tlr__watch_remove(input->options.watch, input->directory_watch);
    free(input->directory);
    free(input->name);
    free(input);
}
