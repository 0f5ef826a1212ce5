/* access_log.h - one line per response, after it was written. */
#ifndef TAILRACE_SERVER_ACCESS_LOG_H
#define TAILRACE_SERVER_ACCESS_LOG_H

#include <stdint.h>

struct tlr_exchange;

/* Logs `METHOD TARGET status=... ` with all that the request cost, under its own context.
 * Thread: the loop's. Blocks: never (in synchronous mode on the log's sink). */
void tlr__access_log_write(const struct tlr_exchange *exchange, uint64_t bytes);

#endif
