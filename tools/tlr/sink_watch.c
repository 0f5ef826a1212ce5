/* sink_watch.c - see sink_watch.h.
 */
#include "sink_watch.h"

#include <errno.h>
#include <string.h>

#include "cli.h"

static const char *reason(int error) {
    switch (error) {
    case -ENXIO:
        return "nobody reads this FIFO";
    case -EPIPE:
        return "its reader is gone";
    default:
        return strerror(-error);
    }
}

void tlr__sink_watch_look(struct tlr__sink_watch *watch) {
    struct tlr_log_stats stats;
    if (watch->log == NULL) return;
    tlr_log_stats(watch->log, &stats);
    /* A pipe that is full is a slow reader, not an error. */
    int error = stats.sink_error == -EAGAIN ? 0 : stats.sink_error;
    if (error == watch->error) return;
    if (error != 0)
        tlr__cli_notice("%s: %s; %s", watch->name, reason(error), watch->meanwhile);
    else
        tlr__cli_notice("%s: works again", watch->name);
    watch->error = error;
}
