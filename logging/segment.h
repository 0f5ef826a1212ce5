/* segment.h - the binary log and trace format (.tlr): its specification, its encoder and decoder.
 *
 * Version 1. A segment is one file: a file header, then blocks. Blocks are only ever appended, and
 * each says what it holds and is checksummed, so a file can be read while it grows, after a crash,
 * and past damage.
 *
 * Numbers are little-endian. `varint` is LEB128: seven bits a byte, lowest first, the top bit set
 * in all bytes but the last; at most 10 bytes. `zigzag` is a signed number n as the varint of
 * (n << 1) ^ (n >> 63). `text` is a varint size and that many bytes, no terminator. Checksums are
 * CRC-32C (checksum.h). Dates are nanoseconds since 1970, UTC.
 *
 * File header, 128 bytes
 *     0   8  magic: 89 'T' 'L' 'R' 0d 0a 1a 0a
 *     8   4  version: 1
 *    12   4  extension bytes: that many follow the header, to be passed over by readers that do not
 *            know them (at most 64 KiB)
 *    16  16  UUID of this file, random
 *    32  16  UUID of the file before it in the same log; zeros: it is the first
 *    48   8  sequence: 1, 2, ... in one log
 *    56   8  date at which it was begun
 *    64   4  process
 *    68   1  byte order of the writer's long double: 1 little-endian, 2 big-endian
 *    69   1  binary digits of the writer's long double: 64 (x87), 113, 106, 53
 *    70   2  zeros
 *    72  48  name of the log, padded with zeros, at least one
 *   120   4  zeros
 *   124   4  checksum of bytes 0 to 123
 * Magic, version and checksum stay where they are in every version.
 *
 * Block header, 80 bytes
 *     0   8  marker: the first 8 bytes of the file's UUID. Readers find their way again by it after
 *            damage; being random, no logged text can hold a forged block
 *     8   4  type: 1 records, 2 end of file; others are passed over
 *    12   4  bytes of the dictionary section
 *    16   4  bytes of the records section
 *    20   4  bytes of the extension section: passed over by readers that do not know it (room for
 *            an index of trace ids)
 *    24   4  count of records
 *    28   4  levels: bit n is set if a record of level n is in the block
 *    32   8  type 1: date of the first record. Type 2: sequence of the next file; 0: none, the log
 *            was closed
 *    40   8  date of the earliest record
 *    48   8  date of the latest record
 *    56   4  checksum of the dictionary section
 *    60   4  checksum of the records section
 *    64  12  zeros
 *    76   4  checksum of bytes 0 to 75
 * The three sections follow in that order. A block, header included, has at most 16 MiB. Nothing
 * follows a block of type 2; a file without one is being written or was cut by a crash.
 *
 * Dictionary section: what records name by number. An entry stands in an earlier block or in the
 * same one; numbers count from 0 in each file and kind, stay below 65536, and are given once.
 *     entry    := kind:byte size:varint body          (size of the body; unknown kinds are passed
 *                                                      over, and so are bytes left in a body)
 *     site     := number:varint category:varint line:varint level:byte count:varint
 *                 tags:count*byte kinds:count*byte file:text function:text format:text      kind 1
 *     category := number:varint name:text                                                   kind 2
 *     thread   := number:varint name:text                                                   kind 3
 * `tags` are the C types of the arguments (enum tlr_tag), `kinds` how their values are written:
 * 1 WORD, 2 REAL, 3 LONG_DOUBLE, 4 STRING.
 *
 * Records section
 *     record   := size:varint flags:byte time:zigzag site:varint thread:varint
 *                 [category:varint] [level:byte] [context] value*
 *     size     of what follows it: a record whose site is unknown can be passed over
 *     time     difference to the record before; the first one's is 0
 *     flags    0x01 context follows        0x02 the context last given in this block holds again
 *              0x04 category follows, else it is the site's
 *              0x08 level follows, else it is the site's
 *              0x10 the record tells of dropped records (a gap)
 *     context  := trace id:16 bytes, span id:8, flags:4, reserved:4
 *     value, by kind
 *         WORD         zigzag
 *         REAL         8 bytes, IEEE 754
 *         LONG_DOUBLE  16 bytes as in the writer's memory: see the file header
 *         STRING       varint of size << 2 | cut << 1 | null, then the bytes
 *
 * Names: NAME-YYYYMMDDTHHMMSSZ-PID-SEQUENCE.tlr, sequence of at least six digits. Whoever writes a
 * segment holds a shared flock on it, which keeps other writers from deleting it.
 */
#ifndef TLR_SEGMENT_H
#define TLR_SEGMENT_H

#include "encode.h"

#include <stdbool.h>
#include <sys/uio.h>
#include <tailrace/record.h>

#define TLR__SEGMENT_VERSION 1u
#define TLR__SEGMENT_FILE_HEADER_BYTES 128u
#define TLR__SEGMENT_BLOCK_HEADER_BYTES 80u
#define TLR__SEGMENT_EXTENSION_BYTES_MAX (64u * 1024u) /* of the file header */
#define TLR__SEGMENT_BLOCK_BYTES_MAX (16u * 1024u * 1024u)
#define TLR__SEGMENT_NUMBERS_MAX 65536u /* sites of a file; categories; threads */
#define TLR__SEGMENT_UUID_BYTES 16
#define TLR__SEGMENT_MARKER_BYTES 8
#define TLR__SEGMENT_NAME_BYTES 48 /* with its terminator */

/* ---- headers (segment.c) -------------------------------------------------------------------- */

struct tlr__segment_file_header {
    unsigned char uuid[TLR__SEGMENT_UUID_BYTES];
    unsigned char previous_uuid[TLR__SEGMENT_UUID_BYTES];
    uint64_t sequence;
    uint64_t created_ns;
    uint32_t extension_bytes;
    uint32_t pid;
    bool long_double_foreign; /* when read: of another machine, cannot be given */
    char name[TLR__SEGMENT_NAME_BYTES];
};

void tlr__segment_file_header_store(const struct tlr__segment_file_header *header,
                                    unsigned char out[TLR__SEGMENT_FILE_HEADER_BYTES]);

/* Reads `size` bytes of a file's start. Errors: -EAGAIN a header so far, but not all of it;
 * -EBADMSG no segment, or a damaged one; -EPROTONOSUPPORT another version. */
int tlr__segment_file_header_load(const unsigned char *in, size_t size,
                                  struct tlr__segment_file_header *header);

enum tlr__segment_block_type {
    TLR__SEGMENT_RECORDS = 1,
    TLR__SEGMENT_END = 2,
};

struct tlr__segment_block_header {
    unsigned char marker[TLR__SEGMENT_MARKER_BYTES];
    uint32_t type;
    uint32_t dictionary_bytes, records_bytes, extension_bytes;
    uint32_t record_count;
    uint32_t levels;
    uint64_t time_first_ns; /* of an END: sequence of the next file */
    uint64_t time_min_ns, time_max_ns;
    uint32_t dictionary_checksum, records_checksum;
};

void tlr__segment_block_header_store(const struct tlr__segment_block_header *header,
                                     unsigned char out[TLR__SEGMENT_BLOCK_HEADER_BYTES]);

/* Errors: -EBADMSG damaged, not of this file, or too large. */
int tlr__segment_block_header_load(const unsigned char in[TLR__SEGMENT_BLOCK_HEADER_BYTES],
                                   const unsigned char marker[TLR__SEGMENT_MARKER_BYTES],
                                   struct tlr__segment_block_header *header);

/* The whole block's bytes, its header's included. */
uint64_t tlr__segment_block_bytes(const struct tlr__segment_block_header *header);

/* ---- encoder (segment_encoder.c) ------------------------------------------------------------ */
/* Builds one block at a time in memory that is fixed at open. Thread: one at a time. */

struct tlr__segment_encoder;

/* Small stable numbers for what a record points to, for the segment's dictionary. */
struct tlr__segment_ids {
    unsigned site;
    unsigned category;
    unsigned thread; /* a new thread in an old slot has a new number */
};

/* Errors: -ENOMEM. */
int tlr__segment_encoder_open(struct tlr__segment_encoder **encoder);
void tlr__segment_encoder_close(struct tlr__segment_encoder *encoder);

/* Adds a record, all of it or nothing. Errors: -ENOBUFS the block is full; -EMSGSIZE too large for
 * any block; -EINVAL the payload holds less than its plan says. An empty block is never full. */
int tlr__segment_encoder_put(struct tlr__segment_encoder *encoder, const struct tlr_record *record,
                             const struct tlr__segment_ids *ids);

/* Bytes of the block so far; 0: nothing to write. */
size_t tlr__segment_encoder_bytes(const struct tlr__segment_encoder *encoder);

/* Completes the block and points at its parts, which hold until clear. */
void tlr__segment_encoder_seal(struct tlr__segment_encoder *encoder,
                               const unsigned char marker[TLR__SEGMENT_MARKER_BYTES],
                               struct iovec parts[3]);

/* Begins the next block of the same file. */
void tlr__segment_encoder_clear(struct tlr__segment_encoder *encoder);

/* True if numbers are used up: the next block must go to a new file. Asked between blocks. */
bool tlr__segment_encoder_exhausted(const struct tlr__segment_encoder *encoder);

/* Begins a new file's first block: the dictionary starts anew. Between blocks. */
void tlr__segment_encoder_reset(struct tlr__segment_encoder *encoder);

/* ---- decoder (segment_decoder.c) ------------------------------------------------------------- */
/* Takes sections apart that may be hostile: whatever they hold, memory stays within a few times
 * their size. Thread: one at a time. */

struct tlr__segment_table {
    void **items; /* by number; NULL: not defined, or lost with a damaged block */
    unsigned count;
};

/* One made of zeros is ready; its members are the decoder's own, but for what is said of them. */
struct tlr__segment_decoder {
    bool long_double_foreign; /* to be set from the file's header */

    struct tlr__segment_table sites;               /* with their programs, compiled at first use */
    struct tlr__segment_table categories, threads; /* texts */
    size_t dictionary_bytes;                       /* of all sections so far */

    const unsigned char *next, *end; /* what is left of the records section */
    uint64_t time_ns;                /* of the record before */
    bool context_known;
    struct tlr_context context;
    _Alignas(16) unsigned char payload[TLR__PAYLOAD_BYTES_MAX + 16u * TLR_VALUES_MAX];
};

/* Frees what it holds; it is then ready again. */
void tlr__segment_decoder_clear(struct tlr__segment_decoder *decoder);

/* Takes in a dictionary section. Errors: -EBADMSG it is malformed (entries before that hold);
 * -ENOMEM. */
int tlr__segment_decoder_define(struct tlr__segment_decoder *decoder, const unsigned char *section,
                                size_t bytes);

/* Goes to the start of a records section, whose bytes stay the caller's. */
void tlr__segment_decoder_begin(struct tlr__segment_decoder *decoder, const unsigned char *section,
                                size_t bytes, uint64_t time_first_ns);

/* The next record: 1; 0 at the section's end. It points into the decoder and holds until the next
 * call. Errors: -ENOENT a record was passed over that names what the dictionary does not have, or
 * whose values are not what its format takes; -EBADMSG the section is malformed, and left at its
 * end; -ENOMEM, to be called again. */
int tlr__segment_decoder_next(struct tlr__segment_decoder *decoder, struct tlr_record *record);

/* ---- directories (segment_listing.c) -------------------------------------------------------- */

struct tlr__segment_file {
    char *path;
    uint64_t created_ns; /* by its header; where that is unreadable, its time of change */
    uint64_t bytes;
};

struct tlr__segment_listing {
    struct tlr__segment_file *files; /* oldest first */
    size_t count;
};

/* Lists the segments of a directory. name: only that log's; NULL: all.
 * Owns: *listing until free. Errors: errno of reading the directory; -ENOMEM. */
int tlr__segment_listing_make(const char *directory, const char *name,
                              struct tlr__segment_listing *listing);
void tlr__segment_listing_free(struct tlr__segment_listing *listing);

#endif
