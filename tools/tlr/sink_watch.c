/* sink_watch.c - see sink_watch.h.
 */
#include "sink_watch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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

/* The open segment is written on without an error, but its file has no name any more. Making the
 * directory again does not bring it back, so this is said once. */
static void look_for_directory(struct tlr__sink_watch *watch) {
    if (watch->directory == NULL || watch->gone || access(watch->directory, F_OK) == 0) return;
    watch->gone = 1;
    tlr__cli_notice("%s: the directory was removed; what is traced until its next segment is lost",
                    watch->name);
}

void tlr__sink_watch_look(struct tlr__sink_watch *watch) {
    struct tlr_log_stats stats;
    if (watch->log == NULL) return;
    look_for_directory(watch);
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
