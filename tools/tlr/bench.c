/* bench.c - the `tlr bench` command, and what its benchmarks say about the machine.
 */
#include "bench.h"

#include "bench_measure.h"
#include "cli.h"

#include <sys/utsname.h>
#include <unistd.h>

static struct tlr__bench_arguments arguments = {
    .rounds = 5,
    .duration_ns = UINT64_C(3000000000),
    .producers = 1,
    .rate = 500000,
};

static const struct tlr__cli_option options[] = {
    {.name = "json",
     .type = TLR__CLI_FLAG,
     .store.flag = &arguments.json,
     .help = "print one JSON object, with the figures of every round"},
    {.name = "rounds",
     .type = TLR__CLI_UNSIGNED,
     .argument = "N",
     .store.number = &arguments.rounds,
     .min = 1,
     .max = 99,
     .default_text = "5",
     .help = "measure every row N times, in turn; medians are shown"},
    {.name = "seconds",
     .type = TLR__CLI_DURATION,
     .argument = "N",
     .store.number = &arguments.duration_ns,
     .min = 100000000,
     .max = UINT64_C(3600000000000),
     .default_text = "3",
     .help = "length of one measurement"},
    {.name = "only",
     .type = TLR__CLI_STRING,
     .argument = "ROW,...",
     .store.string = &arguments.only,
     .help = "measure these rows only, by the names that the tables show"},
    {.name = "dir",
     .type = TLR__CLI_STRING,
     .argument = "DIR",
     .store.string = &arguments.directory,
     .default_text = "/var/tmp",
     .help = "write logs into a temporary directory below DIR"},
    {.name = "producers",
     .type = TLR__CLI_UNSIGNED,
     .argument = "N",
     .store.number = &arguments.producers,
     .min = 1,
     .max = BENCH_PRODUCERS_MAX,
     .default_text = "1",
     .help = "log: producing threads"},
    {.name = "rate",
     .type = TLR__CLI_UNSIGNED,
     .argument = "N",
     .store.number = &arguments.rate,
     .min = 1000,
     .max = 20000000,
     .default_text = "500000",
     .help = "log: calls a second of each producer while calls are timed"},
};

static int run(int operand_count, char **operands) {
    (void)operand_count;
    if (strcmp(operands[0], "log") == 0) return tlr__bench_log_run(&arguments);
    if (strcmp(operands[0], "server") == 0) return tlr__bench_server_run(&arguments);
    return tlr__cli_error("no benchmark \"%s\"; there are log and server", operands[0]);
}

const struct tlr__cli_command tlr__bench_command = {
    .name = "bench",
    .operands = "log|server",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "measure loggers, or the server, beside their peers",
    .description =
        "bench log: the same message through this logger, stdio, write(2) and spdlog: the\n"
        "time of a call (paced, so that no queue fills), and lines a second until the last\n"
        "line is in the file, with processor time, memory and lost lines.\n"
        "\n"
        "bench server: requests a second and processor time a request with no log, a\n"
        "synchronous log, the ring log, tracing on and off, and nginx.\n"
        "\n"
        "Rows are measured in turn, round by round, each in a fresh process. Nothing here\n"
        "passes or fails on a time.",
    .examples = "tlr bench log\ntlr bench log --only ring-text,spdlog-async --rounds 9 --json",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};

bool tlr__bench_wants(const struct tlr__bench_arguments *asked, const char *name) {
    const size_t bytes = strlen(name);
    if (asked->only == NULL) return true;
    for (const char *word = asked->only; *word != '\0'; word += strspn(word, ",")) {
        const size_t word_bytes = strcspn(word, ",");
        if (word_bytes == bytes && memcmp(word, name, bytes) == 0) return true;
        word += word_bytes;
    }
    return false;
}

static void read_processor_name(char *name, size_t bytes) {
    char line[256];
    snprintf(name, bytes, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (file == NULL) return;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        snprintf(name, bytes, "%.*s", (int)strcspn(colon + 2, "\n\"\\"), colon + 2);
        break;
    }
    fclose(file);
}

#ifdef __OPTIMIZE__
static const char build[] = "optimised";
#else
static const char build[] = "NOT OPTIMISED: its times mean little";
#endif

void tlr__bench_print_machine(FILE *out, int json) {
    char processor[128];
    struct utsname kernel;
    double load[3] = {0, 0, 0};
    int cpus[BENCH_CPUS_MAX];

    read_processor_name(processor, sizeof processor);
    uname(&kernel);
    if (getloadavg(load, 3) < 1) load[0] = -1;
    fprintf(out,
            json ? "\"processor\":\"%s\",\"processors\":%u,\"kernel\":\"%s %s\","
                   "\"compiler\":\"%s\",\"build\":\"%s\",\"load\":%.2f"
                 : "%s, %u processors, %s %s; compiler %s, %s; load %.2f\n",
            processor, bench_cpus(cpus), kernel.sysname, kernel.release, __VERSION__, build,
            load[0]);
}

static int compare_doubles(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double tlr__bench_median(double *values, unsigned count) {
    if (count == 0) return NAN;
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 != 0 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
