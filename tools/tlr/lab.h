/* lab.h - `tlr lab`: experiments with a server of its own, each ending in one table and one
 * sentence.
 */
#ifndef TLR_LAB_H
#define TLR_LAB_H

#include <stdint.h>

struct tlr__lab_arguments {
    int json;              /* one JSON object in place of table and sentence */
    uint64_t stop_ns;      /* bad-logging: how long the log's reader is stopped */
    uint64_t sleep_ms;     /* task-and-quick: how long the task waits */
    uint64_t rate;         /* requests a second to the endpoint looked at */
    uint64_t lane_bytes;   /* of the server's log; 0: its default */
    const char *directory; /* keep logs and traces here; NULL: they are removed */
};

/* Each runs one scenario and prints what it found. Return an enum tlr__cli_status; NOTHING: it ran,
 * but did not show what it was to show. Thread: main. Blocks: for its length. */
int tlr__lab_bad_logging_run(const struct tlr__lab_arguments *arguments);
int tlr__lab_task_and_quick_run(const struct tlr__lab_arguments *arguments);

/* Sleeps. Thread: any. */
void tlr__lab_wait(uint64_t duration_ns);

#endif
