/* tail.c - `tlr tail`: the end of logs, and what follows.
 *
 * Each operand becomes an input of one of three kinds; all show through one `struct tlr__show`. One
 * loop sleeps until a watch, a stream or a time says "look", looks at every input, and flushes.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "log_line.h"
#include "segment_input.h"
#include "show.h"
#include "stream_input.h"
#include "text_input.h"
#include "watch.h"

#define LINES_DEFAULT 10
#define LINES_NOT_GIVEN (UINT64_MAX - 1)

static struct {
    uint64_t lines;
    int follow, follow_name;
    int level;
    const char *trace, *since, *until;
    int form;
} arguments = {.lines = LINES_NOT_GIVEN};

static const char *const level_words[] = {"all", "debug", "info", "warn", "error", NULL};
static const char *const form_words[] = {"short", "json", "raw", NULL};

static const struct tlr__cli_option options[] = {
    {.name = "lines",
     .letter = 'n',
     .type = TLR__CLI_UNSIGNED,
     .argument = "N",
     .store.number = &arguments.lines,
     .max = INT_MAX,
     .word = "all",
     .default_text = "10; all with --since",
     .help = "begin with the last N lines that pass, or with all"},
    {.name = "follow",
     .letter = 'f',
     .type = TLR__CLI_FLAG,
     .store.flag = &arguments.follow,
     .help = "go on as the files grow"},
    {.name = "follow-name",
     .letter = 'F',
     .type = TLR__CLI_FLAG,
     .store.flag = &arguments.follow_name,
     .help = "go on with whatever has the name: across rotation,\n"
             "truncation, and before the file is there; loses no line\n"
             "of a writer that stays on the old file"},
    {.name = "priority",
     .letter = 'p',
     .type = TLR__CLI_CHOICE,
     .argument = "LEVEL",
     .store.choice = &arguments.level,
     .choices = level_words,
     .default_text = "all",
     .help = "only lines of that level or above; lines whose level\n"
             "cannot be told do not pass"},
    {.name = "trace",
     .letter = 'T',
     .type = TLR__CLI_STRING,
     .argument = "ID",
     .store.string = &arguments.trace,
     .help = "only lines of the request with that trace id, or whose\n"
             "id begins so (8 hex digits or more)"},
    {.name = "since",
     .type = TLR__CLI_STRING,
     .argument = "WHEN",
     .store.string = &arguments.since,
     .help = "only lines from then on: 2026-11-20T15:03:11 (UTC), or a\n"
             "time ago such as 10m; lines without a date pass"},
    {.name = "until",
     .type = TLR__CLI_STRING,
     .argument = "WHEN",
     .store.string = &arguments.until,
     .help = "only lines up to then"},
    {.name = "output",
     .letter = 'o',
     .type = TLR__CLI_CHOICE,
     .argument = "FORM",
     .store.choice = &arguments.form,
     .choices = form_words,
     .default_text = "short",
     .help = "short: JSON lines become text; raw: bytes as they are,\n"
             "but on a terminal made harmless"},
};

static int run(int operand_count, char **operands);

const struct tlr__cli_command tlr__tail_command = {
    .name = "tail",
    .operands = "[FILE...]",
    .operand_max = UINT_MAX,
    .summary = "show the end of logs and follow them",
    .description = "FILE is a log of text or JSON lines, a FIFO, a segment (.tlr), or a directory\n"
                   "of segments; - or nothing is stdin. Pipes are shown as they come with -f, at\n"
                   "their end without. Control bytes in a log never reach a terminal.\n",
    .examples = "tlr tail -F /var/log/service.log\n"
                "tlr tail -n all -p warn service.log trace/\n"
                "tlr tail -n all -T 4bf92f3577b34da6 -o json service.log\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};

/* ---- inputs -------------------------------------------------------------------------------- */

struct input {
    struct tlr__text_input *text; /* one of the three is set */
    struct tlr__stream_input *stream;
    struct tlr__segment_input *segments;
};

struct tail {
    struct tlr__show show;
    struct input *inputs;
    int count;
    struct tlr__watch watch;
    int follow;
    int failed;  /* an operand could not be opened */
    int partial; /* something was damaged or cut */
};

static int begins_with(const char *path, const void *magic, size_t size) {
    unsigned char first[8];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got = fd < 0 ? -1 : pread(fd, first, size, 0);
    if (fd >= 0) close(fd);
    return got == (ssize_t)size && !memcmp(first, magic, size);
}

static int is_segment(const char *path, const struct stat *st) {
    static const unsigned char magic[4] = {0x89, 'T', 'L', 'R'};
    size_t length = strlen(path);
    if (S_ISDIR(st->st_mode)) return 1;
    if (!S_ISREG(st->st_mode)) return 0;
    if (length > 4 && !strcmp(path + length - 4, ".tlr")) return 1;
    return begins_with(path, magic, sizeof(magic));
}

static int is_ring(const char *path, const struct stat *st) {
    return S_ISREG(st->st_mode) && begins_with(path, "tlrring\n", 8);
}

static int text_open(struct tail *tail, struct input *input, const char *path, int fd) {
    return tlr__text_input_open(
        &input->text, &(struct tlr__text_input_options){.path = path,
                                                        .title = fd >= 0 ? "stdin" : path,
                                                        .fd = fd,
                                                        .follow = tail->follow,
                                                        .by_name = fd < 0 && arguments.follow_name,
                                                        .lines = arguments.lines,
                                                        .watch = &tail->watch,
                                                        .show = &tail->show});
}

static int stream_open(struct tail *tail, struct input *input, const char *path, int fd) {
    /* A FIFO without a writer is waited for; when it is followed, without holding up other inputs.
     */
    if (fd < 0) fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (tail->follow ? O_NONBLOCK : 0));
    if (fd < 0) return -errno;
    return tlr__stream_input_open(
        &input->stream, &(struct tlr__stream_input_options){.path = path,
                                                            .title = path ? path : "stdin",
                                                            .fd = fd,
                                                            .follow = tail->follow,
                                                            .lines = arguments.lines,
                                                            .show = &tail->show});
}

static int segments_open(struct tail *tail, struct input *input, const char *path) {
    return tlr__segment_input_open(&input->segments,
                                   &(struct tlr__segment_input_options){.path = path,
                                                                        .title = path,
                                                                        .follow = tail->follow,
                                                                        .lines = arguments.lines,
                                                                        .watch = &tail->watch,
                                                                        .show = &tail->show});
}

static int input_open(struct tail *tail, struct input *input, const char *operand) {
    struct stat st;
    if (!strcmp(operand, "-")) {
        int fd = dup(STDIN_FILENO);
        if (fd < 0 || fstat(fd, &st) < 0) return -errno;
        return S_ISREG(st.st_mode) ? text_open(tail, input, NULL, fd)
                                   : stream_open(tail, input, NULL, fd);
    }
    if (stat(operand, &st) < 0)
        return errno == ENOENT && arguments.follow_name ? text_open(tail, input, operand, -1)
                                                        : -errno;
    if (is_segment(operand, &st)) return segments_open(tail, input, operand);
    if (is_ring(operand, &st)) return -EMEDIUMTYPE;
    if (S_ISREG(st.st_mode)) return text_open(tail, input, operand, -1);
    if (S_ISBLK(st.st_mode)) return -EINVAL;
    return stream_open(tail, input, operand, -1);
}

static const char *open_reason(const char *operand, int error) {
    struct stat st;
    if (error == -ENOENT && stat(operand, &st) == 0) return "a directory without segments";
    if (error == -EBADMSG) return "not a segment";
    if (error == -EPROTONOSUPPORT) return "a segment of another version";
    if (error == -EMEDIUMTYPE)
        return "a ring file, not a log: `tlr stalls PID` looks into it, but no command of this "
               "version shows its lines";
    return strerror(-error);
}

static void inputs_open(struct tail *tail, int operand_count, char **operands) {
    for (int i = 0; i < operand_count; i++) {
        int error = input_open(tail, &tail->inputs[tail->count], operands[i]);
        if (error >= 0) {
            tail->count++;
            continue;
        }
        tail->failed = 1;
        tlr__cli_notice("%s: %s", operands[i], open_reason(operands[i], error));
    }
}

static void inputs_close(struct tail *tail) {
    uint64_t cut = 0;
    for (int i = 0; i < tail->count; i++) {
        struct input *input = &tail->inputs[i];
        if (input->text) cut += tlr__text_input_cut(input->text);
        if (input->stream) cut += tlr__stream_input_cut(input->stream);
        if (input->segments && tlr__segment_input_damaged(input->segments)) tail->partial = 1;
        tlr__text_input_close(input->text);
        tlr__stream_input_close(input->stream);
        tlr__segment_input_close(input->segments);
    }
    if (cut) tail->partial = 1;
    if (cut)
        tlr__cli_notice("%llu line%s too long, and cut", (unsigned long long)cut,
                        cut == 1 ? " was" : "s were");
}

/* ---- the loop ------------------------------------------------------------------------------ */

static int sooner(int wait_ms, int other_ms) {
    return wait_ms < 0 ? other_ms : other_ms < 0 || wait_ms < other_ms ? wait_ms : other_ms;
}

static int files_drain(struct tail *tail, int *wait_ms) {
    int error = 0;
    *wait_ms = -1;
    for (int i = 0; i < tail->count && error >= 0; i++) {
        struct input *input = &tail->inputs[i];
        int input_ms = -1;
        if (input->text) error = tlr__text_input_drain(input->text, &input_ms);
        if (input->segments) error = tlr__segment_input_drain(input->segments, &input_ms);
        *wait_ms = sooner(*wait_ms, input_ms);
    }
    return error;
}

static int streams_read(struct tail *tail, const struct pollfd *polls) {
    int error = 0;
    for (int i = 0; i < tail->count && error >= 0; i++)
        if (polls[i].fd >= 0 && polls[i].revents)
            error = tlr__stream_input_read(tail->inputs[i].stream);
    return error;
}

/* Fills one entry an input; returns how many streams are still open. */
static int streams_poll(const struct tail *tail, struct pollfd *polls) {
    int open_count = 0;
    for (int i = 0; i < tail->count; i++) {
        const struct tlr__stream_input *stream = tail->inputs[i].stream;
        polls[i] =
            (struct pollfd){.fd = stream ? tlr__stream_input_fd(stream) : -1, .events = POLLIN};
        open_count += polls[i].fd >= 0;
    }
    return open_count;
}

static void moved(int directory, const char *from, const char *to, void *user) {
    struct tail *tail = user;
    for (int i = 0; i < tail->count; i++)
        if (tail->inputs[i].text) tlr__text_input_moved(tail->inputs[i].text, directory, from, to);
}

/* Goes round until the inputs end (never, when following files) or nobody reads stdout. */
static int tail_loop(struct tail *tail) {
    struct pollfd *polls = calloc((size_t)tail->count + 2, sizeof(*polls));
    int error = polls ? 0 : -ENOMEM;
    int has_files = 0;
    for (int i = 0; i < tail->count; i++) has_files |= !tail->inputs[i].stream;
    while (error >= 0) {
        int wait_ms;
        error = files_drain(tail, &wait_ms);
        if (error >= 0) error = tlr__show_flush(&tail->show);
        if (error < 0) break;
        int streams = streams_poll(tail, polls);
        if (!streams && !(tail->follow && has_files)) break;
        polls[tail->count] = (struct pollfd){.fd = tail->watch.fd, .events = POLLIN};
        polls[tail->count + 1] = (struct pollfd){.fd = STDOUT_FILENO};
        int ready = poll(polls, (nfds_t)tail->count + 2, wait_ms);
        if (ready < 0 && errno != EINTR) error = -errno;
        if (ready <= 0) continue;
        if (polls[tail->count + 1].revents) error = -EPIPE; /* only ever for want of a reader */
        if (polls[tail->count].revents && tlr__watch_drain(&tail->watch, moved, tail))
            tlr__cli_notice(
                "more changed than the kernel had room to tell; lines of files that were "
                "renamed meanwhile may be missing");
        if (error >= 0) error = streams_read(tail, polls);
    }
    free(polls);
    return error;
}

/* ---- the command --------------------------------------------------------------------------- */

static int trace_check(struct tlr__show *show, const char *trace) {
    size_t size = strlen(trace);
    if (size < 8 || size >= sizeof(show->trace)) return 0;
    for (size_t i = 0; i < size; i++) {
        if (!isxdigit((unsigned char)trace[i])) return 0;
        show->trace[i] = (char)tolower((unsigned char)trace[i]);
    }
    show->trace[size] = 0;
    return 1;
}

/* A date, or a time ago. Returns 0 if it is neither. */
static int when_read(const char *text, uint64_t *date_ns) {
    uint64_t ago_ns;
    if (!text) return 1;
    if (tlr__cli_duration_parse(text, &ago_ns) == 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t now_ns = (uint64_t)now.tv_sec * TLR_NS_PER_S + (uint64_t)now.tv_nsec;
        *date_ns = ago_ns < now_ns ? now_ns - ago_ns : 1;
        return 1;
    }
    *date_ns = tlr__log_line_date_of_text(text, strlen(text));
    return *date_ns != 0;
}

/* What to show, from the command line. Returns 0 after a message. */
static int show_prepare(struct tlr__show *show) {
    static const char expected[] = "(expected 2026-11-20T15:03:11, or a time ago such as 10m)";
    show->level = (enum tlr_level)arguments.level; /* words are in the order of levels */
    show->form = (enum tlr__show_form)arguments.form;
    if (arguments.trace && !trace_check(show, arguments.trace)) {
        tlr__cli_error("-T: \"%s\" is not a trace id (expected 8 to 32 hex digits)",
                       arguments.trace);
        return 0;
    }
    if (!when_read(arguments.since, &show->since_ns)) {
        tlr__cli_error("--since: \"%s\" is no time %s", arguments.since, expected);
        return 0;
    }
    if (!when_read(arguments.until, &show->until_ns)) {
        tlr__cli_error("--until: \"%s\" is no time %s", arguments.until, expected);
        return 0;
    }
    if (arguments.lines == LINES_NOT_GIVEN)
        arguments.lines = arguments.since ? UINT64_MAX : LINES_DEFAULT;
    return 1;
}

static int tail_status(const struct tail *tail, int error) {
    if (error == -ENOMEM) return tlr__cli_error("out of memory");
    if (error < 0 && error != -EPIPE)
        return tlr__cli_error("standard output: %s", strerror(-error));
    if (tail->failed) return TLR__CLI_ERROR;
    if (tail->partial) return TLR__CLI_PARTIAL;
    return tail->show.shown ? TLR__CLI_FOUND : TLR__CLI_NOTHING;
}

static int run(int operand_count, char **operands) {
    char dash[] = "-", *stdin_only[] = {dash, NULL};
    struct tail tail = {.follow = arguments.follow || arguments.follow_name, .watch.fd = -1};
    if (!operand_count) {
        operands = stdin_only;
        operand_count = 1;
    }
    tlr__show_init(&tail.show);
    tail.show.titles = operand_count > 1;
    if (!show_prepare(&tail.show)) return TLR__CLI_ERROR;
    tail.inputs = calloc((size_t)operand_count, sizeof(*tail.inputs));
    if (!tail.inputs) return tlr__cli_error("out of memory");
    if (tail.follow) tlr__watch_open(&tail.watch);
    inputs_open(&tail, operand_count, operands);
    int error = tail.count ? tail_loop(&tail) : 0;
    inputs_close(&tail);
    int flush_error = tlr__show_flush(&tail.show);
    if (error >= 0) error = flush_error;
    tlr__watch_close(&tail.watch);
    tlr__show_free(&tail.show);
    free(tail.inputs);
    return tail_status(&tail, error);
}
