/* bench_server_measure.c - one round of one server: started fresh, loaded, looked at, ended.
 */
#include "bench_server.h"

#include "child_server.h"
#include "lab_account.h"
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <tailrace/clock.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 64
#define WARM_UP_NS (200 * TLR_NS_PER_MS)

struct run {
    struct tlr__bench_server_row *row;
    char directory[TLR__SCRATCH_BYTES], log[TLR__SCRATCH_BYTES], trace[TLR__SCRATCH_BYTES];
    struct tlr__child_server server;      /* nginx too: its child and its port */
    int server_processor, load_processor; /* -1: there is only one */
    size_t requests;
};

__attribute__((format(printf, 3, 4))) static int complain(struct tlr__bench_server_row *row,
                                                          int error, const char *format, ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(row->error, sizeof row->error, format, values);
    va_end(values);
    return error;
}

/* ---- processors ---------------------------------------------------------------------------- */

/* The first two that this process may use. */
static void choose_processors(struct run *run) {
    cpu_set_t allowed;
    run->server_processor = run->load_processor = -1;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0) return;
    int found[2], count = 0;
    for (int i = 0; i < CPU_SETSIZE && count < 2; i++)
        if (CPU_ISSET(i, &allowed)) found[count++] = i;
    if (count < 2) return;
    run->server_processor = found[0];
    run->load_processor = found[1];
}

/* A thread made by the calling thread inherits where it may run: so the load is pinned. */
static void run_pinned_load(struct run *run, struct tlr__load **load,
                            const struct tlr__load_options *options) {
    cpu_set_t before, pinned;
    sched_getaffinity(0, sizeof before, &before);
    CPU_ZERO(&pinned);
    CPU_SET(run->load_processor, &pinned);
    if (run->load_processor >= 0) sched_setaffinity(0, sizeof pinned, &pinned);
    if (tlr__load_start(load, options) < 0)
        *load = NULL;
    else
        tlr__load_finish(*load);
    sched_setaffinity(0, sizeof before, &before);
}

/* ---- servers ------------------------------------------------------------------------------- */

static int start_own(struct run *run) {
    const char *arguments[16] = {"--loops", "1", "--log", run->log};
    size_t count = 4;
    if (run->row->traces) {
        arguments[count++] = "--trace";
        arguments[count++] = run->trace;
    }
    for (const char *const *more = run->row->arguments; *more != NULL; more++)
        arguments[count++] = *more;
    return tlr__child_server_start(
        &run->server, &(struct tlr__child_server_options){.directory = run->directory,
                                                          .arguments = arguments,
                                                          .pinned = run->server_processor >= 0,
                                                          .processor = run->server_processor});
}

/* A port that is free now. */
static int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int port = -1;
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &bytes) == 0)
        port = ntohs(address.sin_port);
    if (fd >= 0) close(fd);
    return port;
}

/* One process, as the worker of a master would be; its log is unbuffered, as it is by default. */
static int write_nginx_config(const char *path, const char *directory, int port, int logs) {
    FILE *file = fopen(path, "we");
    if (file == NULL) return -errno;
    fprintf(file,
            "daemon off;\nmaster_process off;\nworker_processes 1;\n"
            "pid %s/nginx.pid;\nerror_log %s/error.log;\nevents { worker_connections 1024; }\n"
            "http {\n  access_log %s%s;\n  keepalive_requests 1000000000;\n",
            directory, directory, logs ? directory : "off", logs ? "/log combined" : "");
    for (const char *const *kind =
             (const char *const[]){"client_body", "proxy", "fastcgi", "uwsgi", "scgi", NULL};
         *kind != NULL; kind++)
        fprintf(file, "  %s_temp_path %s/%s;\n", *kind, directory, *kind);
    fprintf(file,
            "  server {\n    listen 127.0.0.1:%d;\n    default_type application/json;\n"
            "    location = /quick { return 200 '{\"status\":\"quick response\"}'; }\n  }\n}\n",
            port);
    return fclose(file) == 0 ? 0 : -errno;
}

static int accepts(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int connected = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) close(fd);
    return connected;
}

static int start_nginx(struct run *run) {
    char config[TLR__SCRATCH_BYTES], errors[TLR__SCRATCH_BYTES];
    tlr__scratch_path(config, run->directory, "nginx.conf");
    tlr__scratch_path(errors, run->directory, "error.log");
    run->server.port = free_port();
    int error = write_nginx_config(config, run->directory, run->server.port, run->row->logs);
    if (error < 0) return error;
    /* Where it is installed need not be on a user's path. */
    const char *const programs[] = {"nginx", "/usr/sbin/nginx"};
    for (int i = 0; i < 2; i++) {
        const char *const arguments[] = {programs[i], "-p", run->directory, "-c",
                                         config,      "-e", errors,         NULL};
        error = tlr__child_start(&run->server.child,
                                 &(struct tlr__child_options){.arguments = arguments,
                                                              .pinned = run->server_processor >= 0,
                                                              .processor = run->server_processor});
        if (error != -ENOENT) break;
    }
    if (error == -ENOENT) return complain(run->row, error, "nginx is not installed");
    for (int i = 0; error == 0 && i < 500; i++) {
        if (accepts(run->server.port)) return 0;
        if (tlr__child_wait(&run->server.child, 10 * TLR_NS_PER_MS) == 0) break;
    }
    return complain(run->row, error < 0 ? error : -EPROTO, "nginx does not start");
}

static int stop(struct run *run) {
    if (!run->row->is_nginx) return tlr__child_server_stop(&run->server, 20 * TLR_NS_PER_S);
    tlr__child_signal(&run->server.child, SIGQUIT);
    if (tlr__child_wait(&run->server.child, 5 * TLR_NS_PER_S) < 0)
        tlr__child_end(&run->server.child);
    return 0;
}

/* ---- the measurement ----------------------------------------------------------------------- */

/* Processor time of the server, once its writers have nothing left to do. */
static uint64_t settled_cpu_ns(const struct run *run) {
    const struct timespec pause = {.tv_nsec = 30 * (long)TLR_NS_PER_MS};
    uint64_t now_ns = tlr__child_cpu_ns(&run->server.child), before_ns;
    unsigned turns = 0;
    do {
        before_ns = now_ns;
        nanosleep(&pause, NULL);
        now_ns = tlr__child_cpu_ns(&run->server.child);
    } while (now_ns - before_ns > TLR_NS_PER_MS && ++turns < 100);
    return now_ns;
}

static int load(struct run *run, uint64_t duration_ns, struct tlr__load_summary *summary) {
    const struct tlr__load_stream stream = {.path = "/quick", .outstanding = CONNECTIONS};
    struct tlr__load *generator;
    run_pinned_load(run, &generator,
                    &(struct tlr__load_options){.port = run->server.port,
                                                .streams = &stream,
                                                .stream_count = 1,
                                                .duration_ns = duration_ns});
    if (generator == NULL) return -ENOMEM;
    int error = tlr__load_summarize(generator, 0, summary);
    tlr__load_close(generator);
    run->requests += summary->ok;
    return error;
}

static int measure(struct run *run, uint64_t duration_ns) {
    struct tlr__bench_server_row *row = run->row;
    struct tlr__load_summary summary;
    int error = load(run, WARM_UP_NS, &summary);
    if (error < 0) return complain(row, error, "load: %s", strerror(-error));
    uint64_t before_ns = settled_cpu_ns(run);
    error = load(run, duration_ns, &summary);
    if (error < 0) return complain(row, error, "load: %s", strerror(-error));
    uint64_t used_ns = settled_cpu_ns(run) - before_ns;
    if (summary.ok == 0) return complain(row, -EPROTO, "no request was answered");
    row->per_second[row->round_count] = (double)summary.ok / ((double)duration_ns / 1e9);
    row->cpu_us[row->round_count] = (double)used_ns / 1e3 / (double)summary.ok;
    row->round_count++;
    row->failed += summary.scheduled - summary.ok;
    return 0;
}

/* Nothing may be missing that is not announced. nginx's lines are not of our form. */
static int count_lines(struct run *run) {
    struct tlr__lab_account account;
    if (!run->row->logs || run->row->is_nginx) return 0;
    int error = tlr__lab_account_read(run->log, &account);
    if (error < 0) return complain(run->row, error, "log: %s", strerror(-error));
    run->row->dropped += account.dropped;
    run->row->lost += run->requests - account.access_lines - account.dropped;
    return 0;
}

int tlr__bench_server_measure(const struct tlr__bench_arguments *arguments,
                              struct tlr__bench_server_row *row) {
    struct run run = {.row = row};
    const char *parent = arguments->directory != NULL ? arguments->directory : "/var/tmp";
    int error = tlr__scratch_make(run.directory, parent, "tlr-bench-server");
    if (error < 0) return complain(row, error, "%s: %s", parent, strerror(-error));
    tlr__scratch_path(run.log, run.directory, "log");
    tlr__scratch_path(run.trace, run.directory, "trace");
    choose_processors(&run);

    error = row->is_nginx ? start_nginx(&run) : start_own(&run);
    if (error == 0) error = measure(&run, arguments->duration_ns);
    if (error == 0) error = stop(&run);
    if (error == 0) error = count_lines(&run);
    if (error < 0 && row->error[0] == '\0') complain(row, error, "the server failed");
    tlr__child_end(&run.server.child);
    tlr__scratch_remove(run.directory);
    return error;
}
