/* bench_log.c - `tlr bench log`: rounds of measurements, and the two tables made of them.
 */
#include "bench.h"
#include "bench_child.h"
#include "cli.h"
#include "scratch.h"

#include <limits.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROUNDS_MAX 99
#define ROWS_MAX 32

/* More than any logger here writes: what a measurement may need on the disk. */
#define BYTES_PER_SECOND_MAX 2e9

static const char message[] = "iteration %d value %f name %s";

/* What a column shows; those of bench_metric come from the measurement, the rest from the file. */
enum column {
    COLUMN_LINES_PER_SECOND = BENCH_METRIC_COUNT,
    COLUMN_CPU_PER_MILLION,
    COLUMN_BYTES_PER_LINE,
    COLUMN_LOST,
    COLUMN_COUNT,
};

static const char *const column_names[COLUMN_COUNT - BENCH_METRIC_COUNT] = {
    "lines_per_second", "cpu_seconds_per_million", "bytes_per_line", "lost"};

struct row {
    const struct tlr__bench_peer *peer;
    enum bench_part part;
    double rounds[COLUMN_COUNT][ROUNDS_MAX];
    unsigned round_count;
    char error[TLR__BENCH_ERROR_BYTES]; /* "": every round was measured */
};

struct table_column {
    int column;
    int width, decimals;
    double scale;
    const char *title;
};

static const struct table_column latency_columns[] = {
    {BENCH_CALL_P50_NS, 9, 1, 1, "p50 ns"},
    {BENCH_CALL_P99_NS, 9, 1, 1, "p99 ns"},
    {BENCH_CALL_P999_NS, 10, 1, 1, "p99.9 ns"},
    {BENCH_BATCH_MAX_US, 14, 1, 1, "worst batch us"},
    {BENCH_SLOW_PER_MILLION, 14, 1, 1, ">1 us, per M"},
    {BENCH_CALL_MAX_US, 14, 1, 1, "worst call us"},
    {COLUMN_LOST, 8, 0, 1, "lost"},
};

static const struct table_column throughput_columns[] = {
    {COLUMN_LINES_PER_SECOND, 10, 2, 1e-6, "M lines/s"},
    {COLUMN_CPU_PER_MILLION, 10, 3, 1, "CPU-s/M"},
    {COLUMN_BYTES_PER_LINE, 11, 1, 1, "bytes/line"},
    {BENCH_CALLS, 10, 2, 1e-6, "M calls"},
    {COLUMN_LOST, 11, 0, 1, "lost"},
    {BENCH_TOLD_DROPPED, 11, 0, 1, "told lost"},
    {BENCH_RSS_GROWTH_MIB, 8, 1, 1, "RSS +MiB"},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static volatile sig_atomic_t stopped;

static void on_signal(int number) {
    stopped = number;
}

/* Not $TMPDIR: what a disk takes is to be measured, and that is often memory. */
static const char *parent_of(const struct tlr__bench_arguments *arguments) {
    return arguments->directory != NULL ? arguments->directory : "/var/tmp";
}

/* ---- measuring --------------------------------------------------------------------------------
 */

/* A row without a file loses nothing; else the file is the judge. */
static void add_round(struct row *row, const struct bench_result *result, uint64_t records,
                      uint64_t bytes) {
    const unsigned round = row->round_count++;
    const double *const values = result->values;
    const double lines = (double)records - values[BENCH_EXTRA_LINES];
    for (int i = 0; i < BENCH_METRIC_COUNT; i++) row->rounds[i][round] = values[i];
    row->rounds[COLUMN_LOST][round] =
        row->peer->output == TLR__BENCH_NO_FILE ? NAN : values[BENCH_CALLS] - lines;
    row->rounds[COLUMN_LINES_PER_SECOND][round] = lines / values[BENCH_SECONDS];
    row->rounds[COLUMN_CPU_PER_MILLION][round] = values[BENCH_CPU_SECONDS] / lines * 1e6;
    row->rounds[COLUMN_BYTES_PER_LINE][round] = (double)bytes / (double)records;
}

/* In a new directory each time, so that no logger finds another's files. */
static int measure_in(const char *directory, struct row *row,
                      const struct tlr__bench_arguments *arguments) {
    char path[TLR__SCRATCH_BYTES];
    struct bench_result result;
    uint64_t records, bytes;
    const struct bench_plan plan = {.part = row->part,
                                    .path = tlr__scratch_path(path, directory, "log"),
                                    .seconds = (double)arguments->duration_ns * 1e-9,
                                    .producers = (unsigned)arguments->producers,
                                    .rate = (unsigned)arguments->rate};
    /* Twenty times: a disk that writes slowly may hold a close up for long. */
    const uint64_t deadline_ns =
        bench_clock_ns() + 20 * arguments->duration_ns + UINT64_C(60000000000);

    int error = tlr__bench_child_run(row->peer, &plan, deadline_ns, &stopped, &result, row->error);
    if (error != 0) return error;
    error = tlr__bench_child_output(row->peer, path, &records, &bytes);
    if (error == 0) {
        add_round(row, &result, records, bytes);
    } else {
        snprintf(row->error, sizeof row->error, "its output could not be read: %s",
                 strerror(-error));
    }
    return error;
}

static void measure(struct row *row, const struct tlr__bench_arguments *arguments) {
    char directory[TLR__SCRATCH_BYTES];
    const int error = tlr__scratch_make(directory, parent_of(arguments), "tlr-bench");
    if (error != 0) {
        snprintf(row->error, sizeof row->error, "no directory for its log: %s", strerror(-error));
        return;
    }
    measure_in(directory, row, arguments);
    tlr__scratch_remove(directory);
}

static unsigned choose_rows(const struct tlr__bench_arguments *arguments, struct row *rows) {
    unsigned count = 0;
    for (unsigned part = BENCH_LATENCY; part <= BENCH_THROUGHPUT; part++)
        for (unsigned i = 0; i < tlr__bench_peer_count; i++) {
            const struct tlr__bench_peer *const peer = &tlr__bench_peers[i];
            if ((peer->parts & part) == 0 || !tlr__bench_wants(arguments, peer->name)) continue;
            rows[count].peer = peer;
            rows[count].part = (enum bench_part)part;
            if (!tlr__bench_child_available(peer))
                snprintf(rows[count].error, sizeof rows[count].error, "%s was not built",
                         peer->program);
            count++;
        }
    return count;
}

/* ---- printing ---------------------------------------------------------------------------------
 */

static double median(const struct row *row, int column) {
    double values[ROUNDS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < row->round_count; i++)
        if (!isnan(row->rounds[column][i])) values[count++] = row->rounds[column][i];
    return tlr__bench_median(values, count);
}

static void print_table(const struct row *rows, unsigned row_count, enum bench_part part,
                        const struct table_column *columns, unsigned column_count) {
    printf("%-18s", "logger");
    for (unsigned i = 0; i < column_count; i++) printf(" %*s", columns[i].width, columns[i].title);
    putchar('\n');
    for (const struct row *row = rows; row < rows + row_count; row++) {
        if (row->part != part) continue;
        printf("%-18s", row->peer->name);
        for (unsigned i = 0; i < column_count && row->round_count > 0; i++) {
            const double value = median(row, columns[i].column) * columns[i].scale;
            if (isnan(value))
                printf(" %*s", columns[i].width, "-");
            else
                printf(" %*.*f", columns[i].width, columns[i].decimals, value);
        }
        if (row->error[0] != '\0') printf("  %s", row->error);
        putchar('\n');
    }
}

static void print_tables(const struct tlr__bench_arguments *arguments, const char *file_system,
                         const struct row *rows, unsigned row_count) {
    double empty_batch_ns = NAN;
    for (unsigned i = 0; i < row_count && isnan(empty_batch_ns); i++)
        empty_batch_ns = median(&rows[i], BENCH_EMPTY_BATCH_NS);

    printf("\ntime of a call, at %llu calls a second: batches of %d calls between two rdtscp, an\n"
           "empty batch (%.0f ns) subtracted; then single calls over 1 us; the empty loop's gaps\n"
           "are the machine's, only what is above them is the logger's\n",
           (unsigned long long)arguments->rate, BENCH_BATCH, empty_batch_ns);
    print_table(rows, row_count, BENCH_LATENCY, latency_columns, COUNT_OF(latency_columns));

    printf("\nto a file (%s), for %.1f s, until the last line is in it; lost: calls less the\n"
           "lines found in the file; told: as the logger itself counts them\n",
           file_system, (double)arguments->duration_ns * 1e-9);
    print_table(rows, row_count, BENCH_THROUGHPUT, throughput_columns,
                COUNT_OF(throughput_columns));

    printf("\nsettings\n");
    for (unsigned i = 0; i < tlr__bench_peer_count; i++)
        if (tlr__bench_wants(arguments, tlr__bench_peers[i].name))
            printf("%-18s %s\n", tlr__bench_peers[i].name, tlr__bench_peers[i].settings);
}

static void print_json_column(const struct row *row, int column, const char *name) {
    const double middle = median(row, column);
    if (isnan(middle)) return;
    printf(",\"%s\":{\"median\":%.17g,\"rounds\":[", name, middle);
    for (unsigned i = 0; i < row->round_count; i++)
        printf("%s%.17g", i > 0 ? "," : "", row->rounds[column][i]);
    printf("]}");
}

/* Names, settings and errors are this program's own words: nothing in them is to be escaped. */
static void print_json(const struct tlr__bench_arguments *arguments, const char *file_system,
                       const struct row *rows, unsigned row_count) {
    printf("{\"bench\":\"log\",\"message\":\"%s\",", message);
    tlr__bench_print_machine(stdout, 1);
    printf(",\"file_system\":\"%s\",\"rounds\":%llu,\"seconds\":%.3f,\"producers\":%llu,"
           "\"rate\":%llu,\"batch\":%d,\"rows\":[",
           file_system, (unsigned long long)arguments->rounds,
           (double)arguments->duration_ns * 1e-9, (unsigned long long)arguments->producers,
           (unsigned long long)arguments->rate, BENCH_BATCH);
    for (unsigned i = 0; i < row_count; i++) {
        const struct row *const row = &rows[i];
        printf("%s\n{\"logger\":\"%s\",\"part\":\"%s\",\"settings\":\"%s\"", i > 0 ? "," : "",
               row->peer->name, row->part == BENCH_LATENCY ? "latency" : "throughput",
               row->peer->settings);
        if (row->error[0] != '\0') printf(",\"error\":\"%s\"", row->error);
        for (int column = 0; column < COLUMN_COUNT; column++)
            print_json_column(row, column,
                              column < BENCH_METRIC_COUNT
                                  ? bench_metric_names[column]
                                  : column_names[column - BENCH_METRIC_COUNT]);
        putchar('}');
    }
    printf("]}\n");
}

/* ---- where the logs go ------------------------------------------------------------------------
 */

/* The type of the mount that holds `path`: of all mount points above it the longest. */
static void find_file_system(const char *path, char *type, size_t bytes) {
    char line[4096], real[PATH_MAX];
    size_t longest = 0;
    snprintf(type, bytes, "unknown file system");
    FILE *mounts = fopen("/proc/self/mounts", "r");
    if (mounts == NULL) return;
    if (realpath(path, real) == NULL) real[0] = '\0';
    while (fgets(line, sizeof line, mounts) != NULL) {
        char point[1024], kind[64];
        if (sscanf(line, "%*s %1023s %63s", point, kind) != 2) continue;
        const size_t length = strcmp(point, "/") == 0 ? 0 : strlen(point);
        const bool holds =
            strncmp(real, point, length) == 0 && (real[length] == '/' || real[length] == '\0');
        if (!holds || length < longest) continue;
        longest = length;
        snprintf(type, bytes, "%.*s", (int)strcspn(kind, "\"\\"), kind);
    }
    fclose(mounts);
}

static int check_space(const char *parent, uint64_t duration_ns) {
    const double needed = BYTES_PER_SECOND_MAX * ((double)duration_ns * 1e-9);
    struct statvfs space;
    if (statvfs(parent, &space) != 0) return tlr__cli_error("%s: %s", parent, strerror(errno));
    if (access(parent, W_OK | X_OK) != 0) return tlr__cli_error("%s: %s", parent, strerror(errno));
    if ((double)space.f_bavail * (double)space.f_frsize < needed)
        return tlr__cli_error("%s: fewer than %.0f MB are free, which a measurement may need; "
                              "choose another --dir or fewer --seconds",
                              parent, needed / 1e6);
    return TLR__CLI_FOUND;
}

/* ---- the command ------------------------------------------------------------------------------
 */

static void run_rounds(const struct tlr__bench_arguments *arguments, struct row *rows,
                       unsigned row_count) {
    for (uint64_t round = 0; round < arguments->rounds && !stopped; round++) {
        tlr__cli_notice("round %llu of %llu", (unsigned long long)round + 1,
                        (unsigned long long)arguments->rounds);
        for (unsigned i = 0; i < row_count && !stopped; i++)
            if (rows[i].error[0] == '\0') measure(&rows[i], arguments);
    }
}

static int finish(const struct tlr__bench_arguments *arguments, const char *file_system,
                  const struct row *rows, unsigned row_count) {
    if (arguments->json)
        print_json(arguments, file_system, rows, row_count);
    else
        print_tables(arguments, file_system, rows, row_count);
    for (unsigned i = 0; i < row_count; i++)
        if (rows[i].error[0] != '\0') return TLR__CLI_PARTIAL;
    return TLR__CLI_FOUND;
}

int tlr__bench_log_run(const struct tlr__bench_arguments *arguments) {
    static struct row rows[ROWS_MAX];
    char file_system[64];

    const unsigned row_count = choose_rows(arguments, rows);
    if (row_count == 0) return tlr__cli_error("--only %s: there is no such row", arguments->only);
    const int status = check_space(parent_of(arguments), arguments->duration_ns);
    if (status != TLR__CLI_FOUND) return status;
    find_file_system(parent_of(arguments), file_system, sizeof file_system);

    const struct sigaction catch = {.sa_handler = on_signal};
    sigaction(SIGINT, &catch, NULL);
    sigaction(SIGTERM, &catch, NULL);
    if (!arguments->json) {
        tlr__bench_print_machine(stdout, 0);
        printf("message: %s; %llu producer%s, the backend on a processor of its own; "
               "medians of %llu rounds\n",
               message, (unsigned long long)arguments->producers,
               arguments->producers == 1 ? "" : "s", (unsigned long long)arguments->rounds);
    }
    run_rounds(arguments, rows, row_count);
    if (stopped) return tlr__cli_error("stopped by signal %d", (int)stopped);
    return finish(arguments, file_system, rows, row_count);
}
