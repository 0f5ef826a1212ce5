/* Hops of a request, what is charged to it, and which stall hurt it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <tailrace/ring.h>
#include <tailrace/trace.h>
#include <time.h>
#include <unistd.h>

#include "scratch.h"

#define MS TLR_NS_PER_MS

static struct tlr_tracer *tracer;
static struct tlr_loop *loop;
static struct tlr_request request;
static struct tlr_site_state route_state;
static const struct tlr_site route = {"routes.c", "hello",        "", NULL, &route_state,
                                      42,         TLR_LEVEL_INFO, 0};

static int open_all(void **state) {
    (void)state;
    tracer = scratch_tracer_open();
    assert_int_equal(tlr_loop_attach(tracer, "loop-0", &loop), 0);
    return 0;
}

static int close_all(void **state) {
    (void)state;
    tlr_loop_detach(loop);
    int error = tlr_tracer_close(tracer, 5 * TLR_NS_PER_S);
    scratch_remove();
    return error;
}

static void begin(uint64_t kernel_wait_ns) {
    tlr_request_begin(tracer, &request,
                      &(struct tlr_request_start){.loop = loop,
                                                  .method = "GET",
                                                  .method_bytes = 3,
                                                  .path = "/quick",
                                                  .path_bytes = 6,
                                                  .kernel_wait_ns = kernel_wait_ns});
    tlr_request_route(&request, &route);
}

/* A stall of the calling thread that ended just now. */
static uint64_t stall(enum tlr_cause cause, uint64_t duration_ns, uint64_t behind) {
    uint64_t now = tlr_clock_ticks();
    return tlr_stall_report(&route, cause, now - tlr_clock_ticks_of_ns(duration_ns), now, behind);
}

/* Runs `job` on a thread that is attached as one of the pool. */
static void *pool_thread(void *user) {
    void (*job)(void);
    memcpy(&job, &user, sizeof job);
    assert_int_equal(tlr_thread_attach(tlr_tracer_log(tracer), "pool-0", TLR_ROLE_POOL), 0);
    job();
    return NULL;
}

static void on_pool(void (*job)(void)) {
    pthread_t thread;
    void *user;
    memcpy(&user, &job, sizeof user);
    assert_int_equal(pthread_create(&thread, NULL, pool_thread, user), 0);
    pthread_join(thread, NULL);
}

static void a_request_on_a_loop_has_all_hops(void **state) {
    (void)state;
    begin(0);
    tlr_request_hop(&request, TLR_HOP_START);
    assert_memory_equal(tlr_context_get(), &request.context, sizeof request.context);
    tlr_request_hop(&request, TLR_HOP_END);
    assert_true(tlr_context_get()->span_id == 0);
    tlr_request_hop(&request, TLR_HOP_WRITTEN);
    const uint64_t *stamps = request.stamps;
    assert_true(stamps[TLR_HOP_ARRIVE] == stamps[TLR_HOP_READ]);
    assert_true(stamps[TLR_HOP_SUBMIT] == stamps[TLR_HOP_START]);
    assert_true(stamps[TLR_HOP_RETURN] == stamps[TLR_HOP_END]);
    for (int hop = 1; hop < TLR_HOP_COUNT; hop++) assert_true(stamps[hop] >= stamps[hop - 1]);
    assert_string_equal(request.served_by, "loop-0");
    assert_string_equal(request.method, "GET");
    assert_string_equal(request.path, "/quick");
    assert_true(request.victim_of == 0);
    tlr_request_end(tracer, &request, 200, 12);
}

static void a_missing_hop_gives_no_time(void **state) {
    (void)state;
    memset(&request, 0, sizeof request);
    request.stamps[TLR_HOP_START] = 1000;
    assert_true(tlr_request_between_ns(&request, TLR_HOP_START, TLR_HOP_END) == 0);
    assert_true(tlr_request_between_ns(&request, TLR_HOP_SUBMIT, TLR_HOP_START) == 0);
    request.stamps[TLR_HOP_END] = 1000 + tlr_clock_ticks_of_ns(5 * MS);
    assert_in_range(tlr_request_between_ns(&request, TLR_HOP_START, TLR_HOP_END), 5 * MS - 10,
                    5 * MS + 10);
    assert_true(tlr_request_between_ns(&request, TLR_HOP_END, TLR_HOP_START) == 0);
}

static void long_texts_are_cut(void **state) {
    (void)state;
    char path[300];
    memset(path, 'x', sizeof path);
    tlr_request_begin(NULL, &request,
                      &(struct tlr_request_start){.method = "PROPPATCH-AND-MORE",
                                                  .method_bytes = 18,
                                                  .path = path,
                                                  .path_bytes = sizeof path});
    assert_int_equal(strlen(request.path), sizeof request.path - 1);
    assert_string_equal(request.method, "PROPPATCH-A");
}

static void ids_come_from_the_client_or_are_new(void **state) {
    (void)state;
    const char text[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    char id[TLR_TRACE_ID_TEXT_BYTES + 1] = "";
    struct tlr_request_start start = {.traceparent = text, .traceparent_bytes = sizeof text - 1};
    tlr_request_begin(NULL, &request, &start);
    tlr_trace_id_print(&request.context, id);
    assert_string_equal(id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_true(request.parent_span == UINT64_C(0x00f067aa0ba902b7));
    assert_true(request.context.span_id != 0 && request.context.span_id != request.parent_span);

    start.traceparent_bytes--;
    tlr_request_begin(NULL, &request, &start);
    tlr_trace_id_print(&request.context, id);
    assert_string_not_equal(id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_true(request.parent_span == 0);
    assert_true(request.context.span_id != 0);
}

static void without_a_tracer_a_request_has_ids_and_hops(void **state) {
    (void)state;
    tlr_request_begin(NULL, &request, &(struct tlr_request_start){.method = NULL});
    tlr_request_hop(&request, TLR_HOP_START);
    tlr_request_hop(&request, TLR_HOP_END);
    assert_true(request.stamps[TLR_HOP_END] >= request.stamps[TLR_HOP_READ]);
    assert_true(request.context.span_id != 0);
    tlr_request_end(NULL, &request, 200, 0);
}

static void a_request_that_lay_in_the_kernel_is_a_victim(void **state) {
    (void)state;
    uint64_t id = stall(TLR_CAUSE_SINK_WRITE, 100 * MS, 0);
    assert_true(id != 0);
    begin(500 * MS);
    assert_true(request.victim_of == id);
    assert_in_range(request.victim_ns, 99 * MS, 101 * MS);
    assert_in_range(tlr_request_between_ns(&request, TLR_HOP_ARRIVE, TLR_HOP_READ), 500 * MS - 10,
                    500 * MS + 10);
    begin(0);
    assert_true(request.victim_of == 0);
}

static void a_loop_behind_a_lock_points_at_its_holder(void **state) {
    (void)state;
    stall(TLR_CAUSE_SINK_LOCK, 100 * MS, 4711);
    begin(500 * MS);
    assert_true(request.victim_of == 4711);
}

static void a_late_return_is_put_down_to_the_loop(void **state) {
    (void)state;
    begin(0);
    tlr_request_hop(&request, TLR_HOP_SUBMIT);
    uint64_t now = tlr_clock_ticks();
    request.stamps[TLR_HOP_START] = now - tlr_clock_ticks_of_ns(80 * MS);
    request.stamps[TLR_HOP_END] = now - tlr_clock_ticks_of_ns(60 * MS);
    uint64_t id = stall(TLR_CAUSE_LOCK, 50 * MS, 0);
    tlr_request_hop(&request, TLR_HOP_RETURN);
    assert_true(request.victim_of == id);
    assert_in_range(request.victim_ns, 49 * MS, 51 * MS);
}

static void a_pipelined_request_waits_for_the_one_before(void **state) {
    (void)state;
    begin(0);
    request.stamps[TLR_HOP_READ] -= tlr_clock_ticks_of_ns(500 * MS);
    uint64_t id = stall(TLR_CAUSE_LOCK, 50 * MS, 0);
    tlr_request_hop(&request, TLR_HOP_START);
    tlr_request_hop(&request, TLR_HOP_END);
    assert_true(request.victim_of == id);
}

static void the_culprit_is_not_its_own_victim(void **state) {
    (void)state;
    begin(0);
    tlr_request_hop(&request, TLR_HOP_START);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    tlr_request_hop(&request, TLR_HOP_END);
    tlr_request_end(tracer, &request, 200, 0);
    struct tlr_loop_stats stats;
    tlr_loop_stats(loop, &stats);
    assert_true(stats.stalls == 1);
    assert_true(request.victim_of == 0);
}

/* ---- pool ----------------------------------------------------------------------------------- */

static uint64_t pool_stall_id;

static void stall_in_pool(void) {
    pool_stall_id = stall(TLR_CAUSE_SLEEP, 100 * MS, 0);
}

static void start_after_queue(void) {
    request.stamps[TLR_HOP_SUBMIT] = tlr_clock_ticks() - tlr_clock_ticks_of_ns(500 * MS);
    tlr_request_hop(&request, TLR_HOP_START);
    tlr_request_hop(&request, TLR_HOP_END);
}

static void a_queued_job_is_put_down_to_the_pools_stalls(void **state) {
    (void)state;
    on_pool(stall_in_pool);
    begin(0);
    on_pool(start_after_queue);
    assert_true(request.victim_of == pool_stall_id);
    assert_in_range(request.victim_ns, 99 * MS, 101 * MS);
    assert_string_equal(request.served_by, "pool-0");
    assert_true(request.stamps[TLR_HOP_RETURN] == 0);
    assert_int_equal(tlr_ring_stall_count(tlr_log_ring(tlr_tracer_log(tracer))), 1);
}

static void a_full_pool_without_stalls_is_a_stall(void **state) {
    (void)state;
    struct tlr_stall told[4];
    begin(0);
    on_pool(start_after_queue);
    assert_true(request.victim_of == 0);
    assert_int_equal(tlr_ring_stalls(tlr_log_ring(tlr_tracer_log(tracer)), told, 4), 1);
    assert_int_equal(told[0].cause, TLR_CAUSE_POOL_QUEUE);
    assert_int_equal(told[0].line, 42);
    assert_true(told[0].duration_ns >= 499 * MS);
    assert_memory_equal(told[0].context.trace_id, request.context.trace_id, 16);

    begin(0); /* and nobody waited behind a wait in the queue */
    on_pool(start_after_queue);
    assert_true(request.victim_of == 0);
}

static int go_on[2], blocked[2];
static uint64_t running_id;

static void block_in_pool(void) {
    struct tlr_block block;
    char byte;
    tlr_block_begin(&block, TLR_CAUSE_SLEEP, -1);
    running_id = block.id;
    assert_int_equal(write(blocked[1], "x", 1), 1);
    assert_int_equal(read(go_on[0], &byte, 1), 1);
    tlr_block_end(&block);
}

static void a_stall_that_still_runs_counts(void **state) {
    (void)state;
    pthread_t thread;
    char byte;
    void (*job)(void) = block_in_pool;
    void *user;
    memcpy(&user, &job, sizeof user);
    assert_int_equal(pipe(go_on), 0);
    assert_int_equal(pipe(blocked), 0);
    assert_int_equal(pthread_create(&thread, NULL, pool_thread, user), 0);
    assert_int_equal(read(blocked[0], &byte, 1), 1);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    begin(0);
    on_pool(start_after_queue);
    assert_int_equal(write(go_on[1], "x", 1), 1);
    pthread_join(thread, NULL);
    assert_true(request.victim_of == running_id);
    assert_true(request.victim_ns >= 20 * MS);
    for (int i = 0; i < 2; i++) {
        close(go_on[i]);
        close(blocked[i]);
    }
}

static void wait_behind_a_lock(void) {
    tlr_request_hop(&request, TLR_HOP_START);
    stall(TLR_CAUSE_SINK_LOCK, 30 * MS, 4711);
    stall(TLR_CAUSE_SINK_LOCK, 20 * MS, 4712);
    tlr_request_hop(&request, TLR_HOP_END);
}

static void a_handler_behind_a_lock_is_its_holders_victim(void **state) {
    (void)state;
    begin(0);
    tlr_request_hop(&request, TLR_HOP_SUBMIT);
    on_pool(wait_behind_a_lock);
    assert_true(request.victim_of == 4711);
    assert_in_range(request.victim_ns, 29 * MS, 31 * MS);
}

/* ---- what is charged ------------------------------------------------------------------------- */

static void lines_are_charged_while_it_runs(void **state) {
    (void)state;
    static TLR_CATEGORY(category, "test");
    struct tlr_log *log;
    int fd = open("/dev/null", O_WRONLY);
    struct tlr_log_options options = {
        .fd = fd, .ring_directory = scratch_directory, .lane_count = 4, .lane_bytes = 16384};
    assert_int_equal(tlr_log_open(&log, &options), 0);
    tlr_category_bind(&category, log);

    begin(0);
    tlr_info(&category, "before");
    tlr_request_hop(&request, TLR_HOP_START);
    tlr_info(&category, "inside");
    tlr_info(&category, "inside again");
    tlr_request_suspend(&request);
    tlr_info(&category, "meanwhile");
    tlr_request_resume(&request);
    tlr_info(&category, "in a timer");
    tlr_request_hop(&request, TLR_HOP_END);
    tlr_info(&category, "after");
    assert_int_equal(request.lines, 3);
    assert_int_equal(request.dropped, 0);
    assert_int_equal(tlr_log_close(log, 5 * TLR_NS_PER_S), 0);
    close(fd);
}

static void spans_nest(void **state) {
    (void)state;
    struct tlr_span outer, inner;
    begin(0);
    tlr_request_hop(&request, TLR_HOP_START);
    tlr_span_begin(&outer, "outer");
    assert_true(tlr_context_get()->span_id == outer.span_id);
    assert_memory_equal(tlr_context_get()->trace_id, request.context.trace_id, 16);
    tlr_span_begin(&inner, "inner");
    assert_true(inner.context.span_id == outer.span_id);
    tlr_span_end(tracer, &inner);
    assert_true(tlr_context_get()->span_id == outer.span_id);
    tlr_span_end(tracer, &outer);
    assert_true(tlr_context_get()->span_id == request.context.span_id);
    tlr_request_hop(&request, TLR_HOP_END);
}

#define TRACED(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        TRACED(a_request_on_a_loop_has_all_hops),
        cmocka_unit_test(a_missing_hop_gives_no_time),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(ids_come_from_the_client_or_are_new),
        cmocka_unit_test(without_a_tracer_a_request_has_ids_and_hops),
        TRACED(a_request_that_lay_in_the_kernel_is_a_victim),
        TRACED(a_loop_behind_a_lock_points_at_its_holder),
        TRACED(a_late_return_is_put_down_to_the_loop),
        TRACED(a_pipelined_request_waits_for_the_one_before),
        TRACED(the_culprit_is_not_its_own_victim),
        TRACED(a_queued_job_is_put_down_to_the_pools_stalls),
        TRACED(a_full_pool_without_stalls_is_a_stall),
        TRACED(a_stall_that_still_runs_counts),
        TRACED(a_handler_behind_a_lock_is_its_holders_victim),
        TRACED(lines_are_charged_while_it_runs),
        TRACED(spans_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
