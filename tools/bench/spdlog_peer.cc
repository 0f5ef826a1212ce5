/* spdlog_peer.cc - spdlog, measured as `tlr bench log` measures every logger.
 *
 * Takes VARIANT PART PATH SECONDS PRODUCERS RATE; prints the lines of bench_run_and_report.
 *
 * Set up to spdlog's advantage: header-only, its default pattern and `{}`, which are faster than
 * any pattern and conversion that would give exactly the bytes of the other loggers.
 */
#include "bench_measure.h"

#include <memory>
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

namespace {

const size_t queue_size = spdlog::details::default_async_q_size;

std::shared_ptr<spdlog::details::thread_pool> backend;
std::shared_ptr<spdlog::logger> logger;

std::shared_ptr<spdlog::sinks::basic_file_sink_mt> make_sink(const struct bench_plan *plan) {
    return std::make_shared<spdlog::sinks::basic_file_sink_mt>(plan->path);
}

int async_open_with(const struct bench_plan *plan, spdlog::async_overflow_policy policy) {
    backend = std::make_shared<spdlog::details::thread_pool>(queue_size, 1);
    logger = std::make_shared<spdlog::async_logger>("bench.log", make_sink(plan), backend, policy);
    return 0;
}

int async_open(const struct bench_plan *plan) {
    return async_open_with(plan, spdlog::async_overflow_policy::block);
}

int async_drop_open(const struct bench_plan *plan) {
    return async_open_with(plan, spdlog::async_overflow_policy::overrun_oldest);
}

int sync_open(const struct bench_plan *plan) {
    logger = std::make_shared<spdlog::logger>("bench.log", make_sink(plan));
    return 0;
}

BENCH_INLINE void call(int iteration, double value, const char *name) {
    logger->info("iteration {} value {} name {}", iteration, value, name);
}

void produce(struct bench_producer *producer) {
    bench_produce(producer, call);
}

/* Ending the thread pool drains its queue; ending the sink flushes and closes the file. */
int close_all(struct bench_counts *counts) {
    if (backend != nullptr) counts->dropped = backend->overrun_counter();
    backend.reset();
    logger.reset();
    return 0;
}

const struct {
    const char *name;
    struct bench_logger logger;
} variants[] = {
    {"async", {async_open, produce, close_all}},
    {"async-drop", {async_drop_open, produce, close_all}},
    {"sync", {sync_open, produce, close_all}},
};

} // namespace

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: %s VARIANT PART PATH SECONDS PRODUCERS RATE\n", argv[0]);
        return 2;
    }
    struct bench_plan plan;
    plan.part = static_cast<enum bench_part>(strtol(argv[2], nullptr, 10));
    plan.path = argv[3];
    plan.seconds = strtod(argv[4], nullptr);
    plan.producers = static_cast<unsigned>(strtoul(argv[5], nullptr, 10));
    plan.rate = static_cast<unsigned>(strtoul(argv[6], nullptr, 10));
    if (plan.producers == 0 || plan.producers > BENCH_PRODUCERS_MAX || plan.rate == 0) return 2;
    for (const auto &variant : variants)
        if (strcmp(variant.name, argv[1]) == 0)
            return bench_run_and_report(&plan, &variant.logger, stdout);
    return 2;
}
