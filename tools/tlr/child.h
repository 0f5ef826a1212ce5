/* child.h - a child process: started, signalled, waited for with a deadline, never left behind.
 */
#ifndef TLR_CHILD_H
#define TLR_CHILD_H

#include <stdint.h>
#include <sys/types.h>

/* The caller's memory; all zeros: none was started. */
struct tlr__child {
    pid_t pid;
    int running; /* not waited for yet */
    int status;  /* as waitpid gave it */
};

struct tlr__child_options {       /* zero means default */
    const char *const *arguments; /* ended by NULL; the first is looked up on PATH; required */
    const char *output;           /* file for its standard output, made anew; default: nowhere */
    const char *errors;           /* the same for its standard error */
    int pinned;                   /* nonzero: it runs on `processor` only */
    int processor;
};

/* Starts it. It is killed when the calling thread ends first.
 * Thread: main. Blocks: until it was executed.
 * Errors: errno of fork, of opening the files or of executing it (-ENOENT: not found). */
int tlr__child_start(struct tlr__child *child, const struct tlr__child_options *options);

/* Sends a signal; no-op if it is not running. */
void tlr__child_signal(struct tlr__child *child, int number);

/* Waits for its end. Blocks: up to the deadline. Errors: -ETIMEDOUT; -ECHILD it was not running. */
int tlr__child_wait(struct tlr__child *child, uint64_t deadline_ns);

/* Kills it, also while it is stopped, and waits. No-op if it is not running. */
void tlr__child_end(struct tlr__child *child);

/* "exit status 2", "signal 9 (Killed)" in a buffer of the calling thread. */
const char *tlr__child_ending(const struct tlr__child *child);

/* Processor time of all its threads so far, in nanoseconds; 0 if it cannot be had. */
uint64_t tlr__child_cpu_ns(const struct tlr__child *child);

#endif
