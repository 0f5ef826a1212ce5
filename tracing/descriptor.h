/* descriptor.h - what a descriptor of a process refers to.
 */
#ifndef TLR_TRACING_DESCRIPTOR_H
#define TLR_TRACING_DESCRIPTOR_H

#include <stdint.h>
#include <tailrace/trace.h>

enum tlr__descriptor_kind {
    TLR__DESCRIPTOR_OTHER = 0,
    TLR__DESCRIPTOR_PIPE = 1, /* anonymous */
    TLR__DESCRIPTOR_FIFO = 2,
    TLR__DESCRIPTOR_FILE = 3,
    TLR__DESCRIPTOR_TERMINAL = 4,
    TLR__DESCRIPTOR_DEVICE = 5,
    TLR__DESCRIPTOR_SOCKET = 6,
};

struct tlr__descriptor {
    enum tlr__descriptor_kind kind;
    int access_mode; /* O_RDONLY, O_WRONLY, O_RDWR */
    unsigned device_major, device_minor;
    uint64_t inode;
    int64_t pipe_used_bytes, pipe_size_bytes; /* -1: no pipe, or not to be had */
    int pipe_full; /* nonzero: a writer would wait, though pages in it may be but partly used */
    char path[TLR_TARGET_BYTES];   /* as /proc tells it, cut */
    char object[TLR_TARGET_BYTES]; /* "FIFO /run/log", "file /x (ext4)", ... */
};

/* Looks at descriptor `fd` of process `pid` without opening what it refers to, which could block or
 * make this process a reader of a FIFO for a moment.
 * Thread: any. Blocks: on /proc. Errors: -ESRCH no such process or descriptor; -EACCES. */
int tlr__descriptor_look(int pid, int fd, struct tlr__descriptor *descriptor);

/* The access mode in /proc's fdinfo; negative errno. `fdinfo` is the path of that file. */
int tlr__descriptor_access_mode(const char *fdinfo);

#endif
