/* serve.c - `tlr serve`: the demonstration server, from its options to its end.
 */
#include "cli.h"
#include "endpoints.h"
#include "sink_watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <tailrace/ring.h>
#include <tailrace/server.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

/* At most: a small container has 64 MB for all. A request writes most to the trace. */
#define LOG_RING_BYTES (8u << 20)
#define TRACE_RING_BYTES (16u << 20)
#define LANE_BYTES_MIN (64u << 10)
#define MOMENT_NS (200 * TLR_NS_PER_MS)

static struct {
    const char *host, *log, *trace, *ring_directory;
    int port, admin_port;
    uint64_t loops, pool, pool_queue, lane_bytes, stop_ns;
    int format, level, no_access_log, sync_log;
} arguments = {
    .host = "127.0.0.1",
    .log = "-",
    .port = 8080,
    .admin_port = 9901,
    .pool = 4,
    .pool_queue = 1024,
    .stop_ns = 5 * TLR_NS_PER_S,
    .level = TLR_LEVEL_INFO - TLR_LEVEL_DEBUG,
};

static const char *const format_words[] = {"text", "json", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", "off", NULL};

static const struct tlr__cli_option options[] = {
    {.name = "port",
     .letter = 'p',
     .type = TLR__CLI_PORT,
     .argument = "N",
     .store.port = &arguments.port,
     .word = "any",
     .default_text = "8080",
     .help = "serve here; any: a free port, which is printed"},
    {.name = "host",
     .type = TLR__CLI_STRING,
     .argument = "ADDRESS",
     .store.string = &arguments.host,
     .default_text = "127.0.0.1",
     .help = "serve on this numeric address; 0.0.0.0: on all, to everyone"},
    {.name = "admin-port",
     .type = TLR__CLI_PORT,
     .argument = "N",
     .store.port = &arguments.admin_port,
     .word = "any",
     .default_text = "9901",
     .help = "health, threads and stalls, on 127.0.0.1 and a loop of its own"},
    {.name = "log",
     .letter = 'l',
     .type = TLR__CLI_STRING,
     .argument = "DEST",
     .store.string = &arguments.log,
     .default_text = "-",
     .help = "log to this file or FIFO; - is the standard output"},
    {.name = "log-format",
     .type = TLR__CLI_CHOICE,
     .argument = "FORMAT",
     .store.choice = &arguments.format,
     .choices = format_words,
     .default_text = "text",
     .help = "text or json lines"},
    {.name = "log-level",
     .type = TLR__CLI_CHOICE,
     .argument = "LEVEL",
     .store.choice = &arguments.level,
     .choices = level_words,
     .default_text = "info",
     .help = "log from this level on: debug, info, warn, error, off"},
    {.name = "no-access-log",
     .type = TLR__CLI_FLAG,
     .store.flag = &arguments.no_access_log,
     .help = "log no line per request"},
    {.name = "sync-log",
     .type = TLR__CLI_FLAG,
     .store.flag = &arguments.sync_log,
     .help = "write every line in the thread that logs it: for comparing, not for use"},
    {.name = "trace",
     .letter = 't',
     .type = TLR__CLI_STRING,
     .argument = "DIR",
     .store.string = &arguments.trace,
     .default_text = "no trace",
     .help = "trace requests and stalls into this directory"},
    {.name = "loops",
     .type = TLR__CLI_UNSIGNED,
     .argument = "N",
     .store.number = &arguments.loops,
     .min = 1,
     .max = 64,
     .default_text = "one per two processors",
     .help = "event loops, a thread each"},
    {.name = "pool",
     .type = TLR__CLI_UNSIGNED,
     .argument = "N",
     .store.number = &arguments.pool,
     .min = 1,
     .max = 1024,
     .default_text = "4",
     .help = "threads of the pool"},
    {.name = "pool-queue",
     .type = TLR__CLI_UNSIGNED,
     .argument = "N",
     .store.number = &arguments.pool_queue,
     .min = 1,
     .max = 1000000,
     .default_text = "1024",
     .help = "requests that may wait for the pool; more get 503"},
    {.name = "lane-bytes",
     .type = TLR__CLI_SIZE,
     .argument = "SIZE",
     .store.number = &arguments.lane_bytes,
     .min = 4096,
     .max = 64 << 20,
     .default_text = "a share of 8M, at least 64K",
     .help = "log memory of a thread, a power of two"},
    {.name = "ring-dir",
     .type = TLR__CLI_STRING,
     .argument = "DIR",
     .store.string = &arguments.ring_directory,
     .default_text = "/dev/shm/tailrace-UID",
     .help = "keep the ring files here"},
    {.name = "stop-within",
     .type = TLR__CLI_DURATION,
     .argument = "TIME",
     .store.number = &arguments.stop_ns,
     .default_text = "5s",
     .help = "on SIGTERM, wait so long for requests under way, and again for the log"},
};

enum { WATCH_LOG, WATCH_SYNC_LOG, WATCH_TRACE, WATCH_COUNT };

struct service {
    struct tlr_log *log, *sync_log;
    struct tlr_tracer *tracer;
    struct tlr_server *server;
    struct tlr__endpoints endpoints;
    struct tlr__sink_watch watches[WATCH_COUNT];
    uint64_t lines_dropped; /* by the logs that were closed */
};

static const char *log_destination(void) {
    return strcmp(arguments.log, "-") == 0 ? "on the standard output" : arguments.log;
}

/* ---- start --------------------------------------------------------------------------------- */

/* Every thread that logs takes a lane: loops, pool, admin and this one, and a few to spare. */
static unsigned lanes_needed(void) {
    uint64_t lanes = arguments.loops + arguments.pool + 6;
    return lanes < 256 ? (unsigned)lanes : 256;
}

/* At full speed a loop writes 25 MB a second to log and trace each: its lanes must last until the
 * writers, which share the processors with everyone, are back. */
static size_t lane_bytes(size_t ring_bytes) {
    size_t bytes = LANE_BYTES_MIN;
    while (2 * bytes * lanes_needed() <= ring_bytes) bytes *= 2;
    return bytes;
}

static int open_log(struct tlr_log **log, const char *name, enum tlr_mode mode) {
    struct tlr_log_options log_options = {
        .name = name,
        .path = strcmp(arguments.log, "-") == 0 ? NULL : arguments.log,
        .fd = STDOUT_FILENO,
        .mode = mode,
        .format = arguments.format == 1 ? TLR_FORMAT_JSON : TLR_FORMAT_TEXT,
        .level = (enum tlr_level)(arguments.level + TLR_LEVEL_DEBUG),
        .ring_directory = arguments.ring_directory,
        .lane_count = lanes_needed(),
        .lane_bytes =
            arguments.lane_bytes != 0 ? (size_t)arguments.lane_bytes : lane_bytes(LOG_RING_BYTES),
    };
    int error = tlr_log_open(log, &log_options);
    if (error == -EINVAL && arguments.lane_bytes != 0)
        return tlr__cli_error("--lane-bytes: %llu is no power of two that fits",
                              (unsigned long long)arguments.lane_bytes);
    if (error < 0) return tlr__cli_error("log %s: %s", arguments.log, strerror(-error));
    return 0;
}

static int open_logs(struct service *service) {
    enum tlr_mode mode = arguments.sync_log ? TLR_MODE_SYNC : TLR_MODE_RING;
    int status = open_log(&service->log, "log", mode);
    if (status == 0 && !arguments.sync_log)
        status = open_log(&service->sync_log, "sync", TLR_MODE_SYNC);
    return status;
}

static int open_tracer(struct service *service) {
    if (arguments.trace == NULL) return 0;
    struct tlr_tracer_options tracer_options = {
        .directory = arguments.trace,
        .ring_directory = arguments.ring_directory,
        .lane_count = lanes_needed(),
        .lane_bytes = lane_bytes(TRACE_RING_BYTES),
    };
    int error = tlr_tracer_open(&service->tracer, &tracer_options);
    if (error < 0) return tlr__cli_error("trace %s: %s", arguments.trace, strerror(-error));
    return 0;
}

static int start_server(struct service *service) {
    struct tlr_server_options server_options = {
        .host = arguments.host,
        .port = arguments.port,
        .loops = (unsigned)arguments.loops,
        .pool = (unsigned)arguments.pool,
        .pool_queue_max = (unsigned)arguments.pool_queue,
        .admin_port = arguments.admin_port,
        .log = service->log,
        .tracer = service->tracer,
        .access_log_off = arguments.no_access_log,
    };
    int error = tlr_server_open(&service->server, &server_options);
    if (error < 0) return tlr__cli_error("server: %s", strerror(-error));

    service->endpoints = (struct tlr__endpoints){
        .log = service->log, .sync_log = service->sync_log, .tracer = service->tracer};
    error = tlr__endpoints_add(service->server, &service->endpoints);
    if (error < 0) return tlr__cli_error("routes: %s", strerror(-error));
    error = tlr_server_start(service->server);
    if (error < 0)
        return tlr__cli_error("%s: %s", tlr_server_error(service->server), uv_strerror(error));
    return 0;
}

static void announce(const struct service *service) {
    int is_ipv6 = strchr(arguments.host, ':') != NULL;
    tlr__cli_notice("listening on http://%s%s%s:%d, admin http://127.0.0.1:%d, %u loop%s, "
                    "%u pool thread%s, log %s, trace %s",
                    is_ipv6 ? "[" : "", arguments.host, is_ipv6 ? "]" : "",
                    tlr_server_port(service->server), tlr_server_admin_port(service->server),
                    (unsigned)arguments.loops, arguments.loops == 1 ? "" : "s",
                    (unsigned)arguments.pool, arguments.pool == 1 ? "" : "s", log_destination(),
                    arguments.trace != NULL ? arguments.trace : "off");
}

/* ---- what goes wrong meanwhile ------------------------------------------------------------- */

static void watch_sinks(struct service *service, char *log_name, char *trace_name, size_t size) {
    static const char kept[] = "lines are kept in memory and dropped when it is full";
    static const char lost[] = "lines that are written synchronously are lost";
    snprintf(log_name, size, "log %s", log_destination());
    snprintf(trace_name, size, "trace %s", arguments.trace != NULL ? arguments.trace : "off");
    service->watches[WATCH_LOG] = (struct tlr__sink_watch){
        .log = service->log, .name = log_name, .meanwhile = arguments.sync_log ? lost : kept};
    service->watches[WATCH_SYNC_LOG] =
        (struct tlr__sink_watch){.log = service->sync_log, .name = log_name, .meanwhile = lost};
    if (service->tracer != NULL)
        service->watches[WATCH_TRACE] = (struct tlr__sink_watch){
            .log = tlr_tracer_log(service->tracer),
            .name = trace_name,
            .directory = arguments.trace,
            .meanwhile = "records are kept in memory and dropped when it is full"};
}

static void look_at_sinks(struct service *service) {
    for (unsigned i = 0; i < WATCH_COUNT; i++) tlr__sink_watch_look(&service->watches[i]);
}

/* Once: all rings are made in the same directory. */
static void say_if_private(const struct service *service) {
    char directory[64];
    snprintf(directory, sizeof directory, "/dev/shm/tailrace-%u", (unsigned)geteuid());
    for (unsigned i = 0; i < WATCH_COUNT; i++) {
        struct tlr_log_stats stats;
        if (service->watches[i].log == NULL) continue;
        tlr_log_stats(service->watches[i].log, &stats);
        if (stats.ring_private == 0) continue;
        tlr__cli_notice("no ring file in %s: %s; `tlr stalls %d` cannot look in",
                        arguments.ring_directory != NULL ? arguments.ring_directory : directory,
                        strerror(-stats.ring_private), (int)getpid());
        return;
    }
}

/* ---- signals ------------------------------------------------------------------------------- */

/* Blocked before any thread is made, so that only wait_for_stop takes them. */
static void prepare_signals(sigset_t *awaited) {
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(awaited);
    sigaddset(awaited, SIGTERM);
    sigaddset(awaited, SIGINT);
    sigaddset(awaited, SIGHUP);
    pthread_sigmask(SIG_BLOCK, awaited, NULL);
}

static void reopen_logs(const struct service *service) {
    int error = tlr_log_reopen(service->log);
    if (service->sync_log != NULL) tlr_log_reopen(service->sync_log);
    if (error < 0) tlr__cli_notice("log %s: not reopened: %s", arguments.log, strerror(-error));
}

static void wait_for_stop(struct service *service, const sigset_t *awaited) {
    const struct timespec second = {.tv_sec = 1};
    for (;;) {
        int number = sigtimedwait(awaited, NULL, &second);
        if (number == SIGTERM || number == SIGINT) break;
        if (number == SIGHUP) reopen_logs(service);
        look_at_sinks(service);
    }
    /* From here on the next one ends the process at once: the ring file keeps what is in it. */
    pthread_sigmask(SIG_UNBLOCK, awaited, NULL);
}

/* ---- end ----------------------------------------------------------------------------------- */

/* Lines that were accepted and are not written, as the ring file of a log that was given up shows.
 */
static uint64_t lines_left(const char *ring_path, uint64_t *bytes) {
    struct tlr_ring *ring;
    uint64_t lines = 0;
    *bytes = 0;
    if (tlr_ring_open(&ring, ring_path) < 0) return 0;
    struct tlr_log_stats stats;
    tlr_ring_stats(ring, &stats);
    for (unsigned i = 0; i < tlr_ring_thread_count(ring); i++) {
        struct tlr_thread_view view;
        if (tlr_ring_thread(ring, i, &view) < 0) continue;
        lines += view.records;
        *bytes += view.lane_used_bytes;
    }
    tlr_ring_close(ring);
    return lines > stats.written ? lines - stats.written : 0;
}

static double seconds(uint64_t ns) {
    return (double)ns / 1e9;
}

/* Waits a moment first, so that a usual end is silent and a long one is explained. */
static int close_patiently(struct tlr_log *log) {
    uint64_t left_ns = arguments.stop_ns;
    if (left_ns > MOMENT_NS && tlr_log_flush(log, MOMENT_NS) == -ETIMEDOUT) {
        left_ns -= MOMENT_NS;
        tlr__cli_notice("stopping: log %s has not taken all lines, at most %.1f s; a second signal "
                        "stops at once",
                        log_destination(), seconds(left_ns));
    }
    return tlr_log_close(log, left_ns);
}

static int close_log(struct service *service, struct tlr_log *log) {
    struct tlr_log_stats stats;
    if (log == NULL) return 0;
    char *ring_path = strdup(tlr_log_ring_path(log));
    tlr_log_stats(log, &stats);
    for (int i = 0; i < TLR_REASON_COUNT; i++) service->lines_dropped += stats.dropped[i];
    int error = close_patiently(log);
    if (error == -ETIMEDOUT && ring_path != NULL && ring_path[0] != '\0') {
        uint64_t bytes, lines = lines_left(ring_path, &bytes);
        tlr__cli_notice("log %s takes nothing: %llu lines (%llu bytes) stay in %s, for a recovery "
                        "that this version has no command for",
                        log_destination(), (unsigned long long)lines, (unsigned long long)bytes,
                        ring_path);
    } else if (error < 0) {
        tlr__cli_notice("log %s: %s; lines were lost", log_destination(), strerror(-error));
    }
    free(ring_path);
    return error;
}

/* The logs go last: all others log until their end. */
static int close_all(struct service *service) {
    int error = tlr_tracer_close(service->tracer, arguments.stop_ns);
    if (error < 0) tlr__cli_notice("trace %s: %s", arguments.trace, strerror(-error));
    if (close_log(service, service->sync_log) < 0) error = -ETIMEDOUT;
    if (close_log(service, service->log) < 0) error = -ETIMEDOUT;
    if (service->lines_dropped > 0)
        tlr__cli_notice("log %s: %llu line%s dropped while it ran", log_destination(),
                        (unsigned long long)service->lines_dropped,
                        service->lines_dropped == 1 ? " was" : "s were");
    return error;
}

static void say_what_is_under_way(const struct tlr_server *server) {
    struct tlr_server_stats stats;
    tlr_server_stats(server, &stats);
    uint64_t ended = stats.responses + stats.abandoned;
    if (stats.requests <= ended) return;
    uint64_t under_way = stats.requests - ended;
    tlr__cli_notice("stopping: %llu request%s under way, at most %.1f s; a second signal stops at "
                    "once",
                    (unsigned long long)under_way, under_way == 1 ? "" : "s",
                    seconds(arguments.stop_ns));
}

static int stop(struct service *service) {
    say_what_is_under_way(service->server);
    int cut = tlr_server_stop(service->server, arguments.stop_ns);
    if (cut < 0)
        tlr__cli_notice("requests still under way after %.1f s were cut off",
                        seconds(arguments.stop_ns));
    tlr_server_close(service->server);
    if (cut == 0) uv_library_shutdown(); /* ends the pool's threads: their lanes are given back */
    int error = close_all(service);
    /* libuv has a destructor that waits for the pool: for ever, if one of its threads waits for a
     * log that takes nothing. */
    if (cut < 0) _exit(TLR__CLI_PARTIAL);
    return error < 0 ? TLR__CLI_PARTIAL : TLR__CLI_FOUND;
}

/* Names are not looked up: that would take a resolver, and as long as it likes. */
static int check_host(void) {
    struct in6_addr address;
    if (inet_pton(AF_INET, arguments.host, &address) == 1 ||
        inet_pton(AF_INET6, arguments.host, &address) == 1)
        return 0;
    return tlr__cli_error("--host: \"%s\" is no numeric address", arguments.host);
}

/* libuv reads its pool's size from the environment, at its first use. */
static void size_pool(void) {
    char text[16];
    snprintf(text, sizeof text, "%u", (unsigned)arguments.pool);
    setenv("UV_THREADPOOL_SIZE", text, 1);
}

static int run(int operand_count, char **operands) {
    (void)operand_count;
    (void)operands;
    struct service service = {0};
    sigset_t awaited;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (arguments.loops == 0) arguments.loops = processors > 2 ? (uint64_t)processors / 2 : 1;
    size_pool();
    prepare_signals(&awaited);

    int status = check_host();
    if (status == 0) status = open_logs(&service);
    if (status == 0) status = open_tracer(&service);
    if (status == 0) status = start_server(&service);
    if (status != 0) {
        tlr_server_close(service.server);
        close_all(&service);
        return status;
    }
    char log_name[512], trace_name[512];
    watch_sinks(&service, log_name, trace_name, sizeof log_name);
    say_if_private(&service);
    announce(&service);
    wait_for_stop(&service, &awaited);
    return stop(&service);
}

const struct tlr__cli_command tlr__serve_command = {
    .name = "serve",
    .summary = "run the demonstration server, logged and traced",
    .description =
        "Endpoints, told of by GET /: /sync /async /loop/sync /loop/async /pool/sync /pool/async "
        "/quick\n"
        "/task?mode=await|block|pool&ms=N /cpu?ms=N&where=loop|pool /echo /scope /threads.\n"
        "\n"
        "SIGTERM and SIGINT end it when requests under way are answered and their lines\n"
        "written; a second one ends it at once. SIGHUP opens the log's path anew.",
    .examples = "tlr serve --port 8080 --log service.log --trace trace\n"
                "tlr serve --log - | tlr tail -F",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = run,
};
