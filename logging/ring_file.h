/* ring_file.h - the shared mapping of a log: its layout, its making, its removal.
 *
 * Regions, in this order, each at an offset that the header tells and a multiple of 64 bytes:
 *     header · slots (one a thread, the last one the writer's) · ledger · dictionary (index, then
 *     entries) · lane controls · lane bytes
 *
 * The file is fully allocated and populated at open: no page fault and no SIGBUS later. All its
 * words are in native byte order; readers of another version refuse.
 */
#ifndef TLR_RING_FILE_H
#define TLR_RING_FILE_H

#include "clock.h"

#include <stdalign.h>
#include <stdbool.h>
#include <tailrace/ring.h>

#define TLR__RING_MAGIC "tlrring\n"
#define TLR__RING_VERSION 1u
#define TLR__SITES_MAX 4096u /* call sites of a process; number 0 is none */
#define TLR__CATEGORIES_MAX 256u
#define TLR__DICTIONARY_BYTES (512u * 1024u)
#define TLR__LOSSES_KEPT 32u /* (site, reason) pairs told apart per lane; the last is "others" */

/* A count of drops. The last entry of a table, never taken, is for all pairs that found no place.
 */
struct tlr__loss {
    _Atomic uint32_t site;   /* number + 1; 0: not taken. Set before count is first raised */
    _Atomic uint32_t reason; /* enum tlr_reason + 1; the same */
    _Atomic uint64_t count;  /* producer raises (release), writer reads (acquire) */
};

/* A lane's shared control. lane.c has the protocol. */
struct tlr__lane {
    /* Written by the producer alone. */
    alignas(
        64) _Atomic uint64_t head;  /* bytes published; release, pairs with the writer's acquire */
    _Atomic uint64_t reserved;      /* bytes reserved: > head while a record is being written */
    _Atomic uint32_t reserved_site; /* whose record that is */
    _Atomic uint32_t lost;          /* drops so far, modulo 2^32; each record carries it */
    _Atomic uint64_t records;       /* records published */
    /* Written by the writer, and by a producer that takes or retires the lane. */
    alignas(64) _Atomic uint64_t tail; /* bytes the sink has taken; release, pairs with reserve */
    _Atomic uint32_t tail_wakes;       /* futex word of a producer that waits for room */
    _Atomic uint32_t waiting;          /* nonzero while one does */
    _Atomic uint32_t state;            /* enum tlr__lane_state */
    alignas(64) struct tlr__loss losses[TLR__LOSSES_KEPT];
};

enum tlr__lane_state {
    TLR__LANE_FREE = 0,
    TLR__LANE_TAKEN = 1,
    TLR__LANE_RETIRED = 2, /* its thread has gone; free once the writer has drained it */
};

/* A thread's slot: written by its thread, read by anyone, under a sequence. */
struct tlr__slot {
    alignas(64) _Atomic uint32_t sequence; /* odd while it changes */
    _Atomic uint32_t generation;           /* raised when a new thread takes it; 0: never used */
    _Atomic int32_t tid;                   /* 0: free */
    _Atomic int32_t fd;
    _Atomic uint32_t doing; /* state | cause << 8 | role << 16 */
    _Atomic uint32_t site;
    _Atomic uint64_t since_ticks;
    _Atomic uint64_t stall_id;
    _Atomic uint64_t behind;
    _Atomic uint64_t name[2];
    _Atomic uint64_t context[4];
};

/* A stall in the ledger, under a sequence. */
struct tlr__ledger_entry {
    alignas(64) _Atomic uint32_t sequence;
    _Atomic uint32_t site;
    _Atomic uint32_t kind; /* cause | role << 8 */
    _Atomic int32_t tid;
    _Atomic int32_t fd;
    _Atomic uint64_t id, behind, begin_ns, duration_ns;
    _Atomic uint64_t name[2];
    _Atomic uint64_t context[4];
    _Atomic uint64_t target[TLR_TARGET_BYTES / 8];
};

enum tlr__counter {
    TLR__COUNT_WRITTEN,
    TLR__COUNT_GAPS,
    TLR__COUNT_ANNOUNCED,
    TLR__COUNT_BYTES,
    TLR__COUNT_WRITES,
    TLR__COUNT_SINK_ERRORS,
    TLR__COUNT_SEGMENTS_DELETED,
    TLR__COUNT_LATE,
    TLR__COUNT_WAKEUPS,
    TLR__COUNT_STALLS, /* entries ever put into the ledger */
    TLR__COUNTER_COUNT,
};

struct tlr__ring_header {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes;
    uint64_t total_bytes;
    uint64_t process_start; /* field 22 of /proc/PID/stat: tells a reused pid */
    uint64_t opened_ns;
    int32_t pid;
    uint32_t mode;
    uint32_t lane_count;
    uint32_t slot_count;
    uint64_t lane_bytes;
    uint64_t slots_offset, ledger_offset, dictionary_offset, lanes_offset, bytes_offset;
    char name[32];
    struct tlr__clock_line clock;
    alignas(64) _Atomic uint64_t counters[TLR__COUNTER_COUNT];
    _Atomic uint64_t dropped[TLR_REASON_COUNT]; /* by reason, lanes and laneless together */
    _Atomic int32_t sink_error;
    _Atomic int32_t ring_private;
    _Atomic int32_t writer_fd;
    _Atomic uint32_t dictionary_used;
    _Atomic uint64_t target[TLR_TARGET_BYTES / 8];
    struct tlr__loss laneless[TLR__LOSSES_KEPT]; /* raised by any thread: losses without a lane */
    _Atomic uint32_t laneless_lost;
    /* What producers look at after each record: on a line of its own, which seldom changes. */
    alignas(64) _Atomic uint32_t wake; /* enum tlr__wake; also the writer's futex word */
};

/* One string-carrying entry of the dictionary; strings follow, each terminated. */
struct tlr__dictionary_entry {
    uint32_t bytes; /* with strings, a multiple of 8 */
    uint32_t line;
    uint8_t level;
    uint8_t value_count;
    uint16_t file_bytes, function_bytes; /* with terminators */
    uint32_t format_bytes;
    /* unsigned char tags[value_count]; char file[], function[], format[] */
};

struct tlr__dictionary {
    _Atomic uint32_t sites[TLR__SITES_MAX];           /* offset of the entry; 0: none */
    _Atomic uint32_t categories[TLR__CATEGORIES_MAX]; /* offset of a terminated name; 0: none */
    unsigned char bytes[TLR__DICTIONARY_BYTES];
};

/* A mapping: this process's own (writable) or another's (read only). */
struct tlr_ring {
    struct tlr__ring_header *header;
    struct tlr__slot *slots;
    struct tlr__ledger_entry *ledger;
    struct tlr__dictionary *dictionary;
    struct tlr__lane *lanes;
    unsigned char *bytes;
    uint64_t total_bytes;
    unsigned slot_count, lane_count;
    uint64_t lane_bytes;
    char *path; /* NULL: private */
};

/* Makes a ring. Without a usable directory it is private memory, and header->ring_private tells
 * why. Blocks: allocates and populates, about 1 ms per MiB. Errors: -ENOMEM. */
int tlr__ring_file_make(struct tlr_ring *ring, const char *directory, const char *name,
                        enum tlr_mode mode, unsigned lane_count, uint64_t lane_bytes);

/* Removes the file's name; the mapping stays. Without it the file is left for recovery. */
void tlr__ring_file_remove(struct tlr_ring *ring);

/* Unmaps. */
void tlr__ring_file_unmake(struct tlr_ring *ring);

/* "/dev/shm/tailrace-UID". */
void tlr__ring_file_default_directory(char out[64]);

/* Field 22 of /proc/PID/stat; 0: no such process, or a dead one. */
uint64_t tlr__ring_file_process_start(int pid);

/* Copies a site or category into the dictionary under its number, unless it is there; a full
 * dictionary leaves it out.
 * Thread: any. Blocks: never. */
void tlr__ring_file_add_site(struct tlr_ring *ring, unsigned number, const struct tlr_site *site);
void tlr__ring_file_add_category(struct tlr_ring *ring, unsigned number, const char *name);

/* A site as the dictionary has it. */
struct tlr__site_text {
    const char *file, *function, *format;
    const unsigned char *tags;
    unsigned line, value_count;
    enum tlr_level level;
};
/* Errors: -ENOENT no such site, or the entry is damaged. */
int tlr__ring_file_site(const struct tlr_ring *ring, unsigned number, struct tlr__site_text *text);
/* NULL: no such category. */
const char *tlr__ring_file_category(const struct tlr_ring *ring, unsigned number);

static inline void tlr__ring_file_count(struct tlr_ring *ring, enum tlr__counter counter,
                                        uint64_t by) {
    atomic_fetch_add_explicit(&ring->header->counters[counter], by, memory_order_relaxed);
}

/* Text of up to `words` * 8 bytes as relaxed words, so that racing readers are no data race. */
void tlr__ring_file_text_store(_Atomic uint64_t *words, size_t count, const char *text);
void tlr__ring_file_text_load(const _Atomic uint64_t *words, size_t count, char *out);

#endif
