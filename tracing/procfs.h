/* procfs.h - what /proc tells about a process.
 */
#ifndef TLR_TRACING_PROCFS_H
#define TLR_TRACING_PROCFS_H

#include <stddef.h>
#include <tailrace/trace.h>

/* Reads a small file whole, cut to `capacity` - 1 bytes, terminated.
 * Returns its size or negative errno. Thread: any. Blocks: on /proc. */
int tlr__procfs_read(const char *path, char *out, size_t capacity);

struct tlr__procfs_process {
    char name[TLR_THREAD_NAME_BYTES];
    char state;     /* of its main thread: R S D T t Z ... */
    char waits[64]; /* its kernel wait channel; "" none, or it may not be known */
};

/* Errors: -ESRCH no such process. Thread: any. Blocks: on /proc. */
int tlr__procfs_process(int pid, struct tlr__procfs_process *process);

/* Nonzero if this process sees every process of the machine: it is in the first PID namespace. */
int tlr__procfs_sees_all(void);

#endif
