/* child_server.c - see child_server.h.
 */
#include "child_server.h"

#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <tailrace/clock.h>
#include <unistd.h>

#define ARGUMENTS_MAX 64
#define LOOK_NS (5 * TLR_NS_PER_MS)
#define LOOKS_MAX 2000

/* Reads its first words. Returns 0 when it listens, -EAGAIN when it has not said so yet. */
static int read_ports(struct tlr__child_server *server) {
    char line[512];
    int error = -EAGAIN;
    FILE *file = fopen(server->errors, "re");
    if (file == NULL) return -EAGAIN;
    while (error != 0 && fgets(line, sizeof line, file) != NULL) {
        const char *at = strstr(line, "listening on http://");
        if (at != NULL && strchr(line, '\n') != NULL &&
            sscanf(at, "listening on http://%*[^:]:%d, admin http://%*[^:]:%d", &server->port,
                   &server->admin_port) == 2)
            error = 0;
    }
    fclose(file);
    return error;
}

/* Passes on what a server that failed had said. */
static void repeat_errors(const struct tlr__child_server *server) {
    char line[512];
    FILE *file = fopen(server->errors, "re");
    if (file == NULL) return;
    while (fgets(line, sizeof line, file) != NULL)
        tlr__cli_notice("%.*s", (int)strcspn(line, "\n"), line);
    fclose(file);
}

static int await_ports(struct tlr__child_server *server) {
    for (int i = 0; i < LOOKS_MAX; i++) {
        int ended = tlr__child_wait(&server->child, LOOK_NS) == 0;
        if (read_ports(server) == 0) return 0;
        if (ended) break;
    }
    return -EPROTO;
}

/* This very program by its path, so that the child has its name too. */
static const char *own_program(char path[PATH_MAX]) {
    ssize_t bytes = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (bytes < 0) return "/proc/self/exe";
    path[bytes] = '\0';
    return path;
}

int tlr__child_server_start(struct tlr__child_server *server,
                            const struct tlr__child_server_options *options) {
    char program[PATH_MAX];
    const char *arguments[ARGUMENTS_MAX] = {own_program(program), "serve",  "--host",
                                            "127.0.0.1",          "--port", "any",
                                            "--admin-port",       "any"};
    size_t count = 8;
    for (const char *const *more = options->arguments; more != NULL && *more != NULL; more++)
        if (count < ARGUMENTS_MAX - 1) arguments[count++] = *more;

    *server = (struct tlr__child_server){0};
    tlr__scratch_path(server->errors, options->directory, "server.err");
    int error = tlr__child_start(&server->child,
                                 &(struct tlr__child_options){.arguments = arguments,
                                                              .errors = server->errors,
                                                              .pinned = options->pinned,
                                                              .processor = options->processor});
    if (error < 0) {
        tlr__cli_notice("start of the server: %s", strerror(-error));
        return error;
    }
    error = await_ports(server);
    if (error < 0) {
        repeat_errors(server);
        if (server->child.running)
            tlr__cli_notice("the server does not listen");
        else
            tlr__cli_notice("the server ended with %s", tlr__child_ending(&server->child));
        tlr__child_end(&server->child);
    }
    return error;
}

int tlr__child_server_stop(struct tlr__child_server *server, uint64_t deadline_ns) {
    tlr__child_signal(&server->child, SIGTERM);
    int error = tlr__child_wait(&server->child, deadline_ns);
    if (error == -ETIMEDOUT) {
        tlr__cli_notice("the server did not end on SIGTERM and was killed");
        tlr__child_end(&server->child);
    } else if (error == 0 && server->child.status != 0) {
        repeat_errors(server);
        tlr__cli_notice("the server ended with %s", tlr__child_ending(&server->child));
        error = -EPROTO;
    }
    return error;
}
