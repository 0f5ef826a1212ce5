/* lab.c - the `tlr lab` command and its list of scenarios.
 */
#include "lab.h"

#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <tailrace/clock.h>
#include <time.h>

static struct tlr__lab_arguments arguments = {
    .stop_ns = 3 * TLR_NS_PER_S,
    .sleep_ms = 2000,
    .rate = 100,
};

static const struct scenario {
    const char *name, *question;
    int (*run)(const struct tlr__lab_arguments *arguments);
} scenarios[] = {
    {"bad-logging", "the log's reader stops: which endpoint freezes, and who is hurt",
     tlr__lab_bad_logging_run},
    {"task-and-quick", "a task waits: awaited, blocking its loop, in the pool, in a full pool",
     tlr__lab_task_and_quick_run},
};
#define SCENARIO_COUNT (sizeof scenarios / sizeof scenarios[0])

static const struct tlr__cli_option options[] = {
    {.name = "json",
     .type = TLR__CLI_FLAG,
     .store.flag = &arguments.json,
     .help = "print one JSON object for each scenario"},
    {.name = "stop",
     .type = TLR__CLI_DURATION,
     .argument = "TIME",
     .store.number = &arguments.stop_ns,
     .min = TLR_NS_PER_S / 5,
     .max = 60 * TLR_NS_PER_S,
     .default_text = "3s",
     .help = "bad-logging: stop the log's reader for so long"},
    {.name = "sleep-ms",
     .type = TLR__CLI_UNSIGNED,
     .argument = "N",
     .store.number = &arguments.sleep_ms,
     .min = 100,
     .max = 60000,
     .default_text = "2000",
     .help = "task-and-quick: let the task wait so long"},
    {.name = "rate",
     .type = TLR__CLI_UNSIGNED,
     .argument = "N",
     .store.number = &arguments.rate,
     .min = 1,
     .max = 2000,
     .default_text = "100",
     .help = "bad-logging: requests a second to the endpoint looked at"},
    {.name = "lane-bytes",
     .type = TLR__CLI_SIZE,
     .argument = "SIZE",
     .store.number = &arguments.lane_bytes,
     .min = 4096,
     .max = 64 << 20,
     .default_text = "256K",
     .help = "log memory of each thread of the server: little of it makes it lose lines, counted"},
    {.name = "keep",
     .type = TLR__CLI_STRING,
     .argument = "DIR",
     .store.string = &arguments.directory,
     .help = "keep logs and traces in a directory below DIR"},
};

void tlr__lab_wait(uint64_t duration_ns) {
    struct timespec left = {.tv_sec = (time_t)(duration_ns / TLR_NS_PER_S),
                            .tv_nsec = (long)(duration_ns % TLR_NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) continue;
}

/* A stopped server leaves hundreds of requests open, each on a connection of its own. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int list(void) {
    for (size_t i = 0; i < SCENARIO_COUNT; i++)
        printf("%-16s %s\n", scenarios[i].name, scenarios[i].question);
    return TLR__CLI_FOUND;
}

static int run(int operand_count, char **operands) {
    (void)operand_count;
    int all = strcmp(operands[0], "all") == 0, known = 0, worst = TLR__CLI_FOUND;
    if (strcmp(operands[0], "list") == 0) return list();
    raise_descriptor_limit();
    for (size_t i = 0; i < SCENARIO_COUNT; i++) {
        if (!all && strcmp(operands[0], scenarios[i].name) != 0) continue;
        known = 1;
        int status = scenarios[i].run(&arguments);
        if (status > worst) worst = status;
    }
    if (!known) return tlr__cli_error("no scenario \"%s\"; `tlr lab list` shows them", operands[0]);
    return worst;
}

const struct tlr__cli_command tlr__lab_command = {
    .name = "lab",
    .operands = "list|all|SCENARIO",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "experiments that show what a blocked log or handler does to a server",
    .description =
        "Each scenario starts servers of its own, loads them at fixed times whatever they\n"
        "answer (open loop), and ends in one table and one sentence. Times are counted from\n"
        "when a request was due.",
    .examples = "tlr lab list\ntlr lab bad-logging\ntlr lab task-and-quick --sleep-ms 500 --json",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
