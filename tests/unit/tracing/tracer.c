/* A tracer as a whole: what is written is what was done, read back from its directory; and the
 * story that this project is about, told by one process to a pipe whose reader is stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <tailrace/record.h>
#include <tailrace/ring.h>
#include <time.h>

#include "scratch.h"

static struct tlr_tracer *tracer;
static struct tlr_loop *loop;
static struct tlr_site_state route_state;
static const struct tlr_site route = {"routes.c", "hello",        "", NULL, &route_state,
                                      42,         TLR_LEVEL_INFO, 0};

/* ---- reading back ---------------------------------------------------------------------------- */

#define RECORDS_MAX 64

struct read_back {
    char category[16];
    char text[1024]; /* "name=value " for each field */
};

static struct read_back records[RECORDS_MAX];
static unsigned record_count;

static void add_field(struct read_back *record, const struct tlr_field *field) {
    size_t used = strlen(record->text);
    char *out = record->text + used;
    size_t room = sizeof record->text - used;
    if (field->type == TLR_FIELD_STRING)
        snprintf(out, room, "%.*s=%.*s|", (int)field->name_bytes, field->name,
                 (int)field->as.text.size, field->as.text.bytes);
    else
        snprintf(out, room, "%.*s=%" PRIu64 "|", (int)field->name_bytes, field->name,
                 field->as.number);
}

static int read_segment(const char *path, void *user) {
    (void)user;
    struct tlr_segment_reader *reader;
    struct tlr_record record;
    assert_int_equal(tlr_segment_open(&reader, path), 0);
    int result;
    while ((result = tlr_segment_next(reader, &record)) == 1) {
        assert_true(record_count < RECORDS_MAX);
        struct read_back *back = &records[record_count++];
        struct tlr_field field;
        snprintf(back->category, sizeof back->category, "%s", record.category);
        back->text[0] = '\0';
        for (unsigned i = 0; tlr_record_field_at(&record, i, &field) == 0; i++)
            add_field(back, &field);
    }
    assert_int_equal(result, 0);
    tlr_segment_close(reader);
    return 0;
}

static void close_and_read(void) {
    tlr_loop_detach(loop);
    assert_int_equal(tlr_tracer_close(tracer, 5 * TLR_NS_PER_S), 0);
    record_count = 0;
    assert_int_equal(tlr_segment_find(scratch_directory, read_segment, NULL), 0);
    scratch_remove();
}

/* The text of the index-th record of a category; "" if there is none. */
static const char *nth(const char *category, unsigned index) {
    for (unsigned i = 0; i < record_count; i++)
        if (strcmp(records[i].category, category) == 0 && index-- == 0) return records[i].text;
    return "";
}

/* The value of a field, as text. */
static const char *value(const char *text, const char *name) {
    static char values[4][512];
    static unsigned turn;
    char *out = values[turn++ % 4], key[32];
    snprintf(key, sizeof key, "%s=", name);
    const char *found = text;
    while (*found && strncmp(found, key, strlen(key)) != 0) {
        found = strchr(found, '|');
        if (!found) return "(missing)";
        found++;
    }
    found += strlen(key);
    snprintf(out, sizeof values[0], "%.*s", (int)strcspn(found, "|"), found);
    return out;
}

static unsigned long long number(const char *text, const char *name) {
    return strtoull(value(text, name), NULL, 10);
}

/* ---- what is written ------------------------------------------------------------------------- */

static void open_all(void) {
    tracer = scratch_tracer_open();
    assert_int_equal(tlr_loop_attach(tracer, "loop-0", &loop), 0);
}

static void begin(struct tlr_request *request, const char *path, uint64_t kernel_wait_ns) {
    static const char text[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    tlr_request_begin(tracer, request,
                      &(struct tlr_request_start){.loop = loop,
                                                  .method = "GET",
                                                  .method_bytes = 3,
                                                  .path = path,
                                                  .path_bytes = strlen(path),
                                                  .traceparent = text,
                                                  .traceparent_bytes = sizeof text - 1,
                                                  .kernel_wait_ns = kernel_wait_ns});
    tlr_request_route(request, &route);
}

static void every_field_is_there(void **state) {
    (void)state;
    static const char *const request_fields[] = {
        "method",    "path",      "status",    "trace",       "span",  "parent",
        "served_by", "loop",      "begin_ns",  "wait",        "queue", "handler",
        "return",    "write",     "total",     "log_blocked", "lines", "dropped",
        "bytes_in",  "bytes_out", "victim_of", "victim"};
    static const char *const span_fields[] = {"trace",  "span",     "parent",  "name",
                                              "thread", "begin_ns", "duration"};
    static const char *const stall_fields[] = {
        "id",       "behind",   "thread",   "tid",    "role", "cause", "file", "line",
        "function", "begin_ns", "duration", "target", "fd",   "trace", "span", "blame"};
    struct tlr_request request;
    struct tlr_span span;
    char own_span[TLR_SPAN_ID_TEXT_BYTES + 1] = "";
    open_all();
    begin(&request, "/quick?name=a b", 0);
    request.bytes_in = 120;
    tlr_request_hop(&request, TLR_HOP_START);
    tlr_span_begin(&span, "look up");
    tlr_span_end(tracer, &span);
    uint64_t now = tlr_clock_ticks();
    tlr_stall_report(&route, TLR_CAUSE_LOCK, now - tlr_clock_ticks_of_ns(30 * TLR_NS_PER_MS), now,
                     0x4711);
    tlr_request_hop(&request, TLR_HOP_END);
    tlr_request_end(tracer, &request, 200, 345);
    tlr_span_id_print(request.context.span_id, own_span);
    close_and_read();

    const char *text = nth("trace.request", 0);
    for (size_t i = 0; i < sizeof request_fields / sizeof *request_fields; i++)
        assert_string_not_equal(value(text, request_fields[i]), "(missing)");
    assert_string_equal(value(text, "method"), "GET");
    assert_string_equal(value(text, "path"), "/quick?name=a b");
    assert_int_equal(number(text, "status"), 200);
    assert_string_equal(value(text, "trace"), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_string_equal(value(text, "parent"), "00f067aa0ba902b7");
    assert_string_equal(value(text, "span"), own_span);
    assert_string_equal(value(text, "served_by"), "loop-0");
    assert_string_equal(value(text, "loop"), "loop-0");
    assert_int_equal(number(text, "bytes_in"), 120);
    assert_int_equal(number(text, "bytes_out"), 345);
    assert_string_equal(value(text, "victim_of"), "0000000000004711");
    assert_true(number(text, "total") >= number(text, "handler"));

    text = nth("trace.span", 0);
    for (size_t i = 0; i < sizeof span_fields / sizeof *span_fields; i++)
        assert_string_not_equal(value(text, span_fields[i]), "(missing)");
    assert_string_equal(value(text, "name"), "look up");
    assert_string_equal(value(text, "parent"), own_span);

    text = nth("trace.stall", 0);
    for (size_t i = 0; i < sizeof stall_fields / sizeof *stall_fields; i++)
        assert_string_not_equal(value(text, stall_fields[i]), "(missing)");
    assert_string_equal(value(text, "behind"), "0000000000004711");
    assert_string_equal(value(text, "thread"), "loop-0");
    assert_string_equal(value(text, "role"), "loop");
    assert_string_equal(value(text, "cause"), "lock");
    assert_string_equal(value(text, "file"), "routes.c");
    assert_int_equal(number(text, "line"), 42);
    assert_string_equal(value(text, "function"), "hello");
    assert_string_equal(value(text, "trace"), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_string_equal(value(text, "span"), own_span);
    assert_string_equal(value(text, "blame"), "");
}

/* ---- a log whose reader is stopped ------------------------------------------------------------
 */

/* A process that reads `ends[0]` to its end, as a log's reader does; stopped. */
static pid_t start_stopped_reader(const int ends[2]) {
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static char bytes[65536];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "log-reader");
        close(ends[1]);
        raise(SIGSTOP);
        while (read(ends[0], bytes, sizeof bytes) > 0) {
        }
        _exit(0);
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    return child;
}

/* Lets the reader go on once the watchdog has told of it; what it told goes to `found`. */
struct helper {
    pid_t reader;
    struct tlr_blame found;
    int was_found;
};

static int blame_of_a_blocked_thread(struct tlr_blame *blame) {
    for (unsigned log = 0; log < TLR_LOGS_MAX; log++) {
        const struct tlr_ring *ring = tlr_process_ring(log);
        struct tlr_thread_view view;
        for (unsigned i = 0; ring && i < tlr_ring_thread_count(ring); i++)
            if (tlr_ring_thread(ring, i, &view) == 0 && view.state == TLR_THREAD_BLOCKED &&
                tlr_tracer_blame(tracer, view.stall_id, blame) == 0)
                return 1;
    }
    return 0;
}

static void *help(void *user) {
    struct helper *helper = user;
    uint64_t begin_ticks = tlr_clock_ticks();
    while (!helper->was_found &&
           tlr_clock_between_ns(begin_ticks, tlr_clock_ticks()) < 10 * TLR_NS_PER_S) {
        helper->was_found = blame_of_a_blocked_thread(&helper->found);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    kill(helper->reader, SIGCONT);
    return NULL;
}

static TLR_CATEGORY(sync_category, "test.sync");

/* More than a pipe holds. */
static unsigned log_until_blocked(void) {
    static char words[1001];
    memset(words, 'x', sizeof words - 1);
    for (int i = 0; i < 100; i++) tlr_info(&sync_category, "Sync log: %d %s", i, words);
    return __LINE__ - 1;
}

static void a_stopped_reader_is_the_whole_story(void **state) {
    (void)state;
    int ends[2], status;
    struct helper helper = {.was_found = 0};
    pthread_t thread;
    struct tlr_log *log;
    struct tlr_request culprit, victim;
    assert_int_equal(pipe(ends), 0);
    helper.reader = start_stopped_reader(ends);

    open_all();
    struct tlr_log_options options = {
        .fd = ends[1], .mode = TLR_MODE_SYNC, .ring_directory = scratch_directory};
    assert_int_equal(tlr_log_open(&log, &options), 0);
    tlr_category_bind(&sync_category, log);
    assert_int_equal(pthread_create(&thread, NULL, help, &helper), 0);

    tlr_loop_wait_begin(loop);
    tlr_loop_wait_end(loop);
    begin(&culprit, "/loop/sync", 0);
    tlr_request_hop(&culprit, TLR_HOP_START);
    unsigned line = log_until_blocked();
    tlr_request_hop(&culprit, TLR_HOP_END);
    tlr_request_end(tracer, &culprit, 200, 33);
    assert_true(tlr_loop_is_late(loop));
    begin(&victim, "/quick", 400 * TLR_NS_PER_MS);
    tlr_request_hop(&victim, TLR_HOP_START);
    tlr_request_hop(&victim, TLR_HOP_END);
    tlr_request_end(tracer, &victim, 200, 27);

    pthread_join(thread, NULL);
    close_and_read();
    assert_int_equal(tlr_log_close(log, 5 * TLR_NS_PER_S), 0);
    close(ends[1]);
    assert_int_equal(waitpid(helper.reader, &status, 0), helper.reader);

    assert_true(helper.was_found);
    assert_int_equal(helper.found.other_pid, helper.reader);
    assert_string_equal(helper.found.other_name, "log-reader");
    assert_int_equal(helper.found.other_state, 'T');

    char expected[64];
    const char *stall = nth("trace.stall", 0);
    assert_string_equal(value(stall, "cause"), "sink_write");
    assert_string_equal(value(stall, "thread"), "loop-0");
    assert_string_equal(value(stall, "function"), "log_until_blocked");
    assert_non_null(strstr(value(stall, "file"), "tests/unit/tracing/tracer.c"));
    assert_int_equal(number(stall, "line"), line);
    assert_true(number(stall, "duration") >= 50 * TLR_NS_PER_MS);
    assert_int_equal(strncmp(value(stall, "target"), "pipe:[", 6), 0);
    snprintf(expected, sizeof expected, "its reader log-reader (pid %d) is stopped (T)",
             helper.reader);
    assert_non_null(strstr(value(stall, "blame"), expected));

    const char *first = nth("trace.request", 0), *second = nth("trace.request", 1);
    assert_string_equal(value(first, "path"), "/loop/sync");
    assert_string_equal(value(first, "victim_of"), "0");
    assert_string_equal(value(first, "span"), value(stall, "span"));
    assert_true(number(first, "log_blocked") >= number(stall, "duration"));
    assert_int_equal(number(first, "lines"), 100);
    assert_string_equal(value(second, "path"), "/quick");
    assert_string_equal(value(second, "victim_of"), value(stall, "id"));
    assert_true(number(second, "victim") >= 10 * TLR_NS_PER_MS);
    assert_in_range(number(second, "wait"), 399 * TLR_NS_PER_MS, 401 * TLR_NS_PER_MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_there),
        cmocka_unit_test(a_stopped_reader_is_the_whole_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
