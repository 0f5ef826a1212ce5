#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <tailrace/clock.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

struct stream {
    struct tlr__load_stream plan;
    char *text; /* the request as sent */
    size_t text_bytes;
    uint64_t next_ns; /* when the next one is due; UINT64_MAX: none */
    struct tlr__load_request *requests;
    size_t count, capacity;
};

/* One scheduled request: requests move when their array grows, so they are named by index. */
struct ticket {
    unsigned stream;
    size_t index;
};

struct connection {
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct tlr__load *load;
    int busy; /* `ticket` is under way */
    struct ticket ticket;
    struct connection *next_idle;
    struct tlr__load_response response;
};

struct tlr__load {
    struct sockaddr_in address;
    uint64_t duration_ns, drain_ns;
    unsigned connections_max, connections_open;
    struct stream *streams;
    unsigned stream_count;

    uv_loop_t loop;
    uv_poll_t timer; /* a timerfd: uv_timer counts in milliseconds, which is too coarse here */
    int timer_fd;
    uint64_t start_ns;
    size_t outstanding; /* scheduled and neither answered nor failed */
    int ending;

    struct connection *idle;
    struct ticket *waiting; /* for a connection, first come first served */
    size_t waiting_first, waiting_count, waiting_capacity;
    size_t capped;

    char input[65536]; /* every connection reads here: what is read is taken at once */
    pthread_t thread;
    int joined;
};

static uint64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TLR_NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t elapsed_ns(const struct tlr__load *load) {
    return monotonic_ns() - load->start_ns;
}

static struct tlr__load_request *request_of(struct tlr__load *load, struct ticket ticket) {
    return &load->streams[ticket.stream].requests[ticket.index];
}

/* A generator that cannot record what it sends would report a better server than there is. */
static void *grow(void *items, size_t *capacity, size_t item_bytes) {
    size_t more = *capacity == 0 ? 256 : *capacity * 2;
    void *grown = reallocarray(items, more, item_bytes);
    if (grown == NULL) abort();
    *capacity = more;
    return grown;
}

static struct ticket take_waiting(struct tlr__load *load) {
    struct ticket ticket = load->waiting[load->waiting_first++];
    if (--load->waiting_count == 0) load->waiting_first = 0;
    return ticket;
}

static void schedule(struct tlr__load *load, unsigned stream, uint64_t due_ns);
static void end_if_done(struct tlr__load *load);

/* ---- connections --------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void close_connection(struct connection *connection) {
    if (uv_is_closing((uv_handle_t *)&connection->tcp)) return;
    struct connection **link = &connection->load->idle;
    while (*link != NULL && *link != connection) link = &(*link)->next_idle;
    if (*link != NULL) *link = connection->next_idle;
    connection->load->connections_open--;
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

/* Notes what became of a request. response: NULL where there was none. */
static void finish_request(struct tlr__load *load, struct ticket ticket, int status,
                           const struct tlr__load_response *response) {
    struct tlr__load_request *request = request_of(load, ticket);
    request->status = status;
    request->done_ns = elapsed_ns(load);
    if (response != NULL) {
        memcpy(request->served_by, response->served_by, sizeof request->served_by);
        memcpy(request->id, response->id, sizeof request->id);
    }
    load->outstanding--;
}

static void open_connection(struct tlr__load *load, struct ticket ticket);

static void fail_connection(struct connection *connection, int error) {
    struct tlr__load *load = connection->load;
    if (connection->busy) finish_request(load, connection->ticket, error, NULL);
    connection->busy = 0;
    close_connection(connection);
    if (load->waiting_count > 0 && !load->ending) open_connection(load, take_waiting(load));
    end_if_done(load);
}

static void send_request(struct connection *connection, struct ticket ticket) {
    struct stream *stream = &connection->load->streams[ticket.stream];
    uv_buf_t text = uv_buf_init(stream->text, (unsigned)stream->text_bytes);
    connection->busy = 1;
    connection->ticket = ticket;
    request_of(connection->load, ticket)->sent_ns = elapsed_ns(connection->load);
    tlr__load_response_init(&connection->response);
    /* A request of a hundred bytes into an empty socket buffer is taken whole or not at all. */
    int sent = uv_try_write((uv_stream_t *)&connection->tcp, &text, 1);
    if (sent != (int)stream->text_bytes) fail_connection(connection, sent < 0 ? sent : -EAGAIN);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)suggested;
    struct connection *connection = handle->data;
    *buffer = uv_buf_init(connection->load->input, sizeof connection->load->input);
}

static void on_read(uv_stream_t *tcp, ssize_t size, const uv_buf_t *buffer) {
    struct connection *connection = tcp->data;
    if (size == 0) return;
    if (size < 0 || !connection->busy) {
        fail_connection(connection, size < 0 && size != UV_EOF ? (int)size : -ECONNRESET);
        return;
    }
    int whole = tlr__load_response_take(&connection->response, buffer->base, (size_t)size);
    if (whole < 0) fail_connection(connection, whole);
    if (whole <= 0) return;

    struct tlr__load *load = connection->load;
    unsigned stream = connection->ticket.stream;
    finish_request(load, connection->ticket, connection->response.status, &connection->response);
    connection->busy = 0;
    if (!connection->response.keep_alive) {
        fail_connection(connection, 0);
    } else if (load->waiting_count > 0) {
        send_request(connection, take_waiting(load));
    } else {
        connection->next_idle = load->idle;
        load->idle = connection;
    }
    if (load->streams[stream].plan.outstanding > 0 && elapsed_ns(load) < load->duration_ns)
        schedule(load, stream, elapsed_ns(load));
    end_if_done(load);
}

static void on_connected(uv_connect_t *connect, int error) {
    struct connection *connection = connect->data;
    if (uv_is_closing((uv_handle_t *)&connection->tcp)) return;
    if (error == 0) error = uv_read_start((uv_stream_t *)&connection->tcp, on_allocate, on_read);
    if (error < 0)
        fail_connection(connection, error);
    else
        send_request(connection, connection->ticket);
}

static void open_connection(struct tlr__load *load, struct ticket ticket) {
    struct connection *connection = calloc(1, sizeof *connection);
    int error = connection == NULL ? -ENOMEM : uv_tcp_init(&load->loop, &connection->tcp);
    if (error < 0) {
        free(connection);
        finish_request(load, ticket, error, NULL);
        return;
    }
    load->connections_open++;
    connection->load = load;
    connection->busy = 1;
    connection->ticket = ticket;
    connection->tcp.data = connection;
    connection->connect.data = connection;
    error = uv_tcp_connect(&connection->connect, &connection->tcp,
                           (const struct sockaddr *)&load->address, on_connected);
    if (error == 0) error = uv_tcp_nodelay(&connection->tcp, 1);
    if (error < 0) fail_connection(connection, error);
}

/* ---- the schedule -------------------------------------------------------------------------- */

/* Records a request that is due and sends it, at once wherever a connection can be had. */
static void schedule(struct tlr__load *load, unsigned stream_index, uint64_t due_ns) {
    struct stream *stream = &load->streams[stream_index];
    if (stream->count == stream->capacity)
        stream->requests = grow(stream->requests, &stream->capacity, sizeof *stream->requests);
    struct ticket ticket = {stream_index, stream->count++};
    *request_of(load, ticket) = (struct tlr__load_request){.scheduled_ns = due_ns};
    load->outstanding++;

    struct connection *connection = load->idle;
    if (connection != NULL) {
        load->idle = connection->next_idle;
        send_request(connection, ticket);
    } else if (load->connections_open < load->connections_max) {
        open_connection(load, ticket);
    } else {
        load->capped++;
        if (load->waiting_first + load->waiting_count == load->waiting_capacity)
            load->waiting = grow(load->waiting, &load->waiting_capacity, sizeof *load->waiting);
        load->waiting[load->waiting_first + load->waiting_count++] = ticket;
    }
}

/* Sends what is due. Returns when the stream is due next. */
static uint64_t run_stream(struct tlr__load *load, unsigned index, uint64_t now_ns) {
    struct stream *stream = &load->streams[index];
    const struct tlr__load_stream *plan = &stream->plan;
    while (stream->next_ns <= now_ns && stream->next_ns < load->duration_ns) {
        schedule(load, index, stream->next_ns);
        if (plan->count > 0 && stream->count == plan->count)
            stream->next_ns = UINT64_MAX;
        else
            stream->next_ns += plan->interval_ns;
    }
    return stream->next_ns;
}

static void arm(struct tlr__load *load, uint64_t elapsed) {
    uint64_t date_ns = load->start_ns + elapsed;
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(date_ns / TLR_NS_PER_S),
                                           .tv_nsec = (long)(date_ns % TLR_NS_PER_S)}};
    timerfd_settime(load->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void close_handle(uv_handle_t *handle, void *user) {
    (void)user;
    if (handle->type == UV_TCP)
        close_connection(handle->data);
    else if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* With every handle closed, uv_run returns and the thread ends. */
static void end(struct tlr__load *load) {
    load->ending = 1;
    uv_walk(&load->loop, close_handle, NULL);
}

static void end_if_done(struct tlr__load *load) {
    if (load->outstanding == 0 && !load->ending && elapsed_ns(load) >= load->duration_ns) end(load);
}

static void on_timer(uv_poll_t *timer, int status, int events) {
    (void)status;
    (void)events;
    struct tlr__load *load = timer->data;
    uint64_t expirations, now_ns = elapsed_ns(load);
    if (read(load->timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN) abort();

    if (now_ns >= load->duration_ns + load->drain_ns) {
        end(load);
        return;
    }
    uint64_t next_ns = load->duration_ns;
    for (unsigned i = 0; i < load->stream_count; i++) {
        uint64_t due_ns = run_stream(load, i, now_ns);
        if (due_ns < next_ns) next_ns = due_ns;
    }
    arm(load, now_ns >= load->duration_ns ? load->duration_ns + load->drain_ns : next_ns);
    end_if_done(load);
}

static void *run(void *user) {
    struct tlr__load *load = user;
    pthread_setname_np(pthread_self(), "load");
    load->start_ns = monotonic_ns();
    for (unsigned i = 0; i < load->stream_count; i++) {
        const struct tlr__load_stream *plan = &load->streams[i].plan;
        for (unsigned n = 0; n < plan->outstanding; n++) schedule(load, i, 0);
    }
    arm(load, 1);
    uv_run(&load->loop, UV_RUN_DEFAULT);

    uint64_t now_ns = elapsed_ns(load);
    for (unsigned i = 0; i < load->stream_count; i++) {
        struct stream *stream = &load->streams[i];
        for (size_t n = 0; n < stream->count; n++)
            if (stream->requests[n].done_ns == 0) stream->requests[n].done_ns = now_ns;
    }
    return NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

static int check(const struct tlr__load_options *options, struct sockaddr_in *address) {
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)options->port);
    const char *host = options->host != NULL ? options->host : "127.0.0.1";
    if (inet_pton(AF_INET, host, &address->sin_addr) != 1) return -EINVAL;
    if (options->port <= 0 || options->port > 65535) return -EINVAL;
    if (options->duration_ns == 0 || options->stream_count == 0) return -EINVAL;
    for (unsigned i = 0; i < options->stream_count; i++) {
        const struct tlr__load_stream *plan = &options->streams[i];
        if (plan->outstanding == 0 && plan->count == 0 && plan->interval_ns == 0) return -EINVAL;
    }
    return 0;
}

static int copy_streams(struct tlr__load *load, const struct tlr__load_options *options) {
    load->streams = calloc(options->stream_count, sizeof *load->streams);
    if (load->streams == NULL) return -ENOMEM;
    for (; load->stream_count < options->stream_count; load->stream_count++) {
        struct stream *stream = &load->streams[load->stream_count];
        stream->plan = options->streams[load->stream_count];
        stream->next_ns = stream->plan.outstanding > 0 ? UINT64_MAX : stream->plan.first_ns;
        int bytes =
            asprintf(&stream->text, "GET %s HTTP/1.1\r\nHost: %s:%d\r\n\r\n", stream->plan.path,
                     options->host != NULL ? options->host : "127.0.0.1", options->port);
        if (bytes < 0) {
            stream->text = NULL;
            return -ENOMEM;
        }
        stream->text_bytes = (size_t)bytes;
    }
    return 0;
}

static int open_timer(struct tlr__load *load) {
    load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (load->timer_fd < 0) return -errno;
    int error = uv_poll_init(&load->loop, &load->timer, load->timer_fd);
    if (error < 0) {
        close(load->timer_fd);
        return error;
    }
    load->timer.data = load;
    return uv_poll_start(&load->timer, UV_READABLE, on_timer);
}

static void release(struct tlr__load *load) {
    for (unsigned i = 0; i < load->stream_count; i++) {
        free(load->streams[i].text);
        free(load->streams[i].requests);
    }
    free(load->streams);
    free(load->waiting);
    free(load);
}

int tlr__load_start(struct tlr__load **out, const struct tlr__load_options *options) {
    struct sockaddr_in address = {0};
    int error = check(options, &address);
    if (error < 0) return error;
    struct tlr__load *load = calloc(1, sizeof *load);
    if (load == NULL) return -ENOMEM;
    load->address = address;
    load->duration_ns = options->duration_ns;
    load->drain_ns = options->drain_ns != 0 ? options->drain_ns : 5 * TLR_NS_PER_S;
    load->connections_max = options->connections_max != 0 ? options->connections_max : 4000;

    if ((error = copy_streams(load, options)) < 0) goto fail_streams;
    if ((error = uv_loop_init(&load->loop)) < 0) goto fail_streams;
    if ((error = open_timer(load)) < 0) goto fail_loop;
    if ((error = -pthread_create(&load->thread, NULL, run, load)) < 0) goto fail_timer;
    *out = load;
    return 0;

fail_timer:
    end(load);
    uv_run(&load->loop, UV_RUN_DEFAULT);
    close(load->timer_fd);
fail_loop:
    uv_loop_close(&load->loop);
fail_streams:
    release(load);
    return error;
}

int tlr__load_finish(struct tlr__load *load) {
    if (!load->joined) pthread_join(load->thread, NULL);
    load->joined = 1;
    return load->outstanding > 0 ? -ETIMEDOUT : 0;
}

void tlr__load_close(struct tlr__load *load) {
    if (load == NULL) return;
    tlr__load_finish(load);
    uv_loop_close(&load->loop);
    close(load->timer_fd);
    release(load);
}

/* ---- results ------------------------------------------------------------------------------- */

const struct tlr__load_request *tlr__load_requests(const struct tlr__load *load, unsigned stream,
                                                   size_t *count) {
    *count = load->streams[stream].count;
    return load->streams[stream].requests;
}

static int compare_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int tlr__load_summarize(const struct tlr__load *load, unsigned stream,
                        struct tlr__load_summary *summary) {
    size_t count;
    const struct tlr__load_request *requests = tlr__load_requests(load, stream, &count);
    *summary = (struct tlr__load_summary){.scheduled = count};
    if (count == 0) return 0;
    double *ms = calloc(count, sizeof *ms);
    if (ms == NULL) return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        ms[i] = (double)(requests[i].done_ns - requests[i].scheduled_ns) / (double)TLR_NS_PER_MS;
        if (ms[i] > 100) summary->over_100ms++;
        if (requests[i].status == 200) summary->ok++;
        if (requests[i].status > 0) summary->answered++;
    }
    summary->failed = count - summary->answered;
    qsort(ms, count, sizeof *ms, compare_double);
    summary->p50_ms = ms[(count - 1) / 2];
    summary->p90_ms = ms[(count - 1) * 9 / 10];
    summary->p99_ms = ms[(count - 1) * 99 / 100];
    summary->max_ms = ms[count - 1];
    free(ms);
    return 0;
}

size_t tlr__load_capped(const struct tlr__load *load) {
    return load->capped;
}
