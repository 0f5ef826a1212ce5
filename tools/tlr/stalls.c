/* stalls.c - `tlr stalls`: which call blocked, where, why, for how long, and who was hurt.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "gap_lines.h"
#include "stalls_json.h"
#include "stalls_print.h"

static struct {
    uint64_t min_ns;
    const char *ring_directory;
    int json;
} arguments;

static const struct tlr__cli_option options[] = {
    {.name = "min",
     .type = TLR__CLI_DURATION,
     .argument = "DURATION",
     .store.number = &arguments.min_ns,
     .help = "leave out stalls that were shorter"},
    {.name = "ring-dir",
     .type = TLR__CLI_STRING,
     .argument = "DIR",
     .store.string = &arguments.ring_directory,
     .default_text = "/dev/shm/tailrace-*",
     .help = "where the process keeps its ring files"},
    {.name = "json",
     .type = TLR__CLI_FLAG,
     .store.flag = &arguments.json,
     .help = "everything, as one JSON document"},
};

static int run(int operand_count, char **operands);

const struct tlr__cli_command tlr__stalls_command = {
    .name = "stalls",
    .operands = "PATH|PID [LOG...]",
    .operand_min = 1,
    .operand_max = UINT_MAX,
    .summary = "tell which calls blocked, why, and which requests waited",
    .description =
        "PATH is a trace directory or one of its segments (.tlr). A number is a process:\n"
        "what blocks in it now, handlers that hold a loop for 100 ms and more, and what\n"
        "blocked lately, as its ring files tell, together with its trace where that can\n"
        "be read. In each LOG of text or JSON lines, the lines that its gap lines announce\n"
        "as dropped are counted. Exit status: 1 no stall, 3 some parts could not be read.\n",
    .examples = "tlr stalls trace/ service.log\n"
                "tlr stalls --min 100ms $(pgrep -x tlr)\n"
                "tlr stalls --json trace/ | jq '.culprits[0]'\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .run = run,
};

static int status_of(const struct tlr__stalls_report *report) {
    uint64_t damaged = report->live ? report->live->damaged : report->trace->damaged;
    unsigned blocked = report->live ? report->live->blocked_count : 0;
    if (damaged) {
        tlr__cli_notice("%s: %llu part%s could not be read; what %s held is missing",
                        report->source, (unsigned long long)damaged, damaged == 1 ? "" : "s",
                        damaged == 1 ? "it" : "they");
        return TLR__CLI_PARTIAL;
    }
    return report->list->count || blocked ? TLR__CLI_FOUND : TLR__CLI_NOTHING;
}

static int report_print(const struct tlr__stalls_report *report) {
    if (arguments.json)
        tlr__stalls_json_print(report);
    else
        tlr__stalls_print_text(report);
    return status_of(report);
}

static int trace_report(const char *path, struct tlr__stalls_report report,
                        struct tlr__culprit_list *list) {
    struct tlr__stalls_trace trace = {0};
    int error = tlr__stalls_trace_add(path, 0, &trace, list);
    if (error == -EBADMSG) return tlr__cli_error("%s: not a segment of a trace", path);
    if (error == -ENOENT && access(path, F_OK) == 0)
        return tlr__cli_error("%s: a directory without segments", path);
    if (error < 0) return tlr__cli_error("%s: %s", path, strerror(-error));
    tlr__culprit_rank(list);
    report.trace = &trace;
    return report_print(&report);
}

static int live_error(int pid, int error) {
    const char *reason = "this process has no ring file that may be read";
    if (error != -ENOENT)
        reason = strerror(-error);
    else if (kill(pid, 0) < 0 && errno == ESRCH)
        reason = "no such process, and no ring file of one";
    return tlr__cli_error("%d: %s", pid, reason);
}

static int live_report(int pid, struct tlr__stalls_report report, struct tlr__culprit_list *list) {
    struct tlr__stalls_live *live = malloc(sizeof(*live));
    if (!live) return tlr__cli_error("out of memory");
    int error = tlr__stalls_live_look(live, arguments.ring_directory, pid, arguments.min_ns, list);
    int status;
    if (error < 0) {
        status = live_error(pid, error);
    } else {
        tlr__culprit_rank(list);
        report.live = live;
        status = report_print(&report);
    }
    free(live);
    return status;
}

/* All digits, unless something of that name is there. */
static int is_process(const char *operand) {
    struct stat st;
    size_t digits = strspn(operand, "0123456789");
    return digits && digits < 10 && !operand[digits] && stat(operand, &st) < 0;
}

static int run(int operand_count, char **operands) {
    struct tlr__culprit_list list;
    struct tlr__stalls_report report = {.source = operands[0], .list = &list};
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < operand_count; i++, report.log_count++) {
        int error = tlr__gap_lines_count(operands[i], &report.gap_lines);
        if (error < 0) return tlr__cli_error("%s: %s", operands[i], strerror(-error));
    }
    if (tlr__culprit_init(&list, arguments.min_ns) < 0) return tlr__cli_error("out of memory");
    int status = is_process(operands[0]) ? live_report(atoi(operands[0]), report, &list)
                                         : trace_report(operands[0], report, &list);
    tlr__culprit_free(&list);
    return status;
}
