/* From a descriptor to whoever must act: descriptor -> object -> process at the other end -> what
 * that one waits for. Each step that cannot be taken is said, with what to run instead. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tailrace/trace.h>

#include "descriptor.h"
#include "holder.h"
#include "procfs.h"

#define SEARCH_LIMIT_NS (50 * TLR_NS_PER_MS)

static void __attribute__((format(printf, 2, 3)))
say(struct tlr_blame *blame, const char *format, ...) {
    size_t used = strlen(blame->sentence);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(blame->sentence + used, sizeof blame->sentence - used, format, arguments);
    va_end(arguments);
}

static void __attribute__((format(printf, 2, 3)))
advise(struct tlr_blame *blame, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(blame->advice, sizeof blame->advice, format, arguments);
    va_end(arguments);
}

/* What the waiting thread does, up to the object's name. */
static const char *activity(enum tlr_cause cause, int access_mode) {
    switch (cause) {
    case TLR_CAUSE_SINK_WRITE:
        return "writing to";
    case TLR_CAUSE_SINK_LOCK:
        return "waiting for another thread's write to";
    case TLR_CAUSE_LANE_FULL:
        return "waiting for its log's writer, which writes to";
    case TLR_CAUSE_FSYNC:
        return "syncing";
    case TLR_CAUSE_ROTATE:
        return "rotating";
    case TLR_CAUSE_OPEN:
        return "opening";
    case TLR_CAUSE_FILE:
    case TLR_CAUSE_SOCKET:
        return access_mode == O_RDONLY   ? "reading from"
               : access_mode == O_WRONLY ? "writing to"
                                         : "reading from or writing to";
    default:
        return "waiting for";
    }
}

/* ---- no descriptor -------------------------------------------------------------------------- */

static void explain_without_descriptor(enum tlr_cause cause, struct tlr_blame *blame) {
    switch (cause) {
    case TLR_CAUSE_SLEEP:
    case TLR_CAUSE_HANDLER_SLEEP:
        say(blame, "sleeping; no other process is involved");
        advise(blame, "let a timer or the pool do the waiting");
        break;
    case TLR_CAUSE_HANDLER_CPU:
        say(blame, "computing; no other process is involved");
        advise(blame, "give the work to the pool");
        break;
    case TLR_CAUSE_LOCK:
        say(blame, "waiting for a lock that another thread of the process holds");
        advise(blame, "look for the holder among the process's threads");
        break;
    case TLR_CAUSE_SINK_LOCK:
        say(blame, "waiting for another thread's write to the log");
        advise(blame, "look at the stall it waits behind");
        break;
    case TLR_CAUSE_LANE_FULL:
        say(blame, "waiting for room in its lane; the log's writer is behind");
        advise(blame, "look at the writer's own stall");
        break;
    case TLR_CAUSE_POOL_QUEUE:
        say(blame, "waiting for a thread of the pool; all of them are taken");
        advise(blame, "look at what the pool's threads do, or make the pool larger");
        break;
    case TLR_CAUSE_OPEN:
        say(blame, "opening a file; the open of a FIFO waits until its other end is opened");
        advise(blame, "start the FIFO's reader");
        break;
    default:
        say(blame, "waiting for something without a descriptor");
        break;
    }
}

/* ---- pipes ---------------------------------------------------------------------------------- */

/* The two ends in words, seen from the one that waits. */
struct ends {
    const char *other;   /* "reader" */
    const char *reading; /* what the other one does not do */
    const char *reads;
};

static struct ends ends_of(const struct tlr__descriptor *descriptor) {
    if (descriptor->access_mode == O_RDONLY) return (struct ends){"writer", "writing", "writes"};
    return (struct ends){"reader", "reading", "reads"};
}

static int waits_in(const struct tlr__procfs_process *process, const char *what) {
    return strstr(process->waits, what) != NULL;
}

static void explain_sleeping(const struct tlr__procfs_process *process, int pid, struct ends ends,
                             struct tlr_blame *blame) {
    if (waits_in(process, "refrigerator") || waits_in(process, "freezer")) {
        say(blame, "is frozen (its container or cgroup is paused)");
        advise(blame, "unpause the container of process %d, or write 0 to its cgroup.freeze", pid);
    } else if (waits_in(process, "pipe_write")) {
        say(blame, "is not %s: it is itself blocked, writing to a pipe", ends.reading);
        advise(blame, "follow the chain: ls -l /proc/%d/fd", pid);
    } else if (waits_in(process, "pipe_read")) {
        say(blame, "waits for data in a pipe: it %s again, or is slow", ends.reads);
        advise(blame, "see how fast process %d reads: strace -c -p %d", pid, pid);
    } else {
        say(blame, "is running but not %s", ends.reading);
        if (process->waits[0]) say(blame, " (sleeps in %s)", process->waits);
        advise(blame, "see what it does: strace -f -p %d", pid);
    }
}

static void explain_state(const struct tlr__procfs_process *process, int pid, struct ends ends,
                          struct tlr_blame *blame) {
    switch (process->state) {
    case 'T':
        say(blame, "is stopped (T)");
        advise(blame, "kill -CONT %d", pid);
        break;
    case 't':
        say(blame, "is stopped by a debugger (t)");
        advise(blame, "let the debugger of process %d go on, or detach it", pid);
        break;
    case 'D':
        say(blame, "is in uninterruptible sleep (D)");
        if (process->waits[0]) say(blame, ", waits in %s", process->waits);
        advise(blame, "see what it waits for, as root: cat /proc/%d/stack", pid);
        break;
    default:
        explain_sleeping(process, pid, ends, blame);
        break;
    }
}

static void explain_holder(const struct tlr__holder *holder, struct ends ends,
                           struct tlr_blame *blame) {
    const struct tlr__procfs_process *process = &holder->process;
    blame->other_pid = holder->pid;
    blame->other_state = process->state;
    blame->others = holder->others;
    memcpy(blame->other_name, process->name, sizeof blame->other_name);
    memcpy(blame->other_waits, process->waits, sizeof blame->other_waits);

    if (holder->itself) {
        say(blame, "its only %s is the waiting process itself, %s (pid %d)", ends.other,
            process->name, holder->pid);
        advise(blame, "find the thread of process %d that should have %s it", holder->pid,
               ends.reads[0] == 'r' ? "read" : "written");
        return;
    }
    say(blame, "its %s %s (pid %d) ", ends.other, process->name, holder->pid);
    explain_state(process, holder->pid, ends, blame);
    if (holder->others == 1) say(blame, "; 1 more process holds that end");
    if (holder->others > 1) say(blame, "; %u more processes hold that end", holder->others);
}

static void explain_nobody(const struct tlr__holder *holder,
                           const struct tlr__descriptor *descriptor, struct ends ends,
                           struct tlr_blame *blame) {
    unsigned long long inode = descriptor->inode;
    if (holder->hidden || holder->partial || !tlr__procfs_sees_all()) {
        say(blame, "its %s is not to be seen from here (%s); inode %llu", ends.other,
            holder->partial  ? "the search was cut short"
            : holder->hidden ? "some processes belong to other users"
                             : "it may be outside this PID namespace",
            inode);
        advise(blame, "on the host, as root: find -L /proc/[0-9]*/fd -inum %llu 2>/dev/null",
               inode);
        return;
    }
    say(blame, "nobody %s this %s", ends.reads,
        descriptor->kind == TLR__DESCRIPTOR_FIFO ? "FIFO" : "pipe");
    if (descriptor->kind == TLR__DESCRIPTOR_FIFO)
        advise(blame, "start its %s, such as: cat %s %.100s", ends.other,
               ends.reads[0] == 'r' ? "<" : ">", descriptor->path);
    else
        advise(blame, "its %s has gone: start the pipeline again", ends.other);
}

static void explain_pipe(int pid, int fd, const struct tlr__descriptor *descriptor,
                         struct tlr_blame *blame) {
    struct tlr__holder holder;
    struct ends ends = ends_of(descriptor);
    blame->pipe_used_bytes = descriptor->pipe_used_bytes;
    blame->pipe_size_bytes = descriptor->pipe_size_bytes;
    if (blame->pipe_used_bytes >= 0 && blame->pipe_size_bytes > 0)
        say(blame, " (%lld of %lld bytes full%s)", (long long)blame->pipe_used_bytes,
            (long long)blame->pipe_size_bytes,
            descriptor->pipe_full && blame->pipe_used_bytes < blame->pipe_size_bytes
                ? ", no page free"
                : "");
    say(blame, "; ");
    tlr__holder_find(pid, fd, descriptor, SEARCH_LIMIT_NS, &holder);
    if (holder.pid)
        explain_holder(&holder, ends, blame);
    else
        explain_nobody(&holder, descriptor, ends, blame);
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void explain_object(int pid, int fd, const struct tlr__descriptor *descriptor,
                           struct tlr_blame *blame) {
    switch (descriptor->kind) {
    case TLR__DESCRIPTOR_PIPE:
    case TLR__DESCRIPTOR_FIFO:
        explain_pipe(pid, fd, descriptor, blame);
        break;
    case TLR__DESCRIPTOR_FILE:
        say(blame, "; no other process is involved: its file system or disk is slow or frozen");
        advise(blame, "see where it waits, as root: cat /proc/%d/task/*/stack; then iostat -x 1",
               pid);
        break;
    case TLR__DESCRIPTOR_TERMINAL:
        say(blame, "; its display is stopped (Ctrl-S) or does not keep up");
        advise(blame, "press Ctrl-Q in that terminal");
        break;
    case TLR__DESCRIPTOR_SOCKET:
        say(blame, "; its peer does not keep up");
        advise(blame, "find the peer: ss -exp | grep %llu", (unsigned long long)descriptor->inode);
        break;
    default:
        say(blame, "; no other process is known to be involved");
        break;
    }
}

int tlr_blame(int pid, int fd, enum tlr_cause cause, struct tlr_blame *blame) {
    struct tlr__procfs_process process;
    struct tlr__descriptor descriptor;
    memset(blame, 0, sizeof *blame);
    blame->pipe_used_bytes = blame->pipe_size_bytes = -1;
    if (tlr__procfs_process(pid, &process)) {
        say(blame, "there is no process %d", pid);
        return -ESRCH;
    }
    if (fd < 0) {
        explain_without_descriptor(cause, blame);
        return 0;
    }
    int error = tlr__descriptor_look(pid, fd, &descriptor);
    if (error == -EACCES) {
        say(blame, "%s (pid %d) belongs to another user: its descriptor %d may not be looked into",
            process.name, pid, fd);
        advise(blame, "look as root, or as that user");
        return error;
    }
    if (error) {
        say(blame, "%s (pid %d) has no descriptor %d (any more)", process.name, pid, fd);
        return error;
    }
    memcpy(blame->object, descriptor.object, sizeof blame->object);
    blame->inode = descriptor.inode;
    say(blame, "%s %s", activity(cause, descriptor.access_mode), descriptor.object);
    explain_object(pid, fd, &descriptor, blame);
    return 0;
}
