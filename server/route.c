#include "route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a, 32 bits. */
static uint32_t hash(const char *path, size_t bytes) {
    uint32_t value = 2166136261u;
    for (size_t i = 0; i < bytes; i++) value = (value ^ (unsigned char)path[i]) * 16777619u;
    return value;
}

/* The bucket of an exact path: where it is, or where it would be. */
static unsigned bucket(const struct tlr__router *router, const char *path, size_t bytes) {
    for (uint32_t at = hash(path, bytes);; at++) {
        const unsigned index = at & (TLR__ROUTE_BUCKETS - 1);
        const struct tlr__route *route = router->exact[index];
        if (!route) return index;
        if (route->path_bytes == bytes && memcmp(route->path, path, bytes) == 0) return index;
    }
}

static struct tlr__route *prefix_path(const struct tlr__router *router, const char *path,
                                      size_t bytes) {
    for (unsigned i = 0; i < router->prefix_count; i++) {
        struct tlr__route *route = router->prefixes[i];
        if (route->path_bytes == bytes && memcmp(route->path, path, bytes) == 0) return route;
    }
    return NULL;
}

static struct tlr__route *first_of_path(const struct tlr__router *router,
                                        const struct tlr__route *route) {
    return route->is_prefix ? prefix_path(router, route->path, route->path_bytes)
                            : router->exact[bucket(router, route->path, route->path_bytes)];
}

static void enter(struct tlr__router *router, struct tlr__route *route) {
    struct tlr__route *first = first_of_path(router, route);
    if (first) {
        route->same_path = first->same_path;
        first->same_path = route;
    } else if (route->is_prefix) {
        router->prefixes[router->prefix_count++] = route;
    } else {
        router->exact[bucket(router, route->path, route->path_bytes)] = route;
    }
}

int tlr__route_add(struct tlr__router *router, const struct tlr__route *route) {
    struct tlr__route added = *route;

    if (!route->method || !route->method[0] || !route->path || !route->handler) return -EINVAL;
    if (route->path[0] != '/') return -EINVAL;
    if (route->where != TLR_ON_LOOP && route->where != TLR_ON_POOL) return -EINVAL;
    if (router->count == TLR__LIMITS_ROUTES) return -ENOSPC;

    added.path_bytes = strlen(route->path);
    added.is_prefix =
        added.path_bytes >= 2 && strcmp(route->path + added.path_bytes - 2, "/*") == 0;
    added.path_bytes -= added.is_prefix ? 1u : 0u;
    added.same_path = NULL;
    for (const struct tlr__route *same = first_of_path(router, &added); same;
         same = same->same_path)
        if (strcmp(same->method, route->method) == 0) return -EEXIST;

    added.method = strdup(route->method);
    added.path = strndup(route->path, added.path_bytes);
    if (!added.method || !added.path) {
        free((char *)added.path);
        free((char *)added.method);
        return -ENOMEM;
    }
    router->routes[router->count] = added;
    enter(router, &router->routes[router->count++]);
    return 0;
}

void tlr__router_free(struct tlr__router *router) {
    for (unsigned i = 0; i < router->count; i++) {
        free((char *)router->routes[i].path);
        free((char *)router->routes[i].method);
    }
    router->count = 0;
}

const struct tlr__route *tlr__route_path(const struct tlr__router *router, const char *path,
                                         size_t path_bytes) {
    const struct tlr__route *found = router->exact[bucket(router, path, path_bytes)];
    size_t longest = 0;

    if (found) return found;
    for (unsigned i = 0; i < router->prefix_count; i++) {
        const struct tlr__route *prefix = router->prefixes[i];
        if (prefix->path_bytes <= longest || prefix->path_bytes > path_bytes) continue;
        if (memcmp(prefix->path, path, prefix->path_bytes) != 0) continue;
        longest = prefix->path_bytes;
        found = prefix;
    }
    return found;
}

static const struct tlr__route *exact_method(const struct tlr__route *path, const char *method) {
    while (path && strcmp(path->method, method) != 0) path = path->same_path;
    return path;
}

const struct tlr__route *tlr__route_method(const struct tlr__route *path, const char *method) {
    const struct tlr__route *route = exact_method(path, method);
    return !route && strcmp(method, "HEAD") == 0 ? exact_method(path, "GET") : route;
}

static size_t append_method(char *out, size_t at, size_t bytes, const char *method) {
    const size_t size = strlen(method);
    if (at + size + 3 > bytes) return at;
    if (at > 0) {
        memcpy(out + at, ", ", 2);
        at += 2;
    }
    memcpy(out + at, method, size + 1);
    return at + size;
}

void tlr__route_allow(const struct tlr__route *path, char *out, size_t bytes) {
    size_t at = 0;
    out[0] = '\0';
    for (const struct tlr__route *route = path; route; route = route->same_path)
        at = append_method(out, at, bytes, route->method);
    if (exact_method(path, "GET") && !exact_method(path, "HEAD"))
        at = append_method(out, at, bytes, "HEAD");
    if (!exact_method(path, "OPTIONS")) append_method(out, at, bytes, "OPTIONS");
}
