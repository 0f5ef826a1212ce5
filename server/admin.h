/* admin.h - the admin interface's pages: health, threads, stalls, metrics. */
#ifndef TAILRACE_SERVER_ADMIN_H
#define TAILRACE_SERVER_ADMIN_H

struct tlr_server;

/* Adds its routes to the server's admin router. Thread: setup. Errors: as tlr_server_route. */
int tlr__admin_routes(struct tlr_server *server);

#endif
