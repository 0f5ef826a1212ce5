/* metrics.h - the counters of server, log and trace as Prometheus text. */
#ifndef TAILRACE_SERVER_METRICS_H
#define TAILRACE_SERVER_METRICS_H

#include <tailrace/server.h>

/* A handler of the admin interface. user: the server. */
void tlr__metrics_answer(struct tlr_exchange *exchange, void *user);

#endif
