#include "admin.h"
#include "listen.h"
#include "server_log.h"
#include "server_state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CUT_GRACE_NS (250 * TLR_NS_PER_MS) /* for what was cut off to come back */
#define ADMIN_GRACE_NS TLR_NS_PER_S

/* ---- life ---------------------------------------------------------------------------------- */

static int copy_host(char *out, const char *host, const char *fallback) {
    const char *text = host ? host : fallback;
    if (strlen(text) >= TLR__SERVER_HOST_BYTES) return -EINVAL;
    strcpy(out, text);
    return 0;
}

static int read_options(struct tlr_server *server, const struct tlr_server_options *options) {
    int error = tlr__limits_read(&server->limits, options);
    if (!error) error = copy_host(server->host, options->host, "0.0.0.0");
    if (!error) error = copy_host(server->admin_host, options->admin_host, "127.0.0.1");
    server->options = *options;
    server->options.host = server->host;
    server->options.admin_host = server->admin_host;
    if (server->options.port == 0) server->options.port = 8080;
    server->pool.admitted_max = server->limits.pool + server->limits.pool_queue;
    return error;
}

int tlr_server_open(struct tlr_server **server, const struct tlr_server_options *options) {
    static atomic_uint numbers;
    struct tlr_server *opened = calloc(1, sizeof *opened);
    int error;

    if (!opened) return -ENOMEM;
    /* The clock's calibration takes milliseconds and changes what a tick is; a log would have done
     * it at its opening, but a server may have none. */
    (void)tlr_clock_date_ns(tlr_clock_ticks());
    atomic_init(&opened->references, 1);
    opened->number = 1 + atomic_fetch_add_explicit(&numbers, 1, memory_order_relaxed);
    error = read_options(opened, options);
    if (!error) error = tlr__admin_routes(opened);
    if (error) {
        tlr__server_release(opened);
        return error;
    }
    *server = opened;
    return 0;
}

static void free_loops(struct tlr_server *server) {
    for (unsigned i = 0; i < server->loop_count; i++) tlr__loop_destroy(&server->loops[i]);
    free(server->loops);
    server->loops = NULL;
    server->loop_count = 0;
}

void tlr__server_release(struct tlr_server *server) {
    if (atomic_fetch_sub_explicit(&server->references, 1, memory_order_acq_rel) > 1) return;
    free_loops(server);
    tlr__router_free(&server->admin_router);
    tlr__router_free(&server->router);
    free(server);
}

void tlr_server_close(struct tlr_server *server) {
    if (!server) return;
    assert(!server->started);
    tlr__server_release(server);
}

int tlr_server_route_at(struct tlr_server *server, const struct tlr_site *site, const char *method,
                        const char *path, enum tlr_where where, tlr_handler_fn *handler,
                        void *user) {
    const struct tlr__route route = {
        .method = method,
        .path = path,
        .where = where,
        .site = site,
        .handler = handler,
        .user = user,
    };
    return tlr__route_add(&server->router, &route);
}

/* ---- starting ------------------------------------------------------------------------------ */

static void fill_loop(struct tlr_server *server, struct tlr__loop *loop, unsigned index) {
    const struct tlr_server_options *options = &server->options;
    loop->server = server;
    loop->limits = &server->limits;
    loop->log = options->log;
    if (index < server->limits.loops) {
        loop->router = &server->router;
        loop->tracer = options->tracer;
        loop->access_log_on = options->log && !options->access_log_off;
        loop->role = TLR_ROLE_LOOP;
        snprintf(loop->name, sizeof loop->name, "loop-%u", index);
    } else {
        /* Not traced, and without access lines: looking at a server does not change it. */
        loop->router = &server->admin_router;
        loop->role = TLR_ROLE_ADMIN;
        snprintf(loop->name, sizeof loop->name, "admin");
    }
}

static int make_loops(struct tlr_server *server) {
    const unsigned count = server->limits.loops + (server->options.admin_port != 0);
    free_loops(server); /* of an earlier run, kept for their counters */
    server->loops = calloc(count, sizeof *server->loops);
    if (!server->loops) return -ENOMEM;
    while (server->loop_count < count) {
        struct tlr__loop *loop = &server->loops[server->loop_count];
        fill_loop(server, loop, server->loop_count);
        const int error = tlr__loop_init(loop);
        if (error) return error;
        server->loop_count++;
    }
    return 0;
}

static void note_address(struct tlr_server *server, const char *host, int port) {
    const int is_v6 = strchr(host, ':') != NULL;
    snprintf(server->error, sizeof server->error, "listen on %s%s%s:%d", is_v6 ? "[" : "", host,
             is_v6 ? "]" : "", port < 0 ? 0 : port);
}

/* Binds every socket before any thread runs. descriptors: one for each loop, -1 where there is none
 * yet. */
static int bind_all(struct tlr_server *server, int *descriptors) {
    const unsigned loops = server->limits.loops;
    int error;

    server->port = server->options.port;
    note_address(server, server->host, server->port);
    error = tlr__listen_bind(server->host, &server->port, loops, descriptors);
    if (error) return error;

    server->admin_port = server->options.admin_port;
    if (server->admin_port == 0) return 0;
    note_address(server, server->admin_host, server->admin_port);
    error = tlr__listen_bind(server->admin_host, &server->admin_port, 1, descriptors + loops);
    if (error)
        for (unsigned i = 0; i < loops; i++) close(descriptors[i]);
    return error;
}

static int join_all(struct tlr_server *server, unsigned from, unsigned to, uint64_t deadline_ns);

static void stop_some(struct tlr_server *server, unsigned count) {
    for (unsigned i = 0; i < count; i++) tlr__loop_cut(&server->loops[i]);
    for (unsigned i = 0; i < count; i++) tlr__loop_stop(&server->loops[i]);
    join_all(server, 0, count, CUT_GRACE_NS);
}

static int start_all(struct tlr_server *server, const int *descriptors) {
    for (unsigned i = 0; i < server->loop_count; i++) {
        struct tlr__loop *loop = &server->loops[i];
        loop->listener_descriptor = descriptors[i];
        snprintf(server->error, sizeof server->error, "start %s", loop->name);
        const int error = tlr__loop_start(loop);
        if (!error) continue;
        for (unsigned rest = i + 1; rest < server->loop_count; rest++) close(descriptors[rest]);
        stop_some(server, i);
        return error;
    }
    return 0;
}

int tlr_server_start(struct tlr_server *server) {
    int descriptors[TLR__LIMITS_LOOPS + 1];
    int error;

    assert(!server->started);
    if (atomic_load_explicit(&server->abandoned, memory_order_relaxed)) return -EBUSY;
    atomic_store_explicit(&server->stopping, 0, memory_order_relaxed);
    snprintf(server->error, sizeof server->error, "make %u loops", server->limits.loops);
    error = make_loops(server);
    if (error) return error;
    error = bind_all(server, descriptors);
    if (error) return error;
    if (server->options.log) tlr__server_log_bind(server->options.log);
    error = start_all(server, descriptors);
    if (error) return error;
    server->error[0] = '\0';
    server->started = 1;
    return 0;
}

const char *tlr_server_error(const struct tlr_server *server) {
    return server->error;
}

/* ---- stopping ------------------------------------------------------------------------------ */

static struct timespec after(uint64_t ns) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += (time_t)(ns / TLR_NS_PER_S);
    time.tv_nsec += (long)(ns % TLR_NS_PER_S);
    if (time.tv_nsec >= (long)TLR_NS_PER_S) {
        time.tv_nsec -= (long)TLR_NS_PER_S;
        time.tv_sec++;
    }
    return time;
}

/* Joins loops [from, to); -ETIMEDOUT if one has not ended in time. */
static int join_all(struct tlr_server *server, unsigned from, unsigned to, uint64_t deadline_ns) {
    const struct timespec deadline = after(deadline_ns);
    int error = 0;
    for (unsigned i = from; i < to; i++) {
        struct tlr__loop *loop = &server->loops[i];
        if (!loop->joined) loop->joined = tlr__loop_join(loop, &deadline) == 0;
        if (!loop->joined) error = -ETIMEDOUT;
    }
    return error;
}

/* Stops loops [from, to): in order (0), then by force (-ETIMEDOUT), and gives up those that even
 * then do not end (-EBUSY). */
static int stop_range(struct tlr_server *server, unsigned from, unsigned to, uint64_t deadline_ns) {
    for (unsigned i = from; i < to; i++) tlr__loop_stop(&server->loops[i]);
    if (join_all(server, from, to, deadline_ns) == 0) return 0;
    for (unsigned i = from; i < to; i++) tlr__loop_cut(&server->loops[i]);
    if (join_all(server, from, to, CUT_GRACE_NS) == 0) return -ETIMEDOUT;
    for (unsigned i = from; i < to; i++)
        if (!server->loops[i].joined) tlr__loop_abandon(&server->loops[i]);
    return -EBUSY;
}

int tlr_server_stop(struct tlr_server *server, uint64_t deadline_ns) {
    const unsigned loops = server->limits.loops;
    if (!server->started) return 0;
    atomic_store_explicit(&server->stopping, 1, memory_order_relaxed);
    const int error = stop_range(server, 0, loops, deadline_ns);
    stop_range(server, loops, server->loop_count, ADMIN_GRACE_NS);
    server->started = 0;
    return error;
}

/* ---- looking ------------------------------------------------------------------------------- */

int tlr_server_port(const struct tlr_server *server) {
    return server->port;
}

int tlr_server_admin_port(const struct tlr_server *server) {
    return server->admin_port;
}

static uint64_t value_of(const atomic_uint_fast64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_counters(struct tlr_server_stats *stats, const struct tlr__counters *counters) {
    stats->connections_open += value_of(&counters->connections_open);
    stats->connections_total += value_of(&counters->connections_total);
    stats->connections_refused += value_of(&counters->connections_refused);
    stats->requests += value_of(&counters->requests);
    stats->responses += value_of(&counters->responses);
    stats->refused_pool_full += value_of(&counters->refused_pool_full);
    stats->bad_requests += value_of(&counters->bad_requests);
    stats->handler_failures += value_of(&counters->handler_failures);
    stats->timeouts += value_of(&counters->timeouts);
    stats->abandoned += value_of(&counters->abandoned);
}

void tlr_server_stats(const struct tlr_server *server, struct tlr_server_stats *stats) {
    memset(stats, 0, sizeof *stats);
    /* The admin loop's own requests do not count. */
    for (unsigned i = 0; i < server->limits.loops && i < server->loop_count; i++)
        add_counters(stats, &server->loops[i].counters);
    const unsigned running = atomic_load_explicit(&server->pool.running, memory_order_relaxed);
    const unsigned admitted = atomic_load_explicit(&server->pool.admitted, memory_order_relaxed);
    stats->pool_running = running;
    stats->pool_queued = admitted > running ? admitted - running : 0;
    stats->answers_ignored = value_of(&server->answers_ignored);
}
