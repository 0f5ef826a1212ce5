#include "access_log.h"

#include "exchange.h"
#include "loop.h"
#include "server_log.h"

#include <inttypes.h>

static uint64_t between_us(const struct tlr_request *trace, enum tlr_hop begin, enum tlr_hop end) {
    return (tlr_request_between_ns(trace, begin, end) + 500) / 1000;
}

void tlr__access_log_write(const struct tlr_exchange *exchange, uint64_t bytes) {
    const struct tlr_request *trace = &exchange->trace;
    const struct tlr__head *head = exchange->head;

    tlr_context_set(&trace->context);
    tlr_info(&tlr__server_log_access,
             "%s %s status=%d bytes=%" PRIu64 " total_us=%" PRIu64 " wait_us=%" PRIu64
             " queue_us=%" PRIu64 " handler_us=%" PRIu64 " return_us=%" PRIu64 " write_us=%" PRIu64
             " log_blocked_us=%" PRIu64 " served_by=%s loop=%s lines=%" PRIu64 " dropped=%" PRIu64
             " client=%s",
             head ? head->method : "-", head ? exchange->text + head->target_at : "-",
             exchange->response.status, bytes, between_us(trace, TLR_HOP_ARRIVE, TLR_HOP_WRITTEN),
             between_us(trace, TLR_HOP_ARRIVE, TLR_HOP_READ),
             between_us(trace, TLR_HOP_SUBMIT, TLR_HOP_START),
             between_us(trace, TLR_HOP_START, TLR_HOP_END),
             between_us(trace, TLR_HOP_END, TLR_HOP_RETURN),
             between_us(trace, TLR_HOP_RETURN, TLR_HOP_WRITTEN),
             (trace->log_blocked_ns + 500) / 1000, trace->served_by, exchange->loop->name,
             trace->lines, trace->dropped, exchange->client);
    tlr_context_set(NULL);
}
