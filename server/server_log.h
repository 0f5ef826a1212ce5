/* server_log.h - the server's own categories. */
#ifndef TAILRACE_SERVER_LOG_H
#define TAILRACE_SERVER_LOG_H

#include <tailrace/log.h>

extern struct tlr_category tlr__server_log_http;   /* server.http: refusals, failures, stops */
extern struct tlr_category tlr__server_log_access; /* server.access: one line per response */
extern struct tlr_category tlr__server_log_admin;  /* server.admin: the admin interface */

/* Sends them to that log from now on. Thread: setup. */
void tlr__server_log_bind(const struct tlr_log *log);

#endif
