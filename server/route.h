/* route.h - which handler serves a method and path. */
#ifndef TAILRACE_SERVER_ROUTE_H
#define TAILRACE_SERVER_ROUTE_H

#include "limits.h"

#include <tailrace/server.h>

struct tlr__route {
    const char *method, *path; /* the router's own copies */
    size_t path_bytes;         /* without the star of a prefix */
    int is_prefix;
    enum tlr_where where;
    const struct tlr_site *site;
    tlr_handler_fn *handler;
    void *user;
    struct tlr__route *same_path; /* the next route of the same path */
};

#define TLR__ROUTE_BUCKETS 512u /* a power of two above the number of routes */

struct tlr__router {
    unsigned count;
    int loopback_only; /* answer only to a Host that names the loopback: a foreign page's script may
                          reach this port by a name that it made resolve to 127.0.0.1 */
    struct tlr__route routes[TLR__LIMITS_ROUTES];
    struct tlr__route *exact[TLR__ROUTE_BUCKETS]; /* open addressing, first route of each path */
    struct tlr__route *prefixes[TLR__LIMITS_ROUTES];
    unsigned prefix_count;
};

/* router: zeroed. route: its first two members, copied, and where, site, handler, user. Thread:
 * setup, before the loops run. Errors: -EINVAL, -EEXIST, -ENOSPC, -ENOMEM.
 */
int tlr__route_add(struct tlr__router *router, const struct tlr__route *route);
void tlr__router_free(struct tlr__router *router);

/* The first route of the path, exact before the longest prefix; NULL: none.
 * Thread: any, once set up. Blocks: never. */
const struct tlr__route *tlr__route_path(const struct tlr__router *router, const char *path,
                                         size_t path_bytes);

/* Of the routes of that path the one for the method, GET's for HEAD; NULL: none. */
const struct tlr__route *tlr__route_method(const struct tlr__route *path, const char *method);

/* Writes the methods of that path as an Allow field has them, cut where `bytes` end. */
void tlr__route_allow(const struct tlr__route *path, char *out, size_t bytes);

#endif
