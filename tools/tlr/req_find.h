/* req_find.h - everything that trace directories and logs know of one request.
 */
#ifndef TLR_REQ_FIND_H
#define TLR_REQ_FIND_H

#include "trace_record.h"

#define TLR__REQ_CANDIDATES 20

struct tlr__req_line {
    uint64_t date_ns;  /* 0: none */
    char *text, *json; /* in short form, and as a JSON object; owned */
};

/* A stall that hurt the request, and whose it was. */
struct tlr__req_hurt {
    uint64_t id;
    int found;
    struct tlr__trace_stall stall;
    char method[16], path[128]; /* of the request in which it happened; "" unknown */
};

struct tlr__req {
    char trace[TLR__ID_TEXT_BYTES];
    struct tlr__trace_request *requests; /* by date: one trace id may have several */
    size_t request_count;
    struct tlr__trace_span *spans; /* by date */
    size_t span_count;
    struct tlr__trace_stall *stalls; /* in which it was blocked; by date */
    size_t stall_count;
    struct tlr__req_hurt *hurts; /* one for each stall that its requests waited behind */
    size_t hurt_count;
    struct tlr__req_line *lines; /* by date */
    size_t line_count;

    uint64_t damaged;
    /* where more than one trace id begins like that */
    struct {
        char trace[TLR__ID_TEXT_BYTES];
        char method[16], path[128];
        uint64_t begin_ns;
    } candidates[TLR__REQ_CANDIDATES];
    size_t candidate_count, candidates_more;
};

/* Looks for the request whose trace id is or begins with `prefix` (lower-case hex) in `paths`:
 * directories of segments, segments, logs of text or JSON lines. A path that cannot be read is a
 * notice, and counted in *unreadable.
 * Owns: until tlr__req_free. Blocks: on I/O; reads everything up to three times.
 * Returns how many trace ids there are: 0 not found; above 1, only candidates are filled.
 * Errors: -ENOMEM. */
int tlr__req_find(struct tlr__req *req, const char *prefix, char **paths, int path_count,
                  int *unreadable);
void tlr__req_free(struct tlr__req *req);

#endif
