/* sink_watch.h - says on stderr when the sink of an open log begins to fail, and when it works
 * again.
 */
#ifndef TLR_SINK_WATCH_H
#define TLR_SINK_WATCH_H

#include <tailrace/log.h>

struct tlr__sink_watch {
    const struct tlr_log *log; /* NULL: nothing to watch */
    const char *name;          /* "log /var/log/service.log" */
    const char *meanwhile;     /* what becomes of the lines while it fails */
    int error;                 /* as said last; begins as 0 */
    const char *directory;     /* of segments; NULL: none */
    int gone;                  /* the directory was removed, and that was said */
};

/* Looks once; says a change in one line. To be called every second or so: a failure that came and
 * went in between is not told. Thread: main. Blocks: on stderr. */
void tlr__sink_watch_look(struct tlr__sink_watch *watch);

#endif
